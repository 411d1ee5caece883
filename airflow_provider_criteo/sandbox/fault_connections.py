"""The faults of connections: resets, pauses, files that are cut, stalled or wrongly framed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from airflow_provider_criteo.sandbox.faults import DOWNLOAD, Play, fault
from airflow_provider_criteo.sandbox.replies import Reply
from airflow_provider_criteo.sandbox.wire import gzipped, pieces, ticks


@fault("reset-before", "a TCP reset; the call has no effect")
async def reset_before(play: Play) -> None:
    await play.wire.reset()


@fault("reset-after", "a TCP reset; the call has taken effect, the reply is lost", acts=True)
async def reset_after(play: Play) -> None:
    await play.wire.reset()


@fault("close-before", "the connection closes without an answer; the call has no effect")
async def close_before(play: Play) -> None:
    await play.wire.close()


@fault("close-after", "the connection closes without an answer; the call has taken effect", acts=True)
async def close_after(play: Play) -> None:
    await play.wire.close()


@fault("delay-before", "a pause before the call takes effect (seconds)")
async def delay_before(play: Play) -> Reply:
    await asyncio.sleep(float(play.param("seconds", 1.0)))
    return play.act()


@fault("delay-after", "a pause after the call has taken effect (seconds)", acts=True)
async def delay_after(play: Play) -> Reply:
    await asyncio.sleep(float(play.param("seconds", 1.0)))
    return play.reply


@fault("drip", "the answer comes byte by byte (seconds between two, at: bytes at once)", acts=True)
async def drip(play: Play) -> None:
    size = int(play.param("at", 1))
    await play.wire.head(play.reply, content_length=str(play.reply.length), connection="close")
    chunks = (chunk[n : n + size] for chunk in pieces(play.reply) for n in range(0, len(chunk), size))
    async for _ in ticks(float(play.param("seconds", 0.05))):
        chunk = next(chunks, None)
        if chunk is None or not await play.wire.write(chunk):
            break
    await play.wire.close()


@fault("drip-head", "headers without end, one now and then (seconds)", acts=True)
async def drip_head(play: Play) -> None:
    await play.wire.write(b"HTTP/1.1 200 OK\r\nx-endless: ")
    async for _ in ticks(float(play.param("seconds", 0.2))):
        if not await play.wire.write(b"x"):
            break
    await play.wire.close()


def _at(play: Play) -> int:
    """The byte at which a download breaks: the parameter, or its middle."""
    return min(int(play.param("at", play.reply.length // 2)), max(0, play.reply.length - 1))


async def _write(play: Play, end: int | None = None, *, chunked: bool = False) -> None:
    for chunk in pieces(play.reply, end):
        if chunk and not await play.wire.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk):
            return


def _broken(name: str, description: str) -> Callable[[Callable[[Play], Any]], Any]:
    return fault(name, description, DOWNLOAD, acts=True)


@_broken("cut", "the file ends early (at), its Content-Length is right")
async def cut(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length))
    await _write(play, _at(play))
    await play.wire.close()


@_broken("cut-chunked", "a chunked file ends early (at), without the last chunk")
async def cut_chunked(play: Play) -> None:
    await play.wire.head(play.reply, transfer_encoding="chunked")
    await _write(play, _at(play), chunked=True)
    await play.wire.close()


@_broken("cut-unannounced", "a file without Content-Length ends early (at): no client can see it")
async def cut_unannounced(play: Play) -> None:
    await play.wire.head(play.reply, connection="close")
    await _write(play, _at(play))
    await play.wire.close()


@_broken("reset-at", "a TCP reset in the middle of the file (at)")
async def reset_at(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length))
    await _write(play, _at(play))
    await play.wire.reset()


@_broken("stall", "the file stops coming (at, seconds), then the connection closes")
async def stall(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length))
    await _write(play, _at(play))
    if not await play.wire.gone(float(play.param("seconds", 600))):
        await play.wire.close()


@_broken("length-too-large", "Content-Length is more than comes (count)")
async def length_too_large(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length + int(play.param("count", 100))))
    await _write(play)
    await play.wire.close()


@_broken("length-too-small", "Content-Length is less than comes (count)")
async def length_too_small(play: Play) -> None:
    wrong = max(0, play.reply.length - int(play.param("count", 100)))
    await play.wire.head(play.reply, content_length=str(wrong), connection="close")
    await _write(play)
    await play.wire.close()


@_broken("endless", "a chunked file that never ends: a byte now and then (seconds)")
async def endless(play: Play) -> None:
    await play.wire.head(play.reply, transfer_encoding="chunked")
    await _write(play, chunked=True)
    async for _ in ticks(float(play.param("seconds", 0.2))):
        if not await play.wire.write(b"1\r\n \r\n"):
            break


async def _compressed(play: Play, share: float) -> None:
    data = b"".join(gzipped(pieces(play.reply)))
    await play.wire.head(play.reply, content_encoding="gzip", transfer_encoding="chunked")
    part = data[: int(len(data) * share)]
    await play.wire.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(part), part))
    await play.wire.close()


@_broken("gzip", "the file is gzip-encoded, asked for or not")
async def gzip_encoded(play: Play) -> None:
    await _compressed(play, 1.0)


@_broken("gzip-cut", "the file is gzip-encoded and ends early, well chunked")
async def gzip_cut(play: Play) -> None:
    await _compressed(play, 0.5)


@_broken("gzip-lie", "the file says that it is gzip-encoded, and is not")
async def gzip_lie(play: Play) -> Reply:
    play.reply.headers["content-encoding"] = "gzip"
    return play.reply


@_broken("chunk-garbage", "chunk sizes that are no numbers")
async def chunk_garbage(play: Play) -> None:
    await play.wire.head(play.reply, transfer_encoding="chunked")
    await play.wire.write(b"zz\r\nabc\r\n")
    await play.wire.close()
