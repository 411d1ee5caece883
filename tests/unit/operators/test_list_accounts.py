"""``ListAccountsOperator``: all accounts, both products, and what an empty list means."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest

from airflow_provider_criteo.exceptions import InvalidInputError, PermissionDeniedError
from airflow_provider_criteo.operators.accounts import ListAccountsOperator
from airflow_provider_criteo.sandbox import Sandbox
from tests.support import tasks_in_process  # noqa: F401 - before Airflow


def listed(**arguments: Any) -> list[dict[str, Any]]:
    return ListAccountsOperator(task_id="accounts", **arguments).execute({})


def test_every_advertiser_has_an_id_and_a_name(criteo_sandbox: Sandbox) -> None:
    criteo_sandbox.configure(advertiser_ids=[str(number) for number in range(300)])
    found = listed()
    assert [account["id"] for account in found] == [str(number) for number in range(300)]
    assert all(account["name"] for account in found)


def test_retail_media_accounts_come_from_all_pages(criteo_sandbox: Sandbox) -> None:
    criteo_sandbox.configure(account_ids=[str(number) for number in range(257)])
    found = listed(kind="retail-media-accounts")
    assert len({account["id"] for account in found}) == 257
    assert {"name", "countries", "currency"} <= set(found[0])


def test_a_version_of_its_own_is_asked_for(criteo_sandbox: Sandbox) -> None:
    listed(api_version="2027-01")
    assert [call["version"] for call in criteo_sandbox.journal("accounts")] == ["2027-01"]
    with pytest.raises(InvalidInputError, match=r"api_version='2027-1'.*did you mean '2027-01'"):
        ListAccountsOperator(task_id="accounts", api_version="2027-1")


def test_an_empty_list_fails_without_a_retry_and_says_consent(criteo_sandbox: Sandbox) -> None:
    criteo_sandbox.configure(advertiser_ids=[])
    with pytest.raises(PermissionDeniedError, match="consent"):
        listed()
    assert listed(allow_empty=True) == []


@pytest.mark.parametrize("kind", ["advertiser", "", None, 7])
def test_an_unknown_kind_is_refused_when_the_dag_is_parsed(kind: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"kind=.*valid: advertisers, retail-media-accounts"):
        ListAccountsOperator(task_id="accounts", kind=kind)


class Kind(str, Enum):
    RETAIL_MEDIA = "retail-media-accounts"


def test_a_kind_may_be_an_enums_member(criteo_sandbox: Sandbox) -> None:
    criteo_sandbox.configure(account_ids=["7"])
    task = ListAccountsOperator(task_id="accounts", kind=Kind.RETAIL_MEDIA)
    task.render_template_fields({})
    assert [account["id"] for account in task.execute({})] == ["7"]


@pytest.mark.parametrize("conn_id", ["", None, 7])
def test_a_connection_without_an_id_is_refused_when_the_dag_is_parsed(conn_id: Any) -> None:
    with pytest.raises(InvalidInputError, match="criteo_conn_id="):
        ListAccountsOperator(task_id="accounts", criteo_conn_id=conn_id)
