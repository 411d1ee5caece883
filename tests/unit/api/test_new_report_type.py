"""A report type that Criteo adds is a row, and nothing else: through the operators, the sensor and the hook."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from tests.support.report_types import new_row

NEW = "keyword-bids"


@pytest.fixture
def report_type(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> str:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", sandbox.connection(timeout="10"))
    monkeypatch.setitem(REPORT_TYPES, NEW, new_row())
    return NEW


def context(pushed: dict[str, Any]) -> Any:
    """What Airflow hands a task, as far as these look at it."""
    return {"ti": SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))}


def test_create_wait_and_download(report_type: str, sandbox: Sandbox, tmp_path: Path) -> None:
    pushed: dict[str, Any] = {}
    create = CreateReportJobOperator(task_id="create", report_type=report_type, attributes={"advertiserIds": ["1"]})
    report_id = create.execute(context(pushed))
    sandbox.finish(report_id, file_rows=3)
    wait = ReportJobStatusSensor(
        task_id="wait", report_id=report_id, report_type=report_type, mode="poke", deferrable=False
    )
    assert wait.execute(context(pushed)) == report_id
    download = DownloadReportOperator(
        task_id="download", report_id=report_id, report_type=report_type, destination=str(tmp_path / "bids.csv")
    )
    url = download.execute(context(pushed))
    assert url.endswith("/bids.csv")
    assert pushed["report_file"]["report_id"] == report_id
    assert pushed["report_file"]["size_bytes"] == (tmp_path / "bids.csv").stat().st_size > 0
    assert [job["report_type"] for job in sandbox.jobs()] == [report_type]


def test_all_three_in_one_task(report_type: str, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.configure(done_at_creation=True)
    pushed: dict[str, Any] = {}
    report = ReportToObjectStorageOperator(
        task_id="report",
        report_type=report_type,
        attributes={"advertiserIds": ["1"]},
        destination=str(tmp_path / "bids.csv"),
    )
    assert report.execute(context(pushed)).endswith("/bids.csv")
    assert (tmp_path / "bids.csv").stat().st_size > 0


def test_its_wrong_version_and_name_are_told_like_any_others(report_type: str) -> None:
    with pytest.raises(ValueError, match="does not serve report type 'keyword-bids'; valid: experimental"):
        CreateReportJobOperator(task_id="create", report_type=report_type, attributes={}, api_version="2026-07")
    with pytest.raises(ValueError, match="did you mean 'keyword-bids'"):
        CreateReportJobOperator(task_id="create", report_type="keyword-bid", attributes={})
