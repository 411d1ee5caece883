"""
### What Criteo said, in a callback

A failed report ends its task without a retry; the exception has the job and every problem that Criteo gave.
"""

from __future__ import annotations

import os
from typing import Any

import pendulum
from airflow import DAG

from airflow_provider_criteo.exceptions import ReportJobFailedError
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")


def tell_the_team(context: dict[str, Any]) -> None:
    """Here a message would go to a channel."""
    error = context.get("exception")
    if isinstance(error, ReportJobFailedError):
        print(error)
        for problem in error.problems:
            print(f"Criteo says: {problem.code}: {problem.title} {problem.detail} (traceId {problem.trace_id})")


with DAG(
    dag_id="example_criteo_on_failure",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 2, "on_failure_callback": tell_the_team},
    tags=["criteo", "example"],
    doc_md=__doc__,
):
    ReportToObjectStorageOperator(
        task_id="report",
        attributes={"advertiserIds": ["123"], "lookbackWindow": 180},
        destination=LAKE + "/{{ dag.dag_id }}/{{ run_id | replace(':', '-') }}.csv",
        deferrable=True,
        poke_interval=15,
    )
