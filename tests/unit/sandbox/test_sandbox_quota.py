"""The sandbox's quota is told as Criteo tells it."""

from __future__ import annotations

import time

import pytest


def _told(reply):
    return {
        name.lower(): value for name, value in reply.headers.items() if "rate" in name.lower() or name == "retry-after"
    }


def test_40_calls_a_minute_are_the_default(caller, sandbox):
    sandbox.configure(rate_limit=40)
    report_id = caller.made()
    begun = time.time()
    replies = [caller.status(report_id) for _ in range(40)]
    assert [reply.status_code for reply in replies] == [200] * 39 + [429]
    assert all(_told(reply) == {} for reply in replies[:39])
    told = _told(replies[39])
    assert (told["x-ratelimit-limit"], told["x-ratelimit-remaining"]) == ("40", "0")
    assert begun + 55 < int(told["x-ratelimit-reset"]) <= begun + 61
    assert replies[39].json()["errors"][0]["type"] == "quota"


def test_headers_on_every_reply(caller, sandbox):
    sandbox.configure(rate_limit=3, rate_headers="always")
    report_id = caller.made()
    remaining = [_told(caller.status(report_id))["x-ratelimit-remaining"] for _ in range(3)]
    assert remaining == ["1", "0", "0"]


def test_no_headers_at_all(caller, sandbox):
    sandbox.configure(rate_limit=1, rate_headers="never")
    caller.create()
    reply = caller.create()
    assert (reply.status_code, _told(reply)) == (429, {})


def test_retry_after_beside_them(caller, sandbox):
    sandbox.configure(rate_limit=1, retry_after=True)
    caller.create()
    assert 55 <= int(caller.create().headers["retry-after"]) <= 60


def test_the_quota_comes_back_with_the_next_window(caller, sandbox):
    caller.fetch_token()
    sandbox.configure(rate_limit=1)
    assert [caller.create().status_code for _ in range(2)] == [200, 429]
    sandbox.configure(rate_window=0)
    assert caller.create().status_code == 200


def test_refresh_tokens_have_ten_calls(caller, sandbox):
    sandbox.configure(rate_limit=40)
    caller.fetch_token(grant_type="refresh_token", refresh_token=sandbox.refresh_token)
    assert [caller.create().status_code for _ in range(11)] == [200] * 10 + [429]


def test_tokens_and_accounts_cost_nothing_and_applications_have_their_own(caller, sandbox):
    sandbox.configure(rate_limit=1, clients={"other": "secret"})
    for _ in range(3):
        caller.fetch_token()
        assert caller.send("GET", "/preview/advertisers/me").ok
    assert [caller.create().status_code for _ in range(2)] == [200, 429]
    caller.fetch_token(client_id="other", client_secret="secret")
    assert caller.create().status_code == 200


@pytest.mark.parametrize("limit", [2])
def test_an_hourly_quota_of_creates(caller, sandbox, limit):
    sandbox.configure(create_limit_per_hour=limit)
    assert [caller.create().status_code for _ in range(3)] == [200, 200, 429]
    assert caller.create("products").status_code == 200
