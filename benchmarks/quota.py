"""Hundreds of waits under a quota, beside the usual loop: ``python -m benchmarks.quota``.

All jobs are done and each wait needs one good answer, so that the quota alone sets the bound: N jobs at L calls a minute
take N / L minutes, less one: the first window is there at once. Criteo's headers come with every reply, or on a 429
alone, as is documented. Where that takes too long for a benchmark, time is simulated: the package's own triggers on an
event loop whose time passes at once, Criteo at the socket. There it is also measured for how long the event loop computes
at a stretch.

The loop beside ours is the one that dbt-cloud's trigger uses: a task per job, which asks, sleeps, and ends the wait at
any exception.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_criteo.api.quota import MINUTE
from benchmarks.common import Figure, child, heading, run_alone, table, tell
from benchmarks.sandbox_process import SandboxProcess

POLL_INTERVAL = 5.0
WORKERS = 16


@dataclass(frozen=True)
class Round:
    """One run: jobs under a quota.

    :param limit: calls a minute.
    :param headers: ``always`` or ``limited``: on every reply, or on a 429 alone.
    """

    jobs: int
    limit: int
    headers: str
    ways: tuple[str, ...]

    @property
    def bound(self) -> float:
        """Seconds that the quota alone needs."""
        return (self.jobs / self.limit - 1) * MINUTE


OURS, RESCHEDULE, PEER = "criteo, deferred", "criteo, reschedule", "dbt-cloud's loop"
SIMULATED = "criteo, deferred, simulated"
ROUNDS = (
    *(Round(jobs, 40, headers, (SIMULATED,)) for jobs in (300, 1000) for headers in ("always", "limited")),
    Round(1000, 250, "limited", (OURS,)),
    Round(120, 40, "limited", (OURS, RESCHEDULE, PEER)),
)


def main(rounds: Sequence[Round] = ROUNDS) -> list[Figure]:
    """Measure and print."""
    heading("Waiting under a quota")
    rows, figures = [], []
    for one in rounds:
        for way in one.ways:
            result = _play(one, way)
            rows.append(_row(one, way, result))
            if way in (OURS, SIMULATED):
                figures += _figures(one, way, result)
    columns = (
        "jobs",
        "quota",
        "headers",
        "way",
        "ended right",
        "calls",
        "429s",
        "tokens",
        "time",
        "time / bound",
        "loop held",
    )
    table(columns, rows)
    return figures


def _play(one: Round, way: str) -> dict[str, Any]:
    if way == SIMULATED:
        simulated: dict[str, Any] = child(
            "benchmarks.quota", "--way", way, "--simulate", str(one.jobs), str(one.limit), one.headers
        )
        return simulated
    with SandboxProcess(pending_seconds=0, rate_limit=None) as sandbox:
        report_ids = sandbox.create_jobs(one.jobs)
        before = len(sandbox.journal())
        sandbox.configure(rate_limit=one.limit, rate_headers=one.headers)
        seconds_left = one.bound * 3 + 120
        variables = {"AIRFLOW_CONN_CRITEO_DEFAULT": sandbox.connection, "CRITEO_IDS": json.dumps(report_ids)}
        result: dict[str, Any] = child(
            "benchmarks.quota",
            "--way",
            way,
            "--timeout",
            str(seconds_left),
            **variables,
            AIRFLOW__CORE__UNIT_TEST_MODE="1",
        )
        calls = sandbox.journal()[before:]
    statuses = Counter(call["status"] for call in calls if call["call"] == "status")
    result |= {
        "calls": statuses.total(),
        "429s": statuses[429],
        "tokens": sum(call["call"] == "token" for call in calls),
    }
    return result


def _row(one: Round, way: str, result: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(one.jobs),
        f"{one.limit} a minute",
        "every reply" if one.headers == "always" else "429 alone",
        way,
        str(result["right"]),
        str(result["calls"]),
        f"{result['429s']} ({result['429s'] / max(result['calls'], 1):.1%})",
        str(result["tokens"]),
        f"{result['seconds']:.0f} s",
        f"{result['seconds'] / one.bound:.2f}",
        f"{result['held'] * 1000:.1f} ms" if "held" in result else "",
    )


def _figures(one: Round, way: str, result: dict[str, Any]) -> Iterator[Figure]:
    name = f"{one.jobs} jobs, {one.limit} a minute, headers {one.headers}" + (", simulated" if way == SIMULATED else "")
    yield Figure(f"{name}: waits that did not end right", one.jobs - result["right"], 0)
    yield Figure(f"{name}: time / bound", result["seconds"] / one.bound, 1.25)
    yield Figure(f"{name}: token calls", result["tokens"], 1)
    if one.jobs >= 300:
        yield Figure(f"{name}: 429s among all calls", 100 * result["429s"] / result["calls"], 1, "%")
    if "held" in result:
        yield Figure(f"{name}: longest that the loop is held", 1000 * result["held"], 20, "ms")


# The ways, each in a process of its own


def _deferred(report_ids: list[str], timeout: float) -> int:
    from airflow_provider_criteo.triggers.report_job import ReportJobTrigger

    end = time.time() + timeout

    async def outcome(report_id: str) -> bool:
        trigger = ReportJobTrigger(
            report_id, "mpo-realtime", "criteo_default", None, POLL_INTERVAL, end, first_poll_at=time.time()
        )
        return [event.payload["outcome"] async for event in trigger.run()] == ["done"]

    return asyncio.run(_together(outcome, report_ids))


async def _together(outcome: Callable[[str], Coroutine[Any, Any, bool]], report_ids: list[str]) -> int:
    return sum(await asyncio.gather(*map(outcome, report_ids)))


def _simulated(jobs: int, limit: int, headers: str) -> dict[str, Any]:
    """The waits of a run, whose tasks defer twenty a second, as fast as workers start."""
    import airflow.jobs.triggerer_job_runner  # noqa: F401 - as in a triggerer

    import airflow_provider_criteo.triggers.poller  # noqa: F401 - loaded once, in a thread
    from airflow_provider_criteo.triggers.report_job import ReportJobTrigger
    from airflow_provider_criteo.utils.clock import CLOCK
    from tests.support.events import payload
    from tests.support.scripted_criteo import CONNECTION, ScriptedCriteo
    from tests.support.virtual_time import VirtualTime

    os.environ["AIRFLOW_CONN_CRITEO_DEFAULT"] = CONNECTION
    virtual = VirtualTime()
    CLOCK.now, CLOCK.sleep = virtual.now, virtual.sleep
    began = virtual.now()

    async def wait(number: int) -> bool:
        await asyncio.sleep(number / 20)
        end = virtual.now() + 6 * 3600
        trigger = ReportJobTrigger(f"job-{number}", "mpo-realtime", "criteo_default", None, POLL_INTERVAL, end)
        return bool((await payload(trigger))["outcome"] == "done")

    async def all_of_them() -> int:
        return sum(await asyncio.gather(*map(wait, range(jobs))))

    with ScriptedCriteo(virtual.now).at_the_socket() as criteo:
        criteo.quota, criteo.tells_quota = limit, headers == "always"
        loop = _held_loop(virtual)
        right = virtual.run(all_of_them(), loop)
    calls = len(criteo.polls) + criteo.refused
    seconds = virtual.now() - began
    told = {"right": right, "seconds": seconds, "calls": calls, "429s": criteo.refused, "tokens": criteo.tokens}
    return {**told, "held": loop.held}


def _held_loop(virtual: Any) -> Any:
    """An event loop of simulated time that tells the longest that it computed at a stretch, once it had begun."""
    from tests.support.virtual_time import VirtualLoop

    class HeldLoop(VirtualLoop):
        held = 0.0

        def _run_once(self) -> None:
            before = time.thread_time()
            super()._run_once()  # type: ignore[misc] # asyncio's own
            if virtual.now() > began:
                self.held = max(self.held, time.thread_time() - before)

    began = virtual.now()
    return HeldLoop(virtual)


def _rescheduled(report_ids: list[str], timeout: float) -> int:
    from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
    from tests.support.tasks_in_process import Run

    workers = threading.Semaphore(WORKERS)
    right: list[bool] = []

    class Sensor(ReportJobStatusSensor):
        def poke(self, context: Any) -> Any:
            with workers:
                return super().poke(context)

    def wait(number: int, report_id: str) -> None:
        def sensor() -> Sensor:
            return Sensor(task_id=f"wait_{number}", report_id=report_id, poke_interval=POLL_INTERVAL, timeout=timeout)

        try:
            right.append(Run(sensor, longest=timeout + 60).result() == report_id)
        except Exception as error:  # noqa: BLE001 - a wait that failed is what is counted
            print(f"wait_{number}: {error!r}", file=sys.stderr)

    threads = [threading.Thread(target=wait, args=pair) for pair in enumerate(report_ids)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(right)


def _dbt_clouds_loop(report_ids: list[str], timeout: float) -> int:
    import httpx

    from airflow_provider_criteo.api.reports import get_report_type

    row = get_report_type("mpo-realtime")
    fields = json.loads(os.environ["AIRFLOW_CONN_CRITEO_DEFAULT"])
    form = {"grant_type": "client_credentials", "client_id": fields["login"], "client_secret": fields["password"]}
    token = httpx.post(f"{fields['host']}/oauth2/token", data=form, trust_env=False).json()["access_token"]
    end = time.time() + timeout

    async def is_done(report_id: str) -> bool:
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
        ) as client:
            reply = await client.get(fields["host"] + row.status_url(row.version(None), report_id))
            return bool(reply.raise_for_status().json()["data"]["attributes"]["status"] == "Done")

    async def outcome(report_id: str) -> bool:
        try:
            while not await is_done(report_id):
                if time.time() > end:
                    return False
                await asyncio.sleep(POLL_INTERVAL)
        except Exception:  # noqa: BLE001 - as it does
            return False
        return True

    return asyncio.run(_together(outcome, report_ids))


WAYS: dict[str, Callable[[list[str], float], int]] = {
    OURS: _deferred,
    RESCHEDULE: _rescheduled,
    PEER: _dbt_clouds_loop,
}


def _measure(way: str, timeout: float) -> None:
    report_ids = json.loads(os.environ["CRITEO_IDS"])
    began = time.monotonic()
    right = WAYS[way](report_ids, timeout)
    tell({"right": right, "seconds": time.monotonic() - began})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=(*WAYS, SIMULATED), help=argparse.SUPPRESS)
    parser.add_argument("--simulate", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--timeout", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.simulate:
        jobs, limit, headers = given.simulate
        tell(_simulated(int(jobs), int(limit), headers))
    elif given.way:
        _measure(given.way, given.timeout)
    else:
        run_alone(main)
