"""Runs of all the ways of loading a report at once, so that one moment hits them all."""

from __future__ import annotations

import io
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack

DAGS = Path(__file__).parent / "dags_kill"
_advertisers = itertools.count(1001)


def until(what: str, reached: Callable[[], Any], timeout: float = 300) -> Any:
    """Wait for something that comes by itself, and return it."""
    deadline = time.monotonic() + timeout
    while not (value := reached()):
        assert time.monotonic() < deadline, f"waited {timeout:.0f} s for this: {what}"
        time.sleep(0.1)
    return value


@dataclass
class Way:
    """A run of one of the DAGs."""

    dag_id: str
    run_id: str
    advertiser: str
    destination: Path

    def task(self, step: str) -> str:
        """The task that does a step: create, wait or download."""
        return step if self.dag_id.startswith("steps") else "report"


@dataclass
class Outcome:
    """What came of a run."""

    way: str
    state: str
    jobs: int
    creates: int
    whole: bool
    tries: int


class Ways:
    """Some DAGs, started together.

    :param lake: an empty folder.
    """

    def __init__(self, airflow: AirflowStack, sandbox: Sandbox, lake: Path, dag_ids: Sequence[str]) -> None:
        self.airflow = airflow
        self.sandbox = sandbox
        self.lake = lake
        self.ways = [self._started(dag_id) for dag_id in dag_ids]

    def _started(self, dag_id: str) -> Way:
        advertiser = str(next(_advertisers))
        destination = self.lake / dag_id / "report.csv"
        run_id = self.airflow.trigger(dag_id, {"advertiser": advertiser, "destination": f"file://{destination}"})
        return Way(dag_id, run_id, advertiser, destination)

    def __iter__(self) -> Iterator[Way]:
        return iter(self.ways)

    def __getitem__(self, dag_id: str) -> Way:
        return next(way for way in self.ways if way.dag_id == dag_id)

    def jobs(self, way: Way) -> list[dict[str, Any]]:
        """The jobs that the sandbox made for a run."""
        return [job for job in self.sandbox.jobs() if job["attributes"]["advertiserIds"] == [way.advertiser]]

    def state(self, way: Way, step: str) -> str | None:
        """The state of the task that does a step."""
        return self.airflow.task_instance(way.dag_id, way.run_id, way.task(step)).state

    def until_held(self, call: str) -> None:
        """Wait until the sandbox holds a call of each run."""
        until(f"{len(self.ways)} {call} calls are held", lambda: self.sandbox.held()[call] >= len(self.ways))

    def until_state(self, step: str, state: str, dag_ids: Sequence[str] = ()) -> None:
        """Wait until the task of each run that does a step is in a state."""
        for way in self.ways:
            if not dag_ids or way.dag_id in dag_ids:
                until(f"{way.dag_id}: {step} is {state}", lambda way=way: self.state(way, step) == state)

    def process(self, way: Way, step: str) -> psutil.Process:
        """The process that does a step."""
        return self.airflow.task_process(way.dag_id, way.run_id, way.task(step))

    def kill(self, step: str, dag_ids: Sequence[str] = (), *, worker: bool = False) -> None:
        """SIGKILL to the process that does a step, in each run."""
        for way in self.ways:
            if not dag_ids or way.dag_id in dag_ids:
                self.airflow.kill_task(way.dag_id, way.run_id, way.task(step), worker=worker)

    def stored(self, way: Way) -> bool:
        """Whether the task state store has the run's report id."""
        rows = self.airflow.query("select 1 from task_state_store where run_id = :run_id", run_id=way.run_id)
        return bool(rows)

    def received(self, way: Way) -> int:
        """How many bytes a download has written to the file that has not its name yet."""
        pid = self.process(way, "download").pid
        sizes = [0]
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(descriptor).startswith(str(self.lake)):
                    sizes.append(descriptor.stat().st_size)
            except OSError:
                continue
        return max(sizes)

    def finish_jobs(self) -> None:
        """End every job that is pending."""
        for job in self.sandbox.jobs():
            if job["state"] == "pending":
                self.sandbox.finish(job["report_id"])

    def outcomes(self, timeout: float = 480) -> list[Outcome]:
        """Wait for the ends of the runs, and tell them."""
        states = {way.dag_id: self.airflow.wait(way.dag_id, way.run_id, timeout) for way in self.ways}
        return [self._outcome(way, states[way.dag_id]) for way in self.ways]

    def _outcome(self, way: Way, state: str) -> Outcome:
        jobs = self.jobs(way)
        creates = [
            call
            for call in self.sandbox.journal("create")
            if (call.get("attributes") or {}).get("advertiserIds") == [way.advertiser]
        ]
        told = self.airflow.xcom(way.dag_id, way.run_id, way.task("download"), "report_file") or {}
        whole = way.destination.exists() and self._is_served(way.destination, told)
        tries = max(ti.try_number for ti in self.airflow.task_instances(way.dag_id, way.run_id))
        return Outcome(way.dag_id, state, len(jobs), len(creates), whole, tries)

    def _is_served(self, file: Path, told: dict[str, Any]) -> bool:
        """Whether a file is, byte for byte, what the sandbox serves for the job that the task names."""
        with (
            CriteoClient(self.sandbox.client_id, self.sandbox.client_secret, base_url=self.sandbox.url) as client,
            io.BytesIO() as served,
        ):
            client.download_report(told["report_id"], served)
            return file.read_bytes() == served.getvalue() and told["size_bytes"] == len(served.getvalue())

    def left_over(self) -> list[Path]:
        """Files in the lake that are no report. A process that is killed cannot remove its hidden one."""
        reports = {way.destination for way in self.ways}
        files = (path for path in self.lake.rglob("*") if path.is_file() and path not in reports)
        return [path for path in files if not (path.name.startswith(".criteo-") and path.suffix == ".part")]


@contextmanager
def locked(airflow: AirflowStack, *tables: str) -> Iterator[None]:
    """Nobody else reads or writes these tables: what needs them stands still where it is."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(airflow.database_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("set local idle_in_transaction_session_timeout = 0"))
        for table in tables:
            connection.execute(sqlalchemy.text(f"lock table {table} in access exclusive mode"))
        yield
    engine.dispose()
