"""What a user sees when the three tasks run on a real Airflow."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack

PROBLEMS = [
    {
        "type": "validation",
        "code": "invalid-timespan",
        "title": "The time span is too long.",
        "detail": "At most 1440 minutes.",
        "source": {"endDate": "data.attributes.endDate"},
        "traceId": "4f2c9a10",
    },
    {
        "type": "access-control",
        "code": "insufficient-accountpermissions",
        "title": "No access to the account.",
        "detail": "Advertiser 123 has not consented.",
        "source": {"advertiserIds": "data.attributes.advertiserIds"},
        "traceId": "7b1de022",
    },
]


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def test_the_example_creates_a_report_waits_and_downloads_it(airflow: AirflowStack, sandbox: Sandbox) -> None:
    sandbox.configure(pending_seconds=8)

    run_id, state = airflow.run("example_criteo_report")

    assert state == "success"
    assert [ti.state for ti in airflow.task_instances("example_criteo_report", run_id)] == ["success"] * 3
    assert {row.task_id for row in airflow.reschedules("example_criteo_report", run_id)} == {"wait"}
    (create,) = sandbox.journal("create")
    waited_until = airflow.task_instance("example_criteo_report", run_id, "wait").end_date
    assert waited_until
    polls = [call for call in sandbox.journal("status") if call["time"] < waited_until.timestamp()]
    assert len(polls) == 1 + len(airflow.reschedules("example_criteo_report", run_id))
    assert len(sandbox.journal("download")) == 1
    assert airflow.xcom("example_criteo_report", run_id, "create") == create["report_id"]
    assert airflow.xcom("example_criteo_report", run_id, "wait") == create["report_id"]
    url = airflow.xcom("example_criteo_report", run_id, "download")
    report = rows(Path(url.removeprefix("file://")))
    assert len(report) == 10
    assert {"advertiserId", "campaignId"} <= report[0].keys()


@pytest.mark.parametrize("how", ["poke", "reschedule", "deferred"])
@pytest.mark.parametrize(
    ("outcome", "problems"),
    [("Failure", PROBLEMS), ("Failure", None), ("Expired", None)],
    ids=["failure", "failure-errors-null", "expired"],
)
def test_a_report_that_failed_fails_the_task_at_once_and_says_why(
    airflow: AirflowStack, sandbox: Sandbox, how: str, outcome: str, problems: list[dict[str, object]] | None
) -> None:
    # Pending at the first poll, so that a deferred wait really ends from its trigger.
    message = "The export could not be made"
    sandbox.configure(pending_seconds=3, outcome=outcome, message=message, problems=problems)
    dag_id = f"report_{how}"

    run_id, state = airflow.run(dag_id, {"destination": "file:///never/written"})

    assert state == "failed"
    wait = airflow.task_instance(dag_id, run_id, "wait")
    assert (wait.state, wait.try_number, wait.max_tries) == ("failed", 1, 3)
    assert airflow.task_instance(dag_id, run_id, "download").state == "upstream_failed"
    log = airflow.log_text(dag_id, run_id, "wait")
    report_id = airflow.xcom(dag_id, run_id, "create")
    assert f"Criteo report job {report_id} (mpo-realtime) ended as {outcome}: {message}" in log
    for problem in problems or []:
        ((source, pointer),) = problem["source"].items()  # type: ignore[attr-defined]
        assert (
            f"  [{problem['type']}] {problem['code']}: {problem['title']} {problem['detail']}"
            f" (source: {source}={pointer}; traceId: {problem['traceId']})"
        ) in log


def test_a_cleared_task_makes_its_report_anew(airflow: AirflowStack, sandbox: Sandbox, lake: Path) -> None:
    destination = f"file://{lake}/cleared.csv"
    run_id, state = airflow.run("report_poke", {"destination": destination})
    assert state == "success"
    clear = {"dag_run_id": run_id, "task_ids": ["create"], "include_downstream": True, "dry_run": False}

    airflow.rest("POST", "/dags/report_poke/clearTaskInstances", {**clear, "only_failed": False})

    assert airflow.wait("report_poke", run_id) == "success"
    first, second = (job["report_id"] for job in sandbox.jobs())
    assert airflow.xcom("report_poke", run_id, "create") == second
    log = airflow.log_text("report_poke", run_id, "create", try_number=2)
    assert f"The task was cleared after it had created report job {first}; creating a new one" in log


def wait_for_polls(sandbox: Sandbox, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(sandbox.journal("status")) < count:
        assert time.monotonic() < deadline, f"{len(sandbox.journal('status'))} of {count} polls came"
        time.sleep(0.1)


# In reschedule mode every poke is a process of its own, with a token of its own.
@pytest.mark.parametrize("how", ["poke", "deferred"])
@pytest.mark.parametrize(
    ("death", "refused"),
    [("expires", 0), ("authorization-token-expired", 1), ("authorization-token-invalid", 1)],
    ids=["expires", "expires-early", "revoked"],
)
def test_a_token_that_dies_during_a_wait_costs_one_more_token_call(
    airflow: AirflowStack, sandbox: Sandbox, lake: Path, how: str, death: str, refused: int
) -> None:
    # What earlier tests left in the triggerer must not matter.
    sandbox.revoke_tokens()
    sandbox.configure(pending_seconds=600)
    if death == "expires":
        # Renewed after 14.4 s: between the first and the fourth of polls that are 5 s apart.
        sandbox.configure(expires_in=16)
    dag_id, destination = f"report_{how}", lake / f"{how}-{death}.csv"
    run_id = airflow.trigger(dag_id, {"destination": f"file://{destination}"})
    # A deferred wait polls once from the worker, then from the triggerer.
    first_polls = 1 if how == "poke" else 2
    wait_for_polls(sandbox, first_polls)
    while not any(call["status"] == 200 for call in sandbox.journal("status")[first_polls - 1 :]):
        time.sleep(0.1)
    before = sandbox.journal()

    if death != "expires":
        sandbox.revoke_tokens(death)
    wait_for_polls(
        sandbox, sum(call["call"] == "status" for call in before) + (3 if death == "expires" else 2) + refused
    )
    during = sandbox.journal()[len(before) :]
    sandbox.finish(sandbox.jobs()[0]["report_id"])
    assert airflow.wait(dag_id, run_id) == "success"

    assert [call["call"] for call in during].count("token") == 1
    statuses = [call["status"] for call in during if call["call"] == "status"]
    assert (statuses.count(401), set(statuses) <= {200, 401, None}) == (refused, True)
    assert len(sandbox.journal("create")) == 1
    assert airflow.task_instance(dag_id, run_id, "wait").try_number == 1
    assert len(rows(destination)) == 10
