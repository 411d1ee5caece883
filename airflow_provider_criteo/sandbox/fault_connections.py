"""The faults of connections: resets, pauses, files that are cut, stalled or wrongly framed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from airflow_provider_criteo.sandbox.faults import DOWNLOAD, Play, Player, fault
from airflow_provider_criteo.sandbox.replies import Reply
from airflow_provider_criteo.sandbox.wire import pieces


async def _delay(play: Play) -> Reply:
    await asyncio.sleep(float(play.param("seconds", 1.0)))
    return play.acted or play.act()


for _when, _acts, _effect in (
    ("before", False, "the call has no effect"),
    ("after", True, "the call has taken effect"),
):
    fault(f"reset-{_when}", f"a TCP reset; {_effect}", acts=_acts)(lambda play: play.wire.reset())
    fault(f"close-{_when}", f"the connection closes without an answer; {_effect}", acts=_acts)(
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


@broken_download("cut", "the file ends early (at), its Content-Length is right")
async def cut(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length))
    await write_body(play, break_at(play))
    await play.wire.close()


@broken_download("reset-at", "a TCP reset in the middle of the file (at)")
async def reset_at(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length))
    await write_body(play, break_at(play))
    await play.wire.reset()


@broken_download("stall", "the file stops coming (at, seconds), then the connection closes")
async def stall(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length))
    await write_body(play, break_at(play))
    if not await play.wire.gone(float(play.param("seconds", 600))):
        await play.wire.close()


@broken_download("gzip", "the file is gzip-encoded, asked for or not")
async def gzip_encoded(play: Play) -> Reply:
    return replace(play.reply, gzip=True)
