"""The jobs of one connection, together: one client, one token, one pace; nothing left behind."""

from __future__ import annotations

import asyncio
import threading
import uuid
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_criteo.triggers import poller
from tests.support.events import payload
from tests.support.scripted_criteo import ScriptedCriteo, connection, job, refusal
from tests.support.virtual_time import VirtualTime

PENDING, DONE = job("Pending"), job("Done")
UNAUTHORIZED = refusal(401, type="authentication")


def ids(count: int) -> list[str]:
    return [f"job-{number}" for number in range(count)]


async def together(triggers: list[Any]) -> list[str]:
    """The outcomes of triggers that wait at the same time."""
    return [event["outcome"] for event in await asyncio.gather(*map(payload, triggers))]


def nothing_is_left() -> None:
    assert not poller._pollers
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("criteo-criteo_default")]
    for thread in threads:
        thread.join(10)  # they were told to end
    assert not [thread.name for thread in threads if thread.is_alive()]


def test_fifty_triggers_share_one_token_and_few_connections(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(uuid.uuid4().hex, calls_per_minute=1000))
    assert time.run(together([make_trigger(one) for one in ids(50)])) == ["done"] * 50
    assert criteo.tokens == 1
    assert 1 < criteo.most_under_way <= 4
    nothing_is_left()


# The quota


def test_300_waits_under_a_quota_take_what_it_allows_and_one_429(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any
) -> None:
    criteo.quota = 40
    began = time.now()
    triggers = [make_trigger(one, end_time=began + 7200) for one in ids(300)]
    assert time.run(together(triggers)) == ["done"] * 300
    assert len(criteo.polls) == 300
    assert criteo.refused <= 1
    assert time.now() - began <= 1.25 * 60 * (300 / 40 - 1) + 60


def test_after_a_429_nobody_calls_before_the_reset(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any
) -> None:
    criteo.script = [refusal(429, Retry_After="50"), DONE]
    began = time.now()
    time.run(together([make_trigger(one) for one in ids(20)]))
    refused, *later = [moment - began for moment, _ in criteo.polls]
    assert refused == 20
    assert min(later) >= 70


def test_a_ceiling_of_the_users_own_is_kept(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(calls_per_minute=5))
    time.run(together([make_trigger(one) for one in ids(30)]))
    moments = [moment for moment, _ in criteo.polls]
    assert all(later - earlier >= 60 for earlier, later in zip(moments, moments[5:], strict=False))


def test_the_job_that_has_waited_longest_goes_first(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(calls_per_minute=8))
    criteo.script = [PENDING]
    time.run(together([make_trigger(one, end_time=time.now() + 900) for one in ids(20)]))
    turns = [report_id for _, report_id in criteo.polls]
    counts = {one: turns[:100].count(one) for one in ids(20)}
    assert max(counts.values()) - min(counts.values()) <= 2, counts
    # Nobody has a second turn before all have had the first; four calls at a time may swap neighbours.
    assert len(set(turns[:20])) >= 17


def test_two_connections_do_not_wait_for_each_other(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CROWDED", connection("another-id", calls_per_minute=5))
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(calls_per_minute=40))
    criteo.scripts = {f"crowd-{number}": [DONE] for number in range(150)}
    crowd = [make_trigger(one, criteo_conn_id="crowded", end_time=time.now() + 7200) for one in criteo.scripts]
    few = [make_trigger(one) for one in ids(20)]
    began = time.now()
    assert time.run(together([*crowd, *few])) == ["done"] * 170
    ended = {report_id: moment - began for moment, report_id in criteo.polls}
    assert max(ended[one] for one in ids(20)) == 20
    assert max(ended.values()) == pytest.approx(20 + 60 * (150 / 5 - 1), abs=5)


# The connection


def test_it_follows_a_connection_that_changes(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", '{"conn_type": "criteo", "host": "http://127.0.0.1:1", "login": "a", "password": "b"}')  # fmt: skip

    async def wait() -> Any:
        waiting = asyncio.create_task(payload(make_trigger()))
        await asyncio.sleep(50)
        assert not criteo.polls
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection())
        return await waiting

    assert time.run(wait())["outcome"] == "done"
    nothing_is_left()


def test_a_secret_that_is_exchanged_mid_wait_is_followed_at_once(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    criteo.script = [PENDING, UNAUTHORIZED, UNAUTHORIZED, DONE]
    began = time.now()

    async def wait() -> Any:
        waiting = asyncio.create_task(payload(make_trigger()))
        await asyncio.sleep(25)
        # The look-up that comes now and then is far away: it is the 401 that makes the poller look.
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(password="the-new-one"))
        return await waiting

    assert time.run(wait())["outcome"] == "done"
    assert [moment - began for moment, _ in criteo.polls] == [20, 40, 40, 40]


@pytest.mark.parametrize(
    ("change", "application"),
    [({"password": "the-new-one"}, "the same"), ({"timeout": 33}, "the same"), ({"login": "another-id"}, "another")],
)
def test_a_change_that_makes_no_other_application_brings_no_other_quota(
    change: dict[str, Any],
    application: str,
    criteo: ScriptedCriteo,
    time: VirtualTime,
    make_trigger: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings: dict[str, Any] = {"calls_per_minute": 10}
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(**settings))
    began = time.now()

    def triggers(count: int, first_poll: float) -> list[Any]:
        return [make_trigger(one, first_poll_at=began + first_poll) for one in ids(count)]

    async def wait() -> None:
        # Ten polls use the minute up, then the connection changes and is looked up again.
        waiting = asyncio.create_task(together([*triggers(1, 0), *triggers(10, 55), *triggers(10, 65)]))
        await asyncio.sleep(56)
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(**settings, **change))
        await waiting

    time.run(wait())
    soon = [moment for moment, _ in criteo.polls if 55 <= moment - began < 115]
    assert len(soon) == (10 if application == "the same" else 20)
    nothing_is_left()


def test_a_connection_that_is_gone_does_not_end_waits_that_have_begun(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    criteo.script = [PENDING] * 10 + [DONE]

    async def wait() -> Any:
        waiting = asyncio.create_task(payload(make_trigger()))
        await asyncio.sleep(30)
        monkeypatch.delenv("AIRFLOW_CONN_CRITEO_DEFAULT")
        return await waiting

    assert time.run(wait())["outcome"] == "done"
    assert all(later - earlier == 20 for (earlier, _), (later, _) in pairwise(criteo.polls))


# Nothing is left


def test_those_that_stay_go_on_when_others_are_cancelled(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", connection(calls_per_minute=5))

    async def wait() -> list[Any]:
        waiting = [asyncio.create_task(payload(make_trigger(one))) for one in ids(20)]
        await asyncio.sleep(30)
        for task in waiting[5:15]:
            task.cancel()
        return await asyncio.gather(*waiting, return_exceptions=True)

    outcomes = time.run(wait())
    assert any(isinstance(one, asyncio.CancelledError) for one in outcomes[5:15])
    assert all(one["outcome"] == "done" for one in (*outcomes[:5], *outcomes[15:]))
    # The turns of those that are gone are not lost.
    assert criteo.polls[-1][0] - criteo.polls[0][0] <= 120 + 1
    nothing_is_left()


def test_nothing_is_left_when_all_are_cancelled_and_the_next_starts_afresh(
    criteo: ScriptedCriteo, time: VirtualTime, make_trigger: Any
) -> None:
    criteo.quota = 2

    async def wait() -> None:
        waiting = [asyncio.create_task(payload(make_trigger(one))) for one in ids(20)]
        await asyncio.sleep(30)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    time.run(wait())
    nothing_is_left()
    criteo.quota = None
    assert time.run(payload(make_trigger("late")))["outcome"] == "done"
    nothing_is_left()
