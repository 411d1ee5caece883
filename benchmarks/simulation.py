"""Past one machine: nights of reports under a quota, in simulated time: ``python -m benchmarks.simulation``.

The queues and the paces are the package's own, on an event loop whose time passes at once; tasks, workers, triggerers
and Criteo are simulated. A task does what the all-in-one operator does: it creates, or asks the queue first where its
index is beyond one minute's quota; waits in a triggerer; downloads on a worker. Triggerers share nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import math
import random
import statistics
import time as real_time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_criteo.api.models import RateLimit
from airflow_provider_criteo.api.quota import MINUTE, REPORTING_CALLS_PER_MINUTE, Pace
from airflow_provider_criteo.triggers.queue import Call, TurnQueue
from benchmarks.common import Figure, child, heading, resident, run_alone, table, tell
from tests.support.virtual_time import VirtualTime

CALLS_PER_REPORT = 3
WORKERS = 64
SECONDS_OF_A_WORKERS_START = 2.0
SECONDS_OF_A_CALL = 0.3
SECONDS_UNTIL_TRIGGERED = 1.0
JOB_SECONDS, SLOW_JOB_SECONDS = 30.0, 600.0


@dataclass(frozen=True)
class Night:
    """What is to be loaded, and with what.

    :param reports: of all connections together.
    :param quota: calls a minute of each connection's application.
    :param pool: slots of a pool for each connection, deferred tasks counted; None without.
    :param slow: share of the jobs that take ten minutes.
    :param told: whether the connection tells its quota.
    :param revoked: whether one connection is revoked half way.
    """

    reports: int
    connections: int
    triggerers: int
    quota: int
    pool: int | None = None
    slow: float = 1 / 3
    revoked: bool = True
    poll_interval: float = 60.0
    told: bool = False

    @property
    def first_window(self) -> int:
        """Calls that are made without a turn: what is told, else what is documented."""
        return self.quota if self.told else min(self.quota, REPORTING_CALLS_PER_MINUTE)

    @property
    def bound(self) -> float:
        """Minutes that the quota alone needs, where every job is done by its first poll."""
        return max(CALLS_PER_REPORT * self.reports / self.connections / self.quota - 1, 1)


NIGHTS = tuple(
    Night(reports, 20, triggerers, quota) for quota in (40, 10) for reports in (1_000, 10_000) for triggerers in (1, 3)
)
POOLS = tuple(
    Night(300, 1, 1, quota, pool=pool, slow=0, revoked=False)
    for quota, sizes in ((40, (None, 5, 10, 15, 20, 40, 60)), (10, (None, 5, 10, 15, 20, 40, 60)))
    for pool in sizes
)


class RevokedError(Exception):
    """The connection's consent is gone."""


@dataclass
class Application:
    """Criteo's side of a connection: windows that begin with a call, told on a 429 alone."""

    quota: int
    revoked_at: float = math.inf
    window_start: float = -math.inf
    in_window: int = 0
    calls: int = 0
    refused: int = 0

    async def call(self) -> RateLimit | None:
        """Make a call; what a 429 says, None where it is served.

        :raises RevokedError: 401.
        """
        await asyncio.sleep(SECONDS_OF_A_CALL)
        now = asyncio.get_running_loop().time()
        self.calls += 1
        if now >= self.revoked_at:
            raise RevokedError
        if now >= self.window_start + MINUTE:
            self.window_start, self.in_window = now, 0
        if self.in_window < self.quota:
            self.in_window += 1
            return None
        self.refused += 1
        return RateLimit(self.quota, 0, math.ceil(self.window_start + MINUTE) - now)


class Workers:
    """So many at once; as Airflow's scheduler does it, the lowest map index goes first."""

    def __init__(self, workers: int) -> None:
        self._free = workers
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @asynccontextmanager
    async def one(self, index: int) -> AsyncIterator[None]:
        """A worker, once there is one."""
        if self._free:
            self._free -= 1
        else:
            free: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (index, next(self._order), free))
            await free
        try:
            yield
        finally:
            if self._waiting:
                heapq.heappop(self._waiting)[2].set_result(None)
            else:
                self._free += 1


@dataclass
class World:
    """The tasks of a night, and what became of them."""

    night: Night
    applications: list[Application]
    workers: Workers
    queues: dict[tuple[int, int], TurnQueue] = field(default_factory=dict)
    starts: int = 0
    took: list[float] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    random: random.Random = field(default_factory=lambda: random.Random(7))

    def queue(self, connection: int) -> TurnQueue:
        """The connection's queue in the triggerer that Airflow happens to give the trigger to."""
        key = (self.random.randrange(self.night.triggerers), connection)
        if key not in self.queues:
            told, clock = self.night.quota if self.night.told else None, asyncio.get_running_loop().time
            self.queues[key] = TurnQueue(Pace(told, documented=self.night.first_window, clock=clock), clock)
        return self.queues[key]

    @asynccontextmanager
    async def worker(self, index: int) -> AsyncIterator[None]:
        """A worker that has started a task."""
        async with self.workers.one(index):
            self.starts += 1
            await asyncio.sleep(SECONDS_OF_A_WORKERS_START * self.random.uniform(0.5, 1.5))
            yield


async def _report(world: World, connection: int, index: int, slots: Any) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with slots:
            await _exported(world, connection, index)
        world.took.append(loop.time() - began)
        world.ended["files"] += 1
    except RevokedError:
        world.ended["failed"] += 1


async def _exported(world: World, connection: int, index: int) -> None:
    loop, night = asyncio.get_running_loop(), world.night
    began = loop.time()
    had_turn = night.pool is None and index >= night.first_window
    if had_turn:
        async with world.worker(index):
            pass
        await asyncio.sleep(SECONDS_UNTIL_TRIGGERED)
        queue = world.queue(connection)
        queue.expect_calls(loop.time())
        await queue.turn(Call.CREATE, began)
    had_turn = await _on_a_worker(world, connection, index, Call.CREATE, began, had_turn)
    seconds = SLOW_JOB_SECONDS if world.random.random() < night.slow else JOB_SECONDS
    done_at = loop.time() + seconds * world.random.uniform(0.5, 1.5)
    await asyncio.sleep(SECONDS_UNTIL_TRIGGERED)
    queue = world.queue(connection)
    if not had_turn:
        queue.was_made(loop.time() - SECONDS_UNTIL_TRIGGERED)
        if night.pool is None:
            queue.expect_calls(loop.time())
    await _waited(world, queue, connection, done_at)
    await queue.turn(Call.DOWNLOAD, loop.time())
    if night.pool is not None:
        queue.expect_call()
    await _on_a_worker(world, connection, index, Call.DOWNLOAD, loop.time(), had_turn=True)


async def _on_a_worker(world: World, connection: int, index: int, call: Call, due: float, had_turn: bool) -> bool:
    """Make a call on a worker, through the queue where it is refused; whether it had its turn then."""
    while True:
        async with world.worker(index):
            refusal = await world.applications[connection].call()
        if refusal is None:
            return had_turn
        await asyncio.sleep(SECONDS_UNTIL_TRIGGERED)
        queue = world.queue(connection)
        queue.refused(refusal)
        await queue.turn(call, due)
        had_turn = True


async def _waited(world: World, queue: TurnQueue, connection: int, done_at: float) -> None:
    loop = asyncio.get_running_loop()
    refusals = 0
    while True:
        await asyncio.sleep(world.night.poll_interval)
        due, refusal = loop.time(), RateLimit()
        while refusal is not None:
            pace = await queue.turn(Call.POLL, due)
            try:
                refusal = await world.applications[connection].call()  # type: ignore[assignment]
                refusals = 0
            except RevokedError:
                refusal, refusals = None, refusals + 1  # type: ignore[assignment]
            pace.finished(refusal, limited=refusal is not None)
            queue.let_go()
        if refusals > 1:
            raise RevokedError
        if not refusals and loop.time() >= done_at:
            return


def simulated(night: Night) -> dict[str, float]:
    """What a night comes to."""
    time = VirtualTime()
    before, cpu, began = resident(), real_time.process_time(), time.now()

    async def all_of_it() -> World:
        applications = [Application(night.quota) for _ in range(night.connections)]
        if night.revoked:
            applications[0].revoked_at = time.now() + night.bound / 2 * MINUTE
        world = World(night, applications, Workers(WORKERS))
        pools = [asyncio.Semaphore(night.pool) if night.pool else nullcontext() for _ in applications]
        each = night.reports // night.connections
        tasks = [(connection, index) for index in range(each) for connection in range(night.connections)]
        await asyncio.gather(*(_report(world, connection, index, pools[connection]) for connection, index in tasks))
        world.ended["bytes"] = resident() - before
        return world

    world = time.run(all_of_it())
    calls = sum(application.calls for application in world.applications)
    return {
        "minutes": (time.now() - began) / MINUTE,
        "files": world.ended["files"],
        "failed": world.ended["failed"],
        "refused": sum(application.refused for application in world.applications) / calls,
        "calls": calls / night.reports,
        "starts": world.starts / night.reports,
        "longest over median": max(world.took) / statistics.median(world.took),
        "bytes": world.ended["bytes"],
        "cpu": real_time.process_time() - cpu,
    }


def main(nights: tuple[Night, ...] = NIGHTS, pools: tuple[Night, ...] = POOLS) -> list[Figure]:
    """Simulate and print."""
    figures = []
    heading("Nights of reports over 20 connections, a third of the jobs slow, one connection revoked half way")
    print("Triggerers share nothing, so that more than one costs 429s: there is no limit for those.\n")
    rows = []
    for night in nights:
        result = _in_a_process_of_its_own(night)
        rows.append((f"{night.reports:,}", str(night.quota), str(night.triggerers), *_cells(night, result)))
        name = f"{night.reports:,} reports, {night.quota} a minute, {night.triggerers} triggerers"
        if night.triggerers == 1:
            figures.append(Figure(f"{name}: 429s among all calls", 100 * result["refused"], 5, "%"))
        figures.append(
            Figure(f"{name}: reports that ended neither way", night.reports - result["files"] - result["failed"], 0)
        )
    table(("reports", "calls a minute", "triggerers", *_COLUMNS), rows)
    heading("300 reports of one connection in a pool that counts deferred tasks")
    table(
        ("calls a minute", "slots", *_COLUMNS),
        ((str(n.quota), str(n.pool or "no pool"), *_cells(n, _in_a_process_of_its_own(n))) for n in pools),
    )
    return figures


_COLUMNS = ("time", "time / bound", "429s", "calls a report", "worker starts", "longest / median", "memory", "CPU")


def _cells(night: Night, result: dict[str, float]) -> tuple[str, ...]:
    return (
        f"{result['minutes'] / 60:.2f} h",
        f"{result['minutes'] / night.bound:.2f}",
        f"{100 * result['refused']:.1f} %",
        f"{result['calls']:.2f}",
        f"{result['starts']:.2f}",
        f"{result['longest over median']:.2f}",
        f"{result['bytes'] / 2**20:.0f} MiB",
        f"{result['cpu']:.1f} s",
    )


def _in_a_process_of_its_own(night: Night) -> dict[str, float]:
    options = (night.reports, night.connections, night.triggerers, night.quota, night.pool or 0, night.slow)
    result: dict[str, float] = child(
        "benchmarks.simulation", "--night", " ".join(map(str, options)), *(["--revoked"] if night.revoked else [])
    )
    return result


def _night(options: str, revoked: bool) -> Night:
    *numbers, slow = options.split()
    reports, connections, triggerers, quota, pool = map(int, numbers)
    return Night(reports, connections, triggerers, quota, pool or None, float(slow), revoked)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--night", help=argparse.SUPPRESS)
    parser.add_argument("--revoked", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.night:
        tell(simulated(_night(given.night, given.revoked)))
    else:
        run_alone(main)
