"""What a report type is: the fields of a row of the catalogue, and Criteo's API versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from enum import Enum
from types import MappingProxyType
from urllib.parse import quote

from airflow_provider_criteo.api import specification
from airflow_provider_criteo.api.exceptions import InvalidInputError, choices

CURRENT_VERSION = "2026-07"
NEXT_VERSION = "2027-01"
PREVIEW_VERSION = "preview"
EXPERIMENTAL_VERSION = "experimental"
"""The new name of ``preview``: https://developers.criteo.com/marketing-solutions/experimental/docs/introduction-to-experimental"""

CHANNELS = (PREVIEW_VERSION, EXPERIMENTAL_VERSION)
"""The channels in order of preference."""

API_VERSIONS = ("2026-01", CURRENT_VERSION, NEXT_VERSION, *CHANNELS)

VERSION_ENDS: Mapping[str, date] = MappingProxyType(
    {
        # "before the end of 2026": the page that EXPERIMENTAL_VERSION names.
        PREVIEW_VERSION: date(2026, 12, 31),
        # https://developers.criteo.com/criteo-apis/docs/versioning-policy
        "2026-01": date(2027, 1, 27),
    }
)
"""The last day of each API version that Criteo has named one for."""


AT_ROW_CAP = "which is Criteo's cap: it cuts longer reports without a word"


class LostJob(str, Enum):
    """Why a job that an HTTP status speaks of is not there any more."""

    NOT_FOUND = "not found"
    EXPIRED = "expired"


class DateKind(str, Enum):
    """What ``startDate``, ``endDate`` and ``modifiedAfter`` mean."""

    WHOLE_DAYS = "whole days"
    MOMENTS = "moments"
    NOT_DOCUMENTED = "not documented"


@dataclass(frozen=True, eq=False)
class ReportType:
    """One asynchronous export of Criteo's: where it is, what it takes, how its answers read.

    :param id: the name that users give it, e.g. ``"mpo-realtime"``.
    :param title: what it reports, in a few words.
    :param create_path: path of the POST, with ``{version}`` and, for the catalogs, ``{accountId}``.
    :param status_path: path of the status GET, with ``{version}`` and ``{reportId}``.
    :param output_path: path of the download GET, with ``{version}`` and ``{reportId}``.
    :param versions: the API versions that serve it, in order of preference.
    :param scope: the OAuth scope the application needs.
    :param docs_url: the page of Criteo's documentation.
    :param resource_type: ``data.type`` of the create, where Criteo wants one.
    :param lost_job_statuses: HTTP statuses of the status and download calls that speak of a lost job.
    :param dates: whether its dates are whole days, the last one included, or moments.
    :param date_format: how Criteo wants dates: ``"date"`` (YYYY-MM-DD) or ``"date-time"`` (UTC).
    :param format_attribute: the attribute that names the file's format, if there is one.
    :param formats: the file formats Criteo offers, its default first where it is documented.
    :param row_caps: row counts at which Criteo is documented to truncate files silently.
    :param notes: what else there is to know, in words; limits are in ``api.limits``.
    :param retention: how long Criteo keeps the file, in words.
    """

    id: str
    title: str
    create_path: str
    status_path: str
    output_path: str
    versions: tuple[str, ...]
    scope: str
    docs_url: str
    resource_type: str | None = None
    lost_job_statuses: Mapping[int, LostJob] = field(default_factory=dict)
    dates: DateKind = DateKind.WHOLE_DAYS
    date_format: str = "date"
    format_attribute: str | None = "format"
    formats: tuple[str, ...] = ("json", "json-compact", "json-newline", "csv")
    row_caps: tuple[int, ...] = ()
    notes: str = ""
    retention: str = ""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes of a create in the preferred version; none where no specification has it."""
        return tuple(specification.properties(self.attributes_schema()))

    @property
    def required(self) -> tuple[str, ...]:
        """Those that a create must have."""
        return tuple(self.attributes_schema().get("required", ()))

    def attributes_schema(self, version: str | None = None) -> specification.Schema:
        """The schema of a create's attributes in a version, the preferred one where None; empty where none has it."""
        return specification.attributes_schema(self.create_path, version or self.versions[0])

    def is_at_cap(self, rows: int | None) -> bool:
        """Whether that many rows are what is left where Criteo cuts a report without a word."""
        return rows in self.row_caps

    @property
    def needs_account_id(self) -> bool:
        """Whether the create's path names a Retail Media account."""
        return "{accountId}" in self.create_path

    def versions_to_call(self, api_version: str | None = None, today: date | None = None) -> tuple[str, ...]:
        """The API version to call, and those to fall forward to when Criteo has retired it, in order.

        :raises InvalidInputError: this report type is not served by the version that is asked for.
        """
        if api_version and api_version not in self.versions:
            raise InvalidInputError(
                f"api_version={api_version!r} does not serve report type {self.id!r}; "
                + choices(api_version, self.versions)
            )
        return versions_to_call(self.versions, api_version, today)

    def version(self, api_version: str | None = None, today: date | None = None) -> str:
        """The API version to call. See ``versions_to_call``."""
        return self.versions_to_call(api_version, today)[0]

    def create_url(self, version: str, account_id: str | None = None) -> str:
        """The path of the POST in that version."""
        return self.create_path.format(version=version, accountId=_quoted(account_id or ""))

    def status_url(self, version: str, report_id: str) -> str:
        """The path of the status call; the id may hold ``/``, ``+`` and ``=``."""
        return self.status_path.format(version=version, reportId=_quoted(report_id))

    def output_url(self, version: str, report_id: str) -> str:
        """The path of the download."""
        return self.output_path.format(version=version, reportId=_quoted(report_id))


def versions_to_call(
    served: tuple[str, ...], api_version: str | None = None, today: date | None = None
) -> tuple[str, ...]:
    """The API version to call, and those to fall forward to when Criteo has retired it, in order.

    They are those that have not ended; the last where all have. A version that is asked for is the only one, but
    experimental is the new name of preview.

    :param served: by what is called, in order of preference.
    :param today: in UTC; now where None.
    """
    if api_version and api_version != PREVIEW_VERSION:
        return (api_version,)
    today = today or datetime.now(timezone.utc).date()
    asked = (api_version,) if api_version else ()
    following = served[served.index(PREVIEW_VERSION) + 1 :] if asked else served
    running = tuple(version for version in following if today <= VERSION_ENDS.get(version, date.max))
    return (*asked, *running) or served[-1:]


def require_account_id(account_id: object, row: ReportType) -> None:
    """Check that a create has the account its path names.

    :raises InvalidInputError: it is missing, or given to a report type that has none.
    """
    # Dots would be another path, however they are quoted.
    if row.needs_account_id and str(account_id or "").strip() in ("", ".", ".."):
        raise InvalidInputError(
            f"account_id={account_id!r}: report type {row.id!r} needs the id of a Retail Media account, as text"
        )
    if account_id is not None and not row.needs_account_id:
        raise InvalidInputError(
            f"account_id={account_id!r}: report type {row.id!r} takes no account_id; name accounts in attributes"
        )


def require_report_id(report_id: object) -> str:
    """The report id as text.

    :raises InvalidInputError: there is none.
    """
    text = str(report_id).strip() if isinstance(report_id, (str, int)) and not isinstance(report_id, bool) else ""
    # Dots would be another path, however they are quoted.
    if text in ("", "None", "null", ".", ".."):
        raise InvalidInputError(
            f"report_id={report_id!r} is no report id; allowed: the text that the create returned, "
            "e.g. the output of CreateReportJobOperator"
        )
    return text


def _quoted(segment: str) -> str:
    return quote(str(segment), safe="")
