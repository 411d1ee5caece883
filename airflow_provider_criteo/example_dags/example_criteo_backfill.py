"""
### One report per day

Each run reports the day of its data interval and overwrites its own file, so that a backfill or a cleared run is safe:

    airflow backfill create --dag-id example_criteo_backfill --from-date 2026-11-01 --to-date 2026-11-07
"""

from __future__ import annotations

import os

import pendulum
from airflow import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")

with DAG(
    dag_id="example_criteo_backfill",
    # Plain "@daily" has an empty data interval from Airflow 3 on.
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=pendulum.datetime(2026, 11, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
):
    ReportToObjectStorageOperator(
        task_id="report",
        report_type="rm-performance",
        # Whole days, the last one included: the same day twice is that day.
        attributes={
            "startDate": "{{ data_interval_start | ds }}",
            "endDate": "{{ data_interval_start | ds }}",
            "filters": {"accountIds": ["7"]},
            "dimensions": ["date", "accountId"],
            "metrics": ["impressions", "clicks", "spend"],
            "format": "csv",
        },
        destination=LAKE + "/performance/day={{ data_interval_start | ds }}/report.csv",
        deferrable=True,
        poke_interval=15,
    )
