"""A download ends with the whole file or a clear error; what stood at its destination is untouched or replaced whole."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import logging
import os
import socket
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import (
    CriteoApiError,
    CriteoError,
    PermissionDeniedError,
    RateLimitError,
    ReportExpiredError,
    ReportNotReadyError,
    TransientError,
    ValidationError,
)
from airflow_provider_criteo.api.files import atomic_file
from airflow_provider_criteo.api.models import JobState, ReportJob, human
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.raw_server import Answer, RawServer, http

BEFORE = b"what was there before"
FILE = b"date,clicks\n" + b"".join(b"2026-11-%02d,%d\n" % (day, day) for day in range(1, 31))
DONE = ReportJob("1", "mpo-realtime", "Done", JobState.DONE)
WHOLE = http(200, FILE)
TIMEOUT = 5.0
SHORT = {"stalled": 0.3, "no answer": 0.3}
"""Timeouts of the faults that last as long."""

MakeClient = Callable[..., CriteoClient]


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    """A file that is there already, alone in its folder."""
    file = tmp_path / "lake" / "report.csv"
    file.parent.mkdir()
    file.write_bytes(BEFORE)
    return file


def untouched(destination: Path) -> bool:
    """Whether a failed download left everything as it was."""
    return destination.read_bytes() == BEFORE and os.listdir(destination.parent) == [destination.name]


def cut(at: int, body: bytes = FILE, **headers: str) -> bytes:
    """A reply that ends too early."""
    head = http(200, body, **headers)
    return head[: len(head) - len(body) + at]


def until_closed(body: bytes) -> bytes:
    """A reply whose end is that of its connection."""
    return b"HTTP/1.1 200 OK\r\n\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks
    )


def stalled(connection: socket.socket) -> None:
    connection.sendall(cut(100))
    connection.recv(1)


def silent(connection: socket.socket) -> None:
    connection.recv(1)


def reset(connection: socket.socket) -> None:
    connection.sendall(cut(100))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def downloaded(server: RawServer, destination: Path, job: ReportJob = DONE, **options: Any) -> bytes:
    """What a download from that server leaves at the destination."""
    options = {"base_url": server.url, "timeout": TIMEOUT, "sleep": lambda seconds: None, **options}
    with CriteoClient(uuid.uuid4().hex, options.pop("client_secret", "a-secret"), **options) as client:
        report = client.download_report("1", destination, job.report_type, job=job)
    content = destination.read_bytes()
    assert (report.size_bytes, report.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert report.url == str(destination)
    assert os.listdir(destination.parent) == [destination.name]
    return content


# Faults that pass

PASSING: dict[str, Answer] = {
    "cut": cut(100),
    "cut at once": cut(0),
    "cut at the last byte": cut(len(FILE) - 1),
    "chunks without the last": chunked(FILE[:100]),
    "a cut chunk": chunked(FILE)[:-100],
    "stalled": stalled,
    "no answer": silent,
    "reset": reset,
    "closed": b"",
    "cut gzip": cut(60, gzip.compress(FILE), Content_Encoding="gzip"),
    "gzip that ends within": http(200, gzip.compress(FILE)[:60], Content_Encoding="gzip"),
    "no gzip": http(200, FILE, Content_Encoding="gzip"),
    "empty": http(200),
    "no content": b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    "a page": http(200, b" \r\n<html>Bad gateway</html>", Content_Type="text/csv"),
    "a late page": http(200, b" " * 300 + b"<html>Gateway</html>"),
    "XML": http(200, b"<?xml version='1.0'?><Error/>"),
    "a page with a byte order mark": http(200, b"\xef\xbb\xbf<html></html>"),
    "500": http(500, {"errors": [{"title": "x"}]}),
    "502 of a gateway": http(502, b"<html>Bad gateway</html>"),
    "503": http(503),
    "429": http(429, Retry_After="1"),
    "JSON without an end": until_closed(b'{"columns": ["a"], "data": [[1], [2]'),
    "a list without an end": until_closed(b'[{"a": 1}, {"a": 2}, '),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_another_try_from_the_start(fault: str, destination: Path) -> None:
    with RawServer(PASSING[fault], WHOLE) as server:
        assert downloaded(server, destination, timeout=SHORT.get(fault, TIMEOUT)) == FILE
        assert len(server.requests) == 2
        assert not any(b"\r\nrange:" in request.lower() for request in server.requests)


@pytest.mark.parametrize("fault", [fault for fault in PASSING if fault not in ("stalled", "no answer", "429")])
def test_a_fault_that_stays_is_an_error_after_four_tries(fault: str, destination: Path) -> None:
    with RawServer(PASSING[fault]) as server:
        with pytest.raises(TransientError, match=r"GET /preview/\S*/1 .*(?s:.)*What to do:"):
            downloaded(server, destination)
        assert len(server.requests) == 4
    assert untouched(destination)


def test_a_file_that_stalls_again_and_again_is_an_error(destination: Path) -> None:
    with RawServer(stalled) as server, pytest.raises(TransientError, match=r"no answer within 0\.1 s"):
        downloaded(server, destination, timeout=0.1)
    assert untouched(destination)


@pytest.mark.parametrize("fault", ["cut", "cut-chunked", "reset-at"])
def test_a_file_cut_at_any_byte_comes_whole(fault: str, sandbox: Sandbox, client: CriteoClient, tmp_path: Path) -> None:
    job = client.create_report_job("mpo-realtime", {"advertiserIds": ["1"], "lookbackWindow": 60})
    sandbox.finish(job.report_id, file_rows=1)
    job = client.get_report_job(job.report_id)
    whole = client.download_report(job.report_id, tmp_path / "whole", job=job)
    for at in range(0, whole.size_bytes, 19):
        sandbox.fault("download", fault, at=at)
        report = client.download_report(job.report_id, tmp_path / "report", job=job)
        assert (tmp_path / "report").read_bytes() == (tmp_path / "whole").read_bytes()
        assert report.sha256 == whole.sha256


def test_a_download_that_always_begins_again_ends(destination: Path) -> None:
    with RawServer(*[cut(100 + number) for number in range(20)]) as server:
        with pytest.raises(TransientError):
            downloaded(server, destination)
        assert len(server.requests) == 4
    assert untouched(destination)


def test_a_longer_try_leaves_nothing_of_itself_in_a_shorter_file(destination: Path) -> None:
    with RawServer(cut(300), http(200, FILE[:50])) as server:
        assert downloaded(server, destination) == FILE[:50]


# What is no report


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http(200, {"errors": [{"code": "x", "title": "Too long"}]}), ValidationError),
        (http(200, b"\n" * 300 + b'{"data": null, "errors": [{"code": "x"}]}'), ValidationError),
        (http(200, {"errors": [{"code": "x", "detail": "y" * 200}] * 6000}), ValidationError),
        (http(400, {"errors": [{"code": "report-not-ready"}]}), ReportNotReadyError),
        (http(400, {"errors": [{"code": "x"}]}), ValidationError),
        (http(403, {"errors": [{"code": "export-alreadyexpired"}]}), ReportExpiredError),
        (http(429, Retry_After="3000"), RateLimitError),
        (http(200, {"errors": [{"type": "quota"}], "data": None}, Retry_After="3000"), RateLimitError),
        (http(200, {"errors": [{"type": "authorization"}]}), PermissionDeniedError),
        (http(200, {"errors": [{"code": "report-not-ready"}]}), ReportNotReadyError),
        (http(200, {"errors": [{"code": "export-expired"}]}), ReportExpiredError),
    ],
)
def test_what_is_no_report_is_an_error_at_once(
    answer: bytes, expected: type[CriteoApiError], destination: Path
) -> None:
    with RawServer(answer) as server:
        with pytest.raises(expected):
            downloaded(server, destination)
        assert len(server.requests) == 1
    assert untouched(destination)


def test_a_catalog_that_answers_204_has_expired(destination: Path) -> None:
    job = ReportJob("1", "rm-catalog", "Success", JobState.DONE)
    with RawServer(PASSING["no content"]) as server, pytest.raises(ReportExpiredError, match=r"expired \(HTTP 204\)"):
        downloaded(server, destination, job)
    assert untouched(destination)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "1", "title": "A product", "type": "print", "status": "active"}\n',
        b'{"data": [], "columns": []}',
        b'{"data": [{"a": 1}], "errors": [{"code": "x"}]}',
        b'{"columns": ["errors"], "data": [[1]], "rows": 1}\r\n',
        b'"Clicks","Displays"\n',
        b"[]",
        b"[1]  \r\n",
        b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n',
    ],
)
@pytest.mark.parametrize("told", [True, False], ids=["size told", "size not told"])
def test_a_report_that_looks_odd_is_one(body: bytes, told: bool, destination: Path) -> None:
    job = ReportJob("1", "mpo-realtime", "Done", JobState.DONE, size_bytes=len(body) if told else None)
    with RawServer(http(200, body)) as server:
        assert downloaded(server, destination, job) == body


@pytest.mark.parametrize("told", [{"row_count": 0}, {"size_bytes": 0}])
def test_an_empty_file_that_was_told_is_a_report(told: dict[str, int], destination: Path) -> None:
    with RawServer(http(200)) as server:
        assert downloaded(server, destination, ReportJob("1", "mpo-realtime", "Done", JobState.DONE, **told)) == b""


# Sizes and rows that Criteo told


def job_of(**told: Any) -> ReportJob:
    return ReportJob("1", "rm-performance", "Success", JobState.DONE, **told)


@pytest.mark.parametrize("short", [FILE[:-1], FILE[:100], b""])
def test_a_file_shorter_than_criteo_told_is_not_the_report(short: bytes, destination: Path) -> None:
    with RawServer(until_closed(short), WHOLE) as server:
        assert downloaded(server, destination, job_of(size_bytes=len(FILE))) == FILE
    destination.write_bytes(BEFORE)
    with RawServer(until_closed(short)) as server, pytest.raises(TransientError, match=f"promised {len(FILE)}"):
        downloaded(server, destination, job_of(size_bytes=len(FILE)))
    assert untouched(destination)


def test_a_file_longer_than_criteo_told_is_a_warning(destination: Path, caplog: pytest.LogCaptureFixture) -> None:
    with RawServer(WHOLE) as server:
        assert downloaded(server, destination, job_of(size_bytes=10)) == FILE
    assert f"The file has {len(FILE)} bytes, more than the 10 that Criteo told." in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"upstream request timeout",
        b"a,b\n1,2\n",
        b"a\n" + b"1\n" * 1231,
        b"a\n" + b"1\r\n" * 1231,
        b'{"columns": ["a"], "data": [[1]]}',
        b'[{"a": 1}]',
        b'{"a": 1}\n',
    ],
)
def test_a_file_with_fewer_rows_than_criteo_told_is_not_the_report(body: bytes, destination: Path) -> None:
    said = r"the file has at most \d+ rows, and Criteo told of 1232"
    with RawServer(http(200, body)) as server, pytest.raises(TransientError, match=said):
        downloaded(server, destination, job_of(row_count=1232))
    assert untouched(destination)


def test_a_file_at_the_cap_of_which_criteo_told_more_is_warned_about(
    destination: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = ReportJob("1", "rm-fillrate", "Done", JobState.DONE, row_count=250_000)
    with RawServer(http(200, b"a\n" + b"1\n" * 100_000)) as server:
        downloaded(server, destination, told)
    assert "has 100000 rows, which is Criteo's cap" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b'{"columns": ["a", "b"], "data": [], "rows": 0}',
        b'{"data": {"type": "x", "attributes": {"columns": ["a"], "data": [], "rows": 0}}}',
        b'{"data": {"metadata": {"columns": [{"name": "a"}, {"name": "b"}]}, "data": [[1, 2]]}}',
        b"[]",
        b'[{"a": 1}]',
    ],
)
def test_what_is_around_the_rows_is_no_row(body: bytes, destination: Path) -> None:
    with RawServer(http(200, body)) as server, pytest.raises(TransientError, match="and Criteo told of 2"):
        downloaded(server, destination, job_of(row_count=2))
    assert untouched(destination)


@pytest.mark.parametrize(
    "body",
    [
        b"a,b\n1,2\n3,4",
        b'{"data": [[1], [2]], "metadata": {"columns": ["a"]}}',
        b'{"data": {"type": "x", "attributes": {"columns": ["a"], "data": [[1], [2]]}}}',
        b'{"data": {"metaData": {"columns": [{"name": "a"}]}, "data": [[1], [2]]}}',
        b'{\n  "a": 1\n}\n{\n  "a": 2\n}\n',
        json.dumps([{"a": 1}, {"a": 2}]).encode(),
        json.dumps({"columns": ["a"], "data": [[1], [2]], "rows": 2}).encode(),
        b'{"a": 1}\n{"a": 2}\n',
    ],
)
def test_a_file_with_as_many_rows_as_criteo_told_is_the_report(body: bytes, destination: Path) -> None:
    with RawServer(http(200, body)) as server:
        assert downloaded(server, destination, job_of(row_count=2)) == body


def test_a_row_count_at_the_cap_is_warned_about(destination: Path, caplog: pytest.LogCaptureFixture) -> None:
    body = b"clicks\n" + b"1\n" * 100_000
    for rows in (99_999, 100_000):
        with RawServer(http(200, body)) as server:
            downloaded(server, destination, job_of(row_count=rows), timeout=10.0)
    assert "has 99999 rows" not in caplog.text
    assert "has 100000 rows, which is Criteo's cap" in caplog.text


@pytest.mark.parametrize(("md5", "warned"), [(hashlib.md5(FILE).hexdigest().upper(), False), ("0" * 32, True)])
def test_an_md5_that_differs_is_a_warning(
    md5: str, warned: bool, destination: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RawServer(WHOLE) as server:
        assert downloaded(server, destination, job_of(md5=md5)) == FILE
    assert ("The file's MD5 is" in caplog.text) == warned


# Compression and framing


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (gzip.compress(FILE), "gzip"),
        (gzip.compress(FILE[:100]) + gzip.compress(FILE[100:]), "gzip"),
        (FILE, "UTF-8"),
        (FILE, "identity"),
    ],
    ids=["gzip", "two members", "UTF-8", "identity"],
)
def test_a_file_is_unpacked_if_it_is_packed(packed: bytes, encoding: str, destination: Path) -> None:
    with RawServer(http(200, packed, Content_Encoding=encoding)) as server:
        assert downloaded(server, destination) == FILE
        assert b"accept-encoding: identity" in server.requests[0].lower()


def test_a_file_that_is_a_gzip_file_stays_one(destination: Path) -> None:
    content = gzip.compress(FILE)
    with RawServer(http(200, content, Content_Type="application/gzip")) as server:
        assert downloaded(server, destination) == content


@pytest.mark.parametrize("answer", [chunked(FILE[:100], FILE[100:], b""), until_closed(FILE)])
def test_a_file_without_a_length_comes_whole(answer: bytes, destination: Path) -> None:
    with RawServer(answer) as server:
        assert downloaded(server, destination) == FILE


# Secrets and redirects


@pytest.mark.parametrize("status", [200, 400])
def test_a_secret_that_the_answer_repeats_is_not_in_the_error(status: int, destination: Path) -> None:
    said = {"errors": [{"code": "c", "title": "you sent s3cr+t/of", "detail": "and s3cr%2Bt%2Fof"}]}
    with RawServer(http(status, said)) as server, pytest.raises(ValidationError, match="you sent") as raised:
        downloaded(server, destination, client_secret="s3cr+t/of")
    assert "s3cr" not in str(raised.value)


def test_a_secret_in_the_content_type_is_in_no_xcom(tmp_path: Path) -> None:
    with RawServer(http(200, FILE, Content_Type="text/csv; t=a-long-secret")) as server:
        client = CriteoClient("id of xcom", "a-long-secret", base_url=server.url)
        report = client.download_report("1", tmp_path / "report", job=DONE)
        client.close()
    assert report.to_json()["content_type"] == "text/csv; t=***"


def test_a_redirect_to_another_host_does_not_carry_the_token(destination: Path) -> None:
    with RawServer(WHOLE) as store:
        # Both are this machine under another name.
        elsewhere = store.url.replace("localhost", "127.0.0.1") + "/signed?signature=abc"
        with RawServer(http(302, Location=elsewhere)) as server:
            assert downloaded(server, destination) == FILE
            assert b"authorization: bearer" in server.requests[0].lower()
            assert b"authorization" not in store.requests[0].lower()


@pytest.mark.parametrize("dead", [http(403, b"<Error>Request has expired</Error>"), http(404), http(503), b""])
def test_a_signed_link_that_is_dead_is_asked_for_again_through_criteo(dead: bytes, destination: Path) -> None:
    with RawServer(dead, WHOLE) as store:
        elsewhere = store.url.replace("localhost", "127.0.0.1") + "/signed?signature=abc"
        with RawServer(http(302, Location=elsewhere)) as server:
            assert downloaded(server, destination) == FILE
            assert len(server.requests) == 2


def test_a_storage_that_answers_oddly_puts_no_signature_into_the_log(
    destination: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RawServer(b"HTTP/1.1 403 No\r\nan odd line\r\nContent-Length: 0\r\n\r\n") as store:
        elsewhere = store.url.replace("localhost", "127.0.0.1") + "/signed?signature=abc"
        with RawServer(http(302, Location=elsewhere)) as server, pytest.raises(TransientError):
            downloaded(server, destination)
    assert "Failed to parse headers" in caplog.text
    assert "signature" not in caplog.text


@pytest.mark.parametrize("dead", [http(403, b"<Error>Request has expired</Error>"), http(404)])
def test_a_dead_link_at_the_same_host_is_asked_for_again_through_criteo(dead: bytes, destination: Path) -> None:
    moved = http(302, Location="/signed?signature=abc")
    with RawServer(moved, dead, moved, WHOLE) as server:
        assert downloaded(server, destination) == FILE
        assert [b"/signed" in request.partition(b"\r\n")[0] for request in server.requests] == [False, True] * 2


@pytest.mark.parametrize("signature", ["ab+cd/ef", "ab%2Bcd%2Fef", "ab%2bcd%2fef"])
def test_what_a_storage_says_is_told_without_the_query_of_the_signed_link(
    signature: str, destination: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = (
        f"<?xml version='1.0'?><Error><Message>Request has expired</Message><Signature>{signature}</Signature></Error>"
    )
    with RawServer(http(403, said.encode())) as store:
        elsewhere = store.url.replace("localhost", "127.0.0.1") + "/signed?signature=ab%2Bcd%2Fef&x=1"
        with RawServer(http(302, Location=elsewhere)) as server, pytest.raises(TransientError) as raised:
            downloaded(server, destination)
    assert '"GET /signed HTTP/1.1" 403' in caplog.text
    assert "signature" not in caplog.text
    assert "Request has expired ***" in str(raised.value)
    assert "127.0.0.1, which refused" in str(raised.value)


@pytest.mark.parametrize(
    "page", [b"<html><title>Back at 06:00</title>\x1b[1m a-long-secret</html>", b"Back at 06:00 \x1b[1m a-long-secret"]
)
def test_what_came_in_place_of_a_file_is_told(page: bytes, destination: Path) -> None:
    with RawServer(http(200, page)) as server, pytest.raises(TransientError) as raised:
        downloaded(server, destination, job_of(row_count=1232), client_secret="a-long-secret")
    assert "\n  Back at 06:00 \\x1b[1m ***\n" in str(raised.value)


def test_control_characters_of_a_content_type_are_shown_escaped(tmp_path: Path) -> None:
    with (
        RawServer(http(200, FILE, Content_Type="text/csv\x1b[1m" + "x" * 5000)) as server,
        CriteoClient("id of a type", "a-secret", base_url=server.url) as client,
    ):
        content_type = client.download_report("1", tmp_path / "report", job=DONE).content_type
    assert content_type.startswith("text/csv\\x1b[1mx")
    assert len(content_type) < 1100


def test_the_query_of_a_signed_link_is_in_no_text(destination: Path, caplog: pytest.LogCaptureFixture) -> None:
    import traceback

    with RawServer(silent) as store:
        elsewhere = store.url.replace("localhost", "127.0.0.1") + "/signed?signature=abcdef"
        with RawServer(http(302, Location=elsewhere)) as server, pytest.raises(TransientError) as raised:
            downloaded(server, destination, timeout=0.1)
    assert "abcdef" not in "".join(traceback.format_exception(raised.value)) + caplog.text


# The job


def test_a_job_that_has_not_ended_or_ended_badly_is_not_downloaded(
    client: CriteoClient, sandbox: Sandbox, destination: Path
) -> None:
    job = client.create_report_job("mpo-realtime", {"advertiserIds": ["1"], "lookbackWindow": 60})
    with pytest.raises(ReportNotReadyError, match="Pending"):
        client.download_report(job.report_id, destination)
    for outcome in ("Failure", "Expired"):
        sandbox.finish(job.report_id, outcome)
        with pytest.raises(CriteoError, match=outcome):
            client.download_report(job.report_id, destination)
    assert untouched(destination)
    assert not sandbox.journal("download")


def test_a_passing_fault_of_the_status_call_before_it_is_survived(destination: Path) -> None:
    done = http(200, {"data": {"attributes": {"status": "Done"}}})
    with RawServer(http(502), done, WHOLE) as server:
        options = {"base_url": server.url, "sleep": lambda seconds: None}
        with CriteoClient(uuid.uuid4().hex, "secret", **options) as client:
            client.download_report("1", destination)
    assert destination.read_bytes() == FILE


# Where the file goes


def test_a_file_object_gets_the_report(tmp_path: Path) -> None:
    with (tmp_path / "report.csv").open("w+b") as file, RawServer(cut(300), WHOLE) as server:
        client = CriteoClient("id of object", "secret", base_url=server.url, sleep=lambda seconds: None)
        report = client.download_report("1", file, job=DONE)
        client.close()
    assert (tmp_path / "report.csv").read_bytes() == FILE
    assert report.url == ""


def write(path: Path, content: bytes = FILE, **options: bool) -> None:
    with atomic_file(path, **options) as file:
        file.write(content)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_the_umask_is_honoured(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write(tmp_path / "report.csv")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report.csv").stat().st_mode) == 0o666 & ~umask


def test_folders_are_made_and_a_symbolic_link_stays(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "report.csv", BEFORE)
    (tmp_path / "link.csv").symlink_to(tmp_path / "a" / "b" / "report.csv")
    write(tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "a" / "b" / "report.csv").read_bytes() == FILE


def test_a_file_that_is_not_to_be_replaced_is_not(destination: Path) -> None:
    with pytest.raises(FileExistsError):
        write(destination, overwrite=False)
    assert untouched(destination)
    write(destination.with_name("new.csv"), overwrite=False)
    assert destination.with_name("new.csv").read_bytes() == FILE


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(destination: Path) -> None:
    with atomic_file(destination) as slow, atomic_file(destination) as quick:
        slow.write(b"slow")
        quick.write(b"quick")
        assert destination.read_bytes() == BEFORE
    assert destination.read_bytes() == b"slow"
    assert os.listdir(destination.parent) == [destination.name]


def test_an_error_within_leaves_nothing(destination: Path) -> None:
    with suppress(KeyError), atomic_file(destination) as file:
        file.write(b"half")
        raise KeyError
    assert untouched(destination)


@pytest.mark.parametrize("kind", ["a folder", "below a file", "a name that is too long"])
def test_a_destination_that_cannot_be_is_an_error_and_nothing_is_left(destination: Path, kind: str) -> None:
    wrong = {
        "a folder": destination.parent,
        "below a file": destination / "report.csv",
        "a name that is too long": destination.parent / ("x" * 300),
    }[kind]
    with pytest.raises(OSError, match=r"directory|exists|too long"):
        write(wrong)
    assert untouched(destination)


# In a process of its own

_PROGRAM = """
import json, resource, sys
from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.models import JobState, ReportJob, human
url, destination, limit = json.loads(sys.argv[1])
client = CriteoClient("id", "secret", base_url=url)
job = ReportJob("1", "mpo-realtime", "Done", JobState.DONE)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    client.download_report("1", destination, job=job)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
except OSError as error:
    print(f"{type(error).__name__}: {error}")
"""


def of_own_process(server: RawServer, destination: Path, limit: int = 0) -> str:
    arguments = [sys.executable, "-c", _PROGRAM, json.dumps([server.url, str(destination), limit])]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True).stdout


def test_memory_stays_flat(destination: Path) -> None:
    size, piece = 64 * 1024 * 1024, b"1,2,3\n" * 10_000

    def large(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (size // len(piece) * len(piece)))
        for _ in range(size // len(piece)):
            connection.sendall(piece)
        connection.recv(1)

    with RawServer(large) as server:
        grown = int(of_own_process(server, destination).split()[-1]) // 1024
    assert destination.stat().st_size > size - len(piece)
    assert grown < 32


def test_a_full_disk_is_an_error_and_leaves_nothing(destination: Path) -> None:
    with RawServer(http(200, b"1,2,3\n" * 500_000)) as server:
        assert "OSError" in of_own_process(server, destination, limit=1024 * 1024)
    assert untouched(destination)


def test_a_long_download_tells_of_itself_every_15_seconds(destination: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="airflow_provider_criteo.api.download")
    seconds = itertools.count(step=5)
    with RawServer(http(200, b"x" * (2 * 1024 * 1024))) as server:
        downloaded(server, destination, clock=lambda: float(next(seconds)))
    # The clock is asked at the beginning and after each of the eight chunks of 256 KiB.
    assert [record.getMessage() for record in caplog.records] == [
        "Report 1: 768.0 KiB of 2.0 MiB (38%) received, 51.2 KiB/s",
        "Report 1: 1.5 MiB of 2.0 MiB (75%) received, 51.2 KiB/s",
    ]


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * 2**20, "3.0 MiB"), (5 * 2**40, "5120.0 GiB")],
)
def test_a_size_is_told_as_people_read_it(size: int, shown: str) -> None:
    assert human(size) == shown
