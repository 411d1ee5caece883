"""A private Redis server: memory only, its own port, gone afterwards."""

from __future__ import annotations

import subprocess
import time

from dev.system import accepts_connections, free_port, program


class Redis:
    """A Redis server for as long as the ``with`` block runs."""

    def __init__(self) -> None:
        self.port = free_port()

    @property
    def url(self) -> str:
        """The broker URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Redis:
        server = program("redis-server", "redis-server")
        self._process = subprocess.Popen(
            [str(server), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 60
            while not accepts_connections(self.port):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("redis-server did not start")
                time.sleep(0.1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
