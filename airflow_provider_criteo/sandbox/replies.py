"""Answers in Criteo's envelope: ``{"data": ..., "errors": [...], "warnings": [...]}``."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_criteo.sandbox.report_files import ReportFile

JSON = "application/json"


@dataclass
class Reply:
    """An answer before it is sent.

    :param status: the HTTP status.
    :param body: what is sent, unless there is a file.
    :param headers: by name.
    :param file: the report file to send as the body.
    :param gzip: send the file compressed.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    file: ReportFile | None = None
    gzip: bool = False

    @property
    def length(self) -> int:
        """Bytes of the body, uncompressed."""
        return len(self.body) if self.file is None else self.file.size

    @classmethod
    def json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """A JSON answer."""
        return cls(status, json.dumps(value).encode(), {"content-type": JSON, **(headers or {})})


def problem(
    code: str,
    type: str = "validation",
    *,
    title: str | None = None,
    detail: str | None = None,
    source: Mapping[str, str] | None = None,
    instance: str | None = None,
) -> dict[str, Any]:
    """A CommonProblem with every field; its title is the code in words where none is given."""
    trace_id = secrets.token_hex(16)
    return {
        "traceId": trace_id,
        "traceIdentifier": trace_id,
        "type": type,
        "code": code,
        "instance": instance,
        "title": code.replace("-", " ").capitalize() if title is None else title,
        "detail": detail,
        "source": dict(source or {}),
        "stackTrace": None,
    }


def envelope(
    data: Any, errors: Sequence[Mapping[str, Any]] | None = (), warnings: Sequence[Mapping[str, Any]] | None = ()
) -> dict[str, Any]:
    """Criteo's envelope."""
    return {"data": data, "errors": errors, "warnings": warnings}


class Refusal(Exception):  # noqa: N818 - an answer, not an error of the sandbox
    """Ends a call with problems."""

    def __init__(self, status: int, *problems: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.reply = Reply(status) if status == 204 else Reply.json(status, envelope(None, problems), headers)


STATUS_PROBLEMS: dict[int, tuple[str, str]] = {
    400: ("validation", "invalid"),
    401: ("authentication", "authorization-token-invalid"),
    403: ("authorization", "insufficient-accountpermissions"),
    404: ("validation", "not-found"),
    405: ("validation", "method-not-allowed"),
    408: ("availability", "timeout"),
    409: ("validation", "conflict"),
    410: ("deprecation", "endpoint-deprecated"),
    413: ("validation", "request-too-large"),
    415: ("validation", "unsupported-media-type"),
    422: ("validation", "unprocessable"),
    429: ("quota", "too-many-requests"),
    500: ("unknown", "internal-error"),
    502: ("availability", "bad-gateway"),
    503: ("availability", "service-unavailable"),
    504: ("availability", "gateway-timeout"),
}
"""Type and code of the problem that goes with an HTTP status; the codes that Criteo documents where it does."""


def refusal(status: int, code: str | None = None, detail: str | None = None, **headers: str) -> Refusal:
    """The refusal that goes with an HTTP status."""
    type_, usual = STATUS_PROBLEMS[status]
    return Refusal(status, problem(code or usual, type_, detail=detail), headers=headers)
