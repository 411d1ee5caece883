"""What headers tell of the quota, and the pace against servers of every kind of window, in simulated time."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate

import pytest
from requests.structures import CaseInsensitiveDict

from airflow_provider_criteo.api.models import RateLimit
from airflow_provider_criteo.api.quota import MOST_CONCURRENT, Pace, backoff, rate_limit_of

NOW = 1_800_000_000.0


def told(now: float = NOW, **headers: object) -> RateLimit:
    """What these headers tell."""
    named = CaseInsensitiveDict({name.replace("_", "-"): str(value) for name, value in headers.items()})
    return rate_limit_of(named, now)


def test_the_documented_headers_are_read() -> None:
    rate = told(x_ratelimit_limit=40, x_ratelimit_remaining=7, x_ratelimit_reset=int(NOW) + 30)
    assert rate == RateLimit(40, 7, 30.0, datetime.fromtimestamp(NOW + 30, timezone.utc))


@pytest.mark.parametrize("after", ["7", "7.0", formatdate(NOW + 7, usegmt=True)])
def test_retry_after_is_read_as_seconds_and_as_a_date_and_wins(after: str) -> None:
    assert told(Retry_After=after, x_ratelimit_reset=int(NOW) + 30).reset_in == 7


@pytest.mark.parametrize("value", ["", "soon", "nan", "inf", "-5", "0", str(int(NOW) - 3600)])
def test_what_tells_no_moment_to_come_tells_nothing(value: str) -> None:
    assert told(x_ratelimit_limit=value if value == "soon" else "40", x_ratelimit_reset=value).reset_in is None
    assert told(Retry_After=value if value != str(int(NOW) - 3600) else "x").reset_in is None
    assert told().reset_in is None


def test_a_wait_is_an_hour_at_most() -> None:
    assert told(Retry_After=10**9).reset_in == 3600
    assert told(x_ratelimit_reset=int(NOW) + 10**8).reset_in == 3600


@pytest.mark.parametrize("ahead", [-3600, -50, -10, 10, 50, 3000])
def test_a_clock_here_that_is_wrong_does_not_shorten_a_wait(ahead: float) -> None:
    rate = told(NOW + ahead, x_ratelimit_reset=int(NOW) + 60, Date=formatdate(NOW, usegmt=True))
    assert rate.reset_in == pytest.approx(60)


def test_a_date_that_is_wrong_itself_is_not_believed() -> None:
    assert told(x_ratelimit_reset=int(NOW) + 60, Date="Tue, 15 Nov 1994 08:12:31 GMT").reset_in == pytest.approx(60)


def test_a_backoff_doubles_up_to_a_minute() -> None:
    assert [backoff(attempt) for attempt in (0, 1, 2, 3, 6, 7, 99)] == [1, 1, 2, 4, 32, 60, 60]


class Server:
    """A quota of ``limit`` calls per ``window`` seconds.

    :param kind: ``anchored`` (the window begins with a call), ``aligned`` (with the clock) or ``sliding``.
    :param headers: ``limited`` sends them on a 429 only, ``always`` on every reply, ``none`` never.
    """

    def __init__(self, limit: int, window: float, kind: str, headers: str, offset: float = 0.0) -> None:
        self.limit, self.window, self.kind, self.headers, self.offset = limit, window, kind, headers, offset
        self.calls: deque[float] = deque()
        self.start = -math.inf
        self.count = 0
        self.refused = 0
        self.served = 0

    def reply(self, now: float) -> tuple[bool, RateLimit]:
        if self.kind == "sliding":
            while self.calls and self.calls[0] <= now - self.window:
                self.calls.popleft()
            self.count = len(self.calls)
            reset = self.calls[0] + self.window if self.calls else now + self.window
        else:
            if self.kind == "aligned":
                start = math.floor((now + self.offset) / self.window) * self.window - self.offset
            else:
                start = self.start if now < self.start + self.window else now
            if start != self.start:
                self.start, self.count = start, 0
            reset = self.start + self.window
        limited = self.count >= self.limit
        if limited:
            self.refused += 1
        else:
            self.served += 1
            self.count += 1
            self.calls.append(now)
        if self.headers == "none" or (self.headers == "limited" and not limited):
            return limited, RateLimit()
        # Whole seconds, rounded up, as the sandbox gives them.
        reset_in = math.ceil(reset) - now
        return limited, RateLimit(self.limit, max(0, self.limit - self.count), reset_in if reset_in > 0 else None)


@dataclass
class World:
    server: Server
    latency: float = 0.05
    now: float = 1000.3
    events: list[tuple[float, int, object]] = field(default_factory=list)

    def run(self, paces: list[Pace], calls: int, until: float = 1e9) -> float:
        """Make so many successful calls as fast as the paces allow; the seconds it took."""
        began, done = self.now, 0
        order: Iterator[int] = iter(range(10**9))
        latency = random.Random(7)  # replies overtake each other
        next_go: dict[int, float] = {}

        def go(pace: Pace, moment: float) -> None:
            """One pending attempt per pace, the earliest asked for."""
            if moment < next_go.get(id(pace), math.inf):
                next_go[id(pace)] = moment
                heapq.heappush(self.events, (moment, next(order), ("go", pace)))

        for pace in paces:
            go(pace, self.now)
        while done < calls and self.now < began + until:
            self.now, _, event = heapq.heappop(self.events)
            kind, pace, *rest = event  # type: ignore[misc]
            if kind == "go":
                if self.now != next_go.get(id(pace)):
                    continue
                del next_go[id(pace)]
                wait = pace.try_start()
                if wait <= 0:
                    arrival = self.now + self.latency * latency.random()
                    heapq.heappush(self.events, (arrival, next(order), ("arrive", pace)))
                    go(pace, self.now)
                elif wait < math.inf:
                    go(pace, self.now + wait)
            elif kind == "arrive":
                answer = self.server.reply(self.now)
                heapq.heappush(
                    self.events, (self.now + self.latency * latency.random(), next(order), ("back", pace, answer))
                )
            else:
                limited, rate = rest[0]
                pace.finished(rate, limited=limited)
                done += not limited
                go(pace, self.now)
        self.events.clear()
        return self.now - began


WINDOW = 60.0


def run(
    kind: str,
    headers: str,
    *,
    limit: int = 40,
    calls: int,
    paces: int = 1,
    ceiling: int | None = None,
    offset: float = 0.0,
    used_by_others: int = 0,
) -> tuple[float, float, Server]:
    """The time it took, of the shortest that the quota allows; the share of 429s; and the server."""
    world = World(Server(limit, WINDOW, kind, headers, offset))
    server = world.server
    for _ in range(used_by_others):
        server.reply(world.now)
    took = world.run([Pace(ceiling, clock=lambda: world.now) for _ in range(paces)], calls)
    return took / (calls / limit * WINDOW), server.refused / (server.refused + server.served), server


@pytest.mark.parametrize("calls", [300, 1000])
@pytest.mark.parametrize("kind", ["anchored", "aligned", "sliding"])
@pytest.mark.parametrize("headers", ["limited", "always"])
def test_many_calls_stay_within_the_quota_and_use_it(kind: str, headers: str, calls: int) -> None:
    ratio, refused, _ = run(kind, headers, calls=calls)
    assert refused <= 0.01
    assert ratio <= 1.25


@pytest.mark.parametrize("limit", [10, 40, 250])
def test_one_429_is_enough_to_learn_the_limit(limit: int) -> None:
    ratio, _, server = run("anchored", "limited", limit=limit, calls=limit * 6)
    assert server.refused == 1
    assert ratio <= 1.25


@pytest.mark.parametrize("offset", [0.0, 7.0, 29.0, 31.0, 45.0, 55.0])
def test_windows_of_the_clock_cost_two_429s_at_most(offset: float) -> None:
    ratio, _, server = run("aligned", "limited", calls=1000, offset=offset)
    assert server.refused <= 2
    assert ratio <= 1.25


@pytest.mark.parametrize("used_by_others", [1, 20, 39])
def test_the_limit_is_learnt_from_one_429_though_others_use_the_quota_at_first(used_by_others: int) -> None:
    _, _, server = run("anchored", "limited", calls=400, used_by_others=used_by_others)
    assert server.refused == 1


def test_a_ceiling_of_the_users_own_needs_no_429() -> None:
    _, _, server = run("anchored", "limited", calls=400, ceiling=40)
    assert server.refused == 0


def test_a_ceiling_is_kept_within_every_minute() -> None:
    world = World(Server(1000, WINDOW, "sliding", "always"))
    world.run([Pace(10, clock=lambda: world.now)], 100)
    moments = list(world.server.calls)
    assert len(moments) >= 10
    assert all(later - earlier >= 59.9 for earlier, later in zip(moments, moments[10:], strict=False))


@pytest.mark.parametrize("headers", ["limited", "always"])
def test_two_processes_that_share_nothing_come_to_an_even_share(headers: str) -> None:
    ratio, refused, _ = run("anchored", headers, calls=3000, paces=2)
    assert refused <= 0.025
    assert ratio <= 1.1


def test_a_429_that_tells_nothing_is_backed_off_from() -> None:
    _, refused, _ = run("anchored", "none", calls=400)
    assert refused <= 0.25


def test_a_window_is_an_argument() -> None:
    world = World(Server(40, 5.0, "anchored", "limited"))
    took = world.run([Pace(window=5.0, clock=lambda: world.now)], 400)
    assert took <= 1.25 * 400 / 40 * 5


# One call at a time


def test_calls_are_made_one_by_one_until_something_tells_the_limit() -> None:
    pace = Pace(clock=lambda: 0.0)
    assert pace.try_start() == 0
    assert pace.try_start() == math.inf
    pace.finished(RateLimit(40, 39, 30.0))
    assert [pace.try_start() for _ in range(MOST_CONCURRENT + 1)] == [*[0] * MOST_CONCURRENT, math.inf]


def test_a_call_that_is_not_made_after_all_costs_nothing() -> None:
    pace = Pace(2, clock=lambda: 0.0)
    assert pace.try_start() == 0
    pace.withdrawn()
    assert [pace.try_grant(), pace.try_grant()] == [0, 15]
    pace.withdrawn(granted=True)
    assert pace.try_grant() == 0


def test_a_granted_call_that_is_not_made_is_given_back_to_what_criteo_said_remains() -> None:
    pace = Pace(clock=lambda: 0.0)
    assert pace.try_start() == 0
    pace.finished(RateLimit(40, 1, 30.0))
    assert pace.try_grant() == 0
    assert pace.try_grant() == 31
    pace.withdrawn(granted=True)
    assert pace.try_grant() == 0


def test_calls_without_a_grant_are_counted_and_awaited() -> None:
    now = 0.0
    pace = Pace(documented=4, clock=lambda: now)
    pace.expect_calls()
    assert pace.try_grant() > 0
    for _ in range(3):
        pace.was_made(5.0)
    assert pace.try_grant() > 0
    pace.was_made(90.0)
    assert pace.try_grant() == 0
    now = 56.0
    pace.expect_calls()
    assert [pace.try_grant(), pace.try_grant()] == [0, 7.5]


def test_calls_that_were_counted_already_are_not_awaited() -> None:
    pace = Pace(documented=4, clock=lambda: 0.0)
    for _ in range(4):
        pace.was_made(5.0)
    pace.expect_calls()
    assert pace.try_grant() == 0


@pytest.mark.parametrize("ceiling", [None, 4])
def test_an_expected_call_that_does_not_come_is_awaited_no_longer(ceiling: int | None) -> None:
    now = 0.0
    pace = Pace(ceiling, documented=4, clock=lambda: now)
    pace.was_made(0.0)
    pace.expect_calls()
    now = 8.0
    pace.was_made(0.0)
    assert 0 < pace.try_grant() <= 10
    now = 18.0
    assert pace.try_grant() == 0


def test_room_is_kept_for_each_call_that_others_are_about_to_make() -> None:
    now = 0.0
    pace = Pace(4, clock=lambda: now)
    pace.expect_call()
    now = 6.0
    pace.expect_call()
    pace.was_made(0.0)
    assert [pace.try_start(), pace.try_grant()] == [0, 0]
    now = 7.0
    assert [pace.try_start(), pace.try_grant()] == [9, 9], "the one that has not come lapses"
    now = 16.0
    assert pace.try_start() == 0


def test_who_does_not_come_is_awaited_no_longer_though_others_come() -> None:
    now = 0.0
    pace = Pace(3, clock=lambda: now)
    pace.expect_call()
    pace.expect_call()
    now = 6.0
    pace.was_made(0.0)
    now = 11.0
    assert [pace.try_start(), pace.try_start()] == [0, 0]


@pytest.mark.parametrize("ceiling", [None, 40])
def test_the_others_of_a_first_window_are_awaited_for_a_minute_at_most(ceiling: int | None) -> None:
    now = 0.0
    pace = Pace(ceiling, documented=40, clock=lambda: now)
    waited = []
    for now in range(0, 300, 9):
        pace.was_made(0.0)
        pace.expect_calls()
        waited += [now] * (pace.try_grant() > 0)
    assert 0 < max(waited) <= 70


def test_no_call_is_expected_while_nothing_tells_the_limit() -> None:
    pace = Pace(documented=4, clock=lambda: 0.0)
    pace.expect_call()
    assert pace.try_grant() == 0


def test_a_limit_above_the_documented_one_is_found_by_the_first_429() -> None:
    now = 0.0
    pace = Pace(documented=2, clock=lambda: now)
    granted = 0
    while granted < 6:
        granted += pace.try_grant() == 0
        now += 1
    assert now == 69  # half of 30 s apart, and half of 15 s once a window has had four
    pace.refused(RateLimit(limit=6, reset_in=10.0))
    now += 15
    assert pace.try_grant() == 0
    assert pace.try_grant() == 5


def test_a_window_that_had_more_calls_than_are_documented_brings_grants_closer() -> None:
    now = 0.0
    pace = Pace(documented=2, clock=lambda: now)
    for _ in range(6):
        pace.was_made(0.0)
    assert pace.try_grant() == 0
    now = WINDOW
    assert [pace.try_grant(), pace.try_grant()] == [0, pytest.approx(WINDOW / 7 / 2)]


@pytest.mark.parametrize(
    ("ceiling", "got_through", "limit"), [(120, 0, 120), (None, 200, 200), (None, 3, 40), (20, 0, 20)]
)
def test_a_429_without_a_limit_does_not_slow_who_may_make_more_calls_than_are_documented(
    ceiling: int | None, got_through: int, limit: int
) -> None:
    now = 0.0
    pace = Pace(ceiling, documented=40, clock=lambda: now)
    for _ in range(got_through):
        pace.was_made(0.0)
    pace.refused(RateLimit(reset_in=10.0))
    now = 2 * WINDOW
    granted = 0
    while now < 3 * WINDOW - 1e-6:
        granted += not pace.try_grant()
        now += WINDOW / limit / 2
    assert granted == limit


def test_polls_without_a_limit_do_not_let_a_crowd_of_workers_go() -> None:
    """Each that is granted before the first 429 tells the limit, and calls after it, is refused, too."""
    now = 0.0
    pace = Pace(documented=40, clock=lambda: now)
    granted = 0
    for _ in range(100):
        assert pace.try_start() == 0
        pace.finished(None)
        granted += pace.try_grant() == 0
        now += 0.2
    assert granted <= 40


def test_a_share_that_is_used_up_grows_by_grants_alone() -> None:
    now = 0.0
    pace = Pace(clock=lambda: now)
    pace.refused(RateLimit(40, 0, 30.0))
    now = 40.0
    pace.refused(RateLimit(40, 0, 30.0))  # half of the quota, as nothing of ours got through
    granted = []
    while now < 2000:
        if not pace.try_grant():
            granted.append(now)
        now += 0.5
    assert sum(80 <= moment < 140 for moment in granted) == 20
    assert sum(1900 <= moment < 1960 for moment in granted) == 40


def test_a_429_anywhere_closes_the_pace_until_the_reset() -> None:
    now = 100.0
    pace = Pace(clock=lambda: now)
    pace.refused(RateLimit(40, 0, 30.0))
    assert pace.try_start() == pace.try_grant() == 31
    now += 31
    assert pace.try_start() == 0
