"""What a trigger tells."""

from __future__ import annotations

from typing import Any


async def events(trigger: Any) -> list[Any]:
    """The payloads of all events of a trigger, until it ends by itself."""
    return [event.payload async for event in trigger.run()]


async def payload(trigger: Any) -> Any:
    """The payload of a trigger's one event."""
    (only,) = await events(trigger)
    return only
