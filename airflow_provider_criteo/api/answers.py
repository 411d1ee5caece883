"""What an answer of Criteo's means: pure functions from a reply to a job or an exception.

The rules per report type are fields of its row; the status table is that of
https://developers.criteo.com/criteo-apis/docs/api-error-codes.
"""

from __future__ import annotations

import re
from enum import Enum

from airflow_provider_criteo.api.jobs import ReportJob, job_in, report_id_in
from airflow_provider_criteo.api.problems import (
    AuthenticationError,
    CriteoApiError,
    CriteoError,
    PermissionDeniedError,
    Problem,
    RateLimitError,
    ReportExpiredError,
    ReportJobFailedError,
    ReportJobNotFoundError,
    ReportNotReadyError,
    TransientError,
    ValidationError,
    VersionRetiredError,
)
from airflow_provider_criteo.api.reports import JobState, LostJob, ReportType
from airflow_provider_criteo.api.transport import Answer

_JOB_CODE = re.compile(
    r"^(?:export|report|insight|catalog|request|job)s?(?:already|is|was)*"
    r"(?P<end>notfound|expired|failed|failure|invalidated|notready|pending|lost)$"
)
_RETIRED_CODES = frozenset({"endpointdeprecated", "versiondeprecated", "versionnotsupported", "versionretired"})


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
