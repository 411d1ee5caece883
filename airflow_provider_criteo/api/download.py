"""Receiving a report's file: streamed in flat memory, checked, resumed or begun again after a cut."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any

import requests
from pendulum import DateTime

from airflow_provider_criteo.api.answers import Redact, redacted
from airflow_provider_criteo.api.exceptions import (
    RateLimitError,
    ReportNotReadyError,
    TransientError,
    ValidationError,
)
from airflow_provider_criteo.api.models import ReportJob, one_line, problems_from_json
from airflow_provider_criteo.api.patience import Patience
from airflow_provider_criteo.api.reports import ReportType
from airflow_provider_criteo.api.transport import network_faults

log = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
_BYTES_HASHED_AT_ONCE = 1024 * 1024
_MOST_BATCHES = 4
_SECONDS_BETWEEN_PROGRESS = 15.0
_STALLED_BYTES = 1024
"""Fewer within the read timeout are no download any more."""
_LARGEST_ERROR_BODY = 1024 * 1024
_LARGEST_LIST_OF_ERRORS = 8 * 1024 * 1024
_HEAD_BYTES = 256
_BLANKS = b"\xef\xbb\xbf \t\r\n"
_CLOSING = {b"{": b"}", b"[": b"]"}

_KEYS_OF_AN_ERROR = frozenset(
    [
        "error",
        "error_description",
        "error_uri",
        "exception",
        "message",
        "code",
        "status",
        "statuscode",
        "title",
        "detail",
        "type",
        "instance",
        "path",
        "timestamp",
        "requestid",
        "traceid",
        "errors",
        "warnings",
        "data",
    ]
)

OpenOutput = Callable[[dict[str, str]], AbstractContextManager[requests.Response]]


@dataclass(frozen=True)
class DownloadedReport:
    """A report's file, whole.

    :param url: where it is.
    :param report_id: of its job.
    :param size_bytes: of the file.
    :param sha256: of the file, hexadecimal.
    :param row_count: as Criteo told, else None.
    :param content_type: as Criteo labelled it, which is not always what it is.
    :param expires_at: when Criteo deletes its own copy (aware), if it told.
    """

    url: str
    report_id: str
    size_bytes: int
    sha256: str
    row_count: int | None
    content_type: str
    expires_at: DateTime | None = None

    def to_json(self) -> dict[str, Any]:
        """The value of the XCom ``report_file``."""
        return {
            "url": self.url,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "row_count": self.row_count,
            "content_type": self.content_type,
            "report_id": self.report_id,
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
        }


def receive(
    open_output: OpenOutput,
    file: IO[bytes],
    job: ReportJob,
    row: ReportType,
    *,
    request: str,
    timeout: tuple[float, float],
    redact: Redact,
) -> DownloadedReport:
    """Write the report's file into an open one; ``url`` is left empty.

    A cut is resumed where the server offers ranges, else the download begins again, a few times.

    :param open_output: opens the download with extra request headers, or raises what the answer means.
    :param file: binary, writable, seekable, empty.
    :param job: what Criteo told of it.
    :param redact: takes secrets out of text, in case the server echoes one.
    :raises CriteoError: the file could not be had whole; ``file`` is then not to be used.
    """
    with _Attempt(file, job, request, timeout, redact) as attempt:
        _receive_whole(attempt, open_output)
        _warn_of_truncation(job, row)
        return DownloadedReport(
            url="",
            report_id=job.report_id,
            size_bytes=attempt.size,
            sha256=attempt.digests.sha256(),
            row_count=job.row_count,
            content_type=attempt.content_type,
            expires_at=job.expires_at,
        )


def _receive_whole(attempt: _Attempt, open_output: OpenOutput) -> None:
    patience = Patience()
    while True:
        before = attempt.size
        try:
            with open_output(attempt.resume_headers()) as response:
                attempt.read(response)
            attempt.check()
            return
        except (TransientError, RateLimitError) as error:
            if attempt.resumed and attempt.size - before >= _STALLED_BYTES:
                patience.renew()
            patience.wait_after(error, f"trying again {attempt.resume_note()}")


class _Digests:
    """Checksums of the bytes so far, computed on another core: hashlib holds no interpreter lock.

    :param thread: computes them, one after the other.
    :param with_md5: whether an MD5 is wanted, too.
    """

    def __init__(self, thread: ThreadPoolExecutor, *, with_md5: bool) -> None:
        self._thread = thread
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._wanted = (self._sha256, self._md5) if with_md5 else (self._sha256,)
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._computing: deque[Future[None]] = deque()

    def update(self, chunk: bytes) -> None:
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        if self._waiting_bytes >= _BYTES_HASHED_AT_ONCE:
            self._compute()

    def _compute(self) -> None:
        self._wait_until_left(_MOST_BATCHES - 1)
        chunks, self._waiting, self._waiting_bytes = self._waiting, [], 0
        self._computing.append(self._thread.submit(self._update_all, chunks))

    def _wait_until_left(self, batches: int) -> None:
        while len(self._computing) > batches:
            self._computing.popleft().result()

    def _update_all(self, chunks: list[bytes]) -> None:
        # Joined, as each update has to wait for the interpreter lock anew.
        block = b"".join(chunks)
        for digest in self._wanted:
            digest.update(block)

    def sha256(self) -> str:
        """Hexadecimal."""
        self._finish()
        return self._sha256.hexdigest()

    def md5(self) -> str:
        """Hexadecimal; only where it was wanted."""
        self._finish()
        return self._md5.hexdigest()

    def _finish(self) -> None:
        self._compute()
        self._wait_until_left(0)


class _Attempt:
    """The bytes received so far, over all tries."""

    def __init__(
        self, file: IO[bytes], job: ReportJob, request: str, timeout: tuple[float, float], redact: Redact
    ) -> None:
        self._file = file
        self._job = job
        self._request = request
        self._timeout = timeout
        self._redact = redact
        self._etag: str | None = None
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="criteo-sha256")
        self._begin()

    def __enter__(self) -> _Attempt:
        return self

    def __exit__(self, *exception: object) -> None:
        self._hashing.shutdown()

    def _begin(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self.size = 0
        self.resumed = False
        self._whole: int | None = None
        self.digests = _Digests(self._hashing, with_md5=bool(self._job.md5))
        self.content_type = ""
        self._head = b""
        self._tail = b""

    def resume_headers(self) -> dict[str, str]:
        if not (self.size and self._etag):
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._etag}

    def resume_note(self) -> str:
        return f"from byte {self.size}" if self.resume_headers() else "from the start"

    def read(self, response: requests.Response) -> None:
        """Append the reply's body, or begin again with it where it is not the rest of what we have."""
        if not (response.status_code == 206 and self._continues(response)):
            if response.status_code in (206, 416):
                raise self._not_the_report("the reply is not the part of the file that was asked for", 206)
            self._begin()
        self.resumed = response.status_code == 206
        self.content_type = self._redact(response.headers.get("Content-Type", self.content_type))
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        self._etag = _strong_etag(response) if encoding == "identity" else None
        if response.status_code == 204:
            raise self._not_the_report("the reply is empty (204)")
        self._whole = _whole_length(response, encoding) or self._whole
        progress = _Progress(self._job, self._whole or self._job.size_bytes, self.size)
        for chunk in self._decoded(response, encoding):
            self._take(chunk)
            progress.tell(self.size)

    def _continues(self, response: requests.Response) -> bool:
        found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        same = response.headers.get("ETag", self._etag) == self._etag  # not every server heeds If-Range
        return bool(found and int(found.group(1)) == self.size and self.size and same)

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        waited, came = 0.0, 0
        while True:
            began = time.monotonic()
            with network_faults(self._request, self._timeout, self._redact, status=response.status_code):
                # read1 returns what has come, so that a trickle without end is seen.
                chunk = response.raw.read1(CHUNK_BYTES, decode_content=False)
            if not chunk:
                return
            waited, came = waited + time.monotonic() - began, came + len(chunk)
            if waited > self._timeout[1]:
                if came < _STALLED_BYTES:
                    raise self._not_the_report(f"no more than {came} bytes came within {waited:.0f} s")
                waited, came = 0.0, 0
            yield chunk

    def _decoded(self, response: requests.Response, encoding: str) -> Iterator[bytes]:
        raw = self._chunks(response)
        if encoding in ("identity", ""):
            yield from raw
        elif encoding in ("gzip", "x-gzip", "deflate"):
            inflate = zlib.decompressobj(wbits=47)
            try:
                for chunk in raw:
                    while chunk:
                        if inflate.eof:  # a gzip file may be several, one after the other, and be filled up with zeros
                            chunk = chunk.lstrip(b"\0")
                            if not chunk:
                                break
                            inflate = zlib.decompressobj(wbits=47)
                        yield inflate.decompress(chunk, CHUNK_BYTES)
                        chunk = inflate.unconsumed_tail or inflate.unused_data
                yield inflate.flush()
            except zlib.error as error:
                raise self._not_the_report(f"the compressed reply is broken: {error}") from error
            if not inflate.eof:
                raise self._not_the_report("the compressed reply was cut")
        else:
            reason = f"the reply is compressed as {self._redact(encoding)!r}, which was not asked for"
            raise self._not_the_report(reason)

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            return
        self._file.write(chunk)
        self.digests.update(chunk)
        self.size += len(chunk)
        if len(self._head) < _HEAD_BYTES:
            self._head = (self._head + chunk).lstrip(_BLANKS)[:_HEAD_BYTES]
        self._tail = (self._tail + chunk[-64:])[-64:]

    def check(self) -> None:
        """Whether what came is the report, and all of it.

        :raises CriteoApiError: it is not.
        """
        promised = self._job.size_bytes
        if self._whole is not None and self.size < self._whole:
            reason = f"the file has {self.size} bytes, and {self._whole} were announced"
            raise TransientError(200, (), self._request, reason=reason)
        if self.size == 0 and not (self._job.row_count == 0 or promised == 0):
            raise self._not_the_report("the file is empty, and Criteo did not say it would be")
        if promised and self.size < promised:
            raise self._not_the_report(f"the file has {self.size} bytes, and Criteo promised {promised}")
        head, tail = self._head, self._tail.rstrip()
        if head[:1] == b"<":
            raise self._not_the_report("the reply is a web page, not a report")
        if head[:1] in _CLOSING and tail[-1:] != _CLOSING[head[:1]]:
            raise self._not_the_report("the JSON file has no end: it was cut")
        if head.strip() in (b"null", b"true", b"false"):
            raise self._not_the_report(f"the reply is {head.strip().decode()} instead of a report")
        most = _LARGEST_LIST_OF_ERRORS if b'"errors"' in head else _LARGEST_ERROR_BODY
        if head[:1] == b"{" and self.size <= most:
            self._refuse_errors()
        if promised and self.size > promised:
            log.warning("The file has %d bytes, more than the %d that Criteo told.", self.size, promised)
        if self._job.md5 and self.digests.md5() != self._job.md5.lower():
            log.warning(
                "The file's MD5 is %s and Criteo told %s; what Criteo's covers is not documented.",
                self.digests.md5(),
                self._job.md5,
            )

    def _refuse_errors(self) -> None:
        self._file.seek(0)
        try:
            reply = json.loads(self._file.read())
        except (ValueError, RecursionError):
            return
        finally:
            self._file.seek(0, os.SEEK_END)
        if not isinstance(reply, dict):
            return
        problems = problems_from_json(redacted(reply.get("errors"), self._redact))
        status = _job_status(reply)
        if status and not problems:
            raise ReportNotReadyError(
                200,
                (),
                self._request,
                reason=f"the reply describes the job, which is {self._redact(status)}, and is no report",
            )
        if problems and not reply.get("data") and "columns" not in reply:
            raise ValidationError(200, problems, self._request, reason="the reply carries errors instead of a report")
        if _is_an_error(reply) and (any(reply.values()) or self._job.row_count != 0):
            # Cut after it is redacted: a part of a secret is not recognized.
            said = [self._redact(one_line(f"{key}: {value}"))[:250] for key, value in reply.items() if value]
            raise self._not_the_report(
                f"the reply is an error instead of a report ({', '.join(said) or 'an empty one'})"
            )

    def _not_the_report(self, reason: str, status: int = 200) -> TransientError:
        """The error for bytes that are not worth resuming."""
        self._etag = None
        return TransientError(status, (), self._request, reason=reason)


def _is_an_error(reply: dict[str, Any]) -> bool:
    """Whether this is what a gateway or a framework says of an error, or nothing at all."""
    keys = {key.lower() for key in reply}
    if reply.get("data") is not None or "columns" in keys:
        return False
    status = next((reply[key] for key in reply if key.lower() in ("status", "statuscode")), None)
    return keys <= _KEYS_OF_AN_ERROR or (isinstance(status, int) and 400 <= status < 600)


def _whole_length(response: requests.Response, encoding: str) -> int | None:
    """Bytes of the whole file, as a reply announces them."""
    if response.status_code == 206:
        found = re.search(r"/(\d+)\s*$", response.headers.get("Content-Range", ""))
        return int(found.group(1)) if found else None
    length = response.headers.get("Content-Length", "")
    return int(length) if encoding == "identity" and length.isdecimal() else None


def _job_status(reply: object) -> str | None:
    """The status word in a reply that describes a job, which has one where a report has its rows."""
    for name in ("data", "attributes", "status"):
        if not isinstance(reply, dict) or "columns" in reply:
            return None
        reply = reply.get(name)
    return reply if isinstance(reply, str) else None


def _strong_etag(response: requests.Response) -> str | None:
    etag = response.headers.get("ETag", "")
    ranges = response.headers.get("Accept-Ranges", "").lower() == "bytes" or response.status_code == 206
    return etag if ranges and etag.startswith('"') else None


class _Progress:
    """Tells of a long download now and then."""

    def __init__(self, job: ReportJob, expected: int | None, received: int) -> None:
        self._report_id = job.report_id
        self._expected = expected
        self._began = self._told = time.monotonic()
        self._from = received

    def tell(self, received: int) -> None:
        now = time.monotonic()
        if now - self._told < _SECONDS_BETWEEN_PROGRESS:
            return
        self._told = now
        share = f" of {human(self._expected)} ({received / self._expected:.0%})" if self._expected else ""
        rate = (received - self._from) / (now - self._began)
        log.info("Report %s: %s%s received, %s/s", self._report_id, human(received), share, human(rate))


def human(size: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _warn_of_truncation(job: ReportJob, row: ReportType) -> None:
    if job.row_count in row.row_caps:
        log.warning(
            "Report %s has %d rows, which is Criteo's cap: it cuts longer reports without a word. Ask for fewer days, "
            "dimensions or ids.",
            job.report_id,
            job.row_count,
        )
