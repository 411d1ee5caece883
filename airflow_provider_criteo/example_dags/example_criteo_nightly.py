"""
### Each night the last days again

Criteo corrects its figures for some days. So each run asks for its day and the seven before it, as one request, and writes
each day's file anew: no day is counted twice, and a run that is cleared or backfilled does no harm. How many days a report
type needs is in the table of report types.

    airflow backfill create --dag-id example_criteo_nightly --from-date 2026-09-01 --to-date 2026-11-01 --max-active-runs 1
    airflow dags backfill example_criteo_nightly --start-date 2026-09-01 --end-date 2026-11-01   # Airflow 2

The asset's event says which days there are new files of; `example_criteo_load_days.py` loads those.
"""

from __future__ import annotations

import os

import pendulum
from airflow import DAG
from airflow.providers.common.compat.sdk import Asset
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")
DAYS_AGAIN = 7

with DAG(
    dag_id="example_criteo_nightly",
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=pendulum.datetime(2026, 8, 1, tz="UTC"),
    catchup=False,
    # Two runs at once would write the same days.
    max_active_runs=1,
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
) as dag:
    ReportToObjectStorageOperator(
        task_id="report",
        report_type="rm-performance",
        attributes={
            "startDate": "{{ macros.ds_add(data_interval_start | ds, -%d) }}" % DAYS_AGAIN,  # noqa: UP031 - Jinja's braces
            "endDate": "{{ data_interval_start | ds }}",
            "filters": {"accountIds": ["7", "8"]},
            "dimensions": ["date", "accountId"],
            "metrics": ["impressions", "clicks", "spend"],
            "format": "csv",
        },
        destination=LAKE + "/nightly/day={date}/part.parquet",
        output_format="parquet",
        partition_by="date",
        on_row_cap="split",
        outlets=[Asset("criteo-nightly")],
        deferrable=True,
        poke_interval=15,
    )
