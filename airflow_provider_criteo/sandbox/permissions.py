"""Scopes, consent, and the advertisers and accounts that an application may read.

Source: https://developers.criteo.com/criteo-apis/docs/api-error-codes.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_criteo.api.specification import operation
from airflow_provider_criteo.sandbox.families import family_of
from airflow_provider_criteo.sandbox.replies import Reply, envelope, refusal
from airflow_provider_criteo.sandbox.report_rows import ids_in
from airflow_provider_criteo.sandbox.routes import Call
from airflow_provider_criteo.sandbox.settings import Settings


def check_scopes(call: Call, settings: Settings) -> None:
    if not settings.consent:
        raise refusal(403, "insufficient-permissions", "no account user has consented to this application")
    if settings.scopes is None:
        return
    found = operation(call.method.lower(), call.template, call.version)
    needed = found[1]["security"][0]["oauth"] if found and found[1].get("security") else [call.rows[0].scope]
    if not set(needed) & set(settings.scopes):
        raise refusal(403, "insufficient-scope", f"the application lacks the scope {needed[0]}")


def check_accounts(call: Call, settings: Settings) -> None:
    advertisers = ids_in(call.attributes, "advertiserIds", "advertiserId")
    accounts = ids_in(call.attributes, "accountIds", "supplyAccountIds", "accountId")
    accounts += [call.account_id] if call.account_id else []
    for ids, allowed in ((advertisers, settings.advertiser_ids), (accounts, settings.account_ids)):
        denied = [id_ for id_ in ids if allowed is not None and id_ not in allowed]
        if denied:
            raise refusal(403, family_of(call.rows[0]).denied, f"no permission for {', '.join(denied)}")


def list_accounts(call: Call, settings: Settings) -> Reply:
    """The advertisers, which Criteo tells all at once, or a page of the Retail Media accounts."""
    if call.path.endswith("/advertisers/me"):
        ids = _visible(settings.advertiser_ids, ["12345", "67890"], settings)
        return Reply.json(200, envelope([_advertiser(id_) for id_ in ids]))
    wanted = call.query.get("limitToId")
    ids = _visible(settings.account_ids, ["100", "200"], settings)
    return _page(call, [_account(id_) for id_ in ids if wanted is None or id_ in wanted])


def _visible(ids: list[str] | None, usual: list[str], settings: Settings) -> list[str]:
    return [] if not settings.consent else usual if ids is None else ids


def _advertiser(id_: str) -> dict[str, Any]:
    return {"id": id_, "type": "advertiser", "attributes": {"advertiserName": f"Advertiser {id_}"}}


def _account(id_: str) -> dict[str, Any]:
    names = dict.fromkeys(("name", "parentAccountLabel"), f"Account {id_}")
    usual = {"type": "demand", "subtype": "brand", "countries": ["FR"], "currency": "EUR", "timeZone": "Europe/Paris"}
    return {"id": id_, "type": "RetailMediaAccount", "attributes": {**usual, **names}}


def _page(call: Call, found: list[dict[str, Any]]) -> Reply:
    try:
        size, index = int(call.query.get("pageSize", ["25"])[-1]), int(call.query.get("pageIndex", ["0"])[-1])
    except ValueError:
        raise refusal(400, "invalid", "pageSize and pageIndex are integers") from None
    if size < 1 or index < 0:
        raise refusal(400, "invalid-range", "pageSize is at least 1, pageIndex at least 0")
    page = found[index * size : (index + 1) * size]
    metadata = {
        "totalItemsAcrossAllPages": len(found),
        "currentPageSize": len(page),
        "currentPageIndex": index,
        "totalPages": max(1, -(-len(found) // size)),
        "nextPage": None,
        "previousPage": None,
    }
    return Reply.json(200, {**envelope(page), "metadata": metadata})
