"""A batch of reports, loaded in different ways; the advertisers come by the run's conf."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow import DAG
from airflow.sdk import task

from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ["CRITEO_LAKE"]
NAME = "{{ run_id }}-{{ task.task_id }}-{{ ti.map_index }}.parquet"

with DAG(
    "soak",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=100,
    max_active_tasks=100,
    default_args={"retries": 10, "retry_delay": timedelta(seconds=3)},
):

    @task
    def attributes(way: str, dag_run=None) -> list[dict[str, object]]:
        """What to report, for the advertisers that are loaded in this way."""
        return [{"advertiserIds": [advertiser], "lookbackWindow": 60} for advertiser in dag_run.conf[way]]

    ReportToObjectStorageOperator.partial(
        task_id="one_task",
        destination=f"{LAKE}/{NAME}",
        output_format="parquet",
        deferrable=True,
        poke_interval=15,
        timeout=1800,
    ).expand(attributes=attributes.override(task_id="for_one_task")("one_task"))
    for way, deferrable in {"steps": False, "steps_deferred": True}.items():
        create = CreateReportJobOperator.partial(task_id=f"{way}_create").expand(
            attributes=attributes.override(task_id=f"for_{way}")(way)
        )
        wait = ReportJobStatusSensor.partial(
            task_id=f"{way}_wait", deferrable=deferrable, poke_interval=15, timeout=1800
        ).expand(report_id=create.output)
        DownloadReportOperator.partial(
            task_id=f"{way}_download", destination=f"{LAKE}/{NAME}", output_format="parquet"
        ).expand(report_id=wait.output)
