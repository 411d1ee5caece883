"""The habits of Criteo's families of exports, where they are in no specification: by the path of the create."""

from __future__ import annotations

import base64
import re
import secrets
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from airflow_provider_criteo.api.reports import ReportType

HOUR = 3600.0
DAY = 24 * HOUR


def _codes(usual: str = "invalid", **others: str) -> Mapping[str, str]:
    """The codes of validation problems, by what is wrong."""
    return defaultdict(lambda: usual, others)


_USUAL_CODES = {
    "json": "json-serialization-error",
    **dict.fromkeys(("items", "ids", "window"), "invalid-range"),
    "required": "required-field",
    "date": "invalid-date-format",
    "order": "start-after-end-date",
    "timespan": "invalid-timespan",
}
_REALTIME_CODES = {
    **dict.fromkeys(("json", "type", "enum", "unknown", "format"), "json-serialization-error"),
    **dict.fromkeys(("choice", "order", "timespan"), "invalid-time-interval"),
    **dict.fromkeys(("items", "ids"), "invalid-range"),
    "date": "invalid-date-format",
    "required": "invalid-query",
    "window": "invalid-lookbackwindow",
    "dimensions": "invalid-dimensioncombination",
}


@dataclass(frozen=True)
class Family:
    """What one family of exports does.

    :param path: a pattern in the create's path by which its members are known.
    :param noun: what it calls a report in its codes.
    :param id_style: ``"uuid"``, ``"opaque"`` (base64, with ``/``, ``+`` and ``=``) or ``"int64"``.
    :param lost: HTTP status for a job that is not there.
    :param expired: HTTP status for downloading an expired file.
    :param expired_code: its code, where it is not the usual one.
    :param failed: HTTP status for downloading what failed.
    :param status_gone: the status call, too, answers with the code of the end.
    :param tells_no_size_of_none: the status of an empty report tells no bytes, although the file has some.
    :param json_shape: of ``format: json`` files.
    :param csv_content_type: of CSV files.
    :param csv_header_quoted: the names in the first line stand in quotes.
    :param csv_quoted: a pattern of the columns whose values stand in quotes.
    :param json_content_type: of JSON files.
    :param retention: seconds a file stays.
    :param past_cached: seconds for which the same request gives the same job, where the report ends before yesterday;
        else it is an hour.
    :param codes: of validation problems, by what is wrong.
    :param denied: code for an account that may not be read.
    :param columns: a pattern of the documented columns that are in the file, where no request can name them.
    :param dimensions: columns of the file where the attributes name none.
    :param metrics: the same.
    :param bare_ids: a pattern of the columns whose ids are numbers in JSON.
    :param decimals: the fewest and most digits after the point of money.
    """

    path: str
    noun: str = "export"
    id_style: str = "uuid"
    lost: int = 403
    expired: int = 403
    expired_code: str | None = None
    failed: int = 409
    status_gone: bool = False
    tells_no_size_of_none: bool = False
    json_shape: str = "columns"
    csv_content_type: str = "text/csv"
    csv_header_quoted: bool = False
    csv_quoted: str = ""
    json_content_type: str = "application/json"
    retention: float = 4 * HOUR
    past_cached: float = HOUR
    codes: Mapping[str, str] = field(default_factory=lambda: _codes(**_USUAL_CODES))
    denied: str = "insufficient-advertiser-permissions"
    columns: str = ""
    dimensions: tuple[str, ...] = ("advertiserId", "adSetId", "productId")
    metrics: tuple[str, ...] = ("clicks", "displays", "cost")
    bare_ids: str = ""
    decimals: tuple[int, int] = (2, 2)

    def code(self, what: str) -> str:
        """The code of what has become of a report: ``not-found``, ``not-ready``, ``failed``, ``invalidated``."""
        return f"{self.noun}-{what}"

    def new_id(self) -> str:
        """An id as this family has them."""
        if self.id_style == "int64":
            return str(secrets.randbelow(9 * 10**17) + 10**17)
        if self.id_style == "opaque":
            while not {"/", "+"} <= set(opaque := base64.b64encode(secrets.token_bytes(41)).decode()):
                pass
            return opaque
        return str(uuid.uuid4())


_MARKETPLACE = Family("/stats/", decimals=(11, 14))
_REPORT = Family("", noun="report", lost=404, expired=410, failed=410, retention=DAY)
_RETAIL_MEDIA = replace(
    _REPORT,
    path="/retail-media/",
    lost=410,
    json_shape="array",
    csv_header_quoted=True,
    retention=72 * HOUR,
    past_cached=DAY,
    codes=_codes(**{**_USUAL_CODES, "ids": "exceeded-ids-cap"}),
    denied="forbidden",
    dimensions=("date", "campaignId", "campaignName"),
    metrics=("impressions", "clicks", "spend"),
    decimals=(4, 4),
)
_INSIGHT = replace(
    _RETAIL_MEDIA,
    path="/retail-media/insights/",
    noun="insight",
    lost=404,
    status_gone=True,
    retention=7 * DAY,
    past_cached=HOUR,
    codes=_codes(**{**_USUAL_CODES, "required": "attribute-required"}),
)
_CATALOG = replace(
    _RETAIL_MEDIA,
    path="/retail-media/accounts/",
    noun="catalog",
    past_cached=HOUR,
    id_style="int64",
    lost=404,
    expired=204,
    failed=400,
    json_shape="pretty",
    json_content_type="application/x-json-stream",
    codes=_codes(**_USUAL_CODES),
    columns="(?!seller).*",
    decimals=(2, 2),
)
FAMILIES = (
    replace(
        _MARKETPLACE,
        path="/realtime-reports/export",
        expired_code="export-alreadyexpired",
        csv_header_quoted=True,
        codes=_codes(**_REALTIME_CODES),
        denied="insufficient-accountpermissions",
    ),
    replace(
        _MARKETPLACE,
        path="/product-reports/export",
        expired_code="export-already-expired",
        json_shape="resource",
        csv_quoted="productId",
        codes=_codes("invalid-query", json="json-serialization-error", format="unsupported-file-format"),
        denied="insufficient-account-permissions",
    ),
    replace(
        _MARKETPLACE,
        path="/report/products/export",
        json_shape="metadata",
        bare_ids=".*",
        codes=_codes("invalid-query", json="json-serialization-error"),
    ),
    replace(
        _REPORT,
        path="/reports/async-",
        id_style="opaque",
        json_shape="wrapped",
        bare_ids=".*",
        denied="insufficient-advertisers-permissions",
    ),
    replace(
        _RETAIL_MEDIA,
        path="/retail-media/billing/",
        lost=404,
        csv_content_type="application/csv",
        retention=DAY,
        past_cached=HOUR,
        codes=_codes("model-validation-error"),
        columns="(?!(Account|Balance|Campaign)Id|Origin).*",
        bare_ids="LineItemId",
        decimals=(8, 8),
    ),
    replace(_CATALOG, path="/(seller-catalog-export|catalogs/sellers)", columns=".*"),
    _CATALOG,
    replace(_INSIGHT, path="/digital-shelf-intelligence", tells_no_size_of_none=True),
    _INSIGHT,
    replace(_RETAIL_MEDIA, path="/reports/(fillrate|unfilled-placements|revenue)", bare_ids="retailerId"),
    replace(_RETAIL_MEDIA, path="/retail-media/reports/line-items", dimensions=("date", "lineItemId", "lineItemName")),
    _RETAIL_MEDIA,
    Family("/"),
)
"""The first whose path is in the create's path is the family of a report type."""


def family_of(row: ReportType) -> Family:
    """The family of a report type, also of one that was added to the catalogue."""
    return _family_at(row.create_path)


@lru_cache(maxsize=256)
def _family_at(path: str) -> Family:
    return next(family for family in FAMILIES if re.search(family.path, path))
