"""Refresh tokens that Criteo gives anew at each use: kept for all processes of an Airflow."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_criteo.api.auth import Credentials, TokenFetch, TokenSource
from airflow_provider_criteo.api.exceptions import AuthenticationError, UnavailableError
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


def process(
    sandbox: Sandbox, kept: Kept | None, secrets: list[str], clock: Callable[[], float] = time.monotonic
) -> tuple[TokenSource, TokenFetch]:
    """What a process of its own has: a token source that knows the connection's token alone."""
    credentials = Credentials(sandbox.client_id, sandbox.client_secret, "refresh_token", sandbox.refresh_token)
    return TokenSource(credentials, sandbox.url, clock), TokenFetch((5, 5), "tests", secrets.append, kept)


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


class KeptBehindAVault(Kept):
    """A place that does not answer for some calls."""

    def __init__(self, *, reads_away: int = 0, writes_away: int = 0) -> None:
        super().__init__()
        self.reads_away, self.writes_away = reads_away, writes_away

    def newest(self) -> str | None:
        if self.reads_away:
            self.reads_away -= 1
            raise UnavailableError(reason="the Variable 'x' could not be read: OSError")
        return super().newest()

    def keep(self, refresh_token: str) -> None:
        if self.writes_away:
            self.writes_away -= 1
            raise UnavailableError(reason="the Variable 'x' could not be written: OSError")
        super().keep(refresh_token)


def test_a_kept_token_that_cannot_be_read_is_waited_for_and_no_other_one_is_sent(rotating: Sandbox) -> None:
    kept = KeptBehindAVault(reads_away=1)
    source, fetch = process(rotating, kept, [])
    with pytest.raises(UnavailableError, match="could not be read"):
        source.token(fetch)
    assert not rotating.journal("token")
    assert source.token(fetch)


@pytest.mark.parametrize("writes_away", [1, 2, 3, 4])
def test_a_token_that_cannot_be_kept_at_once_is_kept_later(
    writes_away: int, rotating: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    kept = KeptBehindAVault(writes_away=writes_away)
    now = 0.0
    source, fetch = process(rotating, kept, [], lambda: now)
    fetch.sleep = lambda seconds: None
    token = source.token(fetch)
    assert ("tries again to keep it" in caplog.text) == bool(writes_away)
    for _ in range(8):
        now += 60.0
        assert source.token(fetch) == token
    other, fetch = process(rotating, kept, [])
    assert other.token(fetch) != token


def test_a_process_without_a_place_to_keep_it_uses_what_another_one_of_the_same_source_could_not(
    rotating: Sandbox,
) -> None:
    now = 0.0
    source, fetch = process(rotating, KeptBehindAVault(writes_away=99), [], lambda: now)
    fetch.sleep = lambda seconds: None
    token = source.token(fetch)
    now = 100.0
    assert source.token(TokenFetch((5, 5), "tests", lambda secret: None)) == token


def test_a_token_that_is_refused_is_not_kept_in_the_place_of_a_newer_one(rotating: Sandbox) -> None:
    now = 0.0
    kept = KeptBehindAVault(writes_away=2)
    source, fetch = process(rotating, kept, [], lambda: now)
    fetch.sleep = lambda seconds: None
    source.token(fetch)
    rotating.revoke_refresh_tokens()
    kept.token = rotating.refresh_token
    now = 10_000.0
    kept.writes_away = 99  # not now either
    with pytest.raises(AuthenticationError):
        source.token(fetch)
    assert kept.token == rotating.refresh_token


@pytest.mark.parametrize("done", ["read", "written"])
def test_a_variable_that_does_not_answer_is_named_and_no_token(done: str) -> None:
    def away(call: object) -> None:
        raise ConnectionError("no answer, and a-secret-token")

    variable = VariableRefreshTokens("criteo_refresh", "the-first", away)
    said = f"Variable 'criteo_refresh' failed: it could not be {done}: ConnectionError"
    with pytest.raises(UnavailableError, match=said) as raised:
        variable.newest() if done == "read" else variable.keep("a-secret-token")
    assert "a-secret-token" not in str(raised.value)
