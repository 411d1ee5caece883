"""A retry takes up the job of an earlier try where it is of use, and says in the log what it does and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_criteo.exceptions import AuthenticationError, InvalidInputError, TransientError
from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from tests.support.task_state_store import Store
from tests.support.tasks_in_process import Run, TaskInstance
from tests.support.virtual_time import VirtualTime

ATTRIBUTES: dict[str, Any] = {"advertiserIds": ["1"], "lookbackWindow": 60}


@pytest.fixture
def sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, time: VirtualTime) -> Sandbox:
    sandbox.configure(cache=False)
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", sandbox.connection())
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_OTHER", sandbox.connection())
    return sandbox


@pytest.fixture
def store() -> Store:
    return Store()


def create(store: Store | None, attributes: Any = ATTRIBUTES, **options: Any) -> str:
    """One try of the task."""
    task = CreateReportJobOperator(task_id="create", attributes=attributes, **options)
    report_id: str = task.execute({"ti": TaskInstance(), **({"task_state_store": store} if store else {})})
    return report_id


@pytest.mark.parametrize("outcome", [None, "Done"])
def test_a_job_that_is_pending_or_done_is_taken_up(
    sandbox: Sandbox, store: Store, outcome: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    first = create(store)
    if outcome:
        sandbox.finish(first, outcome)
    assert create(store) == first
    assert len(sandbox.jobs()) == 1
    assert f"Taking up report job {first}" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["Unknown", "Reticulating"])
def test_a_job_whose_state_says_nothing_is_taken_up(sandbox: Sandbox, store: Store, word: str) -> None:
    first = create(store)
    sandbox.finish(first, word)
    assert create(store) == first


@pytest.mark.parametrize("outcome", ["Failure", "Expired"])
def test_a_job_that_ended_badly_is_made_anew(
    sandbox: Sandbox, store: Store, outcome: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = create(store)
    problems = [{"code": "invalid-timespan", "title": "The time span is too long.", "type": "validation"}]
    sandbox.finish(first, outcome, problems=problems)
    second = create(store)
    assert second != first
    log = capsys.readouterr().out
    assert f"Report job {first} of an earlier try ended as {outcome}" in log
    assert "invalid-timespan" in log
    assert create(store) == second


def test_a_job_that_criteo_does_not_know_is_made_anew(
    sandbox: Sandbox, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    first = create(store)
    sandbox.forget(first)
    assert create(store) != first
    log = capsys.readouterr().out
    assert f"Report job {first} of an earlier try is of no use" in log
    assert "export-not-found" in log


@pytest.mark.parametrize(
    "change",
    [
        {"attributes": {**ATTRIBUTES, "lookbackWindow": 120}},
        {"attributes": {**ATTRIBUTES, "advertiserIds": ["2"]}},
        {"report_type": "mpo-products", "attributes": {"advertiserIds": ["1"], "startDate": "2026-11-20", "fileFormat": "csv"}},
        {"api_version": "experimental"},
        {"criteo_conn_id": "criteo_other"},
    ],
    ids=str,
)  # fmt: skip
def test_another_request_makes_another_job(
    sandbox: Sandbox, store: Store, change: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    first = create(store)
    assert create(store, **{"attributes": ATTRIBUTES, **change}) != first
    assert f"Report job {first} of an earlier try was for another request" in capsys.readouterr().out


def test_another_account_makes_another_job(sandbox: Sandbox, store: Store) -> None:
    catalog: dict[str, Any] = {"attributes": {"format": "json-newline"}, "report_type": "rm-catalog"}
    first = create(store, **catalog, account_id="7")
    assert create(store, **catalog, account_id="7") == first
    assert create(store, **catalog, account_id="8") != first


def test_a_task_that_was_cleared_makes_another_job(
    sandbox: Sandbox, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(max_tries: int) -> str:
        task = CreateReportJobOperator(task_id="create", attributes=ATTRIBUTES)
        return str(task.execute({"ti": TaskInstance(max_tries=max_tries), "task_state_store": store}))

    first = run(2)
    assert run(2) == first
    second = run(3)
    assert second != first
    assert run(3) == second
    assert f"The task was cleared after it had created report job {first}" in capsys.readouterr().out


def test_the_order_of_attributes_and_their_form_make_no_other_request(sandbox: Sandbox, store: Store) -> None:
    first = create(store)
    assert create(store, dict(reversed(ATTRIBUTES.items()))) == first
    assert create(store, json.dumps(ATTRIBUTES)) == first
    assert create(store, {**ATTRIBUTES, "advertiserIds": ("1",)}) == first


@pytest.mark.parametrize(
    "stored", ["an id", 7, [], {}, {"report_id": ""}, {"report_id": None, "request": 1}, {"request": "x"}]
)
def test_a_store_that_holds_something_else_is_no_reason_to_fail(sandbox: Sandbox, store: Store, stored: Any) -> None:
    from airflow_provider_criteo.utils.reattach import STATE_KEY

    store.set(STATE_KEY, stored)
    assert create(store) == create(store)
    assert len(sandbox.jobs()) == 1


def test_no_secret_is_stored(sandbox: Sandbox, store: Store) -> None:
    first = create(store)
    text = "".join(store.values.values())
    assert first in text
    assert sandbox.client_secret not in text
    assert sandbox.client_id not in text


def test_a_passing_fault_neither_loses_the_job_nor_makes_another(sandbox: Sandbox, store: Store) -> None:
    first = create(store)
    sandbox.fault("status", "http-500", times=2)
    assert create(store) == first
    sandbox.fault("status", "http-500", times=None)
    with pytest.raises(TransientError):
        create(store)
    sandbox.clear_faults()
    assert create(store) == first
    assert len(sandbox.jobs()) == 1


def test_bad_credentials_do_not_make_another_job(sandbox: Sandbox, store: Store) -> None:
    first = create(store)
    sandbox.fault("status", "http-401", times=None)
    with pytest.raises(AuthenticationError):
        create(store)
    sandbox.clear_faults()
    assert create(store) == first


def test_where_airflow_has_no_store_every_try_creates(sandbox: Sandbox) -> None:
    assert create(None) != create(None)


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_three_steps_in_one_take_up_their_job(
    sandbox: Sandbox, store: Store, tmp_path: Path, deferrable: bool
) -> None:
    sandbox.configure(pending_seconds=0)
    run = Run(
        lambda: ReportToObjectStorageOperator(
            task_id="report", attributes=ATTRIBUTES, destination=str(tmp_path / "report.csv"), deferrable=deferrable
        )
    )
    run.context["task_state_store"] = store
    sandbox.fault("download", "http-400")
    with pytest.raises(Exception, match="400"):
        run.result()
    assert run.result() == str(tmp_path / "report.csv")
    assert len(sandbox.journal("create")) == 1
    assert run.workers == 2


# The file that was published


def published(store: Store, folder: Path, max_tries: int = 0, **options: Any) -> str:
    """One try of a download, with ``overwrite=False``."""
    task = DownloadReportOperator(
        task_id="download", destination=str(folder / "report.csv"), overwrite=False, **options
    )
    ti = TaskInstance(max_tries=max_tries)
    url: str = task.execute({"ti": ti, "task_state_store": store})
    assert ti.xcoms["report_file"]["url"] == url
    return url


def test_a_retry_recognises_its_own_file(sandbox: Sandbox, store: Store, tmp_path: Path) -> None:
    sandbox.configure(pending_seconds=0)
    report_id = create(None)
    first = published(store, tmp_path, report_id=report_id)
    assert published(store, tmp_path, report_id=report_id) == first
    assert len(sandbox.journal("download")) == 1


class Killed(TaskInstance):
    """That of a task whose worker is killed as soon as the file is at its place."""

    def xcom_push(self, key: str, value: Any) -> None:
        raise KeyboardInterrupt


def test_a_retry_recognises_the_file_of_a_try_that_was_killed_after_publishing(
    sandbox: Sandbox, store: Store, tmp_path: Path
) -> None:
    sandbox.configure(pending_seconds=0)
    report_id = create(None)
    task = DownloadReportOperator(
        task_id="download", destination=str(tmp_path / "report.csv"), overwrite=False, report_id=report_id
    )
    with pytest.raises(KeyboardInterrupt):
        task.execute({"ti": Killed(), "task_state_store": store})
    assert (tmp_path / "report.csv").exists()
    assert published(store, tmp_path, report_id=report_id) == str(tmp_path / "report.csv")
    assert len(sandbox.journal("download")) == 1


def test_a_task_that_may_replace_its_file_asks_nothing_of_the_store(
    sandbox: Sandbox, store: Store, tmp_path: Path
) -> None:
    sandbox.configure(pending_seconds=0)
    task = DownloadReportOperator(task_id="download", destination=str(tmp_path / "x.csv"), report_id=create(None))
    task.execute({"ti": TaskInstance(), "task_state_store": store})
    assert not store.values


@pytest.mark.parametrize("change", ["content", "cleared", "no note"])
def test_a_file_of_somebody_elses_is_not_taken_for_ones_own(
    sandbox: Sandbox, store: Store, tmp_path: Path, change: str
) -> None:
    sandbox.configure(pending_seconds=0)
    report_id = create(None)
    published(store, tmp_path, report_id=report_id)
    if change == "content":
        (tmp_path / "report.csv").write_bytes(b"another's")
    before = (tmp_path / "report.csv").read_bytes()
    with pytest.raises(InvalidInputError, match="overwrite=False"):
        published(
            Store() if change == "no note" else store,
            tmp_path,
            max_tries=1 if change == "cleared" else 0,
            report_id=report_id,
        )
    assert (tmp_path / "report.csv").read_bytes() == before
