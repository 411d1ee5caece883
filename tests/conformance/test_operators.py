"""Habits that Airflow relies on: template fields, serialisation, trigger arguments that outlive a release."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from package_parts import OPERATORS, load

from airflow_provider_criteo.api.tables import TableOptions
from airflow_provider_criteo.triggers.quota_turn import QuotaTurnTrigger
from airflow_provider_criteo.triggers.report_job import ReportJobTrigger
from airflow_provider_criteo.utils.report_table import TableParameters

GOLDEN = Path(__file__).parent / "data"
CLASSES = [load(name) for name in OPERATORS]
ARGUMENTS = {
    "attributes": {"advertiserIds": ["{{ params.id }}"], "lookbackWindow": 60},
    "account_id": None,
    "report_id": "{{ params.report_id }}",
    "report_type": "{{ params.report_type }}",
    "criteo_conn_id": "{{ params.conn_id }}",
    "api_version": "{{ params.api_version }}",
    "destination": "{{ params.destination }}",
    "destination_conn_id": "{{ params.destination_conn_id }}",
    "output_format": "{{ params.output_format }}",
    "compression": "{{ params.compression }}",
    "column_types": {"Clicks": "{{ params.type }}"},
    "columns": ["{{ params.column }}"],
    "extra_columns": {"day": "{{ params.day }}"},
    "partition_by": "{{ params.partition_by }}",
    "on_row_cap": "{{ params.on_row_cap }}",
    "on_empty": "{{ params.on_empty }}",
}


def parameters(cls: type) -> set[str]:
    """What a class takes beside what every task of Airflow does."""
    own = [base for base in cls.__mro__ if base.__module__.startswith("airflow_provider_criteo")]
    return {name for base in own for name in inspect.signature(base.__init__).parameters} - {"self", "args", "kwargs"}


def make(cls: type) -> Any:
    return cls(task_id="task", **{name: value for name, value in ARGUMENTS.items() if name in parameters(cls)})


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_template_fields_are_assigned_as_they_are_given(cls: type) -> None:
    task = make(cls)

    assert {name: getattr(task, name) for name in task.template_fields} == {
        name: ARGUMENTS[name] for name in task.template_fields
    }


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_template_fields_are_parameters_by_the_same_name(cls: type) -> None:
    assert set(cls.template_fields) <= parameters(cls)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_everything_a_task_is_given_by_name_is_documented(cls: type) -> None:
    described = documented(cls)
    if "``TableParameters``" in (cls.__doc__ or ""):
        described |= documented(TableParameters, TableOptions) & set(cls.table_fields)

    assert parameters(cls) == described


def documented(*classes: type) -> set[str]:
    lines = [line.split() for cls in classes for line in (cls.__doc__ or "").splitlines() if ":param" in line]
    return {words[1].rstrip(":") for words in lines}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_dag_with_it_can_be_serialised_and_shows_its_fields(cls: type) -> None:
    import pendulum
    from airflow import DAG

    with DAG("serialised", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
        make(cls)

    (task,) = json.loads(json.dumps(serialised(dag)))["dag"]["tasks"]
    task = task.get("__var", task)
    assert set(task["template_fields"]) == set(cls.template_fields)
    assert task["ui_color"] == cls.ui_color
    assert list(task["_operator_extra_links"]) == ["Criteo documentation"] or task["_operator_extra_links"]
    if "attributes" in cls.template_fields:
        assert task["template_fields_renderers"] == {"attributes": "json"}


def serialised(dag: Any) -> Any:
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization
    return Serialization.to_dict(dag)


def test_airflows_setting_makes_waiting_without_a_worker_the_default() -> None:
    code = (
        "from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor\n"
        "from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator\n"
        "sensor = ReportJobStatusSensor(task_id='wait', report_id='1')\n"
        "task = ReportToObjectStorageOperator(task_id='one', attributes={'advertiserIds': ['1']}, destination='/x.csv')\n"
        "print(sensor.deferrable, task.deferrable)"
    )

    env = {**os.environ, "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "True"}
    told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert told.split()[-2:] == ["True", "True"]


TRIGGERS = [
    {
        "report_id": "e0893b6b-be25-477f-9ca3-e6e8c8ec9e30",
        "report_type": "mpo-realtime",
        "criteo_conn_id": "criteo_default",
        "api_version": None,
        "poll_interval": 60.0,
        "end_time": 1_795_000_000.25,
    },
    {
        "report_id": "id/with+odd=characters",
        "report_type": "rm-performance",
        "criteo_conn_id": "criteo_eu",
        "api_version": "2026-07",
        "poll_interval": 5,
        "end_time": 1_795_000_000.0,
        "exponential_backoff": True,
        "max_wait": 600.0,
        "first_poll_at": 1_794_999_000.5,
        "started": 1_794_998_000.5,
        "of_execution": True,
        "then_download": True,
    },
]


TURN = {
    "call": "create",
    "criteo_conn_id": "criteo_default",
    "started": 1_795_000_000.25,
    "end_time": 1_795_003_600.25,
    "limit": 40,
    "refused_until": 1_795_000_060.25,
    "carried": {"job": None},
    "beyond_first_window": True,
    "calls": 3,
}


@pytest.mark.parametrize("arguments", TRIGGERS, ids=["least", "all"])
def test_a_trigger_comes_back_from_the_database_as_it_was(arguments: dict[str, Any]) -> None:
    path, kwargs = ReportJobTrigger(**arguments).serialize()

    stored = stored_and_read(kwargs)

    assert load(path) is ReportJobTrigger
    assert set(kwargs) == set(inspect.signature(ReportJobTrigger.__init__).parameters) - {"self"}
    assert load(path)(**stored).serialize() == (path, kwargs)
    assert {name: kwargs[name] for name in arguments} == arguments


def stored_and_read(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Through the column of Airflow's ``trigger`` table, encrypted as it is there."""
    from airflow.models.trigger import Trigger

    row = Trigger(classpath="-", kwargs=kwargs)
    return dict(row.kwargs)


def test_no_release_s_waiting_triggers_become_unreadable() -> None:
    """A trigger that an earlier release wrote must be read by this one: it may wait across an upgrade."""
    releases = sorted(GOLDEN.glob("trigger-*.json"))

    assert GOLDEN / f"trigger-{released()}.json" in releases
    for file in releases:
        for written in json.loads(file.read_text()):
            cls = load(written["classpath"])
            trigger = cls(**written["kwargs"])
            _, kwargs = trigger.serialize()
            assert {name: kwargs[name] for name in written["kwargs"]} == written["kwargs"], file.name
            # What has been added since must have a default, so that nothing but the old arguments is needed.


def test_this_release_writes_what_its_golden_file_says() -> None:
    written = json.loads((GOLDEN / f"trigger-{released()}.json").read_text())

    triggers = [*(ReportJobTrigger(**arguments) for arguments in TRIGGERS), QuotaTurnTrigger(**TURN)]
    now = [dict(zip(("classpath", "kwargs"), trigger.serialize(), strict=True)) for trigger in triggers]

    assert now == written


def released() -> str:
    return version("airflow-provider-criteo")


@pytest.mark.parametrize("url", ["s3://lake/a.csv", "gs://lake/a.csv", "abfs://lake@account/a.csv"])
def test_airflow_knows_the_object_storage(url: str) -> None:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    assert str(ObjectStoragePath(url)) == url


def test_a_file_that_was_written_reaches_the_hook_level_lineage(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_criteo.hooks.criteo import CriteoHook
    from airflow_provider_criteo.utils.observability import file_written

    try:
        lineage: Any = importlib.import_module("airflow.sdk.lineage")
    except ImportError:
        lineage = importlib.import_module("airflow.lineage.hook")
    # Airflow has one that collects only where a plugin reads it.
    collector = lineage.HookLineageCollector()
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: collector)
    monkeypatch.setattr(lineage, "_hook_lineage_collector", collector, raising=False)

    file_written(CriteoHook(), "file:///lake/report.csv")

    (written,) = collector.collected_assets.outputs
    assert written.asset.uri == "file:///lake/report.csv"
