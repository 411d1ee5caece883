"""A report whose waiting, downloading and linking is looked at from outside."""

from __future__ import annotations

import pendulum
from airflow import DAG
from airflow.providers.common.compat.sdk import task

from airflow_provider_criteo.hooks.criteo import CriteoHook
from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor

with DAG("observed", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False):
    create = CreateReportJobOperator(
        task_id="create", attributes={"advertiserIds": ["123"], "lookbackWindow": 60}, retries=1
    )
    wait = ReportJobStatusSensor(
        task_id="wait", report_id=create.output, deferrable=True, poke_interval=5, timeout=240, retries=1
    )
    download = DownloadReportOperator(
        task_id="download", report_id=wait.output, destination="{{ dag_run.conf['lake'] }}/operator.csv", retries=1
    )

    @task(retries=1)
    def by_hook(report_id: str, lake: str) -> str:
        return CriteoHook().download_report(report_id, f"{lake}/hook.csv").url

    by_hook(wait.output, "{{ dag_run.conf['lake'] }}")
