"""One queue for a connection's quota: whose turn it is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_provider_criteo.api.models import RateLimit
from airflow_provider_criteo.api.quota import REPORTING_CALLS_PER_MINUTE, Pace
from airflow_provider_criteo.triggers import poller
from airflow_provider_criteo.triggers.queue import Call, TurnQueue
from airflow_provider_criteo.triggers.quota_turn import QuotaTurnTrigger
from tests.support.events import payload
from tests.support.scripted_criteo import CONNECTION, ScriptedCriteo, connection
from tests.support.virtual_time import VirtualTime


def order_of(time: VirtualTime, calls: list[tuple[Call, float]], calls_per_minute: int = 60) -> list[int]:
    """In which order calls that wait at the same time go, by their numbers."""
    went: list[int] = []

    async def one(queue: TurnQueue, number: int, call: Call, due: float) -> None:
        pace = await queue.turn(call, due)
        went.append(number)
        if call is Call.POLL:
            pace.finished(RateLimit())
            queue.let_go()

    async def all_of_them() -> None:
        queue = TurnQueue()
        waiting = [asyncio.create_task(one(queue, number, *call)) for number, call in enumerate(calls)]
        await asyncio.sleep(0)
        queue.follow(Pace(calls_per_minute, clock=time.now))
        await asyncio.gather(*waiting)

    time.run(all_of_them())
    return went


def test_downloads_go_before_creates_before_polls(time: VirtualTime) -> None:
    now = time.now()
    calls = [(Call.POLL, now), (Call.CREATE, now), (Call.DOWNLOAD, now), (Call.POLL, now), (Call.DOWNLOAD, now)]
    assert order_of(time, calls, calls_per_minute=1) == [2, 4, 1, 0, 3]


def test_who_waits_longest_goes_first_and_no_kind_starves(time: VirtualTime) -> None:
    now = time.now()
    calls = [(Call.DOWNLOAD, now), (Call.DOWNLOAD, now - 5), (Call.CREATE, now - 61), (Call.POLL, now - 200)]
    assert order_of(time, calls, calls_per_minute=1) == [3, 1, 2, 0]


def test_a_nights_creates_do_not_keep_a_poll_waiting_until_its_file_is_gone(time: VirtualTime) -> None:
    """Criteo keeps some files for an hour, and a quota of ten takes 1,000 creates in 100 minutes."""

    async def waited() -> float:
        queue = TurnQueue(Pace(10, clock=time.now))
        began = time.now()
        creates = [asyncio.create_task(queue.turn(Call.CREATE, began)) for _ in range(1000)]
        await asyncio.sleep(60)
        await queue.turn(Call.POLL, time.now())
        assert sum(create.done() for create in creates) > 100, "a create may wait long, too"
        return time.now() - began

    assert time.run(waited()) < 20 * 60


def test_workers_of_whose_quota_nothing_is_known_start_half_a_documented_share_apart(time: VirtualTime) -> None:
    async def turns() -> int:
        queue = TurnQueue(Pace(clock=time.now))
        waiting = [asyncio.create_task(queue.turn(Call.CREATE, time.now())) for _ in range(100)]
        await asyncio.sleep(59)
        went = sum(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        return went

    assert time.run(turns()) == 2 * REPORTING_CALLS_PER_MINUTE - 1


def test_who_is_cancelled_at_its_turn_gives_it_back(time: VirtualTime) -> None:
    async def turns() -> bool:
        queue = TurnQueue()
        first, second = (asyncio.create_task(queue.turn(Call.CREATE, time.now() + number)) for number in range(2))
        await asyncio.sleep(0)
        queue.follow(Pace(1, clock=time.now))
        first.cancel()
        await asyncio.sleep(0.1)
        return second.done()

    assert time.run(turns())


# A task's own trigger for it


def trigger(time: VirtualTime, **changes: Any) -> QuotaTurnTrigger:
    arguments = {
        "call": "create",
        "criteo_conn_id": "criteo_default",
        "started": time.now(),
        "end_time": time.now() + 600,
    }
    return QuotaTurnTrigger(**{**arguments, "carried": {"job": None}, **changes})


def test_a_turn_comes_and_gives_back_what_it_carried(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    event = time.run(payload(trigger(time)))
    assert (event["outcome"], event["carried"]) == ("turn", {"job": None})
    assert not criteo.polls
    assert not criteo.tokens
    assert not poller._pollers


def test_a_refusal_is_waited_for_by_all(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    began = time.now()
    ended: list[float] = []

    async def one(number: int) -> None:
        refused = {"limit": 10, "refused_until": began + 40} if number == 0 else {}
        await payload(trigger(time, **refused))
        ended.append(time.now() - began)

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, range(25)))

    time.run(all_of_them())
    assert min(ended) >= 40
    assert ended[9] < 42 + 30, "within half a window"
    assert ended[10] >= 100, "not all at the reset"


def test_a_look_up_that_fails_until_the_time_is_up_is_told(time: VirtualTime, criteo: ScriptedCriteo) -> None:
    event = time.run(payload(trigger(time, criteo_conn_id="criteo_nowhere", end_time=time.now() + 100)))
    assert (event["outcome"], event["error"]["class"]) == ("refused", "UnavailableError")
    assert "criteo_nowhere" in event["error"]["message"]


def test_the_time_is_up(time: VirtualTime, criteo: ScriptedCriteo) -> None:
    began = time.now()
    refused = {"limit": 40, "refused_until": began + 3600}
    event = time.run(payload(trigger(time, end_time=began + 50, **refused)))
    assert (event["outcome"], event["error"]["class"]) == ("refused", "RateLimitError")
    assert "no call for this task within 50 s" in event["error"]["message"]
    assert time.now() == began + 50
    assert not poller._pollers


def test_a_triggerer_that_takes_over_later_waits_for_no_first_window(criteo: ScriptedCriteo, time: VirtualTime) -> None:
    began = time.now()
    time.run(payload(trigger(time, started=began - 900, beyond_first_window=True)))
    assert time.now() == began
    time.run(payload(trigger(time, started=began, beyond_first_window=True)))
    assert time.now() == began + 10


def test_a_connection_that_cannot_be_right_is_told(
    time: VirtualTime, criteo: ScriptedCriteo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(timeout=-1))
    event = time.run(payload(trigger(time)))
    assert (event["outcome"], event["error"]["class"], event["carried"]) == (
        "refused",
        "InvalidInputError",
        {"job": None},
    )
    assert "timeout" in event["error"]["message"]
    assert not poller._pollers


def test_a_connection_that_is_away_and_comes_back(time: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.now()

    async def wait() -> Any:
        waiting = asyncio.create_task(payload(trigger(time)))
        await asyncio.sleep(45)
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", CONNECTION)
        return await waiting

    assert time.run(wait())["outcome"] == "turn"
    assert time.now() <= began + 60


def test_a_cancelled_trigger_gives_its_turn_back(
    time: VirtualTime, criteo: ScriptedCriteo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(calls_per_minute=1))

    async def wait() -> float:
        with poller.use_poller("criteo_default"):
            await payload(trigger(time))
            waiting = [asyncio.create_task(payload(trigger(time, started=time.now() + number))) for number in range(2)]
            await asyncio.sleep(1)
            began = time.now()
            waiting[0].cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            return time.now() - began

    assert time.run(wait()) < 60


def test_its_arguments_survive_airflows_serialisation(time: VirtualTime) -> None:
    from airflow.sdk import serde

    given = trigger(time, limit=40, refused_until=time.now() + 1.5, carried={"deadline": {"started": 1.5}, "job": None})
    path, arguments = given.serialize()
    assert path == f"{QuotaTurnTrigger.__module__}.{QuotaTurnTrigger.__name__}"
    stored = json.loads(json.dumps(serde.serialize(arguments)))
    assert QuotaTurnTrigger(**serde.deserialize(stored)).serialize() == (path, arguments)
