"""Reports as typed tables, by the tasks that write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_criteo.exceptions import EmptyReportError, InvalidInputError, RowCapError
from airflow_provider_criteo.operators.report_job import DownloadReportOperator
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from tests.support.tasks_in_process import TaskInstance

STATISTICS = {
    "advertiserIds": ["123", "456"],
    "startDate": "2026-10-01",
    "endDate": "2026-10-03",
    "dimensions": ["Day", "AdvertiserId"],
    "metrics": ["Clicks", "AdvertiserCost"],
    "currency": "EUR",
}


def exported(destination: Path | str, **arguments: Any) -> dict[str, Any]:
    """The XCom ``report_file`` of an all-in-one task."""
    arguments = {"report_type": "statistics", "attributes": STATISTICS, "output_format": "parquet", **arguments}
    task = ReportToObjectStorageOperator(task_id="report", destination=str(destination), **arguments)
    ti = TaskInstance()
    task.execute({"ti": ti})
    told: dict[str, Any] = ti.xcoms["report_file"]
    return told


def test_one_task_ends_in_a_typed_parquet_file(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    told = exported(tmp_path / "report.parquet")
    table = pq.read_table(tmp_path / "report.parquet")
    assert {name: str(table.schema.field(name).type) for name in STATISTICS["dimensions"] + STATISTICS["metrics"]} == {
        "Day": "date32[day]",
        "AdvertiserId": "string",
        "Clicks": "int64",
        "AdvertiserCost": "double",
    }
    assert told["rows"] == table.num_rows == 6
    assert told["format"] == "parquet"
    assert [column["name"] for column in told["columns"]] == table.column_names
    assert told["source"]["format"] == "wrapped"
    assert told["size_bytes"] == (tmp_path / "report.parquet").stat().st_size
    assert not told["truncated"]
    assert told["days"] == ["2026-10-01", "2026-10-02", "2026-10-03"]


def test_an_empty_day_has_the_schema_of_a_full_one(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    full = exported(tmp_path / "full.parquet")
    criteo_sandbox.reset()
    criteo_sandbox.next_job(file_rows=0)
    empty = exported(tmp_path / "empty.parquet")
    assert empty["rows"] == 0
    assert empty["schema_fingerprint"] == full["schema_fingerprint"]
    assert pq.read_schema(tmp_path / "empty.parquet").equals(pq.read_schema(tmp_path / "full.parquet"))


def test_each_day_of_the_range_is_a_file_also_one_without_rows(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    told = exported(f"{tmp_path}/day={{date}}/part.parquet", partition_by="Day")
    files = sorted(path.parent.name for path in tmp_path.glob("day=*/part.parquet"))
    assert files == ["day=2026-10-01", "day=2026-10-02", "day=2026-10-03"]
    assert [file["rows"] for file in told["files"]] == [2, 2, 2]
    criteo_sandbox.reset()
    criteo_sandbox.next_job(file_rows=0)
    told = exported(f"{tmp_path}/day={{date}}/part.parquet", partition_by="Day")
    assert [pq.read_metadata(file["url"]).num_rows for file in told["files"]] == [0, 0, 0]


@pytest.mark.parametrize(("on_empty", "error"), [("skip", AirflowSkipException), ("fail", EmptyReportError)])
def test_an_empty_report_skips_or_fails_and_writes_nothing(
    on_empty: str, error: type[Exception], criteo_sandbox: Sandbox, tmp_path: Path
) -> None:
    criteo_sandbox.next_job(file_rows=0)
    with pytest.raises(error, match="no rows"):
        exported(tmp_path / "report.parquet", on_empty=on_empty)
    assert not list(tmp_path.iterdir())


def test_a_report_at_the_row_cap_is_not_published_unless_that_is_wanted(
    criteo_sandbox: Sandbox, tmp_path: Path
) -> None:
    request = {
        "report_type": "rm-fillrate",
        "attributes": {
            "supplyAccountIds": ["1"],
            "startDate": "2026-10-01",
            "endDate": "2026-10-10",
            "dimensions": ["date"],
            "metrics": ["pageViews"],
            "format": "csv",
        },
    }
    criteo_sandbox.configure(file_rows=100_000)
    with pytest.raises(RowCapError, match=r"100000 rows.*max_days=5"):
        exported(tmp_path / "report.parquet", **request)
    assert not list(tmp_path.iterdir())
    assert exported(tmp_path / "report.parquet", on_row_cap="warn", **request)["truncated"] is True


@pytest.mark.parametrize(
    "wrong",
    [
        {"output_format": "excel"},
        {"compression": "brotli"},
        {"column_types": {"Clicks": "number"}},
        {"on_empty": "ignore"},
        {"on_row_cap": "split-it"},
        {"partition_by": "Day"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_parameter_that_cannot_be_right_is_told_before_a_job_is_created(
    wrong: dict[str, Any], criteo_sandbox: Sandbox, tmp_path: Path
) -> None:
    name = next(iter(wrong))
    with pytest.raises(InvalidInputError, match=name):
        exported(tmp_path / "report.parquet", **wrong)
    assert not criteo_sandbox.journal("create")


def test_a_download_of_an_earlier_job_makes_a_table_too(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    from airflow_provider_criteo.hooks.criteo import CriteoHook

    job = CriteoHook().create_report_job("statistics", STATISTICS)
    ti = TaskInstance()
    DownloadReportOperator(
        task_id="download",
        report_id=job.report_id,
        report_type="statistics",
        destination=str(tmp_path / "report.csv"),
        attributes=STATISTICS,
        output_format="csv",
        columns={"AdvertiserCost": "cost"},
        extra_columns={"source": "criteo"},
    ).execute({"ti": ti})
    header, *rows = (tmp_path / "report.csv").read_text().splitlines()
    assert "cost" in header
    assert header.endswith("source") or '"source"' in header
    assert len(rows) == ti.xcoms["report_file"]["rows"] == 6
