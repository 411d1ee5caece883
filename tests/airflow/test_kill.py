"""Whatever is killed, and whenever: each report is made once and is whole.

The sandbox's cache is off, so that a second create would make a second job.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ways import DAGS, Outcome, Ways, locked, until

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import DEATHS_SEEN_SOON, AirflowStack

pytestmark = pytest.mark.kill

ALL = ("steps", "steps_deferred", "one_task", "one_task_deferred")
FILE_BYTES = 4_000_000


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, _sandbox: Sandbox) -> Iterator[AirflowStack]:
    env = {"AIRFLOW_CONN_CRITEO_DEFAULT": _sandbox.connection(timeout=30), **DEATHS_SEEN_SOON}
    home = tmp_path_factory.mktemp("airflow")
    with AirflowStack(home, DAGS, database="postgres", parallelism=8, env=env) as stack:
        yield stack


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[tuple[str, Outcome]]]:
    """What came of each kill; printed at the end."""
    rows: list[tuple[str, Outcome]] = []
    yield rows
    lines = [f"{'killed':<44} {'way':<24} {'run':<8} {'jobs':>4}  {'file':<6} {'tries':>5}"]
    lines += [
        f"{point:<44} {end.way:<24} {end.state:<8} {end.jobs:>4}  {'whole' if end.whole else 'NOT':<6} {end.tries:>5}"
        for point, end in rows
    ]
    inside = sum(end.jobs - 1 for point, end in rows if "inside the POST" in point)
    others = sum(end.jobs - 1 for point, end in rows if "inside the POST" not in point)
    lines.append(
        f"kills: {len(rows)} runs, {sum(end.state == 'success' and end.whole for _, end in rows)} ended with the whole "
        f"file; second jobs: {others} ({inside} more where the kill fell inside the POST itself)"
    )
    with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        print("\n\n" + "\n".join(lines))


class Kill:
    """Runs the DAGs up to a moment and checks what comes of them after it."""

    def __init__(self, airflow: AirflowStack, sandbox: Sandbox, lake: Path, table: list[tuple[str, Outcome]]) -> None:
        self.airflow, self.sandbox, self.lake, self.table = airflow, sandbox, lake, table

    def started(self, *dag_ids: str, pending_seconds: float = 600, file_bytes: int = 20_000) -> Ways:
        self.sandbox.configure(pending_seconds=pending_seconds, file_bytes=file_bytes)
        return Ways(self.airflow, self.sandbox, self.lake, dag_ids or ALL)

    def all_waiting(self) -> Ways:
        ways = self.started()
        until("a job of each", lambda: all(ways.jobs(way) for way in ways))
        ways.until_state("wait", "running", ["one_task"])
        ways.until_state("wait", "deferred", ["steps_deferred", "one_task_deferred"])
        return ways

    def ends_well(self, point: str, ways: Ways, *, jobs: int = 1) -> None:
        outcomes = ways.outcomes()
        self.table.extend((point, outcome) for outcome in outcomes)
        assert {outcome.way: outcome.state for outcome in outcomes} == dict.fromkeys(
            (way.dag_id for way in ways), "success"
        )
        assert {outcome.way: outcome.jobs for outcome in outcomes} == {way.dag_id: jobs for way in ways}
        assert all(outcome.whole for outcome in outcomes), outcomes
        assert not ways.left_over()


@pytest.fixture
def kill(airflow: AirflowStack, sandbox: Sandbox, tmp_path: Path, table: list[tuple[str, Outcome]]) -> Kill:
    return Kill(airflow, sandbox, tmp_path, table)


def test_a_task_killed_before_the_post(kill: Kill) -> None:
    kill.sandbox.hold("token", "before")
    ways = kill.started(pending_seconds=1)
    ways.until_held("token")
    ways.kill("create")
    assert not kill.sandbox.journal("create")
    kill.sandbox.release("token")
    kill.ends_well("task before the POST", ways)


def test_a_task_killed_between_post_and_reply(kill: Kill) -> None:
    kill.sandbox.hold("create", "after")
    ways = kill.started(pending_seconds=1)
    ways.until_held("create")
    assert [len(ways.jobs(way)) for way in ways] == [1] * len(ALL)
    ways.kill("create")
    kill.sandbox.release("create")
    kill.ends_well("task inside the POST: no reply yet", ways, jobs=2)


def test_a_task_killed_when_the_reply_has_come_and_is_not_read(kill: Kill) -> None:
    kill.sandbox.hold("create", "after")
    ways = kill.started(pending_seconds=1)
    ways.until_held("create")
    for way in ways:
        ways.process(way, "create").suspend()
    kill.sandbox.release("create")
    until("replies", lambda: [call["status"] for call in kill.sandbox.journal("create")] == [200] * len(ALL))
    ways.kill("create")
    kill.ends_well("task inside the POST: reply not read", ways, jobs=2)


def test_a_task_killed_when_the_report_id_is_stored(kill: Kill) -> None:
    kill.sandbox.hold("create", "after")
    ways = kill.started(pending_seconds=1)
    ways.until_held("create")
    # What the task does next, pushing its XCom or deferring, has to wait.
    with locked(kill.airflow, "xcom", "trigger"):
        kill.sandbox.release("create")
        for way in ways:
            until(f"{way.dag_id}: the report id is stored", lambda way=way: ways.stored(way))
        time.sleep(0.5)
        ways.kill("create")
    kill.ends_well("task when the report id is stored", ways)


def test_everything_killed_that_waits(kill: Kill) -> None:
    ways = kill.started()
    ways.until_state("wait", "deferred", ["one_task_deferred"])
    kill.sandbox.hold("status", "before")
    ways.until_held("status")
    ways.kill("wait", ["steps", "steps_deferred", "one_task"])
    kill.airflow.kill("triggerer", tree=True)
    kill.sandbox.release("status")
    ways.finish_jobs()
    kill.airflow.start("triggerer")
    kill.ends_well("task or triggerer in the middle of a poll", ways)


def test_a_task_killed_during_the_download(kill: Kill) -> None:
    kill.sandbox.fault("download", "stall", times=len(ALL), at=FILE_BYTES // 2, seconds=600)
    ways = kill.started(pending_seconds=1, file_bytes=FILE_BYTES)
    for way in ways:
        until(f"{way.dag_id}: a download", lambda way=way: ways.state(way, "download") == "running")
    until("downloads", lambda: len(kill.sandbox.journal("download")) == len(ALL))
    for way in ways:
        until(f"{way.dag_id}: half a file", lambda way=way: ways.received(way) > 1_000_000)
        assert not way.destination.exists()
    ways.kill("download")
    assert not ways.left_over()
    kill.ends_well("task during the download", ways)


def test_a_task_killed_after_the_file_is_published(kill: Kill) -> None:
    kill.sandbox.hold("download", "before")
    ways = kill.started(pending_seconds=1)
    ways.until_held("download")
    with locked(kill.airflow, "xcom"):
        kill.sandbox.release("download")
        for way in ways:
            until(f"{way.dag_id}: the file", way.destination.exists)
        ways.kill("download")
    kill.ends_well("task after the file is published", ways)


def test_the_worker_killed_with_its_task(kill: Kill) -> None:
    ways = kill.started("steps", "one_task", pending_seconds=15)
    until("a job of each", lambda: all(ways.jobs(way) for way in ways))
    ways.until_state("wait", "running", ["one_task"])
    kill.sandbox.hold("status", "before")
    ways.until_held("status")
    ways.kill("wait", worker=True)
    kill.sandbox.release("status")
    kill.ends_well("worker with its task, waiting", ways)


def test_the_triggerer_killed_while_all_are_deferred(kill: Kill) -> None:
    dag_ids = ("steps_deferred", "one_task_deferred")
    ways = kill.started(*dag_ids)
    ways.until_state("wait", "deferred")
    kill.airflow.kill("triggerer", tree=True)
    # The jobs end while nobody looks.
    ways.finish_jobs()
    time.sleep(2)
    kill.airflow.start("triggerer")
    kill.ends_well("triggerer while all are deferred", ways)


@pytest.mark.parametrize("tree", [False, True], ids=["alone", "with-its-workers"])
def test_the_scheduler_killed_during_the_wait(kill: Kill, tree: bool) -> None:
    ways = kill.all_waiting()
    kill.airflow.kill("scheduler", signal.SIGKILL, tree=tree)
    ways.finish_jobs()
    kill.airflow.start("scheduler")
    kill.ends_well(f"scheduler {'with its workers' if tree else 'alone'}, all waiting", ways)


def test_the_api_server_restarted_during_the_wait(kill: Kill) -> None:
    ways = kill.all_waiting()
    kill.airflow.kill("api-server", signal.SIGKILL, tree=True)
    ways.finish_jobs()
    time.sleep(5)
    kill.airflow.start("api-server")
    kill.ends_well("api-server, all waiting", ways)
