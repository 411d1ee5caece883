"""One queue for a connection's quota: whose call is next, and when."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable
from enum import Enum

from airflow_provider_criteo.api.models import RateLimit
from airflow_provider_criteo.api.quota import MINUTE, Pace
from airflow_provider_criteo.utils.clock import CLOCK


class Call(Enum):
    """What a turn is for; the value is how many seconds it stands back behind one that is due at the same time.

    Downloads go first, as they end a report; polls last, as a job that is done waits for nobody. What has waited that
    much longer goes first all the same, so that no kind starves.
    """

    DOWNLOAD = 0.0
    CREATE = 60.0
    POLL = 120.0


_OLDEST_CREATE = 900.0
"""Seconds that a create's wait counts at most: else a night's creates would all go before the first poll, and the first
files be gone by then. Some are kept for an hour: https://developers.criteo.com/retail-media/docs/account-level-report"""


class TurnQueue:
    """Lets calls go in turn, as the pace allows. All methods are called on the event loop.

    :param pace: of the connection's application, by the event loop's clock; nothing goes while there is none.
    :param clock: epoch seconds, by which calls are due.
    """

    def __init__(self, pace: Pace | None = None, clock: Callable[[], float] | None = None) -> None:
        self._pace = pace
        self._now = clock or CLOCK.now
        self._waiting: dict[Call, list[tuple[float, int, asyncio.Future[Pace]]]] = {call: [] for call in Call}
        self._order = itertools.count()
        self._wake: asyncio.TimerHandle | None = None

    def follow(self, pace: Pace) -> None:
        """Go on by another pace."""
        self._pace = pace
        self.let_go()

    async def turn(self, call: Call, due: float) -> Pace:
        """Wait for a turn. A poll is to be told ``finished`` to the pace that is returned; the others are counted.

        :param due: epoch seconds since when the call waits; the earliest of a kind goes first.
        """
        granted: asyncio.Future[Pace] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting[call], (due, next(self._order), granted))
        self.let_go()
        try:
            return await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                granted.result().withdrawn(granted=call is not Call.POLL)
                self.let_go()
            raise

    def refused(self, rate: RateLimit) -> None:
        """A call of a worker's was answered 429."""
        if self._pace is not None:
            self._pace.refused(rate)
            self.let_go()

    def was_made(self, at: float) -> None:
        """A worker made a call without a turn.

        :param at: epoch seconds.
        """
        if self._pace is not None:
            self._pace.was_made(self._now() - at)

    def expect_calls(self, since: float) -> None:
        """Workers are about to make a first window's calls without a turn.

        :param since: epoch seconds; in a triggerer that takes over later, they have made them.
        """
        if self._pace is not None and self._now() < since + MINUTE:
            self._pace.expect_calls()

    def expect_call(self) -> None:
        """A worker is about to make one without a turn."""
        if self._pace is not None:
            self._pace.expect_call()

    def let_go(self) -> None:
        """Give as many turns as the pace allows; come back when it allows the next."""
        self.stop()
        while self._pace is not None and (call := self._next_call()) is not None:
            wait = self._pace.try_start() if call is Call.POLL else self._pace.try_grant()
            if wait > 0:
                if wait < math.inf:
                    self._wake = asyncio.get_running_loop().call_later(wait, self.let_go)
                return
            _, _, granted = heapq.heappop(self._waiting[call])
            granted.set_result(self._pace)

    def _next_call(self) -> Call | None:
        """Which kind of call is next; None where nobody waits."""
        for waiting in self._waiting.values():
            while waiting and waiting[0][-1].done():
                heapq.heappop(waiting)
        return min((call for call in Call if self._waiting[call]), key=self._rank, default=None)

    def _rank(self, call: Call) -> float:
        due = self._waiting[call][0][0]
        if call is Call.CREATE:
            due = max(due, self._now() - _OLDEST_CREATE)
        return due + call.value

    def stop(self) -> None:
        """Give no turn until the next call of this queue."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
