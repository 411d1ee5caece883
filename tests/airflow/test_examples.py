"""Every example DAG runs as it is on a real Airflow, against the sandbox."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from ways import until

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack
from tests.support.s3_server import S3

EXAMPLES = {file.stem for file in (Path(__file__).parents[2] / "airflow_provider_criteo" / "example_dags").glob("*.py")}


@pytest.fixture(autouse=True)
def _short(sandbox: Sandbox) -> None:
    sandbox.configure(pending_seconds=4)


def path(url: str) -> Path:
    return Path(url.removeprefix("file://"))


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def test_each_example_is_run_by_a_test() -> None:
    told = Path(__file__).read_text() + Path(__file__).with_name("test_report.py").read_text()
    assert {example for example in EXAMPLES if f'"{example}"' not in told} == set()


def test_one_task(airflow: AirflowStack) -> None:
    run_id, state = airflow.run("example_criteo_one_task")
    assert state == "success"
    table = pq.read_table(path(airflow.xcom("example_criteo_one_task", run_id, "report")))
    assert table.num_rows == 10
    assert str(table.schema.field("clicks").type) == "int64"
    assert str(table.schema.field("advertiserId").type) == "string"


def test_many_advertisers(airflow: AirflowStack, sandbox: Sandbox, lake: Path) -> None:
    run_id, state = airflow.run("example_criteo_many_advertisers")
    assert state == "success"
    named = airflow.query("select rendered_map_index from task_instance where run_id = :run_id", run_id=run_id)
    assert {row["rendered_map_index"] for row in named} == {"101", "102", "103"}
    assert len(sandbox.journal("create")) == 3
    for advertiser in ("101", "102", "103"):
        report = json.loads((lake / f"example_criteo_many_advertisers/{advertiser}.json").read_text())["data"]
        assert {str(row[0]) for row in report["data"]} == {advertiser}
        assert [row[1] for row in report["data"]] == [f"2026-10-{day:02}" for day in range(1, 32)]


def test_backfill_makes_one_file_a_day(airflow: AirflowStack, sandbox: Sandbox, lake: Path) -> None:
    airflow.wait_for_dag("example_criteo_backfill")
    airflow.unpause("example_criteo_backfill")
    dates = ("--from-date", "2026-11-03", "--to-date", "2026-11-04")
    airflow.cli("backfill", "create", "--dag-id", "example_criteo_backfill", *dates)
    runs = airflow.query(
        "select run_id from dag_run where dag_id = 'example_criteo_backfill' and run_type = 'backfill'"
    )

    assert [airflow.wait("example_criteo_backfill", run["run_id"]) for run in runs] == ["success"] * 2
    asked = {(job["attributes"]["startDate"], job["attributes"]["endDate"]) for job in sandbox.jobs()}
    assert asked >= {("2026-11-03", "2026-11-03"), ("2026-11-04", "2026-11-04")}
    for day in ("2026-11-03", "2026-11-04"):
        assert [row["date"] for row in rows(lake / f"performance/day={day}/report.csv")] == [day]


def test_nightly_backfill_tells_the_consumer_which_days_to_load(
    airflow: AirflowStack, sandbox: Sandbox, lake: Path
) -> None:
    for dag_id in ("example_criteo_nightly", "example_criteo_load_days"):
        airflow.wait_for_dag(dag_id)
        airflow.unpause(dag_id)
    dates = ("--from-date", "2026-10-20", "--to-date", "2026-10-21")
    airflow.cli("backfill", "create", "--dag-id", "example_criteo_nightly", *dates)
    runs = airflow.query("select run_id from dag_run where dag_id = 'example_criteo_nightly' and run_type = 'backfill'")
    assert [airflow.wait("example_criteo_nightly", run["run_id"]) for run in runs] == ["success"] * 2
    days = [f"2026-10-{day}" for day in range(13, 22)]
    assert {path.parent.name for path in (lake / "nightly").rglob("*.parquet")} >= {f"day={day}" for day in days}
    loaded = lake / "warehouse"
    # Longer than Airflow's usual delay between two tries, in case the first meets a machine that is busy.
    until("all days are loaded", lambda: {path.stem for path in loaded.glob("*.parquet")} >= set(days), timeout=420)
    for day in days:
        assert (loaded / f"{day}.parquet").read_bytes() == (lake / f"nightly/day={day}/part.parquet").read_bytes()


def test_no_day_is_missed_whose_event_comes_while_others_are_loaded(airflow: AirflowStack, lake: Path) -> None:
    airflow.wait_for_dag("example_criteo_load_days")
    airflow.unpause("example_criteo_load_days")
    (asset,) = airflow.rest("GET", "/assets?name_pattern=criteo-nightly")["assets"]
    days = [f"2025-01-{day:02}" for day in range(1, 11)]
    for day in days:
        file = lake / f"nightly/day={day}/part.parquet"
        file.parent.mkdir(parents=True)
        file.write_bytes(day.encode())
    for day in days:
        airflow.rest("POST", "/assets/events", {"asset_id": asset["id"], "extra": {"days": [day]}})
    until("all days are loaded", lambda: all((lake / f"warehouse/{day}.parquet").exists() for day in days), 120)


def test_a_load_that_is_started_by_hand_is_skipped(airflow: AirflowStack) -> None:
    run_id, state = airflow.run("example_criteo_load_days")
    assert state == "success"
    assert airflow.task_instance("example_criteo_load_days", run_id, "load").state == "skipped"


def test_account(airflow: AirflowStack, sandbox: Sandbox, lake: Path) -> None:
    _, state = airflow.run("example_criteo_account", {"first_day": "2026-07-01", "last_day": "2026-11-24"})
    assert state == "success"
    spans = {(job["attributes"]["startDate"], job["attributes"]["endDate"]) for job in sandbox.jobs()}
    assert spans == {("2026-07-01", "2026-10-08"), ("2026-10-09", "2026-11-24")}
    assert len(list((lake / "performance/account=100").glob("day=*/part.parquet"))) == 147


def test_retail_media(airflow: AirflowStack, lake: Path) -> None:
    _, state = airflow.run("example_criteo_retail_media")
    assert state == "success"
    assert {"impressions", "clicks", "spend"} <= rows(lake / "retail-media/performance.csv")[0].keys()
    # Objects one after the other, over several lines.
    product, _ = json.JSONDecoder().raw_decode((lake / "retail-media/catalog.json").read_text())
    assert product["name"]


def test_existing_job(airflow: AirflowStack, sandbox: Sandbox) -> None:
    with CriteoClient(sandbox.client_id, sandbox.client_secret, base_url=sandbox.url) as elsewhere:
        job = elsewhere.create_report_job("mpo-realtime", {"advertiserIds": ["123"], "lookbackWindow": 60})
    run_id, state = airflow.run("example_criteo_existing_job", {"report_id": job.report_id})
    assert state == "success"
    assert len(sandbox.journal("create")) == 1
    assert rows(path(airflow.xcom("example_criteo_existing_job", run_id, "download")))


def test_to_s3_and_then_a_load_step(airflow: AirflowStack, s3: S3) -> None:
    run_id, state = airflow.run("example_criteo_to_s3")
    assert state == "success"
    url = airflow.xcom("example_criteo_to_s3", run_id, "load")
    told = airflow.xcom("example_criteo_to_s3", run_id, "report", "report_file")
    assert len(s3.read("lake", url.removeprefix("s3://lake/"))) == told["size_bytes"]
    assert f"COPY criteo FROM '{url}' -- {told['size_bytes']} bytes" in airflow.log(
        "example_criteo_to_s3", run_id, "load"
    )


def test_a_week_in_a_duckdb_table_which_a_second_run_replaces(airflow: AirflowStack, lake: Path) -> None:
    for _ in range(2):
        run_id, state = airflow.run("example_criteo_duckdb")
        assert state == "success"
    with duckdb.connect(str(lake / "criteo.duckdb"), read_only=True) as database:
        types = database.execute("select column_name, column_type from (describe spend)").fetchall()
        found = database.execute("select count(distinct Day), count(*), sum(AdvertiserCost) from spend").fetchone()
    assert dict(types) == {"Day": "DATE", "CampaignId": "VARCHAR", "Clicks": "BIGINT", "AdvertiserCost": "DOUBLE"}
    rows_told = airflow.xcom("example_criteo_duckdb", run_id, "report", "report_file")["rows"]
    assert found == (7, rows_told, airflow.xcom("example_criteo_duckdb", run_id, "load"))


def test_on_failure_the_callback_reads_the_problems(airflow: AirflowStack, sandbox: Sandbox) -> None:
    problem = {"code": "invalid-timespan", "title": "Too long.", "detail": "At most 1440.", "traceId": "4f2c9a10"}
    sandbox.configure(outcome="Failure", problems=[problem])
    run_id, state = airflow.run("example_criteo_on_failure")
    assert state == "failed"
    log = airflow.log_text("example_criteo_on_failure", run_id, "report")
    assert "Criteo says: invalid-timespan: Too long. At most 1440. (traceId 4f2c9a10)" in log


def test_catalogue_exports_every_report_type(airflow: AirflowStack, sandbox: Sandbox, lake: Path) -> None:
    # Pending at the first poll, which comes after 15 seconds.
    sandbox.configure(pending_seconds=18)
    began = datetime.now(timezone.utc)

    run_id, state = airflow.run("example_criteo_catalogue", timeout=600)

    assert state == "success"
    instances = airflow.task_instances("example_criteo_catalogue", run_id)
    assert [(ti.state, ti.try_number) for ti in instances] == [("success", 1)] * len(REPORT_TYPES)
    creates = sandbox.journal("create")
    assert sorted(call["report_type"] for call in creates) == sorted(REPORT_TYPES)
    downloads = sandbox.journal("download")
    for call in creates:
        polls = [poll for poll in sandbox.journal("status") if poll["report_id"] == call["report_id"]]
        assert len(polls) >= 2, call["report_type"]
        assert [download["status"] for download in downloads if download["report_id"] == call["report_id"]] == [200]
        file = lake / "catalogue" / call["report_type"]
        assert file.stat().st_size > 0
        assert file.stat().st_mtime > began.timestamp()
