"""One queue for each connection's quota: 150 reports of one and 20 of another, and tasks that leave the queue."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from ways import until

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack

DAGS = Path(__file__).parent / "dags_night"
CALLS_PER_MINUTE = 40
MANY, FEW = 150, 20
FAILED, SUCCEEDED, CLEARED = 30, 5, 5


@pytest.fixture
def other() -> Iterator[Sandbox]:
    """Another application's Criteo."""
    with Sandbox(client_id="another", pending_seconds=20, rate_limit=CALLS_PER_MINUTE) as sandbox:
        yield sandbox


@pytest.fixture
def stack(tmp_path: Path, sandbox: Sandbox, other: Sandbox) -> Iterator[AirflowStack]:
    env = {
        "AIRFLOW_CONN_CRITEO_DEFAULT": sandbox.connection(),
        "AIRFLOW_CONN_CRITEO_OTHER": other.connection(),
    }
    with AirflowStack(tmp_path / "airflow", DAGS, database="postgres", parallelism=8, env=env) as airflow:
        yield airflow


def test_a_queue_waits_for_no_other_and_for_nobody_who_has_left_it(
    stack: AirflowStack, sandbox: Sandbox, other: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = tmp_path / "lake"
    sandbox.configure(pending_seconds=20, rate_limit=CALLS_PER_MINUTE)
    many = stack.trigger("night", {"reports": MANY, "lake": f"file://{lake}/many"})
    leave = FAILED + SUCCEEDED + CLEARED
    until("many tasks are in the queue", lambda: len(in_queue(stack, many)) >= leave + 15)

    leaving = in_queue(stack, many)[-leave:]
    left_at = time.time()
    for place, index in enumerate(leaving):
        if place < FAILED + SUCCEEDED:
            mark(stack, many, index, "failed" if place < FAILED else "success")
        else:
            clear(stack, many, index)

    began = time.time()
    few = stack.trigger("night", {"reports": FEW, "lake": f"file://{lake}/few", "connection": "criteo_other"})
    assert stack.wait("night", few) == "success"
    seconds = time.time() - began
    of_many = [call for call in calls(sandbox) if call["time"] >= began]
    with capsys.disabled():
        print(f"\n{FEW} reports took {seconds:.0f} s beside {MANY}, who made {len(of_many)} calls meanwhile")
    assert seconds < 180
    assert not [call for call in calls(other) if call["status"] == 429]
    assert len(of_many) > 0.7 * CALLS_PER_MINUTE * (seconds / 60 - 1)

    assert stack.wait("night", many, timeout=1800) == "failed", "as some are marked so"
    after = [call for call in calls(sandbox) if call["time"] >= left_at]
    bound = len(after) / CALLS_PER_MINUTE * 60
    took = after[-1]["time"] - left_at
    with capsys.disabled():
        print(
            f"{len(leaving)} left the queue; the {len(after)} calls of the others took {took:.0f} s, {took / bound:.2f}"
        )
    asked = Counter(job["attributes"]["advertiserIds"][0] for job in sandbox.jobs())
    stayed = set(range(MANY)) - set(leaving[: FAILED + SUCCEEDED])
    assert asked == Counter(str(index) for index in stayed)
    assert {int(file.stem) for file in (lake / "many").iterdir()} == stayed
    assert not stack.triggers()
    assert took < 1.3 * bound


def calls(sandbox: Sandbox) -> list[dict[str, object]]:
    return [call for call in sandbox.journal() if call["call"] != "token"]


def in_queue(airflow: AirflowStack, run_id: str) -> list[int]:
    """The indexes of the tasks that wait for a turn of their create."""
    rows = airflow.query(
        "select ti.map_index from task_instance ti join trigger t on ti.trigger_id = t.id "
        "where ti.run_id = :run_id and t.classpath like '%QuotaTurnTrigger' order by ti.map_index",
        run_id=run_id,
    )
    return [row["map_index"] for row in rows]


def mark(airflow: AirflowStack, run_id: str, index: int, state: str) -> None:
    path = f"/dags/night/dagRuns/{run_id}/taskInstances/report/{index}"
    airflow.rest("PATCH", path, {"new_state": state})


def clear(airflow: AirflowStack, run_id: str, index: int) -> None:
    clear = {"dag_run_id": run_id, "task_ids": [["report", index]], "dry_run": False, "only_failed": False}
    airflow.rest("POST", "/dags/night/clearTaskInstances", {**clear, "reset_dag_runs": True})
