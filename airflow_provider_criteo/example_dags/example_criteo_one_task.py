"""
### A Criteo report as one typed table, in one task

Create, wait, download, and make a Parquet file of it, whose columns have the same types every day. With
`deferrable=True` no worker is kept while Criteo works.
"""

from __future__ import annotations

import os

import pendulum
from airflow import DAG

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")

with DAG(
    dag_id="example_criteo_one_task",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
):
    ReportToObjectStorageOperator(
        task_id="report",
        attributes={"advertiserIds": ["123"], "lookbackWindow": 120},
        destination=LAKE + "/{{ dag.dag_id }}/{{ run_id | replace(':', '-') }}.parquet",
        output_format="parquet",
        deferrable=True,
        poke_interval=15,
    )
