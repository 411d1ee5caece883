"""``ReportJobStatusSensor``: waits until a report job is done."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_criteo.api import exceptions as api_exceptions
from airflow_provider_criteo.api.reports import DEFAULT_REPORT_TYPE
from airflow_provider_criteo.exceptions import InvalidInputError, error_from_json
from airflow_provider_criteo.hooks.criteo import CriteoHook
from airflow_provider_criteo.hooks.observability import count
from airflow_provider_criteo.hooks.waiting import (
    SHORTEST_POLL_INTERVAL,
    WaitLog,
    passing,
    require_done,
    spread_after_reset,
)
from airflow_provider_criteo.operators._arguments import (
    check_constants,
    check_flags,
    check_report_id,
    required_report_id,
)
from airflow_provider_criteo.operators.links import ReportTypeDocumentationLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_SHORTEST_SAFE_RESCHEDULE = 15.0
_TRIGGER_TIMEOUT_MARGIN = 60.0


class ReportJobStatusSensor(BaseSensorOperator):
    """Wait until a report job is done; fail without retry, with all that Criteo said, when it ended otherwise.

    A used-up quota, a lost connection, a 5xx, a page that is not Criteo's: none of them ends the wait. Only a
    definitive answer or ``timeout`` does.

    :param report_id: of the job (templated), e.g. ``create.output``.
    :param report_type: an id of the catalogue (templated).
    :param criteo_conn_id: the Airflow connection (templated).
    :param api_version: in place of the connection's and of the report type's default (templated).
    :param deferrable: wait in the triggerer, without a worker; default from ``[operators] default_deferrable``.
    :param end_from_trigger: when deferred, end the task from the triggerer, without a second worker.
    :param mode: ``"reschedule"`` gives the worker back between two polls, ``"poke"`` keeps it.
    :param poke_interval: seconds between two polls, at least 5.
    :param timeout: seconds of the whole wait.
    :return: the report id, so that a download chains on ``.output``.
    :raises InvalidInputError: an argument cannot be right.
    :raises ReportJobFailedError: the job ended without a file.
    :raises AirflowSensorTimeout: it has not ended in time.
    """

    template_fields: Sequence[str] = ("report_id", "report_type", "criteo_conn_id", "api_version")
    operator_extra_links = (ReportTypeDocumentationLink(),)
    ui_color = "#fff3e5"

    def __init__(
        self,
        *,
        report_id: str,
        report_type: str = DEFAULT_REPORT_TYPE,
        criteo_conn_id: str = CriteoHook.default_conn_name,
        api_version: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        end_from_trigger: bool = False,
        mode: str = "reschedule",
        poke_interval: timedelta | float = 60.0,
        timeout: timedelta | float = 6 * 60 * 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.report_id = report_id
        self.report_type = report_type
        self.criteo_conn_id = criteo_conn_id
        self.api_version = api_version
        self.deferrable = deferrable
        self.end_from_trigger = end_from_trigger
        self._not_before = 0.0
        self._wait_log: WaitLog | None = None
        check_constants(report_type=report_type, api_version=api_version, criteo_conn_id=criteo_conn_id)
        check_report_id(report_id)
        check_flags(deferrable=deferrable, end_from_trigger=end_from_trigger)
        self._check_poke_interval()

    def _check_poke_interval(self) -> None:
        if self.poke_interval < SHORTEST_POLL_INTERVAL:
            raise InvalidInputError(
                f"poke_interval={self.poke_interval:g}; allowed: at least {SHORTEST_POLL_INTERVAL:g} seconds, as Criteo "
                "asks not to be polled more often"
            )
        if self.mode == "reschedule" and not self.deferrable and self.poke_interval < _SHORTEST_SAFE_RESCHEDULE:
            warnings.warn(
                f"poke_interval={self.poke_interval:g} is close to Airflow's worker heartbeat of 5 s: Airflow 3.3.2 can "
                f"fail sensors that are rescheduled so soon. Use at least {_SHORTEST_SAFE_RESCHEDULE:g} seconds, or "
                "deferrable=True.",
                UserWarning,
                stacklevel=3,
            )

    def execute(self, context: Context) -> Any:
        """Wait for the job."""
        started = time.time()
        if not self.deferrable:
            return super().execute(context)
        if self._first_poke(context):
            return self.report_id
        if self.end_from_trigger and self.do_xcom_push:
            # Now and not by the trigger's event: the XComs of that reach the next task as JSON text (seen on 3.3.2).
            context["ti"].xcom_push(key="return_value", value=required_report_id(self.report_id))
        return self._defer(started)

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once."""
        report_id = required_report_id(self.report_id)
        wait_log = self._wait_log = self._wait_log or WaitLog(self.log, report_id)
        self._not_before = 0.0
        count("polls")
        try:
            job = self._hook().get_report_job(report_id, self.report_type)
        except api_exceptions.CriteoError as error:
            if not passing(error):
                raise
            if isinstance(error, api_exceptions.RateLimitError):
                count("rate_limited")
                self._not_before = time.time() + (error.retry_after or 0.0)
            wait_log.fault(error)
            return PokeReturnValue(False)
        done = require_done(job)
        wait_log.job(job, None if done else self.poke_interval)
        return PokeReturnValue(done, report_id if done else None)

    def _hook(self) -> CriteoHook:
        return CriteoHook(self.criteo_conn_id, self.api_version)

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        wait: float = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        wait = max(wait, SHORTEST_POLL_INTERVAL)
        if self._not_before:
            until_reset = self._not_before - time.time() + spread_after_reset(run_duration())
            wait = max(wait, min(until_reset, max(self.timeout - run_duration(), SHORTEST_POLL_INTERVAL)))
            self.log.info("Criteo's quota is used up; the next poll comes in %.0f s", wait)
        return wait

    # Deferrable

    def _first_poke(self, context: Context) -> bool:
        """Poke once, with the meaning that Airflow's sensors give to what goes wrong."""
        try:
            return bool(self.poke(context))
        except AirflowFailException as error:
            if self.soft_fail or self.never_fail:
                flag = "soft_fail" if self.soft_fail else "never_fail"
                raise AirflowSkipException(f"Skipping due to {flag} is set to True.") from error
            raise
        except Exception as error:
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            if not self.silent_fail:
                raise
            self.log.exception("Sensor poke failed")
            return False

    def _defer(self, started: float) -> None:
        from airflow_provider_criteo.triggers.report_job import ReportJobTrigger

        now = time.time()
        max_wait = max(self.max_wait.total_seconds(), SHORTEST_POLL_INTERVAL) if self.max_wait else None
        first_poll_at = max(now + self.poke_interval, self._not_before)
        self.log.info(
            "Waiting for report job %s in the triggerer, at most %s; first poll in %.0f s",
            self.report_id,
            timedelta(seconds=self.timeout),
            first_poll_at - now,
        )
        self.defer(
            trigger=ReportJobTrigger(
                report_id=required_report_id(self.report_id),
                report_type=self.report_type,
                criteo_conn_id=self.criteo_conn_id,
                api_version=self.api_version,
                poll_interval=self.poke_interval,
                end_time=started + self.timeout,
                exponential_backoff=self.exponential_backoff,
                max_wait=max_wait,
                first_poll_at=first_poll_at,
                end_task=self.end_from_trigger,
                # Airflow 3.3 sends a task that fails from a trigger to its next try; a failed report needs none.
                end_failed_task=not self.retries,
                soft_fail=self.soft_fail,
                never_fail=self.never_fail,
            ),
            method_name="execute_complete",
            # The trigger itself ends in time; this is for a triggerer that does not run.
            timeout=timedelta(seconds=self.timeout + _TRIGGER_TIMEOUT_MARGIN),
        )

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """Return the report id, or end the task as the trigger's event says."""
        job = job_of(event)
        require_done(job)
        self.log.info("Report job %s is %s", job.report_id, job.status)
        return str(job.report_id)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; ``never_fail`` spares failed polls and not a timeout, as in the other modes."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSkipException as skip:
            timeout = skip.__cause__
            if isinstance(timeout, AirflowSensorTimeout) and self.never_fail:
                raise timeout from None
            raise


def job_of(event: dict[str, Any] | None) -> Any:
    """The job in a ``ReportJobTrigger``'s event.

    :raises AirflowSensorTimeout: the event says that it has not ended in time.
    :raises CriteoError: the event says that Criteo refused.
    :raises AirflowFailException: the event says nothing that is known.
    """
    from airflow_provider_criteo.api.models import ReportJob

    outcome = event.get("outcome") if isinstance(event, dict) else None
    if event and outcome == "timeout":
        raise AirflowSensorTimeout(f"Report job {event.get('report_id')} has not ended within the sensor's timeout.")
    if event and outcome == "refused" and isinstance(event.get("error"), dict) and event["error"].get("message"):
        raise error_from_json(event["error"])
    try:
        job = ReportJob.from_json(event["job"]) if event and outcome == "ended" else None
    except (KeyError, TypeError, ValueError):
        job = None
    if job is None or not job.state.is_terminal:
        raise AirflowFailException(f"The trigger ended with an event that is not known: {event!r}")
    return job
