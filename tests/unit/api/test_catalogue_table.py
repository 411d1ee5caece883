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
    assert {line.count(" | ") for line in lines} == {9}
    for line, row in zip(lines, REPORT_TYPES.values(), strict=True):
        assert row.dates.value in line
        assert row.docs_url in line


def test_versions_stand_in_order_of_preference_with_the_day_they_end() -> None:
    (line,) = [line for line in catalogue_table.document().splitlines() if line.startswith("| `rm-campaigns`")]
    assert "| 2026-01 (until 2027-01-27), preview (until 2026-12-31), experimental |" in line
