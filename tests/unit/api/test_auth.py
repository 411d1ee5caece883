"""The life of a token, and where secrets are not."""

from __future__ import annotations

import re
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import responses

from airflow_provider_criteo.api.auth import Credentials, TokenFetch, TokenSource
from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import (
    AuthenticationError,
    CriteoApiError,
    CriteoError,
    InvalidInputError,
    RateLimitError,
    TransientError,
)
from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.recorder import Recorder
from tests.support.report_types import ATTRIBUTES

REALTIME = ATTRIBUTES["mpo-realtime"]
TRICKY = "a+b/c=d&e%f"
THREADS = 20


def tokens_fetched(sandbox: Sandbox) -> int:
    return len(sandbox.journal("token"))


def made(client: CriteoClient) -> str:
    return client.create_report_job("mpo-realtime", REALTIME).report_id


def test_a_token_is_shared_by_all_clients_of_the_application(fresh_sandbox: Sandbox, make_client: Any) -> None:
    report_id = made(make_client(fresh_sandbox))
    for _ in range(3):
        make_client(fresh_sandbox).get_report_job(report_id)
    assert tokens_fetched(fresh_sandbox) == 1
    assert len({call["token"] for call in fresh_sandbox.journal("status")}) == 1


def test_another_secret_or_host_is_another_token(fresh_sandbox: Sandbox, make_client: Any) -> None:
    fresh_sandbox.configure(clients={fresh_sandbox.client_id: TRICKY, "another": "other secret"})
    made(make_client(fresh_sandbox))
    made(make_client(fresh_sandbox, client_id="another", client_secret="other secret"))
    made(make_client(fresh_sandbox, base_url=fresh_sandbox.url.replace("127.0.0.1", "localhost")))
    assert tokens_fetched(fresh_sandbox) == 3


@pytest.mark.parametrize(("lifetime", "early"), [(900, 60), (100, 10), (1, 0.1)])
def test_a_token_is_renewed_before_its_time_is_over(lifetime: float, early: float) -> None:
    now = 1_000.0
    source = TokenSource(Credentials("id", "secret"), "https://api.criteo.com", lambda: now)
    fetch = Fetch({"access_token": "first-token", "expires_in": lifetime}, {"access_token": "second-token"})
    assert source.token(fetch) == "first-token"
    now += lifetime - early - 0.01
    assert source.token(fetch) == "first-token"
    now += 0.02
    assert source.token(fetch) == "second-token"


class Fetch(TokenFetch):
    """A token call that is answered with these, the last one for ever."""

    def __init__(self, *replies: dict[str, Any]) -> None:
        super().__init__((1.0, 1.0), "agent", lambda secret: None)
        self._replies = list(replies)
        self.forms: list[dict[str, str]] = []

    def __call__(self, url: str, form: dict[str, str], redact: Any) -> dict[str, Any]:
        self.forms.append(form)
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


def test_a_refresh_token_is_sent_for_its_own_grant_alone() -> None:
    fetch = Fetch({"access_token": "a-token"})
    for grant_type in ("client_credentials", "refresh_token"):
        TokenSource(Credentials("id", "secret", grant_type, "refresh me"), "https://x").token(fetch)
    assert ["refresh_token" in form for form in fetch.forms] == [False, True]


def test_the_rotated_refresh_token_in_use_is_never_forgotten() -> None:
    replies = [{"access_token": f"access-{n}", "refresh_token": "rotated-refresh"} for n in range(40)]
    source = TokenSource(Credentials("id", "secret", "refresh_token", "first-refresh"), "https://x")
    fetch = Fetch(*replies)
    token = source.token(fetch)
    for _ in range(39):
        token = source.token(fetch, rejected=token)
    assert source.redact(f"rotated-refresh first-refresh {token}") == "*** *** ***"


@pytest.mark.parametrize("secret", ["data", "e", "a"])
def test_a_secret_that_is_too_short_to_be_one_changes_no_text(secret: str) -> None:
    source = TokenSource(Credentials("id", secret), "https://x")
    assert source.redact("the data are here") == "the data are here"


@pytest.mark.parametrize(
    "fault",
    [
        "token-expires-in-text",
        "token-expires-in-word",
        "token-expires-in-negative",
        "token-expires-in-zero",
        "token-expires-in-huge",
        "token-expires-in-null",
    ],
)
def test_a_lifetime_that_is_none_is_the_documented_one(fault: str, fresh_sandbox: Sandbox, make_client: Any) -> None:
    fresh_sandbox.fault("token", fault)
    client = make_client(fresh_sandbox)
    report_id = made(client)
    client.get_report_job(report_id)
    assert tokens_fetched(fresh_sandbox) == 1


def test_an_expired_token_is_replaced_once_and_the_call_made_again(fresh_sandbox: Sandbox, make_client: Any) -> None:
    client = make_client(fresh_sandbox)
    report_id = made(client)
    fresh_sandbox.fault("status", "token-expired")
    assert client.get_report_job(report_id).report_id == report_id
    assert [call["status"] for call in fresh_sandbox.journal("status")] == [401, 200]
    assert tokens_fetched(fresh_sandbox) == 2


@pytest.mark.parametrize("call", ["create", "status", "download"])
def test_a_revoked_token_is_replaced_on_every_call(
    call: str, fresh_sandbox: Sandbox, make_client: Any, tmp_path: Any
) -> None:
    client = make_client(fresh_sandbox)
    report_id = made(client)
    job = client.get_report_job(report_id)
    fresh_sandbox.revoke_tokens()
    if call == "create":
        client.create_report_job("products", ATTRIBUTES["products"])
    elif call == "status":
        client.get_report_job(report_id)
    else:
        client.download_report(report_id, tmp_path / "report", job=job)
    assert [made["status"] for made in fresh_sandbox.journal(call)][-2:] == [401, 200]
    assert tokens_fetched(fresh_sandbox) == 2
    assert len(fresh_sandbox.jobs()) == (2 if call == "create" else 1)


def test_a_token_that_is_revoked_during_a_wait(sandbox: Sandbox, make_client: Any) -> None:
    def sleep(seconds: float) -> None:
        sandbox.revoke_tokens()
        sandbox.finish(report_id)

    client = make_client(sandbox, sleep=sleep)
    report_id = made(client)
    assert client.wait_for_report_job(report_id, timeout=20).state is JobState.DONE
    assert [call["status"] for call in sandbox.journal("status")] == [200, 401, 200]


def test_a_token_that_is_never_accepted_is_tried_twice(fresh_sandbox: Sandbox, make_client: Any) -> None:
    client = make_client(fresh_sandbox)
    report_id = made(client)
    fresh_sandbox.fault("status", "http-401", times=None, code="authorization-issuer-invalid")
    with pytest.raises(AuthenticationError, match="authorization-issuer-invalid"):
        client.get_report_job(report_id)
    assert len(fresh_sandbox.journal("status")) == 2
    assert tokens_fetched(fresh_sandbox) == 2


def polls_of_many(client: CriteoClient, report_id: str) -> list[Any]:
    together = threading.Barrier(THREADS)

    def poll(_: int) -> Any:
        together.wait(10)
        return client.get_report_job(report_id)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(poll, range(THREADS)))


def test_one_of_many_threads_gets_the_token_while_the_others_wait(fresh_sandbox: Sandbox, make_client: Any) -> None:
    report_id = made(make_client(fresh_sandbox))
    fresh_sandbox.configure(clients={"of many": TRICKY})
    client = make_client(fresh_sandbox, client_id="of many", client_secret=TRICKY)
    fresh_sandbox.hold("token")
    with ThreadPoolExecutor(1) as pool:
        polls = pool.submit(polls_of_many, client, report_id)
        fresh_sandbox.wait_held("token")
        time.sleep(0.05)  # for a second token call to come, if there were one
        fresh_sandbox.release("token")
        assert len(polls.result(20)) == THREADS
    assert tokens_fetched(fresh_sandbox) == 2


def test_many_threads_with_a_revoked_token_get_one_new_one(fresh_sandbox: Sandbox, make_client: Any) -> None:
    client = make_client(fresh_sandbox)
    report_id = made(client)
    fresh_sandbox.revoke_tokens()
    assert len(polls_of_many(client, report_id)) == THREADS
    assert tokens_fetched(fresh_sandbox) == 2


# Refresh tokens


def refreshing(own_sandbox: Sandbox, make_client: Any, **options: Any) -> CriteoClient:
    options = {"refresh_token": own_sandbox.refresh_token, **options}
    client: CriteoClient = make_client(own_sandbox, grant_type="refresh_token", **options)
    return client


def test_a_refresh_token_that_stays_is_not_told_of(
    own_sandbox: Sandbox, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = refreshing(own_sandbox, make_client)
    report_id = made(client)
    own_sandbox.revoke_tokens()
    client.get_report_job(report_id)
    assert "refresh token" not in caplog.text


def test_a_rotated_refresh_token_is_used_from_then_on_by_every_client(
    own_sandbox: Sandbox, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    own_sandbox.configure(rotate_refresh_token=True)
    masked: list[str] = []
    report_id = made(refreshing(own_sandbox, make_client, mask=masked.append))
    for _ in range(2):
        own_sandbox.revoke_tokens()
        refreshing(own_sandbox, make_client, mask=masked.append).get_report_job(report_id)
    assert tokens_fetched(own_sandbox) == 3
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 3
    assert all("refresh_token_variable" in warning and own_sandbox.client_id in warning for warning in warnings)
    assert not any(secret in caplog.text for secret in masked)
    assert len(set(masked)) == 6  # three access and three refresh tokens


def test_a_revoked_refresh_token_is_invalid_grant(own_sandbox: Sandbox, make_client: Any) -> None:
    own_sandbox.revoke_refresh_tokens()
    with pytest.raises(AuthenticationError, match="invalid_grant: The refresh token is invalid, revoked or expired"):
        made(refreshing(own_sandbox, make_client))


# RFC 6749 errors


@pytest.mark.parametrize(
    ("fault", "code", "expected"),
    [
        ("http-400", "invalid_request", AuthenticationError),
        ("http-400", "invalid_client", AuthenticationError),
        ("http-401", "invalid_client", AuthenticationError),
        ("http-400", "invalid_grant", AuthenticationError),
        ("http-400", "unauthorized_client", AuthenticationError),
        ("http-400", "unsupported_grant_type", AuthenticationError),
        ("http-403", "access_denied", AuthenticationError),
        ("http-400", "temporarily_unavailable", TransientError),
        ("http-400", "slow_down", TransientError),
        ("http-500", "server_error", TransientError),
    ],
)
def test_token_errors_are_rfc_6749s(
    fault: str, code: str, expected: type[CriteoApiError], fresh_sandbox: Sandbox, make_client: Any
) -> None:
    report_id = made(make_client(fresh_sandbox))
    fresh_sandbox.configure(clients={code + fault: "x-x-x-x"})
    client = make_client(fresh_sandbox, client_id=code + fault, client_secret="x-x-x-x")
    fresh_sandbox.fault("token", fault, code=code, title="Because of this")
    with pytest.raises(CriteoApiError) as raised:
        client.get_report_job(report_id)
    assert type(raised.value) is expected
    assert f"{code}: Because of this (instance: https://" in str(raised.value)
    assert str(raised.value).startswith("POST /oauth2/token was answered")
    if expected is AuthenticationError:
        assert "check the client id (login), the client secret (password) and the host" in str(raised.value)


@pytest.mark.parametrize("status", [400, 401])
def test_wrong_credentials(status: int, fresh_sandbox: Sandbox, make_client: Any) -> None:
    fresh_sandbox.configure(invalid_client_status=status)
    client = make_client(fresh_sandbox, client_secret="wrong+secret")
    with pytest.raises(AuthenticationError, match="invalid_client: The client id is unknown or the secret is invalid"):
        made(client)
    assert [call["call"] for call in fresh_sandbox.journal()] == ["token"]


def test_a_token_endpoint_under_a_used_up_quota(fresh_sandbox: Sandbox, make_client: Any) -> None:
    fresh_sandbox.fault("token", "http-429-retry-after", seconds=30)
    with pytest.raises(RateLimitError) as raised:
        make_client(fresh_sandbox).get_report_job("1")
    assert raised.value.retry_after == 30


@pytest.mark.parametrize(
    ("status", "type_", "expected"),
    [
        (400, "quota", RateLimitError),
        (401, "availability", TransientError),
        (400, "authentication", AuthenticationError),
        (407, "", TransientError),
    ],
)
@responses.activate
def test_a_token_answer_means_what_the_same_answer_to_any_call_does(
    status: int, type_: str, expected: type[CriteoApiError]
) -> None:
    body = {"errors": [{"type": type_, "title": "Because"}]}
    responses.post("https://api.criteo.com/oauth2/token", json=body, status=status, headers={"Retry-After": "7"})
    with CriteoClient(f"{status}{type_}", "a-secret") as client, pytest.raises(expected, match="Because") as raised:
        client.get_report_job("1")
    assert getattr(raised.value, "retry_after", 7) == 7


@pytest.mark.parametrize(
    "fault",
    [
        "token-missing",
        "token-access-token-null",
        "token-access-token-empty",
        "token-access-token-5",
        "empty-200",
        "html-200",
        "json-list",
        "json-string",
        "not-utf8",
        "html-502",
        "reset-before",
    ],
)
def test_a_token_answer_without_a_token_is_a_passing_fault(
    fault: str, fresh_sandbox: Sandbox, make_client: Any
) -> None:
    fresh_sandbox.fault("token", fault)
    client = make_client(fresh_sandbox)
    with pytest.raises(TransientError, match="POST /oauth2/token"):
        client.get_report_job("1")
    made(client)  # and the next call asks again


def test_a_create_is_made_after_a_passing_fault_of_the_token_call(fresh_sandbox: Sandbox, make_client: Any) -> None:
    """What the token was for was not sent, so that nothing is doubtful."""
    fresh_sandbox.fault("token", "http-500")
    made(make_client(fresh_sandbox))
    assert len(fresh_sandbox.journal("create")) == 1


# Secrets


@pytest.mark.parametrize("secret", [TRICKY, "pläin säcret", "0123456789abcdef", '"quotes" & spaces'])
def test_a_secret_with_every_character_arrives(secret: str, fresh_sandbox: Sandbox, make_client: Any) -> None:
    fresh_sandbox.configure(clients={"other": secret})
    with Recorder(fresh_sandbox.url) as recorder:
        made(make_client(fresh_sandbox, client_id="other", client_secret=secret, base_url=recorder.url))
    token = recorder.exchanges[0]
    assert token.request_headers["content-type"] == "application/x-www-form-urlencoded"
    assert f"client_secret={quote_plus(secret)}".encode() in token.request_body
    assert "authorization" not in token.request_headers
    assert token.path == "/oauth2/token"


ECHOES = {
    "as it is": lambda secret: secret,
    "quoted": lambda secret: quote(secret, safe=""),
    "quoted, in lower case": lambda secret: re.sub("%..", lambda escape: escape[0].lower(), quote(secret, safe="")),
    "as a form": quote_plus,
}


@pytest.mark.parametrize("echo", list(ECHOES))
@pytest.mark.parametrize("place", ["title", "code"])
def test_a_secret_that_the_server_echoes_is_in_no_exception(
    place: str, echo: str, fresh_sandbox: Sandbox, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    secret = fresh_sandbox.client_secret
    assert secret == TRICKY
    echoed = ECHOES[echo](secret)
    fresh_sandbox.fault("token", "http-400", times=None, **{place: f"no such secret: {echoed}!"})
    with pytest.raises(AuthenticationError, match="no such secret: ") as raised:
        made(make_client(fresh_sandbox))
    assert_nowhere((secret, echoed), raised.value, caplog.text)


@responses.activate
@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_client", "error_description": "secret {s}", "error_uri": "https://x/?client_secret={q}"},
        {
            "errors": [
                {"type": "authentication", "code": "x", "detail": "secret {s}", "source": {"client_secret": "{q}"}}
            ]
        },
        {"errors": [["secret {s}"], "{q}"]},
        {"error": "{s}"},
        {"error": {"description": "{s}"}},
        "client_secret={q}",
    ],
)
def test_a_secret_in_any_corner_of_a_token_answer_is_in_no_exception(
    body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{s}", TRICKY).replace("{q}", quote_plus(TRICKY))
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return [filled(item) for item in value]

    responses.post("https://api.criteo.com/oauth2/token", json=filled(body), status=401)
    with CriteoClient("id", TRICKY) as client, pytest.raises(AuthenticationError) as raised:
        client.get_report_job("1")
    assert_nowhere((TRICKY, quote_plus(TRICKY)), raised.value, caplog.text)


def test_a_refresh_token_and_an_access_token_that_are_echoed_are_in_no_exception(
    own_sandbox: Sandbox, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    masked: list[str] = []
    client = refreshing(own_sandbox, make_client, mask=masked.append)
    report_id = made(client)
    (access_token,) = set(masked) - {own_sandbox.refresh_token}
    said = f"neither {access_token} nor {own_sandbox.refresh_token}"
    own_sandbox.fault("token", "http-400", code="invalid_grant", title=said, times=None)
    own_sandbox.revoke_tokens()
    with pytest.raises(AuthenticationError, match="neither") as raised:
        client.get_report_job(report_id)
    assert_nowhere((access_token, own_sandbox.refresh_token), raised.value, caplog.text)


def test_a_token_that_a_report_call_echoes_is_in_no_exception(
    fresh_sandbox: Sandbox, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    masked: list[str] = []
    client = make_client(fresh_sandbox, mask=masked.append)
    report_id = made(client)
    (token,) = set(masked)
    fresh_sandbox.fault("status", "http-403", title=f"Bearer {token} may not do this")
    with pytest.raises(CriteoError, match="may not do this") as raised:
        client.get_report_job(report_id)
    assert_nowhere((token,), raised.value, caplog.text)


def assert_nowhere(secrets: tuple[str, ...], error: BaseException, log: str) -> None:
    """Not in the exception, its fields, its causes, nor the log."""
    seen = log
    chain: BaseException | None = error
    while chain is not None:
        seen += f"{chain!s} {chain!r} {chain.args!r} {chain.__dict__!r}"
        chain = chain.__cause__ or chain.__context__
    seen += "".join(traceback.format_exception(error))
    assert [secret for secret in secrets if secret in seen] == []


def test_every_token_is_masked_before_it_is_used(fresh_sandbox: Sandbox, make_client: Any) -> None:
    masked: list[str] = []
    client = make_client(fresh_sandbox, mask=masked.append)
    made(client)
    assert len(set(masked)) == 1
    other: list[str] = []
    client = make_client(fresh_sandbox, mask=other.append)  # of another task in the same process
    made(client)
    assert set(other) == set(masked)


def test_credentials_do_not_show_their_secrets() -> None:
    shown = repr(Credentials("id", TRICKY, "refresh_token", "refresh me"))
    assert "id" in shown
    assert TRICKY not in shown
    assert "refresh me" not in shown


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        (("", "s"), "login: the client id is missing"),
        (("id", ""), "password: the client secret is missing"),
        (("id", "s", "client_credential"), "did you mean 'client_credentials'?"),
        (("id", "s", "password"), "valid: client_credentials, refresh_token"),
        (("id", "s", "refresh_token"), "refresh_token is missing"),
    ],
)
def test_credentials_that_cannot_be_right_are_named(credentials: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        Credentials(*credentials)
    assert said in str(raised.value)
