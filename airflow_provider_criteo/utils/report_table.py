"""A report's file as a table where it should go: rows counted, a row cap seen, nothing published half."""

from __future__ import annotations

import errno
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import partial
from typing import IO, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_criteo.api.attributes import plain
from airflow_provider_criteo.api.exceptions import RowsMissingError, require_choice
from airflow_provider_criteo.api.files import sha256_of
from airflow_provider_criteo.api.models import DownloadedReport, human
from airflow_provider_criteo.api.report_type import AT_ROW_CAP
from airflow_provider_criteo.api.reports import get_report_type
from airflow_provider_criteo.api.tables import (
    Table,
    TableOptions,
    UnknownColumnsError,
    convert_by_day,
    convert_with,
    report_days,
    require_pyarrow,
)
from airflow_provider_criteo.exceptions import (
    DestinationError,
    EmptyReportError,
    InvalidInputError,
    RowCapError,
    as_task_exceptions,
)
from airflow_provider_criteo.utils.arguments import SPLIT, SPLIT_NEEDS_REQUEST, is_final
from airflow_provider_criteo.utils.destination import Destination

log = logging.getLogger(__name__)

ON_ROW_CAP = ("fail", "warn")
ON_EMPTY = ("write", "skip", "fail")
DATE = "{date}"


def check_table_fields(task: Any) -> None:
    """Check the fields of a table, as far as they are final; whether pyarrow is there is for the worker to see.

    :raises InvalidInputError: one of them cannot be right.
    """
    if not is_final(task.output_format, task):
        return
    options = {option.name: plain(getattr(task, option.name)) for option in fields(TableOptions)}
    with as_task_exceptions():
        TableOptions(**{name: value for name, value in options.items() if is_final(value, task)})
        for name, valid in (("on_row_cap", (*ON_ROW_CAP, SPLIT)), ("on_empty", ON_EMPTY)):
            if is_final(getattr(task, name), task):
                require_choice(name, getattr(task, name), valid)
    if is_final([task.destination, task.partition_by], task):
        _check_placeholder(str(task.destination), task.partition_by)


def _check_placeholder(destination: str, partition_by: str | None) -> None:
    if (DATE in destination) != (partition_by is not None):
        raise InvalidInputError(
            f"destination={destination!r} and partition_by={partition_by!r}: with partition_by the destination "
            f"has {DATE}, without it has none"
        )


@dataclass(frozen=True)
class TableParameters(TableOptions):
    """What a task makes of a report: ``TableOptions``, and these.

    :param partition_by: a date column; the destination then has ``{date}``, and each day of the range its file.
    :param on_row_cap: what to do at the row count at which Criteo cuts a report: ``"fail"`` before anything is
        published, or ``"warn"``; ``"split"`` is ``ReportToObjectStorageOperator``'s alone.
    :param on_empty: what to do with a report without rows: ``"write"``, ``"skip"`` the task or ``"fail"``.
    :param attributes: of the request: the schema of an empty report, and the days of the range.
    :raises InvalidInputError: one of them cannot be right, or pyarrow is missing.
    """

    partition_by: str | None = None
    on_row_cap: str = "fail"
    on_empty: str = "write"
    attributes: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.on_row_cap == SPLIT:
            raise InvalidInputError(SPLIT_NEEDS_REQUEST)
        with as_task_exceptions():
            require_pyarrow()
            super().__post_init__()
            require_choice("on_row_cap", self.on_row_cap, ON_ROW_CAP)
            require_choice("on_empty", self.on_empty, ON_EMPTY)

    def destinations(self, destination: str, report_type: str) -> list[str]:
        """Where the table's files go: one, or one for each day of the range.

        :raises InvalidInputError: ``{date}`` and ``partition_by`` do not go together, or no range is known.
        """
        _check_placeholder(destination, self.partition_by)
        if self.partition_by is None:
            return [destination]
        with as_task_exceptions():
            return [
                destination.replace(DATE, day.isoformat()) for day in report_days(report_type, self.attributes or {})
            ]


@dataclass(frozen=True)
class TabledReport(DownloadedReport):
    """A report's file as a table.

    :param table: its rows and columns.
    :param truncated: whether it has as many rows as Criteo's cap.
    :param source: of the file that Criteo gave: ``size_bytes``, ``sha256``, ``content_type``, ``format``.
    :param files: of a partitioned table: ``date``, ``url``, ``rows``, ``size_bytes``, ``sha256`` of each.
    :param days: of the range, where it is known.
    """

    table: Table = field(kw_only=True)
    truncated: bool = False
    source: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Mapping[str, Any], ...] = ()
    days: tuple[str, ...] = ()

    @property
    def urls(self) -> tuple[str, ...]:
        """Of all files that were written."""
        return tuple(file["url"] for file in self.files) or (self.url,)

    def to_json(self) -> dict[str, Any]:
        """The value of the XCom ``report_file``."""
        return {
            **super().to_json(),
            "format": self.table.output_format,
            "compression": self.table.compression,
            "rows": self.table.rows,
            "columns": list(self.table.columns),
            "schema_fingerprint": self.table.schema_fingerprint,
            "unknown_columns": list(self.table.unknown_columns),
            "truncated": self.truncated,
            "source": dict(self.source),
            "days": list(self.days),
            **({"files": [dict(file) for file in self.files]} if self.files else {}),
        }


Receive = Callable[[IO[bytes]], DownloadedReport]


def write_table(
    receives: Sequence[Receive],
    parameters: TableParameters,
    report_type: str,
    target: Callable[[str], Destination],
    destination: str,
    before_publish: Callable[[DownloadedReport], None],
) -> TabledReport:
    """Receive a report, make its table in other files, and publish each of them in one step.

    :param receives: each writes a report's file, whole, into an open one; several are the parts of one request.
    :param target: the destination of a URL.
    :param before_publish: told of each file that is whole, and not yet in its place.
    :raises CriteoError: the report could not be had whole, or is not what it should be; nothing was published.
    :raises DestinationError: there is no room for a file.
    """

    raws: list[str] = []
    received: list[DownloadedReport] = []
    with _room_for_temporary_files(), _empty_without_columns(received, parameters), ExitStack() as stack:
        for receive in receives:
            raw = stack.enter_context(tempfile.NamedTemporaryFile(prefix="criteo-"))
            received.append(receive(raw))
            raw.flush()
            raws.append(raw.name)
        if parameters.partition_by is None:

            def whole(file: IO[bytes]) -> TabledReport:
                table = convert_with(raws, file, parameters, report_type=report_type, attributes=parameters.attributes)
                return _measured(file, _checked(received, table, parameters, report_type))

            return target(destination).publish(whole, before_publish)
        with convert_by_day(
            raws,
            parameters,
            partition_by=parameters.partition_by,
            report_type=report_type,
            attributes=parameters.attributes or {},
        ) as tables:
            report = _checked(received, tables.table, parameters, report_type)

            def of_day(day: date, file: IO[bytes]) -> TabledReport:
                return _measured(file, replace(report, table=tables.write(day, file)))

            days = {
                day.isoformat(): target(destination.replace(DATE, day.isoformat())).publish(
                    partial(of_day, day), before_publish
                )
                for day in tables.days
            }
    files = tuple(_file_of_day(day, told) for day, told in days.items())
    return replace(
        report, url=destination, size_bytes=sum(file["size_bytes"] for file in files), sha256="", files=files
    )


@contextmanager
def _room_for_temporary_files() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DestinationError(
            f"no room for the report's temporary files in {tempfile.gettempdir()!r}: {error}\n"
            "  Nothing was written, and the report is still at Criteo.\n"
            "  What to do: make room there, or name another folder in TMPDIR, and let the task retry."
        ) from error


@contextmanager
def _empty_without_columns(received: Sequence[DownloadedReport], parameters: TableParameters) -> Iterator[None]:
    """Who wants no table of an empty report needs no columns for it."""
    try:
        yield
    except UnknownColumnsError:
        # Of several parts others may have rows.
        if len(received) == 1:
            _check_against_told(received[0], 0)
            _act_on_empty(received[0], parameters)
        raise


def _measured(file: IO[bytes], report: TabledReport) -> TabledReport:
    """The report with the size and the checksum of the file that was written."""
    file.flush()
    file.seek(0)
    return replace(report, sha256=sha256_of(file), size_bytes=file.tell())


def _file_of_day(day: str, report: TabledReport) -> dict[str, Any]:
    return {
        "date": day,
        "url": report.url,
        "rows": report.table.rows,
        "size_bytes": report.size_bytes,
        "sha256": report.sha256,
    }


def _checked(
    received: Sequence[DownloadedReport], table: Table, parameters: TableParameters, report_type: str
) -> TabledReport:
    """The report, unless its rows are too few, at Criteo's cap, or none where some are wanted."""
    row = get_report_type(report_type)
    for part, rows in zip(received, table.source_rows, strict=True):
        if not row.is_at_cap(rows):  # of a report that is cut there, Criteo may tell the rows that it had before
            _check_against_told(part, rows)
    if table.rows == 0:
        _act_on_empty(received[0], parameters)
    capped = [part for part, rows in zip(received, table.source_rows, strict=True) if row.is_at_cap(rows)]
    if capped:
        _act_on_row_cap(capped, max(table.source_rows), parameters, report_type)
    whole = _as_one(received)
    source = {
        "size_bytes": whole.size_bytes,
        "sha256": whole.sha256,
        "content_type": whole.content_type,
        "format": table.source_shape,
    }
    if len(received) > 1:
        source["parts"] = [
            {"report_id": part.report_id, "rows": rows, "size_bytes": part.size_bytes, "sha256": part.sha256}
            for part, rows in zip(received, table.source_rows, strict=True)
        ]
    days = tuple(_days(report_type, parameters.attributes))
    log.info(
        "The table has %d rows and %d columns, of %s of %s",
        table.rows,
        len(table.columns),
        "a file" if len(received) == 1 else f"{len(received)} files",
        human(whole.size_bytes),
    )
    return TabledReport(**vars(whole), table=table, truncated=bool(capped), source=source, days=days)


def _check_against_told(received: DownloadedReport, rows: int) -> None:
    told = received.row_count
    if told is not None and rows < told:
        reason = f"the file of report job {received.report_id} has {rows} rows, and Criteo told of {told}"
        raise RowsMissingError(200, (), "the download", reason=reason)
    if told is not None and rows > told:
        log.warning("The file has %d rows, more than the %d that Criteo told.", rows, told)


def _as_one(parts: Sequence[DownloadedReport]) -> DownloadedReport:
    if len(parts) == 1:
        return parts[0]
    counts = [part.row_count for part in parts if part.row_count is not None]
    row_count = sum(counts) if len(counts) == len(parts) else None
    return replace(parts[0], size_bytes=sum(part.size_bytes for part in parts), sha256="", row_count=row_count)


def _days(report_type: str, attributes: Mapping[str, Any] | None) -> list[str]:
    """The days of a request; none where they are not known."""
    try:
        return [day.isoformat() for day in report_days(report_type, attributes or {})]
    except ValueError:
        return []


def finer_split(report_type: str, attributes: Mapping[str, Any] | None) -> str:
    """How to ask for less at once than a request does."""
    days = len(_days(report_type, attributes))
    return f"split_report(..., {f'max_days={days // 2}' if days > 1 else 'max_ids'})"


def _act_on_empty(received: DownloadedReport, parameters: TableParameters) -> None:
    message = f"report job {received.report_id} has no rows, and on_empty={parameters.on_empty!r}; nothing was written"
    if parameters.on_empty == "skip":
        raise AirflowSkipException(message)
    if parameters.on_empty == "fail":
        raise EmptyReportError(message)


def _act_on_row_cap(
    capped: Sequence[DownloadedReport], rows: int, parameters: TableParameters, report_type: str
) -> None:
    report_ids = tuple(part.report_id for part in capped)
    message = (
        f"report job {', '.join(report_ids)} has {rows} rows, {AT_ROW_CAP}. "
        f"What to do: ask for less at once, e.g. {finer_split(report_type, parameters.attributes)}, or fewer dimensions"
    )
    if parameters.on_row_cap == "fail":
        error = RowCapError(f"{message}; or take what came, with on_row_cap='warn'. Nothing was written.")
        error.report_ids = report_ids
        raise error
    log.warning("%s", message)
