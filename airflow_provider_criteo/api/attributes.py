"""The attributes of a create: what is sent, and what is surely wrong with it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from enum import Enum
from operator import is_
from typing import Any

from airflow_provider_criteo.api.dates import DATE_ATTRIBUTES, date_text, sent_date
from airflow_provider_criteo.api.exceptions import InvalidInputError, did_you_mean
from airflow_provider_criteo.api.report_type import ReportType
from airflow_provider_criteo.api.specification import Schema, items, properties, resolved

Attributes = Mapping[str, Any]

_MOST_SHOWN = 30
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)


def parse_attributes(value: object) -> dict[str, Any]:
    """The attributes as a dict; text is read as JSON, as a rendered template or a file gives it.

    :raises InvalidInputError: it is no dict, nor the JSON text of one.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise InvalidInputError(
                f"attributes={_shown(value)} is text that is no JSON ({error}); allowed: a dict, the JSON text of one, "
                "or the path of a .json file"
            ) from None
    if not isinstance(value, Mapping):
        raise InvalidInputError(
            f"attributes={_shown(value)} is a {type(value).__name__}; allowed: a dict, the JSON text of one, or the "
            "path of a .json file"
        )
    return dict(value)


def names_in(value: object) -> list[str]:
    """The names in an attribute such as ``metrics``: a list of them, or one."""
    listed = value if isinstance(value, (list, tuple)) else [value]
    return [name for name in listed if isinstance(name, str)]


def dimensions_of(attributes: Attributes) -> list[str]:
    """The dimensions that a request names; ``audience-performance`` has one, as ``dimension``."""
    return names_in(attributes.get("dimensions")) or names_in(attributes.get("dimension"))


def plain(value: Any) -> Any:
    """A value with every mapping in it as a dict, every sequence as a list, and every enum's member as its value.

    Airflow renders templates in dicts, lists, tuples and text alone, and text as ``str`` has it: in no ``ChainMap``,
    and ``Dimension.DAY`` in place of the ``"Day"`` of a ``(str, Enum)``. What is plain already stays the same object,
    by which Airflow knows what came from another task, and has no templates.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        as_dict = {plain(key): plain(item) for key, item in value.items()}
        return (
            value
            if type(value) is dict and _are_same((*as_dict, *as_dict.values()), (*value, *value.values()))
            else as_dict
        )
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
        as_list = [plain(item) for item in value]
        return value if type(value) is list and _are_same(as_list, value) else as_list
    return value


def _are_same(values: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(values) == len(others) and all(map(is_, values, others))


def as_json(
    attributes: Attributes, row: ReportType, version: str | None = None, *, final: bool = True
) -> dict[str, Any]:
    """The attributes as JSON values: dates in the form that the row asks for, ids as text.

    :param version: of the API, by whose specification ids are text or numbers; the row's preferred one where None.
    :param final: whether no other task's output, of whatever class, is still to take a value's place.
    :raises InvalidInputError: a value that is no JSON; the message has its path.
    """
    fields = properties(row.attributes_schema(version))
    return {
        str(name): _json_value(
            sent_date(str(name), value, row) if _is_date(str(name), fields) else value,
            fields.get(str(name), {}),
            row,
            f"attributes.{name}",
            final,
        )
        for name, value in attributes.items()
    }


def _is_date(name: str, fields: Mapping[str, Schema]) -> bool:
    return name in DATE_ATTRIBUTES or fields.get(name, {}).get("format") in ("date", "date-time")


def _json_value(value: Any, schema: Schema, row: ReportType, path: str, final: bool) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, date):
        return date_text(value, row)
    if isinstance(value, Mapping):
        fields = properties(schema)
        return {
            str(key): _json_value(item, fields.get(str(key), {}), row, f"{path}.{key}", final)
            for key, item in value.items()
        }
    if value is None or isinstance(value, (str, int, bool)):
        return _as_specified(value, schema)
    # Not lists alone: the output of a mapped task is a sequence that is read when it is asked for.
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        inner = items(schema)
        return [_json_value(item, inner, row, f"{path}[{index}]", final) for index, item in enumerate(value)]
    if isinstance(value, float) and math.isfinite(value):
        return value
    if not final and type(value).__module__ != "builtins":
        return None
    raise InvalidInputError(
        f"{path}={_shown(value)} is a {type(value).__name__}; allowed: text, finite numbers, booleans, null, dates, "
        "lists and dicts of these"
    )


def _as_specified(value: Any, schema: Schema) -> Any:
    """Ids are text to Criteo; what a template rendered as a native Python value, ``[123]``, is text again."""
    kind = resolved(schema).get("type")
    if kind == "string" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if kind == "integer" and isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return value


def unknown_or_missing(attributes: Attributes, row: ReportType, version: str | None = None) -> Iterator[str]:
    """What that version's specification does not know, or misses: attributes, also in ``filters``, and values of enums.

    Only doubts: these contracts move, and Criteo's answer is the judge. Of a row in no specification there are none.
    """
    schema = row.attributes_schema(version)
    return _object_doubts(attributes, schema, row, "", schema) if schema else iter(())


def _object_doubts(value: Attributes, schema: Schema, row: ReportType, within: str, whole: Schema) -> Iterator[str]:
    fields = properties(schema)
    for name, item in value.items():
        if name in fields:
            yield from _value_doubts(item, resolved(fields[name]), row, f"{within}{name}", whole)
        elif fields:
            own = {known: f"{within}{known}" for known in fields}
            hint = _hint(str(name), {**_names(whole), **own}, sorted(own.values()))
            yield f"attribute '{within}{name}' is not known for report type {row.id!r}; {hint}"
    for name in resolved(schema).get("required", ()):
        if value.get(name) is None:
            yield f"attribute '{within}{name}' is required for report type {row.id!r} and missing"


def _value_doubts(value: Any, schema: Schema, row: ReportType, path: str, whole: Schema) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _object_doubts(value, schema, row, f"{path}.", whole)
    elif isinstance(value, list):
        for item in value:
            yield from _value_doubts(item, items(schema), row, path, whole)
    elif value is not None and "enum" in schema:
        # Criteo's pages write in camelCase what its specifications have in PascalCase.
        words = {str(word).lower(): str(word) for word in schema["enum"]}
        if str(value).lower() not in words:
            hint = _hint(str(value).lower(), words, list(words.values()))
            yield f"{path} {value!r} is not known for report type {row.id!r}; {hint}"


def _names(schema: Schema, within: str = "") -> dict[str, str]:
    """The full names of all attributes, also of those in others, by their last part."""
    found: dict[str, str] = {}
    for name, field in properties(schema).items():
        found = {**_names(field, f"{within}{name}."), **_names(items(field), f"{within}{name}."), **found}
        found[name] = f"{within}{name}"
    return found


def _hint(wrong: str, names: Mapping[str, str], known: Sequence[str]) -> str:
    more = f" and {len(known) - _MOST_SHOWN} more" if len(known) > _MOST_SHOWN else ""
    return did_you_mean(wrong, names, names.__getitem__) or f"known: {', '.join(known[:_MOST_SHOWN])}{more}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "..."
