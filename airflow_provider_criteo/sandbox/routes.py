"""The routes of Criteo's API: read off the catalogue at every request, so that a new row is served at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from airflow_provider_criteo.api import reports
from airflow_provider_criteo.api.reports import ReportType
from airflow_provider_criteo.sandbox.oauth import Grant

CALLS = ("token", "create", "status", "download")
ACCOUNT_PATHS = ("/{version}/advertisers/me", "/{version}/retail-media/accounts")
TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path


@dataclass
class Call:
    """A request, understood.

    :param kind: ``token``, ``create``, ``status``, ``download``, ``accounts`` or ``other``.
    :param method: of HTTP.
    :param path: as it came, still quoted.
    :param template: the path that the catalogue has for it.
    :param rows: the report types that have this route.
    :param version: of the path.
    :param report_id: of the path.
    :param account_id: of the path.
    :param query: of the URL.
    :param headers: by lower-case name.
    :param body: whole.
    :param allowed: another method that the path is called with, if there is one.
    """

    kind: str
    method: str
    path: str
    template: str = ""
    rows: tuple[ReportType, ...] = ()
    version: str = ""
    report_id: str | None = None
    account_id: str | None = None
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    allowed: str = ""
    grant: Grant | None = None
    attributes: Any = None
    report_type: str | None = None


def find(method: str, path: str) -> Call:
    """The call that a request is."""
    if path == TOKEN_PATH:
        return Call("token", method, path)
    call = Call("other", method, path, version=path.split("/")[1] if "/" in path else "")
    for routed_method, kind, template, row in _routes():
        found = _pattern(template).fullmatch(path)
        if found is None:
            continue
        if routed_method != method:
            call.allowed = routed_method
            continue
        named = {name: unquote(value) for name, value in found.groupdict().items()}
        call.kind, call.template = kind, template
        call.report_id, call.account_id = named.get("reportId"), named.get("accountId")
        if row is not None and call.version in row.versions:
            call.rows += (row,)
    call.report_type = call.rows[0].id if len(call.rows) == 1 else None
    return call


def _routes() -> Iterator[tuple[str, str, str, ReportType | None]]:
    """Method, kind of call, path and report type of each route of the catalogue as it is at this moment."""
    for row in reports.rows():
        yield "GET", "status", row.status_path, row
        yield "GET", "download", row.output_path, row
        yield "POST", "create", row.create_path, row
    for template in ACCOUNT_PATHS:
        yield "GET", "accounts", template, None


@lru_cache(maxsize=1024)
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template)))
