"""Servers, gateways and proxies that do what they should not: nothing hangs, nothing is sent twice, no secret gets out."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from requests.adapters import HTTPAdapter

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import (
    AuthenticationError,
    CriteoError,
    InvalidInputError,
    RateLimitError,
    TransientError,
)
from airflow_provider_criteo.api.http import normalized_base_url
from airflow_provider_criteo.api.models import JobState, ReportJob
from airflow_provider_criteo.api.quota import rate_limit_of
from tests.support.raw_server import TOKEN, RawServer, endless, http

ATTRIBUTES = {"advertiserIds": ["1"], "lookbackWindow": 60}
SECRET = "s3cr+t/of=the&client"
BEHIND_PROXY = partial(CriteoClient, "client", SECRET, base_url="https://criteo.example", timeout=1.0)
PENDING = http(200, {"data": {"attributes": {"exportId": "1", "status": "Pending"}}})


@contextmanager
def client_of(server: RawServer, **options: Any) -> Iterator[CriteoClient]:
    options = {"client_secret": SECRET, "base_url": server.url, "timeout": 1.0, **options}
    with CriteoClient(f"client-{time.monotonic()}", **options) as client:
        yield client


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A certificate of this machine, which the client trusts, and its key."""
    certificate, key = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    return certificate, key


# Nothing is sent twice


def test_a_post_whose_reply_is_broken_tls_is_not_sent_again(tls: tuple[str, str]) -> None:
    def broken(connection: Any) -> None:
        # An application data record that nobody can decrypt.
        os.write(connection.fileno(), b"\x17\x03\x03\x00\x20" + b"\0" * 32)
        time.sleep(0.5)

    with RawServer(broken, tls=tls) as server, client_of(server) as client:
        with pytest.raises(TransientError, match="a report job may exist"):
            client.create_report_job("mpo-realtime", ATTRIBUTES)
        assert len(server.requests) == 1


def test_a_certificate_that_is_not_trusted_is_told_before_anything_is_sent(
    tls: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with RawServer(PENDING, tls=tls) as server, client_of(server) as client:
        with pytest.raises(TransientError, match="CERTIFICATE_VERIFY_FAILED"):
            client.get_report_job("1")
        assert not server.requests + server.token_requests


# Nothing hangs


@pytest.mark.parametrize("call", ["token", "status", "create"])
def test_a_redirect_whose_body_has_no_end_ends_in_time(call: str) -> None:
    answer = endless(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")
    began = time.monotonic()
    with (
        RawServer(answer, token=answer if call == "token" else None) as server,
        client_of(server) as client,
        pytest.raises(TransientError),
    ):
        client.create_report_job("mpo-realtime", ATTRIBUTES) if call == "create" else client.get_report_job("1")
    assert time.monotonic() - began < 8


def test_an_answer_over_somebody_elses_adapter_ends_in_time() -> None:
    with RawServer(endless(b"HTTP/1.1 200 OK\r\n\r\n")) as server, client_of(server) as client:
        client.session.mount("http://", HTTPAdapter())
        began = time.monotonic()
        with pytest.raises(TransientError, match="no answer within"):
            client.get_report_job("1")
    assert time.monotonic() - began < 5


def test_a_post_that_no_proxy_let_through_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(PENDING) as server, RawServer(endless(b"HTTP/1.1 200 OK\r\nX-Endless: ")) as proxy:
        with client_of(server) as client:
            client.get_report_job("1")  # so that there is a token
            monkeypatch.setattr(client, "base_url", "https://criteo.example")
            client.session.proxies = {"https": f"http://localhost:{proxy.port}"}
            with pytest.raises(TransientError) as failed:
                client.create_report_job("mpo-realtime", ATTRIBUTES)
        assert "a report job may exist" not in str(failed.value)
        assert len(proxy.requests) == 4


def test_a_proxy_that_drips_ends_in_time(tls: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(endless(b"HTTP/1.1 200 OK\r\nX-Endless: ")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        began = time.monotonic()
        with BEHIND_PROXY() as client, pytest.raises(TransientError):
            client.get_report_job("1")
        assert time.monotonic() - began < 8
        assert proxy.requests[0].startswith(b"CONNECT criteo.example:443")


# Where secrets go


@pytest.mark.parametrize("status", [401, 403])
def test_a_users_own_call_that_is_redirected_takes_no_token_along(status: int) -> None:
    with RawServer(http(status)) as elsewhere, RawServer(http(302, Location=f"{elsewhere.url}/x")) as server:
        with client_of(server) as client:
            assert client.session.get(f"{server.url}/anything", timeout=5).status_code == status
        assert [b"authorization" in request.lower() for request in elsewhere.requests] == [False]
        assert len(server.token_requests) == 1


def test_what_is_plain_http_to_this_machine_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(http(500)) as proxy, RawServer(PENDING) as server, client_of(server) as client:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://localhost:{proxy.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert client.get_report_job("1").state is JobState.PENDING
        assert not proxy.requests + proxy.token_requests


def test_a_refresh_token_is_sent_for_its_own_grant_alone() -> None:
    with RawServer(PENDING) as server, client_of(server, refresh_token="a-refresh-token") as client:
        client.get_report_job("1")
        assert b"refresh" not in server.token_requests[0]


@pytest.mark.parametrize("host", ["https://id:ab/cd@api.criteo.com", "id:s3 cret@api.criteo.com", "ftp://id:pw@x"])
def test_a_host_with_credentials_is_refused_without_them(host: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        normalized_base_url(host)
    assert not any(secret in str(refused.value) for secret in ("ab/cd", "s3 cret", "pw"))


@pytest.mark.parametrize(
    "proxy", ["http://user:pw#1@proxy.example:3128", "http://user:pw-of-proxy@proxy.example:99999"]
)
def test_a_proxy_that_cannot_be_read_keeps_its_password(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with BEHIND_PROXY() as client, pytest.raises(TransientError, match="that of the proxy") as failed:
        client.get_report_job("1")
    assert "pw" not in "".join(traceback.format_exception(failed.value))


def spelt(secret: str) -> dict[str, str]:
    """How a server may spell what it was sent."""
    return {
        "as it is": secret,
        "in a URL": quote(secret, safe=""),
        "in a path": quote(secret),
        "lower case": quote(secret, safe="").lower(),
        "base64": base64.b64encode(secret.encode()).decode(),
        "json": "".join(f"\\u{ord(sign):04X}" if not sign.isalnum() else sign for sign in secret),
        "slashes": secret.replace("/", "\\/"),
    }


def echoes(text: str) -> dict[str, bytes]:
    """Where a server may repeat it."""
    problem = {"code": "c", "title": "t", "detail": text}
    return {
        "detail": http(400, {"errors": [problem]}),
        "key": http(400, {"errors": [{"code": "c", "source": {text: "x"}}]}),
        "nested": http(400, {"errors": [{"code": "c", "detail": {text: [text]}}]}),
        "message": http(200, {"data": {"attributes": {"status": "Failure", "message": text}}}),
        "status": http(200, {"data": {"attributes": {"status": text}}}),
        "warning": http(200, {"data": {"attributes": {"status": "Pending"}}, "warnings": [problem]}),
        "deprecation": http(200, {"data": {"attributes": {"status": "Pending"}}}, Deprecation=text, Sunset=text),
        "location": http(302, Location=f"http://{text}.example/x"),
        "port": http(302, Location=f"http://localhost:{text}/x"),
        "status line": f"HTTP/1.1 {text}\r\n\r\n".encode(),
        "version": f"{text}\r\n\r\n".encode(),
        "chunk": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}\r\n".encode(),
    }


@pytest.mark.parametrize("spelling", spelt(""))
@pytest.mark.parametrize("secret", [SECRET, TOKEN], ids=["client secret", "token"])
@pytest.mark.parametrize("place", echoes(""))
def test_a_secret_that_comes_back_is_in_no_text(
    place: str, secret: str, spelling: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = spelt(secret)[spelling]
    told = ""
    with RawServer(echoes(text)[place]) as server, client_of(server) as client:
        try:
            told = repr(client.get_report_job("1"))
        except CriteoError as error:
            told = "".join(traceback.format_exception(error))
    assert text.lower() not in (told + caplog.text).lower()


@pytest.mark.parametrize("place", ["message", "status", "detail", "error instead of a report"])
def test_a_long_secret_is_recognized_before_a_text_is_cut(
    place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "".join(f"{number:04d}-" for number in range(60))
    texts = [f"{'x ' * blanks}bearer {secret}" for blanks in (0, 40, 400, 490, 1980)]
    for text in texts:
        answer = echoes(text).get(place) or http(200, {"error": text})
        with RawServer(answer) as server, client_of(server, client_secret=secret) as client:
            job = ReportJob("1", "mpo-realtime", "Done", JobState.DONE) if place.startswith("error") else None
            told = ""
            try:
                client.download_report("1", tmp_path / "report.csv", job=job)
            except CriteoError as error:
                told = "".join(traceback.format_exception(error))
        assert "0000-0001" not in told + caplog.text


def test_the_rotated_refresh_token_in_use_is_never_forgotten() -> None:
    tokens = iter(range(1000))

    def token(connection: Any) -> None:
        answer = {
            "access_token": f"access-{next(tokens)}-token",
            "expires_in": 0.01,
            "refresh_token": "rotated-refresh",
        }
        connection.sendall(http(200, answer))

    echo = http(400, {"errors": [{"code": "c", "detail": "rotated-refresh"}]})
    options = {"grant_type": "refresh_token", "refresh_token": "first-refresh"}
    with RawServer(echo, token=token) as server, client_of(server, **options) as client:
        for _ in range(20):
            with pytest.raises(CriteoError) as refused:
                client.get_report_job("1")
            assert "rotated-refresh" not in str(refused.value)


@pytest.mark.parametrize("secret", ["data", "Done", "e", "status"])
def test_a_secret_that_is_a_common_word_changes_no_answer(secret: str) -> None:
    done = http(200, {"data": {"attributes": {"exportId": "done-data-1", "status": "Done"}}})
    with RawServer(done) as server, CriteoClient(f"client-{secret}", secret, base_url=server.url) as client:
        job = client.create_report_job("mpo-realtime", ATTRIBUTES)
        assert (job.report_id, job.state) == ("done-data-1", JobState.DONE)


def test_thousands_of_problems_are_read_at_once() -> None:
    problems = [{"code": f"invalid-{number}", "detail": "x" * 100} for number in range(20_000)]
    with RawServer(http(400, {"errors": problems})) as server, client_of(server, timeout=30.0) as client:
        began = time.process_time()
        with pytest.raises(CriteoError):
            client.get_report_job("1")
        assert time.process_time() - began < 4


# What answers mean


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (503, "request-failed", TransientError),
        (500, "report-expired", TransientError),
        (429, "request-expired", RateLimitError),
        (401, "request-expired", AuthenticationError),
    ],
)
def test_a_code_that_sounds_like_the_jobs_end_is_not_on_an_error_of_another_kind(
    status: int, code: str, error: type[CriteoError]
) -> None:
    answer = http(status, {"errors": [{"code": code}]})
    with RawServer(answer) as server, client_of(server) as client, pytest.raises(error):
        client.get_report_job("1")


@pytest.mark.parametrize("moment", ["10:00/11:00", "72::00", "2026-01-01/00:00:00Z", "P1Y", "", "9" * 400])
def test_a_time_that_is_none_loses_no_job(moment: str) -> None:
    attributes = {"status": "Done", "expiresAt": moment, "createdAt": moment}
    with RawServer(http(200, {"data": {"id": "1", "attributes": attributes}})) as server, client_of(server) as client:
        assert client.get_report_job("1").state is JobState.DONE


def test_a_huge_message_is_cut() -> None:
    attributes = {"status": "Failure", "message": "x" * 1_000_000}
    with RawServer(http(200, {"data": {"id": "1", "attributes": attributes}})) as server, client_of(server) as client:
        assert len(json.dumps(client.get_report_job("1").to_json())) < 10_000


@pytest.mark.parametrize("ahead", [-50, -10, 10, 50, 3000])
def test_a_clock_here_that_is_wrong_does_not_shorten_a_wait(ahead: float) -> None:
    there = 1_800_000_000.0
    headers = {"x-ratelimit-reset": str(int(there) + 60), "Date": formatdate(there, usegmt=True)}
    assert rate_limit_of(headers, now=there + ahead).reset_in == pytest.approx(60)


def test_a_date_that_is_wrong_itself_is_not_believed() -> None:
    now = 1_800_000_000.0
    headers = {"x-ratelimit-reset": str(int(now) + 60), "Date": "Tue, 15 Nov 1994 08:12:31 GMT"}
    assert rate_limit_of(headers, now=now).reset_in == pytest.approx(60)


def test_the_last_poll_of_a_wait_comes_at_its_end() -> None:
    done = http(200, {"data": {"attributes": {"exportId": "1", "status": "Done"}}})
    with RawServer(PENDING, done) as server, client_of(server) as client:
        job = client.wait_for_report_job("1", poll_interval=60, timeout=0.5)
        assert job.state is JobState.DONE
