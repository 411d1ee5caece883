"""Runs a task in this process as Airflow's task runner, scheduler and triggerer do together: until it ends.

Import it before Airflow: it lets tasks run outside the task runner.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import import_module
from typing import Any

os.environ.setdefault("AIRFLOW__CORE__UNIT_TEST_MODE", "True")
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))

from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk.exceptions import AirflowRescheduleException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_criteo.utils.clock import CLOCK


@dataclass
class TaskInstance:
    """What the operators use of a task instance."""

    first_reschedule: datetime | None = None
    max_tries: int = 0
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return self.first_reschedule


@dataclass
class Run:
    """A task's run, and what Airflow saw of it.

    :param make: makes the task anew, as every worker that takes it up does.
    :param on_deferral: told of each trigger before it starts.
    :param context: of the task.
    :param longest: seconds that it may take.
    :param run: runs a trigger on an event loop.
    """

    make: Callable[[], Any]
    on_deferral: Callable[[BaseTrigger], None] = lambda trigger: None
    context: dict[str, Any] = field(default_factory=lambda: {"ti": TaskInstance()})
    longest: float = 150.0
    run: Callable[[Coroutine[Any, Any, Any]], Any] = asyncio.run
    workers: int = 0
    deferrals: list[TaskDeferred] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """Seconds until each reschedule."""

    def result(self) -> Any:
        """What the task returns.

        :raises Exception: what it ends with.
        """
        began = CLOCK.now()
        step: Callable[[Any], Any] = lambda task: task.execute(self.context)  # noqa: E731
        while True:
            self.workers += 1
            try:
                return step(self._task())
            except AirflowRescheduleException as again:
                ti = self.context["ti"]
                now = CLOCK.now()
                ti.first_reschedule = ti.first_reschedule or datetime.fromtimestamp(now, timezone.utc)
                self.waits.append(again.reschedule_date.timestamp() - now)
                if now - began + self.waits[-1] > self.longest:
                    raise TimeoutError(f"the task comes back in {self.waits[-1]:.0f} s") from None
                CLOCK.sleep(max(0.0, self.waits[-1]))
            except TaskDeferred as deferred:
                self.deferrals.append(deferred)
                self.on_deferral(deferred.trigger)
                left = self.longest - (CLOCK.now() - began)
                event = self.run(asyncio.wait_for(_first_event(deferred.trigger), left))
                method = deferred.method_name
                kwargs = {**(deferred.kwargs or {}), "event": json.loads(json.dumps(event.payload, default=str))}
                step = lambda task: task.resume_execution(method, kwargs, self.context)  # noqa: E731, B023

    def _task(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of short intervals
            return self.make()


async def _first_event(trigger: BaseTrigger) -> TriggerEvent:
    async for event in as_stored(trigger).run():
        return event
    raise AssertionError("the trigger ended without an event")


def as_stored(trigger: BaseTrigger) -> BaseTrigger:
    """The trigger as a triggerer makes it from what the database has."""
    classpath, arguments = trigger.serialize()
    if not classpath.startswith("airflow_provider_criteo."):
        return trigger
    module, _, name = classpath.rpartition(".")
    stored: BaseTrigger = getattr(import_module(module), name)(**json.loads(json.dumps(arguments)))
    return stored
