"""The token endpoint and the check of access tokens.

Sources: https://developers.criteo.com/criteo-apis/docs/authentication, the pages of the two grants beside it,
https://developers.criteo.com/marketing-solutions/changelog/content-type-mandatory-in-authentication-header and
https://developers.criteo.com/criteo-apis/docs/api-error-codes.
"""

from __future__ import annotations

import hashlib
import secrets
import time
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

    @property
    def is_over(self) -> bool:
        """Whether it has expired or was revoked."""
        return self.revoked is not None or self.expires_at <= time.time()


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
        self._consents: dict[str, Grant] = {}

    def issue_refresh_token(self, client_id: str) -> str:
        """A refresh token, as an authorization code would have given it."""
        return _issue(self._consents, Grant(client_id, "refresh_token", time.time() + _REFRESH_TOKEN_LIFETIME))

    def issue_code(self, client_id: str) -> str:
        """An authorization code: one use, 60 s."""
        return _issue(self._consents, Grant(client_id, "authorization_code", time.time() + _CODE_LIFETIME))

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
        for name in ("grant_type", "client_id", "client_secret"):
            if name not in form:
                return oauth_error(400, "invalid_request", f"The mandatory {name!r} parameter is missing.")
        grant_type, client_id = form["grant_type"], form["client_id"]
        if grant_type not in ("client_credentials", "refresh_token", "authorization_code"):
            return oauth_error(400, "unsupported_grant_type", "The specified 'grant_type' parameter is not supported.")
        known = {**self._clients, **settings.clients}.get(client_id)
        if known is None or not secrets.compare_digest(known.encode(), form["client_secret"].encode()):
            status = settings.invalid_client_status
            return oauth_error(status, "invalid_client", "The client id is unknown or the secret is invalid.")
        if grant_type == "client_credentials":
            return self._token(client_id, grant_type, settings)
        name = "code" if grant_type == "authorization_code" else "refresh_token"
        if name not in form:
            return oauth_error(400, "invalid_request", f"The mandatory {name!r} parameter is missing.")
        return self._exchange(client_id, grant_type, form[name], settings)

    def _exchange(self, client_id: str, grant_type: str, consent: str, settings: Settings) -> Reply:
        """The tokens for an authorization code, which is good once, or a refresh token."""
        grant = self._consents.get(consent)
        if grant is None or (grant.client_id, grant.kind) != (client_id, grant_type) or grant.is_over:
            kind = grant_type.replace("_", " ")
            return oauth_error(400, "invalid_grant", f"The {kind} is invalid, revoked or expired.")
        if grant_type == "authorization_code" or settings.rotate_refresh_token:
            grant.revoked = "used"
            consent = self.issue_refresh_token(client_id)
        return self._token(client_id, "refresh_token", settings, consent)

    def _token(self, client_id: str, kind: str, settings: Settings, refresh_token: str | None = None) -> Reply:
        lifetime = settings.expires_in if settings.token_lifetime is None else settings.token_lifetime
        token = _issue(self._access, Grant(client_id, kind, time.time() + lifetime))
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
        if grant.is_over:
            raise _unauthorized("authorization-token-expired")
        return grant

    def revoke(self, code: str = "authorization-token-invalid", token: str | None = None) -> int:
        """Refuse access tokens from now on.

        :param code: the code of the 401.
        :param token: the one to refuse; all where not given.
        """
        grants = [grant for known, grant in self._access.items() if token in (None, known)]
        for grant in grants:
            grant.revoked = grant.revoked or code
        return len(grants)

    def revoke_refresh_tokens(self) -> None:
        """What happens when the consenting user changes role or leaves."""
        for grant in self._consents.values():
            grant.revoked = "revoked"


def _issue(grants: dict[str, Grant], grant: Grant) -> str:
    token = secrets.token_urlsafe(48)
    grants[token] = grant
    return token


def _unauthorized(code: str) -> Refusal:
    return refusal(401, code, **{"www-authenticate": "Bearer"})
