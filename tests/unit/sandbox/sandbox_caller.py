"""A bare HTTP client for the sandbox, which knows nothing of our own client."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import requests

from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.sandbox import Sandbox

TIMEOUT = 5


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


class Caller:
    """Calls the API with a token, over a connection that is closed after each call."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.token = ""

    def fetch_token(self, **form: Any) -> requests.Response:
        secret = {"client_id": self.sandbox.client_id, "client_secret": self.sandbox.client_secret}
        data = {"grant_type": "client_credentials", **secret, **form}
        reply = requests.post(f"{self.sandbox.url}/oauth2/token", data=data, timeout=TIMEOUT)
        if reply.ok and "access_token" in reply.text:
            self.token = reply.json()["access_token"]
        return reply

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        if not self.token:
            self.fetch_token()
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        options.setdefault("timeout", TIMEOUT)
        return requests.request(method, f"{self.sandbox.url}{path}", headers=headers, **options)

    def create(
        self,
        report_type: str = "mpo-realtime",
        attributes: dict[str, Any] | None = None,
        version: str | None = None,
        **options: Any,
    ) -> requests.Response:
        row = REPORT_TYPES[report_type]
        attributes = ATTRIBUTES[report_type] if attributes is None else attributes
        options.setdefault("json", {"data": {"type": row.resource_type or "Report", "attributes": attributes}})
        return self.send("POST", row.create_url(version or row.default_version, "7"), **options)

    def status(self, report_id: str, report_type: str = "mpo-realtime", **options: Any) -> requests.Response:
        row = REPORT_TYPES[report_type]
        return self.send("GET", row.status_url(row.default_version, report_id), **options)

    def download(self, report_id: str, report_type: str = "mpo-realtime", **options: Any) -> requests.Response:
        row = REPORT_TYPES[report_type]
        return self.send("GET", row.output_url(row.default_version, report_id), **options)

    def made(self, report_type: str = "mpo-realtime", attributes: dict[str, Any] | None = None) -> str:
        """The id of a job that is made now."""
        before = {job["report_id"] for job in self.sandbox.jobs()}
        self.create(report_type, attributes)
        return next(job["report_id"] for job in self.sandbox.jobs() if job["report_id"] not in before)
