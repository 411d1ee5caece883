"""What Criteo's pages say of a create's attributes and its specifications do not: the sandbox's rules beside these."""

from __future__ import annotations

from typing import Any

_STATS = "/{version}/marketing-solutions/marketplace-performance-outcomes/stats"
_REPORTS = "/{version}/retail-media/reports"
_THREE_YEARS = 3 * 366
_RETAIL_MEDIA = {"range_days": 100, "past_days": _THREE_YEARS}
_ONE_FILTER = {"exactly_one": ["filters.accountIds", "filters.campaignIds", "filters.lineItemIds"]}
_DAYS = {"whole_days": ["startDate", "endDate"]}
_CSV_OR_JSON = {"enum": {"fileFormat": ["csv", "json"]}}
_ONE_ID = {"at_most_one": [["id", "ids"]]}

PROSE: dict[str, dict[str, Any]] = {
    f"{_STATS}/realtime-reports/export": {
        "required": ["advertiserIds"],
        "between": {"lookbackWindow": [60, 1440]},
        "past_hours": {"startDate": 24},
        "at_most_one": [["lookbackWindow", "startDate"], ["lookbackWindow", "endDate"]],
        "one_dimension_of": ["productId", "hour", "minute"],
    },
    f"{_STATS}/product-reports/export": {
        "max_items": {"advertiserIds": 5, "campaignIds": 10, "adSetIds": 10},
        "min_items": {"advertiserIds": 1},
        "past_days": 366,
        "not_before": "2026-08-28",
        "unique": ["dimensions"],
        **_CSV_OR_JSON,
    },
    "/{version}/marketing-solutions/report/products/export": {
        "max_items": {"advertiserIds": 5, "campaignIds": 500, "sellerIds": 500},
        **_CSV_OR_JSON,
    },
    f"{_REPORTS}/performance": {**_RETAIL_MEDIA, **_ONE_FILTER},
    f"{_REPORTS}/attributed-transactions": {**_RETAIL_MEDIA, **_ONE_FILTER},
    f"{_REPORTS}/missed-opportunities": {
        **_RETAIL_MEDIA,
        "at_least_one": _ONE_FILTER["exactly_one"],
        "max_items": {"filters.accountIds": 5, "filters.campaignIds": 50, "filters.lineItemIds": 50},
        **_DAYS,
    },
    f"{_REPORTS}/fillrate": _RETAIL_MEDIA,
    f"{_REPORTS}/unfilled-placements": _RETAIL_MEDIA,
    f"{_REPORTS}/revenue": {**_RETAIL_MEDIA, **_ONE_ID, "max_items": {"ids": 50}},
    f"{_REPORTS}/campaigns": {**_RETAIL_MEDIA, **_ONE_ID, "max_items": {"ids": 50}},
    f"{_REPORTS}/line-items": {**_RETAIL_MEDIA, **_ONE_ID, "max_items": {"ids": 50}},
    f"{_REPORTS}/accounts": {**_RETAIL_MEDIA, "range_days": 31, "max_items": {"accountIds": 5}},
    f"{_REPORTS}/offsite": _RETAIL_MEDIA,
    "/{version}/retail-media/billing/partner-report": {"range_days": 31},
    "/{version}/retail-media/accounts/{accountId}/brand-catalog-export": {"past_hours": {"modifiedAfter": 18}},
    "/{version}/retail-media/accounts/{accountId}/seller-catalog-export": {"past_hours": {"modifiedAfter": 18}},
    "/{version}/retail-media/insights/share-of-voice": {"range_days": 100, **_DAYS},
    "/{version}/retail-media/insights/digital-shelf-intelligence": {"range_days": 100, **_DAYS},
}
"""By the create's path; ``validation`` reads them."""
