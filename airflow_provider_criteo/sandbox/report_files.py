"""Report files: plausible rows for what was asked, the same each time, as long as one likes in flat memory."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from typing import Any
from zlib import crc32

from airflow_provider_criteo.api.reports import ReportType
from airflow_provider_criteo.sandbox.families import Family
from airflow_provider_criteo.sandbox.settings import Settings

CHUNK = 1024 * 1024
_DIFFERENT_ROWS = 1_000

_SHAPES = {"json": None, "json-compact": "columns", "json-newline": "lines"}
_DATES = ("date", "day", "week", "month", "year", "hour", "minute")
_RATES = ("rate", "ctr", "roas", "share", "cvr", "acos", "frequency")
_AMOUNTS = ("cost", "spend", "sales", "revenue", "price", "cpc", "cpm", "amount", "budget")


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
    def etag(self) -> str:
        """Names these bytes."""
        named = b"\0".join((self.head, self.block, str(self.middle).encode(), self.tail))
        return f'"{hashlib.sha256(named).hexdigest()[:32]}"'

    @cached_property
    def _unit(self) -> bytes:
        """The block, often enough for large writes."""
        if self.middle <= len(self.block):
            return self.block
        return self.block * max(1, -(-CHUNK // len(self.block)))

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Its bytes from ``start`` up to ``end``, in large pieces; whole pieces are one and the same object."""
        end = self.size if end is None else end
        rows_from, rows_to = len(self.head), len(self.head) + self.middle
        if start < rows_from:
            yield self.head[start : min(end, rows_from)]
        at = max(start, rows_from)
        stop = min(end, rows_to)
        while at < stop:
            offset = (at - rows_from + len(self.separator)) % len(self._unit)
            length = min(len(self._unit) - offset, stop - at)
            yield self._unit if length == len(self._unit) else self._unit[offset : offset + length]
            at += length
        if end > rows_to:
            yield self.tail[max(0, start - rows_to) : end - rows_to]


def report_file(row: ReportType, family: Family, attributes: dict[str, Any], settings: Settings) -> ReportFile:
    """The file of a job, from the attributes of its request."""
    format_ = str(attributes.get(row.format_attribute or "") or family.default_format).lower()
    columns, dimensions = _columns(family, attributes)
    wanted = _DIFFERENT_ROWS if settings.file_bytes is not None else min(settings.file_rows, _DIFFERENT_ROWS)
    records = [_record(number, columns, dimensions, attributes) for number in range(wanted)]
    if format_ == "csv":
        rows = [_csv_line(record) for record in records]
        return _assembled(
            settings.csv_content_type or family.csv_content_type,
            lambda count: (_csv_line(columns, quoted=True), b""),
            b"",
            rows,
            settings,
        )
    shape = settings.json_shape or _SHAPES.get(format_) or family.json_shape
    separator = b"\n" if shape == "lines" else b","
    if shape in ("array", "lines"):
        rows = [_dumped(dict(zip(columns, record, strict=True))) for record in records]
    else:
        rows = [_dumped(record) for record in records]
    return _assembled(
        family.json_content_type,
        lambda count: _around(shape, columns, dimensions, count, attributes),
        separator,
        rows,
        settings,
    )


def _assembled(
    content_type: str, around: Any, separator: bytes, rows: Sequence[bytes], settings: Settings
) -> ReportFile:
    block = b"".join(separator + row for row in rows)
    count = settings.file_rows
    if settings.file_bytes is not None:
        count = -(-settings.file_bytes * len(rows) // len(block)) + 1
    whole, rest = divmod(count, len(rows)) if rows else (0, 0)
    middle = whole * len(block) + sum(len(separator) + len(row) for row in rows[:rest])
    head, tail = around(count)
    return ReportFile(
        content_type, head, block, separator, max(0, middle - len(separator)) if count else 0, tail, count
    )


def _around(
    shape: str, columns: list[str], dimensions: int, count: int, attributes: dict[str, Any]
) -> tuple[bytes, bytes]:
    """What stands before and after the rows of a JSON file."""
    names = _dumped(columns)
    if shape == "array":
        return b"[", b"]"
    if shape == "lines":
        return b"", b"\n" if count else b""
    if shape == "metadata":
        return b'{"data":[', b'],"metadata":{"columns":%s,"rows":%d}}' % (names, count)
    if shape == "wrapped":
        described = _dumped([_column(name, index < dimensions, attributes) for index, name in enumerate(columns)])
        return b'{"data":{"metadata":{"columns":%s,"rows":%d},"data":[' % (described, count), b"]}}"
    if shape == "resource":
        head = b'{"data":{"type":"ProductReportData","attributes":{"columns":%s,"data":[' % names
        return head, b'],"rows":%d}},"errors":[],"warnings":[]}' % count
    return b'{"columns":%s,"data":[' % names, b'],"rows":%d}' % count


def _column(name: str, is_dimension: bool, attributes: dict[str, Any]) -> dict[str, Any]:
    if is_dimension:
        kind = "Date" if _is_date(name) else "String"
        return {"name": name, "type": kind, "role": "Dimension", "timezone": attributes.get("timezone") or "UTC"}
    if _has(name, _AMOUNTS):
        return {"name": name, "type": "Money", "role": "Metric", "currency": attributes.get("currency") or "EUR"}
    return {"name": name, "type": "Number", "role": "Metric"}


def _columns(family: Family, attributes: dict[str, Any]) -> tuple[list[str], int]:
    dimensions = (
        _names(attributes.get("dimensions")) or _names([attributes.get("dimension")]) or list(family.dimensions)
    )
    metrics = _names(attributes.get("metrics")) or list(family.metrics)
    return dimensions + metrics, len(dimensions)


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _record(number: int, columns: list[str], dimensions: int, attributes: dict[str, Any]) -> list[Any]:
    return [
        _dimension(name, number, attributes) if index < dimensions else _metric(name, number)
        for index, name in enumerate(columns)
    ]


def _dimension(name: str, number: int, attributes: dict[str, Any]) -> Any:
    if _is_date(name):
        return _moment(name, number, attributes)
    stem = name[0].lower() + name[1:]
    if stem.endswith("Id"):
        asked = _asked_ids(stem, attributes)
        return asked[number % len(asked)] if asked else str(crc32(stem.encode()) % 90000 + 10000 + number % 97)
    words = stem.removesuffix("Name") or stem
    return f"{words[0].upper()}{words[1:]} {number % 97 + 1}"


def _asked_ids(stem: str, attributes: dict[str, Any]) -> list[str]:
    filters = attributes.get("filters")
    for source in (attributes, filters if isinstance(filters, dict) else {}):
        for key in (f"{stem}s", stem, f"{stem}Filter"):
            value = source.get(key)
            values = value if isinstance(value, list) else [value]
            if any(isinstance(item, (str, int)) for item in values):
                return [str(item) for item in values if isinstance(item, (str, int))]
    return []


def _moment(name: str, number: int, attributes: dict[str, Any]) -> str:
    start, days = _range(attributes)
    day = start + timedelta(days=number % days)
    kind = name.lower()
    if kind.endswith("year"):
        return f"{day:%Y}"
    if kind.endswith("month"):
        return f"{day:%Y-%m}"
    if kind.endswith("week"):
        return (day - timedelta(days=day.weekday())).isoformat()
    if kind.endswith("hour"):
        return f"{day.isoformat()}T{number % 24:02}:00:00Z"
    if kind.endswith("minute"):
        return f"{day.isoformat()}T{number // 60 % 24:02}:{number % 60:02}:00Z"
    return day.isoformat()


def _range(attributes: dict[str, Any]) -> tuple[date, int]:
    def parsed(value: Any, default: date) -> date:
        try:
            return date.fromisoformat(str(value)[:10])
        except ValueError:
            return default

    today = datetime.now(timezone.utc).date()
    end = parsed(attributes.get("endDate"), today)
    start = parsed(attributes.get("startDate"), end)
    return start, max(1, (end - start).days + 1)


def _metric(name: str, number: int) -> float | int:
    value = crc32(f"{name}{number}".encode())
    if _has(name, _RATES):
        return value % 10_000 / 10_000
    if _has(name, _AMOUNTS):
        return value % 1_000_000 / 100
    return value % 10_000


def _has(name: str, words: Sequence[str]) -> bool:
    lower = name.lower()
    return any(word in lower for word in words)


def _is_date(name: str) -> bool:
    return name.lower().endswith(_DATES)


def _csv_line(values: Sequence[Any], *, quoted: bool = False) -> bytes:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL, lineterminator="\n").writerow(values)
    return line.getvalue().encode()


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
