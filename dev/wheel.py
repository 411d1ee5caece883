"""The wheel alone in the oldest and the newest Airflow: ``make test-wheel``.

Follows README as somebody does who has nothing of this repository: installs the package, starts the sandbox by the
command that stands there, takes the connection that it prints, and runs each DAG by ``airflow dags test``.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from dev.matrix.__main__ import PYTHONS, interpreter, python_for
from dev.system import accepts_connections, free_port

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
LAKE = "/tmp/criteo"
PACKAGE = "airflow_provider_criteo"


class WrongError(Exception):
    """What README promises and does not hold."""


def dags() -> dict[str, str]:
    """README's DAG files, by the id of their DAG."""
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return {dag_id: block for block in blocks for dag_id in re.findall(r'with DAG\("(\w+)"', block)}


def pip_command(wheel: Path) -> list[str]:
    """README's ``pip install``, of this wheel."""
    (command,) = re.findall(r"^(pip install .*airflow-provider-criteo.*)$", README, re.MULTILINE)
    return shlex.split(command.replace("airflow-provider-criteo", str(wheel)))


def sandbox_command(port: int) -> list[str]:
    """README's command for a local Criteo, on a free port."""
    (command,) = re.findall(rf"^python (-m {PACKAGE}\.sandbox .*)$", README, re.MULTILINE)
    return shlex.split(command.replace("--port 8000", f"--port {port}"))


def environment(folder: Path, airflow: str, wheel: Path) -> Path:
    """A virtual environment of an Airflow, and in it the wheel as README says; its folder of programs."""
    python = interpreter(python_for(airflow))
    if python is None:
        raise WrongError("no Python that it runs on is here")
    subprocess.run([python, "-m", "venv", folder], check=True)
    programs = folder / "bin"
    install = [Path(sys.executable).parent / "uv", "pip", "install", "--quiet", "--compile-bytecode"]
    constraints = ROOT / "dev" / "constraints" / f"{airflow}.txt"
    subprocess.run(
        [*install, "--constraint", constraints, f"apache-airflow=={airflow}"],
        env={**os.environ, "VIRTUAL_ENV": str(folder)},
        check=True,
    )
    pip, *words = pip_command(wheel)
    subprocess.run([programs / pip, *words, "--quiet", "--disable-pip-version-check"], check=True)
    return programs


@contextlib.contextmanager
def sandbox(programs: Path, home: Path) -> Iterator[dict[str, str]]:
    """The sandbox by README's command; gives the variable that it says to export."""
    port = free_port()
    command = [programs / "python", *sandbox_command(port)]
    printed = home / "sandbox.log"
    with printed.open("w") as output:
        process = subprocess.Popen(command, cwd=home, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not accepts_connections(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise WrongError(f"the sandbox did not start:\n{printed.read_text()}")
            time.sleep(0.1)
        (line,) = re.findall(r"^export (.*)$", printed.read_text(), re.MULTILINE)
        name, _, value = shlex.split(line)[0].partition("=")
        yield {name: value}
    finally:
        process.terminate()
        process.wait()


def follow(airflow: str, wheel: Path, home: Path) -> None:
    """Do as README says.

    :raises WrongError: something else came of it.
    """
    programs = environment(home / "venv", airflow, wheel)
    folder, lake = home / "airflow" / "dags", home / "lake"
    folder.mkdir(parents=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    env |= {"AIRFLOW_HOME": str(folder.parent), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise WrongError(f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}")
        return done.stdout

    place = run(programs / "python", "-c", f"import {PACKAGE}; print({PACKAGE}.__file__)").strip()
    if not Path(place).is_relative_to(home / "venv"):
        raise WrongError(f"the package is not the wheel's: {place}")
    ask = "from importlib.metadata import version; print(version('apache-airflow'))"
    if airflow != (installed := run(programs / "python", "-c", ask).strip()):
        raise WrongError(f"pip has put Airflow {installed} in its place")
    with sandbox(programs, home) as connection:
        env |= connection
        for dag_id, block in dags().items():
            (folder / f"{dag_id}.py").write_text(block.replace(LAKE, str(lake)))
        run(programs / "airflow", "db", "migrate")
        for dag_id in dags():
            before = {path for path in lake.rglob("*") if path.is_file()}
            log = run(programs / "airflow", "dags", "test", dag_id)
            made = {path for path in lake.rglob("*") if path.is_file()} - before
            if not made:
                raise WrongError(f"{dag_id} wrote no file\n{log}")
            print(f"Airflow {airflow}: {dag_id}: {', '.join(sorted(path.name for path in made))}", flush=True)


def main() -> int:
    """0 where all that README says holds."""
    (wheel,) = (ROOT / "dist").glob("*.whl")
    failed = False
    for airflow in (next(iter(PYTHONS)), next(reversed(PYTHONS))):
        home = Path(tempfile.mkdtemp(prefix="criteo-wheel-"))
        try:
            follow(airflow, wheel, home)
        except WrongError as wrong:
            failed = True
            print(f"Airflow {airflow}: {wrong}", flush=True)
        finally:
            shutil.rmtree(home)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
