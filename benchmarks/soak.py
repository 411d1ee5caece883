"""Hundreds of reports on a real Airflow while Criteo stumbles and processes are killed: ``python -m benchmarks.soak``.

Each ends in a table, which is held against what pyarrow's own reader makes of the file that the sandbox serves.

Airflow runs on PostgreSQL with LocalExecutor, against the sandbox with its cache off, so that a second create would
make a second job. Ends with 1 if a report is missing, not whole or made twice.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
from pyarrow import csv

import tests.support.hostile_wires  # noqa: F401 - it fills FAULTS
from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import DEATHS_SEEN_SOON, AirflowStack

DAGS = Path(__file__).parent / "dags_soak"
BATCH = {"one_task": 7, "steps_deferred": 2, "steps": 1}
FAULT_SHARE = 0.05
CALLS_PER_MINUTE = 400
VICTIMS = ("triggerer", "scheduler", "api-server", "task")
# Every one of them passes: a wait or a retry outlives it.
FAULTS = {
    "token": ("http-500", "http-503", "html-502", "reset-before", "empty-200", "delay-before"),
    "create": ("http-500", "http-503", "html-502", "http-429-retry-after", "reset-before", "reset-after"),
    "status": (
        *("http-500", "http-502", "http-503", "http-504", "html-200", "http-429-retry-after", "reset-before"),
        *("close-after", "empty-200", "json-cut", "status-unknown-word", "token-expired", "delay-before"),
    ),
    "download": (
        *("http-500", "http-503", "html-200", "http-429-retry-after", "reset-before", "cut", "cut-chunked"),
        *("reset-at", "length-too-large", "gzip", "gzip-cut", "token-revoked"),
    ),
}
LOST_REPLIES = ("reset-after",)


@dataclass
class Soak:
    """One run of it.

    :param reports: how many.
    :param minutes: over which they are started.
    :param chance: for the kills.
    """

    airflow: AirflowStack
    sandbox: Sandbox
    lake: Path
    reports: int
    minutes: float
    chance: random.Random
    runs: list[str] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)

    def play_faults(self) -> None:
        for call, kinds in FAULTS.items():
            for kind in kinds:
                self.sandbox.fault(call, kind, times=None, probability=FAULT_SHARE / len(kinds), seconds=2, at=5000)

    def start_all(self) -> None:
        """Start the batches evenly over the time, and kill twice meanwhile."""
        began = time.monotonic()
        batches = list(self._batches())
        self._kills_due = sorted(self.chance.uniform(0.15, 0.85) for _ in range(2))
        self._victims = self.chance.sample(VICTIMS, 2)
        for number, batch in enumerate(batches):
            due = began + self.minutes * 60 * number / len(batches)
            while time.monotonic() < due:
                self._kill_if_due(began)
                time.sleep(0.2)
            self.runs.append(self.airflow.trigger("soak", batch))
            if number % 5 == 0:
                print(f"{(time.monotonic() - began) / 60:5.1f} min: {10 * (number + 1)} reports started", flush=True)
        while self._kills_due:
            self._kill_if_due(began)
            time.sleep(0.2)

    def _batches(self) -> Iterator[dict[str, list[str]]]:
        advertisers = iter(range(1, self.reports + 1))
        for _ in range(0, self.reports, sum(BATCH.values())):
            yield {
                way: [str(advertiser) for advertiser in itertools.islice(advertisers, count)]
                for way, count in BATCH.items()
            }

    def _kill_if_due(self, began: float) -> None:
        if not self._kills_due or time.monotonic() - began < self._kills_due[0] * self.minutes * 60:
            return
        self._kills_due.pop(0)
        victim = self._victims.pop(0)
        if victim == "task":
            running = self.airflow.query(
                "select task_id, pid from task_instance where state = 'running' and pid is not null"
                " and task_id not like 'for_%'"
            )
            if not running:
                self._kills_due.insert(0, 0.0)
                self._victims.insert(0, victim)
                return
            chosen = self.chance.choice(running)
            victim = f"a task ({chosen['task_id']})"
            with _gone():
                psutil.Process(chosen["pid"]).kill()
        else:
            self.airflow.kill(victim, tree=True)
            time.sleep(2)
            self.airflow.start(victim)
        self.kills.append(f"{victim} at {(time.monotonic() - began) / 60:.1f} min")
        print(f"      killed {self.kills[-1]}", flush=True)

    def wait_for_all(self) -> list[str]:
        return [self.airflow.wait("soak", run_id, timeout=1200) for run_id in self.runs]

    def tables_whole(self) -> int:
        """How many reports have a table of all the rows that the sandbox serves, and of no other."""
        rows = self.airflow.query("select value from xcom where dag_id = 'soak' and key = 'report_file'")
        whole = set()
        with CriteoClient(self.sandbox.client_id, self.sandbox.client_secret, base_url=self.sandbox.url) as client:
            advertiser_of = {job["report_id"]: job["attributes"]["advertiserIds"][0] for job in self.sandbox.jobs()}
            for report in (row["value"] for row in rows):
                served = io.BytesIO()
                client.download_report(report["report_id"], served)
                served.seek(0)
                table = pq.read_table(report["url"].removeprefix("file://"))
                if table.equals(csv.read_csv(served, convert_options=csv.ConvertOptions(column_types=table.schema))):
                    whole.add(advertiser_of[report["report_id"]])
        return len(whole)

    def second_jobs(self) -> tuple[int, int]:
        """Jobs beyond the first of a report; and how many creates there were whose reply was lost."""
        jobs = Counter(job["attributes"]["advertiserIds"][0] for job in self.sandbox.jobs())
        lost = sum(call["fault"] in LOST_REPLIES for call in self.sandbox.journal("create"))
        return sum(jobs.values()) - len(jobs), lost

    def left_over(self) -> int:
        """Files in the lake that are no report. A process that is killed cannot remove its hidden one."""
        files = (path for path in self.lake.rglob("*") if path.is_file() and path.suffix != ".parquet")
        return sum(not (path.name.startswith(".criteo-") and path.suffix == ".part") for path in files)


class _gone:  # noqa: N801 - a context manager
    """The process may have ended by itself."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, psutil.NoSuchProcess)


def resources(airflow: AirflowStack) -> tuple[int, int]:
    """Open files and threads of the triggerer and its children."""
    process = airflow.components["triggerer"].process
    assert process
    members = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return sum(member.num_fds() for member in members), sum(member.num_threads() for member in members)


def main() -> int:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--reports", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="of the kills")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(10_000)
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        Sandbox(
            rate_limit=CALLS_PER_MINUTE, cache=False, pending_seconds=[5, 20], file_bytes=20_000, seed=seed
        ) as sandbox,
    ):
        lake = Path(folder) / "lake"
        env = {
            "AIRFLOW_CONN_CRITEO_DEFAULT": sandbox.connection(timeout=10),
            "CRITEO_LAKE": f"file://{lake}",
            **DEATHS_SEEN_SOON,
        }
        home = Path(folder) / "airflow"
        with AirflowStack(home, DAGS, database="postgres", parallelism=8, env=env) as airflow:
            return report(Soak(airflow, sandbox, lake, given.reports, given.minutes, random.Random(seed)), seed)


def report(soak: Soak, seed: int) -> int:
    """Run a soak and print its result; 0 if all went well."""
    at_start = resources(soak.airflow)
    began = time.monotonic()
    soak.play_faults()
    soak.start_all()
    states = soak.wait_for_all()
    took = time.monotonic() - began
    time.sleep(10)
    at_end = resources(soak.airflow)
    journal = soak.sandbox.journal()
    soak.sandbox.clear_faults()
    soak.sandbox.configure(rate_limit=None)

    made = len({job["attributes"]["advertiserIds"][0] for job in soak.sandbox.jobs()})
    whole = soak.tables_whole()
    second, lost = soak.second_jobs()
    left_over = soak.left_over()
    faults = sum(call["fault"] is not None for call in journal)
    tries = soak.airflow.query("select sum(try_number - 1) as retries from task_instance where dag_id = 'soak'")
    result: dict[str, Any] = {
        "when": f"{datetime.now(timezone.utc):%Y-%m-%d}, {took / 60:.1f} min, seed {seed}",
        "machine": f"{os.cpu_count()} cores ({_processor()}), {psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"Python {platform.python_version()}, load {os.getloadavg()[2]:.1f}",
        "Airflow": f"{'.'.join(map(str, soak.airflow.version))}, PostgreSQL, LocalExecutor",
        "calls": f"{len(journal)}, {faults} with a fault ({faults / len(journal):.1%}), "
        f"{sum(call['status'] == 429 and not call['fault'] for call in journal)} beyond the quota of "
        f"{CALLS_PER_MINUTE} a minute",
        "kills": ", ".join(soak.kills),
        "task retries": int(tries[0]["retries"]),
        "DAG runs": f"{Counter(states)['success']} of {len(states)} ended well",
        "reports made": f"{made} of {soak.reports}",
        "tables whole": f"{whole} of {soak.reports}",
        "second jobs": f"{second} ({lost} creates took effect and lost their reply)",
        "left over": f"{left_over} temporary files; triggerer: open files {at_start[0]} -> {at_end[0]}, "
        f"threads {at_start[1]} -> {at_end[1]}",
    }
    print("\nsoak\n" + "\n".join(f"  {name:<13} {value}" for name, value in result.items()), flush=True)
    good = made == whole == soak.reports and second <= lost and left_over == 0
    return 0 if good else 1


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
