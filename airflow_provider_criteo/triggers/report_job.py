"""``ReportJobTrigger``: waits for a report job without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from types import ModuleType
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_criteo.api.exceptions import CriteoError, ReportJobFailedError
from airflow_provider_criteo.api.models import ReportJob
from airflow_provider_criteo.api.polling import Wait
from airflow_provider_criteo.exceptions import as_task_exceptions, error_to_json
from airflow_provider_criteo.utils.clock import CLOCK
from airflow_provider_criteo.utils.observability import waited

_LAST_POLL_SECONDS = 90.0
"""How long the poll at the end of the time may take: a minute's quota, and the call."""


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
    """

    def __init__(
        self,
        report_id: str,
        report_type: str,
        criteo_conn_id: str,
        api_version: str | None,
        poll_interval: float,
        end_time: float,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
        first_poll_at: float | None = None,
        started: float | None = None,
        of_execution: bool = False,
        then_download: bool = False,
        called_at: float | None = None,
        carried: dict[str, Any] | None = None,
        calls_made: int = 1,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow's
        self.report_id = report_id
        self.report_type = report_type
        self.criteo_conn_id = criteo_conn_id
        self.api_version = api_version
        self.poll_interval = poll_interval
        self.end_time = end_time
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait
        self.first_poll_at = first_poll_at
        self.started = started
        self.of_execution = of_execution
        self.then_download = then_download
        self.called_at = called_at
        self.carried = carried
        self.calls_made = calls_made

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments that make this trigger again."""
        return (
            "airflow_provider_criteo.triggers.report_job.ReportJobTrigger",
            {
                "report_id": self.report_id,
                "report_type": self.report_type,
                "criteo_conn_id": self.criteo_conn_id,
                "api_version": self.api_version,
                "poll_interval": self.poll_interval,
                "end_time": self.end_time,
                "exponential_backoff": self.exponential_backoff,
                "max_wait": self.max_wait,
                "first_poll_at": self.first_poll_at,
                "started": self.started,
                "of_execution": self.of_execution,
                "then_download": self.then_download,
                "called_at": self.called_at,
                "carried": self.carried,
                "calls_made": self.calls_made,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then tell how it ended."""
        poller_module = await asyncio.to_thread(load_poller)
        with poller_module.use_poller(self.criteo_conn_id) as poller:
            try:
                await self._tell_of_call(poller)
                with as_task_exceptions(self.criteo_conn_id):
                    job = await self._done(poller)
                payload: dict[str, Any] = {"outcome": "ended", "job": job.to_json()}
                if self.then_download:
                    await self._turn_of_download(poller, poller_module.Call.DOWNLOAD)
            except ReportJobFailedError as error:
                payload = {"outcome": "ended", "job": error.job.to_json()}
            except CriteoError as error:
                payload = {"outcome": "refused", "error": error_to_json(error)}
            except TimeoutError as error:
                payload = {"outcome": "timeout", "message": str(error), "of_execution": self.of_execution}
        waited(CLOCK.now() - (self.started or CLOCK.now()))
        wait = {"started": self.started, "end_time": self.end_time, "of_execution": self.of_execution}
        carried = {"carried": self.carried} if self.carried else {}
        yield TriggerEvent({**payload, "report_id": self.report_id, "wait": wait, **carried})

    async def _tell_of_call(self, poller: Any) -> None:
        """A connection that cannot be looked up is for the first poll to tell of."""
        if self.called_at is not None:
            with suppress(CriteoError):
                for _ in range(self.calls_made):
                    await poller.was_made(CLOCK.now() - self.called_at)

    async def _turn_of_download(self, poller: Any, call: Any) -> None:
        """Not beyond the end of the wait: the job is done, and the worker finds out what the quota says."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(poller.turn(call, CLOCK.now()), max(self.end_time - CLOCK.now(), 0.0))

    async def _done(self, poller: Any) -> ReportJob:
        """The job, when it is done."""
        started = self.started or CLOCK.now()
        wait = Wait(
            self.report_id,
            poll_interval=self.poll_interval,
            timeout=self.end_time - started,
            started=started,
            exponential_backoff=self.exponential_backoff,
            max_wait=self.max_wait,
            answered=True,
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


def load_poller() -> ModuleType:
    """Import what a wait needs: in a thread, as the first time takes long."""
    import airflow_provider_criteo.triggers.poller as poller

    return poller
