"""The faults of connections: resets, pauses, files that are cut, stalled or wrongly framed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from airflow_provider_criteo.sandbox.faults import DOWNLOAD, Play, Player, fault
from airflow_provider_criteo.sandbox.replies import Reply
from airflow_provider_criteo.sandbox.wire import pieces


async def _delay(play: Play) -> Reply:
    await asyncio.sleep(float(play.param("seconds", 1.0)))
    return play.reply


fault("reset-before", "a TCP reset; the call has no effect")(lambda play: play.wire.reset())
fault("close-before", "the connection closes without an answer; the call has no effect")(lambda play: play.wire.close())
fault("reset-after", "a TCP reset; the call has taken effect", acts=True)(lambda play: play.wire.reset())
fault("close-after", "the connection closes without an answer; the call has taken effect", acts=True)(
    lambda play: play.wire.close()
)
fault("delay-before", "a pause before the call takes effect (seconds)")(_delay)
fault("delay-after", "a pause after the call has taken effect (seconds)", acts=True)(_delay)


def break_at(play: Play) -> int:
    """The byte at which a download breaks: the parameter, or its middle."""
    return min(int(play.param("at", play.reply.length // 2)), max(0, play.reply.length - 1))


async def write_body(play: Play, end: int | None = None) -> None:
    """The body, up to ``end``, as long as there is a connection."""
    for chunk in pieces(play.reply, end):
        if not await play.wire.write(chunk):
            return


def broken_download(name: str, description: str) -> Callable[[Player], Player]:
    """Register a fault of a download, which takes effect."""
    return fault(name, description, DOWNLOAD, acts=True)


def broken_off(name: str, description: str, end: Callable[[Play], Awaitable[None]]) -> None:
    """Register a fault by which a file ends early, and how the connection does."""

    @broken_download(name, description)
    async def play(play: Play) -> None:
        await play.wire.head(play.reply, content_length=str(play.reply.length))
        await write_body(play, break_at(play))
        await end(play)


async def _stall(play: Play) -> None:
    if not await play.wire.gone(float(play.param("seconds", 600))):
        await play.wire.close()


broken_off("cut", "the file ends early (at), its Content-Length is right", lambda play: play.wire.close())
broken_off("reset-at", "a TCP reset in the middle of the file (at)", lambda play: play.wire.reset())
broken_off("stall", "the file stops coming (at, seconds), then the connection closes", _stall)


@broken_download("gzip", "the file is gzip-encoded, asked for or not")
async def gzip_encoded(play: Play) -> Reply:
    return replace(play.reply, gzip=True)
