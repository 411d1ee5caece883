"""What OpenLineage is told of a download."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("airflow.providers.openlineage.extractors")

import tests.support.tasks_in_process as tasks
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from airflow_provider_criteo.utils.observability import openlineage


@pytest.mark.parametrize(
    ("url", "namespace", "name"),
    [
        ("/lake/report.csv", "file", "/lake/report.csv"),
        ("file:///lake/report.csv", "file", "/lake/report.csv"),
        ("s3://lake/criteo/report.csv", "s3://lake", "criteo/report.csv"),
        ("s3a://aws_default@lake/report.csv", "s3://lake", "report.csv"),
        ("gcs://lake/report.csv", "gs://lake", "report.csv"),
    ],
)
def test_the_report_goes_in_and_the_file_comes_out(url: str, namespace: str, name: str) -> None:
    report_file = {"url": url, "report_id": "a/b=="}
    lineage = openlineage(SimpleNamespace(report_file=report_file, report_type="products"))
    assert [(dataset.namespace, dataset.name) for dataset in lineage.inputs] == [("criteo", "products/a/b==")]
    assert [(dataset.namespace, dataset.name) for dataset in lineage.outputs] == [(namespace, name)]


def test_a_download_that_failed_has_no_lineage() -> None:
    assert openlineage(SimpleNamespace(report_file=None, report_type="products")).outputs == []


def lineage_of(destination: str, **arguments: Any) -> Any:
    """The lineage of a task that went well."""
    task = ReportToObjectStorageOperator(
        task_id="report",
        report_type="statistics",
        attributes={
            "advertiserIds": ["123"],
            "startDate": "2026-10-01",
            "endDate": "2026-10-02",
            "dimensions": ["Day", "CampaignId"],
            "metrics": ["Clicks", "AdvertiserCost"],
            "currency": "EUR",
        },
        destination=destination,
        **arguments,
    )
    ti = tasks.TaskInstance()
    task.execute({"ti": ti})
    return task.get_openlineage_facets_on_complete(ti)


def test_the_columns_of_a_table_are_its_schema(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    (table,) = lineage_of(f"{tmp_path}/report.parquet", output_format="parquet", columns={"Day": "day"}).outputs

    assert [(field.name, field.type) for field in table.facets["schema"].fields] == [
        ("day", "date32"),
        ("CampaignId", "string"),
        ("Clicks", "int64"),
        ("AdvertiserCost", "float64"),
    ]


def test_each_day_s_file_is_an_output(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    days = lineage_of(f"{tmp_path}/{{date}}.csv", output_format="csv", partition_by="Day").outputs

    assert [Path(day.name).name for day in days] == ["2026-10-01.csv", "2026-10-02.csv"]
    assert all(day.facets["schema"].fields for day in days)


def test_a_file_as_criteo_gave_it_has_no_schema(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    (file,) = lineage_of(f"{tmp_path}/report.json").outputs

    assert "schema" not in (file.facets or {})
