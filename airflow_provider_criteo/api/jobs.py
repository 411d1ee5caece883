"""A report job as Criteo describes it: reading a reply into a ``ReportJob``.

Sources: the status models of Criteo's OpenAPI specifications (``ExportStatusModel``, ``StatusResponse`` and
their siblings); every field but the id and the status is absent from some family.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pendulum
from pendulum import DateTime

from airflow_provider_criteo.api.problems import Problem, one_line
from airflow_provider_criteo.api.reports import JobState, ReportType

_ROWS_IN_MESSAGE = re.compile(r"\brows?_?count\s*=\s*([0-9]{1,18})\b", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[0-9]{1,18}\s*")
_MAX_PROBLEMS_KEPT = 100
_LONGEST_MESSAGE = 4_000
_LONGEST_STATUS = 100


@dataclass(frozen=True)
class ReportJob:
    """A report export job.

    :param report_id: Criteo's id of the job, whatever the family calls it.
    :param report_type: the catalogue's id of its report type.
    :param status: Criteo's word for its state, as it came.
    :param state: what that word means.
    :param message: Criteo's message, e.g. why it failed.
    :param problems: the ``errors`` that came with it.
    :param warnings: the ``warnings`` that came with it.
    :param row_count: rows in the file, where Criteo tells.
    :param size_bytes: bytes of the file, where Criteo tells.
    :param md5: checksum of the file, where Criteo tells; what it covers is not documented.
    :param created_at: aware, where Criteo tells.
    :param expires_at: when the file goes (aware), where Criteo tells.
    """

    report_id: str
    report_type: str
    status: str
    state: JobState
    message: str = ""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    row_count: int | None = None
    size_bytes: int | None = None
    md5: str | None = None
    created_at: DateTime | None = field(default=None)
    expires_at: DateTime | None = field(default=None)

    def to_json(self) -> dict[str, Any]:
        """The job as plain JSON values, e.g. for a trigger's event; a huge list of problems is cut."""
        return {
            "report_id": self.report_id,
            "report_type": self.report_type,
            "status": self.status,
            "state": self.state.value,
            "message": self.message,
            "problems": [problem.to_json() for problem in self.problems[:_MAX_PROBLEMS_KEPT]],
            "warnings": [problem.to_json() for problem in self.warnings[:_MAX_PROBLEMS_KEPT]],
            "row_count": self.row_count,
            "size_bytes": self.size_bytes,
            "md5": self.md5,
            "created_at": self.created_at and self.created_at.isoformat(),
            "expires_at": self.expires_at and self.expires_at.isoformat(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ReportJob:
        """The job that ``to_json`` made."""
        return cls(
            report_id=value["report_id"],
            report_type=value["report_type"],
            status=value["status"],
            state=JobState(value["state"]),
            message=value.get("message", ""),
            problems=tuple(map(Problem.from_json, value.get("problems", ()))),
            warnings=tuple(map(Problem.from_json, value.get("warnings", ()))),
            row_count=value.get("row_count"),
            size_bytes=value.get("size_bytes"),
            md5=value.get("md5"),
            created_at=_datetime(value.get("created_at")),
            expires_at=_datetime(value.get("expires_at")),
        )

    def with_status(self, state: JobState, status: str) -> ReportJob:
        """The same job in another state."""
        return replace(self, state=state, status=status)


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
        created_at=_datetime(attributes.get("createdAt")),
        expires_at=_datetime(attributes.get("expiresAt")),
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


def _datetime(value: object) -> DateTime | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        parsed = pendulum.parse(value)
    except Exception:  # noqa: BLE001 - pendulum trips over odd texts in many ways
        return None
    return parsed if isinstance(parsed, DateTime) else None
