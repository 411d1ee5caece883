"""``CreateReportJobOperator`` and ``DownloadReportOperator``: the first and the last step of a report export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_criteo.api.reports import DEFAULT_REPORT_TYPE
from airflow_provider_criteo.exceptions import InvalidInputError, as_task_exceptions
from airflow_provider_criteo.hooks.criteo import CriteoHook
from airflow_provider_criteo.operators._arguments import (
    check_account_id,
    check_attributes,
    check_constants,
    check_flags,
    check_report_id,
    is_final,
    required_report_id,
)
from airflow_provider_criteo.operators.links import ReportTypeDocumentationLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_criteo.api.models import ReportJob


class CreateReportJobOperator(BaseOperator):
    """Create a report job.

    On Airflow 3.3 and later a retry takes up the job that an earlier try created, if it is of use; see
    ``operators.reattach``.

    :param attributes: what to report (templated), as Criteo's page of the report type has it: a dict, its JSON
        text, or the path of a ``.json`` file beside the DAG; dates may be ``datetime`` or ``date``.
    :param report_type: an id of the catalogue (templated).
    :param account_id: of Retail Media (templated), for the catalogs.
    :param criteo_conn_id: the Airflow connection (templated).
    :param api_version: in place of the connection's and of the report type's default (templated).
    :return: the report id.
    :raises InvalidInputError: an argument cannot be right.
    :raises CriteoError: what ``CriteoClient.create_report_job`` raises.
    """

    template_fields: Sequence[str] = ("attributes", "report_type", "account_id", "criteo_conn_id", "api_version")
    template_fields_renderers = {"attributes": "json"}
    operator_extra_links = (ReportTypeDocumentationLink(),)
    ui_color = "#ffe0c2"

    def __init__(
        self,
        *,
        attributes: Mapping[str, Any] | str,
        report_type: str = DEFAULT_REPORT_TYPE,
        account_id: str | None = None,
        criteo_conn_id: str = CriteoHook.default_conn_name,
        api_version: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.attributes = attributes
        self.report_type = report_type
        self.account_id = account_id
        self.criteo_conn_id = criteo_conn_id
        self.api_version = api_version
        check_constants(report_type=report_type, api_version=api_version, criteo_conn_id=criteo_conn_id)
        check_attributes(attributes)
        check_account_id(account_id, report_type)

    def resolve_template_files(self) -> None:
        """Put the content of a ``.json`` file in the place of its path.

        Not by ``template_ext``: that would take a destination that ends in ``.json`` for a template, too.
        """
        super().resolve_template_files()
        if is_json_file(self.attributes):
            environment = self.get_template_env()
            try:
                self.attributes = environment.loader.get_source(environment, self.attributes)[0]  # type: ignore[union-attr]
            except Exception as error:
                raise InvalidInputError(
                    f"attributes={self.attributes!r} is no file in the DAG's folder or its template_searchpath: {error}"
                ) from error

    def execute(self, context: Context) -> str:
        """Create the job, or take up the one that an earlier try created."""
        return self._job(context).report_id

    def _job(self, context: Context, quota_wait: float | None = None) -> ReportJob:
        from airflow_provider_criteo.operators.reattach import created_once

        attributes = self._rendered_attributes(context)
        hook = self._hook()
        return created_once(
            context.get("task_state_store"),
            getattr(context.get("ti"), "max_tries", None),
            hook,
            report_type=self.report_type,
            attributes=attributes,
            account_id=self.account_id,
            api_version=self.api_version,
            quota_wait=quota_wait,
            log=self.log,
        )

    def _hook(self) -> CriteoHook:
        return CriteoHook(self.criteo_conn_id, self.api_version)

    def _rendered_attributes(self, context: Context) -> dict[str, Any]:
        from airflow_provider_criteo.api.attributes import parse_attributes

        attributes = self.attributes
        if is_json_file(attributes):
            # A mapped task gets its arguments too late for Airflow to resolve template files.
            try:
                attributes = self.get_template_env().get_template(attributes).render(**context)
            except Exception as error:
                raise InvalidInputError(f"attributes={attributes!r} could not be read or rendered: {error}") from error
        with as_task_exceptions():
            return parse_attributes(attributes)


def is_json_file(attributes: object) -> TypeGuard[str]:
    """Whether attributes are the path of a file that has them."""
    return isinstance(attributes, str) and attributes.endswith(".json")


class DownloadReportOperator(BaseOperator):
    """Download the file of a report job that is done.

    The file is streamed, checked, and published in one step: a reader sees the whole file or none, and a failed
    try leaves nothing behind.

    :param report_id: of the job (templated), e.g. ``wait.output``.
    :param destination: an absolute path, or any URL that Airflow's ``ObjectStoragePath`` takes (templated).
    :param destination_conn_id: the Airflow connection of the object storage (templated).
    :param overwrite: whether a file that stands there is replaced; else it is an error.
    :param report_type: an id of the catalogue (templated).
    :param criteo_conn_id: the Airflow connection (templated).
    :param api_version: in place of the connection's and of the report type's default (templated).
    :return: the destination's URL. Under the key ``report_file``: url, size_bytes, sha256, row_count,
        content_type, report_id, expires_at.
    :raises InvalidInputError: an argument cannot be right.
    :raises DestinationError: the storage refuses or is full.
    :raises CriteoError: what ``CriteoClient.download_report`` raises.
    """

    template_fields: Sequence[str] = (
        "report_id",
        "destination",
        "destination_conn_id",
        "report_type",
        "criteo_conn_id",
        "api_version",
    )
    operator_extra_links = (ReportTypeDocumentationLink(),)
    ui_color = "#ffd1a3"

    def __init__(
        self,
        *,
        report_id: str,
        destination: str,
        destination_conn_id: str | None = None,
        overwrite: bool = True,
        report_type: str = DEFAULT_REPORT_TYPE,
        criteo_conn_id: str = CriteoHook.default_conn_name,
        api_version: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.report_id = report_id
        self.destination = destination
        self.destination_conn_id = destination_conn_id
        self.overwrite = overwrite
        self.report_type = report_type
        self.criteo_conn_id = criteo_conn_id
        self.api_version = api_version
        check_constants(report_type=report_type, api_version=api_version, criteo_conn_id=criteo_conn_id)
        check_constant_destination(destination)
        check_report_id(report_id)
        check_flags(overwrite=overwrite)

    def execute(self, context: Context) -> str:
        """Download the file."""
        hook = CriteoHook(self.criteo_conn_id, self.api_version)
        return download_report_file(self, hook, required_report_id(self.report_id), context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Input: the Criteo report; output: the file."""
        from airflow_provider_criteo.operators.lineage import openlineage

        return openlineage(self)


def download_report_file(
    operator: Any, hook: CriteoHook, report_id: str, context: Context, job: ReportJob | None = None
) -> str:
    """Download a report to an operator's destination, and push what came as the XCom ``report_file``."""
    report = hook.download_report(
        report_id,
        operator.destination,
        operator.report_type,
        destination_conn_id=operator.destination_conn_id,
        overwrite=operator.overwrite,
        job=job,
    )
    operator.report_file = report.to_json()
    context["ti"].xcom_push(key="report_file", value=operator.report_file)
    rows = f", {report.row_count} rows" if report.row_count is not None else ""
    operator.log.info("Report %s is at %s: %d bytes%s", report_id, report.url, report.size_bytes, rows)
    return report.url


def check_constant_destination(destination: Any) -> None:
    """Check a destination that is final when the DAG is parsed.

    :raises InvalidInputError: it names no file.
    """
    from airflow_provider_criteo.hooks.destination import check_destination

    if is_final(destination):
        check_destination(destination)
