"""What a trigger's event tells the task that it wakes: each kind of event is made and read here."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_criteo.api.exceptions import CriteoError
from airflow_provider_criteo.api.models import JobState, ReportJob
from airflow_provider_criteo.exceptions import error_from_json, error_to_json
from airflow_provider_criteo.utils.deadline import Deadline

Outcome = dict[str, Any]
"""How a trigger's wait has ended."""

TURN: Outcome = {"outcome": "turn"}
"""The quota has a call for the task."""


def done(job: ReportJob) -> Outcome:
    """The job is done."""
    return {"outcome": "done", "job": job.to_json()}


def timed_out(error: TimeoutError) -> Outcome:
    """The job has not ended in time."""
    return {"outcome": "timeout", "message": str(error)}


def refused(error: CriteoError) -> Outcome:
    """The wait has ended otherwise."""
    return {"outcome": "refused", "error": error_to_json(error)}


def payload_of(outcome: Outcome, deadline: Deadline, carried: dict[str, Any] | None) -> dict[str, Any]:
    """The event's payload, with what the task needs to go on: Airflow's ``dag.test()`` drops a deferral's arguments.

    :param carried: what else the task has given its trigger for that.
    """
    return {**outcome, "deadline": deadline.to_json(), "carried": carried or {}}


def after_wait(event: object) -> tuple[ReportJob, Deadline, dict[str, Any]]:
    """The job that is done, the deadline of the wait for it, and what was carried.

    :raises AirflowSensorTimeout: the event says that the job has not ended in time.
    :raises AirflowTaskTimeout: the same, where the task's ``execution_timeout`` was the shorter.
    :raises CriteoError: the event says how the wait ended otherwise.
    :raises AirflowFailException: the event says nothing that is known.
    """
    outcome, deadline, carried = _read(event)
    try:
        if outcome["outcome"] == "timeout":
            raise deadline.airflow_timeout(outcome["message"])
        job = ReportJob.from_json(outcome["job"])
    except (KeyError, TypeError, ValueError):
        raise _not_known(event) from None
    if job.state is not JobState.DONE:
        raise _not_known(event)
    return job, deadline, carried


def after_turn(event: object) -> tuple[Deadline, dict[str, Any]]:
    """The deadline of a task whose call has its turn, and what was carried.

    :raises CriteoError: the event says why there is no turn.
    :raises AirflowFailException: the event says nothing that is known.
    """
    outcome, deadline, carried = _read(event)
    if outcome["outcome"] != "turn":
        raise _not_known(event)
    return deadline, carried


def _read(event: object) -> tuple[Outcome, Deadline, dict[str, Any]]:
    known = event if isinstance(event, dict) else {}
    outcome, error, deadline, carried = (known.get(name) for name in ("outcome", "error", "deadline", "carried"))
    if outcome == "refused" and isinstance(error, dict) and error.get("message"):
        raise error_from_json(error)
    if outcome is None or not isinstance(deadline, dict) or not isinstance(carried, dict):
        raise _not_known(event)
    try:
        return known, Deadline(**deadline), carried
    except TypeError:
        raise _not_known(event) from None


def _not_known(event: object) -> AirflowFailException:
    return AirflowFailException(f"The trigger ended with an event that is not known: {event!r}")
