"""An Airflow connection of type ``criteo``, read and checked; and the API client it makes."""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_criteo.api import exceptions as api_exceptions
from airflow_provider_criteo.api.exceptions import choices, did_you_mean
from airflow_provider_criteo.api.quota import CALLS_PER_MINUTE_OF_AN_ACCOUNT, REPORTING_CALLS_PER_MINUTE
from airflow_provider_criteo.api.report_type import API_VERSIONS
from airflow_provider_criteo.exceptions import InvalidInputError, UnavailableError
from airflow_provider_criteo.utils.clock import CLOCK
from airflow_provider_criteo.utils.refresh_tokens import Run, VariableRefreshTokens

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_criteo.api.auth import Mask
    from airflow_provider_criteo.api.client import CriteoClient

log = logging.getLogger(__name__)

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
    :param refresh_token_variable: extra, the Airflow Variable in which the newest refresh token is kept.
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
    refresh_token_variable: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be seen."""
        return tuple(secret for secret in (self.client_secret, self.refresh_token) if secret)

    @property
    def application(self) -> tuple[object, ...]:
        """What has a quota of its own, and the user's ceiling for it: a new secret or timeout makes no other one."""
        return self.base_url, self.client_id, self.grant_type, self.calls_per_minute

    @property
    def quota(self) -> int:
        """Calls a minute, as far as they are known without a call: what the user says, or Criteo documents."""
        is_of_accounts = self.grant_type == "refresh_token"
        documented = CALLS_PER_MINUTE_OF_AN_ACCOUNT if is_of_accounts else REPORTING_CALLS_PER_MINUTE
        return self.calls_per_minute or documented

    @classmethod
    def from_connection(cls, connection: Connection) -> ConnectionSettings:
        """Read a connection.

        :raises InvalidInputError: a field cannot be right; the message names the connection, the field and what
            is allowed, and never holds a secret.
        """
        conn_id = connection.conn_id or ""
        try:
            return cls(
                conn_id=conn_id,
                client_id=_visible(str(connection.login or "")),
                client_secret=_visible(str(connection.password or "")),
                base_url=_base_url(connection),
                **_extras(connection.extra, conn_id),
            )
        except _WrongFieldError as error:
            raise InvalidInputError(f"connection {conn_id!r}, {error}") from None


class _WrongFieldError(ValueError):
    """A field of a connection that cannot be right: its name, and what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")


def _visible(text: str) -> str:
    """Without what is pasted along and not seen: surrounding blanks, zero-width and control characters."""
    return "".join(sign for sign in text if unicodedata.category(sign) not in ("Cf", "Cc")).strip()


def _extras(extra: Any, conn_id: str) -> dict[str, Any]:
    if isinstance(extra, str):
        try:
            extra = json.loads(extra) if extra.strip() else {}
        except ValueError:
            raise _WrongFieldError("extra", "no JSON; allowed: a JSON object") from None
    if extra is None:
        extra = {}
    if not isinstance(extra, Mapping):
        raise _WrongFieldError("extra", f"JSON of a {type(extra).__name__}; allowed: a JSON object")
    for name in extra:
        if name not in EXTRAS:
            hint = did_you_mean(name, EXTRAS) or f"known: {', '.join(EXTRAS)}"
            log.warning("Connection %r has an extra %r, which is ignored; %s", conn_id, name, hint)
    given = {name: _visible(value) if isinstance(value, str) else value for name, value in extra.items()}
    return {name: _extra(name, value) for name, value in given.items() if name in EXTRAS and value not in (None, "")}


def _extra(name: str, value: Any) -> Any:
    try:
        return _READERS[name](value)
    except ValueError as problem:
        raise _WrongFieldError(f"extra {name}", str(problem)) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__}; allowed: text")  # what it is may be a secret
    return value


def _version(value: Any) -> str:
    if value not in API_VERSIONS:
        raise ValueError(f"{value!r}; {choices(value, API_VERSIONS)}")
    return str(value)


def _seconds(value: Any) -> float:
    seconds = _number(value)
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise ValueError(f"{value!r}; allowed: seconds, above 0 and at most {_LONGEST_TIMEOUT:g}")
    return seconds


def _whole(value: Any) -> int:
    number = _number(value)
    if number < 1 or not number.is_integer():
        raise ValueError(f"{value!r}; allowed: a whole number of at least 1")
    return int(number)


def _number(value: Any) -> float:
    try:
        return float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError):
        return 0.0


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "grant_type": str,  # the client knows which there are
    "refresh_token": _text,
    "api_version": _version,
    "timeout": _seconds,
    "calls_per_minute": _whole,
    "refresh_token_variable": _text,
}
EXTRAS = tuple(_READERS)


def _base_url(connection: Connection) -> str:
    from airflow_provider_criteo.api.http import DEFAULT_BASE_URL, is_loopback, normalized_base_url

    host = _visible(str(connection.host or ""))
    schema = _visible(str(connection.schema or "")).lower()
    if schema not in ("", "http", "https"):
        raise _WrongFieldError("schema", f"{connection.schema!r}; allowed: https, http (to this machine) or nothing")
    try:
        port = int(connection.port or 0)
    except (TypeError, ValueError):
        raise _WrongFieldError("port", f"{connection.port!r}; allowed: a number from 1 to 65535, or nothing") from None
    if not 0 <= port <= 65535:
        raise _WrongFieldError("port", f"{port}; allowed: a number from 1 to 65535, or nothing")
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
        raise _WrongFieldError("host", str(error)) from None
    if not port:
        return url
    named = urlsplit(url).port
    if named not in (None, port):
        raise _WrongFieldError("port", f"{port}, but the host names port {named}; give one of them")
    return url if named else f"{url}:{port}"


def mask_secret(secret: str) -> None:
    """Keep a secret out of Airflow's logs."""
    # common-compat has this from 1.13 on; Python 3.10 gets 1.12.
    try:
        from airflow.sdk.log import mask_secret as mask
    except ImportError:
        try:
            # Airflow 3.0
            from airflow.sdk.execution_time.secrets_masker import mask_secret as mask  # type: ignore[no-redef]
        except ImportError:
            # Airflow 2
            from airflow.utils.log.secrets_masker import mask_secret as mask  # type: ignore[import-not-found, no-redef]
    mask(secret)


def client_of(settings: ConnectionSettings, mask: Mask = mask_secret, run: Run = lambda call: call()) -> CriteoClient:
    """The API client for a connection's settings.

    :param mask: keeps a secret out of logs.
    :param run: makes a call that asks Airflow.
    :raises InvalidInputError: a field of the connection is missing or cannot be right.
    """
    # Not at the top: this loads requests.
    from airflow_provider_criteo.api.client import DEFAULT_TIMEOUT, CriteoClient

    for secret in settings.secrets:
        mask(secret)
    try:
        return CriteoClient(
            settings.client_id,
            settings.client_secret,
            grant_type=settings.grant_type,
            refresh_token=settings.refresh_token,
            refresh_tokens=_kept_refresh_tokens(settings, run),
            base_url=settings.base_url,
            api_version=settings.api_version,
            timeout=settings.timeout or DEFAULT_TIMEOUT,
            products=(f"apache-airflow/{_airflow_version()}",),
            mask=mask,
            sleep=CLOCK.sleep,
        )
    except api_exceptions.InvalidInputError as error:
        raise InvalidInputError(f"connection {settings.conn_id!r}, {error}") from None


def _kept_refresh_tokens(settings: ConnectionSettings, run: Run) -> VariableRefreshTokens | None:
    if settings.refresh_token_variable is None or settings.refresh_token is None:
        return None
    return VariableRefreshTokens(settings.refresh_token_variable, settings.refresh_token, run)


def cannot_look_up(conn_id: str, error: Exception) -> UnavailableError:
    """The exception for a connection that could not be looked up: it is not there, or what keeps it does not answer."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return UnavailableError(
        reason=f"connection {conn_id!r} cannot be looked up now: {said}", request="Airflow's look-up"
    )


@cache  # reading it takes longer than all else that makes a client
def _airflow_version() -> str:
    from importlib.metadata import version

    return version("apache-airflow")
