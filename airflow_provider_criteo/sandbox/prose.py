"""What Criteo's pages say of a create's attributes and its specifications do not: the sandbox's rules beside these."""

from __future__ import annotations

from typing import Any

_STATS = "/{version}/marketing-solutions/marketplace-performance-outcomes/stats"
_REPORTS = "/{version}/retail-media/reports"
_ACCOUNT = "/{version}/retail-media/accounts/{accountId}"
_INSIGHTS = "/{version}/retail-media/insights"
_ONE_FILTER = ["filters.accountIds", "filters.campaignIds", "filters.lineItemIds"]
_DAYS = {"startDate": {"format": "date"}, "endDate": {"format": "date"}}
_NOT_EMPTY = {"type": "array", "minItems": 1}
_UNIQUE = {"type": "array", "uniqueItems": True}
_CSV_OR_JSON = {"fileFormat": {"enum": ["csv", "json"]}}
_ONE_ID = {"at_most_one": [["id", "ids"]]}
_18_HOURS = {"past_hours": {"modifiedAfter": 18}}

PROSE: dict[str, dict[str, Any]] = {
    f"{_STATS}/realtime-reports/export": {
        "required": ["advertiserIds"],
        "properties": {"advertiserIds": _NOT_EMPTY, "lookbackWindow": {"minimum": 60, "maximum": 1440}},
        "at_most_one": [["lookbackWindow", "startDate"], ["lookbackWindow", "endDate"]],
        "one_dimension_of": ["productId", "hour", "minute"],
        "past_hours": {"startDate": 24},
    },
    f"{_STATS}/product-reports/export": {
        "properties": {"advertiserIds": _NOT_EMPTY, "dimensions": _UNIQUE, **_CSV_OR_JSON},
    },
    "/{version}/marketing-solutions/report/products/export": {"properties": _CSV_OR_JSON},
    # Kept for two years, which a page of tips tells; that an older start is refused, none does.
    "/{version}/reports/async-statistics": {"any_past": True},
    f"{_REPORTS}/performance": {"at_least_one": _ONE_FILTER, "at_most_one": [_ONE_FILTER]},
    f"{_REPORTS}/attributed-transactions": {"at_least_one": _ONE_FILTER, "at_most_one": [_ONE_FILTER]},
    f"{_REPORTS}/missed-opportunities": {"at_least_one": _ONE_FILTER, "properties": _DAYS},
    f"{_REPORTS}/revenue": _ONE_ID,
    f"{_REPORTS}/campaigns": _ONE_ID,
    f"{_REPORTS}/line-items": _ONE_ID,
    f"{_ACCOUNT}/brand-catalog-export": _18_HOURS,
    f"{_ACCOUNT}/seller-catalog-export": _18_HOURS,
    f"{_INSIGHTS}/share-of-voice": {"properties": _DAYS},
    f"{_INSIGHTS}/digital-shelf-intelligence": {"properties": _DAYS},
}
"""By the create's path, beside the limits of ``api.limits``; ``required`` and ``properties`` as in
a specification. ``validation`` reads both."""
