"""DAGs for the tests, one a way of waiting; what differs between runs comes by the run's conf."""

from __future__ import annotations

import pendulum
from airflow import DAG

from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor

START = pendulum.datetime(2026, 1, 1, tz="UTC")
ATTRIBUTES = {"advertiserIds": ["123"], "lookbackWindow": 60}
WAITS = {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferred": {"deferrable": True},
}

for name, how in WAITS.items():
    with DAG(f"report_{name}", schedule=None, start_date=START, catchup=False):
        create = CreateReportJobOperator(
            task_id="create",
            attributes=ATTRIBUTES,
            criteo_conn_id="{{ dag_run.conf.get('conn_id', 'criteo_default') }}",
        )
        wait = ReportJobStatusSensor(
            task_id="wait", report_id=create.output, poke_interval=5, timeout=240, retries=3, **how
        )
        DownloadReportOperator(
            task_id="download", report_id=wait.output, destination="{{ dag_run.conf['destination'] }}"
        )

with DAG("two_waits", schedule=None, start_date=START, catchup=False):
    for name in ("first", "second"):
        create = CreateReportJobOperator(task_id=f"create_{name}", attributes=ATTRIBUTES)
        ReportJobStatusSensor(
            task_id=name, report_id=create.output, mode="reschedule", poke_interval=5, timeout=240, retries=1
        )
