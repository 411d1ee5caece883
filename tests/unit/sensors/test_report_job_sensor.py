"""A sensor's options mean the same in poke, reschedule and deferrable mode, and with the end from the trigger."""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferralError

from airflow_provider_criteo.api import exceptions as api_exceptions
from airflow_provider_criteo.api.models import JobState, ReportJob
from airflow_provider_criteo.exceptions import ReportExpiredError, ReportJobFailedError, error_to_json
from airflow_provider_criteo.operators.report_job import CreateReportJobOperator
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor, job_of
from tests.support.tasks_in_process import Run, TaskInstance, as_stored

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferrable": {"deferrable": True},
    "end_from_trigger": {"deferrable": True, "end_from_trigger": True},
}
FLAGS: dict[str, dict[str, Any]] = {
    "default": {},
    "soft_fail": {"soft_fail": True},
    "never_fail": {"never_fail": True},
    "silent_fail": {"silent_fail": True},
}
TIMEOUT = 6

SKIPPED = AirflowSkipException
TIMED_OUT = AirflowSensorTimeout
FAILED = ReportJobFailedError


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with a connection that leads to it, one that cannot be read, and one that nobody made."""
    with Sandbox(rate_limit=None, cache=False) as sandbox, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", sandbox.connection())
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_UNREADABLE", "{no JSON")
        yield sandbox


def created(sandbox: Sandbox, **settings: Any) -> str:
    """A new job; one that ends badly at once does so after the create."""
    end = settings.pop("end", None)
    sandbox.next_job(**settings)
    create = CreateReportJobOperator(task_id="create", attributes={"advertiserIds": ["1"], "lookbackWindow": 60})
    report_id: str = create.execute({"ti": TaskInstance()})
    if end:
        sandbox.finish(report_id, end, **BAD)
    return report_id


def sensor(report_id: str, **options: Any) -> ReportJobStatusSensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ReportJobStatusSensor(
            task_id="wait", report_id=report_id, **{"poke_interval": 5, "timeout": TIMEOUT, **options}
        )


# What each event becomes


@dataclass(frozen=True)
class Event:
    """Something that befalls a wait, and the end of the task with each flag: an exception, or the report id."""

    name: str
    job: dict[str, Any]
    ends: tuple[type[Exception] | None, ...]
    conn_id: str = "criteo_default"
    fault: str | None = None


def ends(default: Any, soft_fail: Any, never_fail: Any, silent_fail: Any) -> tuple[Any, ...]:
    return default, soft_fail, never_fail, silent_fail


NEVER = {"pending_seconds": 3600}
NOW = {"pending_seconds": 0}
LATER = {"pending_seconds": 3}
BAD = {"problems": [{"code": "invalid-timespan", "title": "Too long"}]}

EVENTS = [
    Event("the job is done", NOW, ends(None, None, None, None)),
    Event("the job is done later", LATER, ends(None, None, None, None)),
    Event("the job has failed", {**NEVER, "end": "Failure"}, ends(FAILED, SKIPPED, SKIPPED, FAILED)),
    Event("the job fails later", {**LATER, **BAD, "outcome": "Failure"}, ends(FAILED, SKIPPED, SKIPPED, FAILED)),
    Event("the job expires", {**LATER, "outcome": "Expired"}, ends(ReportExpiredError, SKIPPED, SKIPPED, ReportExpiredError)),
    Event("the job never ends", NEVER, ends(TIMED_OUT, SKIPPED, TIMED_OUT, TIMED_OUT)),
    Event("Criteo is down", NOW, ends(TIMED_OUT, SKIPPED, TIMED_OUT, TIMED_OUT), fault="http-500"),
    Event("a connection that cannot be read", NOW, ends(Exception, Exception, SKIPPED, TIMED_OUT), "criteo_unreadable"),
]  # fmt: skip

CELLS = [(event, flag, mode) for event in EVENTS for flag in FLAGS for mode in MODES]


@dataclass
class Outcome:
    """How a task ended, after how many seconds, on how many workers."""

    report_id: str
    result: Any
    error: Exception | None
    seconds: float
    workers: int
    deferred: bool


@pytest.fixture(scope="module")
def outcomes(sandbox: Sandbox) -> Iterator[Callable[[Event, str, str], Outcome]]:
    """How every cell ends: all of them at the same time."""
    lock = threading.Lock()

    def play(event: Event, flag: str, mode: str) -> Outcome:
        with lock:
            report_id = created(sandbox, **event.job)
            if event.fault:
                sandbox.fault("status", event.fault, times=None, report_id=report_id)
        run = Run(lambda: sensor(report_id, criteo_conn_id=event.conn_id, **MODES[mode], **FLAGS[flag]))
        began = time.monotonic()
        try:
            result, error = run.result(), None
        except Exception as raised:  # noqa: BLE001 - it is what is looked at
            result, error = None, raised
        return Outcome(report_id, result, error, time.monotonic() - began, run.workers, bool(run.deferrals))

    with ThreadPoolExecutor(len(CELLS)) as threads:
        futures: dict[tuple[str, str, str], Future[Outcome]] = {
            (event.name, flag, mode): threads.submit(play, event, flag, mode) for event, flag, mode in CELLS
        }
        yield lambda event, flag, mode: futures[event.name, flag, mode].result()


@pytest.mark.parametrize(
    ("event", "flag", "mode"), CELLS, ids=[f"{event.name}-{flag}-{mode}" for event, flag, mode in CELLS]
)
def test_what_each_event_becomes(
    event: Event, flag: str, mode: str, outcomes: Callable[[Event, str, str], Outcome]
) -> None:
    outcome = outcomes(event, flag, mode)
    right = event.ends[list(FLAGS).index(flag)]
    if event.conn_id == "criteo_unreadable" and flag == "silent_fail" and outcome.deferred:
        # To the triggerer, a connection that Airflow does not have is a definitive answer, if it comes in time.
        right = (AirflowFailException, AirflowSensorTimeout)
    if outcome.deferred and outcome.workers == 1 and right not in (None, SKIPPED):
        # Without retries, a task that fails in the trigger ends there; the log has what Criteo said.
        assert "failed from the trigger" in str(outcome.error)
        return
    if right is None:
        assert outcome.error is None
        assert outcome.result == outcome.report_id
    elif right is Exception:
        assert outcome.error is not None
        assert not isinstance(outcome.error, (AirflowFailException, AirflowSkipException, AirflowSensorTimeout))
    else:
        assert isinstance(outcome.error, right), repr(outcome.error)
    if right is FAILED:
        assert "invalid-timespan" in str(outcome.error)
    if right is TIMED_OUT:
        assert TIMEOUT - 1 <= outcome.seconds <= 3 * TIMEOUT


def test_workers_of_each_mode(outcomes: Callable[[Event, str, str], Outcome]) -> None:
    event = next(event for event in EVENTS if event.name == "the job is done later")
    assert {mode: outcomes(event, "default", mode).workers for mode in MODES} == {
        "poke": 1,
        "reschedule": 2,
        "deferrable": 2,
        "end_from_trigger": 1,
    }


# Resuming


def resumed(flag: str, method: str, **kwargs: Any) -> Any:
    return sensor("1", deferrable=True, **FLAGS[flag]).resume_execution(method, kwargs, {"ti": TaskInstance()})


@pytest.mark.parametrize(
    ("flag", "error"),
    [("default", TIMED_OUT), ("soft_fail", SKIPPED), ("never_fail", TIMED_OUT), ("silent_fail", TIMED_OUT)],
)
def test_a_trigger_that_airflow_times_out_is_a_timeout(flag: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        resumed(flag, "__fail__", error="Trigger timeout")


@pytest.mark.parametrize(
    ("flag", "error"),
    [
        ("default", TaskDeferralError),
        ("soft_fail", SKIPPED),  # in deferrable mode Airflow's soft_fail spares a broken trigger, too
        ("never_fail", SKIPPED),
        ("silent_fail", TaskDeferralError),
    ],
)
def test_a_trigger_that_breaks(flag: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        resumed(flag, "__fail__", error="Trigger failure", traceback=["Traceback: it broke"])


PENDING = {"report_id": "1", "report_type": "mpo-realtime", "status": "Pending", "state": "pending"}


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
        {"outcome": "ended"},
        {"outcome": "ended", "job": None},
        {"outcome": "ended", "job": {}},
        {"outcome": "ended", "job": {**PENDING, "state": "odd"}},
        {"outcome": "ended", "job": PENDING},
        {"outcome": "refused"},
        {"outcome": "refused", "error": {}},
        {"outcome": "refused", "error": {"class": "SystemExit", "message": "no"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("flag", ["default", "soft_fail"])
def test_an_event_that_says_nothing_is_no_success(event: Any, flag: str) -> None:
    with pytest.raises(SKIPPED if flag == "soft_fail" else AirflowFailException):
        resumed(flag, "execute_complete", event=event)


@pytest.mark.parametrize(("retries", "ends_there"), [(0, True), (2, False)])
def test_a_failure_ends_in_the_trigger_only_where_no_retry_would_follow(
    sandbox: Sandbox, retries: int, ends_there: bool
) -> None:
    report_id = created(sandbox, pending_seconds=3, outcome="Failure")
    run = Run(lambda: sensor(report_id, timeout=60, retries=retries, **MODES["end_from_trigger"]))
    with pytest.raises(Exception, match="failed from the trigger" if ends_there else "ended as Failure") as caught:
        run.result()
    assert run.workers == (1 if ends_there else 2)
    assert isinstance(caught.value, AirflowFailException) != ends_there


# Intervals


@pytest.mark.parametrize("mode", ["poke", "reschedule", "deferrable"])
@pytest.mark.parametrize("max_wait", [None, 6], ids=["no max_wait", "max_wait"])
def test_exponential_backoff(gaps: Callable[[str, Any], list[float]], mode: str, max_wait: float | None) -> None:
    """The interval doubles from poke_interval on, with up to as much jitter; max_wait caps it, and 5 s are the floor."""
    measured = gaps(mode, max_wait)
    assert len(measured) >= 3
    assert all(gap > 4.5 for gap in measured)
    late = 2.5  # how late a poll may come on a slow machine
    if max_wait:
        assert all(gap < max_wait + late for gap in measured)
    else:
        assert measured[0] < 5 + late
        assert 4.5 < measured[1] < 10 + late
        assert 9.5 < measured[2] < 20 + late


@pytest.fixture(scope="module")
def gaps(sandbox: Sandbox) -> Iterator[Callable[[str, Any], list[float]]]:
    """Seconds between the polls of a job that never ends, with exponential_backoff; all modes at the same time."""

    def play(mode: str, max_wait: float | None) -> list[float]:
        report_id = reports[mode, max_wait]
        options = {"exponential_backoff": True, "max_wait": max_wait, "timeout": 45}
        with pytest.raises(AirflowSensorTimeout):
            Run(lambda: sensor(report_id, **options, **MODES[mode])).result()
        polls = [record["time"] for record in sandbox.journal("status") if record["report_id"] == report_id]
        return [after - before for before, after in pairwise(polls)][:3]

    cases = [(mode, max_wait) for mode in ("poke", "reschedule", "deferrable") for max_wait in (None, 6)]
    reports = {case: created(sandbox, **NEVER) for case in cases}
    with ThreadPoolExecutor(len(cases)) as threads:
        futures = {case: threads.submit(play, *case) for case in cases}
        yield lambda mode, max_wait: futures[mode, max_wait].result()


def test_a_timeout_is_for_the_whole_wait_across_reschedules_and_deferrals(sandbox: Sandbox) -> None:
    report_id = created(sandbox, **NEVER)
    began = time.time()
    with pytest.raises(TaskDeferred) as deferred:
        sensor(report_id, deferrable=True, timeout=timedelta(minutes=5)).execute({"ti": TaskInstance()})
    trigger: Any = as_stored(deferred.value.trigger)
    assert began + 300 <= trigger.end_time <= time.time() + 300
    assert deferred.value.timeout is not None
    assert deferred.value.timeout > timedelta(minutes=5)
    long_ago = datetime.now(timezone.utc) - timedelta(minutes=6)
    with pytest.raises(AirflowSensorTimeout):
        sensor(report_id, timeout=300).execute(
            {"ti": TaskInstance(first_reschedule=long_ago), "task_reschedule_count": 9}
        )


def test_the_trigger_gets_what_the_sensor_was_given(sandbox: Sandbox) -> None:
    report_id = created(sandbox, **NEVER)
    options = {"exponential_backoff": True, "max_wait": timedelta(minutes=2), "poke_interval": timedelta(seconds=30)}
    with pytest.raises(TaskDeferred) as deferred:
        sensor(report_id, deferrable=True, timeout=300, never_fail=True, **options).execute({"ti": TaskInstance()})
    trigger: Any = as_stored(deferred.value.trigger)
    assert (trigger.poll_interval, trigger.exponential_backoff, trigger.max_wait) == (30.0, True, 120.0)
    assert trigger.never_fail
    assert not trigger.soft_fail
    assert time.time() + 25 < trigger.first_poll_at < time.time() + 31


def test_criteos_own_floor_holds_for_a_short_max_wait_too(sandbox: Sandbox) -> None:
    report_id = created(sandbox, **NEVER)
    with pytest.raises(TaskDeferred) as deferred:
        sensor(report_id, deferrable=True, exponential_backoff=True, max_wait=1).execute({"ti": TaskInstance()})
    trigger: Any = deferred.value.trigger
    assert trigger.max_wait >= 5
    with pytest.raises(AirflowRescheduleException) as again:
        sensor(report_id, exponential_backoff=True, max_wait=1, timeout=60).execute({"ti": TaskInstance()})
    assert (again.value.reschedule_date - datetime.now(timezone.utc)).total_seconds() > 4.5


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


def rescheduled_for(report_id: str, **options: Any) -> float:
    """Seconds until the task wants to come back."""
    with pytest.raises(AirflowRescheduleException) as again:
        sensor(report_id, **options).execute({"ti": TaskInstance()})
    return (again.value.reschedule_date - datetime.now(timezone.utc)).total_seconds()


def test_a_used_up_quota_sets_the_next_poke_after_the_reset_and_spreads_the_sensors(sandbox: Sandbox) -> None:
    report_id = created(sandbox, **NEVER)
    count = 12
    sandbox.fault("status", "http-429-limit-and-reset", times=count, seconds=40, report_id=report_id)
    waits = [rescheduled_for(report_id, timeout=3600) for _ in range(count)]
    assert all(38 < wait < 40 + 60 + 2 for wait in waits)
    assert max(waits) - min(waits) > 15, "they come back together"
    assert rescheduled_for(report_id, timeout=3600) < 6


def test_a_used_up_quota_does_not_reach_beyond_the_timeout(sandbox: Sandbox) -> None:
    report_id = created(sandbox, **NEVER)
    sandbox.fault("status", "http-429-limit-and-reset", seconds=3000, report_id=report_id)
    assert rescheduled_for(report_id, timeout=60) < 62


def test_a_used_up_quota_delays_the_triggers_first_poll(sandbox: Sandbox) -> None:
    report_id = created(sandbox, **NEVER)
    sandbox.fault("status", "http-429-limit-and-reset", seconds=40, report_id=report_id)
    with pytest.raises(TaskDeferred) as deferred:
        sensor(report_id, deferrable=True, timeout=3600).execute({"ti": TaskInstance()})
    trigger: Any = deferred.value.trigger
    assert trigger.first_poll_at > time.time() + 35


def test_a_shorter_reset_than_the_interval_does_not_shorten_it(sandbox: Sandbox) -> None:
    report_id = created(sandbox, **NEVER)
    sandbox.fault("status", "http-429-limit-and-reset", seconds=1, report_id=report_id)
    assert rescheduled_for(report_id, timeout=3600, poke_interval=120) > 115


@pytest.mark.parametrize("error_class", [api_exceptions.ReportExpiredError, api_exceptions.ReportJobFailedError])
def test_an_error_out_of_a_trigger_has_what_a_callback_reads(
    error_class: type[api_exceptions.ReportJobFailedError],
) -> None:
    job = ReportJob("1", "products", "Failure", JobState.FAILED, problems=(api_exceptions.Problem(code="too-long"),))
    event = {"outcome": "refused", "error": json.loads(json.dumps(error_to_json(error_class(job))))}
    with pytest.raises(error_class) as raised:
        job_of(event)
    assert raised.value.job == job
    assert raised.value.problems == job.problems


def test_an_error_out_of_a_trigger_has_its_reason() -> None:
    error = api_exceptions.PermissionDeniedError(403, (), "GET /x", reason="the application may not do this")
    with pytest.raises(api_exceptions.PermissionDeniedError) as raised:
        job_of({"outcome": "refused", "error": error_to_json(error)})
    assert (raised.value.reason, raised.value.status_code) == (error.reason, 403)
