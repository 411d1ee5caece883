"""A CSV report: quoted or bare, with commas or semicolons, with or without a byte order mark, any line ends."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from math import isfinite
from threading import Lock
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from airflow_provider_criteo.api.exceptions import TableError

# Not pa.scalar(), which imports pandas where that is installed.
_QUOTE = pa.Array.from_buffers(pa.uint8(), 1, [None, pa.py_buffer(b'"')])[0]
_HEAD = 1024 * 1024
_LARGEST_BLOCK = 4 * 1024 * 1024
_FIRST_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|$)")


class CsvReport:
    """A CSV report's rows as columns.

    :param file: binary, whole, able to seek.
    :param block_size: bytes that are read at once; twice as many, and so on, where a row does not fit.
    :ivar names: of the columns, by its first line; none in an empty file.
    :raises TableError: there are rows and no names.
    """

    declared: Mapping[str, str] = {}

    def __init__(self, file: IO[bytes], block_size: int) -> None:
        file.seek(0)
        head = file.read(_HEAD)
        line, end = _FIRST_LINE.match(head).groups()  # type: ignore[union-attr] # it matches any text
        self._file = file
        self._block_size = block_size
        self._start = len(line) + len(end)
        try:
            text = line.decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise TableError(f"the file's first line is not UTF-8 ({error.reason}): no CSV") from None
        self._delimiter = max(",;", key=lambda delimiter: len(_cells(text, delimiter)))
        self.names = _cells(text, self._delimiter)
        # A blank line is a row of a single column, and none of several.
        self._has_blank_rows = len(self.names) == 1
        behind = head[self._start :]
        self._has_rows = bool(behind if self._has_blank_rows else behind.strip())
        if self._has_rows and not self.names:
            raise TableError("the file's first line is blank, where a CSV has the names of its columns")
        self.shape = "csv" if self.names else "empty"

    def batches(self, types: Mapping[str, pa.DataType]) -> Iterator[tuple[list[str], Sequence[Any]]]:
        """The names of columns, and the columns of some rows.

        :param types: what Arrow may make of columns at once, as long as all their values are in its own words; what
            comes after one that is not is text.
        :raises TableError: the file is cut or broken.
        """
        rows, block_size = 0, self._block_size
        while self._has_rows:
            try:
                for batch in _behind(rows, self._read(types, block_size)):
                    rows += batch.num_rows
                    yield self.names, batch.columns
                return
            except pa.ArrowInvalid as error:
                is_too_long = "straddl" in str(error)
                if is_too_long and block_size < _LARGEST_BLOCK:
                    block_size *= 2
                elif types:
                    types = {}
                elif not is_too_long:
                    raise TableError(f"the report's CSV is broken or cut: {error}; download it again") from None
                else:
                    raise TableError(
                        f"the report's CSV has a row of more than {block_size} bytes, or a quote that nothing closes; "
                        "download it again, or, where a row is that long, read_report it with a larger buffer_size"
                    ) from None

    def _read(self, types: Mapping[str, pa.DataType], block_size: int) -> Iterator[pa.RecordBatch]:
        with (
            closing(_Reading(self._file, self._start)) as reading,
            pa.csv.open_csv(
                pa.PythonFile(reading, "r"),
                pa.csv.ReadOptions(column_names=self.names, block_size=block_size),
                pa.csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=True, ignore_empty_lines=not self._has_blank_rows
                ),
                # ,, is null and ,"", is not.
                pa.csv.ConvertOptions(
                    column_types={**dict.fromkeys(self.names, pa.string()), **types},
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            ) as reader,
        ):
            for batch in reader:
                _require_finite(batch)
                yield batch
        if reading.quotes % 2:
            self._check_last_quote()

    def _check_last_quote(self) -> None:
        """Arrow takes a file that ends within quotes as it is."""
        self._file.seek(self._start)
        text = io.TextIOWrapper(self._file, "utf-8", newline="")
        try:
            with _longest_fields():
                for _ in csv.reader(text, delimiter=self._delimiter, strict=True):
                    pass
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise TableError("the report's CSV ends within a quoted value; download it again") from None
        finally:
            text.detach()


_field_size_limit = Lock()


@contextmanager
def _longest_fields() -> Iterator[None]:
    """Let a field be of any length: csv's limit is the process's."""
    with _field_size_limit:
        usual = csv.field_size_limit(2**31 - 1)
        try:
            yield
        finally:
            csv.field_size_limit(usual)


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


class _Reading:
    """A file from some place on, as Arrow reads it: ahead, by a thread of its own that outlives Arrow's reader.

    :ivar quotes: how many were read; where a file is cut, they may not be paired.
    """

    closed = False

    def __init__(self, file: IO[bytes], start: int) -> None:
        file.seek(start)
        self._file: IO[bytes] | None = file
        self._lock = Lock()
        self._last = b""
        self.quotes = 0

    def read(self, size: int = -1) -> bytes:
        """As a file's; nothing after ``close()``."""
        with self._lock:
            chunk = b"" if self._file is None else self._read(self._file, size)
        # Arrow counts them in half the time that bytes.count() takes.
        characters = pa.Array.from_buffers(pa.uint8(), len(chunk), [None, pa.py_buffer(chunk)])
        self.quotes += pc.equal(characters, _QUOTE).true_count
        return chunk

    def _read(self, file: IO[bytes], size: int) -> bytes:
        chunk = _whole_line_ends(file, size)
        if not chunk and self._last not in b"\r\n":
            chunk = b"\n"  # where a file ends without, Arrow takes an empty cell after a quoted one for quoted
        self._last = chunk[-1:]
        return chunk

    def close(self) -> None:
        """Let go of the file, which stays open: no read of it is under way, and none will be."""
        with self._lock:
            self._file = None


def _whole_line_ends(file: IO[bytes], size: int) -> bytes:
    """As many bytes of a file, or more, so that no line end is split."""
    chunk = file.read(size)
    # Arrow drops a \n that begins a block after one that ends in \r, within quotes, too.
    while chunk.endswith(b"\r") and (more := file.read(size)):
        chunk += more
    return chunk


def _behind(rows: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches without the first rows."""
    for batch in batches:
        if rows < batch.num_rows:
            yield batch.slice(rows)
        rows -= min(rows, batch.num_rows)


def _require_finite(batch: pa.RecordBatch) -> None:
    """A number that a double cannot hold becomes infinite without an error: its text is looked at, then."""
    for column in batch.columns:
        if pa.types.is_floating(column.type) and not isfinite(pc.sum(column).as_py() or 0.0):
            raise pa.ArrowInvalid
