"""The catalogue of Criteo's asynchronous report exports: one row of data per report type.

Everything that depends on a report type is a field of its row; no other module of the client, the hook, the
operators or the sandbox knows a report type by name. A new report type is a new row.

Sources: Criteo's OpenAPI specifications (preview, experimental, 2026-01, 2026-07, 2027-01) and the pages that
each row's ``docs_url`` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from urllib.parse import quote

from airflow_provider_criteo.api.exceptions import InvalidInputError
from airflow_provider_criteo.api.models import JobState

DEFAULT_REPORT_TYPE = "mpo-realtime"

STABLE_VERSIONS = ("2026-01", "2026-07", "2027-01")
"""Dated versions, oldest first. 2026-07 is the current one, 2027-01 its release candidate."""

PREVIEW_VERSION = "preview"
EXPERIMENTAL_VERSION = "experimental"
"""The new name of ``preview``: https://developers.criteo.com/marketing-solutions/experimental/docs/introduction-to-experimental"""

_CHANNELS = (PREVIEW_VERSION, EXPERIMENTAL_VERSION)
API_VERSIONS = (*STABLE_VERSIONS, *_CHANNELS)

DOCS = "https://developers.criteo.com"


class LostJob(str, Enum):
    """Why a job that an HTTP status speaks of is not there any more."""

    NOT_FOUND = "not found"
    EXPIRED = "expired"


_MARKETING_SOLUTIONS_STATES: Mapping[str, JobState] = MappingProxyType(
    {
        "unknown": JobState.UNKNOWN,
        "pending": JobState.PENDING,
        "done": JobState.DONE,
        "failure": JobState.FAILED,
        "failed": JobState.FAILED,
        "expired": JobState.EXPIRED,
    }
)
_RETAIL_MEDIA_STATES: Mapping[str, JobState] = MappingProxyType(
    {
        "unknown": JobState.UNKNOWN,
        "pending": JobState.PENDING,
        "success": JobState.DONE,
        "failure": JobState.FAILED,
        "failed": JobState.FAILED,
        "expired": JobState.EXPIRED,
    }
)
_INSIGHT_STATES: Mapping[str, JobState] = MappingProxyType({**_RETAIL_MEDIA_STATES, "invalidated": JobState.FAILED})

ID_FIELDS = ("data.attributes.exportId", "data.attributes.reportId", "data.id", "exportId", "reportId")
"""Where a reply may carry the job's id: https://developers.criteo.com/marketing-solutions/experimental/docs/mpo-product-level-reporting-api announces the second, samples show the last two."""


@dataclass(frozen=True, eq=False)
class ReportType:
    """One asynchronous export of Criteo's: where it is, what it takes, how its answers read.

    :param id: the name that users give it, e.g. ``"mpo-realtime"``.
    :param title: what it reports, in a few words.
    :param service: Criteo's product, as in its URLs: ``"marketing-solutions"`` or ``"retail-media"``.
    :param create_path: path of the POST, with ``{version}`` and, for the catalogs, ``{accountId}``.
    :param status_path: path of the status GET, with ``{version}`` and ``{reportId}``.
    :param output_path: path of the download GET, with ``{version}`` and ``{reportId}``.
    :param versions: the API versions that serve it.
    :param default_version: the one used where the user names none.
    :param required: names of the attributes that a create must have.
    :param optional: names of the attributes that a create may have.
    :param scope: the OAuth scope the application needs.
    :param docs_url: the page of Criteo's documentation.
    :param resource_type: ``data.type`` of the create, where Criteo wants one.
    :param states: Criteo's status words, lower case, to job states.
    :param id_fields: dotted paths at which a reply may carry the job's id, in order of preference.
    :param message_fields: names of the attribute that carries the job's message.
    :param lost_job_statuses: HTTP statuses of the status and download calls that speak of a lost job.
    :param date_format: how Criteo wants dates: ``"date"`` (YYYY-MM-DD) or ``"date-time"`` (UTC).
    :param format_attribute: the attribute that names the file's format, if there is one.
    :param formats: the file formats Criteo offers, its default first where it is documented.
    :param row_caps: row counts at which Criteo is documented to truncate files silently.
    :param limits: documented limits, in words.
    :param retention: how long Criteo keeps the file, in words.
    """

    id: str
    title: str
    service: str
    create_path: str
    status_path: str
    output_path: str
    versions: tuple[str, ...]
    default_version: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    scope: str
    docs_url: str
    resource_type: str | None = None
    states: Mapping[str, JobState] = field(default_factory=lambda: _RETAIL_MEDIA_STATES)
    id_fields: tuple[str, ...] = ID_FIELDS
    message_fields: tuple[str, ...] = ("message", "errorMessage")
    lost_job_statuses: Mapping[int, LostJob] = field(default_factory=dict)
    date_format: str = "date"
    format_attribute: str | None = "format"
    formats: tuple[str, ...] = ("json", "json-compact", "json-newline", "csv")
    row_caps: tuple[int, ...] = ()
    limits: str = ""
    retention: str = ""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute that Criteo documents for a create."""
        return self.required + self.optional

    @property
    def needs_account_id(self) -> bool:
        """Whether the create's path names a Retail Media account."""
        return "{accountId}" in self.create_path

    def version(self, api_version: str | None) -> str:
        """The API version to call: the one asked for, or the row's default.

        :raises InvalidInputError: this report type is not served by that version.
        """
        if api_version is None:
            return self.default_version
        if api_version not in self.versions:
            raise InvalidInputError(
                f"api_version={api_version!r} does not serve report type {self.id!r}; "
                + choices(api_version, self.versions)
            )
        return api_version

    def create_url(self, version: str, account_id: str | None = None) -> str:
        """The path of the POST in that version."""
        return self.create_path.format(version=version, accountId=_quoted(account_id or ""))

    def status_url(self, version: str, report_id: str) -> str:
        """The path of the status call; the id may hold ``/``, ``+`` and ``=``."""
        return self.status_path.format(version=version, reportId=_quoted(report_id))

    def output_url(self, version: str, report_id: str) -> str:
        """The path of the download."""
        return self.output_path.format(version=version, reportId=_quoted(report_id))

    def state(self, word: str) -> JobState:
        """The job state that Criteo's word means; a word that is not in the row is ``UNKNOWN``."""
        return self.states.get(word.strip().lower(), JobState.UNKNOWN)

    def knows(self, word: str) -> bool:
        """Whether the row has this status word."""
        return word.strip().lower() in self.states


def _quoted(segment: str) -> str:
    return quote(str(segment), safe="")


def choices(wrong: object, valid: Iterable[str]) -> str:
    """The valid names, and the nearest to a wrong one: the tail of an error message."""
    import difflib

    names = sorted(valid)
    nearest = difflib.get_close_matches(str(wrong), names, n=1, cutoff=0.6)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    return f"valid: {', '.join(names)}{hint}"


def _marketing_solutions(
    id: str, title: str, *, create: str, status: str, output: str, docs: str, **fields: object
) -> ReportType:
    defaults: dict[str, object] = {
        "service": "marketing-solutions",
        "versions": _CHANNELS,
        "default_version": PREVIEW_VERSION,
        "scope": "MarketingSolutions_Analytics_Read",
        "states": _MARKETING_SOLUTIONS_STATES,
        "date_format": "date-time",
        "format_attribute": "fileFormat",
        "formats": ("csv", "json"),
    }
    return ReportType(
        id=id,
        title=title,
        create_path="/{version}" + create,
        status_path="/{version}" + status,
        output_path="/{version}" + output,
        docs_url=f"{DOCS}/marketing-solutions/{docs}",
        **{**defaults, **fields},  # type: ignore[arg-type]
    )


def _async_report(id: str, title: str, *, create: str, docs: str, **fields: object) -> ReportType:
    return _marketing_solutions(
        id,
        title,
        create=create,
        status="/reports/{reportId}/status",
        output="/reports/{reportId}/output",
        docs=docs,
        lost_job_statuses={404: LostJob.NOT_FOUND, 410: LostJob.EXPIRED},
        format_attribute=None,
        formats=("json",),
        limits="Dates are whole days: the time part is ignored.",
        retention="cached at least 1 h",
        **fields,
    )


def _retail_media(id: str, title: str, *, create: str, job: str, docs: str, **fields: object) -> ReportType:
    defaults: dict[str, object] = {
        "service": "retail-media",
        "scope": "RetailMedia_Analytics_Read",
        "lost_job_statuses": {404: LostJob.NOT_FOUND, 410: LostJob.EXPIRED},
    }
    return ReportType(
        id=id,
        title=title,
        create_path="/{version}/retail-media" + create,
        status_path="/{version}/retail-media" + job + "/{reportId}/status",
        output_path="/{version}/retail-media" + job + "/{reportId}/output",
        docs_url=f"{DOCS}/retail-media/{docs}",
        **{**defaults, **fields},  # type: ignore[arg-type]
    )


def _retail_media_report(id: str, title: str, *, create: str, docs: str, **fields: object) -> ReportType:
    defaults: dict[str, object] = {
        "row_caps": (100_000, 10_000_000),
        "limits": "At most 100 days, up to 3 years back.",
        "retention": "72 h, or at least 1 h and see expiresAt",
    }
    return _retail_media(id, title, create=f"/reports/{create}", job="/reports", docs=docs, **{**defaults, **fields})


def _catalog(id: str, title: str, *, create: str, scope: str, **fields: object) -> ReportType:
    return _retail_media(
        id,
        title,
        create="/accounts/{accountId}/" + create,
        job="/catalogs",
        docs="docs/catalog-endpoints",
        versions=STABLE_VERSIONS,
        default_version="2026-07",
        scope=scope,
        lost_job_statuses={204: LostJob.EXPIRED, 404: LostJob.NOT_FOUND, 410: LostJob.EXPIRED},
        date_format="date-time",
        retention="typically 72 h; the same request is cached 1 h",
        **fields,
    )


def _insight(id: str, title: str, *, create: str, **fields: object) -> ReportType:
    return _retail_media(
        id,
        title,
        create=f"/insights/{create}",
        job="/insights",
        docs=f"experimental/docs/{create}",
        versions=_CHANNELS,
        default_version=PREVIEW_VERSION,
        states=_INSIGHT_STATES,
        formats=("json-compact", "json", "json-newline", "csv"),
        retention="see expiresAt (samples: 7 days)",
        **fields,
    )


_MPO_STATS = "/marketing-solutions/marketplace-performance-outcomes/stats"

_CAMPAIGN_OPTIONS = (
    "activationPlatforms",
    "budgetModels",
    "buyTypes",
    "campaignType",
    "clickAttributionWindow",
    "dimensions",
    "format",
    "mediaType",
    "metrics",
    "reportType",
    "salesChannel",
    "searchTermTargetings",
    "searchTermTypes",
    "targetedKeywordTypes",
    "timezone",
    "viewAttributionWindow",
)

_ROWS: Sequence[ReportType] = (
    _marketing_solutions(
        "mpo-realtime",
        "Marketplace Performance Outcomes, real time: the last 24 hours",
        create=f"{_MPO_STATS}/realtime-reports/export",
        status=f"{_MPO_STATS}/report-jobs/{{reportId}}",
        output=f"{_MPO_STATS}/realtime-reports/{{reportId}}",
        docs="experimental/docs/mpo-real-time-asynchronous-api",
        resource_type="RealTimeProductReportJob",
        required=(),
        optional=(
            "advertiserIds",
            "campaignIds",
            "currency",
            "dimensions",
            "endDate",
            "fileFormat",
            "lookbackWindow",
            "metrics",
            "partnerIds",
            "sellerIds",
            "startDate",
            "timezone",
        ),
        limits=(
            "Allow-listed clients. lookbackWindow (60 to 1440 minutes) or startDate within 24 h; "
            "at most one of productId, hour, minute; an hourly creation quota of its own."
        ),
        retention="about 4 h after Done",
    ),
    _marketing_solutions(
        "mpo-products",
        "Marketplace Performance Outcomes, by product: whole days",
        create=f"{_MPO_STATS}/product-reports/export",
        status=f"{_MPO_STATS}/report-jobs/{{reportId}}",
        output=f"{_MPO_STATS}/product-reports/{{reportId}}",
        docs="experimental/docs/mpo-product-level-reporting-api",
        resource_type="ProductReportJob",
        required=("fileFormat", "advertiserIds", "startDate"),
        optional=("campaignIds", "adSetIds", "dimensions", "metrics", "endDate"),
        limits=(
            "1 to 5 advertiserIds, 10 campaignIds, 10 adSetIds; up to 1 year back and not before 2026-08-28; "
            "today is never included."
        ),
        retention="see expiresAt where given",
    ),
    _marketing_solutions(
        "products",
        "Product performance",
        create="/marketing-solutions/report/products/export",
        status="/marketing-solutions/report-jobs/{reportId}",
        output="/marketing-solutions/report/products/{reportId}",
        docs="experimental/docs/product-performance-report",
        resource_type="GenerateAllProductsReportRequestAttributes",
        required=("advertiserIds", "startDate"),
        optional=(
            "adSetIds",
            "campaignIds",
            "currency",
            "dimensions",
            "endDate",
            "fileFormat",
            "metrics",
            "sellerIds",
            "timezone",
        ),
        limits="5 advertiserIds, 500 campaignIds, 500 sellerIds.",
        retention="not documented",
    ),
    _async_report(
        "statistics",
        "Campaign statistics",
        create="/reports/async-statistics",
        docs="v2026-preview/docs/async-campaign-statistics",
        resource_type="GenerateStatisticsReport",
        required=("advertiserIds", "dimensions", "endDate", "metrics", "startDate"),
        optional=("adSetIds", "adSetNames", "adSetStatus", "currency", "timezone"),
    ),
    _async_report(
        "audience-performance",
        "Audience performance: the top 30 brands or interests",
        create="/reports/async-audience-performance",
        docs="v2026-preview/docs/audience-performance",
        resource_type="GenerateAudiencePerformanceReport",
        required=("advertiserId", "dimension", "endDate", "metrics", "startDate"),
        optional=("adSetIds", "audienceIds", "currency", "segmentsIds", "timezone"),
    ),
    _retail_media_report(
        "rm-performance",
        "Retail Media performance",
        create="performance",
        docs="experimental/docs/performance-report",
        versions=("2026-07", "2027-01"),
        default_version="2026-07",
        required=("dimensions", "endDate", "filters", "metrics", "startDate"),
        optional=(
            "clickAttributionWindow",
            "clickMatchLevel",
            "format",
            "timezone",
            "viewAttributionWindow",
            "viewMatchLevel",
        ),
        limits="At most 100 days, up to 3 years back; one of accountIds, campaignIds, lineItemIds in filters.",
    ),
    _retail_media_report(
        "rm-attributed-transactions",
        "Retail Media attributed transactions",
        create="attributed-transactions",
        docs="docs/dsp-analytics-migration-guide",
        versions=("2026-07", "2027-01"),
        default_version="2026-07",
        required=("dimensions", "endDate", "filters", "metrics", "startDate"),
        optional=(
            "clickAttributionWindow",
            "clickMatchLevel",
            "format",
            "timezone",
            "viewAttributionWindow",
            "viewMatchLevel",
        ),
        limits="At most 100 days, up to 3 years back; one of accountIds, campaignIds, lineItemIds in filters.",
    ),
    _retail_media_report(
        "rm-missed-opportunities",
        "Retail Media missed opportunities",
        create="missed-opportunities",
        docs="docs/demand-side-analytics-overview",
        versions=("2026-07", "2027-01"),
        default_version="2026-07",
        required=("dimensions", "endDate", "filters", "metrics", "startDate"),
        optional=("format",),
        limits="At most 100 days; 5 accountIds, 50 campaignIds or 50 lineItemIds in filters.",
    ),
    _retail_media_report(
        "rm-fillrate",
        "Retail Media fill rate",
        create="fillrate",
        docs="docs/fill-rate-report",
        versions=API_VERSIONS,
        default_version="2026-07",
        required=("dimensions", "endDate", "metrics", "startDate", "supplyAccountIds"),
        optional=("adServerType", "format", "timezone"),
    ),
    _retail_media_report(
        "rm-unfilled-placements",
        "Retail Media unfilled placements",
        create="unfilled-placements",
        docs="docs/fill-rate-report",
        versions=API_VERSIONS,
        default_version="2026-07",
        required=("dimensions", "endDate", "metrics", "startDate", "supplyAccountIds"),
        optional=("adServerType", "campaignType", "format", "timezone"),
    ),
    _retail_media_report(
        "rm-revenue",
        "Retail Media revenue (supply side)",
        create="revenue",
        docs="docs/revenue-report-ssp",
        versions=STABLE_VERSIONS,
        default_version="2026-07",
        required=("endDate", "startDate"),
        optional=(
            "accountIds",
            "activationPlatforms",
            "advertiserTypes",
            "budgetModels",
            "buyType",
            "campaignIds",
            "campaignType",
            "clickAttributionWindow",
            "clickMatchLevel",
            "dimensions",
            "format",
            "id",
            "ids",
            "lineItemIds",
            "mediaType",
            "metrics",
            "reportType",
            "retailerIds",
            "revenueType",
            "salesChannel",
            "skuRelations",
            "soldBy",
            "targetedKeywordTypes",
            "timezone",
            "viewAttributionWindow",
            "viewMatchLevel",
        ),
    ),
    _retail_media_report(
        "rm-campaigns",
        "Retail Media campaigns",
        create="campaigns",
        docs="docs/demand-side-analytics-get-started",
        versions=("2026-01", *_CHANNELS),
        default_version="2026-01",
        required=("endDate", "startDate"),
        optional=("id", "ids", *_CAMPAIGN_OPTIONS),
        formats=("json-compact", "json", "json-newline", "csv"),
        limits="At most 100 days, up to 3 years back; 50 ids.",
    ),
    _retail_media_report(
        "rm-line-items",
        "Retail Media line items",
        create="line-items",
        docs="docs/demand-side-analytics-get-started",
        versions=("2026-01", *_CHANNELS),
        default_version="2026-01",
        required=("endDate", "startDate"),
        optional=("id", "ids", *_CAMPAIGN_OPTIONS),
        formats=("json-compact", "json", "json-newline", "csv"),
        limits="At most 100 days, up to 3 years back; 50 ids.",
    ),
    _retail_media_report(
        "rm-accounts",
        "Retail Media accounts",
        create="accounts",
        docs="docs/account-level-report",
        versions=("2026-01", *_CHANNELS),
        default_version="2026-01",
        required=("accountIds", "endDate", "startDate"),
        optional=("aggregationLevel", *_CAMPAIGN_OPTIONS),
        formats=("json-compact", "json", "json-newline", "csv"),
        limits="At most 31 days, up to 3 years back; 5 accountIds.",
    ),
    _retail_media_report(
        "rm-offsite",
        "Retail Media offsite",
        create="offsite",
        docs="experimental/docs/demand-side-analytics-overview",
        versions=_CHANNELS,
        default_version=PREVIEW_VERSION,
        required=("accountIds", "dimensions", "endDate", "metrics", "startDate"),
        optional=(
            "buyType",
            "campaignIds",
            "campaignType",
            "clickAttributionWindow",
            "creativeIds",
            "format",
            "lineItemIds",
            "mediaType",
            "retailerIds",
            "salesChannel",
            "timezone",
            "viewAttributionWindow",
        ),
        formats=("json-compact", "json", "json-newline", "csv"),
    ),
    _retail_media(
        "rm-partner-billing",
        "Retail Media partner billing",
        create="/billing/partner-report",
        job="/billing/partner-report",
        docs="docs/partner-billing-report",
        versions=STABLE_VERSIONS,
        default_version="2026-07",
        scope="RetailMedia_Billing_Read",
        required=("endDate", "startDate"),
        optional=("accountIds", "format", "retailerIds"),
        formats=("json", "csv"),
        limits="At most 31 days.",
        retention="at least 1 h",
    ),
    _catalog(
        "rm-brand-catalog",
        "Retail Media catalog of a brand",
        create="brand-catalog-export",
        resource_type="BrandCatalogRequest",
        scope="RetailMedia_Campaign_Manage",
        required=(),
        optional=("brandIdFilter", "includeFields", "modifiedAfter", "retailerIdFilter"),
        format_attribute=None,
        formats=("json-newline",),
        limits="modifiedAfter at most 18 h back.",
    ),
    _catalog(
        "rm-seller-catalog",
        "Retail Media catalog of a seller",
        create="seller-catalog-export",
        resource_type="SellerCatalogRequest",
        scope="RetailMedia_Campaign_Manage",
        required=(),
        optional=("includeFields", "modifiedAfter", "sellers"),
        format_attribute=None,
        formats=("json-newline",),
        limits="modifiedAfter at most 18 h back.",
    ),
    _catalog(
        "rm-catalog",
        "Retail Media catalog of an account",
        create="catalogs",
        resource_type="CatalogRequest",
        scope="RetailMedia_Campaign_Read",
        required=(),
        optional=("brandIdFilter", "format"),
        formats=("json-newline",),
    ),
    _catalog(
        "rm-sellers-catalog",
        "Retail Media catalog of an account's sellers",
        create="catalogs/sellers",
        resource_type="SellerCatalogRequest",
        scope="RetailMedia_Campaign_Read",
        required=("sellers",),
        optional=(),
        format_attribute=None,
        formats=("json-newline",),
    ),
    _insight(
        "rm-share-of-voice",
        "Retail Media share of voice",
        create="share-of-voice",
        required=("accountId", "dimensions", "endDate", "metrics", "startDate"),
        optional=(
            "accountIds",
            "activationPlatforms",
            "aggregationLevel",
            "brandIds",
            "budgetModels",
            "campaignType",
            "format",
            "keywords",
            "keywordTypes",
            "retailerIds",
            "servedCategories",
        ),
        limits="At most 100 days.",
    ),
    _insight(
        "rm-digital-shelf-intelligence",
        "Retail Media digital shelf intelligence: whole weeks",
        create="digital-shelf-intelligence",
        required=("accountId", "aggregationLevel", "endDate", "metrics", "startDate"),
        optional=("brandIds", "categories", "format", "retailerIds", "skuIds"),
        limits="At most 100 days; weeks from Monday to Sunday, other dates are shifted with a warning.",
    ),
)

REPORT_TYPES: dict[str, ReportType] = {row.id: row for row in _ROWS}
"""The catalogue, by id. Assign a row of your own to serve an export that Criteo adds."""


def get_report_type(report_type: str) -> ReportType:
    """The row of a report type.

    :raises InvalidInputError: there is no such report type; the message has the nearest and all valid ones.
    """
    row = REPORT_TYPES.get(report_type) if isinstance(report_type, str) else None
    if row is None:
        raise InvalidInputError(
            f"report_type={report_type!r} is not a report type; {choices(report_type, REPORT_TYPES)}"
        )
    return row


def rows() -> Iterator[ReportType]:
    """Every report type of the catalogue."""
    return iter(tuple(REPORT_TYPES.values()))
