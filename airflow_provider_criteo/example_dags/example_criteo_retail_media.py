"""
### Retail Media

A performance report of accounts, and a brand's catalog, whose path names an account.
"""

from __future__ import annotations

import os

import pendulum
from airflow import DAG

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")

with DAG(
    dag_id="example_criteo_retail_media",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
):
    ReportToObjectStorageOperator(
        task_id="performance",
        report_type="rm-performance",
        attributes={
            "startDate": pendulum.date(2026, 10, 1),
            "endDate": pendulum.date(2026, 10, 31),
            "filters": {"accountIds": ["7"]},
            "dimensions": ["date", "accountId"],
            "metrics": ["impressions", "clicks", "spend"],
            "format": "csv",
        },
        destination=LAKE + "/retail-media/performance.csv",
        deferrable=True,
        poke_interval=15,
    )
    ReportToObjectStorageOperator(
        task_id="catalog",
        report_type="rm-brand-catalog",
        account_id="7",
        attributes={},
        destination=LAKE + "/retail-media/catalog.json",
        deferrable=True,
        poke_interval=15,
    )
