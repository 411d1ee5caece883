"""Answers that no page of Criteo's documents, and that must end neither a wait nor the process that reads them."""

from __future__ import annotations

import json
import pickle
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, overload

import pytest
import responses

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import (
    CriteoError,
    InvalidInputError,
    Problem,
    RateLimitError,
    ReportExpiredError,
    ReportJobFailedError,
    ReportNotReadyError,
    TransientError,
    ValidationError,
)
from airflow_provider_criteo.api.models import JobState, ReportJob
from airflow_provider_criteo.api.quota import rate_limit_of
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.recorder import Recorder

MakeClient = Callable[..., CriteoClient]

TOKEN = {"access_token": "a-token-of-a-test", "token_type": "Bearer", "expires_in": 900}
FAILED = ReportJob("1", "mpo-realtime", "Failure", JobState.FAILED, problems=(Problem(code="too-long"),))


def answered(client_id: str, **reply: Any) -> CriteoClient:
    """A client whose every report call gets that reply."""
    responses.post("https://api.criteo.com/oauth2/token", json=TOKEN)
    for method in (responses.GET, responses.POST):
        responses.add(method, re.compile("https://api.criteo.com/(preview|experimental)/.*"), **reply)
    return CriteoClient(client_id, "secret")


@pytest.fixture
def client_id() -> str:
    return uuid.uuid4().hex


@contextmanager
def endless(head: bytes) -> Iterator[str]:
    """A server that answers every report call with that head and a body that drips without end."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                asked = connection.recv(65536)
                if b"/oauth2/token" in asked:
                    body = json.dumps(TOKEN).encode()
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                    return
                connection.sendall(head)
                for _ in range(200):
                    time.sleep(0.05)
                    connection.sendall(b"x")

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_401_whose_body_has_no_end_ends_in_time(client_id: str) -> None:
    began = time.monotonic()
    with (
        endless(b"HTTP/1.1 401 Unauthorized\r\n\r\n") as url,
        CriteoClient(client_id, "secret", base_url=url, timeout=1) as client,
        pytest.raises(TransientError),
    ):
        client.get_report_job("1")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("call", ["token", "create", "status", "download"])
def test_headers_without_end_end_in_time(
    call: str, fresh_sandbox: Sandbox, make_client: MakeClient, tmp_path: Path
) -> None:
    began = time.monotonic()
    client = make_client(fresh_sandbox, timeout=0.5)

    def use() -> None:
        job = client.create_report_job("mpo-realtime", {"advertiserIds": ["1"], "lookbackWindow": 60})
        client.download_report(client.get_report_job(job.report_id).report_id, tmp_path / "report.csv")

    fresh_sandbox.fault(call, "drip-head", seconds=0.1)
    if call in ("token", "download"):
        use()
    else:
        with pytest.raises(TransientError, match=r"no answer within 0\.5 s"):
            use()
    assert time.monotonic() - began < 8


def test_a_reply_in_time_keeps_its_connection(recorder: Recorder, sandbox: Sandbox, make_client: MakeClient) -> None:
    client = make_client(sandbox, base_url=recorder.url, timeout=0.5)
    job = client.create_report_job("mpo-realtime", {"advertiserIds": ["1"], "lookbackWindow": 60})
    client.get_report_job(job.report_id)
    time.sleep(0.8)
    client.get_report_job(job.report_id)
    assert len({exchange.connection for exchange in recorder.exchanges if "/report-jobs/" in exchange.path}) == 1


@responses.activate
def test_a_redirect_to_no_url_is_a_passing_fault(client_id: str) -> None:
    client = answered(client_id, status=302, headers={"Location": "http://[::1"})
    with pytest.raises(TransientError):
        client.get_report_job("1")
    with pytest.raises(TransientError):
        client.create_report_job("mpo-realtime", {})


@pytest.mark.parametrize(
    "attributes",
    [{"rowCount": "²"}, {"fileSizeBytes": "1" * 5000}, {"message": "rows_count=" + "1" * 5000}],
    ids=["no digit", "size", "message"],
)
@responses.activate
def test_a_count_that_is_none_loses_no_job(attributes: dict[str, str], client_id: str) -> None:
    reply = {"data": {"id": "1", "attributes": {"status": "Pending", **attributes}}}
    job = answered(client_id, json=reply).create_report_job("mpo-realtime", {})
    assert (job.report_id, job.row_count, job.size_bytes) == ("1", None, None)


@responses.activate
def test_half_characters_and_nuls_are_in_no_text_that_airflow_passes_on(client_id: str) -> None:
    reply = {
        "data": {"attributes": {"status": "Fail\0ure", "message": "a name cut in half: \ud83d"}},
        "errors": [{"code": "\ud83d", "detail": "nul: \0."}],
    }
    job = answered(client_id, json=reply).get_report_job("1")
    text = str(ReportJobFailedError(job))
    assert text.encode()
    assert "\0" not in text
    assert "a name cut in half: ?" in text
    assert "\0" not in json.loads(json.dumps(job.to_json()))["status"]


@responses.activate
def test_a_deprecation_is_told_once_although_each_reply_has_its_own_trace(
    client_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    def reply(request: Any) -> tuple[int, dict[str, str], str]:
        warning = {"type": "deprecation", "code": f"gone-{client_id}", "traceId": uuid.uuid4().hex}
        data = {"attributes": {"status": "Pending"}}
        return 200, {}, json.dumps({"data": data, "warnings": [warning]})

    responses.post("https://api.criteo.com/oauth2/token", json=TOKEN)
    responses.add_callback(responses.GET, re.compile("https://api.criteo.com/preview/.*"), reply)
    with CriteoClient(client_id, "secret") as client:
        for _ in range(3):
            client.get_report_job("1")
    told = [record.getMessage() for record in caplog.records if "deprecation" in record.getMessage()]
    assert len(told) == 1
    assert "traceId" in told[0]


@responses.activate
def test_a_description_of_the_job_is_not_taken_for_its_report(client_id: str, tmp_path: Path) -> None:
    reply = {"data": {"type": "ExportStatus", "attributes": {"exportId": "1", "status": "Pending", "message": None}}}
    client = answered(client_id, json=reply)
    job = ReportJob("1", "mpo-realtime", "Done", JobState.DONE)
    with pytest.raises(ReportNotReadyError, match="describes the job, which is Pending"):
        client.download_report("1", tmp_path / "report.json", job=job)
    assert not list(tmp_path.iterdir())


@responses.activate
def test_a_report_within_an_envelope_is_a_report(client_id: str, tmp_path: Path) -> None:
    reply = {"data": {"attributes": {"status": "Done", "columns": ["a"], "data": [["1"]], "rows": 1}}}
    job = ReportJob("1", "mpo-realtime", "Done", JobState.DONE)
    answered(client_id, json=reply).download_report("1", tmp_path / "report.json", job=job)
    assert json.loads((tmp_path / "report.json").read_bytes()) == reply


@pytest.mark.parametrize(
    "headers", [{"Retry-After": "7, 7"}, {"x-ratelimit-reset": "1007, 1007"}, {"Retry-After": "7"}], ids=str
)
def test_a_quota_header_that_came_twice_is_read(headers: dict[str, str]) -> None:
    assert rate_limit_of(headers, now=1000.0).reset_in == 7


class Output(Sequence[str]):
    """As a mapped task's output reaches the next task."""

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return ["123", "456"][index]

    def __len__(self) -> int:
        return 2


@responses.activate
def test_the_outputs_of_a_mapped_task_are_a_list(client_id: str) -> None:
    client = answered(client_id, json={"data": {"id": "1", "attributes": {"status": "Pending"}}})
    client.create_report_job("mpo-realtime", {"advertiserIds": Output()})
    sent = json.loads(responses.calls[-1].request.body or "")
    assert sent["data"]["attributes"] == {"advertiserIds": ["123", "456"]}


@pytest.mark.parametrize(
    "error",
    [
        ValidationError(400, (Problem(code="x"),), "POST /x", reason="no"),
        RateLimitError(reason="used up", retry_after=3),
        TransientError(0, (), "GET /x", sent=False),
        ReportJobFailedError(FAILED),
        ReportExpiredError(FAILED, 410, "GET /x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_out_of_another_process_as_it_was(error: CriteoError) -> None:
    same = pickle.loads(pickle.dumps(error))
    assert type(same) is type(error)
    assert str(same) == str(error)
    assert same.__dict__ == error.__dict__


@pytest.mark.parametrize(
    "body", ['{"error": "busy"}', '{"title": "Busy", "status": 503, "detail": "later", "type": "about:blank"}', "null"]
)
@responses.activate
def test_an_error_in_place_of_the_report_is_not_taken_for_it(client_id: str, body: str, tmp_path: Path) -> None:
    responses.post("https://api.criteo.com/oauth2/token", json=TOKEN)
    url = re.compile("https://api.criteo.com/preview/.*")
    responses.get(url, body=body, content_type="application/json")
    responses.get(url, body="a,b\n1,2\n", content_type="text/csv")
    job = ReportJob("1", "mpo-realtime", "Done", JobState.DONE)
    with CriteoClient(client_id, "secret") as client:
        client.download_report("1", tmp_path / "report.csv", job=job)
    assert (tmp_path / "report.csv").read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize("report_id", [".", ".."])
def test_dots_are_no_report_id(client_id: str, report_id: str) -> None:
    with CriteoClient(client_id, "secret") as client, pytest.raises(InvalidInputError, match="is no report id"):
        client.get_report_job(report_id)
