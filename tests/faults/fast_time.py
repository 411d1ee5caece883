"""Time in which the waits of tasks and triggers are short, and everything else takes as long as it takes."""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

SPEED = 50
"""Seconds of a wait that pass in a real one."""


class FastTime(threading.local):
    """The real time, and what each thread's waits have been shortened by.

    :param on_wait: called in the middle of each wait.
    """

    def __init__(self) -> None:
        self.skipped = 0.0
        self.on_wait: Callable[[], None] = lambda: None

    def now(self) -> float:
        return time.time() + self.skipped

    def sleep(self, seconds: float) -> None:
        self.on_wait()
        time.sleep(seconds / SPEED)
        self.skipped += seconds - seconds / SPEED

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run on an event loop of this time."""
        loop = _FastLoop(self)
        try:
            return loop.run_until_complete(coroutine)
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


class _FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose waits are short, unless a thread of its own works meanwhile."""

    def __init__(self, fast: FastTime) -> None:
        self.fast = fast
        self.under_way = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.fast.now()

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> Any:
        self.under_way += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, future: Any) -> None:
        self.under_way -= 1


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self, loop: _FastLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0 or self._loop.under_way:
            return super().select(timeout)
        ready = super().select(timeout / SPEED)
        if not ready:
            self._loop.fast.on_wait()
            self._loop.fast.skipped += timeout - timeout / SPEED
        return ready
