"""The attributes of a create: what is sent, and what is surely wrong with it."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timezone
from difflib import get_close_matches
from typing import Any

from airflow_provider_criteo.api.exceptions import InvalidInputError
from airflow_provider_criteo.api.reports import ReportType

log = logging.getLogger(__name__)

Attributes = Mapping[str, Any]


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


def as_json(attributes: Attributes, row: ReportType, *, final: bool = True) -> dict[str, Any]:
    """The attributes as JSON values, dates in the form that the row asks for.

    :param final: whether no other task's output, of whatever class, is still to take a value's place.
    :raises InvalidInputError: a value that is no JSON; the message has its path.
    """
    return {str(key): _json_value(value, row, f"attributes.{key}", final=final) for key, value in attributes.items()}


def _json_value(value: Any, row: ReportType, path: str, *, final: bool = True) -> Any:
    if isinstance(value, date):
        return _date_text(value, row.date_format)
    if isinstance(value, Mapping):
        return {str(key): _json_value(item, row, f"{path}.{key}", final=final) for key, item in value.items()}
    if value is None or isinstance(value, (str, int, bool)):
        return value
    # Not lists alone: the output of a mapped task is a sequence that is read when it is asked for.
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [_json_value(item, row, f"{path}[{index}]", final=final) for index, item in enumerate(value)]
    if isinstance(value, float) and math.isfinite(value):
        return value
    if not final and type(value).__module__ != "builtins":
        return None
    raise InvalidInputError(
        f"{path}={_shown(value)} is a {type(value).__name__}; allowed: text, finite numbers, booleans, null, dates, "
        "lists and dicts of these"
    )


def _date_text(value: date, date_format: str) -> str:
    if date_format == "date":
        return value.strftime("%Y-%m-%d")
    if not isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT00:00:00Z")
    aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    return aware.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def unknown_or_missing(attributes: Attributes, row: ReportType, version: str | None = None) -> Iterator[str]:
    """What looks wrong: attributes the row does not know, required ones that are missing.

    Only doubts: these contracts move, and Criteo's answer is the judge.
    """
    for name in attributes:
        if name not in row.attributes:
            nearest = get_close_matches(str(name), row.attributes, n=1, cutoff=0.6)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(row.attributes)}"
            yield f"attribute {name!r} is not known for report type {row.id!r}; {hint}"
    for name in row.required:
        if attributes.get(name) is None:
            yield f"attribute {name!r} is required for report type {row.id!r} and missing"


def require_account_id(account_id: object, row: ReportType) -> None:
    """Check that a create has the account its path names.

    :raises InvalidInputError: it is missing, or given to a report type that has none.
    """
    # Dots would be another path, however they are quoted.
    if row.needs_account_id and str(account_id or "").strip() in ("", ".", ".."):
        raise InvalidInputError(
            f"account_id={account_id!r}: report type {row.id!r} needs the id of a Retail Media account, as text"
        )
    if account_id is not None and not row.needs_account_id:
        raise InvalidInputError(
            f"account_id={account_id!r}: report type {row.id!r} takes no account_id; name accounts in attributes"
        )


def require_report_id(report_id: object) -> str:
    """The report id as text.

    :raises InvalidInputError: there is none.
    """
    text = str(report_id).strip() if isinstance(report_id, (str, int)) and not isinstance(report_id, bool) else ""
    # Dots would be another path, however they are quoted.
    if text in ("", "None", "null", ".", ".."):
        raise InvalidInputError(
            f"report_id={report_id!r} is no report id; allowed: the text that the create returned, "
            "e.g. the output of CreateReportJobOperator"
        )
    return text


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "..."
