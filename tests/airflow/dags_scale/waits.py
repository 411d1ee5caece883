"""Many waits at once, and one of each kind of wait to count workers with."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow import DAG

from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

try:
    from airflow.sdk import task
except ImportError:
    from airflow.decorators import task

DAG_OPTIONS = {
    "schedule": None,
    "start_date": pendulum.datetime(2026, 1, 1, tz="UTC"),
    "catchup": False,
    "default_args": {"retries": 1, "retry_delay": timedelta(seconds=1)},
}

# No more at once than the machine bears: a wait that is deferred counts no more.
with DAG("many_waits", max_active_tasks=6, **DAG_OPTIONS):

    @task
    def report_ids(dag_run=None) -> list[str]:
        """The jobs to wait for."""
        return dag_run.conf["report_ids"]

    ReportJobStatusSensor.partial(task_id="wait", deferrable=True, timeout=1800).expand(report_id=report_ids())

with DAG("worker_starts", **DAG_OPTIONS):
    wait = {"report_id": "{{ dag_run.conf['report_id'] }}", "deferrable": True, "poke_interval": 5, "timeout": 600}
    ReportJobStatusSensor(task_id="wait", **wait)
    ReportToObjectStorageOperator(
        task_id="one_task",
        attributes={"advertiserIds": ["123"], "lookbackWindow": 60},
        destination="{{ dag_run.conf['destination'] }}",
        deferrable=True,
        poke_interval=5,
    )
