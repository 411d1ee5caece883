"""A report as a table that another DAG waits for, as pictures of the UI show it."""

from __future__ import annotations

import os

import pendulum
from airflow import DAG
from airflow.providers.common.compat.sdk import Asset, task

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")
CAMPAIGNS = Asset(f"{LAKE}/campaigns")

with DAG("criteo_campaigns", start_date=pendulum.datetime(2026, 1, 1), schedule=None):
    ReportToObjectStorageOperator(
        task_id="report",
        report_type="statistics",
        attributes={
            "advertiserIds": ["123"],
            "startDate": "2026-11-01",
            "endDate": "2026-11-01",
            "dimensions": ["Day", "CampaignId"],
            "metrics": ["Clicks", "AdvertiserCost"],
        },
        destination=f"{LAKE}/campaigns/day=2026-11-01.parquet",
        output_format="parquet",
        outlets=[CAMPAIGNS],
        deferrable=True,
        poke_interval=5,
    )

with DAG("load_campaigns", start_date=pendulum.datetime(2026, 1, 1), schedule=[CAMPAIGNS]):

    @task
    def load() -> None:
        """Here a warehouse would copy the file in."""

    load()
