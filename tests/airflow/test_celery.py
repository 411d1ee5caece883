"""The same DAGs on two Celery workers: one dies, the other goes on with its reports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ways import DAGS, Ways, until

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import DEATHS_SEEN_SOON, AirflowStack

pytestmark = pytest.mark.celery

ALL = ("steps", "steps_deferred", "one_task", "one_task_deferred")
FILE_BYTES = 4_000_000


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, _sandbox: Sandbox) -> Iterator[AirflowStack]:
    env = {"AIRFLOW_CONN_CRITEO_DEFAULT": _sandbox.connection(timeout=30), **DEATHS_SEEN_SOON}
    home = tmp_path_factory.mktemp("celery")
    with AirflowStack(home, DAGS, executor="CeleryExecutor", celery_workers=2, parallelism=8, env=env) as stack:
        yield stack


def worker_of(ways: Ways, dag_id: str, step: str) -> str:
    """The Celery worker on which a step runs."""
    session = os.getsid(ways.process(ways[dag_id], step).pid)
    for name, component in ways.airflow.components.items():
        if name.startswith("worker") and component.process and component.process.pid == session:
            return name
    raise AssertionError(f"{dag_id}: {step} runs on no worker")


def assert_one_whole_report_each(ways: Ways) -> None:
    outcomes = ways.outcomes()
    for outcome in outcomes:
        assert (outcome.state, outcome.jobs, outcome.whole) == ("success", 1, True), outcome
    assert not ways.left_over()
    with_a_retry = sum(outcome.tries > 1 for outcome in outcomes)
    assert with_a_retry, "no task was hit"
    print(f"\n{len(outcomes)} reports, each made once and whole; {with_a_retry} tasks were taken over")


def test_reports_are_made_without_any_kill(airflow: AirflowStack, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.configure(pending_seconds=3)
    ways = Ways(airflow, sandbox, tmp_path, ALL)
    for outcome in ways.outcomes():
        assert (outcome.state, outcome.jobs, outcome.whole, outcome.tries) == ("success", 1, True, 1), outcome


def test_a_worker_killed_mid_wait(airflow: AirflowStack, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.configure(pending_seconds=600)
    ways = Ways(airflow, sandbox, tmp_path, ALL)
    until("a job of each", lambda: all(ways.jobs(way) for way in ways))
    ways.until_state("wait", "running", ["one_task"])
    sandbox.hold("status", "before")
    until("a poll", lambda: sandbox.held()["status"])

    worker = worker_of(ways, "one_task", "wait")
    airflow.kill(worker, tree=True)
    sandbox.release("status")
    ways.finish_jobs()
    assert_one_whole_report_each(ways)
    airflow.start(worker)


def test_a_worker_killed_mid_download(airflow: AirflowStack, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.configure(pending_seconds=1, file_bytes=FILE_BYTES)
    sandbox.fault("download", "stall", times=len(ALL), at=FILE_BYTES // 2, seconds=600)
    ways = Ways(airflow, sandbox, tmp_path, ALL)
    until("downloads", lambda: len(sandbox.journal("download")) == len(ALL))
    until("half a file", lambda: ways.received(ways["one_task"]) > 1_000_000)

    airflow.kill(worker_of(ways, "one_task", "download"), tree=True)
    assert not ways.left_over()
    # Downloads on the other worker stall, too, until they give up and begin again.
    assert_one_whole_report_each(ways)
