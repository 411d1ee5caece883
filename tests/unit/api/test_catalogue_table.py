"""The docs' page of report types is the package's data."""

from __future__ import annotations

import re

import pytest

from airflow_provider_criteo.api.attributes import unknown_or_missing
from airflow_provider_criteo.api.report_type import ReportType
from airflow_provider_criteo.api.reports import REPORT_TYPES
from dev import catalogue_table

PAGE = catalogue_table.document()


def section(report_type: str) -> str:
    return PAGE.partition(f"\n## {report_type}\n")[2].partition("\n## ")[0]


def test_the_page_is_not_stale() -> None:
    assert catalogue_table.TARGET.read_text("utf-8") == PAGE, (
        "docs/catalogue.md is stale: run python -m dev.catalogue_table"
    )


def test_the_choice_leads_to_a_section_of_every_report_type() -> None:
    choice = PAGE.partition("\n## ")[0]
    assert re.findall(r"^\| \[`[a-z-]+`\]\(#([a-z-]+)\) \|", choice, re.MULTILINE) == list(REPORT_TYPES)
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == list(REPORT_TYPES)


@pytest.mark.parametrize("report_type", REPORT_TYPES)
def test_a_section_has_what_the_data_has(report_type: str) -> None:
    row, text = REPORT_TYPES[report_type], section(report_type)
    told = (row.title, row.docs_url, row.notes, row.retention, row.scope, row.dates.value)
    assert [words for words in told if words not in text] == []
    listed = set(re.findall(r"^\| `([^`.]+)` \|", text, re.MULTILINE))
    assert set(row.attributes) <= listed
    assert set(row.required) == set(re.findall(r"^\| `([^`.]+)` \| \*\*required", text, re.MULTILINE))


@pytest.mark.parametrize("row", REPORT_TYPES.values(), ids=list(REPORT_TYPES))
def test_an_example_lacks_nothing_and_has_nothing_unknown(row: ReportType) -> None:
    example = catalogue_table.example(row)
    assert list(unknown_or_missing(example["attributes"], row)) == []
    assert ("account_id" in example) == row.needs_account_id


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    for table in re.findall(r"(?:^ *\|.*\n)+", PAGE, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table[:200]


def test_versions_stand_in_order_of_preference_with_the_day_they_end() -> None:
    versions = "- **Versions:** `2026-01` (until 2027-01-27), `preview` (until 2026-12-31), `experimental`\n"
    assert versions in section("rm-campaigns")


def test_columns_have_their_type_and_whether_they_add_up() -> None:
    text = section("statistics")
    assert re.search(r"^ *\| metric \| `int64` \| yes \| [^|]*`Clicks`", text, re.MULTILINE)
    assert re.search(r"^ *\| dimension \| `string` \|  \| [^|]*`AdvertiserId`", text, re.MULTILINE)


def test_what_a_report_type_reports_is_more_than_its_name() -> None:
    for row in REPORT_TYPES.values():
        words = row.id.removeprefix("rm-").replace("-", " ")
        assert not row.title.lower().startswith((words, "retail media")), row.id


def test_what_only_some_may_use_and_what_is_to_be_moved_off_is_marked_in_the_choice() -> None:
    choice = PAGE.partition("\n## ")[0]
    assert re.search(r"^\| \[`mpo-realtime`\][^|]*\| \*\*Listed clients only", choice, re.MULTILINE)
    marked = re.findall(r"^\| \[`([a-z-]+)`\][^|]*\| \*\*\[Move off it\]", choice, re.MULTILINE)
    assert marked == ["rm-campaigns", "rm-line-items", "rm-accounts"]


def test_a_long_list_of_columns_is_folded() -> None:
    assert '\n??? note "295 columns"\n' in section("statistics")
    assert "???" not in section("products")
