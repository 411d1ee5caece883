"""The exceptions that tasks end with; their words are in ``api.exceptions``.

Those that no retry can mend are ``AirflowFailException``; all others are retried as the task's ``retries`` say. Those of
the API client are each also the exception of the same name in ``api.exceptions``, whose text they have, so that a retry
policy or an ``except`` can name either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_criteo.api import exceptions as api_exceptions
from airflow_provider_criteo.api.models import Problem, ReportJob


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


class RowsMissingError(api_exceptions.RowsMissingError, TransientError):
    """A file has fewer rows than Criteo told."""


class UnavailableError(api_exceptions.UnavailableError, TransientError):
    """What the provider itself needs could not be asked: a connection or a Variable of Airflow's."""


class ReportNotReadyError(api_exceptions.ReportNotReadyError, AirflowException):
    """The job has not ended, so that there is no file yet."""


class TableError(api_exceptions.TableError, AirflowException):
    """A file that cannot be read as a table: it is cut, holds errors, or is no report."""


class UnknownColumnsError(api_exceptions.UnknownColumnsError, AirflowFailException):
    """An empty report whose columns stand neither in the file nor in its request."""


class DestinationError(api_exceptions.CriteoError, AirflowException):
    """The file could not be written where it should go; the report is still at Criteo."""


class RowCapError(api_exceptions.CriteoError, AirflowFailException):
    """A report has as many rows as Criteo gives at most: others are missing.

    :ivar report_ids: of the jobs whose files are that long, where they are known.
    """

    report_ids: tuple[str, ...] = ()


class EmptyReportError(api_exceptions.CriteoError, AirflowFailException):
    """A report has no rows where some are wanted."""


_TASK_EXCEPTIONS: dict[type, type[api_exceptions.CriteoError]] = {
    cls.__bases__[0]: cls
    for cls in tuple(globals().values())
    if isinstance(cls, type)
    and issubclass(cls, api_exceptions.CriteoError)
    and cls.__bases__[0] is not api_exceptions.CriteoError
}
_BY_NAME = {cls.__name__: cls for cls in _TASK_EXCEPTIONS.values()}


@contextmanager
def as_task_exceptions(conn_id: str | None = None) -> Iterator[None]:
    """Raise what the API client raises as the exception that a task should end with.

    :param conn_id: the Airflow connection that was used; the message names it.
    """
    try:
        yield
    except api_exceptions.CriteoError as error:
        cls = _TASK_EXCEPTIONS.get(type(error))
        if cls is None:
            raise
        raise _recast(error, cls, conn_id) from error.__cause__


def _recast(
    error: api_exceptions.CriteoError, cls: type[api_exceptions.CriteoError], conn_id: str | None
) -> api_exceptions.CriteoError:
    used = f"\n  Connection: {conn_id}" if conn_id and isinstance(error, api_exceptions.CriteoApiError) else ""
    recast = cls.__new__(cls)
    recast.__dict__.update(error.__dict__)
    recast.args = (f"{error}{used}",)
    return recast


def error_to_json(error: api_exceptions.CriteoError) -> dict[str, Any]:
    """An exception as plain JSON values, for a trigger's event."""
    job = getattr(error, "job", None)
    return {
        "class": type(error).__name__,
        "message": str(error),
        "status_code": error.status_code,
        "request": getattr(error, "request", ""),
        "reason": getattr(error, "reason", ""),
        "problems": [] if job else [problem.to_json() for problem in getattr(error, "problems", ())],
        **({"job": job.to_json()} if job else {}),
    }


def error_from_json(value: Mapping[str, Any]) -> Exception:
    """The exception that ``error_to_json`` was given, to be raised by a task."""
    cls = _BY_NAME.get(value.get("class", ""))
    if cls is None:
        return AirflowFailException(value.get("message", "the trigger ended with an unknown error"))
    error = cls.__new__(cls)
    error.args = (value["message"],)
    job = ReportJob.from_json(value["job"]) if "job" in value else None
    error.__dict__.update(
        status_code=value.get("status_code", 0),
        request=value.get("request", ""),
        reason=value.get("reason", ""),
        problems=job.problems if job else tuple(map(Problem.from_json, value.get("problems", ()))),
        **({"job": job} if job else {}),
    )
    return error
