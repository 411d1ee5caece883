"""``ReportJobStatusSensor``: waits until a report job is done."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_criteo.api.polling import SHORTEST_POLL_INTERVAL, Wait, polled
from airflow_provider_criteo.api.quota import MINUTE
from airflow_provider_criteo.exceptions import UnavailableError, as_task_exceptions
from airflow_provider_criteo.operators.base import CriteoBaseOperator
from airflow_provider_criteo.operators.waiting import WaitsForReportJob
from airflow_provider_criteo.utils.arguments import check_flags, check_report_id, required_report_id, seconds
from airflow_provider_criteo.utils.clock import CLOCK
from airflow_provider_criteo.utils.deadline import Deadline
from airflow_provider_criteo.utils.trigger_event import after_wait

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


_SHORTEST_SAFE_RESCHEDULE = 15.0


class ReportJobStatusSensor(WaitsForReportJob, BaseSensorOperator):
    """Wait until a report job is done; fail without retry, with all that Criteo said, when it ended otherwise.

    A used-up quota, a lost connection, a 5xx, a page that is not Criteo's: none of them ends the wait. Only a
    definitive answer or ``timeout`` does.

    :param report_id: of the job (templated), e.g. ``create.output``.
    :param report_type: an id of the catalogue (templated).
    :param criteo_conn_id: the Airflow connection (templated).
    :param api_version: in place of the connection's and of the report type's default (templated).
    :param deferrable: wait in the triggerer, without a worker; default from ``[operators] default_deferrable``.
    :param mode: ``"reschedule"`` gives the worker back between two polls, ``"poke"`` keeps it.
    :param poke_interval: seconds between two polls, at least 5.
    :param timeout: seconds of the whole wait; ``execution_timeout`` bounds it, too.
    :rtype: str
    :return: the report id, so that a download chains on ``.output``.
    :raises InvalidInputError: an argument cannot be right.
    :raises ReportJobFailedError: the job ended without a file.
    :raises AirflowSensorTimeout: it has not ended in time.
    """

    template_fields: Sequence[str] = ("report_id", *CriteoBaseOperator.template_fields)
    ui_color = "#fff3e5"

    def __init__(
        self,
        *,
        report_id: str | Any,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        mode: str = "reschedule",
        poke_interval: timedelta | float = 60.0,
        timeout: timedelta | float = 6 * 60 * 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            mode=mode,
            poke_interval=seconds("poke_interval", poke_interval, SHORTEST_POLL_INTERVAL),
            timeout=seconds("timeout", timeout, 0),
            **kwargs,
        )
        self.report_id = report_id
        self.deferrable = deferrable
        check_report_id(self)
        check_flags(deferrable=deferrable)
        if self.reschedule and not deferrable and self.poke_interval < _SHORTEST_SAFE_RESCHEDULE:
            warnings.warn(
                f"poke_interval={self.poke_interval:g} is close to Airflow's worker heartbeat of 5 s: Airflow 3.3.2 can "
                f"fail sensors that are rescheduled so soon. Use at least {_SHORTEST_SAFE_RESCHEDULE:g} seconds, or "
                "deferrable=True.",
                UserWarning,
                stacklevel=2,
            )

    def execute(self, context: Context) -> Any:
        """Wait for the job."""
        with closing(self.hook), self._as_the_flags_say():
            first_poked_at = self._first_poked_at(context)
            deadline = Deadline.of(self, first_poked_at)
            if self.deferrable and self._minutes_of_quota_before(context):
                # Its poke would be refused.
                self.defer_until_done(required_report_id(self.report_id), 0.0, deadline, **self._backoff)
            if first_poked_at is None:
                self._stand_back(context, deadline)
            wait = self._wait(context, deadline, first_poked_at)
            while wait_seconds := self._poked(wait, deadline):
                if self.deferrable:
                    called_at = CLOCK.now() if wait.job is not None else None
                    options = {"called_at": called_at, **self._backoff}
                    self.defer_until_done(wait.report_id, wait_seconds, deadline, **options)
                elif self.reschedule and not wait.is_in_doubt:
                    raise AirflowRescheduleException(datetime.fromtimestamp(CLOCK.now() + wait_seconds, timezone.utc))
                else:
                    # Between two processes nothing is remembered: in doubt, this one asks again.
                    CLOCK.sleep(min(wait_seconds, SHORTEST_POLL_INTERVAL) if self.reschedule else wait_seconds)
        return wait.report_id

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once."""
        first_poked_at = self._first_poked_at(context)
        deadline = Deadline.of(self, first_poked_at)
        wait = self._wait(context, deadline, first_poked_at)
        done = self._poked(wait, deadline) is None
        return PokeReturnValue(done, wait.report_id if done else None)

    def _poked(self, wait: Wait, deadline: Deadline) -> float | None:
        try:
            with deadline.as_airflow_timeout(), as_task_exceptions(self.criteo_conn_id):
                return polled(wait, lambda: self.hook.get_report_job(wait.report_id, self.report_type))
        except (AirflowFailException, AirflowSensorTimeout):
            raise
        except Exception:
            if not self.silent_fail:
                raise
            self.log.exception("Sensor poke failed")
            with deadline.as_airflow_timeout():
                return wait.next_poll()

    def _wait(self, context: Context, deadline: Deadline, first_poked_at: float | None) -> Wait:
        return Wait(
            required_report_id(self.report_id),
            poll_interval=self.poke_interval,
            timeout=deadline.timeout,
            started=deadline.started,
            begun=first_poked_at is not None and self._has_poked(context, first_poked_at),
            log=self.log,
            clock=CLOCK.now,
            **self._backoff,
        )

    @property
    def _backoff(self) -> dict[str, Any]:
        return {
            "exponential_backoff": bool(self.exponential_backoff),
            "max_wait": self.max_wait.total_seconds() if self.max_wait else None,
        }

    def _first_poked_at(self, context: Context) -> float | None:
        """When this wait was first rescheduled, epoch seconds; None for its first poke."""
        ti = context.get("ti")
        if not self.reschedule or self.deferrable or ti is None:
            return None
        if hasattr(ti, "get_first_reschedule_date"):
            first = ti.get_first_reschedule_date(context)
        else:
            # Airflow 2
            from airflow.sensors.base import _orig_start_date  # type: ignore[import-not-found]

            first_try = (ti.max_tries or 0) - (self.retries or 0) + 1
            first = _orig_start_date(self.dag_id, self.task_id, ti.run_id, ti.map_index, first_try)
        return first.timestamp() if first else None

    # Reschedule mode: tasks know nothing of each other but their place among those that are mapped, or in the DAG

    def _stand_back(self, context: Context, deadline: Deadline) -> None:
        """Leave the first poke to a later minute, where the sensors before this one use up the quota until then."""
        stands_back = self._stands_back(context)
        if not stands_back:
            return
        wait_seconds = min(stands_back, deadline.timeout)
        self.log.info("More sensors than one minute's quota has calls for; first poke in %.0f s", wait_seconds)
        raise AirflowRescheduleException(datetime.fromtimestamp(CLOCK.now() + wait_seconds, timezone.utc))

    def _stands_back(self, context: Context) -> float:
        if not self.reschedule or self.deferrable:
            return 0.0
        return self._minutes_of_quota_before(context) * MINUTE

    def _minutes_of_quota_before(self, context: Context) -> float:
        with suppress(UnavailableError):  # which is for the poke to tell
            return self.minutes_of_quota_before(context)
        return 0.0

    def _has_poked(self, context: Context, first_poked_at: float) -> bool:
        stood_back = self._stands_back(context)
        return not stood_back or CLOCK.now() >= first_poked_at + stood_back + self.poke_interval

    @contextmanager
    def _as_the_flags_say(self) -> Iterator[None]:
        """``soft_fail`` and ``never_fail``, as Airflow's sensors have them; a timeout is not spared by the latter."""
        try:
            yield
        except (AirflowSkipException, AirflowRescheduleException):
            raise
        except AirflowSensorTimeout as error:
            raise (_skipped("soft_fail") if self.soft_fail else error) from error.__cause__
        except (AirflowFailException, AirflowTaskTimeout) as error:
            if self.soft_fail or self.never_fail:
                raise _skipped("soft_fail" if self.soft_fail else "never_fail") from error
            raise
        except Exception as error:
            if self.never_fail:
                raise _skipped("never_fail") from error
            raise

    # Deferrable

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """Return the report id, or end the task as the trigger's event says."""
        with self._as_the_flags_say(), as_task_exceptions(self.criteo_conn_id):
            job, _, _ = after_wait(event)
        self.log.info("Report job %s is %s", job.report_id, job.status)
        return str(job.report_id)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume, with the flags as in the other modes: Airflow's sensors would skip for whatever is raised."""
        with self._as_the_flags_say():
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except AirflowSkipException as skip:
                if skip.__cause__ is None or not (self.soft_fail or self.never_fail):
                    raise
                raise skip.__cause__  # noqa: B904 - it is what was raised first


def _skipped(flag: str) -> AirflowSkipException:
    return AirflowSkipException(f"Skipping due to {flag} is set to True.")
