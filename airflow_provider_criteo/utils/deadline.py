"""How a task's wait ends: by its ``timeout`` or ``execution_timeout``, or as the trigger's event tells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, AirflowTaskTimeout

from airflow_provider_criteo.api.models import JobState, ReportJob
from airflow_provider_criteo.exceptions import RateLimitError, error_from_json
from airflow_provider_criteo.utils.clock import CLOCK

TRIGGERER_MARGIN = 180.0
"""Seconds that the trigger has beyond its own end: for the last poll, and for a triggerer that is just starting."""


@dataclass(frozen=True)
class Deadline:
    """When a wait ends.

    :param started: when it began, epoch seconds.
    :param end_time: epoch seconds.
    :param of_execution: whether that is the task's ``execution_timeout``, which is shorter than its ``timeout``.
    """

    started: float
    end_time: float
    of_execution: bool

    @classmethod
    def of(cls, task: Any, started: float | None = None) -> Deadline:
        """A task's deadline; Airflow 3 has no ``execution_timeout`` for the time that a task is deferred."""
        execution = task.execution_timeout.total_seconds() if task.execution_timeout else math.inf
        started = CLOCK.now() if started is None else started
        return cls(started, started + min(task.timeout, execution), execution < task.timeout)

    def to_json(self) -> dict[str, Any]:
        """The deadline as plain JSON values, from which the class makes it again."""
        return asdict(self)

    @property
    def timeout(self) -> float:
        """Seconds of the whole wait."""
        return self.end_time - self.started

    @contextmanager
    def as_airflow_timeout(self) -> Iterator[None]:
        """Raise a ``TimeoutError`` as the one that Airflow has for it."""
        try:
            yield
        except TimeoutError as error:
            raise self.airflow_timeout(str(error)) from None

    def airflow_timeout(self, message: str) -> BaseException:
        """What Airflow raises when this is over."""
        return AirflowTaskTimeout(message) if self.of_execution else AirflowSensorTimeout(message)

    def trigger_timeout(self) -> timedelta:
        """For a triggerer that does not run: the trigger itself ends in time."""
        return timedelta(seconds=max(self.end_time - CLOCK.now(), 0.0) + TRIGGERER_MARGIN)


def done_job(event: dict[str, Any] | None) -> tuple[ReportJob, Deadline]:
    """The job in a ``ReportJobTrigger``'s event, and the deadline of the wait for it.

    :raises AirflowSensorTimeout: the event says that the job has not ended in time.
    :raises AirflowTaskTimeout: the same, where the task's ``execution_timeout`` was the shorter.
    :raises CriteoError: the event says how the wait ended otherwise.
    :raises AirflowFailException: the event says nothing that is known.
    """
    known = event if isinstance(event, dict) else {}
    _raise_refusal(known)
    try:
        deadline = Deadline(**known["deadline"])
        if known["outcome"] == "timeout":
            raise deadline.airflow_timeout(known["message"])
        job = ReportJob.from_json(known["job"])
    except (KeyError, TypeError, ValueError):
        raise _not_known(event) from None
    if job.state is not JobState.DONE:
        raise _not_known(event)
    return job, deadline


def turn_of(event: dict[str, Any] | None) -> tuple[dict[str, Any], Deadline]:
    """What a ``QuotaTurnTrigger``'s event gives back to go on with, where a call's turn has come, and the deadline.

    :raises RateLimitError: the event says that it has not come in time.
    :raises CriteoError: the event says why there can be none.
    :raises AirflowFailException: the event says nothing that is known.
    """
    known = event if isinstance(event, dict) else {}
    _raise_refusal(known)
    try:
        carried: dict[str, Any] = known["carried"]
        deadline = Deadline(**carried["deadline"])
    except (KeyError, TypeError):
        raise _not_known(event) from None
    if known.get("outcome") == "timeout":
        raise RateLimitError(reason=f"the quota had no call for this task within {deadline.timeout:g} s")
    if known.get("outcome") != "turn":
        raise _not_known(event)
    return carried, deadline


def _raise_refusal(event: dict[str, Any]) -> None:
    error = event.get("error")
    if event.get("outcome") == "refused" and isinstance(error, dict) and error.get("message"):
        raise error_from_json(error)


def _not_known(event: object) -> AirflowFailException:
    return AirflowFailException(f"The trigger ended with an event that is not known: {event!r}")
