"""Two years of every account that there is: line items of Retail Media, statistics of advertisers."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pendulum
from airflow import DAG
from airflow.providers.common.compat.sdk import task

from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.operators.accounts import ListAccountsOperator
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

# So that a report can be at its cap in a test.
REPORT_TYPES["rm-line-items"] = replace(REPORT_TYPES["rm-line-items"], row_caps=(int(os.environ["CRITEO_ROW_CAP"]),))
LAKE = os.environ["CRITEO_LAKE"]
LAST_DAY = date(2026, 11, 24)
FIRST_DAY = LAST_DAY - timedelta(days=int(os.environ["CRITEO_DAYS"]) - 1)
RANGE = {"startDate": FIRST_DAY.isoformat(), "endDate": LAST_DAY.isoformat()}


def line_items(account: dict[str, Any]) -> dict[str, Any]:
    """The line items of an account, three of the first one and two of each other."""
    ids = [f"{account['id']}{number}" for number in range(1, 4 if account["id"] == "1001" else 3)]
    dimensions, metrics = ["date", "lineItemId"], ["impressions", "clicks", "spend"]
    return {**RANGE, "ids": ids, "dimensions": dimensions, "metrics": metrics, "format": "csv"}


def statistics(advertiser: dict[str, Any]) -> dict[str, Any]:
    """The statistics of an advertiser."""
    dimensions, metrics = ["Day", "AdvertiserId"], ["Clicks", "Displays", "AdvertiserCost"]
    return {**RANGE, "advertiserIds": [advertiser["id"]], "dimensions": dimensions, "metrics": metrics}


KINDS = {
    "rm-line-items": ("retail-media-accounts", line_items, "date"),
    "statistics": ("advertisers", statistics, "Day"),
}

with DAG(
    "account",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_tasks=100,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=3)},
):
    for report_type, (kind, attributes_of, day) in KINDS.items():

        @task(task_id=f"requests_{kind}")
        def requests(accounts: list[dict], report_type: str) -> list[dict]:
            from airflow_provider_criteo.api.splitting import split_report

            _, attributes_of, _ = KINDS[report_type]
            return [
                {
                    "attributes": part,
                    "destination": f"{LAKE}/{report_type}/account={account['id']}/day={{date}}/part.parquet",
                }
                for account in accounts
                for part in split_report(report_type, attributes_of(account), max_days=100)
            ]

        found = ListAccountsOperator(task_id=f"list_{kind}", kind=kind)
        ReportToObjectStorageOperator.partial(
            task_id=report_type,
            report_type=report_type,
            output_format="parquet",
            partition_by=day,
            on_row_cap="split",
            deferrable=True,
            poke_interval=5,
            pool="criteo",
        ).expand_kwargs(requests(found.output, report_type))
