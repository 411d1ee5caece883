"""The three steps in one task: how many workers it takes, how it waits for a quota, what it leaves behind."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, TaskDeferred

from airflow_provider_criteo.exceptions import DestinationError, InvalidInputError, RateLimitError, ReportJobFailedError
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from tests.support.tasks_in_process import Run, TaskInstance

ATTRIBUTES: dict[str, Any] = {"advertiserIds": ["1"], "lookbackWindow": 60}


def run(destination: Path | str, **options: Any) -> Run:
    return Run(
        lambda: ReportToObjectStorageOperator(
            task_id="report",
            destination=str(destination),
            **{"attributes": ATTRIBUTES, "poke_interval": 5, "timeout": 60, **options},
        )
    )


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_job_that_is_done_at_once_takes_one_worker(criteo_sandbox: Sandbox, tmp_path: Path, deferrable: bool) -> None:
    task = run(tmp_path / "report.csv", deferrable=deferrable)
    assert task.result() == str(tmp_path / "report.csv")
    assert task.workers == 1
    assert task.context["ti"].xcoms["report_file"]["size_bytes"] == (tmp_path / "report.csv").stat().st_size


@pytest.mark.parametrize(("deferrable", "workers"), [(False, 1), (True, 2)])
def test_workers_of_a_wait(criteo_sandbox: Sandbox, tmp_path: Path, deferrable: bool, workers: int) -> None:
    criteo_sandbox.configure(pending_seconds=3)
    task = run(tmp_path / "report.csv", deferrable=deferrable)
    task.result()
    assert task.workers == workers
    assert len(criteo_sandbox.jobs()) == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_failed_job_is_told_and_leaves_nothing(criteo_sandbox: Sandbox, tmp_path: Path, deferrable: bool) -> None:
    problems = [{"code": "invalid-timespan", "title": "The time span is too long.", "type": "validation"}]
    criteo_sandbox.configure(pending_seconds=3, outcome="Failure", message="No.", problems=problems)
    with pytest.raises(ReportJobFailedError, match=r"ended as Failure: No\.\n  \[validation\] invalid-timespan"):
        run(tmp_path / "report.csv", deferrable=deferrable).result()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_timeout_ends_the_wait(criteo_sandbox: Sandbox, tmp_path: Path, deferrable: bool) -> None:
    criteo_sandbox.configure(pending_seconds=3600)
    began = time.monotonic()
    with pytest.raises(AirflowSensorTimeout):
        run(tmp_path / "report.csv", deferrable=deferrable, timeout=6).result()
    assert time.monotonic() - began < 12


def test_a_worker_that_waits_polls_once_more_when_its_time_is_up(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    criteo_sandbox.configure(pending_seconds=6)
    run(tmp_path / "report.csv", deferrable=False, timeout=8).result()
    polls = [call["time"] for call in criteo_sandbox.journal("status")]
    assert polls[1] - polls[0] < 4.5


def test_a_used_up_creation_quota_is_waited_for_without_a_worker(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    criteo_sandbox.fault("create", "http-429-limit-and-reset", seconds=3)
    task = run(tmp_path / "report.csv", deferrable=True)
    began = time.monotonic()
    task.result()
    assert time.monotonic() - began > 2
    assert [type(deferral.trigger).__name__ for deferral in task.deferrals] == ["TimeDeltaTrigger"]
    assert task.workers == 2


def test_a_creation_quota_that_stays_used_up_is_not_waited_for_beyond_the_timeout(
    criteo_sandbox: Sandbox, tmp_path: Path
) -> None:
    criteo_sandbox.fault("create", "http-429-limit-and-reset", times=None, seconds=3)
    task = run(tmp_path / "report.csv", deferrable=True, timeout=10)
    with pytest.raises(RateLimitError, match="resets at"):
        task.result()
    assert 2 <= task.workers <= 4


def test_a_creation_quota_that_resets_after_the_timeout_is_raised_at_once(
    criteo_sandbox: Sandbox, tmp_path: Path
) -> None:
    criteo_sandbox.fault("create", "http-429-limit-and-reset", times=None, seconds=600)
    for deferrable in (False, True):
        with pytest.raises(RateLimitError, match="resets at"):
            run(tmp_path / "report.csv", deferrable=deferrable, timeout=60).result()


def test_a_creation_quota_may_be_waited_for_up_to_the_timeout(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    criteo_sandbox.fault("create", "http-429-limit-and-reset", times=None, seconds=600)
    task = ReportToObjectStorageOperator(
        task_id="report", attributes=ATTRIBUTES, destination=str(tmp_path / "x.csv"), deferrable=True
    )
    with pytest.raises(TaskDeferred) as deferred:
        task.execute({"ti": TaskInstance()})
    assert deferred.value.method_name == "execute_after_reset"
    resumed = getattr(task, deferred.value.method_name)
    with pytest.raises(TaskDeferred) as again:
        resumed({"ti": TaskInstance()}, event=None, **(deferred.value.kwargs or {}))
    assert again.value.kwargs == deferred.value.kwargs


def test_a_destination_that_must_not_be_replaced_is_looked_at_before_a_job_is_made(
    criteo_sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "report.csv"
    file.write_bytes(b"before")
    with pytest.raises(InvalidInputError, match="overwrite=False"):
        run(file, overwrite=False).result()
    with pytest.raises(InvalidInputError, match="is a folder"):
        run(tmp_path).result()
    assert not criteo_sandbox.journal()
    assert file.read_bytes() == b"before"


@pytest.mark.parametrize("destination", ["{folder}/a file/report.csv", "{folder}/{long}", "/proc/report.csv"])
def test_a_storage_that_refuses_is_told_and_leaves_nothing(
    criteo_sandbox: Sandbox, tmp_path: Path, destination: str
) -> None:
    (tmp_path / "a file").write_bytes(b"before")
    wrong = destination.format(folder=tmp_path, long="x" * 300)
    with pytest.raises(DestinationError) as caught:
        run(wrong).result()
    assert wrong in str(caught.value)
    assert "the report is still at Criteo" in str(caught.value)
    assert os.listdir(tmp_path) == ["a file"]
    assert (tmp_path / "a file").read_bytes() == b"before"


def test_an_object_in_memory(criteo_sandbox: Sandbox) -> None:
    import fsspec
    from airflow.sdk.io import attach

    attach(protocol="memory", fs=fsspec.filesystem("memory"))
    url = "memory://lake/criteo/report.csv"
    assert run(url).result() == url
    store = fsspec.filesystem("memory")
    whole = store.cat("/lake/criteo/report.csv")
    assert whole
    criteo_sandbox.fault("download", "cut", times=None)
    with pytest.raises(Exception, match="the connection failed"):
        run(url, attributes={**ATTRIBUTES, "advertiserIds": ["2"]}).result()
    assert store.cat("/lake/criteo/report.csv") == whole
    assert store.ls("/lake/criteo", detail=False) == ["/lake/criteo/report.csv"]


def test_folders_are_made(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    for number, destination in enumerate(
        (tmp_path / "a" / "b.csv", f"file://{tmp_path}/c/d.csv", f"{tmp_path}/e f/ü.csv")
    ):
        run(destination, attributes={**ATTRIBUTES, "advertiserIds": [str(number)]}).result()
    assert (tmp_path / "a" / "b.csv").exists()
    assert (tmp_path / "c" / "d.csv").exists()
    assert (tmp_path / "e f" / "ü.csv").exists()
