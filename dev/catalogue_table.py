"""Write the docs' table of report types from the catalogue: ``python -m dev.catalogue_table``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airflow_provider_criteo.api.limits import limits_of
from airflow_provider_criteo.api.reports import VERSION_ENDS, ReportType, rows

TARGET = Path(__file__).parents[1] / "docs" / "catalogue.md"

HEAD = """\
<!-- Made by python -m dev.catalogue_table; do not edit. -->
# Report types

The versions stand in order of preference: the first that has not ended is called, unless `api_version`, on the
connection or the operator, names another. A format goes into `attributes`, under the name that its row gives.

Where dates are whole days, `endDate` is the last day that is counted: `startDate` = `endDate` is one day, and the time
of a `datetime` does not matter, nor its time zone. Where they are moments, a `datetime` is sent as it is, in UTC, and a
`date` as `endDate` is all of that day. Where Criteo does not document which of the two they are, give dates without a
time: the last one is included either way.

| `report_type` | What it is | Versions | Required attributes | Dates | Formats | Limits | Scope | Kept | Criteo's page |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def document() -> str:
    """The whole page."""
    return HEAD + "".join(f"| {' | '.join(_cells(row))} |\n" for row in rows())


def _cells(row: ReportType) -> Iterator[str]:
    yield f"`{row.id}`"
    yield row.title
    yield ", ".join(map(_version, row.versions))
    yield ", ".join(f"`{name}`" for name in row.required) or "-"
    yield row.dates.value
    formats = ", ".join(row.formats)
    yield f"`{row.format_attribute}`: {formats}" if row.format_attribute else formats
    yield (
        " ".join([*(["Needs `account_id`."] if row.needs_account_id else []), *_limits(row), row.notes]).strip() or "-"
    )
    yield f"`{row.scope}`"
    yield row.retention or "-"
    yield f"[{row.docs_url.rpartition('/')[2]}]({row.docs_url})"


def _limits(row: ReportType) -> Iterator[str]:
    limits = limits_of(row.id)
    if limits.max_days:
        yield f"At most {limits.max_days} days."
    if limits.lookback not in ("", "not documented"):
        yield f"Lookback: {limits.lookback}."
    ids = [f"{limit.max} `{limit.path}`" for limit in limits.ids or () if limit.max]
    if ids:
        yield f"At most {', '.join(ids)}."


def _version(version: str) -> str:
    return f"{version} (until {VERSION_ENDS[version]})" if version in VERSION_ENDS else version


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(document(), "utf-8")
    print(f"wrote {TARGET}")
