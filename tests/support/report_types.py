"""A create of each report type, and a report type that Criteo does not have."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_criteo.api.reports import REPORT_TYPES, ReportType


def day(number: int) -> str:
    """The date so many days ago."""
    return (datetime.now(timezone.utc) - timedelta(days=number)).date().isoformat()


_TIMES = {"startDate": day(12), "endDate": day(10)}
_FILTERED = {**_TIMES, "filters": {"accountIds": ["1"]}, "dimensions": ["date"]}
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "mpo-realtime": {"advertiserIds": ["1", "2"], "lookbackWindow": 60},
    "mpo-products": {"advertiserIds": ["1"], "startDate": day(12), "fileFormat": "csv"},
    "products": {"advertiserIds": ["1"], "startDate": day(12)},
    "statistics": {**_TIMES, "advertiserIds": ["1"], "dimensions": ["AdvertiserId", "Day"], "metrics": ["Clicks"]},
    "audience-performance": {
        **_TIMES,
        "advertiserId": "1",
        "dimension": "Top30BrandsByClicks",
        "metrics": ["Clicks"],
    },
    "rm-performance": {**_FILTERED, "metrics": ["impressions"]},
    "rm-attributed-transactions": {**_FILTERED, "dimensions": ["purchasedDate"], "metrics": ["attributedSales"]},
    "rm-missed-opportunities": {**_FILTERED, "metrics": ["totalSpend"]},
    "rm-fillrate": {**_TIMES, "supplyAccountIds": ["1"], "dimensions": ["date"], "metrics": ["pageViews"]},
    "rm-unfilled-placements": {
        **_TIMES,
        "supplyAccountIds": ["1"],
        "dimensions": ["date"],
        "metrics": ["totalUnfilledPlacements"],
    },
    "rm-revenue": {**_TIMES, "id": "1"},
    "rm-campaigns": {**_TIMES, "ids": ["1"]},
    "rm-line-items": {**_TIMES, "id": "1"},
    "rm-accounts": {**_TIMES, "accountIds": ["1"]},
    "rm-offsite": {**_TIMES, "accountIds": ["1"], "dimensions": ["date"], "metrics": ["impressions"]},
    "rm-partner-billing": _TIMES,
    "rm-brand-catalog": {},
    "rm-seller-catalog": {},
    "rm-catalog": {},
    "rm-sellers-catalog": {"sellers": [{"retailerId": "1", "sellerId": "2"}]},
    "rm-share-of-voice": {**_TIMES, "accountId": "1", "dimensions": ["date"], "metrics": ["clicks"]},
    "rm-digital-shelf-intelligence": {
        **_TIMES,
        "accountId": "1",
        "aggregationLevel": "brand",
        "metrics": ["salesRank"],
    },
}
"""The smallest create that each report type takes."""


def new_row() -> ReportType:
    """A report type that Criteo does not have."""
    return replace(
        REPORT_TYPES["products"],
        id="keyword-bids",
        title="Keyword bids",
        create_path="/{version}/marketing-solutions/keyword-bids",
        status_path="/{version}/marketing-solutions/keyword-bids/jobs/{reportId}",
        output_path="/{version}/marketing-solutions/keyword-bids/files/{reportId}",
        versions=("experimental",),
        resource_type="KeywordBids",
    )
