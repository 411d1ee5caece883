"""A sensor's options mean the same in poke, reschedule and deferrable mode. What Criteo answers: ``test_one_wait``."""

from __future__ import annotations

import json
import warnings
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)
from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferralError

from airflow_provider_criteo.api import exceptions as api_exceptions
from airflow_provider_criteo.api.models import JobState, Problem, ReportJob
from airflow_provider_criteo.exceptions import (
    ReportExpiredError,
    ReportJobFailedError,
    UnavailableError,
    error_to_json,
)
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.utils.trigger_event import after_wait
from tests.support.scripted_criteo import REPORT_ID, ScriptedCriteo, job, refusal
from tests.support.tasks_in_process import Run, TaskInstance, as_stored
from tests.support.virtual_time import VirtualTime

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferrable": {"deferrable": True},
}
FLAGS: dict[str, dict[str, Any]] = {
    "default": {},
    "soft_fail": {"soft_fail": True},
    "never_fail": {"never_fail": True},
    "silent_fail": {"silent_fail": True},
}
PENDING, DONE, FAILED, EXPIRED = job("Pending"), job("Done"), job("Failure"), job("Expired")
DOWN = refusal(503)
QUOTA = refusal(429, Retry_After="40")


def sensor(**options: Any) -> ReportJobStatusSensor:
    arguments = {"task_id": "wait", "report_id": REPORT_ID, "poke_interval": 20, "timeout": 120, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ReportJobStatusSensor(**arguments)


def run(time: VirtualTime, **options: Any) -> Run:
    return Run(lambda: sensor(**options), run=time.run, longest=1e6)


# What each end becomes by the flags

ENDS: dict[str, tuple[list[Any], list[type[BaseException] | None]]] = {
    "done": ([DONE], [None, None, None, None]),
    "done later": ([PENDING, PENDING, DONE], [None, None, None, None]),
    "failed": ([FAILED], [ReportJobFailedError, AirflowSkipException, AirflowSkipException, ReportJobFailedError]),
    "failed later": (
        [PENDING, FAILED],
        [ReportJobFailedError, AirflowSkipException, AirflowSkipException, ReportJobFailedError],
    ),
    "expired": ([PENDING, EXPIRED], [ReportExpiredError, AirflowSkipException, AirflowSkipException, ReportExpiredError]),
    "never ends": ([PENDING], [AirflowSensorTimeout, AirflowSkipException, AirflowSensorTimeout, AirflowSensorTimeout]),
    "is down": ([DOWN], [AirflowSensorTimeout, AirflowSkipException, AirflowSensorTimeout, AirflowSensorTimeout]),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("end", ENDS)
def test_what_each_end_becomes(end: str, flag: str, mode: str, criteo: ScriptedCriteo, time: VirtualTime) -> None:
    criteo.script, ends = [*ENDS[end][0]], ENDS[end][1]
    right = ends[list(FLAGS).index(flag)]
    task = run(time, **MODES[mode], **FLAGS[flag])
    if right is None:
        assert task.result() == REPORT_ID
        return
    with pytest.raises(right) as caught:
        task.result()
    assert type(caught.value) is right


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("flag", "right"),
    [("default", UnavailableError), ("soft_fail", UnavailableError), ("never_fail", AirflowSkipException)],
)
def test_a_connection_that_is_not_there_ends_the_first_poll(
    mode: str, flag: str, right: type[Exception], time: VirtualTime
) -> None:
    with pytest.raises(right, match=r"criteo_nowhere|never_fail"):
        run(time, criteo_conn_id="criteo_nowhere", **MODES[mode], **FLAGS[flag]).result()


@pytest.mark.parametrize("mode", MODES)
def test_silent_fail_waits_on_for_a_connection(
    mode: str, time: VirtualTime, criteo: ScriptedCriteo, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = criteo_connection(monkeypatch)
    slept = []

    def on_sleep(seconds: float) -> None:
        slept.append(seconds)
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection)
        time.seconds += seconds

    monkeypatch.setattr("airflow_provider_criteo.utils.clock.CLOCK.sleep", on_sleep)
    task = run(time, **MODES[mode], silent_fail=True)
    task.on_deferral = lambda trigger: monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection)
    assert task.result() == REPORT_ID


def criteo_connection(monkeypatch: pytest.MonkeyPatch) -> str:
    """The connection, which is not there any more."""
    import os

    connection = os.environ["AIRFLOW_CONN_CRITEO_DEFAULT"]
    monkeypatch.delenv("AIRFLOW_CONN_CRITEO_DEFAULT")
    return connection


def test_workers_of_each_mode(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    workers = {}
    for mode in MODES:
        criteo.script = [PENDING, PENDING, DONE]
        task = run(time, **MODES[mode])
        task.result()
        workers[mode] = task.workers
    assert workers == {"poke": 1, "reschedule": 3, "deferrable": 2}


# How long


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"timeout": 50}, AirflowSensorTimeout),
        ({"timeout": timedelta(seconds=50)}, AirflowSensorTimeout),
        ({"timeout": 3600, "execution_timeout": timedelta(seconds=50)}, AirflowTaskTimeout),
        ({"timeout": 50, "execution_timeout": timedelta(hours=1)}, AirflowSensorTimeout),
        ({"timeout": 50, "poke_interval": 3600}, AirflowSensorTimeout),
        ({"timeout": 50, "poke_interval": 3600, "exponential_backoff": True}, AirflowSensorTimeout),
    ],
    ids=str,
)
def test_the_time_bounds_the_wait_with_one_last_question(
    mode: str, options: dict[str, Any], error: type[BaseException], criteo: ScriptedCriteo, time: VirtualTime
) -> None:
    criteo.script = [PENDING]
    began = time.now()
    with pytest.raises(error, match="has not ended within 50 s"):
        run(time, **MODES[mode], **options).result()
    assert criteo.polls[-1][0] == began + 50
    assert time.now() == began + 50


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("flag", "right"), [("soft_fail", AirflowSkipException), ("never_fail", AirflowSkipException)])
def test_an_execution_timeout_is_what_the_flags_say(
    mode: str, flag: str, right: type[Exception], criteo: ScriptedCriteo, time: VirtualTime
) -> None:
    criteo.script = [PENDING]
    with pytest.raises(right):
        run(time, execution_timeout=timedelta(seconds=30), **MODES[mode], **FLAGS[flag]).result()


@pytest.mark.parametrize("mode", MODES)
def test_a_job_that_is_done_when_the_time_is_up_is_done(mode: str, criteo: ScriptedCriteo, time: VirtualTime) -> None:
    criteo.script = [PENDING, PENDING, DONE]
    run(time, timeout=30, **MODES[mode]).result()
    assert [moment - criteo.polls[0][0] for moment, _ in criteo.polls] == [0, 20, 30]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("max_wait", [None, 30], ids=["no max_wait", "max_wait"])
def test_exponential_backoff(mode: str, max_wait: float | None, criteo: ScriptedCriteo, time: VirtualTime) -> None:
    """The interval doubles from half of poke_interval on, with up to as much jitter; max_wait caps it."""
    criteo.script = [PENDING]
    with pytest.raises(AirflowSensorTimeout):
        run(time, exponential_backoff=True, max_wait=max_wait, timeout=400, **MODES[mode]).result()
    gaps = [round(later - earlier, 3) for (earlier, _), (later, _) in pairwise(criteo.polls)]
    assert len(gaps) >= 4
    for gap, shortest in zip(gaps[:3], (10, 20, 40), strict=False):
        low, high = (min(value, max_wait or value) for value in (shortest, 2 * shortest))
        assert low <= gap <= high


def test_the_floor_of_criteo_holds_for_a_short_max_wait_too(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    criteo.script = [PENDING, PENDING, DONE]
    run(time, exponential_backoff=True, max_wait=1).result()
    assert criteo.polls[1][0] - criteo.polls[0][0] == 5


def test_the_trigger_gets_what_the_sensor_was_given(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    criteo.script = [PENDING]
    options = {"exponential_backoff": True, "max_wait": timedelta(minutes=2), "poke_interval": timedelta(seconds=30)}
    with pytest.raises(TaskDeferred) as deferred:
        sensor(deferrable=True, timeout=timedelta(minutes=5), api_version="preview", **options).execute(
            {"ti": TaskInstance()}
        )
    trigger: Any = as_stored(deferred.value.trigger)
    assert (trigger.poll_interval, trigger.exponential_backoff, trigger.max_wait) == (30.0, True, 120.0)
    assert (trigger.started, trigger.end_time) == (time.now(), time.now() + 300)
    assert (trigger.report_id, trigger.api_version, trigger.then_download) == (REPORT_ID, "preview", False)
    assert deferred.value.timeout is not None
    assert deferred.value.timeout > timedelta(minutes=5)


@pytest.mark.parametrize(
    ("options", "warns"),
    [
        ({"poke_interval": 14}, True),
        ({"poke_interval": 15}, False),
        ({"poke_interval": 5, "mode": "poke"}, False),
        ({"poke_interval": 5, "deferrable": True}, False),
    ],
    ids=str,
)
def test_an_interval_close_to_the_workers_heartbeat_warns_in_reschedule_mode(
    options: dict[str, Any], warns: bool
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ReportJobStatusSensor(task_id="wait", report_id="1", **options)
    assert any("poke_interval" in str(warning.message) for warning in caught) == warns


# The quota


def rescheduled_for(time: VirtualTime, **options: Any) -> float:
    """Seconds until the task wants to come back."""
    with pytest.raises(AirflowRescheduleException) as again:
        sensor(timeout=3600, **options).execute({"ti": TaskInstance()})
    return again.value.reschedule_date.timestamp() - time.now()


def test_a_used_up_quota_sets_the_next_poke_after_the_reset_and_spreads_the_sensors(
    criteo: ScriptedCriteo, time: VirtualTime
) -> None:
    criteo.script = [QUOTA]
    waits = [rescheduled_for(time) for _ in range(12)]
    assert all(40 <= wait <= 40 + 60 for wait in waits)
    assert max(waits) - min(waits) > 15, "they come back together"


def test_300_mapped_sensors_that_start_together_are_hardly_refused(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    criteo.quota = 40
    started = time.now()
    pokes: list[tuple[float, int, TaskInstance]] = []
    for index in range(300):
        pokes.append((started + index / 150, index, mapped(index)))
    done = 0
    while pokes:
        pokes.sort(key=lambda poke: poke[0])
        moment, index, ti = pokes.pop(0)
        time.seconds = max(moment, time.now())
        try:
            sensor(timeout=6 * 3600, poke_interval=60).execute({"ti": ti})
            done += 1
        except AirflowRescheduleException as again:
            ti.first_reschedule = ti.first_reschedule or datetime.fromtimestamp(time.now(), timezone.utc)
            pokes.append((again.reschedule_date.timestamp(), index, ti))
    assert done == 300
    assert criteo.refused <= 0.1 * (300 + criteo.refused)
    assert time.now() - started <= 1.25 * 300 / 40 * 60


@pytest.mark.parametrize(("index", "first_poke"), [(-1, 0), (0, 0), (39, 0), (40, 60), (100, 150)])
def test_only_a_sensor_beyond_a_minutes_quota_stands_back(
    index: int, first_poke: float, criteo: ScriptedCriteo, time: VirtualTime
) -> None:
    began = time.now()
    task = run(time, timeout=3600)
    task.context["ti"] = mapped(index)
    task.result()
    assert criteo.polls[0][0] - began == first_poke


def test_a_dags_own_sensors_spread_as_mapped_ones_do(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    def stands_back(dag: DAG, task_id: str) -> float:
        try:
            dag.get_task(task_id).execute({"ti": TaskInstance()})
        except AirflowRescheduleException as again:
            return again.reschedule_date.timestamp() - time.now()
        return 0.0

    with DAG("side_by_side", schedule=None) as dag:
        sensors = [sensor(task_id=f"wait_{number}", timeout=3600) for number in range(101)]
        sensor(task_id="of_another_connection", timeout=3600, criteo_conn_id="another")
    assert [stands_back(dag, f"wait_{number}") for number in (0, 39, 40, 100)] == [0, 0, 60, 150]
    assert len(criteo.polls) == 2

    # Those before and after it do not start with it.
    sensors[0] >> sensors[40] >> sensors[1:40]
    assert stands_back(dag, "wait_40") == 0


def test_a_loops_deferrable_sensors_leave_their_first_poke_to_the_queue_as_well(
    criteo: ScriptedCriteo, time: VirtualTime
) -> None:
    with DAG("side_by_side", schedule=None) as dag:
        for number in range(41):
            sensor(task_id=f"wait_{number}", timeout=3600, deferrable=True)
    with pytest.raises(TaskDeferred):
        dag.get_task("wait_40").execute({"ti": TaskInstance()})
    assert not criteo.polls


@pytest.mark.parametrize(("index", "pokes"), [(-1, 1), (39, 1), (40, 0), (100, 0)])
def test_a_deferrable_sensor_beyond_a_minutes_quota_leaves_its_first_poke_to_the_queue(
    index: int, pokes: int, criteo: ScriptedCriteo, time: VirtualTime
) -> None:
    criteo.script = [PENDING, DONE] if pokes else [DONE]
    task = run(time, deferrable=True)
    task.context["ti"] = mapped(index)
    polled_here: list[int] = []
    task.on_deferral = lambda trigger: polled_here.append(len(criteo.polls))
    assert task.result() == REPORT_ID
    assert (polled_here, task.workers) == ([pokes], 2)
    # The queue hears of the call that took no turn.
    assert task.deferrals[0].trigger.called_at == (criteo.polls[0][0] if pokes else None)


def test_a_deferrable_sensors_poke_that_was_refused_is_not_counted(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    criteo.script = [QUOTA, DONE]
    task = run(time, deferrable=True)
    task.result()
    assert task.deferrals[0].trigger.called_at is None


def test_a_sensor_that_stood_back_has_not_been_answered(time: VirtualTime, criteo: ScriptedCriteo) -> None:
    criteo.script = [refusal(403, "forbidden", type="access-control")]
    task = run(time, timeout=3600)
    task.context["ti"] = mapped(100)
    with pytest.raises(AirflowFailException):
        task.result()
    assert len(criteo.polls) == 1, "nothing was answered before: the refusal is believed at once"


def mapped(index: int) -> TaskInstance:
    ti = TaskInstance()
    ti.map_index = index  # type: ignore[attr-defined]
    return ti


def test_a_shorter_reset_than_the_interval_does_not_shorten_it(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    criteo.script = [QUOTA]
    assert rescheduled_for(time, poke_interval=300) == 300


def test_a_used_up_quota_delays_the_triggers_first_poll(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    criteo.script = [QUOTA, DONE]
    began = time.now()
    run(time, deferrable=True).result()
    assert criteo.polls[1][0] >= began + 40


# The connection


@pytest.mark.parametrize("mode", ["reschedule", "deferrable"])
def test_a_wait_outlives_a_connection_that_cannot_be_looked_up(
    mode: str, criteo: ScriptedCriteo, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    criteo.script = [PENDING, DONE]
    task = run(time, **MODES[mode])
    ti = task.context["ti"]
    connection = None

    def take_away(seconds: float) -> None:
        nonlocal connection
        if connection is None:
            connection = criteo_connection(monkeypatch)
        elif ti.first_reschedule and time.now() - ti.first_reschedule.timestamp() > 50:
            monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection)
        time.seconds += seconds

    if mode == "reschedule":
        monkeypatch.setattr("airflow_provider_criteo.utils.clock.CLOCK.sleep", take_away)
    else:
        task.on_deferral = lambda trigger: criteo_connection(monkeypatch)
        with pytest.raises(UnavailableError, match="cannot be looked up now: AirflowNotFoundException"):
            task.result()
        assert len(criteo.polls) == 1
        return
    assert task.result() == REPORT_ID


# Resuming


def resumed(flag: str, method: str, **kwargs: Any) -> Any:
    return sensor(deferrable=True, **FLAGS[flag]).resume_execution(method, kwargs, {"ti": TaskInstance()})


@pytest.mark.parametrize("flag", FLAGS)
def test_a_trigger_that_airflow_times_out_is_a_timeout(flag: str) -> None:
    with pytest.raises(AirflowSkipException if flag == "soft_fail" else AirflowSensorTimeout):
        resumed(flag, "__fail__", error="Trigger timeout")


@pytest.mark.parametrize("flag", FLAGS)
def test_a_trigger_that_breaks(flag: str) -> None:
    """Nothing is known of the report: what may be mended by a retry is not skipped in silence."""
    with pytest.raises(AirflowSkipException if flag == "never_fail" else TaskDeferralError):
        resumed(flag, "__fail__", error="Trigger failure", traceback=["Traceback: it broke"])


@pytest.mark.parametrize("flag", FLAGS)
def test_a_connection_that_could_not_be_looked_up_is_for_a_retry(flag: str) -> None:
    away = UnavailableError(reason="the connection cannot be looked up")
    with pytest.raises(AirflowSkipException if flag == "never_fail" else UnavailableError):
        resumed(flag, "execute_complete", event={"outcome": "refused", "error": error_to_json(away)})


REST = {"deadline": {"started": 0.0, "end_time": 60.0, "of_execution": False}, "carried": {}}
PENDING_JOB = {"report_id": "1", "report_type": "mpo-realtime", "status": "Pending", "state": "pending"}


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        [],
        "done",
        7,
        {"outcome": None},
        {"outcome": "later"},
        {"outcome": "done"},
        {"outcome": "done", "job": {**PENDING_JOB, "state": "done"}},
        {"outcome": "done", **REST, "job": None},
        {"outcome": "done", **REST, "job": {}},
        {"outcome": "done", **REST, "job": {**PENDING_JOB, "state": "odd"}},
        {"outcome": "done", **REST, "job": PENDING_JOB},
        {"outcome": "timeout"},
        {"outcome": "done", **REST, "carried": "text", "job": {**PENDING_JOB, "state": "done"}},
        {"outcome": "done", "deadline": {"started": 0.0}, "carried": {}, "job": {**PENDING_JOB, "state": "done"}},
        {"outcome": "timeout", **REST},
        {"outcome": "refused"},
        {"outcome": "refused", "error": {}},
        {"outcome": "refused", "error": {"class": "SystemExit", "message": "no"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("flag", ["default", "soft_fail"])
def test_an_event_that_says_nothing_is_no_success(event: Any, flag: str) -> None:
    with pytest.raises(AirflowSkipException if flag == "soft_fail" else AirflowFailException):
        resumed(flag, "execute_complete", event=event)


@pytest.mark.parametrize("error_class", [api_exceptions.ReportExpiredError, api_exceptions.ReportJobFailedError])
def test_an_error_out_of_a_trigger_has_what_a_callback_reads(
    error_class: type[api_exceptions.ReportJobFailedError],
) -> None:
    ended = ReportJob("1", "products", "Failure", JobState.FAILED, problems=(Problem(code="too-long"),))
    event = {"outcome": "refused", "error": json.loads(json.dumps(error_to_json(error_class(ended))))}
    with pytest.raises(error_class) as raised:
        after_wait(event)
    assert raised.value.job == ended
    assert raised.value.problems == ended.problems


def test_an_error_out_of_a_trigger_has_its_reason() -> None:
    error = api_exceptions.PermissionDeniedError(403, (), "GET /x", reason="the application may not do this")
    with pytest.raises(api_exceptions.PermissionDeniedError) as raised:
        after_wait({"outcome": "refused", "error": error_to_json(error)})
    assert (raised.value.reason, raised.value.status_code) == (error.reason, 403)


def test_the_first_reschedule_counts_for_the_timeout(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    criteo.script = [PENDING]
    long_ago = datetime.fromtimestamp(time.now() - 360, timezone.utc)
    with pytest.raises(AirflowSensorTimeout):
        sensor(timeout=300).execute({"ti": TaskInstance(first_reschedule=long_ago)})
