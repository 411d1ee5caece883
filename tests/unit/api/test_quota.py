"""The pace against servers of every kind of window, in simulated time."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from airflow_provider_criteo.api.models import RateLimit
from airflow_provider_criteo.api.quota import Pace


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


def run(
    kind: str,
    headers: str,
    *,
    limit: int,
    window: float,
    calls: int,
    paces: int = 1,
    ceiling: int | None = None,
    offset: float = 0.0,
) -> tuple[float, float, Server]:
    world = World(Server(limit, window, kind, headers, offset))
    took = world.run([Pace(ceiling, clock=lambda: world.now) for _ in range(paces)], calls)
    server = world.server
    return took / (calls / limit * window), server.refused / (server.refused + server.served), server


@pytest.mark.parametrize("window", [5.0, 60.0])
@pytest.mark.parametrize("kind", ["anchored", "aligned", "sliding"])
@pytest.mark.parametrize("headers", ["limited", "always"])
def test_a_thousand_calls_stay_within_the_quota(kind: str, headers: str, window: float) -> None:
    ratio, refused, _ = run(kind, headers, limit=40, window=window, calls=1000)
    assert refused <= 0.01
    assert ratio <= 1.25


@pytest.mark.parametrize("limit", [10, 40, 250])
def test_one_429_is_enough_to_learn_a_minutes_window(limit: int) -> None:
    ratio, _, server = run("anchored", "limited", limit=limit, window=60, calls=limit * 6)
    assert server.refused == 1
    assert ratio <= 1.25


@pytest.mark.parametrize("offset", [0.0, 7.0, 29.0, 31.0, 45.0, 55.0])
def test_windows_of_the_clock_are_learnt_from_two_429s_at_most(offset: float) -> None:
    ratio, _, server = run("aligned", "limited", limit=40, window=60, calls=1000, offset=offset)
    assert server.refused <= 2
    assert ratio <= 1.25


@pytest.mark.parametrize("used_by_others", [1, 20, 39])
@pytest.mark.parametrize("kind", ["anchored", "aligned"])
def test_a_short_window_is_learnt_though_others_use_the_quota_at_first(kind: str, used_by_others: int) -> None:
    world = World(Server(40, 5.0, kind, "limited"))
    for _ in range(used_by_others):
        world.server.reply(world.now)
    took = world.run([Pace(clock=lambda: world.now)], 1000)
    assert world.server.refused <= 3
    assert took <= 1.25 * 1000 / 40 * 5


def test_a_minutes_window_is_learnt_from_one_429_though_others_use_the_quota_at_first() -> None:
    world = World(Server(40, 60.0, "anchored", "limited"))
    for _ in range(20):
        world.server.reply(world.now)
    world.run([Pace(clock=lambda: world.now)], 400)
    assert world.server.refused == 1


def test_a_ceiling_of_the_users_own_needs_no_429() -> None:
    _, _, server = run("anchored", "limited", limit=40, window=60, calls=400, ceiling=40)
    assert server.refused == 0


def test_a_ceiling_is_kept_within_every_minute() -> None:
    world = World(Server(1000, 60, "sliding", "always"))
    world.run([Pace(10, clock=lambda: world.now)], 100)
    moments = list(world.server.calls)
    assert all(later - earlier >= 59.9 for earlier, later in zip(moments, moments[10:], strict=False))


@pytest.mark.parametrize("headers", ["limited", "always"])
def test_two_who_share_nothing_converge(headers: str) -> None:
    ratio, refused, _ = run("anchored", headers, limit=40, window=60, calls=3000, paces=2)
    assert refused <= 0.02
    assert ratio <= 1.25


def test_a_429_that_tells_nothing_is_backed_off_from() -> None:
    _, refused, _ = run("anchored", "none", limit=40, window=60, calls=400)
    assert refused <= 0.25
