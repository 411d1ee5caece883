"""The three steps of a report export in one task: create, wait, download; deferrable, none sleeps on a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_criteo.api.exceptions import RateLimitError
from airflow_provider_criteo.api.models import ReportJob
from airflow_provider_criteo.api.polling import Wait, polled
from airflow_provider_criteo.exceptions import as_task_exceptions
from airflow_provider_criteo.operators.base import CreatesReportJob, WritesReportFile
from airflow_provider_criteo.operators.waiting import WaitsForReportJob
from airflow_provider_criteo.utils.clock import CLOCK
from airflow_provider_criteo.utils.deadline import Deadline

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ExportsReport(CreatesReportJob, WaitsForReportJob, WritesReportFile):
    """A task that creates report jobs, waits for them and downloads their files."""

    timeout: float

    @property
    def quota_wait(self) -> float | None:
        """Seconds that a call waits for a used-up quota: a deferrable task goes to the queue instead."""
        return 0.0 if self.deferrable else None

    def created_in_turn(
        self,
        context: Context,
        deadline: Deadline,
        attributes: Mapping[str, Any] | None = None,
        part: str = "",
        **carried: Any,
    ) -> ReportJob:
        """The job, as :meth:`created_job` makes it; a deferrable task whom the quota refuses goes to the queue.

        :param carried: what it goes on with then.
        """
        try:
            return self.created_job(context, self.quota_wait, attributes, part)
        except RateLimitError as error:
            self.defer_to_queue("create", deadline, error, **carried)

    def waited_for(
        self,
        job: ReportJob,
        deadline: Deadline,
        called_at: float | None,
        carried: dict[str, Any] | None = None,
        *,
        at_once: bool = False,
        calls_made: int = 1,
    ) -> ReportJob:
        """The job when it is done; a deferrable task goes to the triggerer until then.

        :param called_at: when the task made a call without a turn in the queue, epoch seconds, where it did.
        :param carried: what a deferred task goes on with, where that is more than the job.
        :param at_once: whether the first poll is due now.
        :param calls_made: how many such calls it made.
        """
        wait = Wait(
            job.report_id,
            poll_interval=self.poke_interval,
            timeout=deadline.timeout,
            started=deadline.started,
            begun=True,
            log=self.log,
            clock=CLOCK.now,
        )
        with deadline.as_airflow_timeout(), as_task_exceptions(self.criteo_conn_id):
            wait_seconds = wait.saw(job)
            pause = 0.0 if at_once else wait_seconds
            while wait_seconds:
                if self.deferrable:
                    options = {
                        "then_download": carried is None,
                        "carried": carried,
                        "called_at": called_at,
                        "calls_made": calls_made,
                        "frees_slot": self.has_own_pool,
                    }
                    self.defer_until_done(job.report_id, pause or 0.0, deadline, **options)
                CLOCK.sleep(pause or 0.0)
                wait_seconds = pause = polled(wait, lambda: self.hook.get_report_job(job.report_id, self.report_type))
        assert wait.job is not None
        return wait.job
