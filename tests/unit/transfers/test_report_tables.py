"""Reports as typed tables, by the tasks that write them."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, NoReturn

import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_criteo.api.exceptions import RowsMissingError
from airflow_provider_criteo.api.models import DownloadedReport
from airflow_provider_criteo.api.tables import UnknownColumnsError
from airflow_provider_criteo.exceptions import (
    DestinationError,
    EmptyReportError,
    InvalidInputError,
    RowCapError,
    TransientError,
)
from airflow_provider_criteo.operators.report_job import DownloadReportOperator
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from airflow_provider_criteo.utils.destination import Destination
from airflow_provider_criteo.utils.report_table import TableParameters, write_table
from tests.support.scripted_criteo import ScriptedCriteo, job
from tests.support.task_state_store import Store
from tests.support.tasks_in_process import TaskInstance
from tests.support.virtual_time import VirtualTime

STATISTICS = {
    "advertiserIds": ["123", "456"],
    "startDate": "2026-10-01",
    "endDate": "2026-10-03",
    "dimensions": ["Day", "AdvertiserId"],
    "metrics": ["Clicks", "AdvertiserCost"],
    "currency": "EUR",
}


def exported(destination: Path | str, store: Store | None = None, **arguments: Any) -> dict[str, Any]:
    """The XCom ``report_file`` of an all-in-one task's try."""
    arguments = {"report_type": "statistics", "attributes": STATISTICS, "output_format": "parquet", **arguments}
    task = ReportToObjectStorageOperator(task_id="report", destination=str(destination), **arguments)
    ti = TaskInstance()
    task.execute({"ti": ti, "task_state_store": store})
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


@pytest.mark.parametrize(
    ("on_empty", "told", "error"),
    [
        ("skip", None, AirflowSkipException),
        ("skip", 0, AirflowSkipException),
        ("fail", 0, EmptyReportError),
        ("write", 0, UnknownColumnsError),
        ("skip", 3, RowsMissingError),
    ],
)
def test_an_empty_report_whose_columns_nobody_tells(
    on_empty: str, told: int | None, error: type[Exception], tmp_path: Path
) -> None:
    def receive(file: IO[bytes]) -> DownloadedReport:
        file.write(b"[]")
        return DownloadedReport("", "7", 2, "", told, "application/json")

    parameters = TableParameters(on_empty=on_empty, attributes={"startDate": "2026-10-01", "endDate": "2026-10-01"})
    with pytest.raises(error):
        write_table(
            [receive], parameters, "rm-campaigns", Destination, str(tmp_path / "report.parquet"), before_publish=print
        )

    assert not list(tmp_path.iterdir())


TEN_DAYS = {
    "supplyAccountIds": ["1"],
    "startDate": "2026-10-01",
    "endDate": "2026-10-10",
    "dimensions": ["date"],
    "metrics": ["pageViews"],
    "format": "csv",
}


def test_a_report_at_the_row_cap_is_not_published_unless_that_is_wanted(
    criteo_sandbox: Sandbox, tmp_path: Path
) -> None:
    request = {"report_type": "rm-fillrate", "attributes": TEN_DAYS}
    criteo_sandbox.configure(file_rows=100_000)
    with pytest.raises(RowCapError, match=r"100000 rows.*max_days=5"):
        exported(tmp_path / "report.parquet", **request)
    assert not list(tmp_path.iterdir())
    assert exported(tmp_path / "report.parquet", on_row_cap="warn", **request)["truncated"] is True


@pytest.mark.parametrize("size_told", [True, False])
def test_rows_at_the_cap_are_cut_by_criteo_though_it_tells_more(
    size_told: bool, criteo_sandbox: Sandbox, tmp_path: Path
) -> None:
    from airflow_provider_criteo.hooks.criteo import CriteoHook

    criteo_sandbox.configure(file_rows=100_000)
    hook = CriteoHook()
    done = hook.client.wait_for_report_job(hook.create_report_job("rm-fillrate", TEN_DAYS).report_id, "rm-fillrate")
    told = replace(done, row_count=250_000, size_bytes=done.size_bytes if size_told else None)
    table = {"job": told, "output_format": "parquet", "attributes": TEN_DAYS}
    with pytest.raises(RowCapError):
        hook.download_report(done.report_id, str(tmp_path / "report"), "rm-fillrate", **table)
    hook.download_report(done.report_id, str(tmp_path / "report"), "rm-fillrate", **table, on_row_cap="warn")


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


# Two lines that are one row: only who reads the rows sees that one is missing.
FEWER_ROWS = '"keyword","clicks"\n"a\nb",1\n"c",2\n'


def test_a_file_with_fewer_rows_than_criteo_told_is_not_the_report(criteo: ScriptedCriteo, tmp_path: Path) -> None:
    criteo.script = [job("Done", message="rows_count=3")]
    criteo.download_script = [(200, {"Content-Type": "text/csv"}, FEWER_ROWS)] * 9
    (tmp_path / "report.parquet").write_bytes(b"yesterday's")
    request = {"report_type": "mpo-realtime", "attributes": {"advertiserIds": ["1"], "lookbackWindow": 60}}

    with pytest.raises(TransientError, match="has 2 rows, and Criteo told of 3"):
        exported(tmp_path / "report.parquet", **request)

    assert len(criteo.downloads) == 4
    assert (tmp_path / "report.parquet").read_bytes() == b"yesterday's"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_table_is_downloaded_no_more_often_than_a_file(criteo: ScriptedCriteo, tmp_path: Path) -> None:
    criteo.script = [job("Done")]
    criteo.download_script = [(503, {}, "")] * 99

    for output_format in (None, "parquet"):
        criteo.downloads.clear()
        with pytest.raises(TransientError):
            exported(
                tmp_path / "report",
                report_type="mpo-realtime",
                attributes={"advertiserIds": ["1"], "lookbackWindow": 60},
                output_format=output_format,
            )
        assert len(criteo.downloads) == 4


def test_a_try_that_gets_all_rows_is_the_report(criteo: ScriptedCriteo, tmp_path: Path) -> None:
    criteo.script = [job("Done", message="rows_count=3")]
    answers = [FEWER_ROWS, FEWER_ROWS + '"d",3\n']
    criteo.download_script = [(200, {"Content-Type": "text/csv"}, answer) for answer in answers]
    request = {"report_type": "mpo-realtime", "attributes": {"advertiserIds": ["1"], "lookbackWindow": 60}}

    assert exported(tmp_path / "report.parquet", **request)["rows"] == 3


@pytest.mark.parametrize("fault", [None, "cut"])
def test_the_temporary_folder_is_empty_when_a_task_ends(
    criteo_sandbox: Sandbox, time: VirtualTime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str | None
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spool))
    if fault:
        criteo_sandbox.fault("download", fault, times=None, at=10)
    with pytest.raises(TransientError) if fault else nullcontext():
        exported(tmp_path / "lake" / "report.parquet")
    assert not list(spool.iterdir())
    assert [path.name for path in tmp_path.rglob("*.p*")] == ([] if fault else ["report.parquet"])


def test_a_full_temporary_folder_is_named(tmp_path: Path) -> None:
    def receive(file: IO[bytes]) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = str(tmp_path / "report.parquet")
    with pytest.raises(DestinationError, match=f"no room .* in {tempfile.gettempdir()!r}") as raised:
        write_table([receive], TableParameters(), "statistics", Destination, target, before_publish=print)

    assert "No space left on device" in str(raised.value)
    assert "TMPDIR" in str(raised.value)
    assert not list(tmp_path.iterdir())


# --- a retry with overwrite=False

WEEK = {**STATISTICS, "endDate": "2026-10-07"}
DAYS = [f"2026-10-0{number}" for number in range(1, 8)]


def week(folder: Path, store: Store) -> dict[str, Any]:
    """A try of a task that writes a week's files, and replaces none."""
    daily = f"{folder}/day={{date}}.parquet"
    return exported(daily, store, attributes=WEEK, partition_by="Day", overwrite=False)


class StoreOfOneThatDies(Store):
    """A task state store; the worker is killed when it notes the fourth file."""

    def set(self, key: str, value: Any) -> None:
        files = [noted for noted in self.values if noted.startswith("criteo_report_file")]
        if key.startswith("criteo_report_file") and len(files) == 3:
            raise SystemExit
        super().set(key, value)


def test_a_week_whose_task_died_after_three_days_is_finished_by_the_next_try(
    criteo_sandbox: Sandbox, tmp_path: Path
) -> None:
    dying = StoreOfOneThatDies()
    with pytest.raises(SystemExit):
        week(tmp_path, dying)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"day={day}.parquet" for day in DAYS[:3]]

    store = Store(dying.values)
    told = week(tmp_path, store)

    assert [file["date"] for file in told["files"]] == DAYS
    assert pq.read_table(tmp_path / "day=2026-10-07.parquet").num_rows == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"day={day}.parquet" for day in DAYS]
    assert len(criteo_sandbox.journal("create")) == 1


def test_a_retry_recognises_a_week_that_is_all_there(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    store = Store()
    first = week(tmp_path, store)

    assert week(tmp_path, store) == first
    assert len(criteo_sandbox.journal("download")) == 1


def test_one_day_of_somebody_elses_is_not_replaced(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    store = Store()
    week(tmp_path, store)
    other = tmp_path / "day=2026-10-05.parquet"
    other.write_bytes(b"another's")

    with pytest.raises(InvalidInputError, match=r"day=2026-10-05\.parquet' exists, and overwrite=False"):
        week(tmp_path, store)

    assert other.read_bytes() == b"another's"
    assert len(criteo_sandbox.journal("download")) == 1
