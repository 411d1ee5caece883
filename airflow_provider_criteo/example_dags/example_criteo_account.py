"""
### Every account, any range

Lists the accounts that gave their consent, makes legal requests of the range, and loads them under a pool, a file a day.
Give the range when you trigger the run: `{"first_day": "2024-12-01", "last_day": "2026-11-24"}`.

    airflow pools set criteo 15 "Criteo reports under way" --include-deferred

The environment variable CRITEO_POOL names the pool; it works without, too.
"""

from __future__ import annotations

import os
from typing import Any

import pendulum
from airflow import DAG
from airflow.providers.common.compat.sdk import task

from airflow_provider_criteo.operators.accounts import ListAccountsOperator
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

LAKE = os.environ.get("CRITEO_LAKE", "file:///tmp/criteo")

with DAG(
    dag_id="example_criteo_account",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"first_day": "2026-06-01", "last_day": "2026-11-24"},
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
):

    @task
    def requests(accounts: list[dict[str, Any]], params: dict[str, Any]) -> list[dict[str, Any]]:
        """What each mapped task asks for, and where it goes."""
        from airflow_provider_criteo.api.splitting import split_report

        return [
            {
                "attributes": part,
                "destination": f"{LAKE}/performance/account={account['id']}/day={{date}}/part.parquet",
            }
            for account in accounts
            for part in split_report(
                "rm-performance",
                {
                    "startDate": params["first_day"],
                    "endDate": params["last_day"],
                    "filters": {"accountIds": [account["id"]]},
                    "dimensions": ["date", "accountId", "campaignId"],
                    "metrics": ["impressions", "clicks", "spend"],
                    "format": "csv",
                },
            )
        ]

    accounts = ListAccountsOperator(task_id="accounts", kind="retail-media-accounts")
    ReportToObjectStorageOperator.partial(
        task_id="report",
        report_type="rm-performance",
        output_format="parquet",
        partition_by="date",
        on_row_cap="split",
        deferrable=True,
        poke_interval=15,
        pool=os.environ.get("CRITEO_POOL", "default_pool"),
        # The name of each task in the UI.
        map_index_template="{{ task.attributes['filters']['accountIds'][0] }} from {{ task.attributes['startDate'] }}",
    ).expand_kwargs(requests(accounts.output))
