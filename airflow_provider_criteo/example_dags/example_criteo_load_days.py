"""
### Load the days that are new

Starts when `example_criteo_nightly.py` has written, and loads exactly the days that its event names. The warehouse here is a
folder of one file a day; with DuckDB or a warehouse it is `DELETE ... WHERE date = ...` and an insert from that day's file.
"""

from __future__ import annotations

import os
from typing import Any

import pendulum
from airflow import DAG
from airflow.providers.common.compat.sdk import AirflowSkipException, Asset, ObjectStoragePath, task

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")
NIGHTLY = Asset("criteo-nightly")

with DAG(
    dag_id="example_criteo_load_days",
    schedule=[NIGHTLY],
    start_date=pendulum.datetime(2026, 8, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
):

    @task(inlets=[NIGHTLY])
    def load(**context: Any) -> list[str]:
        """Replace each day that an event names, and no other."""
        # Airflow 2 calls assets datasets.
        name = "triggering_asset_events" if "triggering_asset_events" in context else "triggering_dataset_events"
        told = [event.timestamp for of_asset in context[name].values() for event in of_asset]
        if not told:
            raise AirflowSkipException("Started by hand: no event names days.")
        # Of the events that come while a run goes on, Airflow tells the next run the first one alone:
        # https://github.com/apache/airflow/issues/56050
        events = [event for event in context["inlet_events"][NIGHTLY] if event.timestamp >= min(told)]
        days = sorted({day for event in events for day in event.extra.get("days", [])})
        for day in days:
            loaded = ObjectStoragePath(f"{LAKE}/warehouse/{day}.parquet")
            loaded.parent.mkdir(parents=True, exist_ok=True)
            loaded.write_bytes(ObjectStoragePath(f"{LAKE}/nightly/day={day}/part.parquet").read_bytes())
        return days

    load()
