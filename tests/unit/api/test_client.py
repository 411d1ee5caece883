"""How calls travel: what is sent again and what never, redirects, TLS, proxies, connections, headers."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import responses

from airflow_provider_criteo import __version__
from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import (
    AuthenticationError,
    InvalidInputError,
    RateLimitError,
    ReportJobNotFoundError,
    TransientError,
)
from airflow_provider_criteo.api.http import normalized_base_url
from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.raw_server import RawServer, http
from tests.support.recorder import Recorder
from tests.support.report_types import ATTRIBUTES

REALTIME = ATTRIBUTES["mpo-realtime"]
MAY_EXIST = "a report job may exist at Criteo; creating it again is safe, as Criteo returns the same job"


def made(client: CriteoClient, **options: Any) -> str:
    return client.create_report_job("mpo-realtime", REALTIME, **options).report_id


# A POST that is sent again


def test_a_create_is_sent_again_when_nobody_listened(free_port: int) -> None:
    application = {"client_id": "early", "client_secret": "early bird"}
    late: list[Sandbox] = []
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            late.append(Sandbox(port=free_port, **application).start())

    try:
        with CriteoClient(**application, base_url=f"http://127.0.0.1:{free_port}", sleep=sleep) as client:
            report_id = made(client)
        assert [job["report_id"] for job in late[0].jobs()] == [report_id]
        assert len(late[0].journal("create")) == 1
        assert slept == [1, 2]
    finally:
        for started in late:
            started.stop()


@pytest.mark.parametrize("fault", ["http-503", "html-503", "http-429-bare"])
def test_a_create_is_sent_again_when_it_was_not_taken(
    fault: str, client: CriteoClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.fault("create", fault)
    report_id = made(client)
    assert len(sandbox.journal("create")) == 2
    assert [job["report_id"] for job in sandbox.jobs()] == [report_id]
    assert [record.levelname for record in caplog.records if "Trying again in" in record.getMessage()] == ["WARNING"]


def test_a_create_gives_up_when_the_quota_resets_too_late(client: CriteoClient, sandbox: Sandbox) -> None:
    sandbox.fault("create", "http-429-retry-after", seconds=300)
    with pytest.raises(RateLimitError):
        made(client)
    sandbox.fault("create", "http-429-retry-after", seconds=30)
    with pytest.raises(RateLimitError):
        made(client, quota_wait=10)
    assert sandbox.jobs() == []


# A POST that is not


@pytest.mark.parametrize(
    "fault",
    [
        "http-408",
        "http-500",
        "http-502",
        "http-504",
        "html-502",
        "html-200",
        "json-null",
        "reset-before",
        "reset-after",
        "close-before",
        "close-after",
        "json-cut",
    ],
)
def test_a_create_that_may_have_been_taken_is_never_sent_again(
    fault: str, client: CriteoClient, sandbox: Sandbox
) -> None:
    sandbox.fault("create", fault)
    with pytest.raises(TransientError) as raised:
        made(client)
    assert MAY_EXIST in str(raised.value)
    assert len(sandbox.journal("create")) == 1


def test_a_create_that_is_not_answered_in_time_is_never_sent_again(sandbox: Sandbox, make_client: Any) -> None:
    client = make_client(sandbox, timeout=0.3)
    made(make_client(sandbox))  # so that there is a token
    sandbox.fault("create", "delay-after", seconds=1)
    with pytest.raises(TransientError, match=r"no answer within 0\.3 s") as raised:
        client.create_report_job("products", ATTRIBUTES["products"])
    assert MAY_EXIST in str(raised.value)
    assert len(sandbox.journal("create")) == 2
    # What the message promises: the same request gives the job that was made, not another.
    job = make_client(sandbox).create_report_job("products", ATTRIBUTES["products"])
    assert [made["report_id"] for made in sandbox.jobs()][1:] == [job.report_id]


def test_a_create_that_timed_out_connecting_was_not_sent(make_client: Any, sandbox: Sandbox) -> None:
    with full_backlog() as url:
        client = make_client(sandbox, base_url=url, timeout=0.1)
        with pytest.raises(TransientError, match="no connection within") as raised:
            client.get_report_job("1")
    assert raised.value.sent is False


@contextmanager
def full_backlog() -> Iterator[str]:
    """An address at which no connection comes about, and none is refused."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = []
        try:
            for _ in range(8):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(listening.getsockname())
                waiting.append(one)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            for one in waiting:
                one.close()


def test_a_create_takes_a_fresh_connection(sandbox: Sandbox, recorder: Recorder, make_client: Any) -> None:
    """One that was idle may be dead, and a POST on it is lost without a trace."""
    client = make_client(sandbox, base_url=recorder.url)
    client.get_report_job(made(client))
    made(client)
    creates = [exchange.connection for exchange in recorder.exchanges if exchange.method == "POST"]
    assert len(set(creates)) == len(creates)


# Redirects


def test_a_post_follows_no_redirect(client: CriteoClient, sandbox: Sandbox) -> None:
    sandbox.fault("create", "redirect-same-host")
    with pytest.raises(TransientError, match=r"a redirect to 127\.0\.0\.1, which is not followed for a POST"):
        made(client)
    assert len(sandbox.journal("create")) == 1
    assert sandbox.journal("other") == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_get_follows_a_redirect_at_its_host(status: int, client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client)
    sandbox.fault("status", "redirect-same-host", status=status)
    assert client.get_report_job(report_id).state is JobState.PENDING
    assert len({call["token"] for call in sandbox.journal("status")}) == 1


def test_a_get_carries_no_token_to_another_host(client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client)
    sandbox.fault("status", "redirect-other-host")
    with pytest.raises((TransientError, AuthenticationError)):
        client.get_report_job(report_id)
    there, elsewhere = sandbox.journal("status")
    assert there["token"] is not None
    assert elsewhere["headers"]["host"].startswith("localhost")
    assert elsewhere["token"] is None
    assert "authorization" not in elsewhere["headers"]


@responses.activate
@pytest.mark.parametrize("target", ["http://127.0.0.1:1/x", "http://localhost/x", "http://api.criteo.com/x"])
def test_a_redirect_from_https_to_http_is_refused(target: str) -> None:
    token_answer()
    responses.get(STATUS_URL, status=302, headers={"Location": target})
    with CriteoClient("id", target) as client, pytest.raises(TransientError, match="a redirect that leaves https"):
        client.get_report_job("1")
    assert [call.request.url for call in responses.calls][1:] == [STATUS_URL]


STATUS_URL = "https://api.criteo.com/preview/marketing-solutions/marketplace-performance-outcomes/stats/report-jobs/1"


def token_answer() -> None:
    responses.post("https://api.criteo.com/oauth2/token", json={"access_token": "0a1b2c3d4e5f", "expires_in": 900})


def test_a_redirect_in_a_circle_ends(client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client)
    sandbox.fault("status", "redirect-same-host", times=None)
    with pytest.raises(TransientError, match="Exceeded 5 redirects"):
        client.get_report_job(report_id)
    assert len(sandbox.journal("status")) == 6


# Hosts

WRONG_HOSTS = [
    ("http://api.criteo.com", "http would send the client secret in clear; allowed: https"),
    ("http://10.0.0.1:8000", "http would send the client secret in clear"),
    ("ftp://api.criteo.com", "the scheme is 'ftp'; allowed: https"),
    ("https://api.criteo.com/2026-07", "has more than scheme, host and port"),
    ("https://id:secret@api.criteo.com", "has more than scheme, host and port"),
    ("https://api.criteo.com?x=1", "has more than scheme, host and port"),
    ("https://api.criteo.com:99999", "the port is no number from 1 to 65535"),
    ("https://api.criteo.com:http", "the port is no number"),
    ("https://", "is no host"),
    ("", "is no host"),
    ("https://id:ab/cd@api.criteo.com", "host="),
    ("id:s3 cret@api.criteo.com", "is no host"),
    ("api criteo com", "is no host"),
    ("https://[::1", "host='https://[::1'"),
]


@pytest.mark.parametrize(("host", "said"), WRONG_HOSTS)
def test_a_host_that_cannot_be_right_is_refused_before_any_call(host: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        CriteoClient("id", "secret", base_url=host)
    assert said in str(raised.value)
    assert not any(secret in str(raised.value) for secret in ("id:secret", "ab/cd", "s3 cret"))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("api.criteo.com", "https://api.criteo.com"),
        (" https://api.criteo.com/ ", "https://api.criteo.com"),
        ("https://api.criteo.com:8443", "https://api.criteo.com:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://criteo.localhost", "http://criteo.localhost"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_hosts_that_are_right(host: str, url: str) -> None:
    assert normalized_base_url(host) == url


# What a call carries


def test_netrc_is_ignored(
    sandbox: Sandbox, recorder: Recorder, make_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    sandbox.configure(clients={"netrc": "netrc's"})
    client = make_client(sandbox, base_url=recorder.url, client_id="netrc", client_secret="netrc's")
    report_id = made(client)
    sandbox.fault("status", "redirect-other-host", url=f"http://localhost:{recorder.url.rpartition(':')[2]}/elsewhere")
    with pytest.raises((TransientError, AuthenticationError)):
        client.get_report_job(report_id)
    assert [exchange.path for exchange in recorder.exchanges][0::3] == ["/oauth2/token", "/elsewhere"]
    authorizations = [exchange.request_headers.get("authorization", "")[:6] for exchange in recorder.exchanges]
    assert authorizations == ["", "Bearer", "Bearer", ""]


def test_polls_share_a_connection(sandbox: Sandbox, recorder: Recorder, make_client: Any) -> None:
    client = make_client(sandbox, base_url=recorder.url)
    report_id = made(client)
    for _ in range(10):
        client.get_report_job(report_id)
    polls = [exchange.connection for exchange in recorder.exchanges if exchange.method == "GET"]
    assert len(polls) == 10
    assert len(set(polls)) == 1


def test_a_dead_idle_connection_is_replaced_without_a_word(free_port: int, make_client: Any) -> None:
    options: dict[str, Any] = {"port": free_port, "rate_limit": None, "client_id": "same"}
    with Sandbox(**options) as sandbox:
        client = make_client(sandbox)
        made(client)
        client.get_report_job(sandbox.jobs()[0]["report_id"])
    with Sandbox(**options), pytest.raises(ReportJobNotFoundError):
        client.get_report_job("another sandbox's")


def test_the_user_agent_names_the_package_and_its_surroundings(
    sandbox: Sandbox, recorder: Recorder, make_client: Any
) -> None:
    sandbox.configure(clients={"agent": "x-x-x-x"})
    client = make_client(
        sandbox, base_url=recorder.url, client_id="agent", client_secret="x-x-x-x", products=("apache-airflow/3.3.2",)
    )
    made(client)
    for exchange in recorder.exchanges:
        agent = exchange.request_headers["user-agent"]
        assert agent.startswith(f"airflow-provider-criteo/{__version__} apache-airflow/3.3.2 python/3.")
        assert " requests/2." in agent
    assert len(recorder.exchanges) == 2


def test_nothing_is_called_before_it_is_needed(fresh_sandbox: Sandbox, make_client: Any) -> None:
    with make_client(fresh_sandbox):
        pass
    assert fresh_sandbox.journal() == []


# Threads


def test_status_calls_from_many_threads_share_the_client(client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client)
    states: list[JobState] = []
    poll: Callable[[], None] = lambda: states.append(client.get_report_job(report_id).state)  # noqa: E731
    threads = [threading.Thread(target=poll) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert states == [JobState.PENDING] * 10


# TLS and proxies

PENDING = http(200, {"data": {"attributes": {"exportId": "1", "status": "Pending"}}})


@contextmanager
def client_of(server: RawServer, **options: Any) -> Iterator[CriteoClient]:
    options = {"base_url": server.url, "client_secret": "a-secret", "timeout": 0.5, **options}
    with CriteoClient(uuid.uuid4().hex, sleep=lambda seconds: None, **options) as client:
        yield client


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate of this machine, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = str(folder / "certificate.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:0.0.0.0"]
    subprocess.run([*command, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def test_a_post_whose_reply_is_broken_tls_is_not_sent_again(
    certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate[0])

    def broken(connection: socket.socket) -> None:
        # An application data record that nobody can decrypt.
        os.write(connection.fileno(), b"\x17\x03\x03\x00\x20" + b"\0" * 32)
        connection.recv(1)

    with RawServer(broken, tls=certificate) as server, client_of(server) as client:
        with pytest.raises(TransientError, match="a report job may exist"):
            made(client)
        assert len(server.requests) == 1


def test_a_certificate_that_is_not_trusted_is_told_before_anything_is_sent(
    certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with RawServer(PENDING, tls=certificate) as server, client_of(server) as client:
        with pytest.raises(TransientError, match="CERTIFICATE_VERIFY_FAILED") as raised:
            client.get_report_job("1")
        assert raised.value.sent is False
        assert not server.requests + server.token_requests


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_ca_bundle_that_is_none_is_named_and_nothing_was_sent(
    content: str | None, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(bundle))
    said = rf"unset {variable}=.*bundle\.pem; nothing was sent"
    with RawServer(PENDING) as server:
        client = CriteoClient("id", "secret", base_url=f"https://localhost:{server.port}", sleep=lambda seconds: None)
        with client, pytest.raises(TransientError, match=said) as raised:
            made(client)
    assert raised.value.sent is False
    assert "may exist" not in str(raised.value)


def test_an_end_at_the_next_midnight_is_warned_of_at_the_create(
    client: CriteoClient, caplog: pytest.LogCaptureFixture
) -> None:
    days = {"startDate": "2026-11-24T00:00:00Z", "endDate": "2026-11-25T00:00:00Z"}
    client.create_report_job("statistics", {**ATTRIBUTES["statistics"], **days})
    assert "2 days are asked for, 2026-11-24 to 2026-11-25" in caplog.text


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_post_that_no_proxy_let_through_is_sent_again(proxied: pytest.MonkeyPatch) -> None:
    with RawServer(http(502)) as proxy:
        proxied.setenv("HTTPS_PROXY", f"http://localhost:{proxy.port}")
        client = CriteoClient("id", "secret", base_url="https://criteo.example", sleep=lambda seconds: None)
        with client, pytest.raises(TransientError) as failed:
            made(client)
        assert "may exist" not in str(failed.value)
        assert len(proxy.requests) == 4
        assert proxy.requests[0].startswith(b"CONNECT criteo.example:443")


def test_only_a_host_that_no_proxy_names_is_called_past_the_proxy(
    certificate: tuple[str, str], proxied: pytest.MonkeyPatch
) -> None:
    with RawServer(http(502)) as proxy, RawServer(PENDING, tls=certificate) as server:
        proxied.setenv("HTTPS_PROXY", f"http://localhost:{proxy.port}")
        proxied.setenv("REQUESTS_CA_BUNDLE", certificate[0])
        # This machine, by an address that no client takes for its own.
        with client_of(server, base_url=f"https://0.0.0.0:{server.port}") as client:
            proxied.setenv("NO_PROXY", "criteo.example,0.0.0.0")
            assert client.get_report_job("1").state is JobState.PENDING
            assert not proxy.requests
            proxied.setenv("NO_PROXY", "criteo.example")
            with pytest.raises(TransientError, match=r"the connection failed: .*Tunnel connection failed: 502"):
                client.get_report_job("1")
        assert [request.split()[1] for request in proxy.requests] == [f"0.0.0.0:{server.port}".encode()]
        assert len(server.requests) == 1


def test_what_is_plain_http_to_this_machine_goes_through_no_proxy(proxied: pytest.MonkeyPatch) -> None:
    with RawServer(http(500)) as proxy, RawServer(PENDING) as server, client_of(server) as client:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            proxied.setenv(name, f"http://localhost:{proxy.port}")
        assert client.get_report_job("1").state is JobState.PENDING
        assert not proxy.requests + proxy.token_requests


@pytest.mark.parametrize(
    "proxy", ["http://user:pw#1@proxy.example:3128", "http://user:pw-of-proxy@proxy.example:99999"]
)
def test_a_proxy_that_cannot_be_read_keeps_its_password(proxy: str, proxied: pytest.MonkeyPatch) -> None:
    proxied.setenv("HTTPS_PROXY", proxy)
    client = CriteoClient("id", "secret", base_url="https://criteo.example")
    with client, pytest.raises(TransientError, match="that of the proxy") as failed:
        client.get_report_job("1")
    assert "pw" not in "".join(traceback.format_exception(failed.value))


# More of where things go


@pytest.mark.parametrize("status", [401, 403])
def test_a_users_own_call_that_is_redirected_takes_no_token_along(status: int) -> None:
    with RawServer(http(status)) as elsewhere, RawServer(http(302, Location=f"{elsewhere.url}/x")) as server:
        with client_of(server) as client:
            assert client.session.get(f"{server.url}/anything", timeout=5).status_code == status
        assert [b"authorization" in request.lower() for request in elsewhere.requests] == [False]
        assert len(server.token_requests) == 1


def test_a_redirect_whose_address_is_no_ascii_is_asked_for_as_sent() -> None:
    with RawServer("HTTP/1.1 302 Found\r\nLocation: /caf\u00e9\r\n\r\n".encode(), PENDING) as server:
        with client_of(server) as client:
            assert client.get_report_job("1").state is JobState.PENDING
        assert server.requests[1].startswith(b"GET /caf%C3%A9 ")


@responses.activate
def test_a_redirect_to_no_url_is_a_passing_fault() -> None:
    token_answer()
    responses.get(STATUS_URL, status=302, headers={"Location": "http://[::1"})
    with CriteoClient("id", "secret of no url") as client, pytest.raises(TransientError):
        client.get_report_job("1")


def test_a_reply_that_is_too_large_is_not_read_to_its_end() -> None:
    packed = gzip.compress(bytes(33 * 1024 * 1024))
    too_large = pytest.raises(TransientError, match="the reply is larger than 32 MiB")
    with RawServer(http(200, packed, Content_Encoding="gzip")) as server, client_of(server) as client, too_large:
        client.get_report_job("1")


@pytest.mark.parametrize("report_id", [".", "..", "", " "])
def test_what_is_no_report_id_is_refused_before_any_call(report_id: str) -> None:
    with CriteoClient("id", "secret") as client, pytest.raises(InvalidInputError, match=r"report.id"):
        client.get_report_job(report_id)


ECHOES: dict[str, Callable[[str], bytes]] = {
    "location": lambda text: http(302, Location=f"http://{text}.example/x"),
    "port": lambda text: http(302, Location=f"http://localhost:{text}/x"),
    "status line": lambda text: f"HTTP/1.1 {text}\r\n\r\n".encode(),
    "version": lambda text: f"{text}\r\n\r\n".encode(),
    "chunk": lambda text: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}\r\n".encode(),
    "deprecation": lambda text: http(200, {"data": {"attributes": {"status": "Pending"}}}, Deprecation=text),
}


@pytest.mark.parametrize("place", ECHOES)
def test_a_secret_that_comes_back_outside_a_body_is_in_no_text(place: str, caplog: pytest.LogCaptureFixture) -> None:
    told = ""
    with (
        RawServer(ECHOES[place]("s3cr+t-of=the")) as server,
        client_of(server, client_secret="s3cr+t-of=the") as client,
    ):
        try:
            told = repr(client.get_report_job("1"))
        except TransientError as error:
            told = "".join(traceback.format_exception(error))
    assert "s3cr+t-of=the" not in told.lower() + caplog.text.lower()


@pytest.mark.parametrize("place", ["version", "deprecation"])
def test_control_characters_outside_a_body_are_shown_escaped(place: str, caplog: pytest.LogCaptureFixture) -> None:
    told = ""
    with RawServer(ECHOES[place](f"\x1b[1m{place}" + "x" * 5000)) as server, client_of(server) as client:
        try:
            client.get_report_job("1")
        except TransientError as error:
            told = str(error)
    told += caplog.text
    assert "\\x1b[1m" in told
    assert "\x1b" not in told
    assert len(told) < 3000


CALLS: dict[str, Callable[[CriteoClient], Any]] = {
    "create": lambda client: client.create_report_job("mpo-realtime", {"advertiserIds": ["1"], "lookbackWindow": 60}),
    "status": lambda client: client.get_report_job("1"),
    "accounts": lambda client: client.get_advertisers(),
}


@pytest.mark.parametrize("body", [b"<html><p>Back at 06:00 \x1b[1m</p></html>", b"Back at 06:00 \x1b[1m"])
@pytest.mark.parametrize("call", CALLS)
def test_what_is_said_in_place_of_an_answer_is_told(call: str, body: bytes) -> None:
    with RawServer(http(200, body)) as server, client_of(server) as client, pytest.raises(TransientError) as raised:
        CALLS[call](client)
    assert "\n  Back at 06:00 \\x1b[1m\n" in str(raised.value)


def test_a_page_in_place_of_a_token_is_told_and_what_may_be_a_token_is_not() -> None:
    for body, told in ((b"<html><p>Back at 06:00</p></html>", True), (b"access_token=Back at 06:00", False)):
        with (
            RawServer(PENDING, token=http(200, body)) as server,
            client_of(server) as client,
            pytest.raises(TransientError) as raised,
        ):
            client.get_report_job("1")
        assert ("Back at 06:00" in str(raised.value)) is told
