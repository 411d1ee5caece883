"""
### A week of Criteo statistics in a DuckDB table

Each day is a Parquet file of its own, whose columns have the same types every day. What is loaded replaces exactly the
days that were asked for, so a run may be repeated, and each night's run may ask for the last days again.
"""

from __future__ import annotations

import os
from typing import Any

import pendulum
from airflow import DAG
from airflow.providers.common.compat.sdk import task

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")

with DAG(
    dag_id="example_criteo_duckdb",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"first": "2026-10-01", "last": "2026-10-07"},
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
):
    report = ReportToObjectStorageOperator(
        task_id="report",
        report_type="statistics",
        attributes={
            "advertiserIds": ["123"],
            "startDate": "{{ params.first }}",
            "endDate": "{{ params.last }}",
            "dimensions": ["Day", "CampaignId"],
            "metrics": ["Clicks", "AdvertiserCost"],
            "currency": "EUR",
        },
        destination=LAKE + "/{{ dag.dag_id }}/{date}.parquet",
        output_format="parquet",
        partition_by="Day",
        deferrable=True,
        poke_interval=15,
    )

    @task
    def load(report_file: dict[str, Any]) -> float:
        """Replace the days in the table; what they cost."""
        import duckdb

        files = [file["url"].removeprefix("file://") for file in report_file["files"]]
        days = report_file["days"]
        with duckdb.connect(f"{LAKE.removeprefix('file://')}/criteo.duckdb") as database:
            database.execute("create table if not exists spend as from read_parquet(?) limit 0", [files])
            database.begin()
            database.execute("delete from spend where Day between ? and ?", [days[0], days[-1]])
            database.execute("insert into spend by name from read_parquet(?)", [files])
            database.commit()
            ((cost,),) = database.execute("select sum(AdvertiserCost) from spend").fetchall()
        return float(cost)

    load(report.output["report_file"])
