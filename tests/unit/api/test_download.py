"""A download ends with the whole file or a clear error; what stood at its destination is untouched or replaced whole."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import (
    CriteoApiError,
    CriteoError,
    RateLimitError,
    ReportExpiredError,
    ReportNotReadyError,
    TransientError,
    ValidationError,
)
from airflow_provider_criteo.api.models import JobState, ReportJob
from airflow_provider_criteo.sandbox import Sandbox

ATTRIBUTES = {"advertiserIds": ["1"], "lookbackWindow": 60}
BEFORE = b"what was there before"

MakeClient = Callable[..., CriteoClient]


@pytest.fixture
def done(sandbox: Sandbox, client: CriteoClient) -> Callable[..., ReportJob]:
    """Makes a job that is done, and its file."""
    numbers = iter(range(10_000))

    def make(**settings: Any) -> ReportJob:
        sandbox.configure(pending_seconds=0, **settings)
        job = client.create_report_job("mpo-realtime", {**ATTRIBUTES, "campaignIds": [str(next(numbers))]})
        return client.get_report_job(job.report_id)

    return make


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


def whole_file(client: CriteoClient, job: ReportJob) -> bytes:
    """The report, fetched without any of our download's code."""
    path = f"/preview/marketing-solutions/marketplace-performance-outcomes/stats/realtime-reports/{job.report_id}"
    reply = client.session.get(client.base_url + path, timeout=30)
    assert reply.status_code == 200
    return reply.content


# Cut, stalled, wrongly framed


@pytest.mark.parametrize("fault", ["cut", "cut-chunked", "reset-at"])
def test_a_file_cut_at_any_byte_comes_whole(
    sandbox: Sandbox, client: CriteoClient, done: Callable[..., ReportJob], tmp_path: Path, fault: str
) -> None:
    first = done(file_rows=1)
    length = len(whole_file(client, first))
    jobs = [done() for _ in range(length)]
    wholes = [whole_file(client, job) for job in jobs]
    for at, job in enumerate(jobs):
        sandbox.fault("download", fault, at=at, report_id=job.report_id)

    def download(at: int) -> tuple[bytes, str]:
        file = tmp_path / str(at) / "report.csv"
        report = client.download_report(jobs[at].report_id, file, job=jobs[at])
        assert os.listdir(file.parent) == [file.name]
        assert report.size_bytes == len(wholes[at])
        return file.read_bytes(), report.sha256

    with ThreadPoolExecutor(length) as threads:
        results = list(threads.map(download, range(length)))
    assert [content for content, _ in results] == wholes
    assert [sha256 for _, sha256 in results] == [hashlib.sha256(whole).hexdigest() for whole in wholes]


FAULTS = [
    "stall",
    "length-too-large",
    "endless",
    "gzip-cut",
    "gzip-lie",
    "chunk-garbage",
    "empty-200",
    "no-content",
    "html-200",
    "xml-200",
    "http-500",
    "http-503",
    "close-before",
    "redirect-plain-http",
    "redirect-file",
    "redirect-same-host",
]


def test_a_fault_that_passes_is_survived_and_one_that_does_not_leaves_nothing(
    sandbox: Sandbox, make_client: MakeClient, done: Callable[..., ReportJob], tmp_path: Path
) -> None:
    client = make_client(sandbox, timeout=2.0)

    def download(fault: str, times: int | None) -> str | None:
        job = done(file_rows=50)
        whole = whole_file(client, job)
        file = tmp_path / fault / str(times) / "report.csv"
        file.parent.mkdir(parents=True)
        file.write_bytes(BEFORE)
        sandbox.fault("download", fault, times=times, report_id=job.report_id)
        try:
            client.download_report(job.report_id, file, job=job)
        except TransientError as error:
            clear = "What to do:" in str(error) and job.report_id in str(error)
            return None if clear and times is None and untouched(file) else str(error)
        same = file.read_bytes() == whole and os.listdir(file.parent) == [file.name]
        return None if same and times == 1 else "not an error" if times is None else "not the file"

    cases = [(fault, times) for fault in FAULTS for times in (1, None)]
    with ThreadPoolExecutor(len(cases)) as threads:
        results = dict(zip(cases, threads.map(download, *zip(*cases, strict=True)), strict=True))
    assert {case: wrong for case, wrong in results.items() if wrong} == {}


def test_a_gzip_encoded_file_is_unpacked(
    sandbox: Sandbox, client: CriteoClient, done: Callable[..., ReportJob], destination: Path
) -> None:
    job = done(file_rows=500)
    whole = whole_file(client, job)
    sandbox.fault("download", "gzip")
    assert client.download_report(job.report_id, destination, job=job).size_bytes == len(whole)
    assert destination.read_bytes() == whole


@pytest.mark.parametrize("fault", ["cut-unannounced", "length-too-small"])
def test_a_file_shorter_than_the_status_said_is_not_taken_for_whole(
    sandbox: Sandbox, client: CriteoClient, destination: Path, fault: str
) -> None:
    sandbox.configure(pending_seconds=0)
    attributes = {"startDate": _day(9), "endDate": _day(3), "supplyAccountIds": ["1"], "format": "csv"}
    job = client.create_report_job("rm-fillrate", {**attributes, "dimensions": ["date"], "metrics": ["fillRate"]})
    sandbox.fault("download", fault)
    report = client.download_report(job.report_id, destination, "rm-fillrate")
    assert report.size_bytes == len(destination.read_bytes())
    sandbox.fault("download", fault, times=None)
    destination.write_bytes(BEFORE)
    with pytest.raises(TransientError, match="promised"):
        client.download_report(job.report_id, destination, "rm-fillrate")
    assert untouched(destination)


def _day(days_ago: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - days_ago * 86400))


# Answers that are no file


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("problem-200", ValidationError),
        ("not-ready", ReportNotReadyError),
        ("http-400", ValidationError),
        ("http-429-reset-far", RateLimitError),
    ],
)
def test_an_answer_that_is_no_file_is_an_error(
    sandbox: Sandbox,
    client: CriteoClient,
    done: Callable[..., ReportJob],
    destination: Path,
    fault: str,
    error: type[CriteoApiError],
) -> None:
    job = done()
    sandbox.fault("download", fault, times=None)
    with pytest.raises(error):
        client.download_report(job.report_id, destination, job=job)
    assert untouched(destination)
    assert len(sandbox.journal("download")) == 1


@pytest.mark.parametrize("fault", ["problem-200", "http-400"])
def test_a_secret_that_the_answer_repeats_is_not_in_the_error(
    sandbox: Sandbox, client: CriteoClient, done: Callable[..., ReportJob], destination: Path, fault: str
) -> None:
    job = done()
    said = f"you sent {quote_plus(sandbox.client_secret)} and {sandbox.client_secret}"
    sandbox.fault("download", fault, title=said, detail=said)
    with pytest.raises(ValidationError, match="you sent") as raised:
        client.download_report(job.report_id, destination, job=job)
    assert quote_plus(sandbox.client_secret) not in str(raised.value)
    assert sandbox.client_secret not in str(raised.value)


def test_a_catalog_that_answers_204_has_expired(sandbox: Sandbox, client: CriteoClient, destination: Path) -> None:
    sandbox.configure(pending_seconds=0)
    job = client.create_report_job("rm-catalog", {}, account_id="1")
    sandbox.fault("download", "no-content")
    with pytest.raises(ReportExpiredError, match="expired"):
        client.download_report(job.report_id, destination, "rm-catalog")
    assert untouched(destination)


# A server that says exactly what a test wants

Script = Callable[[BaseHTTPRequestHandler], None]


class ScriptedServer(ThreadingHTTPServer):
    """Gives tokens, and answers the n-th download as the n-th script says; the last one from then on."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = scripts
        self.downloads: list[dict[str, str]] = []
        self.client_secret = "a-secret"
        super().__init__(("127.0.0.1", 0), _Handler)
        self.daemon_threads = True
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def client_id(self) -> str:
        return f"client of {self.url}"

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        reply(200, json.dumps({"access_token": "a-token", "expires_in": 900}).encode())(self)

    def do_GET(self) -> None:
        number = len(self.server.downloads)
        self.server.downloads.append({name.lower(): value for name, value in self.headers.items()})
        self.server.scripts[min(number, len(self.server.scripts) - 1)](self)


def reply(status: int, body: bytes, *, promised: int | None = None, **headers: str) -> Script:
    """An answer; one that is promised longer than it is gets cut."""

    def script(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body) if promised is None else promised))
        handler.end_headers()
        handler.wfile.write(body)
        if promised is not None:
            handler.close_connection = True

    return script


FILE = b"date,clicks\n" + b"".join(b"2026-11-%02d,%d\n" % (day, day) for day in range(1, 31))
PART = FILE[:100]
REST = FILE[100:]
RANGES = {"ETag": '"one"', "Accept_Ranges": "bytes"}
CUT = reply(200, PART, promised=len(FILE), **RANGES)
WHOLE = reply(200, FILE, **RANGES)
JOB = ReportJob("1", "mpo-realtime", "Done", JobState.DONE)


def received(server: ScriptedServer, make_client: MakeClient, destination: Path, **options: Any) -> bytes:
    """What a download from that server leaves at the destination."""
    client = make_client(server, timeout=5.0, **options)
    report = client.download_report("1", destination, job=JOB)
    content = destination.read_bytes()
    assert report.size_bytes == len(content)
    assert report.sha256 == hashlib.sha256(content).hexdigest()
    assert os.listdir(destination.parent) == [destination.name]
    return content


def test_the_rest_of_a_file_is_asked_for_and_appended(make_client: MakeClient, destination: Path) -> None:
    rest = reply(206, REST, Content_Range=f"bytes 100-{len(FILE) - 1}/{len(FILE)}", **RANGES)
    with ScriptedServer(CUT, rest) as server:
        assert received(server, make_client, destination) == FILE
        assert server.downloads[1]["range"] == "bytes=100-"
        assert server.downloads[1]["if-range"] == '"one"'


@pytest.mark.parametrize(
    "second",
    [
        reply(206, REST[5:], Content_Range=f"bytes 105-{len(FILE) - 1}/{len(FILE)}", **RANGES),
        reply(206, FILE, Content_Range=f"bytes 0-{len(FILE) - 1}/{len(FILE)}", **RANGES),
        reply(206, REST, **RANGES),
        reply(206, REST, Content_Range="lines 1-2/3", **RANGES),
        reply(416, b"", Content_Range=f"bytes */{len(FILE)}"),
        reply(416, b"no such part", Content_Range="bytes */50"),
    ],
    ids=["a later part", "all of it", "no Content-Range", "another unit", "416", "416, shorter now"],
)
def test_another_part_than_the_one_asked_for_is_not_appended(
    make_client: MakeClient, destination: Path, second: Script
) -> None:
    with ScriptedServer(CUT, second, WHOLE) as server:
        assert received(server, make_client, destination) == FILE
        assert "range" not in server.downloads[-1]


@pytest.mark.parametrize("etag", ['"two"', 'W/"two"', None])
def test_a_file_that_changed_meanwhile_is_begun_again(
    make_client: MakeClient, destination: Path, etag: str | None
) -> None:
    other = FILE.replace(b"2026", b"2027") + b"2027-12-01,1\n"
    with ScriptedServer(CUT, reply(200, other, **({"ETag": etag} if etag else {}))) as server:
        assert received(server, make_client, destination) == other


def test_a_changed_file_whose_server_ignores_if_range_is_not_mixed(make_client: MakeClient, destination: Path) -> None:
    other = FILE.replace(b"2026", b"2027")
    changed = reply(206, other[100:], Content_Range=f"bytes 100-{len(FILE) - 1}/{len(FILE)}", ETag='"two"')
    with ScriptedServer(CUT, changed, reply(200, other, ETag='"two"')) as server:
        assert received(server, make_client, destination) == other


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"one"', "Accept_Ranges": "bytes"}, {"Accept_Ranges": "bytes"}])
def test_nothing_is_resumed_without_a_strong_etag_and_ranges(
    make_client: MakeClient, destination: Path, headers: dict[str, str]
) -> None:
    with ScriptedServer(reply(200, PART, promised=len(FILE), **headers), WHOLE) as server:
        assert received(server, make_client, destination) == FILE
        assert "range" not in server.downloads[1]


def test_a_part_that_nobody_asked_for_is_not_the_file(make_client: MakeClient, destination: Path) -> None:
    part = reply(206, REST, Content_Range=f"bytes 100-{len(FILE) - 1}/{len(FILE)}")
    with ScriptedServer(part, WHOLE) as server:
        assert received(server, make_client, destination) == FILE


def test_several_gzip_members_are_one_file(make_client: MakeClient, destination: Path) -> None:
    packed = gzip.compress(PART) + gzip.compress(REST)
    with ScriptedServer(reply(200, packed, Content_Encoding="gzip")) as server:
        assert received(server, make_client, destination) == FILE


def test_an_unknown_compression_is_an_error(make_client: MakeClient, destination: Path) -> None:
    with (
        ScriptedServer(reply(200, b"whatever", Content_Encoding="br")) as server,
        pytest.raises(TransientError, match="'br'"),
    ):
        received(server, make_client, destination)
    assert untouched(destination)


def test_a_gzip_file_of_gzip_content_is_unpacked_once(make_client: MakeClient, destination: Path) -> None:
    content = gzip.compress(FILE)
    with ScriptedServer(reply(200, content, Content_Type="application/gzip")) as server:
        assert received(server, make_client, destination) == content


def test_a_part_that_is_shorter_than_asked_for_is_not_the_rest(make_client: MakeClient, destination: Path) -> None:
    short = reply(206, FILE[100:200], Content_Range=f"bytes 100-199/{len(FILE)}", **RANGES)
    rest = reply(206, FILE[200:], Content_Range=f"bytes 200-{len(FILE) - 1}/{len(FILE)}", **RANGES)
    with ScriptedServer(CUT, short, rest) as server:
        assert received(server, make_client, destination) == FILE
        assert [download.get("range") for download in server.downloads] == [None, "bytes=100-", "bytes=200-"]


def test_a_download_that_always_begins_again_ends(make_client: MakeClient, destination: Path) -> None:
    cuts = [reply(200, FILE[: 100 + number], promised=len(FILE)) for number in range(20)]
    with ScriptedServer(*cuts) as server:
        with pytest.raises(TransientError):
            received(server, make_client, destination)
        assert len(server.downloads) == 4
    assert untouched(destination)


def test_a_json_file_that_ends_within_is_cut(make_client: MakeClient, destination: Path) -> None:
    file = json.dumps({"columns": ["a"], "data": [[1], [2]], "rows": 2}).encode()

    def until_closed(end: int) -> Script:
        def script(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Connection", "close")
            handler.end_headers()
            handler.wfile.write(file[:end])
            handler.close_connection = True

        return script

    for end in (number + 1 for number in range(len(file)) if file[number : number + 1] == b"]"):
        with ScriptedServer(until_closed(end), until_closed(len(file))) as server:
            assert received(server, make_client, destination) == file


NO_REPORTS = {
    "a late page": b" " * 300 + b"<html>Gateway</html>",
    "a late problem": b"\n" * 300 + b'{"errors": [{"code": "x"}]}',
    "thousands of problems": json.dumps({"errors": [{"code": "x", "detail": "y" * 200}] * 6000}).encode(),
    "an empty object": b"{}",
    "no data": b'{"data": null}',
    "no data and no errors": b'{"data": null, "errors": [], "warnings": []}',
    "true": b"true",
    "false": b" false ",
    "a problem of another kind": b'{"type": "about:blank", "title": "Bad Gateway", "status": 502, "zone": "eu"}',
    "a framework's error": b'{"timestamp": 1, "status": 503, "error": "Unavailable", "path": "/x"}',
    "a gateway's error": b'{"Message": "Service Unavailable"}',
}


@pytest.mark.parametrize("body", NO_REPORTS.values(), ids=NO_REPORTS)
def test_what_is_no_report_does_not_replace_one(body: bytes, make_client: MakeClient, destination: Path) -> None:
    with ScriptedServer(reply(200, body)) as server, pytest.raises(CriteoApiError):
        received(server, make_client, destination)
    assert untouched(destination)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "1", "title": "A product", "status": "active"}\n',
        b'{"data": [], "columns": []}',
        b'{"data": []}',
        b'"Clicks","Displays"\n',
        b"[]",
    ],
)
def test_a_report_that_looks_odd_is_one(body: bytes, make_client: MakeClient, destination: Path) -> None:
    with ScriptedServer(reply(200, body)) as server:
        assert received(server, make_client, destination) == body


@pytest.mark.parametrize("end", [b"\0" * 512, b"\0" * 512 + gzip.compress(b"more\n")], ids=["zeros", "zeros between"])
def test_a_gzip_file_that_is_filled_up_is_unpacked(end: bytes, make_client: MakeClient, destination: Path) -> None:
    packed = gzip.compress(FILE) + end
    with ScriptedServer(reply(200, packed, Content_Encoding="gzip")) as server:
        assert received(server, make_client, destination).startswith(FILE)


def test_a_secret_in_the_content_type_is_in_no_xcom(make_client: MakeClient, destination: Path) -> None:
    with ScriptedServer(reply(200, FILE, Content_Type="text/csv; t=an-access-token")) as server:
        client = make_client(server, client_secret="an-access-token")
        report = client.download_report("1", destination, job=JOB)
    assert report.to_json()["content_type"] == "text/csv; t=***"


# Redirects


def test_a_rest_that_another_host_does_not_have_is_begun_again(make_client: MakeClient, destination: Path) -> None:
    with ScriptedServer(CUT, reply(416, b""), WHOLE) as store:
        elsewhere = f"http://localhost:{store.server_address[1]}/signed"
        with ScriptedServer(reply(302, b"", Location=elsewhere)) as server:
            assert received(server, make_client, destination) == FILE
            assert [download.get("range") for download in store.downloads] == [None, "bytes=100-", None]


def test_a_redirect_to_another_host_does_not_carry_the_token(make_client: MakeClient, destination: Path) -> None:
    with ScriptedServer(WHOLE) as store:
        elsewhere = f"http://localhost:{store.server_address[1]}/signed"
        with ScriptedServer(reply(302, b"", Location=elsewhere)) as server:
            assert received(server, make_client, destination) == FILE
            assert server.downloads[0]["authorization"] == "Bearer a-token"
            assert "authorization" not in store.downloads[0]
            assert "cookie" not in store.downloads[0]


def test_an_expired_redirect_to_another_host_says_nothing_of_the_credentials(
    make_client: MakeClient, destination: Path
) -> None:
    with ScriptedServer(reply(403, b"<Error>Request has expired</Error>"), WHOLE) as store:
        elsewhere = f"http://localhost:{store.server_address[1]}/signed"
        with ScriptedServer(reply(302, b"", Location=elsewhere)) as server:
            assert received(server, make_client, destination) == FILE
            assert len(server.downloads) == 2


def test_a_redirect_from_https_to_http_is_refused(
    make_client: MakeClient, destination: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ScriptedServer(WHOLE) as plain, ScriptedServer(reply(302, b"", Location=plain.url)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        secure = server.url.replace("http://", "https://")
        with pytest.raises(TransientError, match="leaves https"):
            received(server, make_client, destination, base_url=secure)
        assert server.downloads
        assert not plain.downloads
    assert untouched(destination)


# Where the file goes


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_the_umask_is_honoured(
    done: Callable[..., ReportJob], client: CriteoClient, tmp_path: Path, umask: int
) -> None:
    job = done()
    before = os.umask(umask)
    try:
        client.download_report(job.report_id, tmp_path / "report.csv", job=job)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report.csv").stat().st_mode) == 0o666 & ~umask


def test_of_two_writers_the_last_whole_one_wins_and_a_reader_sees_whole_files(
    sandbox: Sandbox, client: CriteoClient, done: Callable[..., ReportJob], destination: Path
) -> None:
    slow, quick = done(file_rows=400), done(file_rows=300)
    wholes = {"slow": whole_file(client, slow), "quick": whole_file(client, quick)}
    sandbox.fault("download", "drip", at=500, seconds=0.03, report_id=slow.report_id)
    seen: set[bytes] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(destination.read_bytes())
            time.sleep(0.001)

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(2) as writers:
        last = writers.submit(client.download_report, slow.report_id, destination, job=slow)
        first = writers.submit(client.download_report, quick.report_id, destination, job=quick)
        first.result()
        assert not last.done()
        assert destination.read_bytes() == wholes["quick"]
        last.result()
    time.sleep(0.1)
    stop.set()
    reader.join()
    assert destination.read_bytes() == wholes["slow"]
    assert seen == {BEFORE, *wholes.values()}
    assert os.listdir(destination.parent) == [destination.name]


@pytest.mark.parametrize("kind", ["a folder", "below a file", "a name that is too long"])
def test_a_destination_that_cannot_be_is_an_error_and_nothing_is_left(
    done: Callable[..., ReportJob], client: CriteoClient, destination: Path, kind: str
) -> None:
    job = done()
    wrong = {
        "a folder": destination.parent,
        "below a file": destination / "report.csv",
        "a name that is too long": destination.parent / ("x" * 300),
    }[kind]
    with pytest.raises(OSError, match=r"directory|exists|too long"):
        client.download_report(job.report_id, wrong, job=job)
    assert untouched(destination)


# In a process of its own

_PROGRAM = """
import json, os, resource, sys
from airflow_provider_criteo.api.client import CriteoClient
arguments = json.loads(sys.argv[1])
client = CriteoClient(arguments["id"], arguments["secret"], base_url=arguments["url"], timeout=60)
job = client.get_report_job(arguments["report_id"])
if arguments["limit"]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (arguments["limit"], arguments["limit"]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("begun", flush=True)
try:
    client.download_report(job.report_id, arguments["destination"], job=job)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, flush=True)
except OSError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
"""


def process(sandbox: Sandbox, job: ReportJob, destination: Path, limit: int = 0) -> subprocess.Popen[str]:
    """A process that downloads a report."""
    arguments = {
        "id": sandbox.client_id,
        "secret": sandbox.client_secret,
        "url": sandbox.url,
        "report_id": job.report_id,
        "destination": str(destination),
        "limit": limit,
    }
    return subprocess.Popen([sys.executable, "-c", _PROGRAM, json.dumps(arguments)], stdout=subprocess.PIPE, text=True)


def test_memory_stays_flat(sandbox: Sandbox, done: Callable[..., ReportJob], destination: Path) -> None:
    job = done(file_bytes=300 * 1024 * 1024)
    out, _ = process(sandbox, job, destination).communicate(timeout=180)
    assert destination.stat().st_size >= 300 * 1024 * 1024
    grown = int(out.split()[-1]) // 1024
    print(f"memory grew by {grown} MiB")
    assert grown < 32


def test_a_full_disk_is_an_error_and_leaves_nothing(
    sandbox: Sandbox, done: Callable[..., ReportJob], destination: Path
) -> None:
    job = done(file_bytes=3 * 1024 * 1024)
    out, _ = process(sandbox, job, destination, limit=2 * 1024 * 1024).communicate(timeout=60)
    assert "OSError" in out
    assert untouched(destination)


@pytest.fixture
def unnamed_files(tmp_path: Path) -> None:
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_RDWR))
    except (AttributeError, OSError):
        pytest.skip("this file system has no files without a name")


@pytest.mark.usefixtures("unnamed_files")
def test_a_killed_process_leaves_nothing(sandbox: Sandbox, done: Callable[..., ReportJob], destination: Path) -> None:
    job = done(file_bytes=3 * 1024 * 1024)
    sandbox.fault("download", "stall", at=2 * 1024 * 1024)
    killed = process(sandbox, job, destination)
    deadline = time.monotonic() + 60
    while not sandbox.journal("download"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(0.5)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(10) == -signal.SIGKILL
    assert killed.stdout is not None
    killed.stdout.close()
    assert untouched(destination)


def test_a_file_object_gets_the_report(client: CriteoClient, done: Callable[..., ReportJob], tmp_path: Path) -> None:
    job = done()
    with (tmp_path / "report.csv").open("w+b") as file:
        client.download_report(job.report_id, file, job=job)
    assert (tmp_path / "report.csv").read_bytes() == whole_file(client, job)


def test_a_job_that_has_not_ended_is_not_downloaded(sandbox: Sandbox, client: CriteoClient, destination: Path) -> None:
    job = client.create_report_job("mpo-realtime", ATTRIBUTES)
    with pytest.raises(ReportNotReadyError, match="Pending"):
        client.download_report(job.report_id, destination)
    assert untouched(destination)
    assert not sandbox.journal("download")


@pytest.mark.parametrize("outcome", ["Failure", "Expired"])
def test_a_job_that_ended_badly_is_not_downloaded(
    sandbox: Sandbox, client: CriteoClient, done: Callable[..., ReportJob], destination: Path, outcome: str
) -> None:
    job = done()
    sandbox.finish(job.report_id, outcome)
    with pytest.raises(CriteoError, match=outcome):
        client.download_report(job.report_id, destination)
    assert untouched(destination)
