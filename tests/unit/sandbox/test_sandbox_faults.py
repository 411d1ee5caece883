"""Every fault of the sandbox can be played, and does on the wire what its description says."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.sandbox import FAULTS

PATIENCE = 0.25


def raw(caller, call, patience=5.0):
    """The bytes that a call is answered with, and how the connection ended."""
    row = REPORT_TYPES["mpo-realtime"]
    path, body, content_type = "", None, "application/json"
    if call == "token":
        path, body, content_type = "/oauth2/token", _form(caller), "application/x-www-form-urlencoded"
    elif call == "create":
        path, body = row.create_url("preview"), '{"data":{"attributes":{"advertiserIds":["1"]}}}'
    elif call == "status":
        path = row.status_url("preview", _id(caller))
    else:
        path = row.output_url("preview", _id(caller))
    address = urlsplit(caller.sandbox.url)
    request = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", f"Host: {address.netloc}", "Connection: close"]
    request.append(f"Authorization: Bearer {caller.token}")
    if body is not None:
        request += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    received = b""
    deadline = time.monotonic() + patience
    with socket.create_connection((address.hostname, address.port), patience) as connection:
        connection.sendall("\r\n".join([*request, "", body or ""]).encode())
        try:
            while chunk := connection.recv(1 << 16):
                received += chunk
                if time.monotonic() > deadline:
                    return received, "no end"
        except ConnectionResetError:
            return received, "reset"
        except TimeoutError:
            return received, "silence"
    return received, "closed"


def until(holds):
    """Wait for what has to be so soon, on a busy machine too."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it never was so"
        time.sleep(0.02)


def _form(caller):
    return f"grant_type=client_credentials&client_id={caller.sandbox.client_id}&client_secret=a%2Bb%2Fc%3Dd%26e%25f"


def _id(caller):
    jobs = caller.sandbox.jobs()
    return jobs[0]["report_id"] if jobs else caller.made()


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_is_played_once_and_the_next_call_is_well(caller, sandbox, kind):
    caller.fetch_token()
    _id(caller)
    for call in sorted(FAULTS[kind].calls):
        sandbox.fault(call, kind, seconds=0.01, at=50)
        raw(caller, call, PATIENCE)
        until(lambda call=call: sandbox.journal(call)[-1]["fault"] == kind)
        if kind.startswith("token-"):
            caller.fetch_token()
        again, end = raw(caller, call)
        assert (again[:15], end) == (b"HTTP/1.1 200 OK", "closed")
        assert sandbox.journal(call)[-1]["fault"] is None


def test_there_are_enough_faults():
    assert len(FAULTS) >= 45
    assert all(kind.description and kind.calls for kind in FAULTS.values())


@pytest.mark.parametrize(
    ("kind", "end", "jobs"),
    [
        ("reset-before", "reset", 0),
        ("reset-after", "reset", 1),
        ("close-before", "closed", 0),
        ("close-after", "closed", 1),
        ("delay-before", "silence", 1),
        ("delay-after", "silence", 1),
        ("http-503", "closed", 0),
        ("json-cut", "closed", 1),
    ],
)
def test_whether_a_job_was_made(caller, sandbox, kind, end, jobs):
    caller.fetch_token()
    sandbox.fault("create", kind, seconds=PATIENCE * 2)
    received, ended = raw(caller, "create", PATIENCE if end == "silence" else 5.0)
    assert ended == end
    assert (received == b"") is (end in ("reset", "silence") or kind.startswith("close"))
    until(lambda: len(sandbox.jobs()) == jobs)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("cut", requests.exceptions.ChunkedEncodingError),
        ("cut-chunked", requests.exceptions.ChunkedEncodingError),
        ("reset-at", requests.exceptions.ChunkedEncodingError),
        ("stall", (requests.exceptions.ConnectionError, requests.exceptions.ReadTimeout)),
        ("length-too-large", requests.exceptions.ChunkedEncodingError),
        ("gzip-lie", requests.exceptions.ContentDecodingError),
        ("chunk-garbage", requests.exceptions.ChunkedEncodingError),
    ],
)
def test_broken_downloads_are_broken_for_a_client(caller, sandbox, kind, error):
    report_id = _id(caller)
    sandbox.fault("download", kind)
    with pytest.raises(error):
        caller.download(report_id, timeout=0.5 if kind == "stall" else 5)


def test_a_download_is_cut_at_the_byte_asked_for(caller, sandbox):
    whole = caller.download(_id(caller)).content
    sandbox.fault("download", "cut", at=100)
    received, _ = raw(caller, "download")
    head, _, body = received.partition(b"\r\n\r\n")
    assert body == whole[:100]
    assert f"content-length: {len(whole)}".encode() in head


def test_too_small_a_length_and_no_length_look_whole_and_are_not(caller, sandbox):
    report_id = _id(caller)
    whole = caller.download(report_id).content
    for kind in ("length-too-small", "cut-unannounced"):
        sandbox.fault("download", kind)
        assert whole.startswith(caller.download(report_id).content)
        sandbox.fault("download", kind)
        assert len(caller.download(report_id).content) < len(whole)


def test_gzip_is_whole_and_cut(caller, sandbox):
    report_id = _id(caller)
    whole = caller.download(report_id).content
    sandbox.fault("download", "gzip")
    assert caller.download(report_id).content == whole
    sandbox.fault("download", "gzip-cut")
    assert len(caller.download(report_id).content) < len(whole)


def test_a_slow_answer_drips(caller, sandbox):
    report_id = _id(caller)
    sandbox.fault("status", "drip", seconds=0.01, at=20)
    begun = time.monotonic()
    assert caller.status(report_id).json()["data"]["attributes"]["status"] == "Done"
    assert time.monotonic() - begun > 0.05


def test_an_expired_token_stays_expired(caller, sandbox):
    report_id = _id(caller)
    sandbox.fault("status", "token-expired")
    assert [caller.status(report_id).status_code for _ in range(2)] == [401, 401]
    caller.fetch_token()
    assert caller.status(report_id).ok


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("bare", set()),
        ("limit-and-reset", {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}),
        ("reset-only", {"x-ratelimit-reset"}),
        ("retry-after", {"retry-after"}),
        ("retry-after-date", {"retry-after"}),
    ],
)
def test_quota_headers(caller, sandbox, kind, headers):
    sandbox.fault("status", f"http-429-{kind}")
    reply = caller.status(_id(caller))
    assert reply.status_code == 429
    assert {name.lower() for name in reply.headers if "rate" in name.lower() or "retry" in name.lower()} == headers


def test_a_skewed_clock_has_one_date(caller, sandbox):
    sandbox.fault("status", "http-429-date-ahead")
    report_id = _id(caller)
    received, _ = raw(caller, "status")
    assert received.lower().count(b"\r\ndate:") == 1
    assert report_id


def test_times_after_probability_and_job(caller, sandbox):
    sandbox.configure(cache=False)
    first, second = caller.made(), caller.made()
    sandbox.fault("status", "http-500", times=2, after=1, report_id=first)
    assert [caller.status(first).status_code for _ in range(4)] == [200, 500, 500, 200]
    sandbox.fault("status", "http-502", times=None, report_id=second)
    assert [caller.status(first).status_code, caller.status(second).status_code] == [200, 502]
    sandbox.clear_faults()
    sandbox.fault("status", "http-500", times=None, report_type="rm-performance")
    assert caller.status(first).status_code == 200
    sandbox.fault("status", "http-500", times=1, report_type="mpo-realtime")
    assert [caller.status(first).status_code for _ in range(2)] == [500, 200]
    sandbox.clear_faults()
    sandbox.fault("status", "http-500", times=None, probability=0.5)
    seen = [caller.status(first).status_code for _ in range(30)]
    assert {200, 500} == set(seen)


def test_the_problem_of_a_status_can_be_chosen(caller, sandbox):
    sandbox.fault("create", "http-400", code="invalid-timespan", title="Too long", detail="31 days", type="validation")
    problem = caller.create().json()["errors"][0]
    assert (problem["code"], problem["title"], problem["detail"]) == ("invalid-timespan", "Too long", "31 days")
    sandbox.fault("token", "http-503")
    assert caller.fetch_token().json()["error"] == "temporarily_unavailable"


def test_a_wrong_fault_is_refused_with_the_valid_ones(sandbox):
    with pytest.raises(ValueError, match="http-503"):
        sandbox.fault("status", "http-999")
    with pytest.raises(ValueError, match="download"):
        sandbox.fault("token", "cut")
