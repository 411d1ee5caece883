"""One job per task instance: a retry takes up the job that an earlier try created.

The report id goes into Airflow's task state store (Airflow 3.3 and later) right after the POST, beside a hash of
what was asked for. Where there is no store, every try creates. A task that was cleared after it had ended creates,
too: Airflow 3.3 keeps the store then, but raises ``max_tries``, which no retry does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_criteo.api import exceptions as api_exceptions
from airflow_provider_criteo.api.attributes import sendable
from airflow_provider_criteo.api.models import JobState, problem_lines
from airflow_provider_criteo.api.patience import patiently
from airflow_provider_criteo.api.reports import get_report_type
from airflow_provider_criteo.exceptions import as_task_exceptions

if TYPE_CHECKING:
    from airflow_provider_criteo.api.models import ReportJob
    from airflow_provider_criteo.hooks.criteo import CriteoHook

STATE_KEY = "criteo_report_job"


def created_once(
    store: Any,
    max_tries: int | None,
    hook: CriteoHook,
    *,
    report_type: str,
    attributes: Mapping[str, Any],
    account_id: str | None,
    api_version: str | None,
    quota_wait: float | None,
    log: Any,
) -> ReportJob:
    """The job that an earlier try of this task created, if it is of use; else a new one.

    :param store: the task state store; None where Airflow has none.
    :param max_tries: of the task instance.
    """
    with as_task_exceptions():
        asked = request_hash(report_type, attributes, account_id, api_version, hook.criteo_conn_id)
    note = {"request": asked, "max_tries": max_tries}
    job = _usable_job(store.get(STATE_KEY), note, hook, report_type, log) if store is not None else None
    if job is not None:
        return job
    job = hook.create_report_job(report_type, attributes, account_id, quota_wait=quota_wait)
    if store is not None:
        _store(store, {"report_id": job.report_id, **note}, log)
    if job.state is JobState.DONE:
        told = "Criteo gave report job %s (%s), which is %s already: for a while, the same request gets the same job"
    else:
        told = "Criteo created report job %s (%s): %s"
    log.info(told, job.report_id, report_type, job.status)
    return job


def _store(store: Any, note: Mapping[str, Any], log: Any) -> None:
    try:
        store.set(STATE_KEY, note)
    except Exception:
        # The job exists: a task that failed now would lose it, and its retry make another.
        log.warning("Report job %s could not be noted; a retry would create another", note["report_id"], exc_info=True)


def request_hash(
    report_type: str,
    attributes: Mapping[str, Any],
    account_id: str | None,
    api_version: str | None,
    conn_id: str,
) -> str:
    """A hash of all that makes a job what it is."""
    asked = [report_type, sendable(attributes, get_report_type(report_type)), account_id, api_version, conn_id]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _usable_job(stored: Any, note: Mapping[str, Any], hook: CriteoHook, report_type: str, log: Any) -> ReportJob | None:
    if not isinstance(stored, Mapping) or not stored.get("report_id"):
        return None
    report_id = str(stored["report_id"])
    if stored.get("max_tries") != note["max_tries"]:
        log.info("The task was cleared after it had created report job %s; creating a new one", report_id)
        return None
    if stored.get("request") != note["request"]:
        log.info("Report job %s of an earlier try was for another request; creating a new one", report_id)
        return None
    try:
        job = patiently(lambda: hook.get_report_job(report_id, report_type))
    except (
        api_exceptions.ReportJobNotFoundError,
        api_exceptions.PermissionDeniedError,
        api_exceptions.ReportJobFailedError,
    ) as error:
        log.info("Report job %s of an earlier try is of no use; creating a new one: %s", report_id, error)
        return None
    if job.state in (JobState.FAILED, JobState.EXPIRED):
        log.info(
            "Report job %s of an earlier try ended as %s; creating a new one%s",
            report_id,
            job.status,
            problem_lines(job.problems),
        )
        return None
    log.info("Taking up report job %s of an earlier try; it is %s", report_id, job.status)
    return job
