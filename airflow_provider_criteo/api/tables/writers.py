"""Typed rows -> Parquet, JSON Lines or CSV."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, Protocol, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from airflow_provider_criteo.api.tables.columns import TableOptions

_JSON_ROWS = 10_000
_GZIP_LEVEL = 6


class TableWriter(Protocol):
    """What takes a table's rows, some at a time."""

    def write_table(self, table: pa.Table) -> None:
        """Write them."""


@contextmanager
def open_writer(file: IO[bytes], schema: pa.Schema, options: TableOptions) -> Iterator[TableWriter]:
    """A writer of the format that was asked for; the file is whole when the block ends, and stays open."""
    with ExitStack() as stack:
        if options.output_format == "parquet":
            yield stack.enter_context(pa.parquet.ParquetWriter(file, schema, compression=options.codec))
            return
        if options.codec == "gzip":
            # No time in it: the same rows make the same bytes.
            packed = gzip.GzipFile("", "wb", _GZIP_LEVEL, fileobj=file, mtime=0)
            file = stack.enter_context(cast("IO[bytes]", packed))
        if options.output_format == "csv":
            yield stack.enter_context(pa.csv.CSVWriter(pa.PythonFile(_LeftOpen(file), "w"), schema))
        else:
            yield _JsonLinesWriter(file, schema)


class _LeftOpen:
    """A file that Arrow may write to and not close."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write

    def flush(self) -> None:
        """Its owner does."""

    def close(self) -> None:
        """Its owner does."""


class _JsonLinesWriter:
    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._file = file
        names = [json.dumps(name, ensure_ascii=False) for name in schema.names]
        self._before = [("," if place else "{") + name + ":" for place, name in enumerate(names)]

    def write_table(self, table: pa.Table) -> None:
        """Write them, a line each."""
        for start in range(0, table.num_rows, _JSON_ROWS):
            part = table.slice(start, _JSON_ROWS).combine_chunks()
            pieces: list[Any] = []
            for before, column in zip(self._before, part.columns, strict=True):
                pieces += [before, _json_values(column)]
            lines = pc.binary_join_element_wise(*pieces, "}\n", "")
            self._file.write("".join(lines.to_pylist()).encode())


def _json_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each value's JSON text; decimals keep all their digits."""
    kind = column.type
    if (
        pa.types.is_integer(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_floating(kind)
    ):
        texts = pc.cast(column, pa.string())
        if pa.types.is_floating(kind) and pc.all(pc.is_finite(column)).as_py() is False:
            # JSON has no number for it.
            texts = pc.if_else(pc.is_finite(column), texts, pc.binary_join_element_wise('"', texts, '"', ""))
        return pc.fill_null(texts, "null")
    texts = pc.cast(column, pa.string()).to_pylist()
    return pa.chunked_array([pa.array([json.dumps(text, ensure_ascii=False) for text in texts], pa.string())])
