"""OAuth tokens: one per process and credential, renewed early, once, by one thread.

Sources: https://developers.criteo.com/criteo-apis/docs/authentication,
https://developers.criteo.com/criteo-apis/docs/oauth-app-client-credentials and
https://developers.criteo.com/criteo-apis/docs/oauth-app-authorization-code.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from airflow_provider_criteo.api import http
from airflow_provider_criteo.api.answers import Answer, error_of_status
from airflow_provider_criteo.api.exceptions import (
    AuthenticationError,
    CriteoApiError,
    InvalidInputError,
    RateLimitError,
    TransientError,
    UnavailableError,
    require_choice,
)
from airflow_provider_criteo.api.redaction import Redact, without

log = logging.getLogger(__name__)

GRANT_TYPES = ("client_credentials", "refresh_token")
TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path
TOKEN_LIFETIME = 900.0
"""Seconds a token is documented to live; what the reply says wins."""

_LONGEST_LEAD = 60.0
_CREDENTIALS_REMEMBERED = 16
_SECRETS_REMEMBERED = 16
_SECONDS_UNTIL_SECOND_WRITE = 2.0
_SECONDS_UNTIL_NEXT_WRITE = 30.0
_READS_OF_A_REFUSED_TOKEN = 3
_CHECK_HOST = f"check the host of the connection: Criteo's is {http.DEFAULT_BASE_URL}."
_NOT_CRITEO = "this is not the answer of Criteo's token endpoint"
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
            raise InvalidInputError("login: the client id is missing; Criteo's partner portal shows it with the app")
        if not self.client_secret:
            raise InvalidInputError(
                "password: the client secret is missing; Criteo shows it once, when the key is created"
            )
        require_choice("grant_type", self.grant_type, GRANT_TYPES)
        if self.grant_type == "refresh_token" and not self.refresh_token:
            raise InvalidInputError("refresh_token is missing, and grant_type 'refresh_token' needs it")


class RefreshTokens(Protocol):
    """Where the newest refresh token is kept for other processes, as Criteo may give a new one at each use."""

    def newest(self) -> str | None:
        """The token that was kept last; None where there is none.

        :raises UnavailableError: it cannot be looked up now.
        """

    def keep(self, refresh_token: str) -> None:
        """Keep a new token.

        :raises UnavailableError: it cannot be kept now.
        """


class TokenSource:
    """The access token of one application in this process. Thread-safe.

    :param credentials: of the application.
    :param base_url: scheme, host and port of the API.
    :param clock: seconds, monotonic.
    """

    def __init__(self, credentials: Credentials, base_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._clock = clock
        self._base_url = base_url
        self._refresh_token = credentials.refresh_token
        self._keep_again_at = inf
        self._seconds_between_writes = _SECONDS_UNTIL_NEXT_WRITE
        self._lock = threading.Lock()
        self._token: str | None = None
        self._renew_at = 0.0
        self._seen: deque[str] = deque(maxlen=_SECRETS_REMEMBERED)
        self._without_secrets = self._redaction()

    def token(self, fetch: TokenFetch, rejected: str | None = None) -> str:
        """A token to send now.

        :param fetch: makes the call for a new one.
        :param rejected: the token that Criteo has just refused; never given out again.
        :raises AuthenticationError: the credentials are not accepted.
        :raises RateLimitError: the token endpoint answered 429.
        :raises TransientError: no token could be had now.
        """
        with self._lock:
            if fetch.refresh_tokens and self._clock() >= self._keep_again_at:
                self._keep(fetch.refresh_tokens)
            token = self._token
            if token is None or token == rejected or self._clock() >= self._renew_at:
                token = self._renew(fetch)
            fetch.mask(token)
            return token

    def redact(self, text: str) -> str:
        """The text without this application's secrets and tokens, in case Criteo echoes one."""
        return self._without_secrets(text)

    def _remember(self, secret: str) -> None:
        self._seen.append(secret)
        self._without_secrets = self._redaction()

    def _redaction(self) -> Redact:
        refresh_tokens = (self._credentials.refresh_token or "", self._refresh_token or "")
        return without([self._credentials.client_secret, *refresh_tokens, *self._seen])

    def _renew(self, fetch: TokenFetch) -> str:
        self._token = None
        try:
            reply = self._granted(fetch)
        except TransientError as error:
            error.sent = False  # what the token was for has not been sent, or was refused with a 401
            raise
        token: str = reply["access_token"]
        self._remember(token)
        fetch.mask(token)
        self._keep_rotated(reply.get("refresh_token"), fetch)
        lifetime = _lifetime(reply.get("expires_in"))
        self._renew_at = self._clock() + lifetime - min(_LONGEST_LEAD, lifetime / 10)
        self._token = token
        return token

    def _granted(self, fetch: TokenFetch) -> dict[str, Any]:
        if self._credentials.grant_type != "refresh_token":
            return self._asked(fetch)
        self._take_newest(fetch)
        unchanged = 0
        while True:
            used = self._refresh_token or ""
            try:
                return self._asked(fetch, refresh_token=used)
            except AuthenticationError:
                if fetch.refresh_tokens is None or unchanged == _READS_OF_A_REFUSED_TOKEN:
                    raise
                self._keep_again_at = inf  # nobody needs it any more
            # Another process may have used the token first; it keeps the one that took its place.
            fetch.sleep(random.uniform(0.2, 2.0))  # noqa: S311 - no cryptography
            self._take_newest(fetch)
            unchanged = unchanged + 1 if self._refresh_token == used else 0

    def _asked(self, fetch: TokenFetch, **grant: str) -> dict[str, Any]:
        client = self._credentials
        form = {"grant_type": client.grant_type, "client_id": client.client_id, "client_secret": client.client_secret}
        return fetch(f"{self._base_url}{TOKEN_PATH}", {**form, **grant}, self.redact)

    def _take_newest(self, fetch: TokenFetch) -> None:
        is_kept = self._keep_again_at == inf  # else what is kept is older
        newest = fetch.refresh_tokens.newest() if fetch.refresh_tokens and is_kept else None
        if newest and newest != self._refresh_token:
            fetch.mask(newest)
            self._refresh_token = newest
            self._remember(newest)

    def _keep_rotated(self, refresh_token: object, fetch: TokenFetch) -> None:
        if self._credentials.grant_type != "refresh_token" or not isinstance(refresh_token, str) or not refresh_token:
            return
        if refresh_token == self._refresh_token:
            return
        fetch.mask(refresh_token)
        self._refresh_token = refresh_token
        self._remember(refresh_token)
        if fetch.refresh_tokens:
            self._seconds_between_writes = _SECONDS_UNTIL_NEXT_WRITE
            began = self._clock()
            is_kept = self._keep(fetch.refresh_tokens)
            # Not where it takes long: others wait for the access token.
            if not is_kept and self._clock() - began < _SECONDS_UNTIL_SECOND_WRITE:
                fetch.sleep(_SECONDS_UNTIL_SECOND_WRITE)
                self._keep(fetch.refresh_tokens)
            return
        log.warning(
            "Criteo gave a new refresh token for client id %s, and the old one may stop working. This process uses "
            "the new one; for all others, name an Airflow Variable in the connection's extra refresh_token_variable, "
            "in which the newest is kept.",
            self._credentials.client_id,
        )

    def _keep(self, refresh_tokens: RefreshTokens) -> bool:
        """Keep the newest refresh token, of which this process may have the only copy; whether it could, else it will
        be tried again.
        """
        assert self._refresh_token is not None
        try:
            refresh_tokens.keep(self._refresh_token)
        except UnavailableError as error:
            self._keep_again_at = self._clock() + self._seconds_between_writes
            self._seconds_between_writes *= 2
            log.warning(
                "Criteo gave a new refresh token, which could not be kept: %s: %s. This process goes on with it, and tries "
                "again to keep it; others may be refused. Not every Airflow version can write a Variable from a triggerer.",
                error.request,
                error.reason,
            )
            return False
        self._keep_again_at = inf
        return True


def _lifetime(expires_in: object) -> float:
    try:
        seconds = float(expires_in)  # type: ignore[arg-type] # what is none is caught
    except (TypeError, ValueError):
        return TOKEN_LIFETIME
    return seconds if 0 < seconds < 10 * 365 * 86400 else TOKEN_LIFETIME


_sources_lock = threading.Lock()
_token_source = lru_cache(_CREDENTIALS_REMEMBERED)(TokenSource)


def token_source(credentials: Credentials, base_url: str) -> TokenSource:
    """The one token source of these credentials in this process."""
    with _sources_lock:
        return _token_source(credentials, base_url)


class TokenFetch:
    """Makes the token call and reads its answer.

    :param timeout: connect and read timeouts, seconds.
    :param user_agent: sent with the call.
    :param mask: told once of every token before anything can log it.
    :param refresh_tokens: where refresh tokens are kept for other processes.
    :param sleep: waits for so many seconds.
    """

    def __init__(
        self,
        timeout: tuple[float, float],
        user_agent: str,
        mask: Mask,
        refresh_tokens: RefreshTokens | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.refresh_tokens = refresh_tokens
        self.sleep = sleep
        self._timeout = timeout
        self._user_agent = user_agent
        self._mask = mask
        self._masked: deque[str] = deque(maxlen=_SECRETS_REMEMBERED)

    def mask(self, secret: str) -> None:
        """Have a secret masked, if it is not yet."""
        if secret not in self._masked:
            self._masked.append(secret)
            self._mask(secret)

    def __call__(self, url: str, form: dict[str, str], redact: Redact) -> dict[str, Any]:
        request = f"POST {TOKEN_PATH}"
        with http.new_session() as session:
            response = http.send(
                session,
                "POST",
                url,
                request=request,
                timeout=self._timeout,
                redact=redact,
                auth=http.NO_AUTH,
                data=form,
                headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            )
            answer = http.read(response, request, self._timeout, redact)
        error = _token_error(answer)
        if error is not None:
            raise error
        reply = answer.json
        token = reply.get("access_token") if isinstance(reply, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token or not token:
            # Not the words of a JSON reply: a token may be among them.
            said = answer.problems_of_error if answer.is_markup else ()
            raise TransientError(answer.status_code, said, request, reason="the reply has no usable access_token")
        return dict(reply)


def _token_error(answer: Answer) -> CriteoApiError | None:
    # RFC 6749, section 5.2: an error has a code under "error", whatever the HTTP status.
    if answer.is_success and not _carries_error(answer.json):
        return None
    status, problems = answer.status_code, answer.problems_of_error
    general = error_of_status(answer)
    if isinstance(general, (RateLimitError, TransientError)):
        return general
    if problems and problems[0].code in _PASSING_ERRORS:
        wait = answer.rate_limit.reset_in
        return TransientError(status, problems, answer.request, reason="no token could be had", retry_after=wait)
    if answer.is_markup or not (answer.is_success or status in (400, 401, 403, 404, 405, 410)):
        reason = (
            "the reply is a web page, not the answer of Criteo's token endpoint" if answer.is_markup else _NOT_CRITEO
        )
        advice = f"{_CHECK_HOST} Else let the task retry."
        return TransientError(status, problems, answer.request, reason=reason, advice=advice)
    if status in (404, 405, 410):
        reason = "there is no token endpoint at this host"
        return AuthenticationError(status, problems, answer.request, reason=reason, advice=_CHECK_HOST)
    reason = _NOT_CRITEO if answer.json is None else "Criteo does not accept the credentials"
    return AuthenticationError(status, problems, answer.request, reason=reason)


def _carries_error(reply: object) -> bool:
    return isinstance(reply, dict) and bool(reply.get("error") or reply.get("errors"))


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
        request.headers["Authorization"] = f"Bearer {self._source.token(self._fetch)}"
        request.hooks["response"].append(self._renew_once)
        return request

    def renew(self) -> None:
        """Get a new token: Criteo has refused the present one otherwise than by a 401."""
        self._source.token(self._fetch, rejected=self._source.token(self._fetch))

    def _renew_once(self, response: requests.Response, **kwargs: Any) -> requests.Response:
        # requests calls the hooks of a request for where it was redirected to, too.
        elsewhere = _origin(response.request.url or "") != self._origin
        if response.status_code != 401 or response.history or elsewhere:
            return response
        response.close()
        rejected = response.request.headers["Authorization"].removeprefix("Bearer ")
        again = response.request.copy()
        again.headers["Authorization"] = f"Bearer {self._source.token(self._fetch, rejected=rejected)}"
        second: requests.Response = response.connection.send(again, **kwargs)
        second.history.append(response)
        second.request = again
        return second


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port
