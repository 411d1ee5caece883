"""OAuth tokens: one per process and credential, renewed early, once, by one thread.

Sources: https://developers.criteo.com/criteo-apis/docs/authentication,
https://developers.criteo.com/criteo-apis/docs/oauth-app-client-credentials and
https://developers.criteo.com/criteo-apis/docs/oauth-app-authorization-code.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import requests
from requests.auth import AuthBase

from airflow_provider_criteo.api import transport
from airflow_provider_criteo.api.answers import Answer, redacted
from airflow_provider_criteo.api.exceptions import (
    AuthenticationError,
    CriteoApiError,
    InvalidInputError,
    RateLimitError,
    TransientError,
)
from airflow_provider_criteo.api.models import Problem
from airflow_provider_criteo.api.reports import choices
from airflow_provider_criteo.api.session import new_session

log = logging.getLogger(__name__)

GRANT_TYPES = ("client_credentials", "refresh_token")
TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path
TOKEN_LIFETIME = 900.0
"""Seconds a token is documented to live; what the reply says wins."""

_LONGEST_LEAD = 60.0
_SECRETS_REMEMBERED = 16
_SHORTEST_SECRET = 5
"""As in Airflow's own masking: taking shorter ones out of a text leaves nothing that can be read."""
_CHECK_HOST = "check the host of the connection: Criteo's is https://api.criteo.com."
_PASSING_ERRORS = frozenset({"temporarily_unavailable", "server_error", "slow_down"})

Mask = Callable[[str], None]


@dataclass(frozen=True)
class Credentials:
    """What an application proves itself with.

    :param client_id: of the application, from Criteo's partner portal.
    :param client_secret: its secret.
    :param grant_type: ``"client_credentials"`` or ``"refresh_token"``.
    :param refresh_token: for the latter, as Criteo gave it after the authorization code was exchanged.
    :raises InvalidInputError: one of them is missing or unknown; the message never holds a secret.
    """

    client_id: str
    client_secret: str = field(repr=False)
    grant_type: str = "client_credentials"
    refresh_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.client_id:
            raise InvalidInputError("client id (login) is empty; Criteo's partner portal shows it with the application")
        if not self.client_secret:
            raise InvalidInputError("client secret (password) is empty; it is shown once, when the key is made")
        if self.grant_type not in GRANT_TYPES:
            raise InvalidInputError(f"grant_type={self.grant_type!r}; {choices(self.grant_type, GRANT_TYPES)}")
        if self.grant_type == "refresh_token" and not self.refresh_token:
            raise InvalidInputError("refresh_token is empty, and grant_type='refresh_token' needs it")

    def key(self, base_url: str) -> str:
        """A name for these credentials at that host, which does not give them away."""
        parts = (base_url, self.client_id, self.client_secret, self.grant_type, self.refresh_token or "")
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class TokenSource:
    """The access token of one application in this process. Thread-safe.

    :param credentials: of the application.
    :param base_url: scheme, host and port of the API.
    """

    def __init__(self, credentials: Credentials, base_url: str) -> None:
        self._credentials = credentials
        self._base_url = base_url
        self._refresh_token = credentials.refresh_token
        self._lock = threading.Lock()
        self._token: str | None = None
        self._renew_at = 0.0
        self._seen: deque[str] = deque(maxlen=_SECRETS_REMEMBERED)
        self._secrets = self._patterns()

    def token(self, fetch: TokenFetch, rejected: str | None = None) -> str:
        """A token to send now.

        :param fetch: makes the call for a new one.
        :param rejected: the token that Criteo has just answered with 401; never given out again.
        :raises AuthenticationError: the credentials are not accepted.
        :raises RateLimitError: the token endpoint answered 429.
        :raises TransientError: no token could be had now.
        """
        with self._lock:
            token = self._token
            if token is None or token == rejected or time.monotonic() >= self._renew_at:
                token = self._renew(fetch)
            fetch.mask(token)
            return token

    def redact(self, text: str) -> str:
        """The text without this application's secrets and tokens, in case Criteo echoes one."""
        for pattern in self._secrets:
            text = pattern.sub("***", text)
        return text

    def _remember(self, secret: str) -> None:
        self._seen.append(secret)
        self._secrets = self._patterns()

    def _patterns(self) -> list[re.Pattern[str]]:
        # One a secret: the re module keeps what was compiled last, and all in one would be large.
        client = self._credentials
        kept = {client.client_secret, client.refresh_token or "", self._refresh_token or "", *self._seen}
        secrets = sorted((secret for secret in kept if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)
        return [_any_of(_in_base64(f"{client.client_id}:{client.client_secret}")), *map(_any_of, map(_forms, secrets))]

    def _renew(self, fetch: TokenFetch) -> str:
        form = {
            "grant_type": self._credentials.grant_type,
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret,
        }
        if self._credentials.grant_type == "refresh_token" and self._refresh_token:
            form["refresh_token"] = self._refresh_token
        self._token = None
        try:
            reply = fetch(f"{self._base_url}{TOKEN_PATH}", form, self.redact)
        except TransientError as error:
            error.sent = False  # what the token was for has not been sent, or was refused with a 401
            raise
        token = reply["access_token"]
        self._remember(token)
        fetch.mask(token)
        self._keep_rotated(reply.get("refresh_token"), fetch.mask)
        lifetime = _lifetime(reply.get("expires_in"))
        self._renew_at = time.monotonic() + lifetime - min(_LONGEST_LEAD, lifetime / 10)
        self._token = token
        return str(token)

    def _keep_rotated(self, refresh_token: object, mask: Mask) -> None:
        if self._credentials.grant_type != "refresh_token" or not isinstance(refresh_token, str) or not refresh_token:
            return
        if refresh_token == self._refresh_token:
            return
        mask(refresh_token)
        self._refresh_token = refresh_token
        self._remember(refresh_token)
        log.warning(
            "Criteo gave a new refresh token for client id %s. This process uses it from now on; store the new one "
            "in the connection before this process ends, as the old one may stop working.",
            self._credentials.client_id,
        )


def _forms(secret: str) -> Iterator[str]:
    """How a server may write a secret that it repeats: as it is, in a URL, in JSON, in base64."""
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield from (json.dumps(secret)[1:-1], secret.replace("/", "\\/"))
    yield re.sub(r"[^A-Za-z0-9]", lambda sign: f"\\u{ord(sign[0]):04x}", secret)
    yield from _in_base64(secret)


def _any_of(forms: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(set(forms), key=len, reverse=True))), re.IGNORECASE)


def _in_base64(text: str) -> Iterator[str]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(text.encode(errors="replace")).decode().rstrip("=")


def _lifetime(expires_in: object) -> float:
    try:
        seconds = float(expires_in)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return TOKEN_LIFETIME
    return seconds if 0 < seconds < 10 * 365 * 86400 else TOKEN_LIFETIME


_sources: dict[str, TokenSource] = {}
_sources_lock = threading.Lock()


def token_source(credentials: Credentials, base_url: str) -> TokenSource:
    """The one token source of these credentials in this process."""
    with _sources_lock:
        return _sources.setdefault(credentials.key(base_url), TokenSource(credentials, base_url))


class TokenFetch:
    """Makes the token call and reads its answer.

    :param timeout: connect and read timeouts, seconds.
    :param user_agent: sent with the call.
    :param mask: told once of every token before anything can log it.
    """

    def __init__(self, timeout: tuple[float, float], user_agent: str, mask: Mask) -> None:
        self._timeout = timeout
        self._user_agent = user_agent
        self._mask = mask
        self._masked: deque[str] = deque(maxlen=_SECRETS_REMEMBERED)

    def mask(self, secret: str) -> None:
        """Have a secret masked, if it is not yet."""
        if secret not in self._masked:
            self._masked.append(secret)
            self._mask(secret)

    def __call__(self, url: str, form: dict[str, str], redact: Callable[[str], str]) -> dict[str, Any]:
        request = f"POST {TOKEN_PATH}"
        with new_session() as session:
            answer = transport.exchange(
                session,
                "POST",
                url,
                request=request,
                timeout=self._timeout,
                redact=redact,
                auth=transport.NO_AUTH,
                data=form,
                headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            )
        error = _token_error(answer, request, redact)
        if error is not None:
            raise error
        reply = answer.json
        token = reply.get("access_token") if isinstance(reply, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token or not token:
            raise TransientError(answer.status_code, (), request, reason="the reply has no usable access_token")
        return dict(reply)


def _token_error(answer: Answer, request: str, redact: Callable[[str], str]) -> CriteoApiError | None:
    status = answer.status_code
    problems, code = _token_problems(answer.json, redact)
    if 200 <= status < 300 and not code:
        return None
    if status == 429:
        return RateLimitError.from_rate(answer.rate_limit, problems, request)
    if status >= 500 or status in (408, 425) or code in _PASSING_ERRORS:
        return TransientError(status, problems, request, reason="no token could be had")
    if answer.is_markup:
        reason = "the reply is a web page, not the answer of Criteo's token endpoint"
        return TransientError(
            status, problems, request, reason=reason, advice=f"{_CHECK_HOST} Else let the task retry."
        )
    if status in (400, 401, 403) or code:
        reason = "Criteo does not accept the credentials"
        if answer.json is None:
            reason = "this is not the answer of Criteo's token endpoint"
        return AuthenticationError(status, problems, request, reason=reason)
    if status in (404, 405, 410):
        return AuthenticationError(
            status,
            problems,
            request,
            reason="there is no token endpoint at this host",
            advice=_CHECK_HOST,
        )
    return TransientError(status, problems, request, reason="this is not the answer of Criteo's token endpoint")


def _token_problems(reply: object, redact: Callable[[str], str]) -> tuple[tuple[Problem, ...], str]:
    if not isinstance(reply, dict):
        return (), ""
    if isinstance(reply.get("error"), str) and reply["error"]:
        # RFC 6749, section 5.2
        code = reply["error"]
        problem = Problem.from_json(
            {
                "type": "authentication",
                "code": redact(code),
                "detail": redact(str(reply.get("error_description") or "")),
                "instance": redact(str(reply.get("error_uri") or "")),
            }
        )
        return (problem,), code
    errors = reply.get("errors")
    if not isinstance(errors, list) or not errors:
        return (), ""
    problems = tuple(Problem.from_json(redacted(item, redact)) for item in errors)
    return problems, problems[0].code or "unknown"


class BearerAuth(AuthBase):
    """Puts the token on requests to the API's own host; on a 401 gets one new token and sends once more.

    :param source: the application's token source.
    :param fetch: makes the token call.
    :param base_url: the only place the token is sent to.
    """

    def __init__(self, source: TokenSource, fetch: TokenFetch, base_url: str) -> None:
        self._source = source
        self._fetch = fetch
        self._origin = _origin(base_url)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if _origin(request.url or "") != self._origin:
            request.headers.pop("Authorization", None)
            return request
        token = self._source.token(self._fetch)
        request.headers["Authorization"] = f"Bearer {token}"
        request.hooks["response"].append(self._renew_once(token))
        return request

    def _renew_once(self, rejected: str) -> Callable[..., requests.Response]:
        def on_response(response: requests.Response, **kwargs: Any) -> requests.Response:
            # requests calls the hooks of a request for where it was redirected to, too.
            elsewhere = _origin(response.request.url or "") != self._origin
            if response.status_code != 401 or response.history or elsewhere:
                return response
            # requests' own digest authentication resends in the same way, but reads the refusal's body first, which
            # may have no end.
            response.close()
            token = self._source.token(self._fetch, rejected=rejected)
            again = response.request.copy()
            again.headers["Authorization"] = f"Bearer {token}"
            second: requests.Response = response.connection.send(again, **kwargs)
            second.history.append(response)
            second.request = again
            return second

        return on_response


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port
