"""What of the sandbox can be set, and to what it is set where nobody did."""

from __future__ import annotations

from dataclasses import field, fields, replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(strict=True)
Problems = list[dict[str, Any]]
IdLocation = Literal["data.attributes.exportId", "data.attributes.reportId", "data.id", "exportId", "reportId"]
JsonShape = Literal["columns", "metadata", "wrapped", "resource", "array", "lines", "pretty"]


@dataclass(frozen=True, config=_STRICT)
class JobSettings:
    """Settings of a report job; ``configure`` sets them for all jobs to come, ``next_job`` for one.

    :param pending_seconds: seconds until a job ends; a pair for a random time between the two.
    :param outcome: how it ends. ``Done``, ``Failure``, ``Expired``, ``Unknown`` and ``Invalidated`` are translated
        into the report type's own word; every other spelling is sent as it stands.
    :param pending_word: the word of a job that has not ended, sent as it stands; None for the report type's own.
    :param message: of the ended job; None for what Criteo's samples show.
    :param problems: ``errors`` of a job that ended badly; None for ``"errors": null``.
    :param warnings: ``warnings`` in every answer about the job.
    :param done_at_creation: the POST already answers with the end.
    :param casing: of status words: ``"spec"``, ``"lower"``, ``"upper"``.
    :param id_location: where the id stands: ``"data.attributes.exportId"``, ``"data.attributes.reportId"``,
        ``"exportId"``, ``"reportId"``, ``"data.id"``; None for the report type's own place.
    :param create_status: HTTP status of a create; None for the specification's.
    :param bare_status: the status answer has no counts, sizes, checksums and times, whatever the report type.
    :param md5: ``"right"``, ``"wrong"`` or ``"absent"``.
    :param md5_spelling: ``"md5CheckSum"`` or ``"md5Checksum"``; None for the report type's own.
    :param file_rows: rows of the file; None for one of each day and of each id asked for, and ten others.
    :param file_bytes: make the file at least that long, in whole rows; wins over ``file_rows``.
    :param json_shape: ``"columns"``, ``"metadata"``, ``"wrapped"``, ``"resource"``, ``"array"``,
        ``"lines"`` or ``"pretty"`` (objects over several lines); None for the report type's own.
    :param csv_content_type: of CSV files; None for the report type's own.
    :param retention_seconds: how long the file stays after the end; None for the documented time.
    """

    pending_seconds: float | Annotated[tuple[float, float], Field(strict=False)] = 1.0
    outcome: str = "Done"
    pending_word: str | None = None
    message: str | None = None
    problems: Problems | None = field(default_factory=list)
    warnings: Problems | None = field(default_factory=list)
    done_at_creation: bool = False
    casing: Literal["spec", "lower", "upper"] = "spec"
    id_location: IdLocation | None = None
    create_status: int | None = None
    bare_status: bool = False
    md5: Literal["right", "wrong", "absent"] = "right"
    md5_spelling: Literal["md5CheckSum", "md5Checksum"] | None = None
    file_rows: int | None = None
    file_bytes: int | None = None
    json_shape: JsonShape | None = None
    csv_content_type: str | None = None
    retention_seconds: float | None = None


@dataclass(frozen=True, config=_STRICT)
class Settings(JobSettings):
    """All settings of the sandbox.

    :param cache: the same request within an hour gives the same job.
    :param rate_limit: report calls per window and application (client credentials); None for no limit.
    :param rate_limit_per_account: report calls per window and consented account (refresh token).
    :param rate_window: seconds.
    :param rate_headers: ``x-ratelimit-*`` on 429 alone (``"limited"``, as documented), ``"always"`` or ``"never"``.
    :param retry_after: send ``Retry-After`` with a 429, too.
    :param create_limit_per_hour: creates per hour and report type, on top; None for no limit.
    :param expires_in: lifetime of an access token, seconds, as the token answer tells it.
    :param token_lifetime: its real lifetime, seconds; None for ``expires_in``.
    :param rotate_refresh_token: each use of a refresh token gives a new one and ends the old one.
    :param invalid_client_status: HTTP status of a wrong client id or secret.
    :param clients: more applications: client id to secret.
    :param consent: whether an account user has approved the application.
    :param scopes: the application's scopes; None for all.
    :param row_cap: rows at which a file is cut off without a word.
    :param advertiser_ids: the advertisers it may read; None for all.
    :param account_ids: the Retail Media accounts it may read; None for all.
    :param retired_versions: API versions that are gone.
    :param lost_status: HTTP status for a job that is not there; None for the report type's own.
    :param expired_status: HTTP status for an expired file; None for the report type's own.
    :param gzip: compress files for clients that accept it.
    :param deprecation: value of a ``Deprecation`` header on every API answer.
    :param sunset: value of a ``Sunset`` header on every API answer.
    :param seed: of the random choices: ``pending_seconds`` pairs and fault probabilities.
    """

    cache: bool = True
    rate_limit: int | None = 40
    rate_limit_per_account: int | None = 10
    rate_window: float = 60.0
    rate_headers: Literal["limited", "always", "never"] = "limited"
    retry_after: bool = False
    create_limit_per_hour: int | None = None
    expires_in: float = 900
    token_lifetime: float | None = None
    rotate_refresh_token: bool = False
    invalid_client_status: int = 401
    clients: dict[str, str] = field(default_factory=dict)
    consent: bool = True
    scopes: list[str] | None = None
    row_cap: int = 100_000
    advertiser_ids: list[str] | None = None
    account_ids: list[str] | None = None
    retired_versions: list[str] = field(default_factory=list)
    lost_status: int | None = None
    expired_status: int | None = None
    gzip: bool = False
    deprecation: str | None = None
    sunset: str | None = None
    seed: int = 0


JOB_SETTINGS = tuple(setting.name for setting in fields(JobSettings))
SETTINGS = tuple(setting.name for setting in fields(Settings))


def changed(settings: Settings, changes: dict[str, Any], allowed: tuple[str, ...] = SETTINGS) -> Settings:
    """Settings with changes.

    :raises ValueError: a setting is unknown or its value is not one of its choices; the message has the valid ones.
    """
    for name in changes:
        if name not in allowed:
            raise ValueError(f"{name!r} is not a setting; valid: {', '.join(allowed)}")
    try:
        return replace(settings, **changes)
    except ValidationError as error:
        wrong = (f"{found['loc'][0]}={found['input']!r}: {found['msg']}" for found in error.errors())
        raise ValueError("; ".join(wrong)) from None
