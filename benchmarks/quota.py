"""Hundreds of waits under a quota, beside the usual loop: ``python -m benchmarks.quota``.

All jobs are done and each wait needs one good answer, so that the quota alone sets the bound: N jobs at L calls per
window take N / L windows. Where windows are short, as in the first runs, so is the benchmark; the last run has a minute's
window and no headers but those of a 429, as documented.

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
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.common import Figure, SandboxProcess, child, heading, run_alone, table, tell

POLL_INTERVAL = 5.0
WORKERS = 16


@dataclass(frozen=True)
class Round:
    """One run: jobs under a quota.

    :param window: seconds.
    :param headers: ``always`` or ``limited``: on every reply, or on a 429 alone.
    """

    jobs: int
    limit: int
    window: float
    headers: str
    ways: tuple[str, ...]

    @property
    def bound(self) -> float:
        """Seconds that the quota alone needs."""
        return self.jobs / self.limit * self.window


OURS, RESCHEDULE, PEER = "criteo, deferred", "criteo, reschedule", "dbt-cloud's loop"
ROUNDS = (
    Round(1000, 100, 5.0, "always", (OURS,)),
    Round(300, 40, 5.0, "always", (OURS, RESCHEDULE, PEER)),
    Round(300, 40, 5.0, "limited", (OURS, RESCHEDULE, PEER)),
    Round(1000, 250, 60.0, "limited", (OURS,)),
    Round(120, 40, 60.0, "limited", (OURS, RESCHEDULE, PEER)),
)


def main(rounds: Sequence[Round] = ROUNDS) -> list[Figure]:
    """Measure and print."""
    heading("Waiting under a quota")
    rows, figures = [], []
    for one in rounds:
        for way in one.ways:
            result = _play(one, way)
            rows.append(_row(one, way, result))
            if way == OURS:
                figures += _figures(one, result)
    columns = ("jobs", "quota", "headers", "way", "ended right", "calls", "429s", "tokens", "time", "time / bound")
    table(columns, rows)
    return figures


def _play(one: Round, way: str) -> dict[str, Any]:
    with SandboxProcess(pending_seconds=0, rate_limit=None) as sandbox:
        report_ids = sandbox.create_jobs(one.jobs)
        before = len(sandbox.journal())
        sandbox.configure(rate_limit=one.limit, rate_window=one.window, rate_headers=one.headers)
        seconds_left = one.bound * 3 + 60
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
        f"{one.limit} per {one.window:g} s",
        "every reply" if one.headers == "always" else "429 alone",
        way,
        str(result["right"]),
        str(result["calls"]),
        f"{result['429s']} ({result['429s'] / max(result['calls'], 1):.1%})",
        str(result["tokens"]),
        f"{result['seconds']:.0f} s",
        f"{result['seconds'] / one.bound:.2f}",
    )


def _figures(one: Round, result: dict[str, Any]) -> list[Figure]:
    name = f"{one.jobs} jobs, {one.limit} per {one.window:g} s, headers {one.headers}"
    figures = [
        Figure(f"{name}: waits that did not end right", one.jobs - result["right"], 0),
        Figure(f"{name}: time / bound", result["seconds"] / one.bound, 1.25),
        Figure(f"{name}: token calls", result["tokens"], 1),
    ]
    if one.jobs >= 1000:
        figures.append(Figure(f"{name}: 429s among all calls", 100 * result["429s"] / result["calls"], 1, "%"))
    return figures


# The ways, each in a process of its own


def _deferred(report_ids: list[str], timeout: float) -> int:
    from airflow_provider_criteo.triggers.report_job import ReportJobTrigger

    end = time.time() + timeout

    async def outcome(report_id: str) -> bool:
        trigger = ReportJobTrigger(
            report_id, "mpo-realtime", "criteo_default", None, POLL_INTERVAL, end, first_poll_at=time.time()
        )
        return [event.payload["outcome"] async for event in trigger.run()] == ["ended"]

    return asyncio.run(_together(outcome, report_ids))


async def _together(outcome: Callable[[str], Coroutine[Any, Any, bool]], report_ids: list[str]) -> int:
    return sum(await asyncio.gather(*map(outcome, report_ids)))


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
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--timeout", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        _measure(given.way, given.timeout)
    else:
        run_alone(main)
