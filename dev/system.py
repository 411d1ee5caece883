"""What the stack needs from the machine: free ports, programs, Debian packages."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts_connections(port: int) -> bool:
    """Whether something listens on this port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def apt_install(package: str) -> None:
    """Install a Debian package; as root, or by a sudo that asks for no password.

    :raises RuntimeError: where neither is possible: says what to install by hand.
    """
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (sudo and subprocess.run([*sudo, "true"], capture_output=True).returncode):
        raise RuntimeError(f"{package} is needed and cannot be installed from here: install it, then run this again")
    print(f"installing {package} ...", flush=True)
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    subprocess.run([*apt, "update"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*apt, "install", "-y", "--no-install-recommends", package], check=True, stdout=subprocess.DEVNULL)


def program(name: str, package: str, folders: str = "") -> Path:
    """The path of a program, its Debian package installed first where it is absent.

    :param folders: a glob under ``/`` of folders that are not on PATH; the last in order wins.
    """
    for attempt in range(2):
        outside_path = sorted(Path("/").glob(f"{folders}/{name}")) if folders else []
        found = shutil.which(name) or (outside_path[-1] if outside_path else None)
        if found:
            return Path(found)
        if attempt == 0:
            apt_install(package)
    raise RuntimeError(f"{package} is installed and brought no {name}")
