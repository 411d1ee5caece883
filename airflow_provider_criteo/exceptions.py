"""The exceptions that tasks end with.

Those that no retry can mend are ``AirflowFailException``; each is also the exception of the same name in
``api.exceptions``, so that a retry policy or an ``except`` can name either. ``RateLimitError``, ``TransientError``
and ``ReportNotReadyError`` are retried as the task's ``retries`` say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_criteo.api import exceptions as api_exceptions
from airflow_provider_criteo.api.models import Problem


class InvalidInputError(api_exceptions.InvalidInputError, AirflowFailException):
    """A value that cannot be right: the message names the field, the value and what is allowed."""


class AuthenticationError(api_exceptions.AuthenticationError, AirflowFailException):
    """Criteo does not accept the credentials."""


class PermissionDeniedError(api_exceptions.PermissionDeniedError, AirflowFailException):
    """The application may not do this."""


class ReportJobNotFoundError(api_exceptions.ReportJobNotFoundError, AirflowFailException):
    """Criteo does not know the job."""


class ValidationError(api_exceptions.ValidationError, AirflowFailException):
    """Criteo does not accept the request as it is."""


class VersionRetiredError(api_exceptions.VersionRetiredError, AirflowFailException):
    """Criteo does not serve this route in this API version any more."""


class ReportJobFailedError(api_exceptions.ReportJobFailedError, AirflowFailException):
    """The job ended without a file."""


class ReportExpiredError(api_exceptions.ReportExpiredError, ReportJobFailedError):
    """The job's file is not kept any more: the report has to be created again."""


class RateLimitError(api_exceptions.RateLimitError, AirflowException):
    """The quota is used up; a retry after ``reset_at`` goes through."""


class TransientError(api_exceptions.TransientError, AirflowException):
    """A passing fault; a retry may go through."""


class ReportNotReadyError(api_exceptions.ReportNotReadyError, AirflowException):
    """The job has not ended, so that there is no file yet."""


class DestinationError(api_exceptions.CriteoError, AirflowException):
    """The file could not be written where it should go; the report is still at Criteo."""


_TASK_EXCEPTIONS: Mapping[type[api_exceptions.CriteoError], type[api_exceptions.CriteoError]] = {
    api_exceptions.InvalidInputError: InvalidInputError,
    api_exceptions.AuthenticationError: AuthenticationError,
    api_exceptions.PermissionDeniedError: PermissionDeniedError,
    api_exceptions.ReportJobNotFoundError: ReportJobNotFoundError,
    api_exceptions.ValidationError: ValidationError,
    api_exceptions.VersionRetiredError: VersionRetiredError,
    api_exceptions.ReportJobFailedError: ReportJobFailedError,
    api_exceptions.ReportExpiredError: ReportExpiredError,
    api_exceptions.RateLimitError: RateLimitError,
    api_exceptions.TransientError: TransientError,
    api_exceptions.ReportNotReadyError: ReportNotReadyError,
}
_BY_NAME = {cls.__name__: cls for cls in _TASK_EXCEPTIONS.values()}


@contextmanager
def as_task_exceptions() -> Iterator[None]:
    """Raise what the API client raises as the exception that a task should end with."""
    try:
        yield
    except api_exceptions.CriteoError as error:
        cls = _TASK_EXCEPTIONS.get(type(error))
        if cls is None:
            raise
        raise _recast(error, cls) from error.__cause__


def _recast(error: api_exceptions.CriteoError, cls: type[api_exceptions.CriteoError]) -> api_exceptions.CriteoError:
    recast = cls.__new__(cls, *error.args)
    recast.__dict__.update(error.__dict__)
    return recast


def error_to_json(error: api_exceptions.CriteoError) -> dict[str, Any]:
    """An exception as plain JSON values, for a trigger's event; a huge list of problems is cut."""
    return {
        "class": type(error).__name__,
        "message": str(error),
        "status_code": getattr(error, "status_code", 0),
        "request": getattr(error, "request", ""),
        "reason": getattr(error, "reason", ""),
        "problems": [problem.to_json() for problem in getattr(error, "problems", ())[:100]],
        **({"job": error.job.to_json()} if isinstance(error, api_exceptions.ReportJobFailedError) else {}),
    }


def error_from_json(value: Mapping[str, Any]) -> Exception:
    """The exception that ``error_to_json`` was given, to be raised by a task."""
    from airflow_provider_criteo.api.models import ReportJob

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
