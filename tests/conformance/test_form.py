"""The connection form, as the installed Airflow builds it, and what becomes of what a user enters."""

from __future__ import annotations

import json
import logging
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import pytest
from airflow.models.connection import Connection
from airflow.providers_manager import ProvidersManager

from airflow_provider_criteo.utils.connection import ConnectionSettings

AIRFLOW_2 = version("apache-airflow").startswith("2.")
AIRFLOW_3_0 = version("apache-airflow").startswith("3.0.")


@pytest.mark.skipif(AIRFLOW_2, reason="Airflow 2 builds its form otherwise")
def test_the_ui_gets_every_field(connection_type: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    with caplog.at_level(logging.WARNING):
        (meta,) = [meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "criteo"]

    assert not [record for record in caplog.records if "criteo" in record.getMessage().lower()]
    assert meta.hook_name == "Criteo"
    if AIRFLOW_3_0 and find_spec("flask_appbuilder") is None:
        # Airflow 3.0 shows no provider's own form without it.
        pytest.skip("Airflow 3.0 needs apache-airflow-providers-fab for this")
    standard = json.loads(meta.standard_fields.model_dump_json())
    behaviour = connection_type["ui-field-behaviour"]
    shown = {name: field for name, field in standard.items() if field}
    assert {name for name, field in shown.items() if field["hidden"]} == {"url_schema"}
    assert {name: f["title"] for name, f in shown.items() if f["title"]} == behaviour["relabeling"]
    assert {name: f["placeholder"] for name, f in shown.items() if f["placeholder"]} == behaviour["placeholders"]

    conn_fields = connection_type["conn-fields"]
    assert set(meta.extra_fields) == set(conn_fields)
    for name, field in conn_fields.items():
        got, schema = meta.extra_fields[name], field["schema"]
        assert got["schema"]["title"] == field["label"]
        assert got.get("description") == field["description"]
        assert got["value"] == schema.get("default")
        assert got["schema"].get("format") == schema.get("format")
        assert got["schema"].get("enum") == schema.get("enum"), f"{name} is no dropdown"
        assert "null" in got["schema"]["type"]


@pytest.mark.skipif(not AIRFLOW_2, reason="Airflow 3 builds its form otherwise")
def test_the_form_of_airflow_2_has_every_field(connection_type: dict[str, Any]) -> None:
    manager = ProvidersManager()
    widgets = {
        w.field_name: w for key, w in manager.connection_form_widgets.items() if key.startswith("extra__criteo__")
    }

    conn_fields = connection_type["conn-fields"]
    assert set(widgets) == set(conn_fields)
    kinds = {name: widget.field.field_class.__name__ for name, widget in widgets.items()}
    assert kinds == {
        "grant_type": "StringField",
        "refresh_token": "PasswordField",
        "refresh_token_variable": "StringField",
        "api_version": "StringField",
        "timeout": "StringField",
        "calls_per_minute": "IntegerField",
    }
    assert widgets["refresh_token"].is_sensitive
    for name in ("grant_type", "api_version"):
        _, allowed = widgets[name].field.kwargs["validators"]
        assert allowed.values == conn_fields[name]["schema"]["enum"]
    behaviour = manager.field_behaviours["criteo"]
    assert behaviour["relabeling"] == connection_type["ui-field-behaviour"]["relabeling"]
    assert behaviour["hidden_fields"] == connection_type["ui-field-behaviour"]["hidden-fields"]


# What the form of each Airflow writes into ``extra`` when a user fills in nothing but id and secret.
@pytest.mark.parametrize(
    "extra",
    [
        {
            "grant_type": "client_credentials",
            "refresh_token": None,
            "api_version": None,
            "timeout": None,
            "calls_per_minute": None,
        },
        {"grant_type": "client_credentials", "refresh_token": "", "api_version": "", "timeout": ""},
        {},
        None,
    ],
    ids=["nulls", "empty", "nothing", "none"],
)
@pytest.mark.parametrize("port", [None, 443])
@pytest.mark.parametrize("as_uri", [False, True], ids=["fields", "uri"])
def test_id_and_secret_are_enough(extra: dict[str, Any] | None, port: int | None, as_uri: bool) -> None:
    connection = Connection(
        conn_id="c",
        conn_type="criteo",
        login="an-id",
        password="a+b/c=d&e%f",
        port=port,
        extra=extra and json.dumps(extra),
    )
    if as_uri:
        # The Test button hands the connection over in this form.
        connection = Connection(conn_id="c", uri=connection.get_uri())

    settings = ConnectionSettings.from_connection(connection)

    assert (settings.client_id, settings.client_secret) == ("an-id", "a+b/c=d&e%f")
    assert settings.base_url == "https://api.criteo.com"
    assert settings.grant_type == "client_credentials"
    assert (settings.refresh_token, settings.api_version, settings.timeout, settings.calls_per_minute) == (None,) * 4


def test_values_of_the_form_survive_being_text() -> None:
    extra = {"grant_type": "refresh_token", "refresh_token": "r", "timeout": "7.5", "calls_per_minute": "20"}
    connection = Connection(conn_id="c", conn_type="criteo", login="i", password="s", extra=json.dumps(extra))

    settings = ConnectionSettings.from_connection(Connection(conn_id="c", uri=connection.get_uri()))

    assert (settings.timeout, settings.calls_per_minute, settings.refresh_token) == (7.5, 20, "r")
