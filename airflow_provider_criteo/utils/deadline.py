"""How a task's wait ends: by its ``timeout`` or ``execution_timeout``, or as the trigger's event tells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, AirflowTaskTimeout

from airflow_provider_criteo.api.models import ReportJob
from airflow_provider_criteo.exceptions import RateLimitError, error_from_json
from airflow_provider_criteo.utils.clock import CLOCK

TRIGGERER_MARGIN = 180.0
"""Seconds that the trigger has beyond its own end: for the last poll, and for a triggerer that is just starting."""


@dataclass(frozen=True)
class Deadline:
    """When a wait ends.

    :param started: epoch seconds.
    :param timeout: seconds, of the task's ``timeout`` and its ``execution_timeout`` the shorter.
    :param of_execution: whether that is the ``execution_timeout``.
    """

    started: float
    timeout: float
    of_execution: bool

    @classmethod
    def of(cls, task: Any, started: float | None = None) -> Deadline:
        """A task's deadline; Airflow 3 has no ``execution_timeout`` for the time that a task is deferred."""
        execution = task.execution_timeout.total_seconds() if task.execution_timeout else math.inf
        timeout = min(task.timeout, execution)
        return cls(CLOCK.now() if started is None else started, timeout, execution < task.timeout)

    @classmethod
    def from_json(cls, value: dict[str, Any] | None) -> Deadline | None:
        """The deadline that ``to_json`` made, if there is one."""
        return cls(**value) if value else None

    @classmethod
    def of_event(cls, event: dict[str, Any] | None) -> Deadline | None:
        """The deadline of the wait that a ``ReportJobTrigger``'s event ends; none before the event told it."""
        wait = (event or {}).get("wait") or {}
        if wait.get("started") is None:
            return None
        return cls(wait["started"], wait["end_time"] - wait["started"], wait["of_execution"])

    def to_json(self) -> dict[str, Any]:
        """The deadline as plain JSON values."""
        return asdict(self)

    @property
    def end(self) -> float:
        """Epoch seconds."""
        return self.started + self.timeout

    @contextmanager
    def as_airflow_timeout(self) -> Iterator[None]:
        """Raise a ``TimeoutError`` as the one that Airflow has for it."""
        try:
            yield
        except TimeoutError as error:
            raise _timed_out(str(error), self.of_execution) from None

    def trigger_timeout(self) -> timedelta:
        """For a triggerer that does not run: the trigger itself ends in time."""
        return timedelta(seconds=max(self.end - CLOCK.now(), 0.0) + TRIGGERER_MARGIN)


def _timed_out(message: str, of_execution: bool) -> BaseException:
    return AirflowTaskTimeout(message) if of_execution else AirflowSensorTimeout(message)


def job_of(event: dict[str, Any] | None) -> ReportJob:
    """The job in a ``ReportJobTrigger``'s event.

    :raises AirflowSensorTimeout: the event says that it has not ended in time.
    :raises AirflowTaskTimeout: the same, where the task's ``execution_timeout`` was the shorter.
    :raises CriteoError: the event says how the wait ended otherwise.
    :raises AirflowFailException: the event says nothing that is known.
    """
    known = event if isinstance(event, dict) else {}
    if known.get("outcome") == "timeout":
        message = known.get("message") or "The report job has not ended in time."
        raise _timed_out(message, bool(known.get("of_execution")))
    _raise_refusal(known)
    try:
        job = ReportJob.from_json(known["job"]) if known.get("outcome") == "ended" else None
    except (KeyError, TypeError, ValueError):
        job = None
    if job is None or not job.state.is_terminal:
        raise _not_known(event)
    return job


def turn_of(event: dict[str, Any] | None) -> dict[str, Any]:
    """What a ``QuotaTurnTrigger``'s event gives back to go on with, where a call's turn has come.

    :raises RateLimitError: the event says that it has not come in time.
    :raises CriteoError: the event says why there can be none.
    :raises AirflowFailException: the event says nothing that is known.
    """
    known = event if isinstance(event, dict) else {}
    carried = known.get("carried")
    if known.get("outcome") == "timeout":
        deadline = Deadline.from_json(carried.get("deadline")) if isinstance(carried, dict) else None
        within = f"{deadline.timeout:g} s" if deadline else "its time"
        raise RateLimitError(reason=f"the quota had no call for this task within {within}")
    _raise_refusal(known)
    if known.get("outcome") != "turn" or not isinstance(carried, dict):
        raise _not_known(event)
    return carried


def _raise_refusal(event: dict[str, Any]) -> None:
    error = event.get("error")
    if event.get("outcome") == "refused" and isinstance(error, dict) and error.get("message"):
        raise error_from_json(error)


def _not_known(event: object) -> AirflowFailException:
    return AirflowFailException(f"The trigger ended with an event that is not known: {event!r}")
