"""The catalogue against Criteo's specifications: for every report type and version, what it says is what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from specifications import VERSIONS, Specifications, anonymous

from airflow_provider_criteo.api import specification
from airflow_provider_criteo.api.models import JobState, is_status_word
from airflow_provider_criteo.api.report_type import ReportType
from airflow_provider_criteo.api.reports import REPORT_TYPES

Compared = Callable[[str, str, str, str], None]

ROWS = list(REPORT_TYPES.values())
SERVED = [pytest.param(row, version, id=f"{row.id}-{version}") for row in ROWS for version in row.versions]
# An immediate list of files: no job, so no report type.
NO_EXPORT = {"/{}/log-level/advertisers/{}/report"}

_OUTCOMES = {"success_statuses": {JobState.DONE}, "failure_statuses": {JobState.FAILED, JobState.EXPIRED}}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_versions_are_those_whose_specification_has_the_create(row: ReportType, criteo: Specifications) -> None:
    having = {
        version
        for version, specification in criteo.versions.items()
        if ("post", anonymous(row.create_path).replace("{}", version, 1)) in specification.operations
    }
    assert set(row.versions) == having
    assert len(row.versions) == len(having)


@pytest.mark.parametrize(("row", "version"), SERVED)
def test_paths_methods_and_scope(row: ReportType, version: str, criteo: Specifications, compared: Compared) -> None:
    specification = criteo.versions[version]
    for method, path in (("post", row.create_path), ("get", row.status_path), ("get", row.output_path)):
        operation = specification.operations.get((method, anonymous(path.replace("{version}", version))))
        assert operation is not None, f"{version} has no {method} {path}"
        compared("catalogue: paths, methods, scopes", version, method, path)
    create = specification.operations["post", anonymous(row.create_path.replace("{version}", version))]
    assert create["security"] == [{"oauth": [row.scope]}]


@pytest.mark.parametrize(("row", "version"), SERVED)
def test_attributes_required_ones_and_enums(
    row: ReportType, version: str, criteo: Specifications, compared: Compared
) -> None:
    theirs = criteo.versions[version].attributes(row.create_path.replace("{version}", version))
    assert inlined(specification.attributes_schema(row.create_path, version)) == theirs
    assert set(row.attributes) == set(theirs["properties"])
    assert set(row.required) == set(theirs.get("required", ()))
    compared("catalogue: attributes", version, "post", row.create_path)


def inlined(schema: Any) -> Any:
    """A schema of the package's data with every reference replaced by what it names."""
    if isinstance(schema, list):
        return [inlined(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: inlined(value) for key, value in specification.resolved(schema).items()}


@pytest.mark.parametrize(("row", "version"), SERVED)
def test_formats(row: ReportType, version: str, criteo: Specifications) -> None:
    attributes = criteo.versions[version].attributes(row.create_path.replace("{version}", version))["properties"]
    named = next((name for name in ("format", "fileFormat") if name in attributes), None)
    assert row.format_attribute == named
    if named is None:
        return
    specified = {word.lower() for word in attributes[named].get("enum", ())} - {"unknown"}
    assert not specified or set(row.formats) == specified
    default = attributes[named].get("default")
    assert default is None or row.formats[0] == default.lower()


@pytest.mark.parametrize(("row", "version"), SERVED)
def test_every_specified_status_word_has_a_state(row: ReportType, version: str, criteo: Specifications) -> None:
    specification = criteo.versions[version]
    replies = specification.replies("get", row.status_path.replace("{version}", version))
    ((_, content),) = replies.items()
    status = content["application/json"]["properties"]["data"]["properties"]["attributes"]["properties"]["status"]
    assert status["enum"]
    assert [word for word in status["enum"] if not is_status_word(word)] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_resource_type_is_sent_where_it_is_required(row: ReportType, criteo: Specifications) -> None:
    required = [
        version
        for version in row.versions
        if (body := criteo.versions[version].request_schema("post", row.create_path.replace("{version}", version)))
        and "type" in body["properties"]["data"].get("required", ())
    ]
    assert not required or row.resource_type


def test_no_export_of_the_specifications_is_missing(criteo: Specifications) -> None:
    known = {anonymous(row.create_path) for row in ROWS} | NO_EXPORT
    specified = {
        "/{}" + path.removeprefix(f"/{version}")
        for version in VERSIONS
        for method, path in criteo.versions[version].operations
        if method == "post"
    }
    assert specified - known == set()


def test_the_ids_are_the_documented_ones(criteo: Specifications) -> None:
    assert list(REPORT_TYPES) == list(criteo.report_types)
    assert len(REPORT_TYPES) == 22


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_is_as_documented(row: ReportType, criteo: Specifications) -> None:
    documented = criteo.report_types[row.id]
    assert ("/retail-media/" in row.create_path) == (documented["service"] == "retailmedia")
    assert set(row.versions) == set(documented["versions"])
    assert row.scope == documented["scope"]
    for path, step in ((row.create_path, "create"), (row.status_path, "status"), (row.output_path, "output")):
        assert anonymous(path) == anonymous(documented[step]["path"])
    attributes = documented["request"]["attributes"]
    assert set(row.attributes) == {attribute["name"] for attribute in attributes}
    assert set(row.required) == {attribute["name"] for attribute in attributes if attribute["required"]}
    for kind, states in _OUTCOMES.items():
        assert {JobState.of_word(word) for word in documented[kind]} <= states
    assert row.formats == () or set(row.formats) <= {form.split()[0] for form in documented["formats"]}
