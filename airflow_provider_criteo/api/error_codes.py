"""What an answer means as an error: the table of HTTP statuses, problem types and codes.

Source: https://developers.criteo.com/criteo-apis/docs/api-error-codes; what differs by report type is a field of its row.
"""

from __future__ import annotations

import re

from airflow_provider_criteo.api.answers import Answer
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
from airflow_provider_criteo.api.models import JobState, Problem, ReportJob
from airflow_provider_criteo.api.report_type import LostJob, ReportType

_JOB_CODE = re.compile(
    r"^(?:export|report|insight|catalog|request|job)s?(?:already|is|was)*"
    r"(?P<end>notfound|expired|failed|failure|invalidated|notready|pending|lost)$"
)
_RETIRED_CODES = frozenset({"endpointdeprecated", "versiondeprecated", "versionnotsupported", "versionretired"})
_PASSING_STATUSES = frozenset({407, 408, 425})


# Every call


def error_of_status(answer: Answer) -> CriteoApiError | None:
    """The error of a status that means the same for every call, that for a token included; None for all others."""
    status, told, problems = answer.meant_status, answer.status_code, answer.problems
    if status == 401:
        reason = "Criteo accepts no token of this application"
        return AuthenticationError(told, problems, answer.request, reason=reason)
    if status == 403 and answer.is_success:
        return PermissionDeniedError(told, problems, answer.request, reason="the reply carries errors")
    if status == 429:
        return RateLimitError.from_rate(answer.rate_limit, problems, answer.request, status_code=told)
    if status >= 500 or status in _PASSING_STATUSES:
        return TransientError(
            told,
            problems,
            answer.request,
            reason=_reason_of_fault(answer),
            # A service that says that it is not available has not taken the request; what a gateway says so of may have.
            sent=status != 503 or (told >= 400 and told != 503),
            retry_after=answer.rate_limit.reset_in,
        )
    return None


def error_in_success(answer: Answer) -> CriteoApiError:
    """The exception for ``errors`` in a reply whose HTTP status says success."""
    return error_of_status(answer) or ValidationError(
        answer.status_code, answer.problems, answer.request, reason="the reply carries errors"
    )


def error_of_list(answer: Answer) -> CriteoError:
    """The exception that the answer to a call means that is not about a report."""
    if answer.is_success:
        return error_in_success(answer)
    if answer.meant_status in (404, 410) and not answer.is_markup:
        reason = "Criteo does not serve this route"
        return VersionRetiredError(answer.status_code, answer.problems, answer.request, reason=reason)
    return error_of_status(answer) or _refusal(answer)


def _refusal(answer: Answer) -> CriteoApiError:
    told, problems = answer.status_code, answer.problems
    if answer.is_markup or told < 400:
        return TransientError(told, problems, answer.request, reason=_reason_of_fault(answer))
    if told == 403:
        return PermissionDeniedError(told, problems, answer.request, reason="the application may not do this")
    return ValidationError(told, problems, answer.request, reason="Criteo does not accept the request")


def _reason_of_fault(answer: Answer) -> str:
    if answer.is_markup:
        return "the reply is a web page, not Criteo's API"
    if answer.is_success and answer.problems:
        return "the reply carries errors"
    return "the reply is not what was asked for" if answer.status_code < 400 else "a passing fault"


# The calls about a report


def error_for(answer: Answer, row: ReportType, report_id: str = "") -> CriteoError:
    """The exception that an answer other than success means.

    :param report_id: of the job that was asked for; none for a create.
    """
    status, problems = answer.meant_status, answer.problems
    job = ReportJob(report_id, row.id, str(status), JobState.UNKNOWN, problems=problems)
    speaks_for_itself = status >= 500 or status in (401, 429)
    told = error_of_job_code(job, answer) if report_id and not speaks_for_itself else None
    general = told or error_of_status(answer)
    if general is not None:
        return general
    if answer.is_markup and (report_id or not is_retired_route(answer)):
        return _refusal(answer)
    if report_id and status in row.lost_job_statuses and not _names_retirement(problems):
        return _lost(row.lost_job_statuses[status], job, answer.request)
    return _retired(row, answer) if status in (404, 410) else _refusal(answer)


def error_of_job_code(job: ReportJob, answer: Answer) -> CriteoError | None:
    """What the codes say has become of the job; None where they do not speak of it."""
    end = job_code(answer.problems)
    status = answer.status_code
    word = next((problem.code for problem in answer.problems if job_code((problem,))), job.status)
    if end == "notfound":
        return _not_found(job, status, answer.request)
    if end in ("expired", "lost"):
        return ReportExpiredError(job.with_status(JobState.EXPIRED, word), status, answer.request)
    if end in ("failed", "failure", "invalidated"):
        return ReportJobFailedError(job.with_status(JobState.FAILED, word))
    if end in ("notready", "pending"):
        return ReportNotReadyError(status, answer.problems, answer.request, reason="the report is not ready")
    return None


def job_code(problems: tuple[Problem, ...]) -> str | None:
    """What the problems' codes say of the job itself: ``notfound``, ``expired``, ``notready`` ...

    Criteo spells codes with more and with fewer hyphens (``export-alreadyexpired``, ``export-already-expired``).
    """
    found = (_JOB_CODE.match(_letters(problem.code)) for problem in problems)
    return next((match.group("end") for match in found if match), None)


def is_retired_route(answer: Answer) -> bool:
    """Whether Criteo does not serve the route any more, as far as the answer tells: it has no word of the job."""
    return answer.meant_status in (404, 410) and job_code(answer.problems) is None


def shows_service(answer: Answer) -> bool:
    """Whether the answer shows that the route is in service: a success, or a word of the job."""
    return (answer.is_success and not answer.problems) or job_code(answer.problems) is not None


def _letters(code: str) -> str:
    return re.sub(r"[^a-z]", "", code.lower())


def _names_retirement(problems: tuple[Problem, ...]) -> bool:
    return any(_letters(problem.code) in _RETIRED_CODES for problem in problems)


def _lost(lost: LostJob, job: ReportJob, request: str) -> CriteoError:
    status = int(job.status)
    if lost is LostJob.EXPIRED:
        return ReportExpiredError(job.with_status(JobState.EXPIRED, f"expired (HTTP {status})"), status, request)
    return _not_found(job, status, request)


def _not_found(job: ReportJob, status: int, request: str) -> ReportJobNotFoundError:
    reason = f"Criteo does not know this job (asked for as {job.report_type})"
    return ReportJobNotFoundError(status, job.problems, request, reason=reason)


def _retired(row: ReportType, answer: Answer) -> VersionRetiredError:
    return VersionRetiredError(
        answer.status_code,
        answer.problems,
        answer.request,
        reason="Criteo does not serve this route",
        advice=(
            f"set api_version, on the connection or the operator, to another version that serves {row.id}: "
            f"{', '.join(row.versions)}"
            + (" - or mend account_id, which is part of the path." if row.needs_account_id else ".")
        ),
    )
