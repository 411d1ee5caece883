"""The accounts that an application may read: pages, names, ids as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import responses

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import (
    AuthenticationError,
    CriteoApiError,
    PermissionDeniedError,
    TransientError,
)
from airflow_provider_criteo.sandbox import Sandbox

List = Callable[[CriteoClient], list[dict[str, Any]]]
ADVERTISERS, RETAIL_MEDIA = CriteoClient.get_advertisers, CriteoClient.get_retail_media_accounts
both = pytest.mark.parametrize("accounts", [ADVERTISERS, RETAIL_MEDIA], ids=["advertisers", "Retail Media"])


def asked(sandbox: Sandbox) -> list[str]:
    return [call["path"] for call in sandbox.journal() if call["method"] == "GET"]


@both
def test_each_account_has_an_id_as_text_and_a_name(accounts: List, client: CriteoClient) -> None:
    found = accounts(client)
    assert found
    for account in found:
        assert isinstance(account["id"], str)
        assert account["id"]
        assert account["name"]
    assert len({account["id"] for account in found}) == len(found)


def test_the_ids_are_those_that_were_consented_to(client: CriteoClient, sandbox: Sandbox) -> None:
    sandbox.configure(advertiser_ids=["12", "34"], account_ids=["56"])
    assert [account["id"] for account in client.get_advertisers()] == ["12", "34"]
    assert [account["id"] for account in client.get_retail_media_accounts()] == ["56"]


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250])
def test_all_pages_are_read(count: int, client: CriteoClient, sandbox: Sandbox) -> None:
    ids = [str(number) for number in range(1, count + 1)]
    sandbox.configure(account_ids=ids, advertiser_ids=ids)
    assert [account["id"] for account in client.get_retail_media_accounts()] == ids
    assert len(asked(sandbox)) == -(-count // 100)
    assert [account["id"] for account in client.get_advertisers()] == ids


@both
def test_no_account_is_an_empty_list(accounts: List, client: CriteoClient, sandbox: Sandbox) -> None:
    sandbox.configure(consent=False)
    assert accounts(client) == []


@both
@pytest.mark.parametrize(
    ("fault", "expected"),
    [("http-401", AuthenticationError), ("http-403", PermissionDeniedError), ("http-500", TransientError)],
)
def test_what_criteo_answers_instead_is_raised(
    accounts: List, fault: str, expected: type[CriteoApiError], client: CriteoClient, sandbox: Sandbox
) -> None:
    accounts(client)  # so that there is a token
    sandbox.fault("any", fault, times=None, title="Because")
    with pytest.raises(CriteoApiError) as raised:
        accounts(client)
    assert type(raised.value) is expected


@responses.activate
@pytest.mark.parametrize(
    ("item", "account"),
    [
        ({"id": 7, "attributes": {"name": "Shop", "id": "8"}}, {"id": "7", "name": "Shop"}),
        ({"id": "7", "attributes": None}, {"id": "7", "name": ""}),
        ({"id": "7"}, {"id": "7", "name": ""}),
        ({"id": "7", "attributes": {"advertiserName": "Shop"}}, {"id": "7", "name": "Shop", "advertiserName": "Shop"}),
    ],
)
def test_an_account_is_on_one_level(item: dict[str, Any], account: dict[str, Any]) -> None:
    responses.post("https://api.criteo.com/oauth2/token", json={"access_token": "0a1b2c3d4e5f", "expires_in": 900})
    responses.get("https://api.criteo.com/2026-07/advertisers/me", json={"data": [item, None, "odd"]})
    with CriteoClient("id", str(item)) as client:
        assert client.get_advertisers() == [account]


@responses.activate
@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, [], None], ids=str)
def test_a_reply_without_a_list_is_a_passing_fault(body: object) -> None:
    responses.post("https://api.criteo.com/oauth2/token", json={"access_token": "0a1b2c3d4e5f", "expires_in": 900})
    responses.get("https://api.criteo.com/2026-07/advertisers/me", json=body)
    with CriteoClient("id", str(body)) as client, pytest.raises(TransientError, match="the reply lists no advertisers"):
        client.get_advertisers()


def test_what_an_application_sees_is_told_in_a_word(client: CriteoClient, sandbox: Sandbox) -> None:
    sandbox.configure(advertiser_ids=["1", "2", "3"])
    assert client.describe_application() == "3 advertisers"
    sandbox.configure(consent=False)
    with pytest.raises(PermissionDeniedError, match="the application sees no account"):
        client.describe_application()


@responses.activate
@pytest.mark.parametrize("count", [0, 99, 100, 101])
def test_pages_that_tell_no_total_are_all_read(count: int) -> None:
    def page(request: Any) -> tuple[int, dict[str, str], str]:
        begin = int(request.params["pageIndex"]) * 100
        return 200, {}, json.dumps({"data": [{"id": number} for number in range(count)[begin : begin + 100]]})

    responses.post("https://api.criteo.com/oauth2/token", json={"access_token": "0a1b2c3d4e5f", "expires_in": 900})
    responses.add_callback(responses.GET, "https://api.criteo.com/2026-07/retail-media/accounts", page)
    with CriteoClient("id", f"secret {count}") as client:
        assert [account["id"] for account in client.get_retail_media_accounts()] == [str(n) for n in range(count)]


@responses.activate
@pytest.mark.parametrize(
    ("pages", "total"),
    [
        ([range(100), []], 250),
        ([range(100), range(100), range(100)], 250),
        ([range(100), range(99, 199), []], 200),
    ],
    ids=["an empty page too soon", "the same page again", "an account that is new in between"],
)
def test_fewer_accounts_than_criteo_tells_of_are_a_passing_fault(pages: list[Any], total: int) -> None:
    answer_with(pages, total)
    with CriteoClient("id", f"secret {pages}") as client, pytest.raises(TransientError, match=f"tells of {total}"):
        client.get_retail_media_accounts()


@responses.activate
@pytest.mark.parametrize("total", [None, 150])
def test_an_account_on_two_pages_is_listed_once(total: int | None) -> None:
    answer_with([range(100), range(50, 150), range(100, 150)], total)
    with CriteoClient("id", f"secret {total}") as client:
        assert [account["id"] for account in client.get_retail_media_accounts()] == [str(n) for n in range(150)]


def answer_with(pages: list[Any], total: int | None) -> None:
    """Criteo lists these ids on the pages, and no more."""
    metadata = {} if total is None else {"metadata": {"totalItemsAcrossAllPages": total}}

    def page(request: Any) -> tuple[int, dict[str, str], str]:
        ids = pages[int(request.params["pageIndex"])]
        return 200, {}, json.dumps({**metadata, "data": [{"id": number} for number in ids]})

    responses.post("https://api.criteo.com/oauth2/token", json={"access_token": "0a1b2c3d4e5f", "expires_in": 900})
    responses.add_callback(responses.GET, "https://api.criteo.com/2026-07/retail-media/accounts", page)
