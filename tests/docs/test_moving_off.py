"""The page on moving off the old Retail Media reports names what Criteo's specifications have, and leaves nothing out."""

from __future__ import annotations

import re

import pytest

from airflow_provider_criteo.api.reports import get_report_type
from airflow_provider_criteo.api.specification import attributes_schema, items, properties
from tests.docs.test_tables import DOCS, code_in, section

PAGE = DOCS / "guides" / "moving-off.md"
OLD = ("rm-campaigns", "rm-line-items", "rm-accounts")
PERFORMANCE = "rm-performance"


def attributes(report_type: str) -> set[str]:
    fields = properties(attributes_schema(get_report_type(report_type).create_path, first_version(report_type)))
    return {*fields, *(f"filters.{name}" for name in properties(fields.get("filters", {})))}


def columns(report_type: str, kind: str) -> set[str]:
    fields = properties(attributes_schema(get_report_type(report_type).create_path, first_version(report_type)))
    return set(items(fields[kind])["enum"])


def first_version(report_type: str) -> str:
    return get_report_type(report_type).versions[0]


def rows(heading: str, first_column: str) -> list[tuple[list[str], list[str]]]:
    """The names in both columns of a table, row by row."""
    found = re.search(rf"^\| {first_column} \|.*\n\|---\|---\|\n((?:\|.*\n)+)", section(PAGE, heading), re.MULTILINE)
    assert found, f"no table of {first_column}"
    cells = [line.strip("| \n").split(" | ") for line in found[1].splitlines()]
    return [(code_in(before), code_in(after)) for before, after in cells]


def test_every_attribute_of_the_old_reports_is_accounted_for() -> None:
    named = {name for before, _ in rows("Attributes", "Before") for name in before}
    of_columns = {"dimensions", "metrics"}
    assert named | of_columns == set.union(*(attributes(report_type) for report_type in OLD))


def test_every_attribute_that_is_proposed_exists() -> None:
    for before, after in rows("Attributes", "Before"):
        proposed = after or ([] if before == ["reportType"] else [f"filters.{name}" for name in before])
        known = attributes(PERFORMANCE) | columns(PERFORMANCE, "dimensions")
        assert set(proposed) <= known, (before, set(proposed) - known)


def test_every_report_type_of_the_old_reports_has_its_row() -> None:
    schema = properties(attributes_schema(get_report_type("rm-campaigns").create_path, "2026-01"))["reportType"]
    table = {before[0]: after for before, after in rows("`reportType`", "Before")}
    assert set(table) == set(schema["enum"])
    known = {"rm-performance", "rm-missed-opportunities", "rm-attributed-transactions"}
    known |= columns(PERFORMANCE, "dimensions") | columns(PERFORMANCE, "metrics")
    assert {name for after in table.values() for name in after} <= known


def test_dimensions_that_are_not_listed_have_kept_their_name() -> None:
    listed = {name: after for before, after in rows("Dimensions and metrics", "Before") for name in before}
    for report_type in OLD:
        kept = columns(report_type, "dimensions") - set(listed)
        assert kept <= columns(PERFORMANCE, "dimensions")
        assert columns(report_type, "metrics") <= columns(PERFORMANCE, "metrics")
    assert {name for after in listed.values() for name in after} <= columns(PERFORMANCE, "dimensions")
    assert not set(listed) & columns(PERFORMANCE, "dimensions")


@pytest.mark.parametrize(
    ("first_column", "report_type"),
    [("`capout`", "rm-missed-opportunities"), ("`attributedTransactions`", "rm-attributed-transactions")],
)
def test_a_renamed_column_has_its_new_name(first_column: str, report_type: str) -> None:
    known = columns(report_type, "dimensions") | columns(report_type, "metrics")
    for before, after in rows("Dimensions and metrics", first_column):
        assert set(after) <= known
        assert not set(before) & known
