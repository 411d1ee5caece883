"""``CreateReportJobOperator`` and ``DownloadReportOperator``: the first and the last step of a report export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from airflow_provider_criteo.api.attributes import parse_attributes
from airflow_provider_criteo.exceptions import InvalidInputError, as_task_exceptions
from airflow_provider_criteo.operators.base import CreatesReportJob, WritesReportFile
from airflow_provider_criteo.utils.arguments import SPLIT, SPLIT_NEEDS_REQUEST, check_report_id, required_report_id

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class CreateReportJobOperator(CreatesReportJob):
    """Create a report job.

    On Airflow 3.3 and later a retry takes up the job that an earlier try created, if it is of use.

    :param attributes: what to report (templated), as Criteo's page of the report type has it: a dict, its JSON
        text, or the path of a ``.json`` file beside the DAG; dates may be ``datetime`` or ``date``.
    :param report_type: an id of the catalogue (templated).
    :param account_id: of Retail Media (templated), for the catalogs.
    :param criteo_conn_id: the Airflow connection (templated).
    :param api_version: in place of the connection's and of the report type's default (templated).
    :rtype: str
    :return: the report id.
    :raises InvalidInputError: an argument cannot be right.
    :raises CriteoError: what ``CriteoClient.create_report_job`` raises.
    """

    ui_color = "#ffe0c2"

    def execute(self, context: Context) -> str:
        """Create the job, or take up the one that an earlier try created."""
        with closing(self.hook):
            return self.created_job(context).report_id


class DownloadReportOperator(WritesReportFile):
    """Download the file of a report job that is done.

    The file is streamed, checked, and published in one step: a reader sees the whole file or none, and a failed
    try leaves nothing behind.

    :param report_id: of the job (templated), e.g. ``wait.output``.
    :param destination: an absolute path, or any URL that Airflow's ``ObjectStoragePath`` takes (templated).
    :param destination_conn_id: the Airflow connection of the object storage (templated).
    :param overwrite: whether a file that stands there is replaced; else it is an error.
    :param attributes: of the request (templated), which a table takes an empty report's columns and the range's days
        from.
    :param output_format: None for Criteo's bytes as they are; ``"parquet"``, ``"jsonl"`` or ``"csv"`` for a typed
        table, which ``compression``, ``column_types``, ``columns``, ``extra_columns``, ``partition_by``,
        ``on_row_cap`` and ``on_empty`` describe: see ``TableParameters`` (all templated).
    :param report_type: an id of the catalogue (templated).
    :param criteo_conn_id: the Airflow connection (templated).
    :param api_version: in place of the connection's and of the report type's default (templated).
    :rtype: str
    :return: the destination's URL. Under the key ``report_file``: url, size_bytes, sha256, row_count,
        content_type, report_id, expires_at.
    :raises InvalidInputError: an argument cannot be right.
    :raises DestinationError: the storage refuses or is full.
    :raises CriteoError: what ``CriteoClient.download_report`` raises.
    """

    template_fields: Sequence[str] = ("report_id", "attributes", *WritesReportFile.template_fields)
    template_fields_renderers = {"attributes": "json"}
    ui_color = "#ffd1a3"

    def __init__(
        self, *, report_id: str | Any, attributes: Mapping[str, Any] | Any | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.report_id = report_id
        self.attributes = attributes
        check_report_id(self)
        if self.on_row_cap == SPLIT:
            raise InvalidInputError(SPLIT_NEEDS_REQUEST)

    def execute(self, context: Context) -> str:
        """Download the file."""
        with closing(self.hook), as_task_exceptions():
            report_id = required_report_id(self.report_id)
            asked = parse_attributes(self.attributes) if self.attributes else None
            return self.published_before(context, asked) or self.download(context, report_id, attributes=asked)
