"""Refresh tokens that change at each use: the processes of a real Airflow share the newest one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack

HERE = Path(__file__).parent
REPORTS = 20
VARIABLE = "criteo_refresh"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, _sandbox: Sandbox) -> Iterator[AirflowStack]:
    connection = _sandbox.connection(grant_type="refresh_token", refresh_token_variable=VARIABLE)
    home = tmp_path_factory.mktemp("rotated")
    env = {"AIRFLOW_CONN_CRITEO_ROTATED": connection}
    with AirflowStack(home, HERE / "dags_rotated", database="postgres", env=env) as airflow:
        yield airflow


@pytest.mark.parametrize("dag_id", ["twenty_deferred", "twenty_on_workers"])
def test_twenty_reports_end_well_and_again_the_next_run(
    stack: AirflowStack, sandbox: Sandbox, tmp_path: Path, dag_id: str
) -> None:
    for number in ("first", "next"):
        sandbox.configure(rotate_refresh_token=True, pending_seconds=8)
        sandbox.revoke_tokens()  # as on the next day
        lake = tmp_path / number
        run_id, state = stack.run(dag_id, {"lake": f"file://{lake}"}, timeout=600)
        tasks = stack.task_instances(dag_id, run_id)
        logs = "\n".join(stack.log_text(dag_id, run_id, "report", map_index=ti.map_index) for ti in tasks)
        assert (state, {ti.state for ti in tasks}, len(tasks)) == ("success", {"success"}, REPORTS), logs[-5000:]
        assert len(list(lake.iterdir())) == REPORTS
        assert "which could not be kept" not in logs
        kept = json.loads(stack.cli("variables", "get", VARIABLE))["refresh_token"]
        assert kept != sandbox.refresh_token
        assert kept not in logs
