"""What an answer of Criteo's means: pure functions from a reply to a job or an exception.

The rules per report type are fields of its row; the status table is that of
https://developers.criteo.com/criteo-apis/docs/api-error-codes.
"""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from airflow_provider_criteo.api.exceptions import (
    AuthenticationError,
    CriteoApiError,
    CriteoError,
    PermissionDeniedError,
    RateLimitError,
    ReportExpiredError,
    ReportJobFailedError,
    ReportJobNotFoundError,
    ReportNotReadyError,
    TransientError,
    ValidationError,
    VersionRetiredError,
)
from airflow_provider_criteo.api.models import (
    JobState,
    Problem,
    RateLimit,
    ReportJob,
    moment,
    one_line,
    problems_from_json,
)
from airflow_provider_criteo.api.quota import rate_limit_of
from airflow_provider_criteo.api.reports import LostJob, ReportType

_JOB_CODE = re.compile(
    r"^(?:export|report|insight|catalog|request|job)s?(?:already|is|was)*"
    r"(?P<end>notfound|expired|failed|failure|invalidated|notready|pending|lost)$"
)
_RETIRED_CODES = frozenset({"endpointdeprecated", "versiondeprecated", "versionnotsupported", "versionretired"})


_ROWS_IN_MESSAGE = re.compile(r"\brows?_?count\s*=\s*([0-9]{1,18})\b", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[0-9]{1,18}\s*")
_LONGEST_MESSAGE = 4_000
_LONGEST_STATUS = 100

Redact = Callable[[str], str]


def unredacted(text: str) -> str:
    """The text as it is, where there are no secrets."""
    return text


def redacted(value: Any, redact: Redact) -> Any:
    """A JSON value with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(key): redacted(item, redact) for key, item in value.items()}
    if isinstance(value, list):
        return [redacted(item, redact) for item in value]
    return value


@dataclass(frozen=True)
class Answer:
    """A reply, read whole.

    :param status_code: the HTTP status.
    :param headers: by case-insensitive name.
    :param body: at most 32 MiB.
    :param redact: takes secrets out of text, in case the server echoes one.
    """

    status_code: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    redact: Redact = field(default=unredacted, repr=False)

    @cached_property
    def json(self) -> Any:
        """The body as JSON, as it came; None where it is none."""
        try:
            return jsonlib.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def is_markup(self) -> bool:
        """Whether this is a page, and so a gateway's answer and not the API's."""
        return self.body.lstrip()[:1] == b"<"

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """The reply's ``errors``, without secrets."""
        return self._problems_at("errors")

    @cached_property
    def warnings(self) -> tuple[Problem, ...]:
        """The reply's ``warnings``, without secrets."""
        return self._problems_at("warnings")

    def _problems_at(self, name: str) -> tuple[Problem, ...]:
        found = self.json.get(name) if isinstance(self.json, dict) else None
        return problems_from_json(redacted(found, self.redact))

    @property
    def rate_limit(self) -> RateLimit:
        """What the headers tell of the quota."""
        return rate_limit_of(self.headers)


class Call(str, Enum):
    """The three calls of an export."""

    CREATE = "create"
    STATUS = "status"
    DOWNLOAD = "download"


def job_code(problems: tuple[Problem, ...]) -> str | None:
    """What the problems' codes say of the job itself: ``notfound``, ``expired``, ``notready`` ...

    Criteo spells codes with more and with fewer hyphens (``export-alreadyexpired``, ``export-already-expired``).
    """
    for problem in problems:
        found = _JOB_CODE.match(re.sub(r"[^a-z]", "", problem.code.lower()))
        if found:
            return found.group("end")
    return None


def speaks_of_the_job(answer: Answer) -> bool:
    """Whether the answer is about the job, so that the route itself is in service."""
    return job_code(answer.problems) is not None


def created_job(answer: Answer, row: ReportType, request: str) -> ReportJob:
    """The job that a create's answer speaks of.

    :raises CriteoError: what the answer means instead.
    """
    _require_success(answer, Call.CREATE, row, "", request)
    report_id = report_id_in(answer.json, row)
    if answer.problems:
        raise error_in_envelope(answer, f"{request} (report job {report_id})" if report_id else request)
    if report_id is None:
        raise TransientError(
            answer.status_code,
            (),
            request,
            reason="the reply names no report job" if answer.json is not None else "the reply is no JSON",
            advice=MAY_EXIST,
        )
    job = _job_in(answer, row, report_id)
    _refuse_bad_end(job, answer, request)
    return job


def described_job(answer: Answer, row: ReportType, report_id: str, request: str) -> ReportJob:
    """The job as a status call's answer describes it, whatever its state.

    :raises CriteoError: what the answer means instead.
    """
    _require_success(answer, Call.STATUS, row, report_id, request)
    if not isinstance(answer.json, dict):
        raise TransientError(answer.status_code, (), request, reason="the reply is no JSON object")
    job = _job_in(answer, row, report_id)
    if answer.problems and job.state in (JobState.UNKNOWN, JobState.DONE):
        raise _ended(job, answer, row, request) or error_in_envelope(answer, request)
    return job


def _job_in(answer: Answer, row: ReportType, report_id: str) -> ReportJob:
    return job_in(answer.json, row, report_id, answer.problems, answer.warnings, answer.redact)


def error_for(answer: Answer, call: Call, row: ReportType, report_id: str, request: str) -> CriteoError:
    """The exception that an answer other than success means."""
    status, problems = answer.status_code, answer.problems
    job = ReportJob(report_id, row.id, str(status), JobState.UNKNOWN, problems=problems)
    speaks_for_itself = status >= 500 or status in (401, 429)
    end = None if call is Call.CREATE or speaks_for_itself else _ended(job, answer, row, request)
    if end is not None:
        return end
    if status == 401:
        return AuthenticationError(status, problems, request, reason="Criteo accepts no token of this application")
    if status == 429:
        return RateLimitError.from_rate(answer.rate_limit, problems, request)
    if call is Call.CREATE and status in (404, 410):
        return _retired(row, answer, request)
    if call is not Call.CREATE and status < 400 and status in row.lost_job_statuses:
        return _lost(row.lost_job_statuses[status], job, status, request)
    if status >= 500 or status in (407, 408, 425) or answer.is_markup or status < 400:
        return TransientError(status, problems, request, reason=_reason_of_fault(answer), sent=status not in (408, 503))
    if status == 403:
        return PermissionDeniedError(status, problems, request, reason="the application may not do this")
    if status in row.lost_job_statuses and not answer_codes(problems) & _RETIRED_CODES:
        return _lost(row.lost_job_statuses[status], job, status, request)
    if status in (404, 410):
        return _retired(row, answer, request)
    return ValidationError(status, problems, request, reason="Criteo does not accept the request")


def error_in_envelope(answer: Answer, request: str) -> CriteoApiError:
    """The exception for ``errors`` in a reply whose HTTP status says success."""
    problems = answer.problems
    kinds = {problem.type for problem in problems}
    reason = "the reply carries errors"
    if kinds & {"authentication"}:
        return AuthenticationError(answer.status_code, problems, request, reason=reason)
    if kinds & {"access-control", "authorization"}:
        return PermissionDeniedError(answer.status_code, problems, request, reason=reason)
    if kinds & {"quota"}:
        return RateLimitError.from_rate(answer.rate_limit, problems, request)
    if kinds & {"availability", "unknown"}:
        return TransientError(answer.status_code, problems, request, reason=reason)
    return ValidationError(answer.status_code, problems, request, reason=reason)


MAY_EXIST = (
    "a report job may exist at Criteo; creating it again is safe, as Criteo returns the same job for the same "
    "request for a while."
)


def answer_codes(problems: tuple[Problem, ...]) -> frozenset[str]:
    """The problems' codes, letters alone."""
    return frozenset(re.sub(r"[^a-z]", "", problem.code.lower()) for problem in problems)


def _require_success(answer: Answer, call: Call, row: ReportType, report_id: str, request: str) -> None:
    if not 200 <= answer.status_code < 300 or answer.status_code in row.lost_job_statuses:
        raise error_for(answer, call, row, report_id, request)


def _refuse_bad_end(job: ReportJob, answer: Answer, request: str) -> None:
    if job.state is JobState.FAILED:
        raise ReportJobFailedError(job)
    if job.state is JobState.EXPIRED:
        raise ReportExpiredError(job, answer.status_code, request)


def _ended(job: ReportJob, answer: Answer, row: ReportType, request: str) -> CriteoError | None:
    """What the codes say has become of the job; None where they do not speak of it."""
    end = job_code(answer.problems)
    status = answer.status_code
    word = next((problem.code for problem in answer.problems if job_code((problem,))), job.status)
    if end == "notfound":
        return ReportJobNotFoundError(status, answer.problems, request, reason="Criteo does not know this job")
    if end in ("expired", "lost"):
        return ReportExpiredError(job.with_status(JobState.EXPIRED, word), status, request)
    if end in ("failed", "failure", "invalidated"):
        return ReportJobFailedError(job.with_status(JobState.FAILED, word))
    if end in ("notready", "pending"):
        return ReportNotReadyError(status, answer.problems, request, reason="the report is not ready")
    return None


def _lost(lost: LostJob, job: ReportJob, status: int, request: str) -> CriteoError:
    if lost is LostJob.EXPIRED:
        return ReportExpiredError(job.with_status(JobState.EXPIRED, f"expired (HTTP {status})"), status, request)
    return ReportJobNotFoundError(status, job.problems, request, reason="Criteo does not know this job")


def _retired(row: ReportType, answer: Answer, request: str) -> VersionRetiredError:
    return VersionRetiredError(
        answer.status_code,
        answer.problems,
        request,
        reason="Criteo does not serve this route",
        advice=(
            f"set api_version, on the connection or the operator, to another version that serves {row.id}: "
            f"{', '.join(row.versions)}"
            + (" - or mend account_id, which is part of the path." if row.needs_account_id else ".")
        ),
    )


def _reason_of_fault(answer: Answer) -> str:
    if answer.is_markup:
        return "the reply is a web page, not Criteo's API"
    if answer.status_code < 400:
        return "the reply is not what was asked for"
    return "a passing fault"


def report_id_in(reply: object, row: ReportType) -> str | None:
    """The job's id in a reply, wherever its family or its documentation puts it."""
    for path in row.id_fields:
        value = reply
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
            return one_line(str(value))
    return None


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}..."


def job_in(
    reply: object,
    row: ReportType,
    report_id: str,
    problems: tuple[Problem, ...] = (),
    warnings: tuple[Problem, ...] = (),
    redact: Callable[[str], str] = str,
) -> ReportJob:
    """Read the job out of a create's or status call's JSON reply.

    A status that is missing, null or no text is ``UNKNOWN``, and so is a word that the row does not have.
    """
    attributes = _attributes(reply)
    word = attributes.get("status")
    status = one_line(word) if isinstance(word, str) else ""
    message = next((str(attributes[name]) for name in row.message_fields if attributes.get(name)), "")
    return ReportJob(
        report_id=report_id,
        report_type=row.id,
        # Cut after it is redacted: a part of a secret is not recognized.
        status=_cut(redact(status), _LONGEST_STATUS) or "(no status)",
        state=row.state(status),
        message=_cut(redact(one_line(message)), _LONGEST_MESSAGE),
        problems=problems,
        warnings=warnings,
        row_count=_first_count(attributes.get("rowCount"), _rows_in(message)),
        size_bytes=_count(attributes.get("fileSizeBytes")),
        md5=_checksum(attributes.get("md5CheckSum") or attributes.get("md5Checksum")),
        created_at=moment(attributes.get("createdAt")),
        expires_at=moment(attributes.get("expiresAt")),
    )


def _attributes(reply: object) -> Mapping[str, Any]:
    data = reply.get("data") if isinstance(reply, Mapping) else None
    attributes = data.get("attributes") if isinstance(data, Mapping) else None
    if isinstance(attributes, Mapping):
        return attributes
    return reply if isinstance(reply, Mapping) and "data" not in reply else {}


def _rows_in(message: str) -> int | None:
    found = _ROWS_IN_MESSAGE.search(message)
    return int(found.group(1)) if found else None


def _first_count(*counts: object) -> int | None:
    return next((count for count in map(_count, counts) if count is not None), None)


def _count(value: object) -> int | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _checksum(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
