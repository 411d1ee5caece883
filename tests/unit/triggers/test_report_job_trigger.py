"""One trigger's wait: when it polls, how it ends. What each answer means: ``test_one_wait``."""

from __future__ import annotations

import asyncio
import threading
import time as real_time
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_criteo.api.models import ReportJob
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.exceptions import AuthenticationError, InvalidInputError, error_from_json
from airflow_provider_criteo.triggers import poller
from airflow_provider_criteo.triggers.report_job import ReportJobTrigger
from tests.support.events import events, payload
from tests.support.scripted_criteo import CONNECTION, REPORT_ID, ScriptedCriteo, connection, job, refusal
from tests.support.virtual_time import VirtualTime

PENDING, DONE = job("Pending"), job("Done")


@pytest.mark.parametrize(
    ("word", "outcome", "state"),
    [("Done", "done", "done"), ("Failure", "refused", "failed"), ("Expired", "refused", "expired")],
)
def test_each_end_of_a_job_is_one_event(
    word: str, outcome: str, state: str, criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any
) -> None:
    criteo.script = [job(word)]
    (event,) = time.run(events(make_trigger()))
    ended = event["job"] if outcome == "done" else event["error"]["job"]
    assert (event["outcome"], ended["report_id"], ended["state"]) == (outcome, REPORT_ID, state)
    assert len(criteo.polls) == 1
    assert not poller._pollers


def test_the_event_holds_all_that_criteo_said(criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any) -> None:
    problem = {"type": "validation", "code": "invalid-timespan", "title": "Too long", "traceId": "4f2c"}
    criteo.script = [job("Failure", message="No rows", problems=[problem], warnings=[{"code": "late"}])]
    told = ReportJob.from_json(time.run(payload(make_trigger()))["error"]["job"])
    assert (told.report_id, told.message) == (REPORT_ID, "No rows")
    assert [(one.code, one.trace_id) for one in told.problems] == [("invalid-timespan", "4f2c")]
    assert [one.code for one in told.warnings] == ["late"]


@pytest.mark.parametrize(
    ("changes", "polls"),
    [
        ({}, [20, 40, 60]),
        ({"first_poll_at": 7}, [7, 27, 47]),
        ({"first_poll_at": 7, "end_time": 40}, [7, 27, 40]),
        ({"poll_interval": 3600.0, "end_time": 40}, [40]),
        ({"first_poll_at": 3600, "end_time": 40}, [40]),
        ({"end_time": -3600}, [0]),
    ],
    ids=str,
)
def test_when_it_polls(
    changes: dict[str, Any], polls: list[float], criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any
) -> None:
    began = time.now()
    moments = {name: began + changes[name] for name in ("first_poll_at", "end_time") if name in changes}
    criteo.script = [PENDING, PENDING, DONE]
    event = time.run(payload(make_trigger(**{**changes, **moments})))
    assert [moment - began for moment, _ in criteo.polls] == polls
    assert event["outcome"] == ("done" if len(polls) == 3 else "timeout")


def test_a_turn_that_does_not_come_ends_with_the_time(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any
) -> None:
    began = time.now()
    criteo.script = [refusal(429, Retry_After="3500")]
    event = time.run(payload(make_trigger(end_time=began + 100)))
    assert (event["outcome"], len(criteo.polls)) == ("timeout", 1)
    assert "its turn did not come" in event["message"]
    assert time.now() <= began + 100 + 90


def test_of_execution_comes_back_with_a_timeout(criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any) -> None:
    criteo.script = [PENDING]
    assert time.run(payload(make_trigger(end_time=time.now() + 30, of_execution=True)))["deadline"]["of_execution"]


@pytest.mark.parametrize(("end", "woken"), [(600, 80), (50, 50)], ids=["in turn", "by the end"])
def test_the_worker_is_woken_when_the_quota_has_a_call_for_its_download(
    end: float, woken: float, criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(calls_per_minute=1))
    began = time.now()
    event = time.run(payload(make_trigger(then_download=True, end_time=began + end)))
    assert event["outcome"] == "done"
    assert time.now() == began + woken


@pytest.mark.parametrize(("frees_slot", "woken"), [(False, 7.5), (True, 10)], ids=["no pool", "a pool"])
def test_room_is_kept_for_the_create_of_the_task_that_gets_its_slot(
    frees_slot: bool, woken: float, criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(calls_per_minute=4))
    began = time.now()
    triggers = [
        make_trigger(then_download=True, first_poll_at=began + 1, frees_slot=frees_slot),
        make_trigger(then_download=True, first_poll_at=began + 2),
    ]

    async def both() -> None:
        await asyncio.gather(*(payload(trigger) for trigger in triggers))

    time.run(both())
    assert time.now() == pytest.approx(began + 1 + woken, abs=0.1)


@pytest.mark.parametrize(
    ("called_ago", "frees_slot", "polled"),
    [(None, False, 1), (0, False, 10), (0, True, 1), (61, False, 1)],
    ids=["in turn", "a first window's", "in a pool", "another triggerer's"],
)
def test_a_first_poll_leaves_room_for_the_other_creates_of_the_first_window(
    called_ago: float | None,
    frees_slot: bool,
    polled: float,
    criteo: ScriptedCriteo,
    time: VirtualTime,
    make_trigger: Any,
    monkeypatch: Any,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(calls_per_minute=4))
    began = time.now()
    called_at = None if called_ago is None else began - called_ago
    time.run(payload(make_trigger(first_poll_at=began + 1, called_at=called_at, frees_slot=frees_slot)))
    assert [at for at, _ in criteo.polls] == [pytest.approx(began + polled, abs=0.1)]


# The connection


def test_a_look_up_that_fails_at_first_does_not_end_the_wait(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_CRITEO_DEFAULT")

    async def wait() -> Any:
        waiting = asyncio.create_task(payload(make_trigger()))
        await asyncio.sleep(70)
        assert not criteo.polls
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", CONNECTION)
        return await waiting

    assert time.run(wait())["outcome"] == "done"


def test_only_the_time_ends_the_wait_for_a_look_up_with_an_error_that_a_retry_may_mend(
    time: VirtualTime, make_trigger: Any
) -> None:
    began = time.now()
    event = time.run(payload(make_trigger(criteo_conn_id="criteo_nowhere", end_time=began + 100)))
    assert (event["outcome"], event["error"]["class"]) == ("refused", "UnavailableError")
    assert "criteo_nowhere" in event["error"]["message"]
    assert time.now() == began + 100
    assert not poller._pollers


def test_a_connection_that_cannot_be_right_ends_the_wait_and_says_why(
    time: VirtualTime, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", CONNECTION.replace("criteo.test", "criteo.test/v1"))
    event = time.run(payload(make_trigger()))
    assert isinstance(error_from_json(event["error"]), InvalidInputError)
    assert "more than scheme, host and port" in event["error"]["message"]


def test_a_wrong_secret_ends_the_wait_and_is_not_told(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any
) -> None:
    criteo.script = [refusal(401, type="authentication", title="a-secret is wrong")]
    event = time.run(payload(make_trigger()))
    assert isinstance(error_from_json(event["error"]), AuthenticationError)
    assert "a-secret" not in str(event)


def test_a_programming_error_ends_the_trigger_at_once(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any
) -> None:
    with pytest.raises(TypeError):
        time.run(payload(make_trigger(poll_interval="soon")))
    assert not poller._pollers


def test_a_programming_error_in_a_poll_ends_the_trigger_at_once(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(REPORT_TYPES["mpo-realtime"], id="broken", status_path="/{version}/{no_such_name}")
    monkeypatch.setitem(REPORT_TYPES, "broken", broken)
    began = time.now()
    with pytest.raises(KeyError, match="no_such_name"):
        time.run(payload(make_trigger(report_type="broken")))
    assert time.now() - began <= 20, "by its first poll"
    assert not poller._pollers


# Its arguments


def test_a_trigger_that_is_made_again_goes_on_and_keeps_its_end(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any
) -> None:
    criteo.script = [PENDING]
    trigger = make_trigger(end_time=time.now() + 100)

    async def killed() -> None:
        waiting = asyncio.create_task(events(trigger))
        await asyncio.sleep(50)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    time.run(killed())
    assert time.run(payload(ReportJobTrigger(**trigger.serialize()[1])))["outcome"] == "timeout"
    assert time.now() == trigger.end_time
    assert not criteo.creates


@pytest.mark.parametrize("call", ["status", "token"])
def test_it_is_cancelled_while_its_call_is_under_way(
    call: str, criteo: ScriptedCriteo, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real event loop: in virtual time, none passes while a thread works."""
    begun, go_on = threading.Event(), threading.Event()
    before = getattr(ScriptedCriteo, call)

    def held(self: ScriptedCriteo, request: Any) -> Any:
        begun.set()
        go_on.wait(10)
        return before(self, request)

    # The token of an application that nobody has one of yet.
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(f"an-id-{real_time.monotonic_ns()}"))
    monkeypatch.setattr(ScriptedCriteo, call, held)

    async def wait() -> None:
        waiting = asyncio.create_task(events(make_trigger(first_poll_at=1.0)))
        await asyncio.to_thread(begun.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 1)

    with ScriptedCriteo(real_time.time).at_the_socket():
        asyncio.run(wait())
        go_on.set()
        real_time.sleep(0.05)
    assert not poller._pollers
