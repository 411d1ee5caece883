"""Scopes, consent, and the advertisers and accounts that an application may read.

Source: https://developers.criteo.com/criteo-apis/docs/api-error-codes.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_criteo.api.specification import operation
from airflow_provider_criteo.sandbox.families import family_of
from airflow_provider_criteo.sandbox.replies import Reply, envelope, refusal
from airflow_provider_criteo.sandbox.routes import Call
from airflow_provider_criteo.sandbox.settings import Settings


def check_scopes(call: Call, settings: Settings) -> None:
    if not settings.consent:
        raise refusal(403, "insufficient-permissions", "no account user has consented to this application")
    if settings.scopes is None:
        return
    step = {"create": "create_path", "status": "status_path", "download": "output_path"}[call.kind]
    row = call.rows[0]
    found = operation("get" if call.kind != "create" else "post", getattr(row, step), call.version or "")
    needed = found[1]["security"][0]["oauth"] if found and found[1].get("security") else [row.scope]
    if not set(needed) & set(settings.scopes):
        raise refusal(403, "insufficient-scope", f"the application lacks the scope {needed[0]}")


def check_accounts(call: Call, settings: Settings) -> None:
    attributes = call.attributes
    filters = attributes.get("filters") or {}
    asked = {
        "advertiser_ids": [*(attributes.get("advertiserIds") or ()), attributes.get("advertiserId")],
        "account_ids": [
            *(attributes.get("accountIds") or ()),
            *(attributes.get("supplyAccountIds") or ()),
            *(filters.get("accountIds") or () if isinstance(filters, dict) else ()),
            attributes.get("accountId"),
            call.account_id,
        ],
    }
    for setting, ids in asked.items():
        allowed = getattr(settings, setting)
        denied = [str(id_) for id_ in ids if id_ is not None and allowed is not None and str(id_) not in allowed]
        if denied:
            raise refusal(403, family_of(call.rows[0]).denied, f"no permission for {', '.join(denied)}")


def list_accounts(call: Call, settings: Settings) -> Reply:
    if not settings.consent:
        return _paged(call, [])
    if call.path.endswith("/advertisers/me"):
        ids = settings.advertiser_ids or ["12345", "67890"]
        return Reply.json(
            200,
            envelope(
                [
                    {"id": id_, "type": "advertiser", "attributes": {"advertiserName": f"Advertiser {id_}"}}
                    for id_ in ids
                ]
            ),
        )
    ids = settings.account_ids or ["100", "200"]
    accounts = [
        {
            "id": id_,
            "type": "RetailMediaAccount",
            "attributes": {
                "name": f"Account {id_}",
                "type": "demand",
                "subtype": "brand",
                "countries": ["FR"],
                "currency": "EUR",
                "timeZone": "Europe/Paris",
                "parentAccountLabel": f"Account {id_}",
            },
        }
        for id_ in ids
    ]
    wanted = call.query.get("limitToId")
    return _paged(call, [account for account in accounts if wanted is None or account["id"] in wanted])


def _paged(call: Call, found: list[dict[str, Any]]) -> Reply:
    if call.path.endswith("/advertisers/me"):
        return Reply.json(200, envelope(found))
    try:
        size, index = (
            int(call.query.get(name, [usual])[-1]) for name, usual in (("pageSize", "25"), ("pageIndex", "0"))
        )
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
