"""Runs the tasks of a report export in this process as Airflow's task runner and triggerer do, one fault at a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import requests
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout
from right_ends import CALLS, FILE, RETRIED, TABLE, params, right_end

from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from tests.support.hostile_wires import WORDS
from tests.support.tasks_in_process import Run
from tests.support.virtual_time import FastTime

MODES = ("poke", "reschedule", "deferrable", "all-in-one", "all-in-one deferrable")
SECRET = "s3cr+t/of=the&client"
CLIENT_TIMEOUT = 3.0
_POKE_INTERVAL = 30


def _attributes(report_type: str, number: str) -> dict[str, Any]:
    """What a run asks for; no other run asks for the same."""
    if report_type == "mpo-realtime":
        return {"advertiserIds": [number], "lookbackWindow": 60}
    return {
        "startDate": (date.today() - timedelta(days=12)).isoformat(),
        "endDate": (date.today() - timedelta(days=3)).isoformat(),
        "filters": {"accountIds": [number]},
        "dimensions": ["date"],
        "metrics": ["clicks"],
        "format": "csv",
    }


@dataclass(frozen=True)
class Cell:
    """A fault, at a call, in a mode, once or for ever."""

    fault: str
    call: str
    mode: str
    forever: bool

    def __str__(self) -> str:
        return f"{self.fault} at {self.call}, {self.mode}, {'for ever' if self.forever else 'once'}"


class OneRun:
    """One run of the three tasks, or the one, against a sandbox of its own.

    :param sandbox: reset for it.
    :param conn_ids: two connections to it with the same credentials, which do not share a token.
    :param fast: the time that tasks and triggers go by.
    """

    def __init__(
        self,
        cell: Cell,
        sandbox: Sandbox,
        client_id: str,
        conn_ids: tuple[str, str],
        folder: Path,
        fast: FastTime,
    ) -> None:
        ends = TABLE[cell.fault][CALLS.index(cell.call)]
        assert ends is not None
        self.cell = cell
        self.ends = ends
        self.sandbox = sandbox
        self.client_id = client_id
        self.fast = fast
        self.first_conn, self.second_conn = conn_ids
        self.file = folder / "report.csv"
        self.common = {"report_type": ends.report_type}
        self.attributes = _attributes(ends.report_type, client_id.rpartition("-")[2])

    def wrong(self) -> str | None:
        """What did not end right; None if all did."""
        waits = self.cell.mode == "deferrable" or self.cell.mode.startswith("all-in-one")
        self.sandbox.reset()
        self.sandbox.configure(clients={self.client_id: SECRET}, pending_seconds=3600 if waits else 0)
        self.fast.on_wait = self._finish_jobs
        self.file.parent.mkdir(parents=True)
        self.file.write_bytes(b"what was there before")
        error: BaseException | None = None
        try:
            self._all_in_one() if self.cell.mode.startswith("all-in-one") else self._three_tasks()
        except Exception as raised:  # noqa: BLE001 - the task's exception is what is looked at
            error = raised
        return "; ".join(self._complaints(error)) or None

    def _finish_jobs(self) -> None:
        for job in self.sandbox.jobs():
            if job["state"] == "pending":
                self.sandbox.finish(job["report_id"])

    def _plan(self, call: str) -> None:
        if call == self.cell.call:
            times = None if self.cell.forever else self.ends.times
            self.sandbox.fault(call, self.cell.fault, times=times, **params(self.cell.fault, call, self.cell.forever))

    # The tasks

    @property
    def _timeout(self) -> float:
        """Seconds: of several polls, and of a quota's minute where all ends well."""
        return 150 if self.cell.forever else 600

    def _three_tasks(self) -> None:
        conn = {"criteo_conn_id": self.first_conn}
        self._plan("create")
        report_id = self._run(
            lambda: CreateReportJobOperator(task_id="create", attributes=self.attributes, **self.common, **conn)
        )
        if self.cell.mode != "deferrable":
            self._plan("status")
            self._plan("token")
            if self.cell.call == "token":
                conn = {"criteo_conn_id": self.second_conn}
        report_id = self._waited(report_id, **conn)
        self._plan("download")
        destination = str(self.file)
        self._run(
            lambda: DownloadReportOperator(
                task_id="download", report_id=report_id, destination=destination, **self.common, **conn
            )
        )

    def _run(self, make: Callable[[], Any], on_deferral: Callable[[Any], None] = lambda trigger: None) -> Any:
        return Run(make, on_deferral, longest=600, run=self.fast.run).result()

    def _waited(self, report_id: str, **conn: str) -> Any:
        sensor = lambda: ReportJobStatusSensor(  # noqa: E731
            task_id="wait",
            report_id=report_id,
            poke_interval=_POKE_INTERVAL,
            timeout=self._timeout,
            mode="poke" if self.cell.mode == "poke" else "reschedule",
            deferrable=self.cell.mode == "deferrable",
            **self.common,
            **conn,
        )
        return self._run(sensor, lambda trigger: self._plan_for_the_trigger())

    def _plan_for_the_trigger(self) -> None:
        self._plan("status")
        if self.cell.call == "token":
            self._plan("token")
            self.sandbox.revoke_tokens()

    def _all_in_one(self) -> None:
        for call in CALLS:
            self._plan(call)
        operator = lambda: ReportToObjectStorageOperator(  # noqa: E731
            task_id="report",
            attributes=self.attributes,
            destination=str(self.file),
            deferrable="deferrable" in self.cell.mode,
            poke_interval=_POKE_INTERVAL,
            timeout=self._timeout,
            criteo_conn_id=self.first_conn,
            **self.common,
        )
        self._run(operator)

    # The end

    def _complaints(self, error: BaseException | None) -> list[str]:
        right = right_end(self.cell.fault, self.cell.call, self.cell.mode, self.cell.forever)
        end = FILE if error is None else type(error).__name__
        found = []
        if end != right:
            found.append(f"ended as {end} instead of {right}: {str(error)[:300]}")
        if error is not None:
            final = isinstance(error, (AirflowFailException, AirflowSensorTimeout))
            if end == right and final == (right in RETRIED):
                found.append(f"{end} is {'never' if final else 'always'} retried")
            if SECRET in str(error) or re.search(r"Bearer (?!\*\*\*)", str(error)):
                found.append("the error's text has a secret")
            if self.cell.fault.startswith(("asp-net", "message", "text-")) and WORDS not in str(error):
                found.append(f"the error does not say what the body says: {error}")
        if [path.name for path in self.file.parent.iterdir()] != [self.file.name]:
            found.append(f"left behind: {sorted(path.name for path in self.file.parent.iterdir())}")
        journal = self.sandbox.journal("create")
        if self.ends.one_request and self.cell.call == "create":
            if len(journal) != 1:
                found.append(f"{len(journal)} POSTs, though the first may have arrived")
            if error is not None and "a report job may exist" not in str(error):
                found.append("the error does not say that a job may exist")
        # A create that an earlier run gave up may take effect only now.
        posts = sum(job["posts"] for job in self.sandbox.jobs() if job["attributes"] == self.attributes)
        if posts > 1:
            found.append(f"{posts} creates took effect")
        content = self.file.read_bytes()
        whole = self._whole_file() if error is None else b"what was there before"
        if content != whole:
            found.append(f"the file has {len(content)} bytes instead of {len(whole)}: {content[:60]!r}")
        return found

    def _whole_file(self) -> bytes:
        """The report as another client gets it."""
        self.sandbox.clear_faults()
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": SECRET}
        token = requests.post(f"{self.sandbox.url}/oauth2/token", data=form, timeout=30).json()["access_token"]
        path = self.sandbox.journal("download")[-1]["path"]
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{self.sandbox.url}{path}", headers=headers, timeout=30).content
