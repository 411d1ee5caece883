"""Pictures of runs in Airflow's UI: ``python -m dev.ui_pictures [--out docs/images]``.

Of the Airflow that it runs with, from 3.3 on: a mapped run of which one report fails, that report's log, a task's link to
Criteo's documentation, and the graph of an asset.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack
from dev.form_pictures import browser, sync_playwright, take

ROOT = Path(__file__).parents[1]
MAPPED = "example_criteo_many_advertisers"
ASSETS = "criteo_campaigns"


def dags(folder: Path) -> Path:
    """The DAGs that the pictures show."""
    folder.mkdir()
    shutil.copy(ROOT / "airflow_provider_criteo" / "example_dags" / f"{MAPPED}.py", folder)
    shutil.copy(ROOT / "dev" / "ui_dags" / "campaigns.py", folder)
    return folder


def a_run_of_which_one_report_fails(airflow: AirflowStack, sandbox: Sandbox) -> tuple[str, int]:
    """Its id, and the map index of the report that failed."""
    sandbox.next_job("statistics", outcome="Failure", message="The time span is too long. At most 90 days.")
    run_id, _ = airflow.run(MAPPED)
    failed = next(ti for ti in airflow.task_instances(MAPPED, run_id) if ti.state == "failed")
    return run_id, failed.map_index


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(prog="python -m dev.ui_pictures", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="the folder of the pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        Sandbox(pending_seconds=2, rate_limit=None) as sandbox,
        AirflowStack(
            Path(home),
            dags(Path(home) / "dags"),
            env={
                "AIRFLOW_CONN_CRITEO_DEFAULT": sandbox.connection(),
                "CRITEO_LAKE": f"file://{home}/lake",
                "AIRFLOW__API__DEFAULT_WRAP": "True",
            },
            ui=True,
        ) as airflow,
        sync_playwright() as playwright,
        browser(playwright) as chromium,
    ):
        airflow.run(MAPPED)
        run_id, failed = a_run_of_which_one_report_fails(airflow, sandbox)
        airflow.wait_for_dag("load_campaigns")
        airflow.unpause("load_campaigns")
        table_run, _ = airflow.run(ASSETS)
        (asset,) = airflow.rest("GET", "/assets")["assets"]
        page = chromium.new_page(viewport={"width": 1366, "height": 768})
        run = f"{airflow.url}/dags/{MAPPED}/runs/{run_id}"
        for name, url in {
            "run-mapped": f"{run}/tasks/report/mapped",
            "run-failed-log": f"{run}/tasks/report/mapped/{failed}",
            "run-link": f"{airflow.url}/dags/{ASSETS}/runs/{table_run}/tasks/report/details",
            "run-asset": f"{airflow.url}/assets/{asset['id']}",
        }.items():
            page.goto(url)
            # It goes on asking for what is new, so that the network is never idle.
            page.wait_for_timeout(4000)
            if name == "run-failed-log":
                # Folds the traceback: what Criteo said stands above it.
                page.get_by_test_id("summary-ReportJobFailedError").click()
            take(page, page, out / f"{name}.png")


if __name__ == "__main__":
    main()
