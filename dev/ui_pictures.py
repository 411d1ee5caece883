"""Pictures of runs in Airflow's UI: ``python -m dev.ui_pictures [--out docs/images]``.

Of the Airflow that it runs with, from 3.3 on: a mapped run of which one report fails, a failed report's log, a task's link
to Criteo's documentation, an asset and its event. And a run of each example DAG, in .airflow/pictures, to be looked at.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack
from dev.form_pictures import browser, sync_playwright, take
from tests.support.s3_server import s3_server

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "airflow_provider_criteo" / "example_dags"
TO_LOOK_AT = ROOT / ".airflow" / "pictures"
MAPPED = "example_criteo_many_advertisers"
NIGHTLY = "example_criteo_nightly"
LOADS = "example_criteo_load_days"
FAILS = "example_criteo_on_failure"
TOO_LONG = "criteo_two_days"
STARTED_BY_AIRFLOW = (LOADS, NIGHTLY, "example_criteo_backfill")
"""By an asset's event and by their schedule; the one that waits for an event comes first."""
PROBLEM = {
    "type": "validation",
    "code": "invalid-timespan",
    "title": "The time span is too long.",
    "detail": "At most 1440 minutes.",
    "source": {"endDate": "data.attributes.endDate"},
    "traceId": "4f2c9a10",
}
FAILURE: dict[str, Any] = {"outcome": "Failure", "message": "The export could not be made", "problems": [PROBLEM]}
PASSING = {"type": "unknown", "code": "internal-error", "title": "Internal error.", "traceId": "9d0c51e7"}


def dags(folder: Path) -> Path:
    """The DAGs that the pictures show."""
    shutil.copytree(EXAMPLES, folder / "examples")
    shutil.copytree(ROOT / "dev" / "ui_dags", folder / "ui_dags")
    return folder


def first_run(airflow: AirflowStack, dag_id: str) -> str:
    """The id of the first run that Airflow started by itself, when it has ended."""
    deadline = time.monotonic() + 300
    while not (runs := airflow.query("select run_id from dag_run where dag_id = :dag_id order by id", dag_id=dag_id)):
        assert time.monotonic() < deadline, f"{dag_id} was not started"
        time.sleep(1)
    airflow.wait(dag_id, runs[0]["run_id"])
    return str(runs[0]["run_id"])


def runs_of_the_examples(airflow: AirflowStack, sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    """Run each example; its name and the run's id."""
    for dag_id in STARTED_BY_AIRFLOW:
        airflow.wait_for_dag(dag_id)
        airflow.unpause(dag_id)
    for dag_id in STARTED_BY_AIRFLOW:
        yield dag_id, first_run(airflow, dag_id)
    with CriteoClient(sandbox.client_id, sandbox.client_secret, base_url=sandbox.url) as elsewhere:
        job = elsewhere.create_report_job("mpo-realtime", {"advertiserIds": ["123"], "lookbackWindow": 60})
    for dag_id in sorted({file.stem for file in EXAMPLES.glob("*.py")} - {*STARTED_BY_AIRFLOW}):
        if dag_id == FAILS:
            sandbox.next_job(outcome="Failure", problems=[PASSING])
        conf = {"report_id": job.report_id} if dag_id == "example_criteo_existing_job" else {}
        yield dag_id, airflow.run(dag_id, conf, timeout=600)[0]


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(prog="python -m dev.ui_pictures", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="the folder of the pictures")
    out = parser.parse_args().out
    for folder in (out, TO_LOOK_AT):
        folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        Sandbox(pending_seconds=2, rate_limit=None, cache=False) as sandbox,
        s3_server() as s3,
        AirflowStack(
            Path(home),
            dags(Path(home) / "dags"),
            env={
                "AIRFLOW_CONN_CRITEO_DEFAULT": sandbox.connection(),
                "AIRFLOW_CONN_AWS_DEFAULT": s3.connection(),
                "CRITEO_LAKE": f"file://{home}/lake",
                "CRITEO_BUCKET": "s3://lake/criteo",
                "AIRFLOW__API__DEFAULT_WRAP": "True",
            },
            ui=True,
        ) as airflow,
        sync_playwright() as playwright,
        browser(playwright) as chromium,
    ):
        s3.client.create_bucket(Bucket="lake")
        page = chromium.new_page()

        def show(path: str, width: int = 1366, height: int = 768) -> None:
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"{airflow.url}{path}")
            # It goes on asking for what is new, so that the network is never idle.
            page.wait_for_timeout(4000)

        runs = {}
        for dag_id, run_id in runs_of_the_examples(airflow, sandbox):
            runs[dag_id] = f"/dags/{dag_id}/runs/{run_id}"
            show(runs[dag_id], width=1500)
            take(page, page, TO_LOOK_AT / f"{dag_id}.png")

        show(f"{runs[NIGHTLY]}/tasks/report/details")
        take(page, page, out / "run-link.png")

        (asset,) = airflow.rest("GET", "/assets?name_pattern=criteo-nightly")["assets"]
        show(f"/assets/{asset['id']}", height=880)
        # Unfolds what the event tells, and the days in it.
        while (folded := page.locator(".codicon-folding-collapsed")).count():
            folded.first.click()
            page.wait_for_timeout(500)
        take(page, page, out / "run-asset.png")

        sandbox.next_job("statistics", outcome="Failure", problems=[PASSING])
        run_id, _ = airflow.run(MAPPED)
        show(f"/dags/{MAPPED}/runs/{run_id}/tasks/report/mapped", width=1500)
        take(page, page, out / "run-mapped.png")

        sandbox.next_job("mpo-realtime", **FAILURE)
        run_id, _ = airflow.run(TOO_LONG)
        show(f"/dags/{TOO_LONG}/runs/{run_id}/tasks/report", height=1000)
        # Folds the traceback: what Criteo said stands above it.
        page.get_by_test_id("summary-ReportJobFailedError").click()
        take(page, page, out / "run-failed-log.png")


if __name__ == "__main__":
    main()
