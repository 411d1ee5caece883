"""A report file of any of Criteo's shapes -> one typed table: Parquet, JSON Lines or CSV.

    convert("report.json", "report.parquet", report_type="rm-performance", output_format="parquet", attributes=...)

Needs pyarrow, the extra ``parquet``, which is imported only where a table is made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_criteo.api.dates import first_and_last_day, named_date
from airflow_provider_criteo.api.exceptions import InvalidInputError, TableError, UnknownColumnsError
from airflow_provider_criteo.api.files import atomic_file
from airflow_provider_criteo.api.limits import limits_of
from airflow_provider_criteo.api.reports import get_report_type
from airflow_provider_criteo.api.tables.columns import (
    COLUMN_TYPES,
    COMPRESSIONS,
    TableOptions,
    expected_columns,
)

if TYPE_CHECKING:
    import pyarrow

    from airflow_provider_criteo.api.tables.conversion import Days, JoinedReports

__all__ = [
    "COLUMN_TYPES",
    "COMPRESSIONS",
    "DailyTables",
    "Table",
    "TableError",
    "TableOptions",
    "UnknownColumnsError",
    "convert",
    "convert_by_day",
    "convert_with",
    "expected_columns",
    "read_report",
    "report_days",
    "require_pyarrow",
]

File = str | os.PathLike[str] | IO[bytes]
"""A path, or an open binary file, which stays open; one that is read must be able to seek."""


@dataclass(frozen=True)
class Table:
    """What became of a report.

    :param rows: how many were read and written.
    :param columns: ``{"name": ..., "type": ...}`` each, in their order; types are those of ``COLUMN_TYPES``.
    :param schema_fingerprint: SHA-256 of names and types; another one means that the schema has changed.
    :param unknown_columns: the report's columns that no documentation of Criteo's gives a type.
    :param source_shape: of the report's file: ``csv``, ``array``, ``lines``, ``compact``, ``metadata`` (columns
        behind the rows), ``wrapped``, ``resource``, ``empty``.
    :param output_format: ``parquet``, ``jsonl`` or ``csv``.
    :param compression: ``zstd``, ``snappy``, ``gzip`` or ``none``.
    :param source_rows: of each file that it was made of, in their order.
    """

    rows: int
    columns: tuple[dict[str, str], ...]
    schema_fingerprint: str
    unknown_columns: tuple[str, ...]
    source_shape: str
    output_format: str
    compression: str
    source_rows: tuple[int, ...] = ()


def require_pyarrow() -> None:
    """Check that tables can be made, without importing anything.

    :raises InvalidInputError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise InvalidInputError(
            "tables need pyarrow, which is not installed; pip install 'airflow-provider-criteo[parquet]'"
        )


def convert(
    source: File | Sequence[File],
    destination: File,
    *,
    report_type: str,
    output_format: str,
    attributes: Mapping[str, Any] | None = None,
    compression: str | None = None,
    column_types: Mapping[str, str] | None = None,
    columns: Sequence[str] | Mapping[str, str] | None = None,
    extra_columns: Mapping[str, object] | None = None,
) -> Table:
    """Make a table of a report's file.

    :param source: the whole file, as Criteo gave it; or several, the parts of one request, in its order.
    :param destination: where the table goes; a path has the whole table in the end, or what stood there before.
    :param report_type: an id of the catalogue.
    :param output_format: see ``TableOptions`` for this and the other options.
    :param attributes: of the request; with them the table has the same columns whatever the day's file holds: the
        dimensions and metrics asked for, in that order, then what else the file has.
    :raises InvalidInputError: an option cannot be right, a value does not fit its column's type, pyarrow is missing.
    :raises TableError: the file is cut, holds errors, or is no report.
    """
    options = TableOptions(output_format, compression, column_types, columns, extra_columns)
    return convert_with(source, destination, options, report_type=report_type, attributes=attributes)


def convert_with(
    source: File | Sequence[File],
    destination: File,
    options: TableOptions,
    *,
    report_type: str,
    attributes: Mapping[str, Any] | None = None,
) -> Table:
    """As ``convert``, with the options in one."""
    require_pyarrow()
    # Only who makes a table pays for importing pyarrow.
    from airflow_provider_criteo.api.tables import conversion

    with ExitStack() as stack:
        report = _joined(stack, source, report_type, attributes, options)
        target = stack.enter_context(_writable(destination))
        rows = conversion.write(iter(report), target, report.schema, options)
    return _facts(report, rows, options)


def _joined(
    stack: ExitStack,
    source: File | Sequence[File],
    report_type: str,
    attributes: Mapping[str, Any] | None,
    options: TableOptions,
) -> JoinedReports:
    from airflow_provider_criteo.api.tables import conversion

    files = source if isinstance(source, Sequence) and not isinstance(source, str) else [source]
    return conversion.JoinedReports(
        [
            conversion.TypedReport(stack.enter_context(_readable(file)), report_type, attributes, options)
            for file in files
        ]
    )


def read_report(
    source: File,
    report_type: str,
    attributes: Mapping[str, Any] | None = None,
    *,
    column_types: Mapping[str, str] | None = None,
    columns: Sequence[str] | Mapping[str, str] | None = None,
    extra_columns: Mapping[str, object] | None = None,
    buffer_size: int | None = None,
) -> pyarrow.RecordBatchReader:
    """Read a report's file as Arrow record batches: ``read_report(path, "statistics").read_pandas()``.

    :param buffer_size: bytes that are read at once; more, where a value of JSON or a row of CSV is longer. A row of CSV of
        more than 4 MiB needs a buffer of its size.
    :raises InvalidInputError: an option cannot be right, a value does not fit its column's type, pyarrow is missing.
    :raises TableError: the file is cut, holds errors, or is no report; while it is read, too.
    """
    options = TableOptions("parquet", None, column_types, columns, extra_columns)
    require_pyarrow()
    # Only who makes a table pays for importing pyarrow.
    import pyarrow

    from airflow_provider_criteo.api.tables import conversion

    with ExitStack() as stack:
        file = stack.enter_context(_readable(source))
        report = conversion.TypedReport(file, report_type, attributes, options, buffer_size)
        opened = stack.pop_all()

    def batches() -> Iterator[pyarrow.RecordBatch]:
        with opened:
            yield from report

    return pyarrow.RecordBatchReader.from_batches(report.schema, batches())


class DailyTables:
    """A report as a table for each day, made by ``convert_by_day``. Close it, or use it in a ``with`` statement.

    :ivar table: facts of all days together.
    :ivar days: each day of the range, in order, those without rows too.
    """

    def __init__(self, report: JoinedReports, kept: Days, days: Sequence[date], options: TableOptions) -> None:
        self.table = _facts(report, report.rows, options)
        self.days = tuple(days)
        self._report = report
        self._kept = kept
        self._options = options

    def write(self, day: date, destination: File) -> Table:
        """Write a day's table.

        :param destination: where it goes; a path has the whole table in the end, or what stood there before.
        """
        # Loaded when the report was read.
        from airflow_provider_criteo.api.tables import conversion

        with _writable(destination) as target:
            rows = conversion.write(self._kept.batches(day), target, self._kept.schema, self._options)
        return _facts(self._report, rows, self._options)

    def close(self) -> None:
        """Remove what was kept."""
        self._kept.close()

    def __enter__(self) -> DailyTables:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def convert_by_day(
    source: File | Sequence[File],
    options: TableOptions,
    *,
    partition_by: str,
    report_type: str,
    attributes: Mapping[str, Any],
) -> DailyTables:
    """Make a table for each day of a report: all of the file is read and checked before the first one is written.

    The days' rows wait in a temporary file, so that memory stays flat however many days there are and in whatever
    order their rows come::

        with convert_by_day("report.csv", TableOptions("parquet"), partition_by="Day", ...) as tables:
            for day in tables.days:
                tables.write(day, f"spend/{day}.parquet")

    :param partition_by: the name of a column of type date32.
    :param attributes: of the request, whose range has the days.
    :raises InvalidInputError: as ``convert``; ``partition_by`` is no date; the request tells no range.
    :raises TableError: as ``convert``; a row has no day, or one out of range.
    """
    require_pyarrow()
    # Only who makes a table pays for importing pyarrow.
    from airflow_provider_criteo.api.tables import conversion

    days = report_days(report_type, attributes)
    with ExitStack() as stack:
        report = _joined(stack, source, report_type, attributes, options)
        return DailyTables(report, conversion.Days(report, partition_by, days), days, options)


def report_days(report_type: str, attributes: Mapping[str, Any]) -> list[date]:
    """The days of a request's range, first and last included: a datetime's own day in its own zone; whole weeks where
    Criteo shifts the range to them.

    :raises InvalidInputError: ``startDate`` or ``endDate`` is missing or no date, or the end is before the start.
    """
    start, end = (_named_date(attributes, name) for name in ("startDate", "endDate"))
    in_weeks = limits_of(report_type).rows == "weeks"
    first, last = first_and_last_day(start, end, get_report_type(report_type), in_weeks=in_weeks)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _named_date(attributes: Mapping[str, Any], name: str) -> date:
    value = attributes.get(name)
    named = named_date(value)
    if named is None:
        raise InvalidInputError(
            f"attributes.{name}={value!r} is no date; partition_by needs the range that was asked for"
        )
    return named


def _facts(report: JoinedReports, rows: int, options: TableOptions) -> Table:
    return Table(
        rows=rows,
        columns=tuple({"name": column.name, "type": column.type} for column in report.layout.columns),
        schema_fingerprint=report.layout.fingerprint,
        unknown_columns=report.layout.unknown,
        source_shape=report.shape,
        output_format=options.output_format,
        compression=options.codec,
        source_rows=report.source_rows,
    )


def _readable(source: File) -> AbstractContextManager[IO[bytes]]:
    if isinstance(source, (str, os.PathLike)):
        return Path(source).open("rb")
    return nullcontext(source)


def _writable(destination: File) -> AbstractContextManager[IO[bytes]]:
    if isinstance(destination, (str, os.PathLike)):
        return atomic_file(Path(destination))
    return nullcontext(destination)
