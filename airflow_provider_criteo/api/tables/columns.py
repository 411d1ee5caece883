"""Which columns a report's table has and which types they have: from names alone, never from a day's values."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from airflow_provider_criteo.api import dictionary
from airflow_provider_criteo.api.attributes import dimensions_of, names_in
from airflow_provider_criteo.api.dictionary import known_type, of_report_type, other_names
from airflow_provider_criteo.api.exceptions import (
    InvalidInputError,
    TableError,
    UnknownColumnsError,
    choices,
    require_choice,
)
from airflow_provider_criteo.api.limits import limits_of
from airflow_provider_criteo.api.reports import get_report_type

COMPRESSIONS: Mapping[str, tuple[str, ...]] = {
    "parquet": ("zstd", "snappy", "gzip", "none"),
    "jsonl": ("none", "gzip"),
    "csv": ("none", "gzip"),
}
"""The output formats, and how each may be compressed, its default first."""

COLUMN_TYPES = ("string", "int64", "float64", "bool", "date32", "timestamp[us, UTC]", "decimal128(38, 9)")
"""What ``column_types`` may say; a decimal may have any precision up to 38 and any scale up to its precision."""

_DECIMAL = re.compile(r"decimal128\((\d{1,2}), ?(\d{1,2})\)")
# A bool is an int, and a datetime a date.
_OWN_TYPES: Sequence[tuple[type, str]] = (
    (bool, "bool"),
    (int, "int64"),
    (float, "float64"),
    (Decimal, "decimal128(38, 9)"),
    (datetime, "timestamp[us, UTC]"),
    (date, "date32"),
)
_CONSTANTS = (str, int, float, Decimal, date, type(None))


@dataclass(frozen=True)
class TableOptions:
    """How a report becomes a table.

    :param output_format: ``"parquet"``, ``"jsonl"`` or ``"csv"`` (comma, UTF-8, a header, quoted as in RFC 4180).
    :param compression: of Parquet ``"zstd"`` (default), ``"snappy"``, ``"gzip"`` or ``"none"``; else ``"none"``
        (default) or ``"gzip"``.
    :param column_types: name -> one of ``COLUMN_TYPES``; goes before the dictionary.
    :param columns: a list: the table has exactly these, in this order, null where the report lacks one; a dict:
        the report's names -> the table's.
    :param extra_columns: name -> a constant, for each row; its type is found as every column's, by its name, or is
        the value's own.
    :raises InvalidInputError: one of them cannot be right.
    """

    output_format: str = "parquet"
    compression: str | None = None
    column_types: Mapping[str, str] | None = None
    columns: Sequence[str] | Mapping[str, str] | None = None
    extra_columns: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        require_choice("output_format", self.output_format, COMPRESSIONS)
        allowed = COMPRESSIONS[self.output_format]
        if self.compression is not None:
            require_choice(f"output_format={self.output_format!r}, compression", self.compression, allowed)
        _check_column_types(self.column_types)
        _check_columns(self.columns)
        _check_extra_columns(self.extra_columns)

    @property
    def codec(self) -> str:
        """The compression, the format's own where none was named."""
        return self.compression or COMPRESSIONS[self.output_format][0]


def decimal_shape(type_name: str) -> tuple[int, int] | None:
    """Precision and scale of a decimal type's name; None for any other."""
    found = _DECIMAL.fullmatch(type_name)
    if found is None or not int(found[2]) <= int(found[1]) <= 38 or not int(found[1]):
        return None
    return int(found[1]), int(found[2])


def _require_mapping(name: str, value: object, example: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{name}={value!r} is a {type(value).__name__}; allowed: a dict such as {example}")
    for key in value:
        if not isinstance(key, str) or not key:
            raise InvalidInputError(f"{name} has the key {key!r}; allowed: names of columns, as text")
    return value


def _check_column_types(value: object) -> None:
    if value is None:
        return
    for name, type_name in _require_mapping("column_types", value, '{"Hour": "int64"}').items():
        if type_name not in COLUMN_TYPES and not (isinstance(type_name, str) and decimal_shape(type_name)):
            raise InvalidInputError(
                f"column_types[{name!r}]={type_name!r} is no type of a column; {choices(type_name, COLUMN_TYPES)}"
            )


def _check_columns(value: object) -> None:
    if value is None:
        return
    if isinstance(value, Mapping):
        names: list[Any] = list(_require_mapping("columns", value, '{"Day": "day"}').values())
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and value:
        names = list(value)
    else:
        raise InvalidInputError(
            f"columns={value!r} is no list of names; allowed: a list of the table's columns, or a dict that renames"
        )
    for name in names:
        if not isinstance(name, str) or not name:
            raise InvalidInputError(f"columns has {name!r}; allowed: names of columns, as text")
    _require_unique("columns", names)


def _check_extra_columns(value: object) -> None:
    if value is None:
        return
    for name, constant in _require_mapping("extra_columns", value, '{"day": "2026-10-01"}').items():
        if not isinstance(constant, _CONSTANTS):
            raise InvalidInputError(
                f"extra_columns[{name!r}]={constant!r} is a {type(constant).__name__}; allowed: text, a number, a "
                "boolean, a date, a datetime, None"
            )


def _require_unique(field_name: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidInputError(f"{field_name}: the table would have the column {name!r} twice")
        seen.add(name)


def expected_columns(report_type: str, attributes: Mapping[str, Any]) -> list[str]:
    """The columns that a request's file has, spelled as the table has them; none where the request does not tell.

    :param attributes: of the create; dimensions come before metrics, each in the order asked for.
    """
    asked = dimensions_of(attributes)
    metrics = names_in(attributes.get("metrics")) or list(of_report_type("default_metrics", report_type))
    # Without metrics, the dimensions that come unasked are not all of the columns.
    dimensions = limits_of(report_type).dimensions(attributes) if asked or metrics else []
    names = [*(dimensions or _fixed_columns(report_type)), *metrics]
    if dictionary.is_camel_case(report_type):
        names = [name[:1].lower() + name[1:] for name in names]
    return list(dict.fromkeys([*names, *of_report_type("added", report_type)])) if names else []


def _fixed_columns(report_type: str) -> list[str]:
    """The columns of the report types that cannot be asked for any."""
    row = get_report_type(report_type)
    asks = {"dimensions", "dimension"} & set(row.attributes)
    return [] if asks else list(of_report_type("output_only", report_type))


@dataclass(frozen=True)
class Column:
    """A column of the table.

    :param name: in the table.
    :param type: one of ``COLUMN_TYPES``.
    :param source: its name in the report.
    :param is_constant: whether it comes from ``extra_columns``.
    :param constant: its value then.
    """

    name: str
    type: str
    source: str
    is_constant: bool = False
    constant: object = None

    @property
    def additivity(self) -> str | None:
        """Whether a metric adds up, in the dictionary's words; None for what is no metric."""
        return None if self.is_constant else dictionary.additivity(self.source)


@dataclass(frozen=True)
class Layout:
    """The columns of a report's table, and where each comes from.

    :param columns: of the table, in its order.
    :param report_type: whose names may also be spelled as they were before Criteo renamed them.
    :param pinned: whether what the report has beyond them is left out.
    :param unknown: names in the report for which there is no documented type.
    :param doubts: what of the options is probably misspelt.
    """

    columns: tuple[Column, ...]
    report_type: str
    pinned: bool = False
    unknown: tuple[str, ...] = field(default=())
    doubts: tuple[str, ...] = field(default=())

    @property
    def fingerprint(self) -> str:
        """A SHA-256 of names and types: another one means that the schema has changed."""
        described = json.dumps([[column.name, column.type] for column in self.columns])
        return hashlib.sha256(described.encode()).hexdigest()

    def named(self, name: str) -> Column | None:
        """The column of that name, in the table or else in the report."""
        by_name = {column.source: column for column in self.columns} | {column.name: column for column in self.columns}
        found = _matched([name], list(by_name), self.report_type)
        return by_name[found[name]] if found else None

    def sources(self, names: Sequence[str]) -> list[int | None]:
        """For each column where it stands among the report's names.

        :raises TableError: the report has a column for which the table has no place.
        """
        taken = _matched([column.source for column in self.columns if not column.is_constant], names, self.report_type)
        if not self.pinned:
            for name in names:
                if name not in taken.values():
                    raise TableError(
                        f"the report has the column {name!r} only from a later row on; pass the attributes of its "
                        "request, or columns, so that the table has it from the first"
                    )
        places = {name: place for place, name in enumerate(names)}
        return [None if column.is_constant else places.get(taken.get(column.source, "")) for column in self.columns]


def _matched(wanted: Sequence[str], names: Sequence[str], report_type: str) -> dict[str, str]:
    """wanted -> the report's name for it: the same, or else in other case, or else by its old or new name."""
    others = other_names(report_type)
    found = {name: name for name in wanted if name in set(names)}
    for spelling in (str.lower, lambda name: others.get(name.lower(), name.lower())):
        left = {name.lower(): name for name in reversed(names) if name not in found.values()}
        for name in wanted:
            if name not in found and spelling(name) in left:
                found[name] = left.pop(spelling(name))
    return found


def layout(
    names: Sequence[str],
    declared: Mapping[str, str],
    report_type: str,
    attributes: Mapping[str, Any] | None,
    options: TableOptions,
) -> Layout:
    """The table's columns: those asked for, in the order asked for, then what else the report has.

    :param names: the report's columns; none for an empty file.
    :param declared: name -> the type that the file itself declares.
    :raises InvalidInputError: two columns would have one name.
    :raises UnknownColumnsError: nothing tells the columns.
    :raises TableError: the file has no column that was asked for or named, and none that Criteo documents.
    """
    _require_unique("the report", names)
    types, extra = options.column_types or {}, options.extra_columns or {}
    pinned = options.columns is not None and not isinstance(options.columns, Mapping)
    typed = _by_column(types, names, report_type)
    unknown = [name for name in names if name not in typed and not known_type(name, report_type)]
    asked = _asked(report_type, attributes)
    named = [*asked, *(options.columns or ())]
    if names and len(unknown) == len(names) and not _matched(named, names, report_type):
        raise TableError(
            f"the file has {', '.join(map(repr, names)):.200} where a report has its columns; "
            + (f"asked for were {', '.join(asked):.500}" if asked else "Criteo documents none of them")
            + ": no report; if it is one, name a column in column_types"
        )
    reported = _with_others(asked, names, report_type)
    pairs = _named(reported, options, report_type)
    if not pairs:
        raise UnknownColumnsError(
            "the report is empty, and neither it nor its request tells the columns; pass the request's attributes "
            "with dimensions and metrics, or columns"
        )

    spelt = list(dict.fromkeys([*(name for pair in pairs for name in pair), *extra]))
    named_types = _by_column(types, spelt, report_type)
    declared = _by_column(declared, spelt, report_type)

    def type_of(name: str, source: str, own: str | None = None) -> str:
        declared_type = dictionary.declared_type(declared.get(source))
        by_name = named_types.get(source) or named_types.get(name) or known_type(source, report_type)
        return by_name or declared_type or own or "string"

    columns = [Column(name, type_of(name, source), source) for name, source in pairs if name not in extra or not pinned]
    columns += [Column(name, type_of(name, name, _own_type(value)), name, True, value) for name, value in extra.items()]
    if pinned:
        order = {name: place for place, name in enumerate(options.columns or ())}
        columns.sort(key=lambda column: order.get(column.name, len(order)))
    _require_unique("columns and extra_columns", [column.name for column in columns])
    doubts = tuple(_doubts(options, reported, report_type))
    return Layout(tuple(columns), report_type, pinned, tuple(unknown), doubts)


def _doubts(options: TableOptions, reported: Sequence[str], report_type: str) -> Iterator[str]:
    """The names in options that are neither the report's nor Criteo's."""
    extra = options.extra_columns or {}
    for field_name, named in (("columns", options.columns or ()), ("column_types", options.column_types or {})):
        found = _matched(list(named), [*reported, *extra], report_type)
        renamed = options.columns.values() if isinstance(options.columns, Mapping) else ()
        for name in named:
            if name not in found and name not in renamed and not known_type(name, report_type):
                yield f"{field_name} names {name!r}, which is no column of the report; {choices(name, reported)}"


def _by_column(said: Mapping[str, str], names: Sequence[str], report_type: str) -> dict[str, str]:
    """What is said of columns, by their names as they are spelt there."""
    return {found: said[name] for name, found in _matched(list(said), names, report_type).items()}


def _asked(report_type: str, attributes: Mapping[str, Any] | None) -> list[str]:
    """The columns that the request tells, or the report type alone where nobody tells the request."""
    return _fixed_columns(report_type) if attributes is None else expected_columns(report_type, attributes)


def _with_others(asked: Sequence[str], names: Sequence[str], report_type: str) -> list[str]:
    """What was asked for and what else the file has."""
    taken = _matched(asked, names, report_type).values()
    return [*asked, *(name for name in names if name not in taken)]


def _named(reported: Sequence[str], options: TableOptions, report_type: str) -> list[tuple[str, str]]:
    """The table's name and the report's name of each column."""
    if options.columns is None or isinstance(options.columns, Mapping):
        renamed = _by_column(options.columns or {}, reported, report_type)
        return [(renamed.get(name, name), name) for name in reported]
    return [(name, name) for name in options.columns]


def _own_type(value: object) -> str:
    return next((type_name for kind, type_name in _OWN_TYPES if isinstance(value, kind)), "string")
