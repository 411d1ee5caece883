"""The three steps in one task: how many workers and calls it takes, how it waits for a quota, what it leaves behind."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from airflow import DAG
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, TaskDeferred

from airflow_provider_criteo.exceptions import (
    DestinationError,
    InvalidInputError,
    RateLimitError,
    ReportJobFailedError,
    UnavailableError,
)
from airflow_provider_criteo.operators.report_job import DownloadReportOperator
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from airflow_provider_criteo.utils.clock import CLOCK
from airflow_provider_criteo.utils.deadline import Deadline
from airflow_provider_criteo.utils.trigger_event import TURN, payload_of
from tests.support.scripted_criteo import FILE, ScriptedCriteo, connection, job, refusal
from tests.support.tasks_in_process import Run, TaskInstance
from tests.support.virtual_time import VirtualTime

ATTRIBUTES: dict[str, Any] = {"advertiserIds": ["1"], "lookbackWindow": 60}
PENDING, DONE = job("Pending"), job("Done")
QUOTA = refusal(429, type="quota", Retry_After="40")


def make(destination: Path | str, **options: Any) -> ReportToObjectStorageOperator:
    arguments = {"attributes": ATTRIBUTES, "poke_interval": 20, "timeout": 300, **options}
    return ReportToObjectStorageOperator(**{"task_id": "report", **arguments}, destination=str(destination))


@pytest.fixture
def run(time: VirtualTime, tmp_path: Path) -> Any:
    """Makes a run of the task, in virtual time."""

    def run(destination: Path | str = tmp_path / "report.csv", **options: Any) -> Run:
        return Run(lambda: make(destination, **options), run=time.run, longest=1e6)

    return run


DEFERRABLE = pytest.mark.parametrize("deferrable", [False, True])


@DEFERRABLE
def test_a_job_that_is_done_at_once_takes_one_worker_and_two_calls(
    criteo: ScriptedCriteo, tmp_path: Path, run: Any, deferrable: bool
) -> None:
    criteo.created = DONE
    task = run(deferrable=deferrable)
    assert task.result() == str(tmp_path / "report.csv")
    assert (tmp_path / "report.csv").read_bytes() == FILE
    assert task.context["ti"].xcoms["report_file"]["size_bytes"] == len(FILE)
    assert (task.workers, len(criteo.creates), len(criteo.polls), len(criteo.downloads)) == (1, 1, 0, 1)


@pytest.mark.parametrize(("deferrable", "workers"), [(False, 1), (True, 2)])
def test_a_wait_takes_one_call_a_poll(criteo: ScriptedCriteo, run: Any, deferrable: bool, workers: int) -> None:
    criteo.script = [PENDING, DONE]
    task = run(deferrable=deferrable)
    task.result()
    assert task.workers == workers
    assert [round(moment - criteo.creates[0]) for moment, _ in criteo.polls] == [20, 40]
    assert (len(criteo.creates), len(criteo.downloads)) == (1, 1)


@DEFERRABLE
def test_a_failed_job_is_told_and_leaves_nothing(
    criteo: ScriptedCriteo, tmp_path: Path, run: Any, deferrable: bool
) -> None:
    problems = [{"code": "invalid-timespan", "title": "The time span is too long.", "type": "validation"}]
    criteo.script = [job("Failure", message="No.", problems=problems)]
    with pytest.raises(ReportJobFailedError, match=r"ended as Failure: No\.\n  \[validation\] invalid-timespan"):
        run(deferrable=deferrable).result()
    assert not os.listdir(tmp_path)


@DEFERRABLE
def test_a_timeout_ends_the_wait(criteo: ScriptedCriteo, time: VirtualTime, run: Any, deferrable: bool) -> None:
    criteo.script = [PENDING]
    with pytest.raises(AirflowSensorTimeout):
        run(deferrable=deferrable, timeout=50).result()
    assert time.now() == criteo.creates[0] + 50 == criteo.polls[-1][0]


# The quota


def deferred_to(task: Run) -> list[tuple[str, str]]:
    return [(type(one.trigger).__name__, getattr(one.trigger, "call", "")) for one in task.deferrals]


def test_a_used_up_creation_quota_is_waited_for_without_a_worker(
    criteo: ScriptedCriteo, time: VirtualTime, run: Any
) -> None:
    criteo.create_script = [QUOTA, DONE]
    task = run(deferrable=True)
    task.result()
    assert deferred_to(task) == [("QuotaTurnTrigger", "create")]
    assert 40 <= criteo.creates[1] - criteo.creates[0] <= 42
    assert task.workers == 2


def test_a_used_up_quota_at_the_download_goes_back_to_the_queue_with_the_job(
    criteo: ScriptedCriteo, time: VirtualTime, run: Any
) -> None:
    criteo.download_script = [QUOTA]
    task = run(deferrable=True)
    task.result()
    assert deferred_to(task) == [("ReportJobTrigger", ""), ("QuotaTurnTrigger", "download")]
    assert 40 <= criteo.downloads[1] - criteo.downloads[0] <= 42
    assert len(criteo.polls) == 1


def test_a_used_up_quota_is_an_information_where_the_task_goes_back_to_the_queue(
    criteo: ScriptedCriteo, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    criteo.create_script = [QUOTA, DONE]
    run(deferrable=True).result()
    assert re.findall(r"\[(\w+) *\] .*the quota is used up", capsys.readouterr().out) == ["info"]


def test_a_deferrable_task_never_sleeps_on_a_worker(
    criteo: ScriptedCriteo, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(CLOCK, "sleep", slept.append)
    criteo.create_script, criteo.script, criteo.download_script = [QUOTA, PENDING], [QUOTA, PENDING, DONE], [QUOTA]
    task = run(deferrable=True)
    task.result()
    assert (len(criteo.creates), len(criteo.downloads), task.workers) == (2, 2, 4)
    assert not slept


def test_a_worker_sleeps_for_the_quota_if_it_may(criteo: ScriptedCriteo, run: Any) -> None:
    criteo.create_script = [QUOTA, DONE]
    task = run(deferrable=False)
    task.result()
    assert task.workers == 1
    assert 40 <= criteo.creates[1] - criteo.creates[0] <= 45


def test_a_creation_quota_that_stays_used_up_is_not_waited_for_beyond_the_timeout(
    criteo: ScriptedCriteo, time: VirtualTime, run: Any
) -> None:
    criteo.create_script = [QUOTA] * 50
    began = time.now()
    with pytest.raises(RateLimitError, match="the quota"):
        run(deferrable=True, timeout=100).result()
    assert len(criteo.creates) <= 3
    assert time.now() - began <= 100


@DEFERRABLE
def test_a_creation_quota_that_resets_after_the_timeout_is_raised_at_once(
    criteo: ScriptedCriteo, time: VirtualTime, run: Any, deferrable: bool
) -> None:
    criteo.create_script = [refusal(429, Retry_After="600")] * 9
    began = time.now()
    with pytest.raises(RateLimitError, match="resets at"):
        run(deferrable=deferrable, timeout=60).result()
    assert time.now() == began


def test_a_mapped_task_beyond_the_first_window_asks_the_queue_first(criteo: ScriptedCriteo, run: Any) -> None:
    criteo.created = DONE
    for index, queues in ((-1, 0), (39, 0), (40, 1)):
        task = run(deferrable=True)
        task.context["ti"].map_index = index
        task.result()
        assert len(task.deferrals) == queues
    task = run(deferrable=False)
    task.context["ti"].map_index = 40
    task.result()
    assert not task.deferrals


@pytest.mark.parametrize(
    ("extra", "pool", "first"),
    [
        ({"calls_per_minute": 120}, "default_pool", 120),
        ({"calls_per_minute": 5}, "default_pool", 5),
        ({"grant_type": "refresh_token", "refresh_token": "a-token"}, "default_pool", 10),
        ({}, "criteo", None),
    ],
    ids=["a larger quota", "a ceiling", "of an account", "a pool bounds what is under way"],
)
def test_the_first_window_is_as_large_as_the_connection_says(
    extra: dict[str, Any],
    pool: str,
    first: int | None,
    criteo: ScriptedCriteo,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(**extra))
    criteo.created = DONE
    for index, queues in ((1000, 0),) if first is None else ((first - 1, 0), (first, 1)):
        task = run(deferrable=True, pool=pool)
        task.context["ti"].map_index = index
        task.result()
        assert len(task.deferrals) == queues


def test_a_dags_own_tasks_ask_the_queue_first_as_mapped_ones_do(
    criteo: ScriptedCriteo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(calls_per_minute=2))
    criteo.created = DONE
    with DAG("side_by_side", schedule=None) as dag:
        for number in range(3):
            make(tmp_path / f"{number}.csv", task_id=f"report_{number}", deferrable=True)
    for number in range(2):
        dag.get_task(f"report_{number}").execute({"ti": TaskInstance()})
    with pytest.raises(TaskDeferred):
        dag.get_task("report_2").execute({"ti": TaskInstance()})
    assert len(criteo.creates) == 2


def test_a_retry_has_the_whole_time_again(criteo: ScriptedCriteo, time: VirtualTime, tmp_path: Path) -> None:
    criteo.script = [PENDING]
    for waited in (0, 200):
        time.sleep(waited)
        with pytest.raises(TaskDeferred) as deferred:
            make(tmp_path / "report.csv", deferrable=True, timeout=300).execute({"ti": TaskInstance()})
        assert deferred.value.trigger.end_time == time.now() + 300  # type: ignore[attr-defined]


@pytest.mark.parametrize("pool", ["default_pool", "criteo"])
def test_the_queue_hears_that_the_end_of_a_task_in_a_pool_lets_another_go(
    pool: str, criteo: ScriptedCriteo, run: Any
) -> None:
    task = run(deferrable=True, pool=pool)
    task.result()
    assert task.deferrals[0].trigger.frees_slot == (pool == "criteo")


def test_one_timeout_bounds_the_waits_for_the_quota_and_for_the_job(
    criteo: ScriptedCriteo, time: VirtualTime, run: Any
) -> None:
    criteo.create_script, criteo.script = [QUOTA, PENDING], [PENDING]
    began = time.now()
    with pytest.raises(AirflowSensorTimeout):
        run(deferrable=True, timeout=100).result()
    assert len(criteo.creates) == 2
    assert time.now() - began == pytest.approx(100, abs=1)


def test_a_download_goes_back_to_the_queue_for_what_is_left_of_the_time(criteo: ScriptedCriteo, run: Any) -> None:
    criteo.download_script = [QUOTA]
    task = run(deferrable=True, timeout=100)
    task.result()
    job, turn = (one.trigger for one in task.deferrals)
    assert turn.end_time == job.end_time


def test_the_queue_hears_of_a_create_that_took_no_turn_alone(criteo: ScriptedCriteo, run: Any) -> None:
    task = run(deferrable=True)
    task.result()
    assert task.deferrals[0].trigger.called_at == criteo.creates[0]
    criteo.script, criteo.create_script = [DONE], [QUOTA, PENDING]
    task = run(deferrable=True)
    task.result()
    assert task.deferrals[-1].trigger.called_at is None


def test_the_queue_is_not_waited_for_beyond_the_timeout_across_deferrals(
    criteo: ScriptedCriteo, time: VirtualTime, tmp_path: Path
) -> None:
    """Airflow's ``dag.test()`` drops a deferral's arguments: what goes on is in the event."""
    criteo.create_script = [QUOTA] * 9
    task = make(tmp_path / "x.csv", deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute({"ti": TaskInstance()})
    trigger: Any = deferred.value.trigger
    end_time = trigger.end_time
    time.sleep(50)
    event = json.loads(json.dumps(payload_of(TURN, Deadline(end_time - 300, end_time, False), trigger.carried)))
    with pytest.raises(TaskDeferred) as again:
        getattr(task, deferred.value.method_name)({"ti": TaskInstance()}, event=event)
    trigger = again.value.trigger
    assert (trigger.end_time, trigger.started) == (end_time, end_time - 300)


@pytest.mark.parametrize(
    "event",
    [None, {}, "turn", {"outcome": "odd"}, {"outcome": "refused"}, {"outcome": "turn", "carried": {}}],
    ids=str,
)
def test_an_event_that_is_not_known_makes_no_report(criteo: ScriptedCriteo, tmp_path: Path, event: Any) -> None:
    task = make(tmp_path / "x.csv", deferrable=True)
    with pytest.raises(AirflowFailException, match="not known"):
        task.execute_in_turn({"ti": TaskInstance()}, event=event)
    assert not criteo.creates


def test_a_connection_that_is_broken_while_the_task_waits_for_its_turn_is_named(
    criteo: ScriptedCriteo, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    criteo.create_script = [QUOTA]
    task = run(deferrable=True)
    task.on_deferral = lambda trigger: monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(timeout=-1))
    with pytest.raises(InvalidInputError, match="extra timeout"):
        task.result()


def test_a_service_that_says_when_to_come_back_is_heeded_by_a_deferrable_task_too(
    criteo: ScriptedCriteo, run: Any
) -> None:
    criteo.create_script = [refusal(503, Retry_After="3"), DONE]
    run(deferrable=True).result()
    assert criteo.creates[1] - criteo.creates[0] >= 3


# The destination, before a job is made


def test_a_destination_that_must_not_be_replaced(criteo: ScriptedCriteo, tmp_path: Path, run: Any) -> None:
    file = tmp_path / "report.csv"
    file.write_bytes(b"before")
    with pytest.raises(InvalidInputError, match="overwrite=False"):
        run(file, overwrite=False).result()
    assert not criteo.creates
    assert file.read_bytes() == b"before"


@pytest.mark.parametrize(
    ("destination", "error", "told"),
    [
        ("{folder}", InvalidInputError, "is a folder"),
        ("{folder}/a file/report.csv", DestinationError, "'{folder}/a file' is a file"),
        ("{folder}/a file/deeper/report.csv", DestinationError, "'{folder}/a file' is a file"),
        ("file://{folder}/a file/report.csv", DestinationError, "'{folder}/a file' is a file"),
        ("/proc/report.csv", DestinationError, "/proc"),
    ],
)
def test_a_destination_that_cannot_be(
    criteo: ScriptedCriteo, tmp_path: Path, run: Any, destination: str, error: type[Exception], told: str
) -> None:
    (tmp_path / "a file").write_bytes(b"before")
    with pytest.raises(error) as caught:
        run(destination.format(folder=tmp_path)).result()
    assert told.format(folder=tmp_path) in str(caught.value)
    assert not criteo.creates
    assert os.listdir(tmp_path) == ["a file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(criteo: ScriptedCriteo, tmp_path: Path, run: Any) -> None:
    (tmp_path / "folder").mkdir(mode=0o555)
    with pytest.raises(DestinationError, match="PermissionError"):
        run(tmp_path / "folder" / "report.csv").result()
    assert not criteo.creates


def test_a_connection_that_is_not_there_is_named_and_no_fault_of_the_storage(run: Any) -> None:
    with pytest.raises(Exception, match="connection 'criteo_nowhere' cannot be looked up") as caught:
        run(criteo_conn_id="criteo_nowhere").result()
    assert not isinstance(caught.value, DestinationError)


def test_a_connection_that_is_not_there_is_named_by_a_download_too(tmp_path: Path) -> None:
    task = DownloadReportOperator(
        task_id="load", report_id="1", destination=str(tmp_path / "report"), criteo_conn_id="criteo_nowhere"
    )
    with pytest.raises(UnavailableError, match="connection 'criteo_nowhere' cannot be looked up"):
        task.execute({"ti": TaskInstance()})


def test_an_object_in_memory(criteo_sandbox: Sandbox, run: Any) -> None:
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


def test_folders_are_made(criteo: ScriptedCriteo, tmp_path: Path, run: Any) -> None:
    for destination in (tmp_path / "a" / "b.csv", f"file://{tmp_path}/c/d.csv", f"{tmp_path}/e f/ü.csv"):
        run(destination).result()
    assert (tmp_path / "a" / "b.csv").exists()
    assert (tmp_path / "c" / "d.csv").exists()
    assert (tmp_path / "e f" / "ü.csv").exists()


def test_a_symbolic_link_stays_and_its_target_is_replaced_with_the_mode_of_a_new_file(
    criteo: ScriptedCriteo, tmp_path: Path, run: Any
) -> None:
    target, link = tmp_path / "day.csv", tmp_path / "latest.csv"
    target.write_bytes(b"before")
    target.chmod(0o600)
    link.symlink_to(target)
    umask = os.umask(0o027)
    try:
        run(link).result()
    finally:
        os.umask(umask)
    assert link.is_symlink()
    assert target.read_bytes() == FILE
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["day.csv", "latest.csv"]
