"""What the client raises.

Sources: the ``CommonProblem`` schema of Criteo's OpenAPI specifications and
https://developers.criteo.com/criteo-apis/docs/api-error-codes; token errors are RFC 6749, section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from airflow_provider_criteo.api.models import JobState, Problem, ReportJob, problem_lines


class CriteoError(Exception):
    """Anything that goes wrong between the provider and Criteo."""

    status_code: int = 0
    """The HTTP status of Criteo's answer; 0 where there was none."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own calls the class with the message, which is not what the classes here are made from.
        return _unpickled, (type(self), self.args), self.__dict__


def _unpickled(cls: type[CriteoError], args: tuple[Any, ...]) -> CriteoError:
    return cls.__new__(cls, *args)


class InvalidInputError(CriteoError, ValueError):
    """A value that cannot be right: the message names the field, the value and what is allowed."""


class CriteoApiError(CriteoError):
    """Criteo answered something other than what was asked for.

    :param status_code: the HTTP status; 0 where there was no answer.
    :param problems: what Criteo said, in its order.
    :param request: what was asked: method, path and, where there is one, the report id.
    :param reason: what the answer means, in a sentence.
    :param advice: what to do next, in a sentence.
    """

    advice = ""

    def __init__(
        self,
        status_code: int = 0,
        problems: Iterable[Problem] = (),
        request: str = "",
        *,
        reason: str = "",
        advice: str = "",
    ) -> None:
        self.status_code = status_code
        self.problems = tuple(problems)
        self.request = request
        self.reason = reason
        self.advice = advice or self.advice
        super().__init__(self._message())

    @property
    def outcome(self) -> str:
        """What was asked, and the status of the answer, e.g. ``"GET /2026-07/... was answered 503"``."""
        return f"{self.request or 'Criteo'} {f'was answered {self.status_code}' if self.status_code else 'failed'}"

    def _message(self) -> str:
        message = f"{self.outcome}: {self.reason}" if self.reason else self.outcome
        message += problem_lines(self.problems)
        return f"{message}\n  What to do: {self.advice}" if self.advice else message


class AuthenticationError(CriteoApiError):
    """Criteo does not accept the credentials."""

    advice = "check the client id (login), the client secret (password) and the host of the connection."


class PermissionDeniedError(CriteoApiError):
    """The application may not do this."""

    advice = (
        "check that an administrator of the account has approved the application's consent URL and that the "
        "application has the scope; for Marketing Solutions exports this is also the answer for an unknown, "
        "foreign or expired job."
    )


class ReportJobNotFoundError(CriteoApiError):
    """Criteo does not know the job."""

    advice = (
        "check the report id; create, wait and download need the same report_type and the same connection. "
        "Else create it again."
    )


class RateLimitError(CriteoApiError):
    """The quota is used up.

    :param reset_at: when Criteo says that a call may be made again (aware), if it says so.
    :param limit: calls per window, if Criteo says so.
    :param retry_after: seconds to wait from now, by Criteo's clock.
    """

    advice = (
        "let the task retry after that time; fewer calls: deferrable=True, a longer poke_interval, a pool, "
        "or calls_per_minute on the connection."
    )

    reset_at: datetime | None = None
    limit: int | None = None
    retry_after: float | None = None

    def __init__(
        self,
        status_code: int = 429,
        problems: Iterable[Problem] = (),
        request: str = "",
        *,
        reset_at: datetime | None = None,
        limit: int | None = None,
        retry_after: float | None = None,
        reason: str = "",
        advice: str = "",
    ) -> None:
        self.reset_at = reset_at
        self.limit = limit
        self.retry_after = retry_after
        told = f"; it resets at {reset_at.isoformat(timespec='seconds')}" if reset_at else ""
        super().__init__(
            status_code,
            problems,
            request,
            reason=reason or f"the quota{f' of {limit} calls' if limit else ''} is used up{told}",
            advice=advice,
        )


class ValidationError(CriteoApiError):
    """Criteo does not accept the request as it is."""

    advice = (
        "mend the attributes that the problems name; the report type's page in Criteo's documentation has the rules."
    )


class VersionRetiredError(CriteoApiError):
    """Criteo does not serve this route in this API version any more."""

    advice = "set api_version, on the connection or the operator, to a version that serves the report type."


class TransientError(CriteoApiError):
    """A passing fault: no connection, a timeout, a 5xx, a reply that is not Criteo's.

    :param sent: whether Criteo may have received and acted on the request.
    :param retry_after: seconds after which the reply says to come back, if it does.
    """

    advice = "let the task retry; https://status.criteo.com tells of outages."
    sent = True
    retry_after: float | None = None

    def __init__(
        self,
        status_code: int = 0,
        problems: Iterable[Problem] = (),
        request: str = "",
        *,
        reason: str = "",
        advice: str = "",
        sent: bool = True,
        retry_after: float | None = None,
    ) -> None:
        self.sent = sent
        self.retry_after = retry_after
        super().__init__(status_code, problems, request, reason=reason, advice=advice)


class RowsMissingError(TransientError):
    """A file has fewer rows than Criteo told."""


class UnavailableError(TransientError):
    """What the provider itself needs could not be asked: a connection or a Variable of Airflow's."""

    advice = "see to what Airflow needs for it: its secrets backend, its API server, its database; then let it retry."


class ReportNotReadyError(CriteoApiError):
    """The job has not ended, so that there is no file yet."""

    advice = "wait for the job with ReportJobStatusSensor before the download."


class TableError(CriteoError):
    """A report file that cannot be read as a table: it is cut, holds errors, or is no report."""


class UnknownColumnsError(TableError):
    """An empty report whose columns stand neither in the file nor in its request."""


class ReportJobFailedError(CriteoError):
    """The job ended without a file.

    :param job: the job as Criteo described it last.
    """

    advice = (
        "mend the request where the problems say so, and create the report again; Criteo's support asks for a traceId."
    )

    def __init__(self, job: ReportJob) -> None:
        self.job = job
        self.problems = job.problems
        Exception.__init__(self, f"{describe_end(job)}\n  What to do: {self.advice}")


class ReportExpiredError(ReportJobFailedError, CriteoApiError):
    """The job's file is not kept any more: the report has to be created again.

    :param job: the job as Criteo described it last.
    :param status_code: the HTTP status of that answer.
    :param request: what was asked.
    """

    advice = "create the report again, by clearing its create, and download it soon after the wait."

    def __init__(self, job: ReportJob, status_code: int = 200, request: str = "") -> None:
        ReportJobFailedError.__init__(self, job)
        self.status_code = status_code
        self.request = request
        self.reason = ""


def require_file(job: ReportJob) -> bool:
    """Whether the job is done, so that there is a file.

    :raises ReportJobFailedError: it ended without one.
    """
    if job.state is JobState.FAILED:
        raise ReportJobFailedError(job)
    if job.state is JobState.EXPIRED:
        raise ReportExpiredError(job)
    return job.state is JobState.DONE


def describe_end(job: ReportJob) -> str:
    """How a job ended, with all that Criteo said of it."""
    heading = f"Criteo report job {job.report_id} ({job.report_type}) ended as {job.status}"
    warnings = "".join(f"\n  warning: {warning}" for warning in job.warnings)
    return f"{heading}: {job.message}".rstrip(": ") + problem_lines(job.problems) + warnings


def require_choice(name: str, value: object, valid: Iterable[str]) -> None:
    """Check a value that has to be one of a few.

    :raises InvalidInputError: it is none of them.
    """
    if value not in list(valid):
        raise InvalidInputError(f"{name}={value!r}; {choices(value, valid)}")


def choices(wrong: object, valid: Iterable[str]) -> str:
    """The valid names, and the nearest to a wrong one: the tail of an error message."""
    names = sorted(valid)
    hint = did_you_mean(wrong, names)
    return f"valid: {', '.join(names)}{f' ({hint})' if hint else ''}"


def did_you_mean(wrong: object, names: Iterable[str], in_full: Callable[[str], str] = str) -> str:
    """The question for the name that is nearest to a wrong one; empty where none is near.

    :param in_full: the form of a name that it asks for.
    """
    from difflib import get_close_matches  # where a name is wrong alone: it takes a millisecond

    nearest = get_close_matches(str(wrong), list(names), n=1)
    return f"did you mean {in_full(nearest[0])!r}?" if nearest else ""
