"""The job in an answer: what a create and a status call tell of it. No socket, no clock.

Sources: the status models of Criteo's OpenAPI specifications; where a family differs, a field of its row says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_criteo.api.answers import Answer
from airflow_provider_criteo.api.error_codes import error_for, error_in_success, error_of_job_code
from airflow_provider_criteo.api.exceptions import ReportExpiredError, ReportJobFailedError, TransientError
from airflow_provider_criteo.api.models import JobState, ReportJob, moment, one_line, shortened
from airflow_provider_criteo.api.report_type import ReportType

_LONGEST_MESSAGE = 2_000
_LONGEST_STATUS = 100
_ROWS_IN_MESSAGE = re.compile(r"\brows?_?count\s*=\s*([0-9]{1,18})\b", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[0-9]{1,18}\s*")
MAY_EXIST = (
    "a report job may exist at Criteo; creating it again is safe, as Criteo returns the same job for the same "
    "request for a while."
)


def created_job(answer: Answer, row: ReportType) -> ReportJob:
    """The job that a create's answer speaks of.

    :raises CriteoError: what the answer means instead.
    """
    if not answer.is_success:
        raise error_for(answer, row)
    report_id = report_id_in(answer.json, row)
    if answer.problems:
        named = replace(answer, request=f"{answer.request} (report job {report_id})") if report_id else answer
        error = error_in_success(named)
        if report_id and isinstance(error, TransientError):
            error.sent = True  # it is there, whatever the errors are about
        raise error
    if report_id is None:
        raise TransientError(
            answer.status_code,
            (),
            answer.request,
            reason="the reply names no report job" if answer.json is not None else "the reply is no JSON",
            advice=MAY_EXIST,
        )
    job = job_in(answer, row, report_id)
    require_file(job)
    return job


def described_job(answer: Answer, row: ReportType, report_id: str) -> ReportJob:
    """The job as a status call's answer describes it, whatever its state.

    :raises CriteoError: what the answer means instead.
    """
    if not answer.is_success or answer.status_code in row.lost_job_statuses:
        raise error_for(answer, row, report_id)
    if not isinstance(answer.json, dict):
        raise TransientError(answer.status_code, (), answer.request, reason="the reply is no JSON object")
    job = job_in(answer, row, report_id)
    if answer.problems and job.state in (JobState.UNKNOWN, JobState.DONE):
        raise error_of_job_code(job, answer) or error_in_success(answer)
    return job


def require_file(job: ReportJob) -> bool:
    """Whether the job is done, so that there is a file.

    :raises ReportJobFailedError: it ended without one.
    """
    if job.state is JobState.FAILED:
        raise ReportJobFailedError(job)
    if job.state is JobState.EXPIRED:
        raise ReportExpiredError(job)
    return job.state is JobState.DONE


def report_id_in(reply: object, row: ReportType) -> str | None:
    """The job's id in a reply, wherever its family or its documentation puts it."""
    for path in row.id_fields:
        value = reply
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
            return one_line(str(value))
    return None


def job_in(answer: Answer, row: ReportType, report_id: str) -> ReportJob:
    """Read the job out of a create's or status call's reply.

    A status that is missing, null or no text is ``UNKNOWN``, and so is a word that is not known.
    """
    attributes = _attributes(answer.json)
    word = attributes.get("status")
    status = one_line(word) if isinstance(word, str) else ""
    message = next((str(attributes[name]) for name in row.message_fields if attributes.get(name)), "")
    row_count = _count(attributes.get("rowCount"))
    md5 = attributes.get("md5CheckSum") or attributes.get("md5Checksum")
    return ReportJob(
        report_id=report_id,
        report_type=row.id,
        # Cut after it is redacted: a part of a secret is not recognized.
        status=shortened(answer.redact(status), _LONGEST_STATUS) or "(no status)",
        state=row.state(status),
        message=shortened(answer.redact(one_line(message)), _LONGEST_MESSAGE),
        problems=answer.problems,
        warnings=answer.warnings,
        row_count=_rows_in(message) if row_count is None else row_count,
        size_bytes=_count(attributes.get("fileSizeBytes")),
        md5=(md5.strip() or None) if isinstance(md5, str) else None,
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
    return int(found[1]) if found else None


def _count(value: object) -> int | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
