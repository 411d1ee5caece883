"""Criteo's quota: what a reply tells of it, and the pace that keeps within it.

Sources: https://developers.criteo.com/criteo-apis/docs/rate-limits (limits, ``x-ratelimit-*`` headers, the
1, 2, 4 s back-off); ``Retry-After`` is named by an older page and honoured where it comes.
"""

from __future__ import annotations

import bisect
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from airflow_provider_criteo.api.models import RateLimit

REPORTING_CALLS_PER_MINUTE = 40
"""The documented default of the reporting endpoints, per application with client credentials."""

CALLS_PER_MINUTE_OF_AN_ACCOUNT = 10
"""The documented default of each account that has consented, which add up (authorization code)."""

MINUTE = 60.0
MOST_CONCURRENT = 4
"""Calls under way at once: enough for 250 a minute at a second each."""

_LONGEST_WAIT = 3600.0
_CLOCKS_AGREE = 2.0
_SECONDS_BETWEEN_EXPECTED_CALLS = 10.0
"""Workers take their time; where none has called for so long, no more is expected."""
_GRACE = 1.0
"""``x-ratelimit-reset`` has whole seconds: a call at that very moment may still be too early."""


def rate_limit_of(headers: Mapping[str, str], now: float | None = None) -> RateLimit:
    """Read the quota off a reply's headers.

    ``x-ratelimit-reset`` is an absolute time on Criteo's clock: where that and the clock here do not agree, it is
    compared with the reply's own ``Date``. A moment that is past tells nothing.

    :param headers: the reply's headers, by case-insensitive name.
    :param now: epoch seconds; the clock's time where not given.
    """
    now = time.time() if now is None else now
    wait = _retry_after(headers, now)
    if wait is None:
        reset = _number(headers.get("x-ratelimit-reset"))
        wait = None if reset is None else _wait_until(reset, headers, now)
    if wait is not None:
        wait = min(wait, _LONGEST_WAIT)
    return RateLimit(
        limit=_whole(headers.get("x-ratelimit-limit")),
        remaining=_whole(headers.get("x-ratelimit-remaining")),
        reset_in=wait,
        reset_at=None if wait is None else datetime.fromtimestamp(now, timezone.utc) + timedelta(seconds=wait),
    )


def backoff(attempt: int) -> float:
    """Seconds to wait after the nth failure in a row: 1, 2, 4 ... 60, as Criteo advises."""
    return min(MINUTE, 2.0 ** min(max(attempt - 1, 0), 10))


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    value = headers.get("Retry-After")
    seconds = _number(value)
    if seconds is not None:
        return seconds if seconds > 0 else None
    moment = _http_date(value)
    return None if moment is None else _wait_until(moment, headers, now)


def _wait_until(moment: float, headers: Mapping[str, str], now: float) -> float | None:
    served = _http_date(headers.get("Date"))
    # Where the clocks agree, the one here is more exact: a Date has whole seconds.
    if served is not None and abs(served - now) > _CLOCKS_AGREE and 0 < moment - served <= _LONGEST_WAIT:
        return moment - served
    return moment - now if moment > now else None


def _number(value: str | None) -> float | None:
    try:
        number = math.nan if value is None else float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _whole(value: str | None) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 0 else None


def _http_date(value: str | None) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (TypeError, ValueError, OverflowError):
        return None


class _WindowOfCalls:
    """The calls of the last window, and the most that a window before it has had.

    :param seconds: of the window.
    :param clock: seconds, monotonic.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._made: deque[float] = deque()
        self._most = 0
        self._counted_at = clock() + seconds

    def add(self, seconds_ago: float = 0.0) -> None:
        """Count a call."""
        self._forget()
        bisect.insort(self._made, self._clock() - seconds_ago)

    def withdraw(self) -> bool:
        """Take the last call out; whether there was one."""
        if self._made:
            self._made.pop()
            return True
        return False

    def __len__(self) -> int:
        self._forget()
        return len(self._made)

    @property
    def most(self) -> int:
        """Calls of the fullest window before this one."""
        self._forget()
        return self._most

    def since(self, moment: float) -> int:
        """How many were made from then on."""
        return sum(made >= moment for made in self._made)

    def seconds_until_free(self, place: int) -> float:
        """Until the call at that place, from the first one on, is out of the window."""
        return self._made[place] + self._seconds - self._clock()

    def _forget(self) -> None:
        now = self._clock()
        if now >= self._counted_at:
            self._most = max(self._most, len(self._made))
            self._counted_at = now + self._seconds
        while self._made and self._made[0] + self._seconds <= now:
            self._made.popleft()


class Pace:
    """Decides when the next call of one application may be made.

    Never more calls than the limit in any window, however the server's windows lie. The limit is what headers tell.
    Until then calls of its own are made one at a time, and those of other processes apart, so that one 429 or few tell
    it. Not thread-safe: one poller owns it.

    :param calls_per_minute: a ceiling of the user's own.
    :param documented: calls a window that Criteo documents for such an application.
    :param window: seconds of Criteo's window.
    :param clock: seconds, monotonic.
    """

    def __init__(
        self,
        calls_per_minute: int | None = None,
        *,
        documented: int = REPORTING_CALLS_PER_MINUTE,
        window: float = MINUTE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ceiling = calls_per_minute
        self._documented = documented
        self._next_grant = 0.0
        self._expected: list[float] = []
        """Until when each call is expected that others are about to make without a grant; the soonest first."""
        self._first_window_until: float | None = None
        self._window = window
        self._clock = clock
        self._limit: int | None = None
        self._share: int | None = None
        self._remaining: int | None = None
        self._remaining_until = 0.0
        self._closed_until = 0.0
        self._clean_since = 0.0
        self._is_used_up = False
        self._refusals = 0
        self._calls = _WindowOfCalls(window, clock)
        self._in_flight = 0

    def try_start(self) -> float:
        """Start a call if it may be made now.

        :return: 0 if it is started; else seconds until it may be; infinity if a call has to come back first.
        """
        if self._in_flight >= (1 if self._allowed is None else MOST_CONCURRENT):
            return math.inf
        wait = max(self._wait(self._allowed), self._wait_for_expected(0.0))
        if not wait:
            self._in_flight += 1
        return wait

    def try_grant(self) -> float:
        """Take a call that another process will make out of the quota, if it may be made now.

        Half a window's share apart, so that the first that is refused can stop those behind it, and workers start in turn.
        While nothing tells the limit, the share is that of what is documented, or of what a window before has had: who kept
        to the documented limit would never learn of more.

        :return: 0 if it is taken; else seconds until it may be.
        """
        now = self._clock()
        apart = self._window / (self._allowed or max(self._documented, self._calls.most))
        wait = max(self._wait(self._allowed), self._next_grant - now, self._wait_for_expected(apart))
        if not wait:
            self._count()
            self._next_grant = now + apart / 2
        return wait

    def expect_calls(self) -> None:
        """Others are about to make a first window's calls without a grant; once, as later windows have grants."""
        if self._first_window_until is None:
            self._first_window_until = self._clock() + self._window
            self._expected += self._lapsing(max(0, (self._ceiling or self._documented) - len(self._calls)))

    def expect_call(self) -> None:
        """One more is about to be made without a grant; no matter while nothing tells the limit."""
        if self._allowed is not None:
            self._expected += self._lapsing(1)

    def was_made(self, seconds_ago: float) -> None:
        """Another process made a call that was not granted to it.

        :param seconds_ago: when; by now it may be out of the window.
        """
        if self._expects():
            others = self._expected[1:]
            in_first_window = self._clock() < (self._first_window_until or 0.0)
            self._expected = self._lapsing(len(others)) if in_first_window else others
        if 0 <= seconds_ago < self._window:
            self._count(seconds_ago)

    @property
    def _allowed(self) -> int | None:
        """Calls a window; None while nothing tells."""
        known = [calls for calls in (self._ceiling, self._share, self._limit) if calls is not None]
        return min(known, default=None)

    def _lapsing(self, calls: int) -> list[float]:
        return [self._clock() + _SECONDS_BETWEEN_EXPECTED_CALLS] * calls

    def _expects(self) -> bool:
        now = self._clock()
        self._expected = [until for until in self._expected if now < until]
        return bool(self._expected)

    def _wait_for_expected(self, without_limit: float) -> float:
        """Until there is room beside the calls that are expected, or the first of them lapses.

        :param without_limit: seconds while nothing tells the limit.
        """
        if not self._expects():
            return 0.0
        room = without_limit if self._allowed is None else self._wait(self._allowed, len(self._expected))
        return min(room, self._expected[0] - self._clock())

    def _wait(self, allowed: int | None, expected: int = 0) -> float:
        now = self._clock()
        self._grow()
        wait = max(0.0, self._closed_until - now)
        if self._remaining is not None and now < self._remaining_until and self._remaining <= self._in_flight:
            wait = max(wait, self._remaining_until - now)
        if allowed is not None:
            excess = len(self._calls) + self._in_flight + expected - allowed
            self._is_used_up = self._is_used_up or excess - expected >= 0
            if 0 <= excess < len(self._calls):
                wait = max(wait, self._calls.seconds_until_free(excess))
            elif excess >= 0:
                wait = max(wait, self._window / allowed)
        return wait

    def withdrawn(self, *, granted: bool = False) -> None:
        """A call that was started, or granted to another process, is not made after all."""
        if not granted:
            self._in_flight -= 1
        elif self._calls.withdraw():
            self._next_grant = 0.0
            if self._remaining is not None:
                self._remaining += 1

    def finished(self, rate: RateLimit | None, *, limited: bool = False) -> None:
        """A call that was started came back.

        :param rate: what its reply said of the quota; None if there was no reply.
        :param limited: whether it was answered 429.
        """
        self._in_flight -= 1
        if limited:
            self.refused(rate or RateLimit())
            return
        self._refusals = 0
        self._count()
        if rate is not None and rate.remaining is not None and rate.reset_in is not None:
            self._believe(rate, rate.remaining, self._clock() + rate.reset_in + _GRACE)

    def _count(self, seconds_ago: float = 0.0) -> None:
        self._calls.add(seconds_ago)
        if self._remaining:
            self._remaining -= 1

    def _believe(self, rate: RateLimit, remaining: int, until: float) -> None:
        self._limit = rate.limit or self._limit
        # Replies overtake each other: within a window, the fewest left is the latest news.
        same_window = self._remaining is not None and abs(until - self._remaining_until) < 2 * _GRACE
        self._remaining = min(remaining, self._remaining or 0) if same_window else remaining
        self._remaining_until = until

    def refused(self, rate: RateLimit) -> None:
        """A call of this application was answered 429, wherever it was made.

        :param rate: what the reply said of the quota.
        """
        now = self._clock()
        self._refusals += 1
        if now < self._closed_until:
            return  # calls that are under way together are refused together
        self._share = self._share_after_refusal(rate, now)
        self._limit = rate.limit or self._limit or self._supposed_limit()
        self._remaining = None
        self._closed_until = now + (rate.reset_in or backoff(self._refusals)) + _GRACE
        self._clean_since = self._closed_until

    def _supposed_limit(self) -> int:
        """Where no reply tells it: what the user said or Criteo documents, or what has got through in a window."""
        return max(self._ceiling or self._documented, self._calls.most, len(self._calls))

    def _share_after_refusal(self, rate: RateLimit, now: float) -> int | None:
        if self._limit is None:
            return rate.limit  # the first refusal tells the limit
        opened = now if rate.reset_in is None else now + rate.reset_in - self._window
        got_through = self._calls.since(opened)
        # The limit was kept, and yet: others use the quota, too, or a worker was late.
        return min(max(got_through, (self._share or self._limit) // 2, 1), self._limit)

    def _grow(self) -> None:
        """After a window that was used up and brought no refusal, take a little more of the quota again."""
        now = self._clock()
        if self._share is None or self._limit is None or now < self._clean_since + self._window:
            return
        if self._is_used_up:
            self._share = min(self._limit, self._share + max(1, self._limit // 40))
        self._is_used_up = False
        self._clean_since = now
