"""Two hundred waits on one triggerer, inside the quota, and what a wait costs in workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ways import until

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import DEATHS_SEEN_SOON, AirflowStack

DAGS = Path(__file__).parent / "dags_scale"
WAITS = 200
CALLS_PER_MINUTE = 250


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, _sandbox: Sandbox) -> Iterator[AirflowStack]:
    env = {"AIRFLOW_CONN_CRITEO_DEFAULT": _sandbox.connection(), **DEATHS_SEEN_SOON}
    home = tmp_path_factory.mktemp("scale")
    with AirflowStack(home, DAGS, database="postgres", parallelism=6, env=env) as airflow:
        yield airflow


def created(sandbox: Sandbox, count: int) -> list[str]:
    """The ids of so many new jobs."""

    def create(number: int) -> str:
        attributes = {"advertiserIds": [str(number)], "lookbackWindow": 60}
        with CriteoClient(sandbox.client_id, sandbox.client_secret, base_url=sandbox.url) as client:
            return client.create_report_job("mpo-realtime", attributes).report_id

    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(create, range(1, count + 1)))


def starts(airflow: AirflowStack, dag_id: str, run_id: str, task_id: str) -> int:
    """How often a worker took up a task."""
    assert airflow.task_instance(dag_id, run_id, task_id).try_number == 1
    events = [record["event"] for record in airflow.log_records(dag_id, run_id, task_id)]
    return sum(str(event).startswith("DAG bundles loaded") for event in events)


def test_a_deferred_wait_takes_few_workers(stack: AirflowStack, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.configure(pending_seconds=600)
    (report_id,) = created(sandbox, 1)
    conf = {"report_id": report_id, "destination": f"file://{tmp_path}/report.csv"}
    run_id = stack.trigger("worker_starts", conf)
    tasks = ("wait", "one_task")
    for task in tasks:
        until(f"{task} is deferred", lambda t=task: stack.task_instance("worker_starts", run_id, t).state == "deferred")
    for job in sandbox.jobs():
        sandbox.finish(job["report_id"])
    assert stack.wait("worker_starts", run_id) == "success"
    assert stack.xcom("worker_starts", run_id, "wait") == report_id

    found = {task: starts(stack, "worker_starts", run_id, task) for task in tasks}
    print(f"\nworker starts: {found}")
    assert found == {"wait": 2, "one_task": 2}


def test_two_hundred_deferred_waits_keep_the_quota(
    stack: AirflowStack, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.configure(pending_seconds=3600)
    report_ids = created(sandbox, WAITS)
    sandbox.configure(rate_limit=CALLS_PER_MINUTE)
    before = len(sandbox.journal())

    run_id = stack.trigger("many_waits", {"report_ids": report_ids})
    until(f"{WAITS} waits are deferred", lambda: states(stack, run_id)["deferred"] == WAITS, timeout=600)
    until("polls by the triggerer", lambda: polls_by_token(sandbox, before).most_common(1)[0][1] > 20, timeout=180)
    stack.kill("triggerer", tree=True)
    assert states(stack, run_id)["deferred"] == WAITS
    polled = len(sandbox.journal())
    stack.start("triggerer")
    until("polls by the next triggerer", lambda: polls_by_token(sandbox, polled).total() > 20, timeout=180)

    ends = ["Done"] * (WAITS - 10) + ["Failure"] * 5 + ["Expired"] * 5
    for report_id, outcome in zip(report_ids, ends, strict=True):
        sandbox.finish(report_id, outcome)
    stack.wait("many_waits", run_id, timeout=900)

    found = {ti.map_index: ti.state for ti in stack.task_instances("many_waits", run_id) if ti.task_id == "wait"}
    calls = sandbox.journal()[before:]
    limited = Counter(call["token"] for call in calls if call["status"] == 429)
    statuses = sum(call["call"] == "status" for call in calls)
    with capsys.disabled():
        print(
            f"\n{WAITS} deferred waits, {CALLS_PER_MINUTE} calls a minute: {Counter(found.values())}, {statuses} polls, "
            f"{limited.total()} of them 429, at most {max(limited.values(), default=0)} in one process"
        )
    assert found == {index: "success" if end == "Done" else "failed" for index, end in enumerate(ends)}
    # The two triggerers, each of which may need one 429 to learn the quota.
    triggerers = {token for token, count in polls_by_token(sandbox, before).most_common(2) if count > 1}
    assert len(triggerers) == 2
    assert limited.total() <= 2
    assert all(count == 1 for count in limited.values())
    assert not [call for call in calls if call["call"] == "create"]


def states(airflow: AirflowStack, run_id: str) -> Counter[str | None]:
    rows = airflow.query(
        "select state from task_instance where dag_id = 'many_waits' and run_id = :run_id and task_id = 'wait'",
        run_id=run_id,
    )
    return Counter(row["state"] for row in rows)


def polls_by_token(sandbox: Sandbox, start: int) -> Counter[str]:
    """How many polls each process made: each has a token of its own."""
    return Counter(call["token"] for call in sandbox.journal()[start:] if call["call"] == "status")
