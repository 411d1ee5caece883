"""``airflow dags test`` and ``dag.test()``, where the triggers run in the process of the tasks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_criteo.sandbox import Sandbox

TIMEOUT = 12
LONGEST_RESUME = 60
DAG = """
import os

import pendulum
from airflow import DAG

from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

with DAG("one_task", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False):
    ReportToObjectStorageOperator(
        task_id="report",
        attributes={"advertiserIds": ["1"], "lookbackWindow": 60},
        destination="{{ var.value.lake }}/report.csv",
        deferrable=True,
        poke_interval=5,
        timeout=int(os.environ["TIMEOUT"]),
    )
"""


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    """The environment of a fresh Airflow with the DAG."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "one_task.py").write_text(DAG)
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env |= {
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_CRITEO_DEFAULT": sandbox.connection(),
        "AIRFLOW_VAR_LAKE": f"file://{tmp_path}/lake",
        "TIMEOUT": str(TIMEOUT),
    }
    run(env, "db", "migrate")
    return env


def run(env: dict[str, str], *arguments: str) -> str:
    """What ``airflow ...`` printed."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments], env=env, capture_output=True, text=True, timeout=180
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("call", ["create", "download"])
def test_a_quota_that_stays_used_up_ends_the_task_at_its_timeout(
    env: dict[str, str], sandbox: Sandbox, call: str
) -> None:
    sandbox.configure(pending_seconds=0)
    sandbox.fault(call, "http-429-reset-only", times=None, seconds=2)
    said = run(env, "dags", "test", "one_task", "2026-11-20")
    assert "QuotaError" in said or "RateLimitError" in said, said[-5000:]
    times = [asked["time"] for asked in sandbox.journal(call)]
    assert len(times) > 1, "it waited for its turn"
    # A turn that came in time is used once the task is back on its worker, which takes a busy machine seconds.
    assert times[-1] - times[0] <= TIMEOUT + LONGEST_RESUME


def test_a_quota_that_is_given_back_in_time(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.configure(pending_seconds=0)
    for call in ("create", "download"):
        sandbox.fault(call, "http-429-reset-only", times=2, seconds=1)
    said = run({**env, "TIMEOUT": "120"}, "dags", "test", "one_task", "2026-11-20")
    assert (tmp_path / "lake" / "report.csv").exists(), said[-5000:]
    assert len(sandbox.jobs()) == 1
