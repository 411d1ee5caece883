"""One mapped report per advertiser, by the all-in-one operator or by a loop per task; the run's conf says how many."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow import DAG
from airflow.sdk import task

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from benchmarks.loop_per_task import POLL_INTERVAL, LoopPerTaskOperator

LAKE = os.environ["CRITEO_LAKE"]
DESTINATION = f"{LAKE}/{{{{ run_id }}}}-{{{{ ti.map_index }}}}.csv"
WAYS = {
    "deferrable": (
        ReportToObjectStorageOperator,
        {"deferrable": True, "poke_interval": POLL_INTERVAL, "timeout": timedelta(hours=3)},
    ),
    "loop_per_task": (LoopPerTaskOperator, {"retries": 30}),
}

for way, (operator, options) in WAYS.items():
    for pool in ("default_pool", "criteo"):
        with DAG(
            f"{way}-{pool}",
            schedule=None,
            start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
            catchup=False,
            max_active_tasks=10_000,
            default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
        ):

            @task
            def attributes(dag_run=None) -> list[dict[str, object]]:
                """What to report, for so many advertisers."""
                return [
                    {"advertiserIds": [str(number)], "lookbackWindow": 60}
                    for number in range(dag_run.conf["first"], dag_run.conf["first"] + dag_run.conf["reports"])
                ]

            operator.partial(task_id="report", destination=DESTINATION, pool=pool, **options).expand(
                attributes=attributes()
            )
