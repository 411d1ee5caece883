"""Report files: rows in each of Criteo's formats, as long as one likes in flat memory."""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import accumulate
from typing import Any

from airflow_provider_criteo.api import dictionary
from airflow_provider_criteo.api.reports import ReportType
from airflow_provider_criteo.sandbox.families import Family
from airflow_provider_criteo.sandbox.report_rows import Column, Rows
from airflow_provider_criteo.sandbox.settings import Settings

CHUNK = 1024 * 1024
_DIFFERENT_ROWS = 1_000
_COUNT = "\0"
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)

_SHAPES = {"json": None, "json-compact": "columns", "json-newline": "lines"}


@dataclass(frozen=True)
class ReportFile:
    """A file: a head, rows that repeat, a tail.

    :param content_type: its media type.
    :param head: the bytes before the first row.
    :param block: some rows, each with the separator before it.
    :param separator: what stands between two rows.
    :param middle: bytes of all rows, less the first separator.
    :param tail: the bytes after the last row.
    :param rows: how many rows.
    """

    content_type: str
    head: bytes
    block: bytes
    separator: bytes
    middle: int
    tail: bytes
    rows: int

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self.head) + self.middle + len(self.tail)

    @cached_property
    def md5(self) -> str:
        """Checksum of all its bytes."""
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()

    @cached_property
    def _unit(self) -> bytes:
        """The block, often enough for large writes."""
        if self.middle <= len(self.block):
            return self.block
        return self.block * max(1, -(-CHUNK // len(self.block)))

    def chunks(self, end: int | None = None) -> Iterator[bytes]:
        """Its bytes, up to ``end``, in large pieces; whole pieces are one and the same object."""
        left = self.size if end is None else end
        for piece in self._pieces():
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    def _pieces(self) -> Iterator[bytes]:
        yield self.head
        offset, left = len(self.separator), self.middle
        while left:
            piece = self._unit[offset : offset + left]
            yield piece
            offset, left = 0, left - len(piece)
        yield self.tail


def report_file(row: ReportType, family: Family, attributes: dict[str, Any], settings: Settings) -> ReportFile:
    """The file of a job, from the attributes of its request."""
    format_ = str(attributes.get(row.format_attribute or "") or row.formats[0]).lower()
    rows = Rows(row, family, attributes, settings.row_cap)
    count = rows.count if settings.file_rows is None else settings.file_rows
    different = _DIFFERENT_ROWS if settings.file_bytes is not None else min(count, max(_DIFFERENT_ROWS, rows.count))
    records = (rows.values(number) for number in range(different))
    if format_ == "csv":
        layout = _csv(family, rows.columns, records)
        content_type = settings.csv_content_type or family.csv_content_type
    else:
        shape = settings.json_shape or (family.json_shape if family.json_shape == "pretty" else _SHAPES.get(format_))
        layout = _json(shape or family.json_shape, rows.columns, records, attributes)
        content_type = family.json_content_type
    return _assembled(content_type, layout, count, settings.file_bytes)


@dataclass(frozen=True)
class _Layout:
    """How a file is put together; where the tail or the head tells how many rows there are, ``_COUNT`` stands."""

    head: str
    rows: Sequence[bytes]
    separator: bytes
    tail: str


def _assembled(content_type: str, layout: _Layout, count: int, least_bytes: int | None) -> ReportFile:
    separator = layout.separator
    rows = [separator + row for row in layout.rows]
    ends = [0, *accumulate(map(len, rows))]
    if least_bytes is not None:
        blocks, rest = divmod(least_bytes + len(separator), ends[-1])
        count = blocks * len(rows) + bisect_left(ends, rest)
    blocks, rest = divmod(count, len(rows)) if rows else (0, 0)
    middle = max(0, blocks * ends[-1] + ends[rest] - len(separator))
    head, tail = (text.replace(_COUNT, str(count)).encode() for text in (layout.head, layout.tail))
    return ReportFile(content_type, head, b"".join(rows), separator, middle, tail, count)


def _csv(family: Family, columns: Sequence[Column], records: Iterable[Sequence[Any]]) -> _Layout:
    quoted = [re.fullmatch(family.csv_quoted, column.name) is not None for column in columns]
    names = [_quoted(column.name) if family.csv_header_quoted else column.name for column in columns]
    lines = (
        ",".join(_csv_cell(value, quote=quote) for value, quote in zip(record, quoted, strict=True))
        for record in records
    )
    return _Layout(",".join(names) + "\n", [f"{line}\n".encode() for line in lines], b"", "")


def _csv_cell(value: Any, *, quote: bool) -> str:
    """Null is nothing, an empty text two quotes; others are quoted only where they have to."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else _dumped(value)
    return _quoted(text) if quote or not text or re.search('[",\r\n]', text) else text


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _json(
    shape: str, columns: Sequence[Column], records: Iterable[Sequence[Any]], attributes: dict[str, Any]
) -> _Layout:
    names = [_dumped(column.name) for column in columns]
    rows = [_row(shape, names, [_dumped(value) for value in record]).encode() for record in records]
    all_names = _dumped([column.name for column in columns])
    described = _dumped([_described(column, attributes) for column in columns])
    head, tail = {
        "array": ("[", "]"),
        "lines": ("", ""),
        "pretty": ("", ""),
        "metadata": ('{"data":[', '],"metadata":{"columns":' + all_names + f',"rows":{_COUNT}}}}}'),
        "wrapped": ('{"data":{"metadata":{"columns":' + described + f',"rows":{_COUNT}}},"data":[', "]}}"),
        "resource": (
            '{"data":{"type":"ProductReportData","attributes":{"columns":' + all_names + ',"data":[',
            f'],"rows":{_COUNT}}}}},"errors":[],"warnings":[]}}',
        ),
        "columns": ('{"columns":' + all_names + ',"data":[', f'],"rows":{_COUNT}}}'),
    }[shape]
    return _Layout(head, rows, b"," if head else b"", tail)


def _row(shape: str, names: list[str], cells: list[str]) -> str:
    if shape == "pretty":
        return "{\n" + ",\n".join(f"    {name}: {cell}" for name, cell in zip(names, cells, strict=True)) + "\n}\n"
    if shape in ("array", "lines"):
        row = "{" + ",".join(f"{name}:{cell}" for name, cell in zip(names, cells, strict=True)) + "}"
        return f"{row}\n" if shape == "lines" else row
    return f"[{','.join(cells)}]"


def _described(column: Column, attributes: dict[str, Any]) -> dict[str, Any]:
    """A column as the file itself tells it, in the words of Criteo's samples: ids and days are a String, numbers or not."""
    if column.period or column.is_time:
        zone = attributes.get("timezone") or "UTC"
        return {"name": column.name, "type": "String", "role": "Interval", "timezone": zone}
    if not column.is_metric:
        return {"name": column.name, "type": "String", "role": "Dimension"}
    if column.type == "float64" and dictionary.additivity(column.name) != "ratio":
        currency = attributes.get("currency") or "EUR"
        return {"name": column.name, "type": "Money", "role": "Metric", "currency": currency}
    return {"name": column.name, "type": "Number", "role": "Metric"}


def _dumped(value: Any) -> str:
    """JSON as Criteo's samples have it: UTF-8, and every digit of a number."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return _ENCODER.encode(value)
