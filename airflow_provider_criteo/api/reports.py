"""The catalogue of Criteo's asynchronous report exports: one row of data per report type.

Everything that depends on a report type is a field of its row, or stands in Criteo's specification of it
(``api.specification``); no other module names a report type. A new report type is a new row.

Sources: Criteo's OpenAPI specifications of each version, and the pages that each row's ``docs_url`` names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from airflow_provider_criteo.api.exceptions import InvalidInputError, choices
from airflow_provider_criteo.api.report_type import (
    CHANNELS,
    CURRENT_VERSION,
    EXPERIMENTAL_VERSION,
    NEXT_VERSION,
    PREVIEW_VERSION,
    DateKind,
    LostJob,
    ReportType,
)

__all__ = (
    "DEFAULT_REPORT_TYPE",
    "DOCS",
    "REPORT_TYPES",
    "ReportType",
    "get_report_type",
    "rows",
)

DEFAULT_REPORT_TYPE = "mpo-realtime"

DOCS = "https://developers.criteo.com"
_STABLE = (CURRENT_VERSION, NEXT_VERSION, "2026-01")
_COMPACT_FIRST = ("json-compact", "json", "json-newline", "csv")
_MPO_STATS = "/{version}/marketing-solutions/marketplace-performance-outcomes/stats"

_MPO = ReportType(
    id="",
    title="",
    create_path="",
    status_path=f"{_MPO_STATS}/report-jobs/{{reportId}}",
    output_path="",
    versions=CHANNELS,
    scope="MarketingSolutions_Analytics_Read",
    docs_url="",
    date_format="date-time",
    format_attribute="fileFormat",
    formats=("csv", "json"),
)
_STATISTICS = replace(
    _MPO,
    status_path="/{version}/reports/{reportId}/status",
    output_path="/{version}/reports/{reportId}/output",
    lost_job_statuses={404: LostJob.NOT_FOUND, 410: LostJob.EXPIRED},
    format_attribute=None,
    formats=("json",),
    retention="cached at least 1 h",
)
_RETAIL_MEDIA = ReportType(
    id="",
    title="",
    create_path="",
    status_path="/{version}/retail-media/reports/{reportId}/status",
    output_path="/{version}/retail-media/reports/{reportId}/output",
    versions=_STABLE,
    scope="RetailMedia_Analytics_Read",
    docs_url="",
    lost_job_statuses={404: LostJob.NOT_FOUND, 410: LostJob.EXPIRED},
    row_caps=(100_000, 10_000_000),
    retention="72 h, or at least 1 h and see expiresAt",
)
_FILTERED = replace(
    _RETAIL_MEDIA,
    versions=(CURRENT_VERSION, NEXT_VERSION),
    formats=_COMPACT_FIRST,
    notes="One of accountIds, campaignIds, lineItemIds in filters.",
)
_SUPPLY_SIDE = replace(
    _RETAIL_MEDIA,
    versions=(*_STABLE, EXPERIMENTAL_VERSION, PREVIEW_VERSION),
    docs_url=f"{DOCS}/retail-media/docs/fill-rate-report",
)
_CAMPAIGNS = replace(
    _RETAIL_MEDIA,
    versions=("2026-01", *CHANNELS),
    docs_url=f"{DOCS}/retail-media/docs/demand-side-analytics-get-started",
    formats=_COMPACT_FIRST,
)
_CATALOG = replace(
    _RETAIL_MEDIA,
    status_path="/{version}/retail-media/catalogs/{reportId}/status",
    output_path="/{version}/retail-media/catalogs/{reportId}/output",
    scope="RetailMedia_Campaign_Read",
    docs_url=f"{DOCS}/retail-media/docs/catalog-endpoints",
    lost_job_statuses={204: LostJob.EXPIRED, 404: LostJob.NOT_FOUND, 410: LostJob.EXPIRED},
    dates=DateKind.MOMENTS,
    date_format="date-time",
    format_attribute=None,
    formats=("json-newline",),
    row_caps=(),
    retention="typically 72 h; the same request is cached 1 h",
)
_MODIFIED_CATALOG = replace(_CATALOG, scope="RetailMedia_Campaign_Manage")
_INSIGHT = replace(
    _RETAIL_MEDIA,
    status_path="/{version}/retail-media/insights/{reportId}/status",
    output_path="/{version}/retail-media/insights/{reportId}/output",
    versions=CHANNELS,
    formats=_COMPACT_FIRST,
    row_caps=(),
    retention="see expiresAt (samples: 7 days)",
)

_ROWS = (
    replace(
        _MPO,
        id="mpo-realtime",
        title="A marketplace's last 24 hours: clicks, displays, cost by seller, and product or minute; not for billing",
        create_path=f"{_MPO_STATS}/realtime-reports/export",
        output_path=f"{_MPO_STATS}/realtime-reports/{{reportId}}",
        docs_url=f"{DOCS}/marketing-solutions/experimental/docs/mpo-real-time-asynchronous-api",
        resource_type="RealTimeProductReportJob",
        dates=DateKind.MOMENTS,
        notes=(
            "Allow-listed clients. lookbackWindow or startDate; at most one of productId, hour, minute; an hourly creation "
            "quota of its own."
        ),
        retention="about 4 h after Done",
    ),
    replace(
        _MPO,
        id="mpo-products",
        title="A marketplace's clicks, impressions and cost by ad set, seller and product; no column tells the day",
        create_path=f"{_MPO_STATS}/product-reports/export",
        output_path=f"{_MPO_STATS}/product-reports/{{reportId}}",
        docs_url=f"{DOCS}/marketing-solutions/experimental/docs/mpo-product-level-reporting-api",
        resource_type="ProductReportJob",
        # The end defaults to "the last complete day"; whether an end of midnight includes its day is nowhere.
        dates=DateKind.NOT_DOCUMENTED,
        retention="see expiresAt where given",
    ),
    replace(
        _MPO,
        id="products",
        title="Clicks, displays, visits, sales, revenue, cost by ad set and product; no column tells the day",
        create_path="/{version}/marketing-solutions/report/products/export",
        # Another status call than that of the two above.
        status_path="/{version}/marketing-solutions/report-jobs/{reportId}",
        output_path="/{version}/marketing-solutions/report/products/{reportId}",
        docs_url=f"{DOCS}/marketing-solutions/experimental/docs/product-performance-report",
        resource_type="GenerateAllProductsReportRequestAttributes",
        dates=DateKind.MOMENTS,
        retention="not documented",
    ),
    replace(
        _STATISTICS,
        id="statistics",
        title="Displays, clicks, cost, visits and sales by campaign, ad set, ad, device, country; by hour to year",
        create_path="/{version}/reports/async-statistics",
        docs_url=f"{DOCS}/marketing-solutions/v2026-preview/docs/async-campaign-statistics",
        resource_type="GenerateStatisticsReport",
    ),
    replace(
        _STATISTICS,
        id="audience-performance",
        title="One advertiser's top 30 brands or interests: exposed users, displays, clicks, visits, sales of each",
        create_path="/{version}/reports/async-audience-performance",
        docs_url=f"{DOCS}/marketing-solutions/v2026-preview/docs/audience-performance",
        resource_type="GenerateAudiencePerformanceReport",
    ),
    replace(
        _FILTERED,
        id="rm-performance",
        title="Impressions, clicks, spend, sales by campaign, line item, product, keyword, creative; by day or hour",
        create_path="/{version}/retail-media/reports/performance",
        docs_url=f"{DOCS}/retail-media/experimental/docs/performance-report",
    ),
    replace(
        _FILTERED,
        id="rm-attributed-transactions",
        title="What was bought after an ad: sales and units by purchased and by advertised product",
        create_path="/{version}/retail-media/reports/attributed-transactions",
        docs_url=f"{DOCS}/retail-media/docs/dsp-analytics-migration-guide",
    ),
    replace(
        _FILTERED,
        id="rm-missed-opportunities",
        title="Spend, clicks and sales that campaigns and line items missed, beside those they had, by day",
        create_path="/{version}/retail-media/reports/missed-opportunities",
        docs_url=f"{DOCS}/retail-media/docs/demand-side-analytics-overview",
    ),
    replace(
        _SUPPLY_SIDE,
        id="rm-fillrate",
        title="For retailers: placements available, filled, unfilled; clicks, revenue by placement, category and day",
        create_path="/{version}/retail-media/reports/fillrate",
    ),
    replace(
        _SUPPLY_SIDE,
        id="rm-unfilled-placements",
        title="For retailers: placements that stayed unfilled, and why, by placement, category and day",
        create_path="/{version}/retail-media/reports/unfilled-placements",
    ),
    replace(
        _RETAIL_MEDIA,
        id="rm-revenue",
        title="For retailers: revenue, clicks, sales by account, campaign, placement, product; by day or hour",
        create_path="/{version}/retail-media/reports/revenue",
        docs_url=f"{DOCS}/retail-media/docs/revenue-report-ssp",
    ),
    replace(
        _CAMPAIGNS,
        id="rm-campaigns",
        title="Impressions, clicks, spend and sales of up to 50 campaigns",
        create_path="/{version}/retail-media/reports/campaigns",
    ),
    replace(
        _CAMPAIGNS,
        id="rm-line-items",
        title="Impressions, clicks, spend and sales of up to 50 line items",
        create_path="/{version}/retail-media/reports/line-items",
    ),
    replace(
        _CAMPAIGNS,
        id="rm-accounts",
        title="Impressions, clicks, spend and sales of up to 5 accounts",
        create_path="/{version}/retail-media/reports/accounts",
        docs_url=f"{DOCS}/retail-media/docs/account-level-report",
    ),
    replace(
        _RETAIL_MEDIA,
        id="rm-offsite",
        title="Ads on publishers' sites: impressions, visits, spend, sales by line item and publisher; by day or hour",
        create_path="/{version}/retail-media/reports/offsite",
        versions=CHANNELS,
        docs_url=f"{DOCS}/retail-media/experimental/docs/demand-side-analytics-overview",
        formats=_COMPACT_FIRST,
    ),
    replace(
        _RETAIL_MEDIA,
        id="rm-partner-billing",
        title="For retailers' invoices: media spend and each fee by account, campaign and line item, of a month",
        create_path="/{version}/retail-media/billing/partner-report",
        status_path="/{version}/retail-media/billing/partner-report/{reportId}/status",
        output_path="/{version}/retail-media/billing/partner-report/{reportId}/output",
        scope="RetailMedia_Billing_Read",
        docs_url=f"{DOCS}/retail-media/docs/partner-billing-report",
        formats=("json", "csv"),
        row_caps=(),
        retention="at least 1 h",
    ),
    replace(
        _MODIFIED_CATALOG,
        id="rm-brand-catalog",
        title="A brand's products with price and stock: all, or changes of the last 18 hours; needs the scope to manage",
        create_path="/{version}/retail-media/accounts/{accountId}/brand-catalog-export",
        resource_type="BrandCatalogRequest",
    ),
    replace(
        _MODIFIED_CATALOG,
        id="rm-seller-catalog",
        title="A seller's products with price and stock: all, or changes of the last 18 hours; needs the scope to manage",
        create_path="/{version}/retail-media/accounts/{accountId}/seller-catalog-export",
        resource_type="SellerCatalogRequest",
    ),
    replace(
        _CATALOG,
        id="rm-catalog",
        title="An account's products with price and stock, by brand; the scope to read is enough",
        create_path="/{version}/retail-media/accounts/{accountId}/catalogs",
        resource_type="CatalogRequest",
        format_attribute="format",
    ),
    replace(
        _CATALOG,
        id="rm-sellers-catalog",
        title="An account's products with price and stock, by seller; the scope to read is enough",
        create_path="/{version}/retail-media/accounts/{accountId}/catalogs/sellers",
        resource_type="SellerCatalogRequest",
    ),
    replace(
        _INSIGHT,
        id="rm-share-of-voice",
        title="A brand's share of impressions and clicks in a category or for a keyword; by day to year",
        create_path="/{version}/retail-media/insights/share-of-voice",
        docs_url=f"{DOCS}/retail-media/experimental/docs/share-of-voice",
    ),
    replace(
        _INSIGHT,
        id="rm-digital-shelf-intelligence",
        title="Page views, sales, price and rank of brands or products at a retailer; by whole weeks",
        create_path="/{version}/retail-media/insights/digital-shelf-intelligence",
        docs_url=f"{DOCS}/retail-media/experimental/docs/digital-shelf-intelligence",
        notes="Weeks from Monday to Sunday; other dates are shifted with a warning.",
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
