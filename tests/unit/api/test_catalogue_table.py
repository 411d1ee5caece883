"""The docs' table of report types is the catalogue's."""

from __future__ import annotations

from airflow_provider_criteo.api.reports import REPORT_TYPES
from dev import catalogue_table


def test_the_table_is_not_stale() -> None:
    assert catalogue_table.TARGET.read_text("utf-8") == catalogue_table.document(), (
        "docs/catalogue.md is stale: run python -m dev.catalogue_table"
    )


def test_the_table_has_a_line_for_every_report_type() -> None:
    lines = [line for line in catalogue_table.document().splitlines() if line.startswith("| `")][1:]
    assert [line.split("`")[1] for line in lines] == list(REPORT_TYPES)
    assert {line.count(" | ") for line in lines} == {8}
    for line, row in zip(lines, REPORT_TYPES.values(), strict=True):
        assert line.count("**") == 2
        assert f"**{row.default_version}**" in line
        assert row.docs_url in line
