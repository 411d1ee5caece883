"""A private PostgreSQL server: its own data folder and port, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from dev.system import free_port, program

_FAST_AND_FORGETFUL = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300"
# LocalExecutor's workers outlive a killed scheduler and hold its connection open, and with it the locks of its
# last transaction: the next scheduler would never see those runs.
_NO_LOCKS_OF_THE_DEAD = "-c idle_in_transaction_session_timeout=20s"


class Postgres:
    """A PostgreSQL cluster with one empty database, for as long as the ``with`` block runs."""

    def __init__(self, database: str = "airflow") -> None:
        self.database = database
        self.port = free_port()
        self.folder = Path()

    @property
    def address(self) -> str:
        """The part of a database URL that follows the driver's name."""
        return f"airflow@127.0.0.1:{self.port}/{self.database}"

    def __enter__(self) -> Postgres:
        # Resolved: a link to one program has not the others beside it.
        self._bin = program("initdb", "postgresql", "usr/lib/postgresql/*/bin").resolve().parent
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        try:
            self._make()
            self.start()
            self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "airflow", self.database)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "airflow", "--no-sync", "-E", "UTF8")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start the server."""
        log = self.folder / "postgres.log"
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        options += f" {_FAST_AND_FORGETFUL} {_NO_LOCKS_OF_THE_DEAD}"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "120", "-l", str(log), "-o", options, "start")

    def stop(self) -> None:
        """Stop the server, whoever is connected; its data stays."""
        # "immediate" would lose the last commits, which are not synchronous.
        self._run("pg_ctl", "-D", str(self._data), "-m", "fast", "-w", "stop")

    def __exit__(self, *_: object) -> None:
        if (self._data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, name: str, *arguments: str) -> None:
        # PostgreSQL refuses to run as root.
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        # Its own session: a Ctrl-C meant for us must not stop the server before Airflow has let go of it.
        done = subprocess.run(
            [*user, str(self._bin / name), *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if name != "pg_ctl" else subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        if done.returncode:
            log = self.folder / "postgres.log"
            raise RuntimeError(f"{name} failed: {done.stderr or (log.read_text() if log.exists() else '')}")
