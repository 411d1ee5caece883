"""How calls travel: what is sent again and what never, redirects, connections, headers, versions that are retired."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
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
    VersionRetiredError,
)
from airflow_provider_criteo.api.http import normalized_base_url
from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.sandbox import Sandbox
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
    timer = threading.Timer(0.3, lambda: late.append(Sandbox(port=free_port, **application).start()))
    timer.start()
    try:
        with CriteoClient(**application, base_url=f"http://127.0.0.1:{free_port}", timeout=10) as client:
            report_id = made(client)
        assert [job["report_id"] for job in late[0].jobs()] == [report_id]
        assert len(late[0].journal("create")) == 1
    finally:
        timer.join()
        for started in late:
            started.stop()


@pytest.mark.parametrize("fault", ["http-503", "html-503", "http-408", "http-429-bare"])
def test_a_create_is_sent_again_when_it_was_not_taken(
    fault: str, client: CriteoClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.fault("create", fault)
    report_id = made(client)
    assert len(sandbox.journal("create")) == 2
    assert [job["report_id"] for job in sandbox.jobs()] == [report_id]
    assert "Trying again in" in caplog.text


def test_a_create_gives_up_when_the_quota_resets_too_late(client: CriteoClient, sandbox: Sandbox) -> None:
    sandbox.fault("create", "http-429-retry-after", seconds=300)
    began = time.monotonic()
    with pytest.raises(RateLimitError):
        made(client)
    sandbox.fault("create", "http-429-retry-after", seconds=30)
    with pytest.raises(RateLimitError):
        made(client, quota_wait=10)
    assert time.monotonic() - began < 5
    assert sandbox.jobs() == []


# A POST that is not


@pytest.mark.parametrize(
    "fault",
    [
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
    with pytest.raises(TransientError, match=r"a redirect to http://127\.0\.0\.1, which is not followed for a POST"):
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


@pytest.mark.parametrize(
    ("fault", "said"),
    [("redirect-plain-http", "http://example.com, which is not encrypted"), ("redirect-file", "file://.*leaves https")],
)
def test_a_redirect_to_where_nothing_is_encrypted_is_refused(
    fault: str, said: str, client: CriteoClient, sandbox: Sandbox
) -> None:
    report_id = made(client)
    sandbox.fault("status", fault)
    with pytest.raises(TransientError, match=said):
        client.get_report_job(report_id)


@responses.activate
@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:1/x", "http://localhost/x", "http://api.criteo.com/x", "ftp://x/"]
)
def test_a_redirect_from_https_to_http_is_refused(target: str) -> None:
    token_answer()
    responses.get(STATUS_URL, status=302, headers={"Location": target})
    with CriteoClient("id", target) as client, pytest.raises(TransientError, match="which leaves https"):
        client.get_report_job("1")
    assert [call.request.url for call in responses.calls][1:] == [STATUS_URL]


STATUS_URL = "https://api.criteo.com/preview/marketing-solutions/marketplace-performance-outcomes/stats/report-jobs/1"


def token_answer() -> None:
    responses.post("https://api.criteo.com/oauth2/token", json={"access_token": "0a1b2c3d4e5f", "expires_in": 900})


def test_a_redirect_in_a_circle_ends(client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client)
    sandbox.fault("status", "redirect-same-host", times=None)
    with pytest.raises(TransientError, match="too many redirects"):
        client.get_report_job(report_id)
    assert len(sandbox.journal("status")) == 4


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
    ("api criteo com", "is no host"),
]


@pytest.mark.parametrize(("host", "said"), WRONG_HOSTS)
def test_a_host_that_cannot_be_right_is_refused_before_any_call(host: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        CriteoClient("id", "secret", base_url=host)
    assert said in str(raised.value)
    assert "id:secret" not in str(raised.value)


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


# A preview that is retired


@pytest.mark.parametrize("status", [404, 410])
def test_a_retired_preview_falls_forward_and_is_remembered(
    status: int, client: CriteoClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.configure(retired_versions=["preview"], retired_status=status)
    job = client.create_report_job("products", ATTRIBUTES["products"])
    client.get_report_job(job.report_id, "products")
    sandbox.finish(job.report_id)
    assert client.download_report(job.report_id, tmp_path / "report", "products").size_bytes > 0
    versions = [(call["method"], call["version"], call["status"]) for call in sandbox.journal() if call["version"]]
    assert versions == [
        ("POST", "preview", status),
        ("POST", "experimental", 200),
        *[("GET", "experimental", 200)] * 3,
    ]
    assert len(sandbox.jobs()) == 1


@pytest.mark.parametrize("call", ["status", "download"])
def test_each_call_falls_forward(call: str, sandbox: Sandbox, make_client: Any, tmp_path: Path) -> None:
    report_id = made(make_client(sandbox))
    sandbox.finish(report_id)
    job = make_client(sandbox).get_report_job(report_id)
    sandbox.configure(retired_versions=["preview"])
    client = make_client(sandbox)
    if call == "status":
        assert client.get_report_job(report_id).state is JobState.DONE
    else:
        assert client.download_report(report_id, tmp_path / "report", job=job).size_bytes > 0


def test_other_versions_do_not_fall_forward(client: CriteoClient, sandbox: Sandbox) -> None:
    sandbox.configure(retired_versions=["2026-01", "experimental"])
    for version in ("2026-01", "experimental"):
        with pytest.raises(VersionRetiredError, match="endpoint-deprecated"):
            client.create_report_job("rm-campaigns", ATTRIBUTES["rm-campaigns"], api_version=version)
    assert [call["version"] for call in sandbox.journal() if call["version"]] == ["2026-01", "experimental"]


def test_a_preview_and_experimental_that_are_both_retired(client: CriteoClient, sandbox: Sandbox) -> None:
    sandbox.configure(retired_versions=["preview", "experimental"])
    for _ in range(2):
        with pytest.raises(VersionRetiredError, match="/experimental/"):
            made(client)
    assert [call["version"] for call in sandbox.journal() if call["version"]] == ["preview", "experimental"] * 2


def test_a_lost_job_on_preview_is_a_lost_job(client: CriteoClient, sandbox: Sandbox) -> None:
    with pytest.raises(ReportJobNotFoundError):
        client.get_report_job("9", "rm-share-of-voice")
    assert [call["version"] for call in sandbox.journal("status")] == ["preview"]


_TWICE = """
import logging, sys
logging.basicConfig(format="%(levelname)s %(message)s", level=logging.WARNING)
from airflow_provider_criteo.api.client import CriteoClient
for _ in range(2):
    with CriteoClient(sys.argv[2], sys.argv[3], base_url=sys.argv[1]) as client:
        for report_type in ("mpo-realtime", "rm-share-of-voice"):
            try:
                client.get_report_job("9", report_type)
            except Exception as error:
                print(type(error).__name__)
"""


def test_a_retired_preview_is_warned_of_once_per_process(sandbox: Sandbox) -> None:
    sandbox.configure(retired_versions=["preview"])
    arguments = [sys.executable, "-c", _TWICE, sandbox.url, sandbox.client_id, sandbox.client_secret]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    warnings = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert len(warnings) == 1
    assert "no longer serves this call on api_version 'preview'; it was made on 'experimental'" in warnings[0]
    assert "Set api_version to 'experimental'" in warnings[0]
    assert done.stdout.split() == ["ReportJobNotFoundError"] * 4


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
