"""Twenty reports at once, deferred and not, through a connection whose refresh token changes at each use."""

from __future__ import annotations

import pendulum
from airflow import DAG

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

REPORTS = 20

for name, how in {"deferred": {"deferrable": True}, "on_workers": {"deferrable": False}}.items():
    with DAG(f"twenty_{name}", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False):
        ReportToObjectStorageOperator.partial(
            task_id="report",
            criteo_conn_id="criteo_rotated",
            destination="{{ dag_run.conf['lake'] }}/{{ ti.map_index }}.csv",
            poke_interval=5,
            retries=0,
            **how,
        ).expand(
            attributes=[{"advertiserIds": [str(number)], "lookbackWindow": 60} for number in range(1, REPORTS + 1)]
        )
