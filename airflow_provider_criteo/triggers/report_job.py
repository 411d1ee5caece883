"""``ReportJobTrigger``: waits for a report job without a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from airflow_provider_criteo.api import exceptions as api_exceptions

_SECONDS_AFTER_A_BUG = 60.0
_SHORTEST_WAIT = 0.05


class ReportJobTrigger(BaseTrigger):
    """Polls a report job until it ends, and tells how in one event.

    It holds no state that is not in its arguments, creates nothing and cancels nothing. Only a definitive answer or
    ``end_time`` ends the wait: the job's end, bad credentials, no permission, an unknown job, a retired version.

    :param report_id: of the job.
    :param report_type: an id of the catalogue.
    :param criteo_conn_id: the Airflow connection.
    :param api_version: in place of the connection's.
    :param poll_interval: seconds between two polls.
    :param end_time: when to give up, epoch seconds.
    :param exponential_backoff: whether the interval grows, as in Airflow's sensors.
    :param max_wait: the longest it grows to, seconds.
    :param first_poll_at: when to poll first, epoch seconds; an interval from now where None.
    :param end_task: whether a job that is done ends the task as it is, without a worker.
    :param end_failed_task: whether that is so for a job or a wait that failed, too.
    :param soft_fail: whether a task that ends here is skipped instead of failed.
    :param never_fail: the same, but for a wait that took too long.
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
        end_task: bool = False,
        end_failed_task: bool = False,
        soft_fail: bool = False,
        never_fail: bool = False,
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
        self.end_task = end_task
        self.end_failed_task = end_failed_task
        self.soft_fail = soft_fail
        self.never_fail = never_fail

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
                "end_task": self.end_task,
                "end_failed_task": self.end_failed_task,
                "soft_fail": self.soft_fail,
                "never_fail": self.never_fail,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then tell how it ended."""
        started = time.time()
        payload = await self._outcome()
        from airflow_provider_criteo.hooks.observability import waited

        waited(time.time() - started)
        yield self._event(payload)

    async def _outcome(self) -> dict[str, Any]:
        poller_module = await asyncio.to_thread(_load)
        with poller_module.use_poller(self.criteo_conn_id) as poller:
            try:
                return await asyncio.wait_for(self._polled(poller), max(self.end_time - time.time(), _SHORTEST_WAIT))
            except asyncio.TimeoutError:
                return {"outcome": "timeout", "report_id": self.report_id}

    async def _polled(self, poller: Any) -> dict[str, Any]:
        from airflow.providers.common.compat.sdk import AirflowNotFoundException

        from airflow_provider_criteo.exceptions import InvalidInputError, as_task_exceptions, error_to_json
        from airflow_provider_criteo.hooks.waiting import WaitLog, passing

        wait_log = WaitLog(self.log, self.report_id)
        polls = 1
        due = self.first_poll_at or time.time() + self._interval(polls)
        while True:
            await asyncio.sleep(max(due - time.time(), 0.0))
            polls += 1
            wait = self._interval(polls)
            try:
                with as_task_exceptions():
                    job = await poller.get_report_job(self.report_id, self.report_type, self.api_version, due)
                wait_log.job(job, wait)
                if job.state.is_terminal:
                    return {"outcome": "ended", "report_id": self.report_id, "job": job.to_json()}
            except api_exceptions.CriteoError as error:
                if not passing(error):
                    return {"outcome": "refused", "report_id": self.report_id, "error": error_to_json(error)}
                wait_log.fault(error, wait)
                if isinstance(error, api_exceptions.RateLimitError):
                    # The poller holds every job back until the reset; this one keeps its place in the queue.
                    polls -= 1
                    continue
            except AirflowNotFoundException as error:
                return {
                    "outcome": "refused",
                    "report_id": self.report_id,
                    "error": error_to_json(InvalidInputError(f"criteo_conn_id={self.criteo_conn_id!r}: {error}")),
                }
            except Exception:
                # Airflow's own services may be down for a while, e.g. during the look-up of the connection.
                self.log.exception("The wait for report job %s goes on in spite of this", self.report_id)
                wait = max(wait, min(_SECONDS_AFTER_A_BUG, self.poll_interval * 2))
            due = time.time() + wait

    def _interval(self, polls: int) -> float:
        from airflow_provider_criteo.hooks.waiting import backed_off

        if not self.exponential_backoff:
            return self.poll_interval
        return backed_off(self.poll_interval, polls, self.max_wait, self.report_id)

    def _event(self, payload: dict[str, Any]) -> TriggerEvent:
        job = payload.get("job", {})
        if job.get("state") == "done":
            if self.end_task:
                self.log.info("Report job %s is done; the task ends without a worker", self.report_id)
                return TaskSuccessEvent()
            return TriggerEvent(payload)
        skip = self.soft_fail or (self.never_fail and payload["outcome"] != "timeout")
        if self.end_task and skip:
            self.log.warning("%s\nSkipping the task", describe(payload))
            return TaskSkippedEvent()
        if self.end_task and self.end_failed_task:
            self.log.error("%s", describe(payload))
            return TaskFailedEvent()
        return TriggerEvent(payload)


def _load() -> ModuleType:
    """Import what a wait needs: in a thread, as the first time takes long."""
    import airflow_provider_criteo.triggers.poller as poller

    return poller


def describe(payload: dict[str, Any]) -> str:
    """What an event that is no success says, for people."""
    if payload["outcome"] == "refused":
        return str(payload["error"]["message"])
    if payload["outcome"] == "timeout":
        return f"Report job {payload['report_id']} has not ended in time"
    from airflow_provider_criteo.api.exceptions import describe_end
    from airflow_provider_criteo.api.models import ReportJob

    return describe_end(ReportJob.from_json(payload["job"]))
