"""Every way of loading a report, one a DAG; the advertiser and the destination come by the run's conf."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow import DAG

from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

DAG_OPTIONS = {
    "schedule": None,
    "start_date": pendulum.datetime(2026, 1, 1, tz="UTC"),
    "catchup": False,
    "default_args": {"retries": 6, "retry_delay": timedelta(seconds=3)},
}
ATTRIBUTES = {"advertiserIds": ["{{ dag_run.conf['advertiser'] }}"], "lookbackWindow": 60}
DESTINATION = "{{ dag_run.conf['destination'] }}"
WAIT = {"poke_interval": 5, "timeout": 600}
SENSORS = {
    "steps": {},
    "steps_deferred": {"deferrable": True},
}

for name, how in SENSORS.items():
    with DAG(name, **DAG_OPTIONS):
        create = CreateReportJobOperator(task_id="create", attributes=ATTRIBUTES)
        wait = ReportJobStatusSensor(task_id="wait", report_id=create.output, **WAIT, **how)
        DownloadReportOperator(task_id="download", report_id=wait.output, destination=DESTINATION)

for name, deferrable in {"one_task": False, "one_task_deferred": True}.items():
    with DAG(name, **DAG_OPTIONS):
        ReportToObjectStorageOperator(
            task_id="report", attributes=ATTRIBUTES, destination=DESTINATION, deferrable=deferrable, **WAIT
        )
