"""Write the docs' table of report types from the catalogue: ``python -m dev.catalogue_table``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airflow_provider_criteo.api.reports import ReportType, rows

TARGET = Path(__file__).parents[1] / "docs" / "catalogue.md"

HEAD = """\
<!-- Made by python -m dev.catalogue_table; do not edit. -->
# Report types

The default version of each report type is bold; `api_version`, on the connection or the operator, picks another one. A
format goes into `attributes`, under the name that its row gives.

| `report_type` | What it is | Versions | Required attributes | Formats | Limits | Scope | Kept | Criteo's page |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def document() -> str:
    """The whole page."""
    return HEAD + "".join(f"| {' | '.join(_cells(row))} |\n" for row in rows())


def _cells(row: ReportType) -> Iterator[str]:
    yield f"`{row.id}`"
    yield row.title
    yield ", ".join(f"**{version}**" if version == row.default_version else version for version in row.versions)
    yield ", ".join(f"`{name}`" for name in row.required) or "-"
    formats = ", ".join(row.formats)
    yield f"`{row.format_attribute}`: {formats}" if row.format_attribute else formats
    yield " ".join(filter(None, ("Needs `account_id`." if row.needs_account_id else "", row.limits))) or "-"
    yield f"`{row.scope}`"
    yield row.retention or "-"
    yield f"[{row.docs_url.rpartition('/')[2]}]({row.docs_url})"


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(document(), "utf-8")
    print(f"wrote {TARGET}")
