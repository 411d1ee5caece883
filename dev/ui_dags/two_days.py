"""A request that asks for too much: for the picture of a failed report's log."""

from __future__ import annotations

import os

import pendulum
from airflow import DAG

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")

with DAG("criteo_two_days", start_date=pendulum.datetime(2026, 1, 1), schedule=None):
    ReportToObjectStorageOperator(
        task_id="report",
        report_type="mpo-realtime",
        # Criteo makes such a report of at most 1440 minutes.
        attributes={
            "advertiserIds": ["123"],
            "startDate": "{{ ds }}T00:00:00Z",
            "endDate": "{{ macros.ds_add(ds, 2) }}T00:00:00Z",
        },
        destination=LAKE + "/two_days.csv",
        deferrable=True,
        poke_interval=5,
    )
