"""A template field takes whatever Airflow's templating takes; what is not final is looked at when the task runs."""

from __future__ import annotations

import json
import zipfile
from collections import UserList, deque
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath, Param, task, task_group

from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.exceptions import InvalidInputError
from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from tests.support.scripted_criteo import REPORT_ID, ScriptedCriteo
from tests.support.tasks_in_process import TaskInstance

RIGHT: dict[str, Any] = {
    "attributes": {"advertiserIds": ["1"], "lookbackWindow": 60},
    "account_id": None,
    "report_id": REPORT_ID,
    "report_type": "mpo-realtime",
    "criteo_conn_id": "criteo_default",
    "api_version": "preview",
    "destination": "/lake/report.csv",
    "destination_conn_id": None,
}
CLASSES = [CreateReportJobOperator, ReportJobStatusSensor, DownloadReportOperator, ReportToObjectStorageOperator]
FIELDS = [(cls, field) for cls in CLASSES for field in cls.template_fields if field in RIGHT]


def arguments(cls: Any) -> dict[str, Any]:
    return {name: value for name, value in RIGHT.items() if name in cls.template_fields}


def dag(**options: Any) -> DAG:
    return DAG("a_dag", schedule=None, params={"it": Param("x", type="string")}, **options)


@task
def upstream() -> str:
    return "x"


def rendered(operator: Any, **context: Any) -> Any:
    operator.resolve_template_files()
    operator.render_template_fields({"ti": TaskInstance(), "params": {}, **context})
    return operator


@pytest.mark.parametrize("kind", ["XComArg", "dag.param", "callable", "template", "mapped"])
@pytest.mark.parametrize(("cls", "field"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_every_field_takes_what_is_not_final_when_the_dag_is_parsed(cls: Any, field: str, kind: str) -> None:
    with dag() as a_dag:
        if kind == "mapped":
            others = {name: value for name, value in arguments(cls).items() if name != field}
            cls.partial(task_id="mapped", **others).expand(**{field: upstream()})
            return
        value = {
            "XComArg": upstream,
            "dag.param": lambda: a_dag.param("it"),
            "callable": lambda: lambda context, jinja_env: "x",
            "template": lambda: "sub/{{ params.x }}.json" if field == "attributes" else "{{ params.x }}",
        }[kind]()
        operator = cls(task_id="one", **{**arguments(cls), field: value})
    if kind == "XComArg":
        assert operator.upstream_task_ids == {"upstream"}
    if kind == "callable":
        assert getattr(rendered(operator), field) == "x"


@pytest.mark.parametrize(("cls", "field"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_every_field_takes_the_argument_of_a_mapped_group(cls: Any, field: str) -> None:
    with dag() as a_dag:

        @task_group
        def group(it: Any) -> None:
            cls(task_id="one", **{**arguments(cls), field: it})

        group.expand(it=upstream())
    assert a_dag.get_task("group.one").upstream_task_ids == {"upstream"}


@pytest.mark.parametrize("cls", CLASSES)
def test_what_ends_a_wait_in_the_triggerer_is_not_offered(cls: Any) -> None:
    with pytest.raises(TypeError, match="end_from_trigger"):
        cls(task_id="one", **arguments(cls), end_from_trigger=True)


@pytest.mark.parametrize("cls", [DownloadReportOperator, ReportToObjectStorageOperator])
def test_a_destination_may_be_an_object_storage_path(cls: Any, criteo: ScriptedCriteo, tmp_path: Path) -> None:
    with dag():
        destination = ObjectStoragePath(f"file://{tmp_path}/{{{{ ds }}}}.csv")
        operator = cls(task_id="one", **{**arguments(cls), "destination": destination})
    assert rendered(operator, ds="2026-11-24").execute({"ti": TaskInstance()}) == f"file://{tmp_path}/2026-11-24.csv"
    assert (tmp_path / "2026-11-24.csv").exists()


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("cls", [DownloadReportOperator, ReportToObjectStorageOperator])
def test_a_table_may_go_to_an_object_storage_path(
    cls: Any, overwrite: bool, criteo: ScriptedCriteo, tmp_path: Path
) -> None:
    options = {
        "output_format": "csv",
        "overwrite": overwrite,
        "destination": ObjectStoragePath(f"file://{tmp_path}/it"),
    }
    operator = cls(task_id="one", **{**arguments(cls), **options})
    assert operator.execute({"ti": TaskInstance()}) == f"file://{tmp_path}/it"
    assert (tmp_path / "it").read_bytes()


@pytest.mark.parametrize("cls", [DownloadReportOperator, ReportToObjectStorageOperator])
def test_templates_in_a_path_are_rendered(cls: Any) -> None:
    operator = cls(task_id="one", **{**arguments(cls), "destination": Path("/lake/{{ ds }}.csv")})
    assert rendered(operator, ds="2026-11-24").destination == "/lake/2026-11-24.csv"


class Word(str, Enum):
    IT = "mpo-realtime"


@pytest.mark.parametrize("field", ["report_type", "criteo_conn_id"])
@pytest.mark.parametrize("cls", CLASSES)
def test_an_enums_member_is_its_value_in_every_field(cls: Any, field: str) -> None:
    operator = cls(task_id="one", **{**arguments(cls), field: Word.IT})
    assert getattr(rendered(operator), field) == "mpo-realtime"


def test_statements_and_comments_may_have_a_line() -> None:
    with dag(jinja_environment_kwargs={"line_statement_prefix": "%%", "line_comment_prefix": "##"}):
        operator = ReportToObjectStorageOperator(
            task_id="one",
            attributes='%% if true\n{"lookbackWindow": 60}\n%% endif',
            destination="%% set lake = 1\n/lake/it.csv## a comment",
        )
    assert json.loads(rendered(operator).attributes) == {"lookbackWindow": 60}
    assert operator.destination == "/lake/it.csv"


def test_a_dag_may_have_delimiters_of_its_own() -> None:
    own = {"variable_start_string": "<<", "variable_end_string": ">>"}
    with dag(jinja_environment_kwargs=own):
        operator = DownloadReportOperator(task_id="one", report_id="<< ds >>", destination="<< ds >>")
        with pytest.raises(InvalidInputError, match="relative"):
            DownloadReportOperator(task_id="two", report_id="1", destination="{{ ds }}")
    assert rendered(operator, ds="/lake/x").destination == "/lake/x"


@pytest.mark.parametrize("in_file", [False, True])
def test_ids_stay_text_where_templates_are_rendered_as_native_values(
    in_file: bool, criteo: ScriptedCriteo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = {"advertiserIds": ["123", "{{ params.id }}"], "lookbackWindow": "{{ 30 * 2 }}"}
    (tmp_path / "attributes.json").write_text(json.dumps(template))
    bodies: list[Any] = []
    monkeypatch.setattr(criteo, "told_of_create", bodies.append)
    with dag(render_template_as_native_obj=True, template_searchpath=[str(tmp_path)]):
        attributes: Any = "{{ 'attributes' }}.json" if in_file else template
        operator = CreateReportJobOperator(task_id="one", attributes=attributes)
    context = {"ti": TaskInstance(), "params": {"id": "0456"}}
    rendered(operator, **context).execute(context)
    sent = json.loads(bodies[0])["data"]["attributes"]
    assert sent["advertiserIds"] == ["123", "0456"]
    assert in_file or sent["lookbackWindow"] == 60


def test_a_report_id_stays_text_where_templates_are_rendered_as_native_values(criteo: ScriptedCriteo) -> None:
    with dag(render_template_as_native_obj=True):
        sensor = ReportJobStatusSensor(task_id="one", report_id="{{ params.id }}", mode="poke")
    assert rendered(sensor, params={"id": "123456"}).execute({"ti": TaskInstance()}) == "123456"
    assert criteo.polls[0][1] == "123456"


@pytest.mark.parametrize(
    "fields",
    [
        {"columns": '["Day", "Clicks"]'},
        {"column_types": '{"Hour": "int64"}'},
        {"extra_columns": '{"a": 1}'},
        {"compression": "None"},
        {"compression": "'gzip'"},
    ],
    ids=str,
)
def test_a_literal_is_not_final_where_templates_are_rendered_as_native_values(fields: dict[str, str]) -> None:
    table = {"output_format": "csv", "destination": "/tmp/x.csv", "attributes": {}, **fields}
    with dag(render_template_as_native_obj=True):
        ReportToObjectStorageOperator(task_id="native", **table)
        with pytest.raises(InvalidInputError, match="did you mean 'csv'"):
            ReportToObjectStorageOperator(task_id="wrong", **{**table, "output_format": "csvv"})
    with dag(), pytest.raises(InvalidInputError):
        ReportToObjectStorageOperator(task_id="text", **table)


@pytest.mark.parametrize("report_type", ["mpo-realtime", "not-in-a-specification"])
@pytest.mark.parametrize("id_", ["0123", "1e5", "007e1", "1.0", "1_000", "0x10", "12345678901234567890", "-5", "1,2"])
def test_text_that_looks_like_a_number_stays_text_where_templates_are_rendered_as_native_values(
    id_: str, report_type: str, criteo: ScriptedCriteo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REPORT_TYPES, report_type, replace(REPORT_TYPES["mpo-realtime"], id=report_type))
    bodies: list[Any] = []
    monkeypatch.setattr(criteo, "told_of_create", bodies.append)
    with dag(render_template_as_native_obj=True):
        create = CreateReportJobOperator(
            task_id="create",
            report_type=report_type,
            attributes={
                "advertiserIds": [id_, "{{ params.id }}"],
                "lookbackWindow": "{{ 30 * 2 }}",
                "x": "{{ params.share }}",
            },
        )
        sensor = ReportJobStatusSensor(task_id="wait", report_id="{{ params.id }}", mode="poke")
    context = {"ti": TaskInstance(), "params": {"id": id_, "share": 0.5}}
    rendered(create, **context).execute(context)
    sent = json.loads(bodies[0])["data"]["attributes"]
    assert sent == {"advertiserIds": [id_, id_], "lookbackWindow": 60, "x": 0.5}
    assert rendered(sensor, **context).report_id == id_


@pytest.mark.parametrize("path", ["attributes.json", "./attributes.json", "sub/attributes.json"])
def test_a_file_beside_a_dag_in_a_zip(path: str, criteo: ScriptedCriteo, tmp_path: Path) -> None:
    archive = tmp_path / "dags.zip"
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(path.removeprefix("./"), '{"advertiserIds": ["{{ ds }}"], "lookbackWindow": 60}')
        files.writestr("a_dag.py", "")
    with dag() as a_dag:
        a_dag.fileloc = str(archive / "a_dag.py")
        operator = CreateReportJobOperator(task_id="one", attributes=path)
        missing = CreateReportJobOperator(task_id="two", attributes="nowhere.json")
    assert json.loads(rendered(operator, ds="2026-11-24").attributes)["advertiserIds"] == ["2026-11-24"]
    with pytest.raises(InvalidInputError, match=r"nowhere\.json"):
        missing.resolve_template_files()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_dags_default_arguments_reach_every_parameter(cls: Any) -> None:
    defaults = {"criteo_conn_id": "another", "api_version": "experimental", "overwrite": False, "deferrable": True}
    needed = {
        name: arguments(cls)[name] for name in ("attributes", "report_id", "destination") if name in arguments(cls)
    }
    with dag(default_args=defaults):
        operator = cls(task_id="one", **needed)
    assert {name: getattr(operator, name) for name in defaults if hasattr(operator, name)} == {
        name: value for name, value in defaults.items() if hasattr(operator, name)
    }


class Field(str, Enum):
    IDS = "advertiserIds"


@pytest.mark.parametrize("sequence", [deque, UserList, tuple, list])
def test_every_sequence_is_rendered_and_an_enums_member_is_a_key(sequence: Any) -> None:
    attributes = {Field.IDS: sequence(["{{ params.it }}"]), "filters": {Field.IDS: ["7"]}}
    operator = CreateReportJobOperator(task_id="create", attributes=attributes)
    rendered(operator, params={"it": "5"})
    assert json.loads(json.dumps(operator.attributes)) == {"advertiserIds": ["5"], "filters": {"advertiserIds": ["7"]}}
    assert all(type(key) is str for key in (*operator.attributes, *operator.attributes["filters"]))


def test_every_mapping_is_rendered() -> None:
    columns = MappingProxyType({"date": "{{ params.it }}"})
    operator = DownloadReportOperator(
        task_id="load", report_id="1", destination="/lake/x", output_format="csv", columns=columns
    )
    assert rendered(operator, params={"it": "day"}).columns == {"date": "day"}


def test_what_comes_from_another_task_has_no_templates() -> None:
    """Airflow knows it by its identity."""
    told = {"advertiserIds": ["{{ 1 + 1 }}"], "filters": {"name": "{{ not a template"}}
    with dag():
        operator = CreateReportJobOperator(task_id="create", attributes={})
    operator.attributes = told
    context = {"ti": TaskInstance(), "params": {}}
    operator._do_render_template_fields(operator, ("attributes",), context, operator.get_template_env(), {id(told)})
    assert operator.attributes == told
