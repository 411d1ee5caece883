"""Text -> typed values. The one module of rules for what fits a type: JSON and CSV alike come as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timezone
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache
from math import isfinite
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_criteo.api.dates import named_date
from airflow_provider_criteo.api.exceptions import InvalidInputError
from airflow_provider_criteo.api.tables.columns import Column, decimal_shape

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_NOT_FINITE = ("nan", "infinity", "-infinity", "inf", "-inf")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_DATE = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


@cache
def arrow_type(type_name: str) -> pa.DataType:
    """The Arrow type of that name."""
    shape = decimal_shape(type_name)
    if shape:
        return pa.decimal128(*shape)
    if type_name == "timestamp[us, UTC]":
        return pa.timestamp("us", "UTC")
    return pa.type_for_alias(type_name)


def typed(values: Sequence[Any] | pa.Array, column: Column, first_row: int) -> pa.Array:
    """The values as the column's type.

    :param values: text, booleans and None, as a report's file has them; an array may have the type already.
    :param first_row: the number of the first value's row, to name the row of one that does not fit.
    :raises InvalidInputError: a value does not fit.
    """
    target = arrow_type(column.type)
    text = values if isinstance(values, pa.Array) else _text(values, column, first_row)
    if text.type == target:
        return text
    if not pa.types.is_decimal(target) and not (column.type == "int64" and _has_hexadecimal(text)):
        try:
            array = text.cast(target)
            # A number that a double cannot hold becomes infinite without an error.
            if column.type != "float64" or isfinite(pc.sum(array).as_py() or 0.0):
                return array
        except pa.ArrowInvalid:
            pass
    return pa.array(_parsed(text.to_pylist(), column, first_row), target)


def constant(column: Column, rows: int) -> pa.Array:
    """A constant as often as there are rows.

    :raises InvalidInputError: it does not fit its column's type.
    """
    value = column.constant
    if isinstance(value, datetime):
        value = value.isoformat()
    single = typed([None if value is None else value if isinstance(value, bool) else str(value)], column, 0)
    return pa.repeat(single[0], rows)


def _has_hexadecimal(text: pa.Array) -> bool:
    """Whether a value begins as Arrow's own hexadecimal numbers do, which are none of Criteo's."""
    return any(pc.any(pc.starts_with(text, mark)).as_py() for mark in ("0x", "0X"))


def _text(values: Sequence[Any], column: Column, first_row: int) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, UnicodeEncodeError):
        return pa.array([_as_text(value, column, first_row + at) for at, value in enumerate(values)], pa.string())


def _as_text(value: Any, column: Column, row: int) -> str | None:
    if isinstance(value, str):
        return _HALF_CHARACTER.sub("\ufffd", value)
    if isinstance(value, (list, dict)):
        raise InvalidInputError(
            f"column {column.source!r} has a {type(value).__name__} in row {row}; a table has plain values: leave the "
            "column out, by naming the others in columns"
        )
    return None if value is None else str(value).lower()


def _parsed(texts: list[str | None], column: Column, first_row: int) -> list[Any]:
    parse = _parser(column.type)
    parsed = []
    for row, text in enumerate(texts, first_row):
        try:
            # A CSV that quotes all values has no other word for null in these types.
            parsed.append(parse(text.strip()) if text else None)
        except (ValueError, ArithmeticError):
            _misfit(column, text, row)
    return parsed


def _misfit(column: Column, text: str | None, row: int) -> NoReturn:
    is_number = bool(text and _NUMBER.fullmatch(text.strip()))
    better = "float64" if is_number and column.type == "int64" and "." in str(text) else "string"
    where = "extra_columns" if column.is_constant else f"row {row}"
    raise InvalidInputError(
        f"column {column.source!r} has {text!r:.100} in {where}, which is no {column.type}; "
        f"to take it as it is: column_types={{{column.source!r}: {better!r}}}"
    )


def _parser(type_name: str) -> Callable[[str], Any]:
    shape = decimal_shape(type_name)
    if shape:
        precision, scale = shape
        context = Context(prec=precision, rounding=ROUND_HALF_EVEN)
        return lambda text: _number(text).quantize(Decimal(1).scaleb(-scale), context=context)
    return _PARSERS[type_name]


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _int(text: str) -> int:
    number = _number(text)
    if not -(2**63) <= number < 2**63 or number != number.to_integral_value():
        raise ValueError(text)
    return int(number)


def _float(text: str) -> float:
    value = float(text if text.lower() in _NOT_FINITE else _number(text))
    if text.lower() not in _NOT_FINITE and value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


def _bool(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")


def _date(text: str) -> date:
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return date(int(found[1]), int(found[2]), int(found[3]))


def _timestamp(text: str) -> datetime:
    named = named_date(text)
    if named is None:
        raise ValueError(text)
    value = named if isinstance(named, datetime) else datetime.combine(named, time())
    return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)


_PARSERS: dict[str, Callable[[str], Any]] = {
    "int64": _int,
    "float64": _float,
    "bool": _bool,
    "date32": _date,
    "timestamp[us, UTC]": _timestamp,
}
