"""The check of a create's attributes: Criteo's specification, the limits of its pages, its error codes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from airflow_provider_criteo.api.dates import named_date
from airflow_provider_criteo.api.limits import Limits, limits_of
from airflow_provider_criteo.api.reports import ReportType
from airflow_provider_criteo.api.specification import request_schema, resolved
from airflow_provider_criteo.sandbox.families import family_of
from airflow_provider_criteo.sandbox.prose import PROSE
from airflow_provider_criteo.sandbox.replies import problem

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}
_INT32 = 2**31

Finding = tuple[str, str, str]
"""What kind of mistake, the path of the attribute, and what is wrong."""


def problems_of(row: ReportType, version: str, body: Any, instance: str) -> list[dict[str, Any]]:
    """Every problem of a create's body, as Criteo would tell it."""
    codes = family_of(row).codes
    return [
        problem(codes[kind], detail=f"{path}: {what}", source={path.rpartition(".")[2]: path}, instance=instance)
        for kind, path, what in _findings(row, version, body)
    ]


def _findings(row: ReportType, version: str, body: Any) -> list[Finding]:
    attributes = value_at(body, "data.attributes")
    if not isinstance(attributes, dict):
        return [("json", "data.attributes", "an object is required")]
    schema = request_schema(row.create_path, version)
    if schema is None:
        return []
    findings = [
        finding
        for finding in _check(body, schema, "")
        if finding[:2] != ("required", "data.type")  # optional in general, says Criteo's page of API patterns
    ]
    return findings or list(_beyond_specification(PROSE.get(row.create_path, {}), attributes, row))


def _check(value: Any, schema: dict[str, Any], path: str) -> Iterator[Finding]:
    schema = resolved(schema)
    if value is None:
        if not schema.get("nullable"):
            yield "type", path, "null is not allowed"
        return
    wanted = schema.get("type")
    if wanted and (not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean")):
        yield "type", path, f"{_shown(value)} is not of type {wanted}"
        return
    if wanted == "object":
        yield from _check_object(value, schema, path)
    elif wanted == "array":
        yield from _check_array(value, schema, path)
    else:
        yield from _check_value(value, schema, path)


def _check_object(value: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[Finding]:
    properties = schema.get("properties", {})
    within = f"{path}." if path else ""
    for name in schema.get("required", ()):
        if name not in value:
            yield "required", within + name, ""
    for name, item in value.items():
        if name in properties:
            yield from _check(item, properties[name], within + name)
        elif schema.get("additionalProperties") is False:
            yield "unknown", within + name, "the field is unknown"


def _check_array(value: list[Any], schema: dict[str, Any], path: str) -> Iterator[Finding]:
    if len(value) < schema.get("minItems", 0):
        yield "items", path, f"at least {schema['minItems']} needed"
    if len(value) > schema.get("maxItems", len(value)):
        yield "ids", path, f"at most {schema['maxItems']} allowed"
    if schema.get("uniqueItems") and len({str(item).lower() for item in value}) < len(value):
        yield "items", path, "no duplicates allowed"
    for item in value:
        yield from _check(item, schema.get("items", {}), path)


def _check_value(value: Any, schema: dict[str, Any], path: str) -> Iterator[Finding]:
    allowed = schema.get("enum")
    if allowed and str(value).lower() not in {str(word).lower() for word in allowed}:
        kind = "format" if path.lower().endswith("format") else "enum"
        yield kind, path, f"{_shown(value)} is not one of {', '.join(repr(word) for word in allowed)}"
    if schema.get("format") == "int32" and not -_INT32 <= value < _INT32:
        yield "type", path, f"{_shown(value)} is no int32"
    if "minimum" in schema and not schema["minimum"] <= value <= schema["maximum"]:
        yield "window", path, f"{_shown(value)} is not between {schema['minimum']} and {schema['maximum']}"
    if schema.get("format") in ("date", "date-time") and _moment(value) is None:
        yield "date", path, f"{_shown(value)} is no date"
    if schema.get("format") == "date" and len(value) != len("YYYY-MM-DD"):
        yield "date", path, f"{_shown(value)} is not of the form YYYY-MM-DD"


def _beyond_specification(rules: dict[str, Any], attributes: dict[str, Any], row: ReportType) -> Iterator[Finding]:
    """What is wrong with attributes that are as specified."""
    given = {name: value for name, value in attributes.items() if value is not None}
    yield from _check_object(given, rules, "data.attributes")
    limits = limits_of(row.id)
    for ids in limits.ids or ():
        if ids.max is not None and len(value_at(attributes, ids.path) or ()) > ids.max:
            yield "ids", _attribute(ids.path), f"at most {ids.max} allowed"
    yield from _choices(rules, attributes)
    yield from _times(rules, limits, attributes)


def _choices(rules: dict[str, Any], attributes: dict[str, Any]) -> Iterator[Finding]:
    names = rules.get("at_least_one")
    if names and not any(value_at(attributes, name) for name in names):
        yield "choice", _attribute(names[0]), f"one of {', '.join(names)} is needed"
    for names in rules.get("at_most_one", ()):
        if sum(bool(value_at(attributes, name)) for name in names) > 1:
            yield "choice", _attribute(names[0]), f"{' and '.join(names)} exclude each other"
    exclusive = {name.lower() for name in rules.get("one_dimension_of", ())}
    named = [name for name in attributes.get("dimensions") or () if str(name).lower() in exclusive]
    if len(named) > 1:
        yield "dimensions", _attribute("dimensions"), f"{' and '.join(named)} cannot be combined"


def _times(rules: dict[str, Any], limits: Limits, attributes: dict[str, Any]) -> Iterator[Finding]:
    now = datetime.now(timezone.utc)
    start, end = _moment(attributes.get("startDate")), _moment(attributes.get("endDate"))
    if start and end and start > end:
        yield "order", _attribute("startDate"), "startDate is after endDate"
    elif start and end and limits.max_days and (end - start).days > limits.max_days:
        yield "timespan", _attribute("endDate"), f"more than {limits.max_days} days"
    earliest = date.min if rules.get("any_past") else limits.earliest(now.date())
    if start and start.date() < earliest:
        yield "timespan", _attribute("startDate"), f"before {earliest}"
    for name, hours in rules.get("past_hours", {}).items():
        moment = _moment(attributes.get(name))
        if moment and moment < now - timedelta(hours=hours, minutes=1):
            yield "timespan", _attribute(name), f"more than {hours} h back"


def _moment(value: Any) -> datetime | None:
    named = named_date(value)
    if named is None:
        return None
    moment = named if isinstance(named, datetime) else datetime.combine(named, time())
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def value_at(value: Any, path: str) -> Any:
    """What stands at a dotted path; None where there is nothing."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _attribute(name: str) -> str:
    return f"data.attributes.{name}"


def _shown(value: Any) -> str:
    return repr(value)[:80]
