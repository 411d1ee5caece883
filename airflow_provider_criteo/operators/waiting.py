"""How a task waits without a worker: until a report job is done, or until the quota has a call for it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_criteo.api.quota import MINUTE
from airflow_provider_criteo.operators.base import CriteoBaseOperator
from airflow_provider_criteo.utils.clock import CLOCK
from airflow_provider_criteo.utils.deadline import Deadline

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_criteo.api.exceptions import RateLimitError


_DEFAULT_POOL = "default_pool"  # airflow.models.pool.Pool.DEFAULT_POOL_NAME


class WaitsForReportJob(CriteoBaseOperator):
    """A task that waits for a report job, without a worker where it is deferrable."""

    poke_interval: float
    deferrable: bool

    @property
    def has_own_pool(self) -> bool:
        """A pool of the user's own is taken for the bound of what is under way, as ``docs/scaling.md`` advises."""
        return bool(self.pool != _DEFAULT_POOL)

    def minutes_of_quota_before(self, context: Context) -> float:
        """Minutes of the quota that a call each of the tasks before this one uses up; 0 within the first."""
        place = self._place(context)
        if not place or place < self.hook.settings.quota:
            return 0.0
        return place / self.hook.settings.quota

    def _place(self, context: Context) -> int:
        """How many tasks come before this one, of those that may start together with it: mapped ones, or the DAG's own."""
        map_index = getattr(context.get("ti"), "map_index", -1)
        if isinstance(map_index, int) and map_index >= 0:
            return map_index
        dag = self.get_dag()
        if dag is None:
            return 0
        this: Any = dag.get_task(self.task_id)
        never_together = this.get_flat_relative_ids(upstream=True) | this.get_flat_relative_ids(upstream=False)
        tasks: list[Any] = dag.tasks
        together = [
            task.task_id
            for task in tasks
            if type(task) is type(this)
            and task.criteo_conn_id == this.criteo_conn_id
            and task.task_id not in never_together
        ]
        return together.index(self.task_id)

    def defer_until_done(self, report_id: str, wait_seconds: float, deadline: Deadline, **options: Any) -> NoReturn:
        """Go on in the triggerer; ``execute_complete`` gets its event.

        :param wait_seconds: until the first poll there.
        :param options: more of ``ReportJobTrigger``.
        """
        # Not at the top: a DAG file needs no trigger.
        from airflow_provider_criteo.triggers.report_job import ReportJobTrigger

        timeout = timedelta(seconds=deadline.timeout)
        self.log.info(
            "Waiting for report job %s in the triggerer, at most %s; first poll in %.0f s",
            report_id,
            timeout,
            wait_seconds,
        )
        self.defer(
            trigger=ReportJobTrigger(
                report_id=report_id,
                report_type=self.report_type,
                criteo_conn_id=self.criteo_conn_id,
                api_version=self.api_version or None,
                poll_interval=self.poke_interval,
                **deadline.to_json(),
                first_poll_at=CLOCK.now() + wait_seconds,
                **options,
            ),
            method_name="execute_complete",
            timeout=deadline.trigger_timeout(),
        )
        raise AssertionError("a deferral raises")

    def defer_to_queue(
        self,
        call: str,
        deadline: Deadline,
        error: RateLimitError | None = None,
        *,
        beyond_first_window: bool = False,
        calls: int = 1,
        **carried: Any,
    ) -> NoReturn:
        """Wait for the turn of a call, or of several, without a worker.

        :param call: ``"create"`` or ``"download"``.
        :param error: what Criteo said when it refused the call; raised where there is no waiting without a worker.
        :param beyond_first_window: whether it was not tried, as a window's tasks before this one try without a turn.
        :param calls: how many calls are to be made then.
        :param carried: what the task goes on with, beside the deadline.
        """
        now = CLOCK.now()
        reset_in = (error.retry_after or MINUTE) if error is not None else 0.0
        if error is not None and (not self.deferrable or now + reset_in >= deadline.end_time):
            raise error
        # Not at the top: a DAG file needs no trigger.
        from airflow_provider_criteo.triggers.quota_turn import QuotaTurnTrigger

        told = error.reason if error is not None else "more calls than may be made at once"
        self.log.info("Criteo's quota: %s; waiting for the turn of the %s, without a worker", told, call)
        self.defer(
            trigger=QuotaTurnTrigger(
                call=call,
                criteo_conn_id=self.criteo_conn_id,
                **deadline.to_json(),
                limit=error.limit if error is not None else None,
                refused_until=now + reset_in if error is not None else None,
                carried=carried,
                beyond_first_window=beyond_first_window,
                calls=calls,
            ),
            method_name="execute_in_turn",
            timeout=deadline.trigger_timeout(),
        )
        raise AssertionError("a deferral raises")
