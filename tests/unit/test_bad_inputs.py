"""Every input that cannot be right is refused with the field, the value and what is allowed; constants at parse time."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_criteo.exceptions import InvalidInputError
from airflow_provider_criteo.hooks.criteo import CriteoHook
from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from tests.support.tasks_in_process import Run

SECRET = "a-secret-of-the-client"
REFRESH_TOKEN = "a-refresh-token"
CONNECTION = {"conn_type": "criteo", "host": "https://api.criteo.com", "login": "an-id", "password": SECRET}

# Connections: changes to a good one, what the error says beside the connection's name

BAD_CONNECTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({"login": None}, ["login", "client id"]),
    ({"login": ""}, ["login", "client id"]),
    ({"login": "   "}, ["login", "client id"]),
    ({"password": None}, ["password", "client secret"]),
    ({"password": "  "}, ["password", "client secret"]),
    ({"host": "http://api.criteo.com"}, ["host", "http://api.criteo.com", "https"]),
    ({"host": "http://127.0.0.1.example.com"}, ["host", "127.0.0.1.example.com", "https"]),
    ({"host": "http://localhost.example.com"}, ["host", "localhost.example.com", "https"]),
    ({"host": "ftp://api.criteo.com"}, ["host", "ftp", "allowed: https"]),
    ({"host": "https://api.criteo.com/v1"}, ["host", "more than scheme, host and port"]),
    ({"host": "https://api.criteo.com?x=1"}, ["host", "more than scheme, host and port"]),
    ({"host": "https://user:pass-word@api.criteo.com"}, ["host", "more than scheme, host and port"]),
    ({"host": "api.criteo.com and more"}, ["host", "is no host", "https://api.criteo.com"]),
    ({"host": "https://"}, ["host", "is no host", "https://api.criteo.com"]),
    ({"host": "[::1"}, ["host", "'[::1'", "no number", "bracket"]),
    ({"host": "https://api.criteo.com:0x50"}, ["host", "0x50", "1 to 65535"]),
    ({"host": "https://api.criteo.com:99999"}, ["host", "99999", "1 to 65535"]),
    ({"host": "api.criteo.com", "schema": "http"}, ["host", "http", "allowed: https"]),
    ({"schema": "gopher"}, ["schema", "gopher", "allowed: https"]),
    ({"port": 70000}, ["port", "70000", "1 to 65535"]),
    ({"port": -1}, ["port", "-1", "1 to 65535"]),
    ({"host": "https://api.criteo.com:8443", "port": 443}, ["port", "443", "8443"]),
    ({"extra": "no JSON"}, ["extra", "allowed: a JSON object"]),
    ({"extra": '["preview"]'}, ["extra", "list", "allowed: a JSON object"]),
    ({"extra": '"preview"'}, ["extra", "allowed: a JSON object"]),
    ({"extra": {"grant_type": "client_credential"}}, ["grant_type", "client_credential", "did you mean"]),
    ({"extra": {"grant_type": "authorization_code"}}, ["grant_type", "authorization_code", "refresh_token"]),
    ({"extra": {"grant_type": 1}}, ["grant_type", "1", "client_credentials"]),
    ({"extra": {"grant_type": ["client_credentials"]}}, ["grant_type", "client_credentials"]),
    ({"extra": {"grant_type": "refresh_token"}}, ["refresh_token", "missing"]),
    ({"extra": {"grant_type": "refresh_token", "refresh_token": ""}}, ["refresh_token", "missing"]),
    ({"extra": {"grant_type": "refresh_token", "refresh_token": 12345678}}, ["refresh_token", "int", "allowed: text"]),
    ({"extra": {"grant_type": "refresh_token", "refresh_token": ["x"]}}, ["refresh_token", "list", "allowed: text"]),
    ({"extra": {"api_version": "v1"}}, ["api_version", "'v1'", "2026-07", "experimental"]),
    ({"extra": {"api_version": "2026-7"}}, ["api_version", "2026-7", "did you mean '2026-07'"]),
    ({"extra": {"api_version": 2026}}, ["api_version", "2026", "valid:"]),
    ({"extra": {"api_version": {"preview": True}}}, ["api_version", "preview", "valid:"]),
    ({"extra": {"timeout": "soon"}}, ["timeout", "'soon'", "at most 600"]),
    ({"extra": {"timeout": 0}}, ["timeout", "0", "above 0"]),
    ({"extra": {"timeout": -5}}, ["timeout", "-5", "above 0"]),
    ({"extra": {"timeout": 601}}, ["timeout", "601", "at most 600"]),
    ({"extra": {"timeout": True}}, ["timeout", "True", "seconds"]),
    ({"extra": {"timeout": "nan"}}, ["timeout", "nan", "seconds"]),
    ({"extra": {"timeout": "inf"}}, ["timeout", "inf", "seconds"]),
    ({"extra": {"timeout": [60]}}, ["timeout", "[60]", "seconds"]),
    ({"extra": {"calls_per_minute": "many"}}, ["calls_per_minute", "'many'", "at least 1"]),
    ({"extra": {"calls_per_minute": 0}}, ["calls_per_minute", "0", "at least 1"]),
    ({"extra": {"calls_per_minute": -40}}, ["calls_per_minute", "-40", "at least 1"]),
    ({"extra": {"calls_per_minute": 2.5}}, ["calls_per_minute", "2.5", "whole number"]),
    ({"extra": {"calls_per_minute": "nan"}}, ["calls_per_minute", "nan", "whole number"]),
    ({"extra": {"calls_per_minute": "inf"}}, ["calls_per_minute", "inf", "whole number"]),
    ({"extra": {"calls_per_minute": True}}, ["calls_per_minute", "True", "whole number"]),
]


def _case(value: Any) -> str | None:
    return json.dumps(value) if isinstance(value, dict) else None


@pytest.mark.parametrize(("changes", "told"), BAD_CONNECTIONS, ids=_case)
def test_a_bad_connection(changes: dict[str, Any], told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_BAD", json.dumps({**CONNECTION, **changes}))
    with pytest.raises(InvalidInputError) as caught:
        CriteoHook("criteo_bad").client  # noqa: B018
    assert_told(caught.value, ["criteo_bad", *told])


def test_a_bad_connection_fails_its_test_with_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_BAD", json.dumps({**CONNECTION, "extra": {"timeout": "soon"}}))
    works, message = CriteoHook("criteo_bad").test_connection()
    assert not works
    assert "'soon'" in message


def assert_told(error: BaseException, told: list[str]) -> None:
    text = str(error)
    assert [word for word in told if word not in text] == [], text
    for secret in (SECRET, REFRESH_TOKEN, "pass-word", "12345678"):
        assert secret not in text


# Arguments: a class, its arguments, what the error says when the DAG is parsed

CREATE: dict[str, Any] = {"attributes": {"advertiserIds": ["1"]}}
WAIT: dict[str, Any] = {"report_id": "1"}
DOWNLOAD: dict[str, Any] = {"report_id": "1", "destination": "/lake/report.csv"}
ALL: dict[str, Any] = {**CREATE, "destination": "/lake/report.csv"}

BAD_ARGUMENTS: list[tuple[type[Any], dict[str, Any], list[str]]] = [
    (CreateReportJobOperator, {"attributes": None}, ["attributes=None", "allowed: a dict"]),
    (CreateReportJobOperator, {"attributes": ["1"]}, ["attributes=['1']", "list", "allowed: a dict"]),
    (CreateReportJobOperator, {"attributes": 5}, ["attributes=5", "allowed: a dict"]),
    (CreateReportJobOperator, {"attributes": "not json"}, ["attributes='not json'", "no JSON", ".json file"]),
    (CreateReportJobOperator, {"attributes": "[1]"}, ["attributes=[1]", "list", "allowed: a dict"]),
    (CreateReportJobOperator, {"attributes": ""}, ["attributes=''", "no JSON"]),
    (CreateReportJobOperator, {"attributes": {"advertiserIds": {"1"}}}, ["attributes.advertiserIds={'1'}", "set", "lists"]),
    (CreateReportJobOperator, {"attributes": {"a": [{"b": float("nan")}]}}, ["attributes.a[0].b=nan", "finite numbers"]),
    (CreateReportJobOperator, {**CREATE, "report_type": ["products"]}, ["report_type=['products']", "valid:"]),
    (CreateReportJobOperator, {**CREATE, "report_type": "rm-catalog", "account_id": ".."}, ["account_id='..'", "rm-catalog"]),
    (CreateReportJobOperator, {**CREATE, "report_type": "mpo-realtim"}, ["'mpo-realtim'", "did you mean 'mpo-realtime'"]),
    (CreateReportJobOperator, {**CREATE, "report_type": ""}, ["report_type=''", "valid:"]),
    (CreateReportJobOperator, {**CREATE, "report_type": None}, ["report_type=None", "valid:"]),
    (CreateReportJobOperator, {**CREATE, "report_type": 7}, ["report_type=7", "valid:"]),
    (CreateReportJobOperator, {**CREATE, "api_version": "2026-07"}, ["api_version='2026-07'", "mpo-realtime", "preview"]),
    (CreateReportJobOperator, {**CREATE, "api_version": "latest"}, ["api_version='latest'", "experimental"]),
    (CreateReportJobOperator, {**CREATE, "api_version": ["preview"]}, ["api_version=['preview']", "valid:"]),
    (CreateReportJobOperator, {**CREATE, "api_version": 2026}, ["api_version=2026", "valid:"]),
    (CreateReportJobOperator, {**CREATE, "criteo_conn_id": ""}, ["criteo_conn_id=''", "allowed:"]),
    (CreateReportJobOperator, {**CREATE, "criteo_conn_id": None}, ["criteo_conn_id=None", "allowed:"]),
    (CreateReportJobOperator, {**CREATE, "account_id": "5"}, ["account_id='5'", "mpo-realtime"]),
    (CreateReportJobOperator, {**CREATE, "report_type": "rm-catalog"}, ["account_id=None", "rm-catalog"]),
    (CreateReportJobOperator, {**CREATE, "report_type": "rm-catalog", "account_id": " "}, ["account_id=' '", "rm-catalog"]),
    (ReportJobStatusSensor, {"report_id": None}, ["report_id=None", "CreateReportJobOperator"]),
    (ReportJobStatusSensor, {"report_id": ""}, ["report_id=''", "allowed:"]),
    (ReportJobStatusSensor, {"report_id": "  "}, ["report_id='  '", "allowed:"]),
    (ReportJobStatusSensor, {"report_id": ["1"]}, ["report_id=['1']", "allowed:"]),
    (ReportJobStatusSensor, {"report_id": "None"}, ["report_id='None'", "allowed:"]),
    (ReportJobStatusSensor, {"report_id": ".."}, ["report_id='..'", "allowed:"]),
    (ReportJobStatusSensor, {**WAIT, "deferrable": "no"}, ["deferrable='no'", "True or False"]),
    (ReportJobStatusSensor, {**WAIT, "poke_interval": 4.9}, ["poke_interval=4.9", "at least 5"]),
    (ReportJobStatusSensor, {**WAIT, "poke_interval": 0}, ["poke_interval=0", "at least 5"]),
    (ReportJobStatusSensor, {**WAIT, "poke_interval": timedelta(seconds=1)}, ["poke_interval=datetime.timedelta(seconds=1)", "at least 5"]),
    (ReportJobStatusSensor, {**WAIT, "poke_interval": 1, "deferrable": True}, ["poke_interval=1", "at least 5"]),
    (ReportJobStatusSensor, {**WAIT, "report_type": "rm-performanc"}, ["rm-performanc", "did you mean 'rm-performance'"]),
    (ReportJobStatusSensor, {**WAIT, "api_version": "preview", "report_type": "rm-performance"}, ["preview", "2026-07"]),
    (DownloadReportOperator, {**DOWNLOAD, "report_id": None}, ["report_id=None", "allowed:"]),
    (DownloadReportOperator, {**DOWNLOAD, "overwrite": "False"}, ["overwrite='False'", "True or False"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": None}, ["destination=None", "absolute path", "s3://"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": ""}, ["destination=''", "absolute path"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": 5}, ["destination=5", "absolute path"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": ("/lake/x.csv",)}, ["destination=('/lake/x.csv',)", "absolute path"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "report.csv"}, ["'report.csv'", "relative", "absolute path"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "./lake/x.csv"}, ["'./lake/x.csv'", "relative"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "/lake/"}, ["'/lake/'", "is a folder"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "s3://bucket/folder/"}, ["'s3://bucket/folder/'", "is a folder"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "s3://bucket"}, ["'s3://bucket'", "no key"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "s3:///key.csv"}, ["'s3:///key.csv'", "no key"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "file://lake/x.csv"}, ["'file://lake/x.csv'", "three slashes"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "https://lake/x.csv"}, ["https://lake/x.csv", "cannot be written"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "abfs://lake"}, ["'abfs://lake'", "no key"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "az://lake/x.csv"}, ["az://lake/x.csv", "abfs://container/key"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "wasb://lake@account.blob.core.windows.net/x.csv"}, ["wasb://", "abfs://container/key"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "abfs://lake@account.dfs.core.windows.net/x.csv"}, ["abfs://lake@account", "in its connection"]),
    (ReportToObjectStorageOperator, {**ALL, "destination": "x.csv"}, ["destination='x.csv'", "relative"]),
    (ReportToObjectStorageOperator, {**ALL, "attributes": None}, ["attributes=None", "allowed: a dict"]),
    (ReportToObjectStorageOperator, {**ALL, "poke_interval": 1}, ["poke_interval=1", "at least 5"]),
    (ReportToObjectStorageOperator, {**ALL, "poke_interval": "60"}, ["poke_interval='60'", "number or a timedelta"]),
    (ReportToObjectStorageOperator, {**ALL, "poke_interval": None}, ["poke_interval=None", "at least 5"]),
    (ReportToObjectStorageOperator, {**ALL, "timeout": -1}, ["timeout=-1", "at least 0"]),
    (ReportToObjectStorageOperator, {**ALL, "timeout": float("nan")}, ["timeout=nan", "at least 0"]),
    (ReportToObjectStorageOperator, {**ALL, "timeout": float("inf")}, ["timeout=inf", "at most a year"]),
    (ReportJobStatusSensor, {**WAIT, "timeout": float("inf")}, ["timeout=inf", "at most a year"]),
    (ReportJobStatusSensor, {**WAIT, "timeout": 1e12}, ["timeout=1000000000000.0", "at most a year"]),
    (ReportJobStatusSensor, {**WAIT, "poke_interval": float("inf")}, ["poke_interval=inf", "at most a year"]),
    (ReportToObjectStorageOperator, {**ALL, "deferrable": None}, ["deferrable=None", "True or False"]),
    (ReportToObjectStorageOperator, {**ALL, "timeout": "1h"}, ["timeout='1h'", "number or a timedelta"]),
    (ReportToObjectStorageOperator, {**ALL, "timeout": True}, ["timeout=True", "number or a timedelta"]),
    (ReportToObjectStorageOperator, {**ALL, "report_type": "mpo"}, ["report_type='mpo'", "valid:"]),
    (ReportToObjectStorageOperator, {**ALL, "output_format": "parqet"}, ["output_format='parqet'", "did you mean 'parquet'"]),
    (DownloadReportOperator, {**DOWNLOAD, "output_format": ["csv"]}, ["output_format=['csv']", "valid:"]),
    (DownloadReportOperator, {**DOWNLOAD, "output_format": "csv", "compression": "zstd"}, ["csv", "compression='zstd'", "gzip"]),
    (DownloadReportOperator, {**DOWNLOAD, "output_format": "csv", "columns": [1]}, ["columns", "1"]),
    (DownloadReportOperator, {**DOWNLOAD, "output_format": "csv", "column_types": {"Day": "date"}}, ["column_types['Day']='date'", "date32"]),
    (DownloadReportOperator, {**DOWNLOAD, "output_format": "csv", "on_row_cap": "ignore"}, ["on_row_cap='ignore'", "warn"]),
    (DownloadReportOperator, {**DOWNLOAD, "output_format": "csv", "on_empty": None}, ["on_empty=None", "skip"]),
    (DownloadReportOperator, {**DOWNLOAD, "output_format": "csv", "partition_by": "Day"}, ["partition_by='Day'", "{date}"]),
    (ReportToObjectStorageOperator, {**ALL, "destination": "/lake/{date}.csv", "output_format": "csv"}, ["partition_by=None", "{date}"]),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "arguments", "told"), BAD_ARGUMENTS, ids=str)
def test_a_bad_argument_is_refused_when_the_dag_is_parsed(
    cls: Callable[..., Any], arguments: dict[str, Any], told: list[str]
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        cls(task_id="task", **arguments)
    assert_told(caught.value, told)


# Templates: what they render to is looked at before the first call

RENDERED: list[tuple[type[Any], dict[str, Any], list[str]]] = [
    (CreateReportJobOperator, {"attributes": "{{ '' }}"}, ["attributes=''", "no JSON", "allowed: a dict"]),
    (CreateReportJobOperator, {"attributes": "{{ none }}"}, ["attributes='None'", "no JSON"]),
    (CreateReportJobOperator, {"attributes": "{ {{ 'x' }} }"}, ["attributes='{ x }'", "no JSON"]),
    (CreateReportJobOperator, {"attributes": "{{ [1, 2] }}"}, ["attributes=[1, 2]", "list"]),
    (CreateReportJobOperator, {**CREATE, "report_type": "{{ '' }}"}, ["report_type=''", "valid:"]),
    (CreateReportJobOperator, {**CREATE, "report_type": "{{ 'mpo-x' }}"}, ["report_type='mpo-x'", "valid:"]),
    (CreateReportJobOperator, {**CREATE, "api_version": "{{ 'v9' }}"}, ["api_version='v9'", "preview"]),
    (
        CreateReportJobOperator,
        {**CREATE, "report_type": "rm-catalog", "account_id": "{{ '' }}"},
        ["account_id=''", "rm-catalog"],
    ),
    (ReportJobStatusSensor, {"report_id": "{{ '' }}"}, ["report_id=''", "allowed:"]),
    (ReportJobStatusSensor, {"report_id": "{{ none }}"}, ["report_id='None'", "allowed:"]),
    (ReportJobStatusSensor, {"report_id": "{{ '' }}", "deferrable": True}, ["report_id=''", "allowed:"]),
    (DownloadReportOperator, {**DOWNLOAD, "report_id": "{{ none }}"}, ["report_id='None'", "allowed:"]),
    (DownloadReportOperator, {**DOWNLOAD, "attributes": "{{ 'x' }}"}, ["attributes='x'", "no JSON"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "{{ '' }}"}, ["destination=''", "absolute path"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "{{ 'x.csv' }}"}, ["destination='x.csv'", "relative"]),
    (DownloadReportOperator, {**DOWNLOAD, "destination": "/lake/{{ '' }}"}, ["destination='/lake/'", "folder"]),
    (ReportToObjectStorageOperator, {**ALL, "destination": "{{ '' }}"}, ["destination=''", "absolute path"]),
    (ReportToObjectStorageOperator, {**ALL, "attributes": "{{ '[]' }}"}, ["attributes=[]", "list"]),
]


@pytest.mark.parametrize(("cls", "arguments", "told"), RENDERED, ids=str)
def test_a_template_that_renders_to_nonsense_is_refused_before_any_call(
    cls: Callable[..., Any], arguments: dict[str, Any], told: list[str], criteo_sandbox: Sandbox
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Run(lambda: rendered(cls(task_id="task", **arguments))).result()
    assert_told(caught.value, told)
    assert not criteo_sandbox.journal()


def rendered(task: Any, folder: Path | None = None, **context: Any) -> Any:
    """The task with its templates rendered, as the task runner does before it executes it."""
    from airflow.sdk import DAG

    dag = DAG("a_dag", schedule=None, template_searchpath=[str(folder)] if folder else None)
    dag.add_task(task)
    task.resolve_template_files()
    task.render_template_fields(context)
    return task


# Attributes: JSON values, and files

BAD_VALUES: list[tuple[Any, list[str]]] = [
    ({"a": float("nan")}, ["attributes.a=nan", "finite"]),
    ({"a": [1, {"b": float("inf")}]}, ["attributes.a[1].b=inf", "finite"]),
    ({"a": {1, 2}}, ["attributes.a={1, 2}", "set", "lists and dicts"]),
    ({"a": b"bytes"}, ["attributes.a=b'bytes'", "allowed: text"]),
    ({"a": object}, ["attributes.a=", "allowed: text"]),
    ({"startDate": timedelta(days=1)}, ["attributes.startDate=", "timedelta", "dates"]),
]


@pytest.mark.parametrize(("attributes", "told"), BAD_VALUES, ids=str)
def test_an_attribute_that_is_no_json_value_is_refused_before_any_call(
    attributes: dict[str, Any], told: list[str], criteo_sandbox: Sandbox
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Run(lambda: CreateReportJobOperator(task_id="task", attributes=attributes)).result()
    assert_told(caught.value, told)
    assert not criteo_sandbox.journal()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, ["attributes='attributes.json'", "no file"]),
        ("", ["attributes=''", "no JSON"]),
        ("{", ["attributes='{'", "no JSON"]),
        ("[1]", ["attributes=[1]", "list", "allowed: a dict"]),
        ('"text"', ["attributes='text'", "allowed: a dict"]),
        ("null", ["attributes=None", "allowed: a dict"]),
        ('{"advertiserIds": {{ nothing.at.all }}}', ["nothing"]),
        ('{"advertiserIds": {% if %}}', ["statement block"]),
    ],
)
def test_an_attribute_file_that_cannot_be(
    content: str | None, told: list[str], criteo_sandbox: Sandbox, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "attributes.json").write_text(content)
    make = lambda: CreateReportJobOperator(task_id="task", attributes="attributes.json")  # noqa: E731
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the text is looked at; templates are Airflow's
        Run(lambda: rendered(make(), tmp_path)).result()
    assert_told(caught.value, told)
    assert not criteo_sandbox.journal()


# And what is good


def test_what_is_not_seen_is_dropped_from_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_criteo.utils.connection import ConnectionSettings

    def pasted(fields: dict[str, str]) -> dict[str, Any]:
        return {name: f"\u200b {value}\ufeff\n" for name, value in fields.items()}

    seen = {"login": "an-id", "password": SECRET, "host": "https://api.criteo.com"}
    extra = {"grant_type": "refresh_token", "refresh_token": "a-token", "api_version": "2026-01", "timeout": "30"}
    connection = {**CONNECTION, **pasted(seen), "extra": pasted(extra)}
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_GOOD", json.dumps(connection))
    settings = ConnectionSettings.from_connection(CriteoHook.get_connection("criteo_good"))
    assert (settings.client_id, settings.client_secret, settings.base_url) == tuple(seen.values())
    assert (settings.refresh_token, settings.api_version, settings.timeout) == ("a-token", "2026-01", 30)


@pytest.mark.parametrize("cls", [CreateReportJobOperator, ReportToObjectStorageOperator])
def test_an_empty_version_is_none(cls: Any, criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    more = {"destination": str(tmp_path / "x.csv")} if cls is ReportToObjectStorageOperator else {}
    attributes = {"advertiserIds": ["1"], "lookbackWindow": 60}
    Run(lambda: cls(task_id="task", attributes=attributes, api_version="", **more)).result()
    assert len(criteo_sandbox.jobs()) == 1


def test_no_exception_of_a_task_has_airflows_status_500() -> None:
    from airflow_provider_criteo import exceptions

    for name, cls in vars(exceptions).items():
        if isinstance(cls, type) and cls.__module__ == exceptions.__name__:
            assert cls.status_code == 0, name


GOOD_CONNECTIONS: list[tuple[str, str]] = [
    (json.dumps(CONNECTION), "https://api.criteo.com"),
    (json.dumps({**CONNECTION, "host": None}), "https://api.criteo.com"),
    (json.dumps({**CONNECTION, "host": ""}), "https://api.criteo.com"),
    (json.dumps({**CONNECTION, "host": "api.criteo.com"}), "https://api.criteo.com"),
    (json.dumps({**CONNECTION, "host": " https://api.criteo.com/ "}), "https://api.criteo.com"),
    (json.dumps({**CONNECTION, "host": "api.criteo.com", "schema": "https"}), "https://api.criteo.com"),
    (json.dumps({**CONNECTION, "host": "api.criteo.com", "port": 443}), "https://api.criteo.com:443"),
    (json.dumps({**CONNECTION, "port": 0}), "https://api.criteo.com"),
    (json.dumps({**CONNECTION, "port": "8443"}), "https://api.criteo.com:8443"),
    (json.dumps({**CONNECTION, "host": "criteo.example.com:8443"}), "https://criteo.example.com:8443"),
    (json.dumps({**CONNECTION, "host": "http://127.0.0.1:8000"}), "http://127.0.0.1:8000"),
    (json.dumps({**CONNECTION, "host": "localhost", "port": 8000}), "http://localhost:8000"),
    (json.dumps({**CONNECTION, "host": "http://[::1]:8000"}), "http://[::1]:8000"),
    (json.dumps({**CONNECTION, "host": "[::1]", "port": 8000}), "http://[::1]:8000"),
    (json.dumps({**CONNECTION, "host": "::1", "port": 8000}), "http://[::1]:8000"),
    ("criteo://id:secret@[::1]:8000", "http://[::1]:8000"),
    ("criteo://id:secret@[2001:db8::1]", "https://[2001:db8::1]"),
    # As the form of Airflow's UI sends it: everything there, most of it empty, numbers as text.
    (
        json.dumps(
            {
                **CONNECTION,
                "host": "",
                "schema": "",
                "port": 0,
                "extra": json.dumps(
                    {
                        "grant_type": "client_credentials",
                        "refresh_token": "",
                        "api_version": None,
                        "timeout": "",
                        "calls_per_minute": None,
                    }
                ),
            }
        ),
        "https://api.criteo.com",
    ),
    ("criteo://an-id:a-secret-of-the-client@", "https://api.criteo.com"),
    ("criteo://an-id:a-secret-of-the-client@api.criteo.com", "https://api.criteo.com"),
    ("criteo://an-id:a-secret-of-the-client@localhost:8000", "http://localhost:8000"),
    ("criteo://an-id:a-secret-of-the-client@http%3A%2F%2F127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("criteo://an-id:a-secret-of-the-client@https%3A%2F%2Fapi.criteo.com", "https://api.criteo.com"),
    ("criteo://an-id:a-secret-of-the-client@https%3A%2F%2Fapi.criteo.com/?timeout=30", "https://api.criteo.com"),
]


@pytest.mark.parametrize(("connection", "base_url"), GOOD_CONNECTIONS)
def test_a_good_connection(connection: str, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_GOOD", connection)
    hook = CriteoHook("criteo_good")
    assert hook.client.base_url == base_url
    assert hook.client.api_version is None


@pytest.mark.parametrize("uri", [False, True], ids=["JSON", "URI"])
def test_extras_may_be_text(uri: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_criteo.utils.connection import ConnectionSettings

    extras = {
        "grant_type": "refresh_token",
        "refresh_token": REFRESH_TOKEN,
        "api_version": "2026-07",
        "timeout": "30",
        "calls_per_minute": "35",
    }
    query = "&".join(f"{name}={value}" for name, value in extras.items())
    text = f"criteo://an-id:{SECRET}@/?{query}" if uri else json.dumps({**CONNECTION, "extra": extras})
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_GOOD", text)
    settings = ConnectionSettings.from_connection(CriteoHook.get_connection("criteo_good"))
    assert settings.grant_type == "refresh_token"
    assert settings.refresh_token == REFRESH_TOKEN
    assert settings.api_version == "2026-07"
    assert settings.timeout == 30.0
    assert settings.calls_per_minute == 35


def test_a_secret_with_every_odd_character_survives_uri_and_json(monkeypatch: pytest.MonkeyPatch) -> None:
    from urllib.parse import quote

    from airflow_provider_criteo.utils.connection import ConnectionSettings

    secret = "a+b/c=d&e%f:g@h?i#j"
    for text in (json.dumps({**CONNECTION, "password": secret}), f"criteo://an-id:{quote(secret, safe='')}@"):
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_GOOD", text)
        assert ConnectionSettings.from_connection(CriteoHook.get_connection("criteo_good")).client_secret == secret


def test_there_are_enough_of_them() -> None:
    count = len(BAD_CONNECTIONS) + len(BAD_ARGUMENTS) + len(RENDERED) + len(BAD_VALUES)
    print(f"bad inputs: {count}")
    assert count >= 70
