"""The exceptions that tasks end with.

Those that no retry can mend are ``AirflowFailException``; each is also the exception of the same name in
``api.problems``, so that a retry policy or an ``except`` can name either. ``RateLimitError``, ``TransientError``
and ``ReportNotReadyError`` are retried as the task's ``retries`` say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_criteo.api import problems
from airflow_provider_criteo.api.problems import Problem


class InvalidInputError(problems.InvalidInputError, AirflowFailException):
    """A value that cannot be right: the message names the field, the value and what is allowed."""


class AuthenticationError(problems.AuthenticationError, AirflowFailException):
    """Criteo does not accept the credentials."""


class PermissionDeniedError(problems.PermissionDeniedError, AirflowFailException):
    """The application may not do this."""


class ReportJobNotFoundError(problems.ReportJobNotFoundError, AirflowFailException):
    """Criteo does not know the job."""


class ValidationError(problems.ValidationError, AirflowFailException):
    """Criteo does not accept the request as it is."""


class VersionRetiredError(problems.VersionRetiredError, AirflowFailException):
    """Criteo does not serve this route in this API version any more."""


class ReportJobFailedError(problems.ReportJobFailedError, AirflowFailException):
    """The job ended without a file."""


class ReportExpiredError(problems.ReportExpiredError, ReportJobFailedError):
    """The job's file is not kept any more: the report has to be created again."""


class RateLimitError(problems.RateLimitError, AirflowException):
    """The quota is used up; a retry after ``reset_at`` goes through."""


class TransientError(problems.TransientError, AirflowException):
    """A passing fault; a retry may go through."""


class ReportNotReadyError(problems.ReportNotReadyError, AirflowException):
    """The job has not ended, so that there is no file yet."""


class DestinationError(problems.CriteoError, AirflowException):
    """The file could not be written where it should go; the report is still at Criteo."""


_TASK_EXCEPTIONS: Mapping[type[problems.CriteoError], type[problems.CriteoError]] = {
    problems.InvalidInputError: InvalidInputError,
    problems.AuthenticationError: AuthenticationError,
    problems.PermissionDeniedError: PermissionDeniedError,
    problems.ReportJobNotFoundError: ReportJobNotFoundError,
    problems.ValidationError: ValidationError,
    problems.VersionRetiredError: VersionRetiredError,
    problems.ReportJobFailedError: ReportJobFailedError,
    problems.ReportExpiredError: ReportExpiredError,
    problems.RateLimitError: RateLimitError,
    problems.TransientError: TransientError,
    problems.ReportNotReadyError: ReportNotReadyError,
}
_BY_NAME = {cls.__name__: cls for cls in _TASK_EXCEPTIONS.values()}


@contextmanager
def as_task_exceptions() -> Iterator[None]:
    """Raise what the API client raises as the exception that a task should end with."""
    try:
        yield
    except problems.CriteoError as error:
        cls = _TASK_EXCEPTIONS.get(type(error))
        if cls is None:
            raise
        raise _recast(error, cls) from error.__cause__


def _recast(error: problems.CriteoError, cls: type[problems.CriteoError]) -> problems.CriteoError:
    recast = cls.__new__(cls, *error.args)
    recast.__dict__.update(error.__dict__)
    return recast


def error_to_json(error: problems.CriteoError) -> dict[str, Any]:
    """An exception as plain JSON values, for a trigger's event; a huge list of problems is cut."""
    return {
        "class": type(error).__name__,
        "message": str(error),
        "status_code": getattr(error, "status_code", 0),
        "request": getattr(error, "request", ""),
        "reason": getattr(error, "reason", ""),
        "problems": [problem.to_json() for problem in getattr(error, "problems", ())[:100]],
        **({"job": error.job.to_json()} if isinstance(error, problems.ReportJobFailedError) else {}),
    }


def error_from_json(value: Mapping[str, Any]) -> Exception:
    """The exception that ``error_to_json`` was given, to be raised by a task."""
    from airflow_provider_criteo.api.jobs import ReportJob

    cls = _BY_NAME.get(value.get("class", ""))
    if cls is None:
        return AirflowFailException(value.get("message", "the trigger ended with an unknown error"))
    error = cls.__new__(cls, value["message"])
    error.__dict__.update(
        status_code=value.get("status_code", 0),
        request=value.get("request", ""),
        reason=value.get("reason", ""),
        problems=tuple(map(Problem.from_json, value.get("problems", ()))),
    )
    if "job" in value:
        error.__dict__["job"] = ReportJob.from_json(value["job"])
    return error
