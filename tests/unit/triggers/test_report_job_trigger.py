"""One trigger's wait: how it ends, and what does not end it."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.triggers.base import TaskFailedEvent, TaskSkippedEvent, TaskSuccessEvent

from airflow_provider_criteo.api.models import ReportJob
from airflow_provider_criteo.exceptions import AuthenticationError, InvalidInputError, error_from_json
from airflow_provider_criteo.triggers.report_job import ReportJobTrigger
from tests.support.waiting import INTERVAL, World, events, nothing_is_left, payload, run, until

# The end of a job


@pytest.mark.parametrize(("outcome", "state"), [("Done", "done"), ("Failure", "failed"), ("Expired", "expired")])
def test_each_end_of_a_job_is_one_event(world: World, outcome: str, state: str) -> None:
    (report_id,) = world.create(pending_seconds=0, outcome=outcome)
    (event,) = run(events(world.trigger(report_id)))
    assert event.payload["outcome"] == "ended"
    assert event.payload["job"]["state"] == state
    assert len(world.calls()) == 1
    nothing_is_left(world)


def test_the_event_holds_all_that_criteo_said(world: World) -> None:
    problem = {"type": "validation", "code": "invalid-timespan", "title": "Too long", "traceId": "4f2c"}
    (report_id,) = world.create(pending_seconds=0, outcome="Failure", message="No rows", problems=[problem])
    job = ReportJob.from_json(run(payload(world.trigger(report_id)))["job"])
    assert (job.report_id, job.message) == (report_id, "No rows")
    assert [(one.code, one.trace_id) for one in job.problems] == [("invalid-timespan", "4f2c")]


@pytest.mark.parametrize("word", ["Brewing", "Unknown"])
def test_a_word_that_nobody_knows_is_waited_on(world: World, word: str) -> None:
    (report_id,) = world.create(pending_word=word)

    async def wait() -> dict[str, Any]:
        waiting = asyncio.create_task(payload(world.trigger(report_id)))
        await until(lambda: len(world.calls()) >= 3)
        await asyncio.to_thread(world.sandbox.finish, report_id)
        return await waiting

    assert run(wait())["job"]["state"] == "done"


# When it polls


def test_the_first_poll_comes_an_interval_later(world: World) -> None:
    (report_id,) = world.create(pending_seconds=0)
    started = time.time()
    run(payload(world.trigger(report_id, poll_interval=1.0)))
    assert world.calls()[0]["time"] - started >= 1.0


def test_the_first_poll_comes_when_it_was_told_to(world: World) -> None:
    (report_id,) = world.create(pending_seconds=0)
    at = time.time() + 1.0
    run(payload(world.trigger(report_id, poll_interval=3600.0, first_poll_at=at)))
    assert 0 <= world.calls()[0]["time"] - at < 5


def test_it_polls_once_an_interval(world: World) -> None:
    (report_id,) = world.create()
    run(payload(world.trigger(report_id, poll_interval=0.5, end_time=time.time() + 3)))
    moments = [call["time"] for call in world.calls()]
    assert 3 <= len(moments) <= 6
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(moments))


def test_the_interval_grows_as_in_airflows_sensors_and_no_further_than_max_wait(world: World) -> None:
    trigger = world.trigger("any", poll_interval=10, exponential_backoff=True, max_wait=100.0)
    intervals = [trigger._interval(poll) for poll in range(1, 12)]
    assert 5 <= intervals[0] <= 10
    assert intervals == sorted(intervals)
    assert intervals[-1] == 100.0


def test_end_time_bounds_the_wait(world: World) -> None:
    (report_id,) = world.create()
    started = time.time()
    event = run(payload(world.trigger(report_id, end_time=started + 1.5)))
    assert event == {"outcome": "timeout", "report_id": report_id}
    assert 1.5 <= time.time() - started < 5
    nothing_is_left(world)


def test_end_time_bounds_a_call_that_does_not_come_back(world: World) -> None:
    (report_id,) = world.create(pending_seconds=0)
    world.sandbox.hold("status", when="before")
    started = time.time()
    assert run(payload(world.trigger(report_id, end_time=started + 1.5)))["outcome"] == "timeout"
    assert time.time() - started < 5
    world.sandbox.release("status")
    nothing_is_left(world)


def test_end_time_bounds_the_wait_for_the_quota(world: World) -> None:
    first, second = world.create(2, pending_seconds=0)
    world.sandbox.configure(rate_limit=1, rate_window=3600.0)

    async def wait() -> list[dict[str, Any]]:
        end_time = time.time() + 3
        return await asyncio.gather(*(payload(world.trigger(one, end_time=end_time)) for one in (first, second)))

    assert sorted(event["outcome"] for event in run(wait())) == ["ended", "timeout"]


def test_an_end_time_that_is_past_ends_at_once(world: World) -> None:
    (report_id,) = world.create()
    assert run(payload(world.trigger(report_id, end_time=time.time() - 3600)))["outcome"] == "timeout"
    assert not world.calls()


# What does not end it

PASSING = [
    "http-500", "http-502", "http-503", "http-504", "http-520", "http-408",
    "html-200", "html-403", "html-404", "html-502", "html-503", "xml-200", "empty-200", "no-content",
    "not-utf8", "json-list", "json-string", "json-null", "json-object", "json-deep", "json-cut",
    "data-null", "data-list", "attributes-missing", "status-missing", "status-null", "status-number", "status-list",
    "reset-before", "reset-after", "close-before", "close-after", "redirect-other-host", "redirect-plain-http",
]  # fmt: skip


def test_no_passing_fault_ends_a_wait(world: World) -> None:
    jobs = dict(zip(PASSING, world.create(len(PASSING), pending_seconds=0), strict=True))
    for fault, report_id in jobs.items():
        world.sandbox.fault("status", fault, times=2, report_id=report_id)

    async def wait() -> list[dict[str, Any]]:
        return await asyncio.gather(*(payload(world.trigger(report_id)) for report_id in jobs.values()))

    outcomes = dict(zip(PASSING, run(wait()), strict=True))
    assert {fault: event for fault, event in outcomes.items() if event["outcome"] != "ended"} == {}
    assert len(world.calls()) >= 3 * len(PASSING)
    nothing_is_left(world)


@pytest.mark.parametrize(
    "fault",
    [
        "http-429-bare", "http-429-limit-and-reset", "http-429-retry-after", "http-429-reset-past",
        "http-429-garbage", "html-429",
    ],
)  # fmt: skip
def test_no_kind_of_429_ends_a_wait(world: World, fault: str) -> None:
    (report_id,) = world.create(pending_seconds=0)
    world.sandbox.fault("status", fault, times=2, **({} if fault == "html-429" else {"seconds": 1}))
    assert run(payload(world.trigger(report_id)))["outcome"] == "ended"
    assert world.statuses() == [429, 429, 200]


@pytest.mark.parametrize("fault", ["token-expired", "token-revoked"])
def test_a_token_that_ends_early_does_not_end_a_wait(world: World, fault: str) -> None:
    (report_id,) = world.create(pending_seconds=0)
    world.sandbox.fault("status", fault)
    assert run(payload(world.trigger(report_id)))["outcome"] == "ended"
    assert world.statuses() == [401, 200]


@pytest.mark.parametrize(
    "fault", ["http-500", "http-503", "html-502", "reset-before", "token-missing", "http-429-bare"]
)
def test_a_token_endpoint_that_is_down_does_not_end_the_wait(world: World, fault: str) -> None:
    (report_id,) = world.create(pending_seconds=0)
    world.sandbox.fault("token", fault, times=2)
    assert run(payload(world.trigger(report_id)))["outcome"] == "ended"


def test_a_server_that_is_away_does_not_end_the_wait(world: World) -> None:
    world.connect(host="http://127.0.0.1:1")
    assert run(payload(world.trigger("any", end_time=time.time() + 2)))["outcome"] == "timeout"


def test_a_slow_answer_does_not_end_the_wait(world: World) -> None:
    (report_id,) = world.create(pending_seconds=0)
    world.connect(timeout=0.5)
    world.sandbox.fault("status", "delay-before", times=2, seconds=5)
    assert run(payload(world.trigger(report_id)))["outcome"] == "ended"


# What ends it


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("http-400", "ValidationError"),
        ("http-401", "AuthenticationError"),
        ("http-403", "PermissionDeniedError"),
        ("lost-job", "ReportJobNotFoundError"),
    ],
)
def test_a_definitive_answer_ends_the_wait(world: World, fault: str, error: str) -> None:
    (report_id,) = world.create()
    world.sandbox.fault("status", fault, times=None)
    event = run(payload(world.trigger(report_id)))
    assert event["outcome"] == "refused"
    assert event["error"]["class"] == error
    nothing_is_left(world)


def test_an_unknown_job_ends_the_wait(world: World) -> None:
    (report_id,) = world.create()
    world.sandbox.forget(report_id)
    assert run(payload(world.trigger(report_id)))["error"]["class"] == "ReportJobNotFoundError"


def test_a_wrong_secret_ends_the_wait_and_is_not_told(world: World) -> None:
    (report_id,) = world.create()
    world.connect(password="not-the-secret-of-it")
    event = run(payload(world.trigger(report_id)))
    assert event["error"]["class"] == "AuthenticationError"
    assert "not-the-secret-of-it" not in str(event)
    assert isinstance(error_from_json(event["error"]), AuthenticationError)


def test_a_retired_version_ends_the_wait(world: World) -> None:
    (report_id,) = world.create()
    world.sandbox.configure(retired_versions=["preview", "experimental"])
    assert run(payload(world.trigger(report_id)))["error"]["class"] == "VersionRetiredError"


def test_a_connection_that_is_not_there_ends_the_wait_and_is_named(world: World) -> None:
    event = run(payload(world.trigger("any", criteo_conn_id="criteo_nowhere")))
    assert event["outcome"] == "refused"
    assert isinstance(error_from_json(event["error"]), InvalidInputError)
    assert "criteo_nowhere" in event["error"]["message"]
    nothing_is_left(world)


def test_a_connection_that_cannot_be_right_ends_the_wait_and_says_why(world: World) -> None:
    world.connect(timeout="soon")
    event = run(payload(world.trigger("any")))
    assert isinstance(error_from_json(event["error"]), InvalidInputError)
    assert "timeout" in event["error"]["message"]


# Ending the task without a worker


@pytest.mark.parametrize(
    ("outcome", "flags", "event_class"),
    [
        ("Done", {}, TaskSuccessEvent),
        ("Failure", {"soft_fail": True}, TaskSkippedEvent),
        ("Failure", {"never_fail": True}, TaskSkippedEvent),
        ("Failure", {"end_failed_task": True}, TaskFailedEvent),
    ],
)
def test_end_task_ends_the_task(world: World, outcome: str, flags: dict[str, bool], event_class: type) -> None:
    (report_id,) = world.create(pending_seconds=0, outcome=outcome)
    (event,) = run(events(world.trigger(report_id, end_task=True, **flags)))
    assert type(event) is event_class


def test_a_failed_job_goes_back_to_a_worker_where_the_task_has_retries(world: World) -> None:
    (report_id,) = world.create(pending_seconds=0, outcome="Failure")
    assert run(payload(world.trigger(report_id, end_task=True)))["job"]["state"] == "failed"


def test_never_fail_does_not_spare_a_timeout(world: World) -> None:
    (report_id,) = world.create()
    flags = {"end_task": True, "never_fail": True, "end_failed_task": True}
    (event,) = run(events(world.trigger(report_id, end_time=time.time() + 0.5, **flags)))
    assert type(event) is TaskFailedEvent


# Its arguments


def test_the_arguments_make_the_same_trigger_again(world: World) -> None:
    trigger = world.trigger(
        "an-id", api_version="experimental", exponential_backoff=True, max_wait=99.5, first_poll_at=1.5,
        end_task=True, end_failed_task=True, soft_fail=True, never_fail=True,
    )  # fmt: skip
    path, arguments = trigger.serialize()
    assert path == f"{ReportJobTrigger.__module__}.{ReportJobTrigger.__name__}"
    assert ReportJobTrigger(**arguments).serialize() == trigger.serialize()


def test_the_arguments_survive_airflows_database(world: World) -> None:
    trigger = world.trigger("an-id", max_wait=99.5)
    path, arguments = trigger.serialize()
    stored = Trigger.from_object(trigger)
    assert stored.classpath == path
    assert stored.kwargs == arguments


def test_the_arguments_hold_no_secret(world: World) -> None:
    _, arguments = world.trigger("an-id").serialize()
    assert world.client_secret not in str(arguments)


def test_a_trigger_that_is_made_again_goes_on_and_keeps_its_end(world: World) -> None:
    (report_id,) = world.create()
    trigger = world.trigger(report_id, end_time=time.time() + 3)

    async def killed() -> None:
        waiting = asyncio.create_task(events(trigger))
        await until(lambda: bool(world.calls()))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    run(killed())
    assert run(payload(ReportJobTrigger(**trigger.serialize()[1])))["outcome"] == "timeout"
    assert abs(time.time() - trigger.end_time) < 3
    assert [call["method"] for call in world.calls("create")] == []


def test_it_is_cancelled_while_its_call_is_under_way(world: World) -> None:
    (report_id,) = world.create()
    world.sandbox.hold("status", when="after")

    async def wait() -> None:
        waiting = asyncio.create_task(events(world.trigger(report_id)))
        await asyncio.to_thread(world.sandbox.wait_held, "status")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 5)

    run(wait())
    world.sandbox.release("status")
    nothing_is_left(world)


def test_it_is_cancelled_while_the_token_is_fetched(world: World) -> None:
    (report_id,) = world.create()
    world.sandbox.hold("token", when="before")

    async def wait() -> None:
        waiting = asyncio.create_task(events(world.trigger(report_id, poll_interval=INTERVAL)))
        await asyncio.to_thread(world.sandbox.wait_held, "token")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 5)

    run(wait())
    world.sandbox.release("token")
    nothing_is_left(world)
