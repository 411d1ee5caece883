"""Report files in every shape that Criteo documents, made from rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

Rows = Sequence[Sequence[Any]]


def _dumped(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)


def _objects(names: Sequence[str], rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def _described(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"name": name, "type": "String", "role": "Dimension"} for name in names]


def _csv(
    names: Sequence[str], rows: Rows, *, delimiter: str = ",", end: str = "\n", header_quoted: bool = False
) -> str:
    def cell(value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        return "" if value is None else '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)

    header = [f'"{name}"' if header_quoted else name for name in names]
    return end.join([delimiter.join(header), *(delimiter.join(map(cell, row)) for row in rows)]) + end


SHAPES: dict[str, Callable[[Sequence[str], Rows], str]] = {
    "array": lambda names, rows: _dumped(_objects(names, rows), separators=(",", ":")),
    "array, pretty": lambda names, rows: "\n" + _dumped(_objects(names, rows), indent=2) + "\n",
    "array, escaped": lambda names, rows: json.dumps(_objects(names, rows)),
    "lines": lambda names, rows: "".join(_dumped(row) + "\n" for row in _objects(names, rows)),
    "lines, pretty": lambda names, rows: "".join(_dumped(row, indent=4) + "\r\n" for row in _objects(names, rows)),
    "compact": lambda names, rows: _dumped({"columns": names, "data": rows, "rows": len(rows)}),
    "compact, rows first": lambda names, rows: _dumped({"rows": len(rows), "columns": names, "data": rows}, indent=1),
    "compact, columns last": lambda names, rows: _dumped({"data": rows, "rows": len(rows), "columns": names}),
    "metadata": lambda names, rows: _dumped({"data": rows, "metadata": {"columns": names, "rows": len(rows)}}),
    "metadata first": lambda names, rows: _dumped({"metadata": {"rows": len(rows), "columns": names}, "data": rows}),
    "wrapped": lambda names, rows: _dumped(
        {"data": {"metadata": {"columns": _described(names), "rows": len(rows)}, "data": rows}}
    ),
    "wrapped, metaData behind": lambda names, rows: _dumped(
        {"data": {"data": rows, "metaData": {"rows": len(rows), "columns": _described(names)}}}
    ),
    "resource": lambda names, rows: _dumped(
        {
            "data": {
                "type": "ProductReportData",
                "attributes": {"columns": names, "data": rows, "rows": len(rows)},
            },
            "errors": [],
            "warnings": [],
        }
    ),
    "csv": _csv,
    "csv, header quoted": lambda names, rows: _csv(names, rows, header_quoted=True),
    "csv, semicolons": lambda names, rows: _csv(names, rows, delimiter=";"),
    "csv, BOM and CRLF": lambda names, rows: "\ufeff" + _csv(names, rows, end="\r\n"),
}
"""Name -> (names of columns, rows) -> the file's text. Values are text, numbers, booleans and None."""

JSON_SHAPES = {name: make for name, make in SHAPES.items() if not name.startswith("csv")}
