"""The token endpoint and the check of access tokens.

Sources: https://developers.criteo.com/criteo-apis/docs/authentication, the pages of the two grants beside it,
https://developers.criteo.com/marketing-solutions/changelog/content-type-mandatory-in-authentication-header and
https://developers.criteo.com/criteo-apis/docs/api-error-codes.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from airflow_provider_criteo.sandbox.replies import Refusal, Reply, refusal
from airflow_provider_criteo.sandbox.settings import Settings

FORM = "application/x-www-form-urlencoded"
_CODE_LIFETIME = 60.0
_REFRESH_TOKEN_LIFETIME = 182 * 86400.0
_NOT_STORED = {"cache-control": "no-store", "pragma": "no-cache"}
_ERROR_URI = "https://datatracker.ietf.org/doc/html/rfc6749#section-5.2"


@dataclass
class Grant:
    """What a token stands for.

    :param client_id: the application.
    :param kind: the grant type it came from.
    :param expires_at: epoch seconds.
    :param revoked: the 401 code it is refused with, once it is revoked.
    """

    client_id: str
    kind: str
    expires_at: float
    revoked: str | None = None


def fingerprint(token: str) -> str:
    """A name for a token that does not give it away."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()[:12]}"


def oauth_error(status: int, error: str, description: str, **headers: str) -> Reply:
    """An error as RFC 6749, section 5.2 has it: not Criteo's envelope."""
    told = {"error": error, "error_description": description, "error_uri": _ERROR_URI}
    return Reply.json(status, told, {**_NOT_STORED, **headers})


class Tokens:
    """Issues tokens and knows them again."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._clients = {client_id: client_secret}
        self._access: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self._codes: dict[str, Grant] = {}

    def issue_refresh_token(self, client_id: str) -> str:
        """A refresh token, as an authorization code would have given it."""
        token = secrets.token_urlsafe(32)
        self._refresh[token] = Grant(client_id, "refresh_token", time.time() + _REFRESH_TOKEN_LIFETIME)
        return token

    def issue_code(self, client_id: str) -> str:
        """An authorization code: one use, 60 s."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = Grant(client_id, "authorization_code", time.time() + _CODE_LIFETIME)
        return code

    def answer(self, method: str, body: bytes, content_type: str, settings: Settings) -> Reply:
        """The answer to a token call."""
        if method != "POST":
            return oauth_error(405, "invalid_request", "Only POST is supported.", allow="POST")
        if content_type.partition(";")[0].strip().lower() != FORM:
            return oauth_error(400, "invalid_request", f"The Content-Type header must be {FORM}.")
        try:
            form = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True))
        except ValueError:
            return oauth_error(400, "invalid_request", "The body is no form.")
        grant_type = form.get("grant_type")
        if not grant_type:
            return oauth_error(400, "invalid_request", "The mandatory 'grant_type' parameter is missing.")
        if grant_type not in ("client_credentials", "refresh_token", "authorization_code"):
            return oauth_error(400, "unsupported_grant_type", "The specified 'grant_type' parameter is not supported.")
        client_id, secret = form.get("client_id"), form.get("client_secret")
        if not client_id or secret is None:
            return oauth_error(400, "invalid_request", "The 'client_id' and 'client_secret' parameters are mandatory.")
        known = {**self._clients, **settings.clients}.get(client_id)
        if known is None or not secrets.compare_digest(known.encode(), secret.encode()):
            return oauth_error(
                settings.invalid_client_status, "invalid_client", "The client id is unknown or the secret is invalid."
            )
        if grant_type == "client_credentials":
            return self._token(client_id, grant_type, settings)
        if grant_type == "authorization_code":
            return self._exchange(client_id, form, settings)
        return self._renew(client_id, form.get("refresh_token", ""), settings)

    def _exchange(self, client_id: str, form: Mapping[str, str], settings: Settings) -> Reply:
        grant = self._codes.pop(form.get("code", ""), None)
        if grant is None or grant.client_id != client_id or grant.expires_at < time.time():
            return oauth_error(400, "invalid_grant", "The authorization code is invalid, used or expired.")
        return self._token(client_id, "refresh_token", settings, self.issue_refresh_token(client_id))

    def _renew(self, client_id: str, refresh_token: str, settings: Settings) -> Reply:
        if not refresh_token:
            return oauth_error(400, "invalid_request", "The mandatory 'refresh_token' parameter is missing.")
        grant = self._refresh.get(refresh_token)
        if grant is None or grant.client_id != client_id or grant.revoked or grant.expires_at < time.time():
            return oauth_error(400, "invalid_grant", "The refresh token is invalid, revoked or expired.")
        if settings.rotate_refresh_token:
            grant.revoked = "rotated"
            refresh_token = self.issue_refresh_token(client_id)
        return self._token(client_id, "refresh_token", settings, refresh_token)

    def _token(self, client_id: str, kind: str, settings: Settings, refresh_token: str | None = None) -> Reply:
        token = secrets.token_urlsafe(48)
        lifetime = settings.expires_in if settings.token_lifetime is None else settings.token_lifetime
        self._access[token] = Grant(client_id, kind, time.time() + lifetime)
        reply = {"access_token": token, "token_type": "Bearer", "expires_in": settings.expires_in}
        if refresh_token:
            reply["refresh_token"] = refresh_token
        return Reply.json(200, reply, _NOT_STORED)

    def check(self, authorization: str | None) -> Grant:
        """What the call's token stands for.

        :raises Refusal: 401, with the code that Criteo documents for it.
        """
        if not authorization:
            raise _unauthorized("authorization-token-missing")
        scheme, _, token = authorization.partition(" ")
        grant = self._access.get(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            raise _unauthorized("authorization-token-invalid")
        if grant.revoked:
            raise _unauthorized(grant.revoked)
        if grant.expires_at <= time.time():
            raise _unauthorized("authorization-token-expired")
        return grant

    def revoke(self, code: str = "authorization-token-invalid", token: str | None = None) -> int:
        """Refuse access tokens from now on.

        :param code: the code of the 401.
        :param token: the one to refuse; all where not given.
        """
        grants = (
            [self._access[token]] if token in self._access else list(self._access.values()) if token is None else []
        )
        for grant in grants:
            grant.revoked = grant.revoked or code
        return len(grants)

    def revoke_refresh_tokens(self) -> None:
        """What happens when the consenting user changes role or leaves."""
        for grant in self._refresh.values():
            grant.revoked = "revoked"


def _unauthorized(code: str) -> Refusal:
    return refusal(401, code, **{"www-authenticate": "Bearer"})
