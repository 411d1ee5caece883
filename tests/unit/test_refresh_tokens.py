"""Refresh tokens that Criteo gives anew at each use: kept for all processes of an Airflow."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from airflow_provider_criteo.api.auth import Credentials, TokenFetch, TokenSource
from airflow_provider_criteo.api.exceptions import AuthenticationError
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.utils.refresh_tokens import VariableRefreshTokens


class Kept:
    """Where several processes keep one token."""

    def __init__(self) -> None:
        self.token: str | None = None

    def newest(self) -> str | None:
        return self.token

    def keep(self, refresh_token: str) -> None:
        self.token = refresh_token


@pytest.fixture
def rotating() -> Iterator[Sandbox]:
    with Sandbox(pending_seconds=0, rate_limit=None, rotate_refresh_token=True) as sandbox:
        yield sandbox


def process(sandbox: Sandbox, kept: Kept | None, secrets: list[str]) -> tuple[TokenSource, TokenFetch]:
    """What a process of its own has: a token source that knows the connection's token alone."""
    credentials = Credentials(sandbox.client_id, sandbox.client_secret, "refresh_token", sandbox.refresh_token)
    return TokenSource(credentials, sandbox.url), TokenFetch((5, 5), "tests", secrets.append, kept)


def test_many_processes_take_turns_with_a_token_that_changes_at_each_use(rotating: Sandbox) -> None:
    kept, tokens, secrets = Kept(), [], []

    def start() -> None:
        source, fetch = process(rotating, kept, secrets)
        tokens.append(source.token(fetch))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(tokens)) == 8
    assert kept.token in secrets, "what is kept is masked"


def test_without_a_place_to_keep_it_the_second_process_is_refused(rotating: Sandbox) -> None:
    first, fetch = process(rotating, None, [])
    first.token(fetch)
    second, fetch = process(rotating, None, [])
    with pytest.raises(AuthenticationError, match="invalid_grant"):
        second.token(fetch)


def test_a_token_that_nobody_renewed_ends_soon(rotating: Sandbox) -> None:
    rotating.revoke_refresh_tokens()
    waits: list[float] = []
    source, fetch = process(rotating, Kept(), [])
    fetch.sleep = waits.append
    with pytest.raises(AuthenticationError, match="invalid_grant"):
        source.token(fetch)
    assert 1 <= len(waits) <= 5


def test_a_variable_that_is_for_another_token_of_the_connection_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"connection": hashlib.sha256(b"the-first").hexdigest(), "refresh_token": "the-newest"}
    monkeypatch.setenv("AIRFLOW_VAR_CRITEO_REFRESH", json.dumps(kept))
    assert VariableRefreshTokens("criteo_refresh", "the-first").newest() == "the-newest"
    assert VariableRefreshTokens("criteo_refresh", "put-there-by-hand").newest() is None
    assert VariableRefreshTokens("criteo_no_such", "the-first").newest() is None


def test_what_is_no_token_of_ours_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_CRITEO_REFRESH", "a token put there by hand")
    with caplog.at_level(logging.WARNING):
        assert VariableRefreshTokens("criteo_refresh", "the-first").newest() is None
    assert "put there by hand" not in caplog.text
    assert "criteo_refresh" in caplog.text


def test_a_variable_that_cannot_be_written_costs_a_warning_and_no_token(caplog: pytest.LogCaptureFixture) -> None:
    def away(call: object) -> None:
        raise ConnectionError("no answer, and a-secret-token")

    with caplog.at_level(logging.WARNING):
        VariableRefreshTokens("criteo_refresh", "the-first", away).keep("a-secret-token")
    assert "could not be kept in the Variable 'criteo_refresh'" in caplog.text
    assert "a-secret-token" not in caplog.text
