"""Attributes may stand in a ``.json`` file, which is a template; a destination that ends in ``.json`` is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_criteo.exceptions import InvalidInputError
from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from tests.support.tasks_in_process import Run, TaskInstance

TEMPLATE = '{"advertiserIds": ["{{ params.advertiser }}"], "lookbackWindow": {{ 60 * 2 }}}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "attributes.json").write_text(TEMPLATE)
    return tmp_path


def in_dag(task: Any, folder: Path) -> Any:
    DAG("a_dag", schedule=None, template_searchpath=[str(folder)]).add_task(task)
    return task


def context(**more: Any) -> dict[str, Any]:
    return {"ti": TaskInstance(), "params": {"advertiser": "42"}, **more}


def test_a_file_is_read_and_rendered(criteo_sandbox: Sandbox, folder: Path) -> None:
    task = in_dag(CreateReportJobOperator(task_id="create", attributes="attributes.json"), folder)
    task.resolve_template_files()
    task.render_template_fields(context())
    task.execute(context())
    assert criteo_sandbox.jobs()[0]["attributes"] == {"advertiserIds": ["42"], "lookbackWindow": 120}


def test_a_mapped_tasks_file_is_read_and_rendered(criteo_sandbox: Sandbox, folder: Path) -> None:
    """A mapped task gets its path when Airflow has already looked for template files."""
    task = in_dag(CreateReportJobOperator(task_id="create", attributes={}), folder)
    task.attributes = "attributes.json"
    task.render_template_fields(context())
    task.execute(context())
    assert criteo_sandbox.jobs()[0]["attributes"] == {"advertiserIds": ["42"], "lookbackWindow": 120}


@pytest.mark.parametrize("mapped", [False, True])
def test_a_missing_file_is_named(folder: Path, mapped: bool) -> None:
    task = in_dag(CreateReportJobOperator(task_id="create", attributes={} if mapped else "nowhere.json"), folder)
    task.attributes = "nowhere.json"
    with pytest.raises(InvalidInputError, match=r"attributes='nowhere\.json'"):
        task.execute(context()) if mapped else task.resolve_template_files()


def test_a_destination_that_ends_in_json_is_no_template_file(criteo_sandbox: Sandbox, folder: Path) -> None:
    report_id = CreateReportJobOperator(task_id="create", attributes=json.loads('{"lookbackWindow": 60, "advertiserIds": ["1"]}')).execute(context())  # fmt: skip
    destination = folder / "lake" / "report.json"
    download = in_dag(DownloadReportOperator(task_id="download", report_id=report_id, destination=str(destination)), folder)  # fmt: skip
    download.resolve_template_files()
    download.render_template_fields(context())
    assert download.execute(context()) == str(destination)
    assert destination.stat().st_size > 0


def test_all_in_one_with_a_file_and_a_json_destination(criteo_sandbox: Sandbox, folder: Path) -> None:
    destination = folder / "report.json"
    task = ReportToObjectStorageOperator(
        task_id="report", attributes="attributes.json", destination="{{ folder }}/report.json"
    )
    in_dag(task, folder)
    task.resolve_template_files()
    task.render_template_fields(context(folder=folder))
    assert Run(lambda: task).result() == str(destination)
    assert destination.exists()
