"""What the tasks for report exports have in common; the checks at parse time are in ``utils.arguments``."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_criteo.api.attributes import parse_attributes, plain
from airflow_provider_criteo.api.reports import DEFAULT_REPORT_TYPE
from airflow_provider_criteo.exceptions import InvalidInputError, as_task_exceptions
from airflow_provider_criteo.operators.links import ReportTypeDocumentationLink
from airflow_provider_criteo.utils.arguments import (
    DEFAULT_CONN_ID,
    check_account_id,
    check_attributes,
    check_conn_id,
    check_flags,
    check_report_type,
    is_final,
    is_json_file,
)
from airflow_provider_criteo.utils.destination import Destination, check_destination
from airflow_provider_criteo.utils.observability import openlineage
from airflow_provider_criteo.utils.reattach import CreatedJob, PublishedFiles, request_hash

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_criteo.api.models import DownloadedReport, ReportJob
    from airflow_provider_criteo.hooks.criteo import CriteoHook


class UsesConnection(BaseOperator):
    """A task that uses a Criteo connection; its template fields take whatever a DAG can hold.

    :param criteo_conn_id: the Airflow connection (templated).
    :param api_version: in place of the connection's and of Criteo's current one (templated).
    :raises InvalidInputError: ``criteo_conn_id`` names none.
    """

    template_fields: Sequence[str] = ("api_version", "criteo_conn_id")

    def __init__(
        self,
        *,
        criteo_conn_id: str | Any = DEFAULT_CONN_ID,
        api_version: str | Any | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.criteo_conn_id = criteo_conn_id
        self.api_version = api_version
        check_conn_id(self)

    @cached_property
    def hook(self) -> CriteoHook:
        """The one hook of the task: one client, one session."""
        # Not at the top: a DAG file needs no hook.
        from airflow_provider_criteo.hooks.criteo import CriteoHook

        return CriteoHook(self.criteo_conn_id, self.api_version or None)

    def render_template(self, content: Any, *args: Any, **kwargs: Any) -> Any:
        """As Airflow renders, but an enum's member as its value, a path as its text, any mapping and any sequence.

        Airflow renders a ``(str, Enum)`` as ``ReportType.STATISTICS``, and no templates in a path.
        """
        if isinstance(content, os.PathLike):
            content = os.fspath(content)
        elif not isinstance(content, (dict, list, tuple)):
            content = plain(content)
        return super().render_template(content, *args, **kwargs)

    def _render(self, template: Any, context: Any, dag: Any = None) -> Any:
        """As Airflow renders, but text that looks like a number stays text: ids such as ``0123`` or ``1e5``.

        Rendered as a native value, text is read as Python's literals: https://jinja.palletsprojects.com/nativetypes
        """
        value = super()._render(template, context, dag)
        if isinstance(value, bool) or not isinstance(value, (int, float, complex, tuple)):
            return value
        parts = list(template.root_render_func(template.new_context(dict(context))))
        return "".join(parts) if all(isinstance(part, str) for part in parts) else value


class CriteoBaseOperator(UsesConnection):
    """A task for a report type.

    :param report_type: an id of the catalogue (templated).
    :raises InvalidInputError: an argument cannot be right.
    """

    template_fields: Sequence[str] = ("report_type", *UsesConnection.template_fields)
    operator_extra_links = (ReportTypeDocumentationLink(),)

    def __init__(self, *, report_type: str | Any = DEFAULT_REPORT_TYPE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report_type = report_type
        check_report_type(self)


class CreatesReportJob(CriteoBaseOperator):
    """A task that creates a report job.

    :param attributes: what to report (templated), as Criteo's page of the report type has it: a dict, its JSON
        text, or the path of a ``.json`` file beside the DAG; dates may be ``datetime`` or ``date``.
    :param account_id: of Retail Media (templated), for the catalogs.
    """

    template_fields: Sequence[str] = ("attributes", "account_id", *CriteoBaseOperator.template_fields)
    template_fields_renderers = {"attributes": "json"}

    def __init__(
        self, *, attributes: Mapping[str, Any] | str | Any, account_id: str | Any | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.attributes = attributes
        self.account_id = account_id
        check_attributes(self)
        check_account_id(self)

    @property
    def attributes(self) -> Any:
        """What to report."""
        return self._attributes

    @attributes.setter
    def attributes(self, value: Any) -> None:
        # Before Airflow renders templates, which it looks for in dicts, lists and text alone.
        self._attributes = plain(value)

    def resolve_template_files(self) -> None:
        """Put the content of a ``.json`` file in the place of its path.

        Not by ``template_ext``: that would take a destination that ends in ``.json`` for a template, too.
        """
        super().resolve_template_files()
        if is_json_file(self.attributes) and is_final(self.attributes, self):
            self.attributes = self._read_beside_dag(self.attributes)

    def created_job(
        self,
        context: Context,
        quota_wait: float | None = None,
        attributes: Mapping[str, Any] | None = None,
        part: str = "",
    ) -> ReportJob:
        """Create the job, or take up the one that an earlier try created.

        :param quota_wait: seconds to wait in all for a used-up quota; a little over a minute where None.
        :param attributes: of a part of the request.
        :param part: which part that is.
        """
        created = CreatedJob(context, self.hook, self.report_type, self.log, part)
        asked = self.rendered_attributes(context) if attributes is None else attributes
        return created.once(asked, self._account_id_as_text, self.request_hash(asked), quota_wait)

    def request_hash(self, attributes: Mapping[str, Any]) -> str:
        """A hash of all that makes a job what it is.

        :param attributes: of the request, or of a part of it.
        """
        with as_task_exceptions():
            return request_hash(
                self.report_type, attributes, self._account_id_as_text, self.api_version or None, self.criteo_conn_id
            )

    @property
    def _account_id_as_text(self) -> str | None:
        return None if self.account_id is None else str(self.account_id)

    def rendered_attributes(self, context: Context) -> dict[str, Any]:
        """What to report, read from its file if it stands in one."""
        attributes = self.attributes
        if is_json_file(attributes):
            # A path that was a template, or that of a mapped task: too late for Airflow to resolve template files.
            text = self._read_beside_dag(attributes)
            try:
                attributes = self.get_template_env().from_string(text).render(**context)
            except Exception as error:
                raise InvalidInputError(f"attributes={attributes!r} could not be rendered: {error}") from error
        with as_task_exceptions():
            return parse_attributes(attributes)

    def _read_beside_dag(self, name: str) -> str:
        environment = self.get_template_env()
        try:
            return _read_in_zip(name, self.get_dag()) or environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr] # Airflow sets one
        except Exception as error:
            raise InvalidInputError(
                f"attributes={name!r} is no file in the DAG's folder or its template_searchpath: {error}"
            ) from error


def _read_in_zip(name: str, dag: Any) -> str | None:
    """A file beside a DAG that is packed into a zip; None where it is not."""
    archive, packed, _ = str(getattr(dag, "fileloc", "")).partition(".zip/")
    if not packed or not zipfile.is_zipfile(f"{archive}.zip"):
        return None
    with zipfile.ZipFile(f"{archive}.zip") as files:
        return files.read(os.path.normpath(name)).decode() if os.path.normpath(name) in files.namelist() else None


class WritesReportFile(CriteoBaseOperator):
    """A task that downloads a report's file.

    :param destination: an absolute path, or any URL that Airflow's ``ObjectStoragePath`` takes (templated).
    :param destination_conn_id: the Airflow connection of the object storage (templated).
    :param overwrite: whether a file that stands there is replaced; else it is an error.
    :param output_format: None for Criteo's bytes as they are, else the format of a typed table (templated), which the
        other ``table_fields`` describe; see ``utils.report_table.TableParameters``.
    """

    table_fields: Sequence[str] = (
        "output_format",
        "compression",
        "column_types",
        "columns",
        "extra_columns",
        "partition_by",
        "on_row_cap",
        "on_empty",
    )
    template_fields: Sequence[str] = (
        "destination",
        "destination_conn_id",
        *table_fields,
        *CriteoBaseOperator.template_fields,
    )

    def __init__(
        self,
        *,
        destination: str | Any,
        destination_conn_id: str | Any | None = None,
        overwrite: bool = True,
        output_format: str | Any | None = None,
        compression: str | Any | None = None,
        column_types: Mapping[str, str] | Any | None = None,
        columns: Sequence[str] | Mapping[str, str] | Any | None = None,
        extra_columns: Mapping[str, object] | Any | None = None,
        partition_by: str | Any | None = None,
        on_row_cap: str | Any = "fail",
        on_empty: str | Any = "write",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_format = output_format
        self.compression = compression
        self.column_types = column_types
        self.columns = columns
        self.extra_columns = extra_columns
        self.partition_by = partition_by
        self.on_row_cap = on_row_cap
        self.on_empty = on_empty
        self.destination = destination
        self.destination_conn_id = destination_conn_id
        self.overwrite = overwrite
        self.report_file: dict[str, Any] | None = None
        if is_final(destination, self):
            check_destination(destination)
        if output_format:
            # Not at the top: a DAG file without tables needs nothing of them.
            from airflow_provider_criteo.utils.report_table import check_table_fields

            check_table_fields(self)
        check_flags(overwrite=overwrite)

    def table_parameters(self, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        """The parameters of a table; none where the file is wanted as it is.

        :param attributes: of the request, where they are known.
        """
        if not self.output_format:
            return {}
        return {**{name: getattr(self, name) for name in self.table_fields}, "attributes": attributes}

    def published_before(self, context: Context, attributes: Mapping[str, Any] | None = None) -> str | None:
        """The URL, where an earlier try of this task has already published all its files; else they may be written.

        :param attributes: of the request, where they are known.
        :raises InvalidInputError: a file of somebody else's stands there, and ``overwrite=False``; or a parameter of
            the table cannot be right.
        :raises DestinationError: the file could not be written there.
        """
        targets = self._targets(attributes)
        if self.overwrite:
            targets[0].require_writable()
            return None
        own = self._own_files(context, targets)
        report = PublishedFiles(context).noted(Destination(self.destination).url)
        if report is not None and len(own) == len(targets):
            self.log.info("An earlier try of this task has already written %s", report["url"])
            return self._told(report, context)
        for target in targets:
            if target.url not in own:
                target.require_writable()
        return None

    def _targets(self, attributes: Mapping[str, Any] | None) -> list[Destination]:
        """Where the file goes, or each day's."""
        urls = [self.destination]
        table = self.table_parameters(attributes)
        if table:
            from airflow_provider_criteo.utils.report_table import TableParameters

            urls = TableParameters(**table).destinations(str(self.destination), self.report_type)
        return [Destination(url, self.destination_conn_id, overwrite=self.overwrite) for url in urls]

    def _own_files(self, context: Context, targets: Sequence[Destination]) -> set[str]:
        """The URLs at which stands what an earlier try of this task published."""
        published = PublishedFiles(context)
        return {target.url for target in targets if published.stand_at(target)}

    def download(
        self,
        context: Context,
        report_id: str,
        job: ReportJob | None = None,
        quota_wait: float | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> str:
        """Download the report to the destination, and push what came as the XCom ``report_file``.

        :param job: the job as described when it was done; asked for where not given.
        :param quota_wait: seconds to wait in all for a used-up quota; a little over a minute where None.
        :param attributes: of the request, where they are known.
        """
        options = self._publishing(context, quota_wait, attributes)
        return self._published(
            self.hook.download_report(report_id, self.destination, self.report_type, job=job, **options), context
        )

    def download_parts(
        self, context: Context, jobs: Sequence[ReportJob], quota_wait: float | None, attributes: Mapping[str, Any]
    ) -> str:
        """Download the parts of a report into one table at the destination; the XCom is that of :meth:`download`.

        :param jobs: of the parts, done, in the order of their rows.
        :param quota_wait: seconds to wait in all for a used-up quota; a little over a minute where None.
        :param attributes: of the whole request.
        """
        options = self._publishing(context, quota_wait, attributes)
        return self._published(
            self.hook.download_report_parts(jobs, self.destination, self.report_type, **options), context
        )

    def _publishing(
        self, context: Context, quota_wait: float | None, attributes: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        return {
            "destination_conn_id": self.destination_conn_id,
            "overwrite": self.overwrite,
            "quota_wait": quota_wait,
            "own_files": () if self.overwrite else self._own_files(context, self._targets(attributes)),
            "before_publish": partial(self._note, context),
            **self.table_parameters(attributes),
        }

    def _note(self, context: Context, report: DownloadedReport) -> None:
        """For a retry, which without ``overwrite`` may replace a file of this task's own only."""
        if not self.overwrite:
            PublishedFiles(context).note(report)

    def _published(self, report: DownloadedReport, context: Context) -> str:
        if report.url not in report.urls:
            self._note(context, report)  # each day's file was noted before; now that there are all
        rows = f", {report.row_count} rows" if report.row_count is not None else ""
        self.log.info("Report %s is at %s: %d bytes%s", report.report_id, report.url, report.size_bytes, rows)
        return self._told(report.to_json(), context)

    def _told(self, report_file: dict[str, Any], context: Context) -> str:
        self.report_file = report_file
        context["ti"].xcom_push(key="report_file", value=report_file)
        told: dict[str, Any] = {
            name: report_file[name] for name in ("rows", "days", "schema_fingerprint") if name in report_file
        }
        for asset in self.outlets if told else ():
            context["outlet_events"][asset].extra.update(told)
        return str(report_file["url"])

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Input: the Criteo report; output: the file."""
        return openlineage(self)
