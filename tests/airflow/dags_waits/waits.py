"""Deferred waits, six of a kind; which connection they use comes by the run's conf."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow import DAG

from airflow_provider_criteo.operators.report_job import CreateReportJobOperator
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

DAG_OPTIONS = {
    "schedule": None,
    "start_date": pendulum.datetime(2026, 1, 1, tz="UTC"),
    "catchup": False,
    "default_args": {
        "retries": 0,
        "criteo_conn_id": "{{ dag_run.conf['conn_id'] }}",
        "deferrable": True,
        "poke_interval": 5,
    },
}

with DAG("six_reports", **DAG_OPTIONS):
    for number in range(1, 7):
        ReportToObjectStorageOperator(
            task_id=f"report_{number}",
            attributes={"advertiserIds": [str(number)], "lookbackWindow": 60},
            destination=f"{{{{ dag_run.conf['lake'] }}}}/{number}.csv",
        )

with DAG("bounded_waits", **DAG_OPTIONS):
    attributes = {"advertiserIds": ["123"], "lookbackWindow": 60}
    bound = timedelta(seconds=30)
    create = CreateReportJobOperator(task_id="create", attributes=attributes)
    ReportJobStatusSensor(task_id="wait", report_id=create.output, execution_timeout=bound)
    ReportToObjectStorageOperator(
        task_id="report",
        attributes=attributes,
        destination="{{ dag_run.conf['lake'] }}/never.csv",
        execution_timeout=bound,
    )
