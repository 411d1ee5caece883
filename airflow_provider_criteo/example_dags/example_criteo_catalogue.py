"""
### Every report type

One mapped task per report type of the catalogue, with the least that Criteo wants to know for it.
"""

from __future__ import annotations

import os

import pendulum
from airflow import DAG

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")

OCTOBER = {"startDate": pendulum.date(2026, 10, 1), "endDate": pendulum.date(2026, 10, 28)}
WEEKS = {"startDate": pendulum.date(2026, 10, 5), "endDate": pendulum.date(2026, 11, 1)}  # Monday to Sunday
CAMPAIGNS = {**OCTOBER, "dimensions": ["date", "campaignId"], "metrics": ["impressions", "clicks"]}
PERFORMANCE = {**OCTOBER, "filters": {"accountIds": ["7"]}, "dimensions": ["date"], "metrics": ["clicks"]}
SUPPLY = {**OCTOBER, "supplyAccountIds": ["7"], "dimensions": ["date"], "metrics": ["fillRate"]}

ATTRIBUTES = {
    "mpo-realtime": {"advertiserIds": ["123"], "lookbackWindow": 60},
    # Without an end: Criteo's default is the last complete day.
    "mpo-products": {"advertiserIds": ["123"], "startDate": OCTOBER["startDate"], "fileFormat": "csv"},
    "products": {"advertiserIds": ["123"], **OCTOBER},
    "statistics": {"advertiserIds": ["123"], **OCTOBER, "dimensions": ["AdvertiserId"], "metrics": ["Clicks"]},
    "audience-performance": {
        "advertiserId": "123",
        **OCTOBER,
        "dimension": "Top30BrandsByClicks",
        "metrics": ["Clicks"],
    },
    "rm-performance": PERFORMANCE,
    "rm-attributed-transactions": {**PERFORMANCE, "dimensions": ["purchasedDate"], "metrics": ["attributedSales"]},
    "rm-missed-opportunities": PERFORMANCE,
    "rm-fillrate": SUPPLY,
    "rm-unfilled-placements": SUPPLY,
    "rm-revenue": OCTOBER,
    "rm-campaigns": CAMPAIGNS,
    "rm-line-items": CAMPAIGNS,
    "rm-accounts": {**OCTOBER, "accountIds": ["7"]},
    "rm-offsite": {**OCTOBER, "accountIds": ["7"], "dimensions": ["date"], "metrics": ["impressions"]},
    "rm-partner-billing": OCTOBER,
    "rm-brand-catalog": {},
    "rm-seller-catalog": {},
    "rm-catalog": {},
    "rm-sellers-catalog": {"sellers": [{"retailerId": "1", "sellerId": "2"}]},
    "rm-share-of-voice": {**OCTOBER, "accountId": "7", "dimensions": ["date"], "metrics": ["impressions"]},
    "rm-digital-shelf-intelligence": {
        **WEEKS,
        "accountId": "7",
        "aggregationLevel": "brand",
        "metrics": ["salesIndex"],
    },
}
OF_AN_ACCOUNT = ("rm-brand-catalog", "rm-seller-catalog", "rm-catalog", "rm-sellers-catalog")

with DAG(
    dag_id="example_criteo_catalogue",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
):
    ReportToObjectStorageOperator.partial(
        task_id="report",
        deferrable=True,
        poke_interval=15,
        map_index_template="{{ task.report_type }}",
    ).expand_kwargs(
        [
            {
                "report_type": report_type,
                "attributes": attributes,
                "account_id": "7" if report_type in OF_AN_ACCOUNT else None,
                "destination": f"{LAKE}/catalogue/{report_type}",
            }
            for report_type, attributes in ATTRIBUTES.items()
        ]
    )
