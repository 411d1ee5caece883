"""Time that passes at once: clocks and event loops jump to the next moment at which something is to happen."""

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
"""Seconds of a wait that pass in a real one of ``FastTime``."""


class VirtualTime:
    """A time of its own; whole seconds of it are exact."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def run(self, coroutine: Coroutine[Any, Any, T], loop: VirtualLoop | None = None) -> T:
        """Run on an event loop of this time."""
        loop = loop or VirtualLoop(self)
        try:
            return loop.run_until_complete(coroutine)
        finally:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks))
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


class FastTime(threading.local, VirtualTime):
    """The real time, and what each thread's waits have been shortened by: for servers that go by the real one.

    :param on_wait: called before each wait.
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


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that waits for threads alone: while one works, no time passes."""

    def __init__(self, virtual: VirtualTime) -> None:
        self.virtual = virtual
        self.under_way = 0
        super().__init__(_Selector(self))
        self._clock_resolution = 1e-6  # what a number of this size can tell

    def time(self) -> float:
        return self.virtual.now()

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> Any:
        self.under_way += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, future: Any) -> None:
        self.under_way -= 1


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if self._loop.under_way and timeout != 0:
            return super().select(None)
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self._loop.virtual.sleep(max(timeout, 1e-6))
        return ready
