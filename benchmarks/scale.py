"""A thousand triggers in one process for a minute: memory, CPU, and how long the event loop is held.

``python -m benchmarks.scale``. Beside them as many triggers that only sleep: what asyncio itself costs here.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import time
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks.common import Figure, child, heading, resident, run_alone, table, tell
from benchmarks.sandbox_process import SandboxProcess

TRIGGERS = 1000
SECONDS = 60.0
CALLS_PER_MINUTE = 250
TICK = 0.002
IDLE, OURS = "triggers that only sleep", "ReportJobTrigger"


def main(triggers: int = TRIGGERS, seconds: float = SECONDS) -> list[Figure]:
    """Measure and print."""
    heading(f"{triggers} triggers in one process, {seconds:g} s, {CALLS_PER_MINUTE} calls a minute")
    results = {}
    with SandboxProcess(pending_seconds=3600, rate_limit=None) as sandbox:
        report_ids = sandbox.create_jobs(triggers)
        sandbox.configure(rate_limit=CALLS_PER_MINUTE, rate_headers="always")
        for way in (IDLE, OURS):
            variables = {"AIRFLOW_CONN_CRITEO_DEFAULT": sandbox.connection, "CRITEO_IDS": " ".join(report_ids)}
            results[way] = child("benchmarks.scale", "--way", way, "--seconds", str(seconds), **variables)
        calls = sum(call["call"] == "status" for call in sandbox.journal())
    table(
        ("", "memory per trigger", "CPU", "loop held, longest", "99.9 %", "when the first call was made"),
        (
            (
                way,
                f"{result['bytes'] / triggers / 1024:.1f} KiB",
                f"{100 * result['cpu'] / seconds:.1f} % of a core",
                f"{result['held'] * 1000:.1f} ms",
                f"{result['held_999'] * 1000:.1f} ms",
                f"{result['held_first'] * 1000:.1f} ms",
            )
            for way, result in results.items()
        ),
    )
    print(f"{calls} polls were made.")
    return [Figure("longest that the loop is held with 1,000 triggers", results[OURS]["held"] * 1000, 20, "ms")]


async def _sleeping(report_id: str, seconds: float) -> None:
    await asyncio.sleep(seconds)


async def _waiting(report_id: str, seconds: float) -> None:
    from airflow_provider_criteo.triggers.report_job import ReportJobTrigger

    now = time.time()
    trigger = ReportJobTrigger(
        report_id, "mpo-realtime", "criteo_default", None, 60.0, now + seconds, first_poll_at=now + 3
    )
    async for _ in trigger.run():
        pass


WAYS: dict[str, Callable[[str, float], Coroutine[Any, Any, None]]] = {IDLE: _sleeping, OURS: _waiting}


async def _measured(way: str, seconds: float) -> dict[str, float]:
    report_ids = os.environ["CRITEO_IDS"].split()
    before, cpu = resident(), _cpu()
    waits = [asyncio.create_task(WAYS[way](report_id, seconds)) for report_id in report_ids]
    delays: list[tuple[float, float]] = []
    began = time.monotonic()
    while not all(wait.done() for wait in waits):
        asked = time.monotonic()
        await asyncio.sleep(TICK)
        now = time.monotonic()
        delays.append((now - began, max(now - asked - TICK, 0.0)))
    # All start, and end, in the same moment only here.
    steady = sorted(delay for moment, delay in delays if 6.0 < moment < seconds - 2)
    return {
        "bytes": resident() - before,
        "cpu": _cpu() - cpu,
        "held": steady[-1],
        "held_999": steady[int(len(steady) * 0.999)],
        "held_first": max(delay for moment, delay in delays if 1.0 < moment <= 6.0),
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _measure(way: str, seconds: float) -> None:
    import airflow.jobs.triggerer_job_runner  # noqa: F401 - as in a triggerer

    from airflow_provider_criteo.triggers.report_job import ReportJobTrigger  # noqa: F401

    gc.collect()
    tell(asyncio.run(_measured(way, seconds)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    if given.way:
        _measure(given.way, given.seconds)
    else:
        run_alone(lambda: main(seconds=given.seconds))
