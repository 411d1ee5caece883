"""The habits of Criteo's seven families of exports, where they are in no specification: by the path of the create."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from airflow_provider_criteo.api.reports import ReportType

HOUR = 3600.0
DAY = 24 * HOUR

_USUAL_CODES = {
    "json": "json-serialization-error",
    "type": "invalid",
    "enum": "invalid",
    "unknown": "invalid",
    "required": "required-field",
    "items": "invalid-range",
    "choice": "invalid",
    "date": "invalid-date-format",
    "order": "start-after-end-date",
    "timespan": "invalid-timespan",
    "dimensions": "invalid",
    "window": "invalid-range",
    "format": "invalid",
}
_REALTIME_CODES = {
    **_USUAL_CODES,
    "type": "json-serialization-error",
    "enum": "json-serialization-error",
    "unknown": "json-serialization-error",
    "format": "json-serialization-error",
    "required": "invalid-query",
    "choice": "invalid-time-interval",
    "order": "invalid-time-interval",
    "timespan": "invalid-time-interval",
    "window": "invalid-lookbackwindow",
    "dimensions": "invalid-dimensioncombination",
}
_QUERY_CODES = dict.fromkeys(_USUAL_CODES, "invalid-query") | {"json": "json-serialization-error"}


@dataclass(frozen=True)
class Family:
    """What one family of exports does.

    :param path: a piece of the create's path by which its members are known.
    :param id_style: ``"uuid"``, ``"opaque"`` (base64, with ``/``, ``+`` and ``=``) or ``"int64"``.
    :param lost: HTTP status and code for a job that is not there.
    :param expired: HTTP status and code for downloading an expired file.
    :param failed: HTTP status and code for downloading what failed.
    :param not_ready: code for downloading too early.
    :param status_gone: the status call, too, answers with the code of the end.
    :param json_shape: of ``format: json`` files.
    :param csv_content_type: of CSV files.
    :param json_content_type: of JSON files.
    :param default_format: of files, where the attributes name none.
    :param retention: seconds a file stays.
    :param cache_seconds: for which the same request gives the same job.
    :param cache_seconds_past: the same, where the report ends before yesterday.
    :param codes: of validation problems, by what is wrong.
    :param denied: code for an account that may not be read.
    :param dimensions: columns of the file where the attributes name none.
    :param metrics: the same.
    """

    path: str
    id_style: str = "uuid"
    lost: tuple[int, str] = (403, "export-not-found")
    expired: tuple[int, str] = (403, "export-not-found")
    failed: tuple[int, str] = (409, "export-failed")
    not_ready: str = "export-not-ready"
    status_gone: bool = False
    json_shape: str = "columns"
    csv_content_type: str = "text/csv"
    json_content_type: str = "application/json"
    default_format: str = "csv"
    retention: float = 4 * HOUR
    cache_seconds: float = HOUR
    cache_seconds_past: float | None = None
    codes: Mapping[str, str] = field(default_factory=lambda: _USUAL_CODES)
    denied: str = "insufficient-advertiser-permissions"
    dimensions: tuple[str, ...] = ("advertiserId", "adSetId", "productId")
    metrics: tuple[str, ...] = ("clicks", "displays", "cost")

    def new_id(self) -> str:
        """An id as this family has them."""
        if self.id_style == "int64":
            return str(secrets.randbelow(9 * 10**17) + 10**17)
        if self.id_style == "opaque":
            while not {"/", "+"} <= set(opaque := base64.b64encode(secrets.token_bytes(41)).decode()):
                pass
            return opaque
        return str(uuid.uuid4())


FAMILIES = (
    Family(
        "/realtime-reports/export",
        expired=(403, "export-alreadyexpired"),
        codes=_REALTIME_CODES,
        denied="insufficient-accountpermissions",
        dimensions=("advertiserId", "campaignId", "sellerId", "productId", "day"),
    ),
    Family(
        "/product-reports/export",
        expired=(403, "export-already-expired"),
        json_shape="resource",
        codes=_QUERY_CODES | {"format": "unsupported-file-format"},
        denied="insufficient-account-permissions",
        dimensions=("advertiserId", "adSetId", "sellerId", "productId"),
        metrics=("clicks", "impressions", "cost"),
    ),
    Family("/report/products/export", json_shape="metadata", codes=_QUERY_CODES),
    Family(
        "/reports/async-",
        id_style="opaque",
        lost=(404, "report-not-found"),
        expired=(410, "report-expired"),
        failed=(410, "report-failed"),
        not_ready="report-not-ready",
        json_shape="wrapped",
        default_format="json",
        retention=DAY,
        denied="insufficient-advertisers-permissions",
    ),
    Family(
        "/retail-media/billing/",
        lost=(404, "report-not-found"),
        expired=(410, "report-expired"),
        failed=(410, "report-failed"),
        not_ready="report-not-ready",
        json_shape="array",
        csv_content_type="application/csv",
        default_format="json",
        retention=DAY,
        codes=dict.fromkeys(_USUAL_CODES, "model-validation-error"),
        denied="forbidden",
        dimensions=("date", "accountId", "retailerId", "campaignId"),
        metrics=("impressions", "clicks", "spend"),
    ),
    Family(
        "/retail-media/accounts/",
        id_style="int64",
        lost=(404, "catalog-not-found"),
        expired=(204, ""),
        failed=(400, "catalog-failed"),
        not_ready="catalog-not-ready",
        json_shape="lines",
        json_content_type="application/x-json-stream",
        default_format="json-newline",
        retention=72 * HOUR,
        denied="forbidden",
        dimensions=("productId", "retailerId", "retailerName", "name", "brandId", "brandName", "category"),
        metrics=("price",),
    ),
    Family(
        "/retail-media/insights/",
        lost=(404, "insight-not-found"),
        expired=(410, "insight-expired"),
        failed=(410, "insight-failed"),
        not_ready="insight-not-ready",
        status_gone=True,
        json_shape="array",
        default_format="json-compact",
        retention=7 * DAY,
        codes=_USUAL_CODES | {"required": "attribute-required"},
        denied="forbidden",
        dimensions=("date", "brandId", "brandName"),
    ),
    Family(
        "/retail-media/",
        lost=(410, "report-not-found"),
        expired=(410, "report-expired"),
        failed=(410, "report-failed"),
        not_ready="report-not-ready",
        json_shape="array",
        default_format="json-compact",
        retention=72 * HOUR,
        cache_seconds_past=DAY,
        codes=_USUAL_CODES | {"ids": "exceeded-ids-cap"},
        denied="forbidden",
        dimensions=("date", "campaignId", "campaignName"),
        metrics=("impressions", "clicks", "spend"),
    ),
    Family("/"),
)
"""The first whose path is in the create's path is the family of a report type."""


def family_of(row: ReportType) -> Family:
    """The family of a report type, also of one that was added to the catalogue."""
    return _family_at(row.create_path)


@lru_cache(maxsize=256)
def _family_at(path: str) -> Family:
    return next(family for family in FAMILIES if family.path in path)
