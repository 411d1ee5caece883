"""How a wait in the triggerer ends its task: the event of a ``ReportJobTrigger``, read."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, AirflowTaskTimeout

from airflow_provider_criteo.api.models import ReportJob
from airflow_provider_criteo.exceptions import error_from_json


def job_of(event: dict[str, Any] | None) -> ReportJob:
    """The job in a ``ReportJobTrigger``'s event.

    :raises AirflowSensorTimeout: the event says that it has not ended in time.
    :raises AirflowTaskTimeout: the same, where the task's ``execution_timeout`` was the shorter.
    :raises CriteoError: the event says how the wait ended otherwise.
    :raises AirflowFailException: the event says nothing that is known.
    """
    known = event if isinstance(event, dict) else {}
    if known.get("outcome") == "timeout":
        kind = AirflowTaskTimeout if known.get("of_execution") else AirflowSensorTimeout
        raise kind(known.get("message") or "The report job has not ended in time.")
    if known.get("outcome") == "refused" and isinstance(known.get("error"), dict) and known["error"].get("message"):
        raise error_from_json(known["error"])
    try:
        job = ReportJob.from_json(known["job"]) if known.get("outcome") == "ended" else None
    except (KeyError, TypeError, ValueError):
        job = None
    if job is None or not job.state.is_terminal:
        raise AirflowFailException(f"The trigger ended with an event that is not known: {event!r}")
    return job
