"""An Airflow connection of type ``criteo``, read and checked."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_criteo.api.reports import API_VERSIONS, choices
from airflow_provider_criteo.exceptions import InvalidInputError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

log = logging.getLogger(__name__)

EXTRAS = ("grant_type", "refresh_token", "api_version", "timeout", "calls_per_minute")
_LONGEST_TIMEOUT = 600.0


@dataclass(frozen=True)
class ConnectionSettings:
    """What a connection says, with everything coerced that came as text.

    :param conn_id: the connection's id.
    :param client_id: login.
    :param client_secret: password.
    :param base_url: scheme, host and port of the API.
    :param grant_type: extra; ``"client_credentials"`` where not given.
    :param refresh_token: extra.
    :param api_version: extra.
    :param timeout: extra, seconds.
    :param calls_per_minute: extra, a ceiling of the user's own.
    """

    conn_id: str
    client_id: str
    client_secret: str = field(repr=False)
    base_url: str = ""
    grant_type: str = "client_credentials"
    refresh_token: str | None = field(default=None, repr=False)
    api_version: str | None = None
    timeout: float | None = None
    calls_per_minute: int | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be seen."""
        return tuple(secret for secret in (self.client_secret, self.refresh_token) if secret)

    @classmethod
    def from_connection(cls, connection: Connection) -> ConnectionSettings:
        """Read a connection.

        :raises InvalidInputError: a field cannot be right; the message names the connection, the field and what
            is allowed, and never holds a secret.
        """
        conn_id = connection.conn_id or ""

        def wrong(name: str, problem: str) -> InvalidInputError:
            return InvalidInputError(f"connection {conn_id!r}, {name}: {problem}")

        extras = _extras(connection.extra, wrong, conn_id)
        client_id = str(connection.login or "").strip()
        client_secret = str(connection.password or "").strip()
        if not client_id:
            raise wrong("login", "the client id is missing; Criteo's partner portal shows it with the application")
        if not client_secret:
            raise wrong("password", "the client secret is missing; Criteo shows it once, when the key is created")
        grant_type = extras.get("grant_type", "client_credentials")
        if grant_type not in ("client_credentials", "refresh_token"):
            valid = ("client_credentials", "refresh_token")
            raise wrong("extra grant_type", f"{grant_type!r}; {choices(grant_type, valid)}")
        refresh_token = extras.get("refresh_token")
        if refresh_token is not None and not isinstance(refresh_token, str):
            raise wrong("extra refresh_token", f"a {type(refresh_token).__name__}; allowed: text")
        if grant_type == "refresh_token" and not refresh_token:
            raise wrong("extra refresh_token", "missing, and grant_type 'refresh_token' needs it")
        api_version = extras.get("api_version")
        if api_version is not None and api_version not in API_VERSIONS:
            raise wrong("extra api_version", f"{api_version!r}; {choices(api_version, API_VERSIONS)}")
        return cls(
            conn_id=conn_id,
            client_id=client_id,
            client_secret=client_secret,
            base_url=_base_url(connection, wrong),
            grant_type=grant_type,
            refresh_token=refresh_token,
            api_version=api_version,
            timeout=_timeout(extras.get("timeout"), wrong),
            calls_per_minute=_calls(extras.get("calls_per_minute"), wrong),
        )


def _extras(extra: Any, wrong: Any, conn_id: str) -> dict[str, Any]:
    if isinstance(extra, str):
        try:
            extra = json.loads(extra) if extra.strip() else {}
        except ValueError:
            raise wrong("extra", "no JSON; allowed: a JSON object") from None
    if extra is None:
        extra = {}
    if not isinstance(extra, Mapping):
        raise wrong("extra", f"JSON of a {type(extra).__name__}; allowed: a JSON object")
    for name in extra:
        if name not in EXTRAS:
            nearest = get_close_matches(str(name), EXTRAS, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(EXTRAS)}"
            log.warning("Connection %r has an extra %r, which is ignored; %s", conn_id, name, hint)
    given = {name: value.strip() if isinstance(value, str) else value for name, value in extra.items()}
    return {name: value for name, value in given.items() if name in EXTRAS and value not in (None, "")}


def _base_url(connection: Connection, wrong: Any) -> str:
    from airflow_provider_criteo.api import exceptions as api_exceptions
    from airflow_provider_criteo.api.client import DEFAULT_BASE_URL, normalized_base_url
    from airflow_provider_criteo.api.session import is_loopback

    host = str(connection.host or "").strip()
    schema = str(connection.schema or "").strip().lower()
    if schema not in ("", "http", "https"):
        raise wrong("schema", f"{connection.schema!r}; allowed: https, http (to this machine) or nothing")
    try:
        port = int(connection.port or 0)
    except (TypeError, ValueError):
        raise wrong("port", f"{connection.port!r}; allowed: a number from 1 to 65535, or nothing") from None
    if not 0 <= port <= 65535:
        raise wrong("port", f"{port}; allowed: a number from 1 to 65535, or nothing")
    if host.count(":") > 1 and "://" not in host and "[" not in host:
        host = f"[{host}]"  # an IPv6 address, as Airflow reads it out of a URI
    if not host:
        if port in (0, 443) and schema != "http":
            return DEFAULT_BASE_URL
        host = DEFAULT_BASE_URL.split("://")[1]
    try:
        if "://" not in host:
            url = normalized_base_url(host)
            scheme = schema or ("http" if is_loopback(urlsplit(url).hostname) else "https")
            host = f"{scheme}://{host}"
        url = normalized_base_url(host)
    except api_exceptions.InvalidInputError as error:
        raise wrong("host", str(error)) from None
    if not port:
        return url
    named = urlsplit(url).port
    if named not in (None, port):
        raise wrong("port", f"{port}, but the host names port {named}; give one of them")
    return url if named else f"{url}:{port}"


def _timeout(value: Any, wrong: Any) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise wrong("extra timeout", f"{value!r}; allowed: seconds, above 0 and at most {_LONGEST_TIMEOUT:g}")
    return seconds


def _calls(value: Any, wrong: Any) -> int | None:
    if value is None:
        return None
    try:
        number = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError):
        number = 0.0
    if number < 1 or not number.is_integer():
        raise wrong("extra calls_per_minute", f"{value!r}; allowed: a whole number of at least 1")
    return int(number)
