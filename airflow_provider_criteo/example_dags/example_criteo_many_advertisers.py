"""
### One report per advertiser

One mapped task per advertiser. The waits hold no worker: all of them share one queue in the triggerer, which keeps within
Criteo's quota. A pool that counts deferred tasks bounds what is under way. Make it, and name it in `CRITEO_POOL`; Airflow
starts no task whose pool does not exist, so that without it the example uses Airflow's own:

    airflow pools set criteo 15 "Criteo reports under way" --include-deferred
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
        report_type="statistics",
        deferrable=True,
        poke_interval=15,
        pool=os.environ.get("CRITEO_POOL", "default_pool"),
        # The name of each task in the UI.
        map_index_template="{{ task.attributes['advertiserIds'][0] }}",
    ).expand_kwargs(
        [
            {
                "attributes": {
                    "advertiserIds": [advertiser],
                    # Dates, not times of day: October to the end of its last day.
                    "startDate": pendulum.date(2026, 10, 1),
                    "endDate": pendulum.date(2026, 10, 31),
                    "dimensions": ["AdvertiserId", "Day"],
                    "metrics": ["Clicks", "AdvertiserCost"],
                },
                "destination": f"{LAKE}/example_criteo_many_advertisers/{advertiser}.json",
            }
            for advertiser in ADVERTISERS
        ]
    )
