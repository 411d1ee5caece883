"""What a retry takes up: the job that an earlier try of the task created, and the files that it published.

Both go into Airflow's task state store (Airflow 3.3 and later): the report id right after the POST, beside a hash of
what was asked for; each file's checksum just before it takes its place. Where there is no store, every try starts over.
A task that was cleared after it had ended starts over, too: Airflow 3.3 keeps the store then, but raises
``max_tries``, which no retry does.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_criteo.api.attributes import as_json
from airflow_provider_criteo.api.exceptions import PermissionDeniedError, ReportJobFailedError, ReportJobNotFoundError
from airflow_provider_criteo.api.models import JobState, problem_lines
from airflow_provider_criteo.api.reports import get_report_type
from airflow_provider_criteo.api.retry import Retry
from airflow_provider_criteo.utils.clock import CLOCK

if TYPE_CHECKING:
    from airflow_provider_criteo.api.models import DownloadedReport, ReportJob
    from airflow_provider_criteo.utils.destination import Destination

log = logging.getLogger(__name__)

STATE_KEY = "criteo_report_job"
FILE_KEY = "criteo_report_file"


class _Notes:
    """What earlier tries of a task have noted.

    :param context: of the task.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._store = context.get("task_state_store")
        self._max_tries = getattr(context.get("ti"), "max_tries", None)

    def read(self, key: str) -> tuple[Mapping[str, Any], bool]:
        """A note, empty where there is none; and whether the task was cleared after it was made."""
        noted = self._store.get(key) if self._store is not None else None
        note = noted if isinstance(noted, Mapping) else {}
        return note, note.get("max_tries") != self._max_tries

    def write(self, key: str, note: Mapping[str, Any], otherwise: str) -> None:
        """Note something; a store that fails must not fail the task.

        :param otherwise: what happens without the note.
        """
        if self._store is None:
            return
        try:
            self._store.set(key, {**note, "max_tries": self._max_tries})
        except Exception:
            log.warning("%s", otherwise, exc_info=True)


class Jobs(Protocol):
    """What a hook does about jobs."""

    def create_report_job(
        self, report_type: str, attributes: Mapping[str, Any], account_id: str | None, *, quota_wait: float | None
    ) -> ReportJob:
        """Create a job."""
        ...

    def get_report_job(self, report_id: str, report_type: str) -> ReportJob:
        """Describe a job."""
        ...


class CreatedJob:
    """One job per task instance, or per part of its request.

    :param context: of the task.
    :param hook: of the connection.
    :param report_type: an id of the catalogue.
    :param log: the task's.
    :param part: of a request that is made in several: which.
    """

    def __init__(self, context: Mapping[str, Any], hook: Jobs, report_type: str, log: Any, part: str = "") -> None:
        self._key = f"{STATE_KEY}_{part}" if part else STATE_KEY
        self._notes = _Notes(context)
        self._hook = hook
        self._report_type = report_type
        self._log = log

    def once(
        self, attributes: Mapping[str, Any], account_id: str | None, asked: str, quota_wait: float | None
    ) -> ReportJob:
        """The job that an earlier try of this task created, if it is of use; else a new one.

        :param asked: a hash of the request.
        :param quota_wait: seconds to wait in all for a used-up quota; a little over a minute where None.
        """
        job = self._taken_up(asked, Retry(quota_wait, sleep=CLOCK.sleep))
        if job is not None:
            return job
        job = self._hook.create_report_job(self._report_type, attributes, account_id, quota_wait=quota_wait)
        # The job exists: a task that failed now would lose it, and its retry make another.
        unnoted = f"Report job {job.report_id} could not be noted; a retry would create another"
        self._notes.write(self._key, {"report_id": job.report_id, "request": asked}, unnoted)
        if job.state is JobState.DONE:
            told = (
                "Criteo gave report job %s (%s), which is %s already: for a while, the same request gets the same job"
            )
        else:
            told = "Criteo created report job %s (%s): %s"
        self._log.info(told, job.report_id, self._report_type, job.status)
        return job

    def _taken_up(self, asked: str, retry: Retry) -> ReportJob | None:
        note, cleared = self._notes.read(self._key)
        report_id = str(note.get("report_id") or "")
        if not report_id:
            return None
        if cleared:
            self._log.info("The task was cleared after it had created report job %s; creating a new one", report_id)
            return None
        if note.get("request") != asked:
            self._log.info("Report job %s of an earlier try was for another request; creating a new one", report_id)
            return None
        return self._if_of_use(report_id, retry)

    def _if_of_use(self, report_id: str, retry: Retry) -> ReportJob | None:
        try:
            job = retry.call(lambda: self._hook.get_report_job(report_id, self._report_type))
        except (ReportJobNotFoundError, PermissionDeniedError, ReportJobFailedError) as error:
            self._log.info("Report job %s of an earlier try is of no use; creating a new one: %s", report_id, error)
            return None
        if job.state in (JobState.FAILED, JobState.EXPIRED):
            lines = problem_lines(job.problems)
            told = "Report job %s of an earlier try ended as %s; creating a new one%s"
            self._log.info(told, report_id, job.status, lines)
            return None
        self._log.info("Taking up report job %s of an earlier try; it is %s", report_id, job.status)
        return job


class PublishedFiles:
    """The files that a task publishes, for a retry that finds them at their destination.

    :param context: of the task.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._notes = _Notes(context)

    def note(self, report: DownloadedReport) -> None:
        """Note a file that is whole and about to take its place; or a report whose files all stand in theirs."""
        unnoted = f"{report.url} could not be noted; with overwrite=False, a retry would not know it for its own"
        self._notes.write(_file_key(report.url), {"report_file": report.to_json()}, unnoted)

    def noted(self, url: str) -> dict[str, Any] | None:
        """What an earlier try noted of it."""
        note, cleared = self._notes.read(_file_key(url))
        report = note.get("report_file")
        return dict(report) if not cleared and isinstance(report, Mapping) and report.get("url") == url else None

    def stand_at(self, target: Destination) -> bool:
        """Whether what stands there now is what an earlier try published."""
        report = self.noted(target.url)
        return report is not None and target.sha256() == report.get("sha256")


def _file_key(url: str) -> str:
    return f"{FILE_KEY}_{hashlib.sha256(url.encode()).hexdigest()[:32]}"


def request_hash(
    report_type: str,
    attributes: Mapping[str, Any],
    account_id: str | None,
    api_version: str | None,
    conn_id: str,
) -> str:
    """A hash of all that makes a job what it is."""
    asked = [report_type, as_json(attributes, get_report_type(report_type)), account_id, api_version, conn_id]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
