"""A server that answers with bytes as they are given, right or wrong."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

Answer = bytes | Callable[[socket.socket], None]
"""What is sent, or who sends it."""


def http(status: int, body: object = b"", **headers: str) -> bytes:
    """A well-formed answer; a body that is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def endless(head: bytes, drop: bytes = b"x", seconds: float = 0.05) -> Callable[[socket.socket], None]:
    """An answer that drips until nobody listens any more."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            time.sleep(seconds)
            connection.sendall(drop)

    return drip


TOKEN = "a-token+of/a-test"


class RawServer:
    """Answers each request by a script, and closes the connection; the last answer is given for ever.

    :param answers: to all calls but those for a token.
    :param token: to the calls for a token.
    :param tls: certificate and key of the server, where it is one for https.
    """

    def __init__(self, *answers: Answer, token: Answer | None = None, tls: tuple[str, str] | None = None) -> None:
        self._answers = answers
        self._token = http(200, {"access_token": TOKEN, "expires_in": 900}) if token is None else token
        self._context: ssl.SSLContext | None = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*tls)
        self.requests: list[bytes] = []
        self.token_requests: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if tls else "http"
        self.port: int = self._server.getsockname()[1]
        self.url = f"{scheme}://localhost:{self.port}"

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._server.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            asked = _request(connection)
            if b"/oauth2/token" in asked.partition(b"\r\n")[0]:
                self.token_requests.append(asked)
                answer = self._token
            else:
                self.requests.append(asked)
                answer = self._answers[min(len(self.requests), len(self._answers)) - 1]
            if callable(answer):
                answer(connection)
            else:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)


def _request(connection: socket.socket) -> bytes:
    asked = b""
    while b"\r\n\r\n" not in asked:
        asked += connection.recv(65536) or b"\r\n\r\n"
    head, _, body = asked.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < lengths[0]:
        received = connection.recv(65536)
        if not received:
            break
        body += received
    return head + b"\r\n\r\n" + body
