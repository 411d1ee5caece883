"""One report for each of many advertisers, without a pool: the run's conf says how many, and where to."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow import DAG
from airflow.sdk import task

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

with DAG(
    "night",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_tasks=10_000,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=10)},
):

    @task
    def attributes(dag_run=None) -> list[dict[str, object]]:
        """What to report, for so many advertisers."""
        return [{"advertiserIds": [str(number)], "lookbackWindow": 60} for number in range(dag_run.conf["reports"])]

    ReportToObjectStorageOperator.partial(
        task_id="report",
        destination="{{ dag_run.conf['lake'] }}/{{ ti.map_index }}.csv",
        criteo_conn_id="{{ dag_run.conf.get('connection', 'criteo_default') }}",
        deferrable=True,
        timeout=timedelta(hours=3),
    ).expand(attributes=attributes())
