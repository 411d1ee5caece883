"""The sandbox as a server: on a thread, or as a process of its own."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from airflow_provider_criteo.sandbox.app import DEFAULT_SECRET, SandboxApp
from airflow_provider_criteo.sandbox.asgi import AsgiApp, is_loopback
from airflow_provider_criteo.sandbox.controls import SandboxControl
from airflow_provider_criteo.sandbox.routes import CALLS
from airflow_provider_criteo.sandbox.settings import Settings, changed
from airflow_provider_criteo.sandbox.wire import TRANSPORTS

LOOPBACK = "127.0.0.1"
_START_TIMEOUT = 30.0


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """uvicorn's own choice of a protocol, which leaves its connection where a fault finds it.

    That choice is the one thing here that uvicorn does not document; its option ``http`` takes any asyncio protocol.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._ends = transport.get_extra_info("sockname")[:2], transport.get_extra_info("peername")[:2]
        TRANSPORTS[self._ends] = transport
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        TRANSPORTS.pop(self._ends, None)
        super().connection_lost(error)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket on this machine alone.

    :raises ValueError: the host is not a loopback address.
    """
    if not is_loopback(host):
        raise ValueError(f"host={host!r}: the sandbox serves this machine alone; valid: 127.0.0.1, ::1, localhost")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY on sockets of this protocol alone; without it each answer takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(2048)
    return listening


def address_of(listening: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def uvicorn_server(app: SandboxApp) -> uvicorn.Server:
    """A uvicorn server for a sandbox."""
    return uvicorn.Server(
        uvicorn.Config(
            AsgiApp(app),
            http=_Protocol,
            loop="asyncio",
            lifespan="off",
            ws="none",
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
    )


def connection_json(url: str, client_id: str, client_secret: str, **extras: Any) -> str:
    """A Criteo connection as JSON, for ``AIRFLOW_CONN_CRITEO_DEFAULT``."""
    connection = {"conn_type": "criteo", "host": url, "login": client_id, "password": client_secret, "extra": extras}
    return json.dumps(connection)


class Sandbox(SandboxControl):
    """A sandbox on a thread of this process, as a context manager.

    :param port: 0 for a free one.
    :param host: a loopback address.
    :param client_id: of its application; a new one where not given.
    :param client_secret: of its application.
    :param journal: a file to which the journal is written, too.
    :param settings: those to begin with, and to return to on reset.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = LOOPBACK,
        client_id: str | None = None,
        client_secret: str | None = None,
        journal: str | Path | None = None,
        **settings: Any,
    ) -> None:
        self._app = SandboxApp(
            client_id or secrets.token_hex(16),
            client_secret or DEFAULT_SECRET,
            changed(Settings(), settings),
            Path(journal) if journal else None,
        )
        self.client_id = self._app.client_id
        self.client_secret = self._app.client_secret
        self.refresh_token = self._app.refresh_token
        self._socket = bound(host, port)
        self._server = uvicorn_server(self._app)
        serve = partial(self._server.run, sockets=[self._socket])
        self._thread = threading.Thread(target=serve, name="criteo-sandbox", daemon=True)
        super().__init__(address_of(self._socket))

    def start(self) -> Sandbox:
        """Serve.

        :raises TimeoutError: the server did not come up.
        """
        self._thread.start()
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise TimeoutError("the sandbox did not start")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Stop serving; connections that are open are closed."""
        with suppress(OSError):
            for call in CALLS:
                self.release(call)
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()
        self._app.journal.close()

    def connection(self, **extras: Any) -> str:
        """The connection to it as JSON, for ``AIRFLOW_CONN_CRITEO_DEFAULT``; the refresh token is added where needed."""
        if extras.get("grant_type") == "refresh_token":
            extras = {"refresh_token": self.refresh_token, **extras}
        return connection_json(self.url, self.client_id, self.client_secret, **extras)

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()
