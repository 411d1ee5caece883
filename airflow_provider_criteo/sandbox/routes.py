"""The routes of Criteo's API: read off the catalogue at every request, so that a new row is served at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    :param rows: the report types that have this route.
    :param version: of the path.
    :param report_id: of the path.
    :param account_id: of the path.
    :param query: of the URL.
    :param headers: by lower-case name.
    :param body: whole.
    :param allowed: the methods of this route, where this is none of them.
    """

    kind: str
    method: str
    path: str
    rows: tuple[ReportType, ...] = ()
    version: str | None = None
    report_id: str | None = None
    account_id: str | None = None
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    allowed: str = ""
    grant: Grant | None = None
    attributes: Any = None
    report_type: str | None = None


@dataclass(frozen=True)
class _Route:
    method: str
    kind: str
    pattern: re.Pattern[str]
    rows: tuple[ReportType, ...]


class Routes:
    """The routes of the catalogue as it is at this moment."""

    def __init__(self) -> None:
        self._rows: tuple[ReportType, ...] = ()
        self._routes: list[_Route] = []

    def find(self, method: str, path: str) -> Call:
        """The call that a request is."""
        if path == TOKEN_PATH:
            return Call("token", method, path, allowed="" if method == "POST" else "POST")
        rows = tuple(reports.rows())
        if len(rows) != len(self._rows) or any(a is not b for a, b in zip(rows, self._rows, strict=True)):
            self._rows, self._routes = rows, _compiled(rows)
        other_method = ""
        for route in self._routes:
            found = route.pattern.fullmatch(path)
            if found is None:
                continue
            if route.method != method:
                other_method = route.method
                continue
            named = {name: unquote(value) for name, value in found.groupdict().items()}
            rows = tuple(row for row in route.rows if named["version"] in row.versions)
            return Call(
                route.kind,
                method,
                path,
                rows,
                named["version"],
                named.get("reportId"),
                named.get("accountId"),
                report_type=rows[0].id if len(rows) == 1 else None,
            )
        return Call("other", method, path, version=path.split("/")[1] if "/" in path else None, allowed=other_method)


def _compiled(rows: tuple[ReportType, ...]) -> list[_Route]:
    grouped: dict[tuple[str, str, str], list[ReportType]] = {}
    for row in rows:
        for method, kind, template in (
            ("GET", "status", row.status_path),
            ("GET", "download", row.output_path),
            ("POST", "create", row.create_path),
        ):
            grouped.setdefault((method, kind, template), []).append(row)
    routes = [
        _Route(method, kind, _pattern(template), tuple(members))
        for (method, kind, template), members in grouped.items()
    ]
    accounts = [_Route("GET", "accounts", _pattern(template), ()) for template in ACCOUNT_PATHS]
    return routes + accounts


def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", template)
    return re.compile(
        "".join(re.escape(piece) if index % 2 == 0 else f"(?P<{piece}>[^/]+)" for index, piece in enumerate(pieces))
    )
