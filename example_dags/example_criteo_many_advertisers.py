"""
### One report per advertiser

One mapped task per advertiser, under a pool, so that no more than its slots create and download at once. The waits
hold no slot: all of them share one poller in the triggerer, which keeps within Criteo's quota.
"""

from __future__ import annotations

import os

import pendulum
from airflow import DAG

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")
ADVERTISERS = ["101", "102", "103"]

with DAG(
    dag_id="example_criteo_many_advertisers",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
):
    ReportToObjectStorageOperator.partial(
        task_id="report",
        report_type="products",
        deferrable=True,
        poke_interval=15,
        pool=os.environ.get("CRITEO_POOL", "default_pool"),
    ).expand_kwargs(
        [
            {
                "attributes": {
                    "advertiserIds": [advertiser],
                    "startDate": pendulum.datetime(2026, 10, 1, tz="UTC"),
                    "endDate": pendulum.datetime(2026, 10, 31, tz="UTC"),
                    "dimensions": ["AdvertiserId", "ProductId"],
                    "metrics": ["Clicks", "Cost"],
                },
                "destination": f"{LAKE}/example_criteo_many_advertisers/{advertiser}.csv",
            }
            for advertiser in ADVERTISERS
        ]
    )
