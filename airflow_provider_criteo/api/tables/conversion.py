"""A report file -> typed rows -> a table's file. Imported only where a table is made, for pyarrow's sake."""

from __future__ import annotations

import codecs
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from airflow_provider_criteo import __version__
from airflow_provider_criteo.api.answers import is_markup
from airflow_provider_criteo.api.exceptions import InvalidInputError, TableError
from airflow_provider_criteo.api.tables.columns import Column, Layout, TableOptions, layout
from airflow_provider_criteo.api.tables.csv_report import CsvReport
from airflow_provider_criteo.api.tables.json_report import JsonReport
from airflow_provider_criteo.api.tables.values import arrow_type, constant, typed
from airflow_provider_criteo.api.tables.writers import open_writer

log = logging.getLogger(__name__)

ROW_GROUP_ROWS = 100_000
ROW_GROUP_BYTES = 32 * 1024 * 1024
_BATCH_BYTES = 4 * 1024 * 1024
# Not more: the rows of a buffer are looked at several times, and fit the processor's cache.
_JSON_BUFFER = 256 * 1024
_CSV_BLOCK = 1024 * 1024
# Not int64: Arrow takes 0x10 for 16.
_TYPES_OF_CSV = ("float64", "date32")


class TypedReport:
    """A report file's rows as Arrow record batches of one schema.

    :param file: binary, whole, able to seek; it stays open.
    :param buffer_size: bytes that are read at once.
    :raises TableError: the file is no report, or nothing tells its columns.
    :raises InvalidInputError: the options do not go with its columns.
    """

    def __init__(
        self,
        file: IO[bytes],
        report_type: str,
        attributes: Mapping[str, Any] | None,
        options: TableOptions,
        buffer_size: int | None = None,
    ) -> None:
        self.rows = 0
        self._report = _open(file, buffer_size)
        self.layout = layout(self._report.names, self._report.declared, report_type, attributes, options)
        if self.layout.unknown:
            log.warning("columns that Criteo does not document are text: %s", ", ".join(self.layout.unknown))
        for doubt in self.layout.doubts:
            log.warning("%s", doubt)
        for column in self.layout.columns:
            if column.is_constant:
                constant(column, 0)  # fits on a day without rows, too
        self.schema = pa.schema(
            [_field(column) for column in self.layout.columns],
            {"criteo.report_type": report_type, "criteo.provider_version": __version__},
        )

    @property
    def shape(self) -> str:
        """``csv``, ``empty``, or the shape of the JSON, which is certain when all is read."""
        return self._report.shape

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows, once.

        :raises TableError: the file is broken.
        :raises InvalidInputError: a value does not fit its column's type.
        """
        names = self._report.names
        sources = self.layout.sources(names)
        for found, columns in self._batches(sources):
            if found != names:
                names, sources = found, self.layout.sources(found)
            count = len(columns[0]) if columns else 0
            if count:
                yield self._typed(sources, columns, count)
            self.rows += count

    def _batches(self, sources: list[int | None]) -> Iterator[tuple[list[str], Sequence[Any]]]:
        if isinstance(self._report, JsonReport):
            return self._report.batches()
        types = {
            self._report.names[source]: arrow_type(column.type)
            for source, column in zip(sources, self.layout.columns, strict=True)
            if source is not None and column.type in _TYPES_OF_CSV
        }
        return self._report.batches(types)

    def _typed(self, sources: list[int | None], columns: Sequence[Any], count: int) -> pa.RecordBatch:
        arrays = [
            constant(column, count)
            if column.is_constant
            else pa.nulls(count, arrow_type(column.type))
            if source is None
            else typed(columns[source], column, self.rows + 1)
            for column, source in zip(self.layout.columns, sources, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


class JoinedReports:
    """Several reports' rows as those of one: the columns of the widest, null where another has none.

    :param reports: the parts of one request, in its order.
    """

    def __init__(self, reports: Sequence[TypedReport]) -> None:
        widest = max(reports, key=lambda report: len(report.layout.columns))
        self.layout, self.schema = widest.layout, widest.schema
        self._widest = widest
        self._reports = reports
        for report in reports:
            report.layout, report.schema = self.layout, self.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows, once.

        :raises TableError: a file is broken, or has a column that the widest has not.
        """
        for report in self._reports:
            yield from report

    @property
    def shape(self) -> str:
        """Of the widest; certain when all is read."""
        return self._widest.shape

    @property
    def rows(self) -> int:
        """How many were read."""
        return sum(self.source_rows)

    @property
    def source_rows(self) -> tuple[int, ...]:
        """How many were read of each."""
        return tuple(report.rows for report in self._reports)


def _open(file: IO[bytes], buffer_size: int | None) -> JsonReport | CsvReport:
    file.seek(0)
    start = file.read(1024)
    if is_markup(start):
        raise TableError("the file is a page of markup, no report")
    if start.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"["):
        return JsonReport(file, buffer_size or _JSON_BUFFER)
    return CsvReport(file, buffer_size or _CSV_BLOCK)


def _field(column: Column) -> pa.Field:
    metadata = {"criteo.additivity": column.additivity} if column.additivity else None
    return pa.field(column.name, arrow_type(column.type), metadata=metadata)


def row_groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The batches in tables of a row group's size."""
    return _tables(_larger(batches, schema), schema, ROW_GROUP_BYTES)


def _larger(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Fewer, larger batches: where columns are many and rows few, there is more about the values than there are values."""
    for table in _tables(batches, schema, _BATCH_BYTES):
        yield from table.combine_chunks().to_batches()


def _tables(batches: Iterator[pa.RecordBatch], schema: pa.Schema, most_bytes: int) -> Iterator[pa.Table]:
    """The batches in tables of about that size, of a row group's rows at most."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        del batch  # or it would stay while its table is used
        if rows >= ROW_GROUP_ROWS or size >= most_bytes:
            yield _drained(held, schema)
            rows = size = 0
    if held:
        yield _drained(held, schema)


def _drained(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """A table of the batches, which nobody else holds then."""
    table = pa.Table.from_batches(batches, schema)
    batches.clear()
    return table


def write(batches: Iterator[pa.RecordBatch], file: IO[bytes], schema: pa.Schema, options: TableOptions) -> int:
    """Write the rows; how many they were."""
    rows = 0
    with open_writer(file, schema, options) as writer:
        for table in row_groups(batches, schema):
            writer.write_table(table)
            rows += table.num_rows
            del table  # or it would stay while the next one is made
    return rows


class Days:
    """A report's rows day by day, in a temporary file, whatever their order in the report.

    :param report: whose rows.
    :param partition_by: the name of its date column.
    :param days: that there may be.
    :raises InvalidInputError: that column is none, or holds no date.
    :raises TableError: a row has no day, or one that is not among them.
    """

    def __init__(self, report: JoinedReports, partition_by: str, days: Sequence[date]) -> None:
        self.schema = report.schema
        self._column = _date_column(report.layout, partition_by)
        self._places: dict[date, list[int]] = {day: [] for day in days}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            self._keep(report)
            self._kept = pa.ipc.open_file(pa.PythonFile(self._file, "r"))
        except BaseException:
            self.close()
            raise

    def _keep(self, report: JoinedReports) -> None:
        place = 0
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(pa.PythonFile(self._file, "w"), self.schema, options=options) as file:
            for group in row_groups(iter(report), self.schema):
                # The sort is stable: a day's rows stay in the report's order.
                group = group.sort_by(self._column.name)
                start = 0
                for day, count in _counts(group[self._column.name]):
                    places = self._places_of(day)
                    for batch in group.slice(start, count).to_batches():
                        file.write_batch(batch)
                        places.append(place)
                        place += 1
                    start += count
                del group  # or it would stay while the next one is made

    def _places_of(self, day: date | None) -> list[int]:
        if day in self._places:
            return self._places[day]
        held = "no date" if day is None else f"the day {day}"
        raise TableError(
            f"a row has {held} in column {self._column.name!r}, outside the days asked for, {min(self._places)} to "
            f"{max(self._places)}; it would be lost, or take another day's place"
        )

    def batches(self, day: date) -> Iterator[pa.RecordBatch]:
        """The day's rows, in the report's order."""
        return (self._kept.get_batch(place) for place in self._places[day])

    def close(self) -> None:
        """Give the temporary file back."""
        self._file.close()


def _counts(values: pa.ChunkedArray) -> list[tuple[date | None, int]]:
    """Each value in the order in which they come first, and how often it comes."""
    return [(value.as_py(), count.as_py()) for value, count in zip(*pc.value_counts(values).flatten(), strict=True)]


def _date_column(layout: Layout, partition_by: str) -> Column:
    column = layout.named(partition_by)
    if column is None:
        dates = [column.name for column in layout.columns if column.type == "date32"]
        raise InvalidInputError(
            f"partition_by={partition_by!r} is no column of the table; its dates: {', '.join(dates) or 'none'}"
        )
    if column.type != "date32":
        raise InvalidInputError(
            f"partition_by={partition_by!r} is a column of type {column.type}; allowed: one of type date32, "
            f"which column_types={{{column.source!r}: 'date32'}} may make of it"
        )
    return column
