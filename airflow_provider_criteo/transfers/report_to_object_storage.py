"""``ReportToObjectStorageOperator``: create, wait and download in one task."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, conf

from airflow_provider_criteo.api import exceptions as api_exceptions
from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.exceptions import InvalidInputError
from airflow_provider_criteo.hooks.waiting import SHORTEST_POLL_INTERVAL, WaitLog, passing, require_done
from airflow_provider_criteo.operators._arguments import check_flags
from airflow_provider_criteo.operators.report_job import (
    CreateReportJobOperator,
    check_constant_destination,
    download_report_file,
)
from airflow_provider_criteo.sensors.report_job import job_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_criteo.api.models import ReportJob

_TRIGGER_TIMEOUT_MARGIN = 60.0


class ReportToObjectStorageOperator(CreateReportJobOperator):
    """Create a report job, wait for it and download its file.

    With ``deferrable=True`` it waits in the triggerer, for the job and for a used-up creation quota: two worker
    starts in all. Else the worker waits. On Airflow 3.3 and later a retry takes up the job of an earlier try.
    ``report_type``, ``account_id``, ``criteo_conn_id`` and ``api_version`` are those of ``CreateReportJobOperator``.

    :param attributes: what to report (templated), as in ``CreateReportJobOperator``.
    :param destination: an absolute path, or any URL that Airflow's ``ObjectStoragePath`` takes (templated).
    :param destination_conn_id: the Airflow connection of the object storage (templated).
    :param overwrite: whether a file that stands there is replaced; else it is an error.
    :param poke_interval: seconds between two polls, at least 5.
    :param timeout: seconds of the whole wait for the job, and of that for the creation quota before it.
    :param deferrable: wait without a worker; default from ``[operators] default_deferrable``.
    :return: the destination's URL. Under the key ``report_file`` what ``DownloadReportOperator`` gives.
    :raises InvalidInputError: an argument cannot be right.
    :raises ReportJobFailedError: the job ended without a file.
    :raises AirflowSensorTimeout: it has not ended in time.
    :raises CriteoError: what creating and downloading raise.
    """

    template_fields: Sequence[str] = (
        *CreateReportJobOperator.template_fields,
        "destination",
        "destination_conn_id",
    )
    ui_color = "#ffc285"

    def __init__(
        self,
        *,
        attributes: Mapping[str, Any] | str,
        destination: str,
        destination_conn_id: str | None = None,
        overwrite: bool = True,
        poke_interval: timedelta | float = 60.0,
        timeout: timedelta | float = 6 * 60 * 60,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(attributes=attributes, **kwargs)
        self.destination = destination
        self.destination_conn_id = destination_conn_id
        self.overwrite = overwrite
        self.poke_interval = _seconds("poke_interval", poke_interval, SHORTEST_POLL_INTERVAL)
        self.timeout = _seconds("timeout", timeout, 0)
        self.deferrable = deferrable
        check_constant_destination(destination)
        check_flags(overwrite=overwrite, deferrable=deferrable)

    def execute(self, context: Context) -> str:
        """Create the job, or take up the one of an earlier try; wait; download."""
        return self._export(context, time.time() + self.timeout)

    def _export(self, context: Context, quota_until: float) -> str:
        self._check_destination()
        try:
            job = self._job(context, quota_wait=0.0 if self.deferrable else None)
        except api_exceptions.RateLimitError as error:
            if not self.deferrable:
                raise
            self._defer_until_reset(error, quota_until)
        if not require_done(job):
            if self.deferrable:
                self._defer(job)
            job = self._waited_for(job)
        return download_report_file(self, self._hook(), job.report_id, context, _as_described(job))

    def execute_after_reset(self, context: Context, event: Any = None, quota_until: float | None = None) -> str:
        """Go on after a used-up creation quota."""
        return self._export(context, time.time() + self.timeout if quota_until is None else quota_until)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """Download, or end the task as the trigger's event says."""
        job = job_of(event)
        require_done(job)
        return download_report_file(self, self._hook(), job.report_id, context, job)

    def _check_destination(self) -> None:
        from airflow_provider_criteo.hooks.destination import Destination

        Destination(self.destination, self.destination_conn_id, overwrite=self.overwrite).require_free()

    def _waited_for(self, job: ReportJob) -> ReportJob:
        hook = self._hook()
        wait_log = WaitLog(self.log, job.report_id)
        wait_log.job(job, self.poke_interval)
        end = time.monotonic() + self.timeout
        wait = self.poke_interval
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise AirflowSensorTimeout(f"Report job {job.report_id} has not ended within {self.timeout:g} s.")
            time.sleep(min(wait, left))
            wait = self.poke_interval
            try:
                job = hook.get_report_job(job.report_id, self.report_type)
            except api_exceptions.CriteoError as error:
                if not passing(error):
                    raise
                if isinstance(error, api_exceptions.RateLimitError):
                    wait = max(wait, error.retry_after or 0.0)
                wait_log.fault(error, wait)
                continue
            wait_log.job(job, wait)
            if require_done(job):
                return job

    def _defer(self, job: ReportJob) -> None:
        from airflow_provider_criteo.triggers.report_job import ReportJobTrigger

        self.log.info(
            "Report job %s is %s; waiting in the triggerer, first poll in %.0f s",
            job.report_id,
            job.status,
            self.poke_interval,
        )
        now = time.time()
        self.defer(
            trigger=ReportJobTrigger(
                report_id=job.report_id,
                report_type=self.report_type,
                criteo_conn_id=self.criteo_conn_id,
                api_version=self.api_version,
                poll_interval=self.poke_interval,
                end_time=now + self.timeout,
                first_poll_at=now + self.poke_interval,
            ),
            method_name="execute_complete",
            # The trigger itself ends in time; this is for a triggerer that does not run.
            timeout=timedelta(seconds=self.timeout + _TRIGGER_TIMEOUT_MARGIN),
        )

    def _defer_until_reset(self, error: api_exceptions.RateLimitError, quota_until: float) -> None:
        from airflow.providers.common.compat.standard.triggers import TimeDeltaTrigger

        from airflow_provider_criteo.api.patience import jittered

        wait = jittered(error.retry_after or 60.0)
        if time.time() + wait > quota_until:
            raise error
        self.log.info("Criteo's creation quota: %s; trying again in %.0f s, without a worker", error.reason, wait)
        self.defer(
            trigger=TimeDeltaTrigger(timedelta(seconds=wait)),
            method_name="execute_after_reset",
            kwargs={"quota_until": quota_until},
        )

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Input: the Criteo report; output: the file."""
        from airflow_provider_criteo.operators.lineage import openlineage

        return openlineage(self)


def _as_described(job: ReportJob) -> ReportJob | None:
    """The job, if what Criteo told of it is what a status call would tell; a create's reply tells less."""
    return job if job.state is JobState.DONE and job.size_bytes else None


def _seconds(name: str, value: Any, least: float) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not least <= seconds < math.inf:
        raise InvalidInputError(f"{name}={value!r}; allowed: at least {least:g} seconds, as a number or a timedelta")
    return float(seconds)
