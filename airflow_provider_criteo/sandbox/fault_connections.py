"""The faults of connections: resets, pauses, files that are cut, stalled or wrongly framed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from airflow_provider_criteo.sandbox.faults import DOWNLOAD, Play, Player, fault
from airflow_provider_criteo.sandbox.replies import Reply
from airflow_provider_criteo.sandbox.wire import gzipped, pieces, ticks


async def _reset(play: Play) -> None:
    await play.wire.reset()


async def _close(play: Play) -> None:
    await play.wire.close()


async def _delay(play: Play) -> Reply:
    await asyncio.sleep(float(play.param("seconds", 1.0)))
    return play.acted or play.act()


for _when, _acts, _effect in (
    ("before", False, "the call has no effect"),
    ("after", True, "the call has taken effect"),
):
    fault(f"reset-{_when}", f"a TCP reset; {_effect}", acts=_acts)(_reset)
    fault(f"close-{_when}", f"the connection closes without an answer; {_effect}", acts=_acts)(_close)
fault("delay-before", "a pause before the call takes effect (seconds)")(_delay)
fault("delay-after", "a pause after the call has taken effect (seconds)", acts=True)(_delay)


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


def _at(play: Play) -> int:
    """The byte at which a download breaks: the parameter, or its middle."""
    return min(int(play.param("at", play.reply.length // 2)), max(0, play.reply.length - 1))


async def write_body(play: Play, end: int | None = None, *, chunked: bool = False) -> None:
    """The body, up to ``end``, as long as there is a connection."""
    for chunk in pieces(play.reply, end):
        if chunk and not await play.wire.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk):
            return


def broken_download(name: str, description: str) -> Callable[[Player], Player]:
    """Register a fault of a download, which takes effect."""
    return fault(name, description, DOWNLOAD, acts=True)


@broken_download("cut", "the file ends early (at), its Content-Length is right")
async def cut(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length))
    await write_body(play, _at(play))
    await play.wire.close()


@broken_download("cut-chunked", "a chunked file ends early (at), without the last chunk")
async def cut_chunked(play: Play) -> None:
    await play.wire.head(play.reply, transfer_encoding="chunked")
    await write_body(play, _at(play), chunked=True)
    await play.wire.close()


@broken_download("cut-unannounced", "a file without Content-Length ends early (at): no client can see it")
async def cut_unannounced(play: Play) -> None:
    await play.wire.head(play.reply, connection="close")
    await write_body(play, _at(play))
    await play.wire.close()


@broken_download("reset-at", "a TCP reset in the middle of the file (at)")
async def reset_at(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length))
    await write_body(play, _at(play))
    await play.wire.reset()


@broken_download("stall", "the file stops coming (at, seconds), then the connection closes")
async def stall(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length))
    await write_body(play, _at(play))
    if not await play.wire.gone(float(play.param("seconds", 600))):
        await play.wire.close()


@broken_download("length-too-large", "Content-Length is more than comes (count)")
async def length_too_large(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length + int(play.param("count", 100))))
    await write_body(play)
    await play.wire.close()


@broken_download("length-too-small", "Content-Length is less than comes (count)")
async def length_too_small(play: Play) -> None:
    wrong = max(0, play.reply.length - int(play.param("count", 100)))
    await play.wire.head(play.reply, content_length=str(wrong), connection="close")
    await write_body(play)
    await play.wire.close()


async def _compressed(play: Play, share: float) -> None:
    data = b"".join(gzipped(pieces(play.reply)))
    await play.wire.head(play.reply, content_encoding="gzip", transfer_encoding="chunked")
    part = data[: int(len(data) * share)]
    await play.wire.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(part), part))
    await play.wire.close()


@broken_download("gzip", "the file is gzip-encoded, asked for or not")
async def gzip_encoded(play: Play) -> None:
    await _compressed(play, 1.0)


@broken_download("gzip-cut", "the file is gzip-encoded and ends early, well chunked")
async def gzip_cut(play: Play) -> None:
    await _compressed(play, 0.5)
