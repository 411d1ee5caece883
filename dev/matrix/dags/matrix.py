"""One DAG a way of waiting; where the file goes comes by the run's conf."""

from __future__ import annotations

import warnings

import pendulum
from airflow import DAG
from airflow.providers.common.compat.sdk import task

from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

START = pendulum.datetime(2026, 1, 1, tz="UTC")
ATTRIBUTES = {"advertiserIds": ["123"], "lookbackWindow": 60}
DESTINATION = "{{ dag_run.conf['destination'] }}"

for name, how in {"reschedule": {"mode": "reschedule"}, "deferred": {"deferrable": True}}.items():
    with DAG(name, schedule=None, start_date=START, catchup=False):
        create = CreateReportJobOperator(task_id="create", attributes=ATTRIBUTES)
        wait = ReportJobStatusSensor(task_id="wait", report_id=create.output, poke_interval=5, retries=1, **how)
        DownloadReportOperator(task_id="download", report_id=wait.output, destination=DESTINATION)

with DAG("one_task", schedule=None, start_date=START, catchup=False):
    ReportToObjectStorageOperator(
        task_id="report", attributes=ATTRIBUTES, destination=DESTINATION, deferrable=True, poke_interval=5, retries=1
    )

    @task
    def canary() -> None:
        """A deprecation as the package would cause it: where this is not found in the logs, others would not be."""
        warnings.warn_explicit(
            "canary",
            DeprecationWarning,
            "airflow_provider_criteo/canary.py",
            1,
            module="airflow_provider_criteo.hooks.criteo",
        )

    canary()
