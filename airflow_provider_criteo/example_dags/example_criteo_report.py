"""
### A Criteo report in three tasks

Create the report job, wait for it without keeping a worker, download its file.
"""

from __future__ import annotations

import os

import pendulum
from airflow import DAG

from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")

with DAG(
    dag_id="example_criteo_report",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
):
    create = CreateReportJobOperator(
        task_id="create",
        attributes={"advertiserIds": ["123"], "lookbackWindow": 60, "dimensions": ["AdvertiserId", "CampaignId"]},
    )
    wait = ReportJobStatusSensor(task_id="wait", report_id=create.output, poke_interval=15)
    DownloadReportOperator(
        task_id="download",
        report_id=wait.output,
        destination=LAKE + "/{{ dag.dag_id }}/{{ run_id | replace(':', '-') }}.csv",
    )
