"""``ReportJobTrigger``: waits for a report job without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_criteo.api.exceptions import CriteoError
from airflow_provider_criteo.api.models import ReportJob
from airflow_provider_criteo.api.polling import Wait
from airflow_provider_criteo.exceptions import as_task_exceptions
from airflow_provider_criteo.utils import trigger_event
from airflow_provider_criteo.utils.clock import CLOCK
from airflow_provider_criteo.utils.deadline import Deadline
from airflow_provider_criteo.utils.observability import waited

_LAST_POLL_SECONDS = 90.0
"""How long the poll at the end of the time may take: a minute's quota, and the call."""


@dataclass(eq=False, repr=False)
class ReportJobTrigger(BaseTrigger):
    """Polls a report job until it ends, and tells how in one event.

    It holds no state that is not in its arguments, creates nothing and cancels nothing. Only a definitive answer or
    ``end_time`` ends the wait: the job's end, bad credentials, no permission, an unknown job, a retired version.

    :param report_id: of the job.
    :param report_type: an id of the catalogue.
    :param criteo_conn_id: the Airflow connection.
    :param api_version: in place of the connection's.
    :param poll_interval: seconds between two polls.
    :param end_time: when to give up, epoch seconds; it asks once more then.
    :param exponential_backoff: whether the interval grows, as in Airflow's sensors.
    :param max_wait: the longest it grows to, seconds.
    :param first_poll_at: when to poll first, epoch seconds; an interval from now where None.
    :param started: when the task began to wait, epoch seconds; now where None.
    :param of_execution: whether ``end_time`` is that of the task's ``execution_timeout``.
    :param then_download: whether the worker is to be woken when the quota allows the download.
    :param called_at: when the task itself made a call without a turn in the queue, epoch seconds, where it did.
    :param carried: given back in the event.
    :param calls_made: how many such calls it made.
    :param frees_slot: whether its task is in a pool of the user's own, where its end may let another one go, whose create
        takes no turn.
    """

    report_id: str
    report_type: str
    criteo_conn_id: str
    api_version: str | None
    poll_interval: float
    end_time: float
    exponential_backoff: bool = False
    max_wait: float | None = None
    first_poll_at: float | None = None
    started: float | None = None
    of_execution: bool = False
    then_download: bool = False
    called_at: float | None = None
    carried: dict[str, Any] | None = None
    calls_made: int = 1
    frees_slot: bool = False

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow's

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments that make this trigger again."""
        return "airflow_provider_criteo.triggers.report_job.ReportJobTrigger", arguments_of(self)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then tell how it ended."""
        deadline = Deadline(self.started or CLOCK.now(), self.end_time, self.of_execution)
        poller_module = await asyncio.to_thread(load_poller)
        with poller_module.use_poller(self.criteo_conn_id) as poller:
            try:
                await self._tell_of_call(poller)
                with as_task_exceptions(self.criteo_conn_id):
                    job = await self._done(poller, deadline)
                outcome = trigger_event.done(job)
                if self.then_download:
                    await self._turn_of_download(poller, poller_module.Call.DOWNLOAD)
            except CriteoError as error:
                outcome = trigger_event.refused(error)
            except TimeoutError as error:
                outcome = trigger_event.timed_out(error)
        waited(CLOCK.now() - deadline.started)
        yield TriggerEvent(trigger_event.payload_of(outcome, deadline, self.carried))

    async def _tell_of_call(self, poller: Any) -> None:
        """A connection that cannot be looked up is for the first poll to tell of."""
        if self.called_at is not None:
            with suppress(CriteoError):
                for _ in range(self.calls_made):
                    await poller.was_made(self.called_at, with_others=not self.frees_slot)

    async def _turn_of_download(self, poller: Any, call: Any) -> None:
        """Not beyond the end of the wait: the job is done, and the worker finds out what the quota says."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(poller.turn(call, CLOCK.now()), max(self.end_time - CLOCK.now(), 0.0))
        if self.frees_slot:
            poller.expect_call()

    async def _done(self, poller: Any, deadline: Deadline) -> ReportJob:
        """The job, when it is done."""
        wait = Wait(
            self.report_id,
            poll_interval=self.poll_interval,
            timeout=deadline.timeout,
            started=deadline.started,
            exponential_backoff=self.exponential_backoff,
            max_wait=self.max_wait,
            begun=True,
            in_queue=True,
            log=self.log,
            clock=CLOCK.now,
        )
        due = min(self.first_poll_at or CLOCK.now() + wait.interval, self.end_time)
        while True:
            await asyncio.sleep(max(due - CLOCK.now(), 0.0))
            wait_seconds = await self._polled(poller, wait, due)
            if wait_seconds is None:
                assert wait.job is not None
                return wait.job
            if wait_seconds:
                due = CLOCK.now() + wait_seconds

    async def _polled(self, poller: Any, wait: Wait, due: float) -> float | None:
        try:
            with as_task_exceptions(self.criteo_conn_id):
                call = poller.get_report_job(self.report_id, self.report_type, self.api_version, due)
                job = await asyncio.wait_for(call, max(self.end_time - CLOCK.now(), 0.0) + _LAST_POLL_SECONDS)
        except CriteoError as error:
            return wait.failed(error)
        except asyncio.TimeoutError:
            raise TimeoutError(f"Report job {self.report_id} has not ended in time; its turn did not come.") from None
        return wait.saw(job)


def arguments_of(trigger: Any) -> dict[str, Any]:
    """The arguments that a trigger of a dataclass was made with."""
    return {field.name: getattr(trigger, field.name) for field in fields(trigger)}


def load_poller() -> ModuleType:
    """Import what a wait needs: in a thread, as the first time takes long."""
    import airflow_provider_criteo.triggers.poller as poller

    return poller
