"""
### To S3, then a load step

`destination` is any URL that Airflow's object storage takes. The load step gets the file's URL and what is known of it.
"""

from __future__ import annotations

import os
from typing import Any

import pendulum
from airflow import DAG
from airflow.providers.common.compat.sdk import task

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

BUCKET = os.environ.get("CRITEO_BUCKET", "s3://lake/criteo")

with DAG(
    dag_id="example_criteo_to_s3",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 2},
    tags=["criteo", "example"],
    doc_md=__doc__,
):
    report = ReportToObjectStorageOperator(
        task_id="report",
        attributes={"advertiserIds": ["123"], "lookbackWindow": 60},
        destination=BUCKET + "/{{ run_id | replace(':', '-') }}.csv",
        destination_conn_id="aws_default",
        deferrable=True,
        poke_interval=15,
    )

    @task
    def load(url: str, report_file: dict[str, Any]) -> str:
        """Here a warehouse would copy the file in."""
        print(f"COPY criteo FROM '{url}' -- {report_file['size_bytes']} bytes, sha256 {report_file['sha256']}")
        return url

    load(report.output, report.output["report_file"])
