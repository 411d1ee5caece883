"""A DAG for each fault that CRITEO_FAULTS names, with every way of loading a report beside each other."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow import DAG

from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

WAITS = {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferred": {"deferrable": True},
}

for fault in os.environ["CRITEO_FAULTS"].split():
    with DAG(
        fault,
        schedule=None,
        start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
        catchup=False,
        default_args={"retries": 1, "retry_delay": timedelta(seconds=1), "criteo_conn_id": f"criteo_{fault}"},
    ):
        attributes = {"advertiserIds": ["{{ dag_run.conf['advertiser'] }}"], "lookbackWindow": 60}
        lake = "{{ dag_run.conf['lake'] }}/{{ task.task_id }}.csv"
        create = CreateReportJobOperator(task_id="create", attributes=attributes)
        # What fails before there is a job is the same for every way of waiting.
        waits = WAITS if fault.startswith(("nothing", "refresh_token", "status", "job", "download")) else {}
        for name, how in waits.items():
            wait = ReportJobStatusSensor(
                task_id=f"wait_{name}", report_id=create.output, poke_interval=5, timeout=12, **how
            )
            DownloadReportOperator(task_id=f"download_{name}", report_id=wait.output, destination=lake)
        for name, deferrable in {"one_task": False, "one_task_deferred": True}.items():
            ReportToObjectStorageOperator(
                task_id=name,
                attributes=attributes,
                destination=lake,
                deferrable=deferrable,
                poke_interval=5,
                timeout=12,
            )
