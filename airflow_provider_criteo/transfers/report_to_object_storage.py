"""``ReportToObjectStorageOperator``: create, wait and download in one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_criteo.api.exceptions import RateLimitError
from airflow_provider_criteo.api.models import ReportJob
from airflow_provider_criteo.api.polling import SHORTEST_POLL_INTERVAL
from airflow_provider_criteo.exceptions import as_task_exceptions
from airflow_provider_criteo.operators.base import CreatesReportJob, WritesReportFile
from airflow_provider_criteo.transfers.export import ExportsReport
from airflow_provider_criteo.transfers.parts import PartsOfReport, check_on_row_cap
from airflow_provider_criteo.utils.arguments import SPLIT, check_flags, seconds
from airflow_provider_criteo.utils.clock import CLOCK
from airflow_provider_criteo.utils.deadline import Deadline
from airflow_provider_criteo.utils.trigger_event import after_turn, after_wait

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ReportToObjectStorageOperator(ExportsReport):
    """Create a report job, wait for it and download its file.

    With ``deferrable=True`` it waits in the triggerer, for the job and for a used-up quota: two worker
    starts, and one more for each wait before the create. Else the worker waits. On Airflow 3.3 and later a retry takes up the job of an earlier try.

    :param attributes: what to report (templated), as in ``CreateReportJobOperator``.
    :param destination: an absolute path, or any URL that Airflow's ``ObjectStoragePath`` takes (templated).
    :param destination_conn_id: the Airflow connection of the object storage (templated).
    :param overwrite: whether a file that stands there is replaced; else it is an error.
    :param output_format: None for Criteo's bytes as they are; ``"parquet"``, ``"jsonl"`` or ``"csv"`` for a typed
        table, which ``compression``, ``column_types``, ``columns``, ``extra_columns``, ``partition_by``,
        ``on_row_cap`` and ``on_empty`` describe: see ``TableParameters`` (all templated). ``on_row_cap`` may be
        ``"split"``, too: a report that Criteo cut is asked for in parts, in halves until none is that long.
    :param report_type: an id of the catalogue (templated).
    :param account_id: of Retail Media (templated), for the catalogs.
    :param criteo_conn_id: the Airflow connection (templated).
    :param api_version: in place of the connection's and of the report type's default (templated).
    :param poke_interval: seconds between two polls, at least 5.
    :param timeout: seconds of the whole wait, for the quota and for the job; ``execution_timeout`` bounds it, too.
    :param deferrable: wait without a worker; default from ``[operators] default_deferrable``.
    :rtype: str
    :return: the destination's URL. Under the key ``report_file`` what ``DownloadReportOperator`` gives.
    :raises InvalidInputError: an argument cannot be right.
    :raises ReportJobFailedError: the job ended without a file.
    :raises AirflowSensorTimeout: it has not ended in time.
    :raises CriteoError: what creating and downloading raise.
    """

    template_fields: Sequence[str] = tuple(
        dict.fromkeys((*CreatesReportJob.template_fields, *WritesReportFile.template_fields))
    )
    ui_color = "#ffc285"

    def __init__(
        self,
        *,
        poke_interval: timedelta | float = 60.0,
        timeout: timedelta | float = 6 * 60 * 60,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.poke_interval = seconds("poke_interval", poke_interval, SHORTEST_POLL_INTERVAL)
        self.timeout = seconds("timeout", timeout, 0)
        self.deferrable = deferrable
        check_flags(deferrable=deferrable)
        check_on_row_cap(self)

    def execute(self, context: Context) -> str:
        """Create the job, or take up the one of an earlier try; wait; download."""
        deadline = Deadline.of(self)
        check_on_row_cap(self)
        with closing(self.hook):
            published = self.published_before(context, self._asked(context))
            if published:
                return published
            if self.deferrable and self._is_beyond_first_window(context):
                self.defer_to_queue("create", deadline, beyond_first_window=True)
            return self._export(context, deadline)

    def execute_in_turn(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """Go on with the call whose turn in the quota's queue has come."""
        deadline, carried = after_turn(event)
        with closing(self.hook):
            if carried.get("parts"):
                return PartsOfReport.carried(self, context, carried, deadline).table()
            if carried.get("job"):
                return self._downloaded(context, ReportJob.from_json(carried["job"]), deadline)
            return self._export(context, deadline, had_turn=True)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """Download, or end the task as the trigger's event says."""
        with closing(self.hook), as_task_exceptions(self.criteo_conn_id):
            job, deadline, carried = after_wait(event)
            if carried:
                return PartsOfReport.carried(self, context, carried, deadline, job).table()
            return self._downloaded(context, job, deadline)

    def table_parameters(self, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        """The parameters of a table; a file at the cap is an error to who then asks for parts."""
        table = super().table_parameters(attributes)
        return {**table, "on_row_cap": "fail"} if table and self.on_row_cap == SPLIT else table

    def _asked(self, context: Context) -> dict[str, Any] | None:
        """The attributes, where a table needs them."""
        return self.rendered_attributes(context) if self.output_format else None

    def _export(self, context: Context, deadline: Deadline, *, had_turn: bool = False) -> str:
        job = self.created_in_turn(context, deadline)
        called_at = None if had_turn else CLOCK.now()
        return self._downloaded(context, self.waited_for(job, deadline, called_at), deadline)

    def _downloaded(self, context: Context, job: ReportJob, deadline: Deadline) -> str:
        if self.on_row_cap == SPLIT:
            return PartsOfReport.whole(self, context, job, deadline).table()
        try:
            return self.download(context, job.report_id, job, self.quota_wait, self._asked(context))
        except RateLimitError as error:
            self.defer_to_queue("download", deadline, error, job=job.to_json())

    # Deferrable

    def _is_beyond_first_window(self, context: Context) -> bool:
        """Whether one window of the quota has no call for so many tasks before it: then a try would be refused."""
        return not self.has_own_pool and self.minutes_of_quota_before(context) > 0
