"""How an answer goes onto the wire, well-formed or not."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from airflow_provider_criteo.sandbox.replies import Reply

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


TRANSPORTS: dict[tuple[tuple[str, int], tuple[str, int]], asyncio.Transport] = {}
"""The open connections by both ends' addresses: what ASGI tells of a connection, and all that it tells."""

LARGEST_BODY = 8 * 1024 * 1024
_BUFFERED = 64 * 1024


class Wire:
    """One request's connection.

    :param scope: of ASGI.
    :param receive: of ASGI.
    :param send: of ASGI.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["raw_path"].decode("latin-1")
        self.query = parse_qs(scope["query_string"].decode("latin-1"))
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.on_answer: Callable[[int | None], None] = lambda status: None
        """Told once, before anything is sent: the HTTP status, or None where there will be none."""
        self._receive = receive
        self._send = send
        self._transport = TRANSPORTS[tuple(scope["server"]), tuple(scope["client"])]

    async def body(self) -> bytes | None:
        """The request's body; None where it is too large."""
        body = bytearray()
        while True:
            message = await self._receive()
            body += message.get("body", b"")
            if len(body) > LARGEST_BODY:
                return None
            if not message.get("more_body"):
                return bytes(body)

    def _answering(self, status: int | None) -> None:
        tell, self.on_answer = self.on_answer, lambda status: None
        tell(status)

    async def send(self, reply: Reply) -> None:
        """Send an answer as it should be."""
        self._answering(reply.status)
        headers = {**reply.headers}
        if reply.gzip:
            headers["content-encoding"] = "gzip"
        elif reply.status != 204:
            headers["content-length"] = str(reply.length)
        raw = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": reply.status, "headers": raw})
        for chunk in gzipped(pieces(reply)) if reply.gzip else pieces(reply):
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def head(self, reply: Reply, **headers: str) -> None:
        """Write a status line and headers as they are given, right or wrong."""
        self._answering(reply.status)
        phrase = next((status.phrase for status in HTTPStatus if status == reply.status), "Unknown")
        lines = [f"HTTP/1.1 {reply.status} {phrase}"]
        given = {**reply.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        lines += [f"{name}: {value}" for name, value in given.items()]
        await self.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))

    async def write(self, data: bytes) -> bool:
        """Write bytes; False once the connection is gone."""
        if self._transport.is_closing():
            return False
        self._transport.write(data)
        while self._transport.get_write_buffer_size() > _BUFFERED and not self._transport.is_closing():
            await asyncio.sleep(0.005)
        return not self._transport.is_closing()

    async def close(self) -> None:
        """Close the connection after what was written."""
        self._answering(None)
        self._transport.close()
        await self.gone()

    async def reset(self) -> None:
        """Reset the connection: the client sees a RST, and loses what it has not read."""
        self._answering(None)
        for _ in range(50):
            if not self._transport.get_write_buffer_size():
                break
            await asyncio.sleep(0.01)
        with socket.socket(fileno=socket.dup(self._transport.get_extra_info("socket").fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        await self.gone()

    async def gone(self, within: float | None = None) -> bool:
        """Wait until the connection is gone, at most ``within`` seconds."""

        async def disconnected() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass

        try:
            await asyncio.wait_for(disconnected(), within)
        except asyncio.TimeoutError:
            return False
        return True


def pieces(reply: Reply, end: int | None = None) -> Iterator[bytes]:
    """An answer's body in large pieces, at most its first ``end`` bytes."""
    if reply.file is None:
        yield reply.body[:end]
    else:
        yield from reply.file.chunks(end)


def gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces compressed."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    for chunk in chunks:
        yield squeeze.compress(chunk)
    yield squeeze.flush()
