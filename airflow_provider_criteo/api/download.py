"""Receiving a report's file: streamed in flat memory, checked, begun again after a cut."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import IO

import requests

from airflow_provider_criteo.api.answers import (
    LONGEST_BODY_READ,
    Answer,
    error_in_success,
    error_of_job_code,
    is_markup,
)
from airflow_provider_criteo.api.exceptions import TransientError
from airflow_provider_criteo.api.http import network_faults
from airflow_provider_criteo.api.models import (
    DownloadedReport,
    Problem,
    ReportJob,
    human,
    one_line,
    shortened,
)
from airflow_provider_criteo.api.report_type import AT_ROW_CAP, ReportType
from airflow_provider_criteo.api.retry import Retry

log = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
_SECONDS_BETWEEN_PROGRESS = 15.0
_LARGEST_LIST_OF_ERRORS = 8 * 1024 * 1024
_HEAD_BYTES = 64 * 1024
_BEFORE_ROWS = re.compile(rb'.*?"data"\s*:\s*\[', re.DOTALL)
_BLANKS = b"\xef\xbb\xbf \t\r\n"
_CLOSING = {b"{": b"}", b"[": b"]"}


def receive(
    open_output: Callable[[], tuple[Answer, requests.Response]],
    file: IO[bytes],
    job: ReportJob,
    row: ReportType,
    *,
    url: str,
    timeout: tuple[float, float],
    retry: Retry,
    clock: Callable[[], float],
) -> DownloadedReport:
    """Write the report's file into an open one, from the start after each passing fault.

    :param open_output: opens the download, whose body is still to be read, or raises what the answer means.
    :param file: binary, writable, seekable, empty.
    :param job: what Criteo told of it.
    :param url: where the file will be.
    :param clock: seconds, monotonic.
    :raises CriteoError: the file could not be had whole; ``file`` is then not to be used.
    """

    def receive_once() -> _Download:
        answer, response = open_output()
        with response:
            download = _Download(file, job, row, answer)
            download.read(response, timeout, clock)
        download.check()
        return download

    download = retry.call(receive_once)
    if download.rows_at_cap is not None:
        log.warning(
            "Report %s has %s rows, %s. Ask for fewer days, dimensions or ids.",
            job.report_id,
            download.rows_at_cap,
            AT_ROW_CAP,
        )
    return DownloadedReport(
        url=url,
        report_id=job.report_id,
        size_bytes=download.size,
        sha256=download.sha256.hexdigest(),
        row_count=job.row_count,
        content_type=download.content_type,
        expires_at=job.expires_at,
    )


def _brackets(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[")


class _Download:
    """One try at a report's file."""

    def __init__(self, file: IO[bytes], job: ReportJob, row: ReportType, answer: Answer) -> None:
        file.seek(0)
        file.truncate()
        self._file = file
        self._job = job
        self._row = row
        self._answer = answer
        self._head = b""
        self._tail = b""
        self._lines = 0
        self._brackets = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.rows_at_cap = job.row_count if row.is_at_cap(job.row_count) else None
        self.content_type = shortened(one_line(answer.redact(answer.headers.get("Content-Type", ""))))

    def read(self, response: requests.Response, timeout: tuple[float, float], clock: Callable[[], float]) -> None:
        """Write the reply's body, decompressed, into the file."""
        length = response.headers.get("Content-Length", "")
        progress = _Progress(self._job, int(length) if length.isdecimal() else self._job.size_bytes, clock)
        chunks = _decompressed(response)
        while True:
            with network_faults(self._answer.request, timeout, self._answer.redact, status=response.status_code):
                chunk = next(chunks, None)
            if chunk is None:
                return
            self._take(chunk)
            progress.tell(self.size)

    def _take(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self.sha256.update(chunk)
        if self._job.md5:
            self._md5.update(chunk)
        self.size += len(chunk)
        if len(self._head) < _HEAD_BYTES:
            self._head = (self._head + chunk).lstrip(_BLANKS)[:_HEAD_BYTES]
        self._tail = (self._tail + chunk[-64:])[-64:]
        if self._job.row_count:
            self._count_rows(chunk)

    def _count_rows(self, chunk: bytes) -> None:
        if self._is_json:
            self._brackets += _brackets(chunk)
        else:
            self._lines += chunk.count(b"\n")

    def check(self) -> None:
        """Whether what came is the report, and all of it.

        :raises CriteoApiError: it is not.
        """
        promised = self._job.size_bytes
        if promised and self.size < promised:
            raise self._not_the_report(f"the file has {self.size} bytes, and Criteo promised {promised}")
        if promised != self.size:
            self._check_content()
        if promised and self.size > promised:
            log.warning("The file has %d bytes, more than the %d that Criteo told.", self.size, promised)
        if self._job.md5 and self._md5.hexdigest() != self._job.md5.lower():
            log.warning(
                "The file's MD5 is %s and Criteo told %s; what Criteo's covers is not documented.",
                self._md5.hexdigest(),
                self._job.md5,
            )

    def _check_content(self) -> None:
        """Where Criteo told no size: whether this can be the report."""
        if self.size == 0 and not (self._job.row_count == 0 or self._job.size_bytes == 0):
            raise self._not_the_report("the file is empty, and Criteo did not say it would be")
        first = self._head[:1]
        if is_markup(first):
            raise self._not_the_report("the reply is a web page, not a report", self._words())
        if first in _CLOSING and self._tail.rstrip()[-1:] != _CLOSING[first]:
            raise self._not_the_report("the JSON file has no end: it was cut")
        if first == b"{" and self.size <= _LARGEST_LIST_OF_ERRORS:
            self._refuse_errors(self._whole())
        if not self._job.row_count:
            return
        # A row is at least an object or an array of its own in JSON, and a line below the header in CSV.
        most_rows = self._most_rows_of_json() if self._is_json else self._lines - self._tail.endswith(b"\n")
        if most_rows >= self._job.row_count:
            return
        if self._row.is_at_cap(most_rows):
            self.rows_at_cap = most_rows
        else:
            reason = f"the file has at most {most_rows} rows, and Criteo told of {self._job.row_count}"
            is_a_line = most_rows == 0 and not self._is_json
            raise self._not_the_report(reason, self._words() if is_a_line else ())

    @property
    def _is_json(self) -> bool:
        return self._head[:1] in _CLOSING

    def _most_rows_of_json(self) -> int:
        """The brackets but those around the rows, and those before them."""
        if self._head[:1] == b"[":
            return self._brackets - 1
        before_rows = _BEFORE_ROWS.match(self._head)
        return self._brackets - (_brackets(before_rows[0]) if before_rows else 0)

    def _whole(self) -> bytes:
        self._file.seek(0)
        whole = self._file.read()
        self._file.seek(0, os.SEEK_END)
        return whole

    def _refuse_errors(self, whole: bytes) -> None:
        if b'"errors"' not in whole:
            return
        answer = replace(self._answer, body=whole)
        reply = answer.json
        if isinstance(reply, dict) and answer.problems and not reply.get("data") and "columns" not in reply:
            raise error_of_job_code(self._job, answer) or error_in_success(answer)

    def _words(self) -> tuple[Problem, ...]:
        self._file.seek(0)
        return replace(self._answer, body=self._file.read(LONGEST_BODY_READ)).problems_of_error

    def _not_the_report(self, reason: str, said: tuple[Problem, ...] = ()) -> TransientError:
        return TransientError(200, said, self._answer.request, reason=reason)


def _decompressed(response: requests.Response) -> Iterator[bytes]:
    if response.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "x-gzip"):
        # Not by urllib3, which takes a gzip stream without its end for a whole one.
        return iter(partial(gzip.GzipFile(fileobj=response.raw).read, CHUNK_BYTES), b"")
    chunks: Iterator[bytes] = response.raw.stream(CHUNK_BYTES, decode_content=True)
    return chunks


class _Progress:
    """Tells of a long download now and then."""

    def __init__(self, job: ReportJob, expected: int | None, clock: Callable[[], float]) -> None:
        self._report_id = job.report_id
        self._expected = expected
        self._clock = clock
        self._began = self._told = clock()

    def tell(self, received: int) -> None:
        now = self._clock()
        if now - self._told < _SECONDS_BETWEEN_PROGRESS:
            return
        self._told = now
        share = f" of {human(self._expected)} ({received / self._expected:.0%})" if self._expected else ""
        rate = human(received / (now - self._began))
        log.info("Report %s: %s%s received, %s/s", self._report_id, human(received), share, rate)
