"""When a task's wait ends: by its ``timeout`` or ``execution_timeout``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowTaskTimeout

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
