"""Mapped reports on a real Airflow under a quota, with and without a pool: ``python -m benchmarks.pipeline``.

A report costs three calls, so N of them at L calls a minute take 3 N / L minutes, less one: the first window is there at
once. Beside ours the same work with a loop per task, which dbt-cloud's trigger does.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common import Figure, heading, run_alone, table
from benchmarks.sandbox_process import SandboxProcess
from dev.airflow_stack import AirflowStack

DAGS = Path(__file__).parent / "dags_pipeline"
OURS, PEER = "deferrable", "loop_per_task"
NO_POOL = "default_pool"
_SLEPT = re.compile(r"Trying again in (\d+) s")
_STARTED = "DAG bundles loaded"
AS_AIRFLOW_COMES = {
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "300",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
    "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
}
"""The stack of the tests looks more often, which costs a start a tenth of its time."""


@dataclass(frozen=True)
class Round:
    """So many reports under a quota.

    :param way: ``deferrable`` or ``loop_per_task``.
    :param slots: of the pool; None for none.
    """

    way: str
    reports: int
    calls_per_minute: int
    slots: int | None

    @property
    def bound(self) -> float:
        """Seconds that the quota alone needs."""
        return (3 * self.reports / self.calls_per_minute - 1) * 60


@dataclass(frozen=True)
class Outcome:
    """What one round came to."""

    round: Round
    whole: int
    jobs: int
    calls: Counter[str]
    refused: int
    seconds: float
    starts: int
    slept: int
    busy: float
    """Of the machine's CPUs, in percent: near 100, the time is theirs and not the quota's."""

    @property
    def over(self) -> float:
        """Time / bound."""
        return self.seconds / self.round.bound

    @property
    def share(self) -> float:
        """Of the calls that were answered 429, in percent."""
        return 100 * self.refused / self.report_calls

    @property
    def report_calls(self) -> int:
        """Calls that count against the quota."""
        return self.calls.total() - self.calls["token"]

    def row(self) -> tuple[str, ...]:
        """As a table's row."""
        one, reports = self.round, self.round.reports
        return (
            str(reports),
            str(one.calls_per_minute),
            one.way,
            str(one.slots or ""),
            f"{self.whole} of {reports}, {self.jobs} jobs",
            f"{self.seconds:.0f} s",
            f"{self.over:.2f}",
            f"{self.refused} ({self.share:.1f} %)",
            f"{self.report_calls / reports:.2f}",
            f"{self.starts / reports:.2f}",
            f"{self.calls['token'] / reports:.2f}",
            f"{self.slept} s",
            f"{self.busy:.0f} %",
        )

    def figures(self) -> Iterator[Figure]:
        """Beside their limits."""
        one = self.round
        name = f"{one.reports} reports, {one.calls_per_minute} a minute, " + ("a pool" if one.slots else "no pool")
        yield Figure(f"{name}: files that are missing", one.reports - self.whole, 0)
        yield Figure(f"{name}: jobs made twice", self.jobs - one.reports, 0)
        yield Figure(f"{name}: time / bound", self.over, 1.10 if one.slots else 1.12)
        yield Figure(f"{name}: 429s among all calls", self.share, 2 if one.slots else 5, "%")
        yield Figure(f"{name}: calls a report", self.report_calls / one.reports, 3.1 if one.slots else 3.3)
        yield Figure(f"{name}: worker starts a report", self.starts / one.reports, 2.1 if one.slots else 2.8)
        yield Figure(f"{name}: seconds that workers slept for the quota", self.slept, 0)


def main(
    reports: int = 300,
    calls_per_minute: int = 120,
    slots: int = 40,
    ways: Sequence[str] = (OURS, PEER),
    pools: Sequence[bool] = (False, True),
    parallelism: int = 8,
    told: bool = False,
) -> list[Figure]:
    """Measure and print."""
    heading("Mapped reports under a quota")
    outcomes = []
    with (
        tempfile.TemporaryDirectory() as folder,
        _airflow(Path(folder), parallelism, calls_per_minute if told else None) as (airflow, sandbox),
    ):
        airflow.cli("pools", "set", "criteo", str(slots), "reports under way", "--include-deferred")
        for way in ways:
            for pool in pools:
                one = Round(way, reports, calls_per_minute, slots if pool else None)
                outcomes.append(_play(airflow, sandbox, Path(folder) / "lake", one, first=len(outcomes) * 100_000 + 1))
                print(" | ".join(outcomes[-1].row()), flush=True)
    columns = ("reports", "calls a minute", "way", "pool", "whole", "time", "time / bound", "429s", "calls a report")
    table((*columns, "worker starts", "tokens", "workers slept", "CPUs busy"), [outcome.row() for outcome in outcomes])
    return [figure for outcome in outcomes if outcome.round.way == OURS for figure in outcome.figures()]


@contextmanager
def _airflow(folder: Path, parallelism: int, told: int | None) -> Iterator[tuple[AirflowStack, SandboxProcess]]:
    (folder / "lake").mkdir()
    with SandboxProcess(pending_seconds=20, rate_limit=None) as sandbox:
        env = {
            **AS_AIRFLOW_COMES,
            "AIRFLOW_CONN_CRITEO_DEFAULT": _telling(sandbox.connection, told),
            "CRITEO_LAKE": f"file://{folder}/lake",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        with AirflowStack(folder / "airflow", DAGS, database="postgres", parallelism=parallelism, env=env) as airflow:
            yield airflow, sandbox


def _telling(connection: str, calls_per_minute: int | None) -> str:
    fields = json.loads(connection)
    if calls_per_minute:
        fields["extra"] = {**fields["extra"], "calls_per_minute": calls_per_minute}
    return json.dumps(fields)


def _play(airflow: AirflowStack, sandbox: SandboxProcess, lake: Path, one: Round, first: int) -> Outcome:
    sandbox.reset()
    sandbox.configure(rate_limit=one.calls_per_minute)
    dag_id = f"{one.way}-{'criteo' if one.slots else NO_POOL}"
    psutil.cpu_percent()
    run_id = airflow.trigger(dag_id, {"first": first, "reports": one.reports})
    airflow.wait(dag_id, run_id, timeout=3 * one.bound + 900)
    busy = psutil.cpu_percent()
    journal = sandbox.journal()
    calls = [call for call in journal if call["call"] != "token"]
    logs = [airflow.log_records(dag_id, run_id, "report", 1, index) for index in range(one.reports)]
    return Outcome(
        one,
        whole=sum(path.stat().st_size > 0 for path in lake.glob(f"{run_id}-*")),
        jobs=len(sandbox.jobs()),
        calls=Counter(call["call"] for call in journal),
        refused=sum(call["status"] == 429 for call in calls),
        seconds=calls[-1]["time"] - calls[0]["time"],
        starts=_starts(airflow, dag_id, run_id, logs),
        slept=sum(int(seconds) for log in logs for record in log for seconds in _SLEPT.findall(str(record["event"]))),
        busy=busy,
    )


def _starts(airflow: AirflowStack, dag_id: str, run_id: str, first_tries: list[list[dict[str, Any]]]) -> int:
    """How often a worker took up a task; each further try counts as two starts, as it is not read."""
    started = sum(str(record["event"]).startswith(_STARTED) for log in first_tries for record in log)
    again = sum(ti.try_number - 1 for ti in airflow.task_instances(dag_id, run_id) if ti.task_id == "report")
    return started + 2 * again


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=300)
    parser.add_argument("--calls-per-minute", type=int, default=120)
    parser.add_argument("--slots", type=int, default=40, help="of the pool")
    parser.add_argument("--way", action="append", choices=(OURS, PEER), help="both where not given")
    parser.add_argument("--pool", choices=("with", "without", "both"), default="both")
    parser.add_argument("--parallelism", type=int, default=8)
    parser.add_argument("--told", action="store_true", help="the connection tells its calls a minute")
    given = parser.parse_args()
    with_pool = {"with": (True,), "without": (False,), "both": (False, True)}[given.pool]
    ways = given.way or (OURS, PEER)
    run_alone(
        lambda: main(given.reports, given.calls_per_minute, given.slots, ways, with_pool, given.parallelism, given.told)
    )
