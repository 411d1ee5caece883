"""The provider's metadata, as Airflow's discovery, its documentation and its connection form read it."""

from __future__ import annotations

import ast
import importlib
import json
from importlib.metadata import distribution, entry_points
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from package_parts import OPERATORS, PACKAGE, load, modules

from airflow_provider_criteo.api.report_type import API_VERSIONS
from airflow_provider_criteo.hooks.criteo import CriteoHook
from airflow_provider_criteo.utils.connection import EXTRAS

AIRFLOW = Path(airflow.__file__).parent
# Airflow's schemas tolerate unknown keys, so that a typing error would pass them and be ignored.
KEYS = {
    "": {
        "package-name",
        "versions",
        "name",
        "description",
        "integrations",
        "hooks",
        "operators",
        "sensors",
        "triggers",
        "transfers",
        "extra-links",
        "connection-types",
    },
    "integrations": {"integration-name", "external-doc-url", "tags", "logo", "how-to-guide"},
    "hooks": {"integration-name", "python-modules"},
    "operators": {"integration-name", "python-modules"},
    "sensors": {"integration-name", "python-modules"},
    "triggers": {"integration-name", "python-modules"},
    "transfers": {"source-integration-name", "target-integration-name", "python-module", "how-to-guide"},
    "connection-types": {"connection-type", "hook-class-name", "hook-name", "ui-field-behaviour", "conn-fields"},
    "ui-field-behaviour": {"hidden-fields", "relabeling", "placeholders"},
    "conn-fields": {"label", "description", "schema"},
    "schema": {"type", "format", "enum", "default", "minimum", "maximum"},
}
STANDARD_FIELDS = {"description", "host", "schema", "login", "password", "port", "extra"}


def schema(name: str) -> dict[str, Any]:
    return json.loads((AIRFLOW / name).read_text())


def test_airflow_accepts_the_metadata(info: dict[str, Any]) -> None:
    jsonschema.validate(info, schema("provider_info.schema.json"))


def test_the_connection_type_is_what_airflow_demands_of_its_own_providers(connection_type: dict[str, Any]) -> None:
    strict = schema("provider.yaml.schema.json")["properties"]["connection-types"]

    jsonschema.validate([connection_type], strict)

    # Before 3.2 the schema knew nothing of forms.
    if "conn-fields" in strict["items"]["properties"]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate([connection_type | {"ui-field-behaviour": {"hidden_fields": ["port"]}}], strict)


def test_every_key_is_one_that_airflow_reads(info: dict[str, Any], connection_type: dict[str, Any]) -> None:
    assert set(info) <= KEYS[""]
    for section in ("integrations", "hooks", "operators", "sensors", "triggers", "transfers", "connection-types"):
        for entry in info[section]:
            assert set(entry) <= KEYS[section], section
    behaviour = connection_type["ui-field-behaviour"]
    assert set(behaviour) <= KEYS["ui-field-behaviour"]
    assert {*behaviour["hidden-fields"], *behaviour["relabeling"], *behaviour["placeholders"]} <= STANDARD_FIELDS
    for name, field in connection_type["conn-fields"].items():
        assert set(field) == KEYS["conn-fields"], name
        assert set(field["schema"]) <= KEYS["schema"], name
        assert "null" in field["schema"]["type"], f"{name} would be required"


def test_the_metadata_needs_no_import_and_the_package_is_empty() -> None:
    # Every start of the airflow command imports both.
    for name in ("get_provider_info.py", "__init__.py"):
        tree = ast.parse((PACKAGE / name).read_text())
        assert not [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))], name


def test_the_distribution_has_the_name_and_the_entry_point_that_airflow_looks_for(info: dict[str, Any]) -> None:
    (entry,) = [e for e in entry_points(group="apache_airflow_provider") if "criteo" in e.value]

    assert entry.load()() == info
    assert entry.name == "provider_info"
    assert entry.dist is not None
    assert entry.dist.metadata["Name"] == info["package-name"]
    assert distribution(info["package-name"]).version == importlib.import_module("airflow_provider_criteo").__version__


def test_the_metadata_names_the_released_version_as_the_astronomer_registry_reads_it(info: dict[str, Any]) -> None:
    assert info["versions"] == [importlib.import_module("airflow_provider_criteo").__version__]


def test_example_dags_are_where_airflow_looks_for_those_of_a_provider(info: dict[str, Any]) -> None:
    # As airflow.dag_processing.bundles.manager does it from 3.3 on.
    package = importlib.import_module(info["package-name"].replace("-", "_"))
    (folder,) = package.__path__
    assert list((Path(folder) / "example_dags").glob("example_criteo_*.py"))


def listed(info: dict[str, Any]) -> dict[str, set[str]]:
    by_folder = {
        section: {module for entry in info[section] for module in entry["python-modules"]}
        for section in ("hooks", "operators", "sensors", "triggers")
    }
    return by_folder | {"transfers": {entry["python-module"] for entry in info["transfers"]}}


# What a user imports is listed; the rest of these folders is how it works inside.
PUBLIC = {
    "hooks": {"criteo"},
    "operators": {"accounts", "report_job"},
    "sensors": {"report_job"},
    "triggers": {"report_job"},
    "transfers": {"report_to_object_storage"},
}
INTERNAL = {
    "airflow_provider_criteo.operators.base",
    "airflow_provider_criteo.operators.links",
    "airflow_provider_criteo.operators.waiting",
    "airflow_provider_criteo.transfers.export",
    "airflow_provider_criteo.transfers.parts",
    "airflow_provider_criteo.triggers.poller",
    "airflow_provider_criteo.triggers.queue",
    "airflow_provider_criteo.triggers.quota_turn",
}


def test_every_listed_module_is_there_and_every_module_is_listed_or_internal(info: dict[str, Any]) -> None:
    expected = {
        folder: {f"airflow_provider_criteo.{folder}.{name}" for name in names} for folder, names in PUBLIC.items()
    }
    on_disk = {name for name in modules() if name.split(".")[1] in PUBLIC and name.count(".") == 2}

    assert listed(info) == expected
    assert on_disk - INTERNAL == set().union(*expected.values())


def test_no_integration_is_listed_twice_and_each_is_declared(info: dict[str, Any]) -> None:
    declared = [entry["integration-name"] for entry in info["integrations"]]
    assert len(declared) == len(set(declared))
    for section in ("hooks", "operators", "sensors", "triggers"):
        names = [entry["integration-name"] for entry in info[section]]
        assert len(names) == len(set(names))
        assert set(names) <= set(declared)
        for entry in info[section]:
            assert len(entry["python-modules"]) == len(set(entry["python-modules"]))
    assert {entry["source-integration-name"] for entry in info["transfers"]} <= set(declared)


def test_the_hook_is_what_the_metadata_says(connection_type: dict[str, Any]) -> None:
    assert load(connection_type["hook-class-name"]) is CriteoHook
    assert connection_type["connection-type"] == CriteoHook.conn_type
    assert connection_type["hook-name"] == CriteoHook.hook_name
    # A URI's scheme is lower-cased, and has no underscores.
    assert CriteoHook.conn_type == CriteoHook.conn_type.lower().replace("_", "")


def test_the_form_of_older_airflow_is_the_same(connection_type: dict[str, Any]) -> None:
    behaviour = connection_type["ui-field-behaviour"]

    assert CriteoHook.get_ui_field_behaviour() == {
        "hidden_fields": behaviour["hidden-fields"],
        "relabeling": behaviour["relabeling"],
        "placeholders": behaviour["placeholders"],
    }


def test_the_form_asks_for_what_a_connection_may_hold(connection_type: dict[str, Any]) -> None:
    fields = connection_type["conn-fields"]

    assert set(fields) == set(EXTRAS)
    assert tuple(fields["api_version"]["schema"]["enum"]) == API_VERSIONS
    assert [name for name, field in fields.items() if field["schema"].get("format") == "password"] == ["refresh_token"]


def test_extra_links_are_registered(info: dict[str, Any]) -> None:
    public = [load(name) for name in OPERATORS]
    used = {type(link) for cls in public for link in cls.operator_extra_links}

    assert used
    assert {f"{cls.__module__}.{cls.__name__}" for cls in used} == set(info["extra-links"])
