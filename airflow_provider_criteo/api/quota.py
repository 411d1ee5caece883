"""Criteo's quota: what a reply tells of it, and the pace that keeps within it.

Sources: https://developers.criteo.com/criteo-apis/docs/rate-limits (limits, ``x-ratelimit-*`` headers, the
1, 2, 4 s back-off); ``Retry-After`` is named by an older page and honoured where it comes.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from airflow_provider_criteo.api.models import RateLimit

REPORTING_CALLS_PER_MINUTE = 40
"""The documented default of the reporting endpoints, per application."""

MINUTE = 60.0
MOST_CONCURRENT = 4
"""Calls under way at once: enough for 250 a minute at a second each."""

_LONGEST_WAIT = 3600.0
_CLOCKS_AGREE = 2.0
_SAME_RESET = 1.0
"""Seconds by which two replies may differ in when the same window ends: they round, and travel."""

_RESET_OF_A_MINUTE = 6.0
"""A reset in fewer seconds is more likely the end of a short window than that of the documented minute."""

_EPOCH_MILLISECONDS = 1e11


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
        if reset is not None:
            wait = _wait_until(reset / 1000 if reset > _EPOCH_MILLISECONDS else reset, headers, now)
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
        # A header that came twice is one value with a comma.
        number = float(value.split(",")[0]) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < float("inf") else None


def _whole(value: str | None) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 0 else None


def _http_date(value: str | None) -> float | None:
    if not value:
        return None
    try:
        return parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


class Pace:
    """Decides when the next call of one application may be made.

    It believes ``remaining`` and ``reset`` where replies carry them. Where only a 429 does, it takes the limit
    from that 429 and counts its own calls: never more than the limit in any window, however the server's windows
    lie. A 429 in spite of that means that others call too: the share becomes what this process got through, and
    grows again, ever more boldly while nothing complains and ever more rarely when something does.

    Not thread-safe: one poller owns it.

    :param calls_per_minute: a ceiling of the user's own.
    :param clock: seconds, monotonic.
    """

    def __init__(self, calls_per_minute: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ceiling = calls_per_minute
        self._limit: int | None = None
        self._share: int | None = None
        self._window = MINUTE
        self._window_known = calls_per_minute is not None
        self._window_started: float | None = None
        self._remaining: int | None = None
        self._remaining_until = 0.0
        self._left_to_others = 0
        self._blocked_until = 0.0
        self._grace = 0.2
        self._calls: deque[float] = deque()
        self._in_flight = 0
        self._growth_step = 1
        self._growth_every = 1
        self._clean_windows = 0
        self._failures = 0

    def try_start(self) -> float:
        """Start a call if it may be made now.

        :return: 0 if it is started; else seconds until it may be; infinity if a call has to come back first.
        """
        if self._in_flight >= self._concurrency:
            return math.inf
        wait = self._delay()
        if wait <= 0:
            self._in_flight += 1
        return wait

    @property
    def _concurrency(self) -> int:
        """How many calls may be under way at once: one until the quota is known, so that one 429 tells it."""
        known = self._limit is not None or self._ceiling is not None
        return MOST_CONCURRENT if known and (self._window_known or self._remaining is not None) else 1

    def _delay(self) -> float:
        now = self._clock()
        if now < self._blocked_until:
            return self._blocked_until - now
        waits = [0.0]
        if self._ceiling is not None:
            waits.append(self._until_free(self._ceiling, MINUTE, now))
        if self._remaining is not None and now < self._remaining_until:
            if self._remaining - self._in_flight <= self._left_to_others:
                waits.append(self._remaining_until - now)
        elif self._share is not None:
            waits.append(self._until_free(self._share, self._window, now))
        return max(waits)

    def _until_free(self, limit: int, window: float, now: float) -> float:
        """Seconds until fewer than ``limit`` calls lie in the window behind us, counting those under way."""
        if self._in_flight >= limit:
            return window / limit
        excess = len(self._calls) + self._in_flight - limit
        if excess < 0:
            return 0.0
        return max(0.0, self._calls[excess] + window - now)

    def withdrawn(self) -> None:
        """A call that was started is not made after all."""
        self._in_flight -= 1

    def finished(self, rate: RateLimit | None, *, limited: bool = False) -> None:
        """A call came back.

        :param rate: what its reply said of the quota; None if there was no reply.
        :param limited: whether it was answered 429.
        """
        now = self._clock()
        self._in_flight -= 1
        rate = rate or RateLimit()
        if limited:
            self._refused(rate, now)
            return
        self._failures = 0
        self._calls.append(now)
        self._forget_old_calls(now)
        if rate.remaining is not None and rate.reset_in is not None:
            self._limit = rate.limit or self._limit
            until = now + rate.reset_in + self._grace
            # Replies overtake each other: within a window, the fewest left is the latest news.
            same_window = self._remaining is not None and abs(until - self._remaining_until) < _SAME_RESET
            self._remaining = min(rate.remaining, self._remaining or 0) if same_window else rate.remaining
            self._remaining_until = max(until, self._remaining_until) if same_window else until
        elif now >= self._remaining_until:
            self._remaining = None
        self._grow(now)

    def _forget_old_calls(self, now: float) -> None:
        keep = max(self._window, MINUTE if self._ceiling is not None else 0.0)
        while self._calls and self._calls[0] + keep <= now:
            self._calls.popleft()

    def _refused(self, rate: RateLimit, now: float) -> None:
        self._failures += 1
        if now < self._blocked_until:
            return
        if self._remaining:
            self._left_to_others = min(self._left_to_others + 1, MOST_CONCURRENT)
        reset_in = rate.reset_in if rate.reset_in is not None else backoff(self._failures)
        started = self._window_started
        got_through = sum(1 for moment in self._calls if started is None or moment >= started)
        if started is not None and got_through == 0 and now - started < 2.0:
            self._grace = 1.0  # the reset was rounded down: we came a moment too early
        self._learn(rate, got_through, reset_in, now)
        self._remaining = None
        self._remaining_until = 0.0
        self._blocked_until = now + reset_in + self._grace
        self._window_started = now + reset_in if rate.reset_in is not None else None

    def _learn(self, rate: RateLimit, got_through: int, reset_in: float, now: float) -> None:
        known_window_start = self._window_started
        limit = rate.limit or self._limit or REPORTING_CALLS_PER_MINUTE
        if known_window_start is None or got_through == 0:
            self._share = limit
        else:
            self._share = max(1, min(limit, got_through))
            self._growth_every = min(self._growth_every * 2, 16)
        self._growth_step = 1
        self._clean_windows = 0
        self._limit = limit
        if rate.reset_in is None:
            return
        if known_window_start is not None and got_through:
            self._window = min(max(now + reset_in - known_window_start, 1.0), _LONGEST_WAIT)
            self._window_known = True
        elif not self._window_known:
            self._guess_window(limit, reset_in, now)

    def _guess_window(self, limit: int, reset_in: float, now: float) -> None:
        """The window's length after the first 429: the documented minute, if nothing speaks against it.

        A quota far shorter shows in its reset; the second window confirms it.
        """
        if len(self._calls) >= limit:
            shortest = now + reset_in - self._calls[-limit]
            self._window = max(shortest, 1.0) if shortest < MINUTE / 2 else MINUTE
            self._window_known = self._window == MINUTE
        elif reset_in >= _RESET_OF_A_MINUTE:
            self._window_known = True
        else:
            # Others use the quota, too, so that our own calls tell nothing of the window: the next 429 will.
            self._share = None

    def _grow(self, now: float) -> None:
        """After windows that were used up without a complaint, ask for a little more again."""
        if self._window_started is None or now < self._window_started + self._window:
            return
        used = sum(1 for moment in self._calls if moment > now - self._window)
        self._window_known = True
        self._window_started = now
        if self._share is None or self._limit is None or self._share >= self._limit or used < self._share:
            return
        self._clean_windows += 1
        if self._clean_windows >= self._growth_every:
            self._clean_windows = 0
            self._share = min(self._limit, self._share + self._growth_step)
            self._growth_step *= 2
            self._growth_every = max(1, self._growth_every // 2) if self._growth_step > 2 else self._growth_every
