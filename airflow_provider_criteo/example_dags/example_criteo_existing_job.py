"""
### A job that was created elsewhere

Give its id when you trigger the run: `{"report_id": "...", "report_type": "mpo-realtime"}`.
"""

from __future__ import annotations

import os

import pendulum
from airflow import DAG

from airflow_provider_criteo.operators.report_job import DownloadReportOperator
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")

with DAG(
    dag_id="example_criteo_existing_job",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"report_id": "", "report_type": "mpo-realtime"},
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
):
    wait = ReportJobStatusSensor(
        task_id="wait",
        report_id="{{ params.report_id }}",
        report_type="{{ params.report_type }}",
        deferrable=True,
        poke_interval=15,
    )
    DownloadReportOperator(
        task_id="download",
        report_id=wait.output,
        report_type="{{ params.report_type }}",
        destination=LAKE + "/{{ dag.dag_id }}/{{ run_id | replace(':', '-') }}.csv",
    )
