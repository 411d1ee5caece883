"""The lists of accounts that an application may read: where they are, and how a page of them reads. No socket.

Sources: https://developers.criteo.com/marketing-solutions/docs/get-my-advertisers,
https://developers.criteo.com/retail-media/docs/accounts
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from airflow_provider_criteo.api.answers import Answer, error_of_list
from airflow_provider_criteo.api.exceptions import (
    CriteoError,
    PermissionDeniedError,
    TransientError,
    require_choice,
)
from airflow_provider_criteo.api.report_type import (
    API_VERSIONS,
    CHANNELS,
    CURRENT_VERSION,
    NEXT_VERSION,
    PREVIEW_VERSION,
    versions_to_call,
)

_PER_PAGE = 100


@dataclass(frozen=True)
class AccountList:
    """A list of accounts: what it is of, where it is, and whether it comes in pages."""

    name: str
    path: str
    in_pages: bool

    def url(self, version: str, page: int) -> str:
        """The path of a page in that version."""
        query = f"?pageIndex={page}&pageSize={_PER_PAGE}" if self.in_pages else ""
        return self.path.format(version=version) + query


ADVERTISERS = AccountList("advertisers", "/{version}/advertisers/me", in_pages=False)
RETAIL_MEDIA_ACCOUNTS = AccountList("Retail Media accounts", "/{version}/retail-media/accounts", in_pages=True)


@dataclass(frozen=True)
class AccountPage:
    """A page of accounts.

    :param accounts: each with ``id``, ``name`` and what else Criteo tells.
    :param total: how many there are in all, where Criteo tells.
    """

    accounts: list[dict[str, Any]]
    total: int | None


GetPage = Callable[[AccountList, int], AccountPage]


def account_versions(api_version: str | None, today: date | None = None) -> tuple[str, ...]:
    """The versions to ask in, in order of preference.

    :param api_version: that is asked for.
    :param today: in UTC; now where None.
    :raises InvalidInputError: there is no such version.
    """
    if api_version:
        require_choice("api_version", api_version, API_VERSIONS)
    served = CHANNELS if api_version == PREVIEW_VERSION else (CURRENT_VERSION, NEXT_VERSION)
    return versions_to_call(served, api_version, today)


def account_page(answer: Answer, accounts: AccountList) -> AccountPage:
    """The page that an answer has.

    :raises CriteoError: what the answer means instead.
    """
    if not answer.is_success or answer.problems:
        raise error_of_list(answer)
    reply = answer.json if isinstance(answer.json, dict) else {}
    data, metadata = reply.get("data"), reply.get("metadata")
    if not isinstance(data, list):
        reason = f"the reply lists no {accounts.name}"
        raise TransientError(answer.status_code, answer.problems_of_error, answer.request, reason=reason)
    total = metadata.get("totalItemsAcrossAllPages") if isinstance(metadata, dict) else None
    page = [_account(item) for item in data if isinstance(item, dict)]
    return AccountPage(page, total if isinstance(total, int) else None)


def _account(item: dict[str, Any]) -> dict[str, Any]:
    """An account on one level; its id as text."""
    attributes = item.get("attributes")
    told = attributes if isinstance(attributes, dict) else {}
    return {**told, "id": str(item.get("id", "")), "name": str(told.get("name") or told.get("advertiserName") or "")}


def all_accounts(accounts: AccountList, get_page: GetPage) -> list[dict[str, Any]]:
    """The accounts of all pages, each once: one that is new while they are read moves others to the next page.

    :raises TransientError: they are fewer than Criteo tells of.
    """
    found: dict[str, dict[str, Any]] = {}
    for index in itertools.count():
        page = get_page(accounts, index)
        known = len(found)
        found.update((account["id"], account) for account in page.accounts)
        is_whole = len(page.accounts) < _PER_PAGE if page.total is None else len(found) >= page.total
        if is_whole or len(found) == known or not accounts.in_pages:
            break
    if accounts.in_pages and page.total is not None and len(found) < page.total:
        reason = f"Criteo tells of {page.total} {accounts.name}, and its pages list {len(found)}"
        raise TransientError(200, (), f"GET {accounts.path}", reason=reason)
    return list(found.values())


def seen_accounts(get_page: GetPage) -> str:
    """Which accounts an application sees, e.g. ``"3 advertisers"``, by the first page of a list, at most of two.

    :raises CriteoError: it sees none, or what an answer means.
    """
    refused: CriteoError | None = None
    for accounts in (ADVERTISERS, RETAIL_MEDIA_ACCOUNTS):
        try:
            page = get_page(accounts, 0)
        except PermissionDeniedError as error:
            refused = refused or error
            continue
        if page.accounts:
            count = page.total or len(page.accounts)
            return f"{count} {accounts.name if count > 1 else accounts.name[:-1]}"
    reason = "the application sees no account: nobody has given it consent, or consent was withdrawn"
    raise refused or PermissionDeniedError(200, (), "GET " + ADVERTISERS.path, reason=reason)
