"""The clock that tasks and triggers go by: one object, for which a test can put in another time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Clock:
    """What time it is, and how a worker waits; a trigger waits by its event loop.

    :param now: epoch seconds.
    :param sleep: waits for so many seconds.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


CLOCK = Clock()
