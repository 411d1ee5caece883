"""What Criteo's documentation says of the columns of report files, by their names: read from ``data/columns.json``.

``python -m dev.update_columns`` makes that file. The table writer, the splitter, the documentation and the sandbox read
it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from airflow_provider_criteo.api import data


def of_report_type(section: str, report_type: str) -> Any:
    """What a section says of a report type: ``default_metrics``, ``added``, ``renames``, ``exceptions``, ``output_only``."""
    return data.read("columns")[section].get(report_type, {})


@cache
def other_names(report_type: str) -> dict[str, str]:
    """What a column of that report type was called before Criteo renamed it, and the other way round; lower case."""
    renames = {old.lower(): new.lower() for old, new in of_report_type("renames", report_type).items()}
    return {**{new: old for old, new in renames.items()}, **renames}


def known_type(name: str, report_type: str) -> str | None:
    """The type that Criteo's documentation gives a column of that report type, upper and lower case alike.

    One that was renamed is the same column under either name.
    """
    lower = name.lower()
    other = other_names(report_type).get(lower)
    return _documented_type(lower, report_type) or (_documented_type(other, report_type) if other else None)


def _documented_type(name: str, report_type: str) -> str | None:
    output_only = {key.lower(): value for key, value in of_report_type("output_only", report_type).items()}
    found: str | None = (
        of_report_type("exceptions", report_type).get(name)
        or output_only.get(name)
        or data.read("columns")["columns"].get(name)
    )
    return found


def declared_type(word: str | None) -> str | None:
    """The type that a file means which declares a column's type by that word."""
    found: str | None = data.read("columns")["declared_types"].get(word)
    return found


def is_camel_case(report_type: str) -> bool:
    """Whether the files of a report type spell in camel case what was asked for in PascalCase."""
    return report_type in data.read("columns")["camel_case"]


@cache
def additivity(name: str) -> str | None:
    """Whether a metric adds up: ``sum``, ``ratio``, ``distinct`` or ``none``; None for what is no metric."""
    columns, lower = data.read("columns"), name.lower()
    known: dict[str, str] = columns["additivity"]
    names = [lower, *(other_names(report_type).get(lower, "") for report_type in columns["renames"])]
    return next((known[spelt] for spelt in names if spelt in known), None)
