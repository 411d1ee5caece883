"""Deferred waits outlast what a night brings: a vault that is away, a database that is, and end when they should."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ways import until

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import DEATHS_SEEN_SOON, FINISHED, AirflowStack

HERE = Path(__file__).parent
TASKS = [f"report_{number}" for number in range(1, 7)]


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory, _sandbox: Sandbox) -> Path:
    """A folder of connections, which is away as long as it has a file of that name."""
    folder = tmp_path_factory.mktemp("vault")
    (folder / "criteo_in_vault").write_text(_sandbox.connection())
    return folder


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, vault: Path, _sandbox: Sandbox) -> Iterator[AirflowStack]:
    env = {
        "PYTHONPATH": str(HERE / "secrets_backend"),
        "AIRFLOW__SECRETS__BACKEND": "vault_on_disk.VaultOnDisk",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"folder": str(vault)}),
        **DEATHS_SEEN_SOON,
    }
    home = tmp_path_factory.mktemp("waits")
    with AirflowStack(home, HERE / "dags_waits", database="postgres", env=env) as airflow:
        airflow.cli("connections", "add", "criteo_in_database", "--conn-json", _sandbox.connection())
        yield airflow


def all_deferred(stack: AirflowStack, sandbox: Sandbox, lake: Path, conn_id: str) -> str:
    """The id of a run whose six reports wait in the triggerer."""
    sandbox.configure(pending_seconds=600)
    run_id = stack.trigger("six_reports", {"conn_id": conn_id, "lake": f"file://{lake}"})
    for task in TASKS:
        until(f"{task} is deferred", lambda t=task: stack.task_instance("six_reports", run_id, t).state == "deferred")
    return run_id


def finish_jobs(sandbox: Sandbox) -> None:
    for job in sandbox.jobs():
        if job["state"] == "pending":
            sandbox.finish(job["report_id"])


def assert_all_end_well(stack: AirflowStack, sandbox: Sandbox, run_id: str, lake: Path) -> None:
    finish_jobs(sandbox)
    assert stack.wait("six_reports", run_id) == "success"
    assert len(sandbox.journal("create")) == 6
    assert sorted(path.name for path in lake.iterdir()) == [f"{number}.csv" for number in range(1, 7)]


def test_waits_go_on_when_the_vault_is_away_while_the_triggerer_restarts(
    stack: AirflowStack, sandbox: Sandbox, vault: Path, tmp_path: Path
) -> None:
    run_id = all_deferred(stack, sandbox, tmp_path, "criteo_in_vault")
    stack.kill("triggerer", tree=True)
    polled = len(sandbox.journal("status"))
    (vault / "away").touch()
    try:
        stack.start("triggerer")
        said = "'criteo_in_vault' cannot be looked up now"
        until("a warning", lambda: said in stack.log_text("six_reports", run_id, TASKS[0]))
        time.sleep(25)
        assert len(sandbox.journal("status")) == polled
        assert {stack.task_instance("six_reports", run_id, task).state for task in TASKS} == {"deferred"}
    finally:
        (vault / "away").unlink()
    assert_all_end_well(stack, sandbox, run_id, tmp_path)
    assert [ti.try_number for ti in stack.task_instances("six_reports", run_id)] == [1] * 6


def test_waits_go_on_when_the_database_is_away(stack: AirflowStack, sandbox: Sandbox, tmp_path: Path) -> None:
    run_id = all_deferred(stack, sandbox, tmp_path, "criteo_in_database")
    with stack.database_away():
        time.sleep(10)
    finish_jobs(sandbox)
    # Parts of Airflow itself do not outlast it, and a task that was just being started it may count as tried twice.
    until("the end", lambda: stack.start_what_ended() or stack.dag_run_state("six_reports", run_id) in FINISHED)
    assert_all_end_well(stack, sandbox, run_id, tmp_path)


def test_execution_timeout_bounds_a_deferred_wait(stack: AirflowStack, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.configure(pending_seconds=3600)
    run_id, state = stack.run("bounded_waits", {"conn_id": "criteo_in_vault", "lake": f"file://{tmp_path}"})
    assert state == "failed"
    for task in ("wait", "report"):
        ti = stack.task_instance("bounded_waits", run_id, task)
        assert ti.state == "failed"
        log = stack.log_text("bounded_waits", run_id, task)
        assert "AirflowTaskTimeout" in log
        if stack.version >= (3,):
            assert "has not ended within 30 s" in log
    created, polls = sandbox.journal("create"), sandbox.journal("status")
    assert 20 < max(poll["time"] for poll in polls) - min(call["time"] for call in created) < 75
