"""A recorder between a client and a server: it passes everything on, and remembers it."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Exchange:
    """A request and its reply, as they were on the wire."""

    method: str
    path: str
    request_headers: dict[str, str]
    request_body: bytes
    status: int
    reply_headers: dict[str, str]
    reply_body: bytes
    connection: int = field(compare=False)

    @property
    def request_json(self) -> Any:
        return json.loads(self.request_body)

    @property
    def reply_json(self) -> Any:
        return json.loads(self.reply_body)


class Recorder:
    """A server that passes each request on to another one.

    :param url: of the other one.
    """

    def __init__(self, url: str) -> None:
        self.exchanges: list[Exchange] = []
        self.connections = 0
        host = urlsplit(url).netloc
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                recorder.connections += 1
                self.connection_number = recorder.connections

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                onward = http.client.HTTPConnection(host, timeout=10)
                onward.request(self.command, self.path, body, {**headers, "connection": "close"})
                reply = onward.getresponse()
                reply_body = reply.read()
                onward.close()
                reply_headers = {name.lower(): value for name, value in reply.getheaders()}
                recorder.exchanges.append(
                    Exchange(
                        self.command,
                        self.path,
                        headers,
                        body,
                        reply.status,
                        reply_headers,
                        reply_body,
                        self.connection_number,
                    )
                )
                self.send_response_only(reply.status)
                for name, value in reply_headers.items():
                    if name not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                if reply.status != 204:
                    self.send_header("content-length", str(len(reply_body)))
                self.end_headers()
                self.wfile.write(reply_body)

            do_GET = do_POST = handle_any  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
