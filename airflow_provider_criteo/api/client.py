"""``CriteoClient``: create a report job, ask for its state, download its file.

Sources: https://developers.criteo.com/criteo-apis/docs/api-response,
https://developers.criteo.com/criteo-apis/docs/versioning-policy and the pages that the catalogue's rows name.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import requests

from airflow_provider_criteo import __version__
from airflow_provider_criteo.api import answers, transport
from airflow_provider_criteo.api.answers import Answer, Call
from airflow_provider_criteo.api.attributes import (
    Attributes,
    doubts,
    parse_attributes,
    require_account_id,
    require_report_id,
    sendable,
)
from airflow_provider_criteo.api.auth import BearerAuth, Credentials, Mask, TokenFetch, token_source
from airflow_provider_criteo.api.download import DownloadedReport, receive
from airflow_provider_criteo.api.exceptions import (
    CriteoError,
    InvalidInputError,
    PermissionDeniedError,
    RateLimitError,
    ReportExpiredError,
    ReportJobFailedError,
    ReportNotReadyError,
    TransientError,
)
from airflow_provider_criteo.api.files import UnnamedFile
from airflow_provider_criteo.api.models import JobState, RateLimit, ReportJob
from airflow_provider_criteo.api.patience import LONGEST_QUOTA_WAIT, Patience, patiently
from airflow_provider_criteo.api.quota import rate_limit_of
from airflow_provider_criteo.api.reports import (
    CURRENT_VERSION,
    DEFAULT_REPORT_TYPE,
    EXPERIMENTAL_VERSION,
    PREVIEW_VERSION,
    ReportType,
    get_report_type,
)
from airflow_provider_criteo.api.session import is_loopback, new_session

log = logging.getLogger(__name__)

DEFAULT_BASE_URL = "https://api.criteo.com"
DEFAULT_TIMEOUT = 60.0
LONGEST_CONNECT = 10.0
_ACCOUNT_PATHS = (
    ("advertisers", "/{version}/advertisers/me"),
    ("Retail Media accounts", "/{version}/retail-media/accounts"),
)

_MOST_TOLD = 100
_told_once: set[tuple[str, ...]] = set()


def _warn_once(*key: str, message: str) -> None:
    if key not in _told_once and (len(key) == 1 or len(_told_once) < _MOST_TOLD):
        _told_once.add(key)
        log.warning("%s", message)


def user_agent(*products: str) -> str:
    """The User-Agent: the package's version, further products, Python's version."""
    own = f"airflow-provider-criteo/{__version__}"
    return " ".join((own, *products, f"python/{platform.python_version()}", f"requests/{requests.__version__}"))


def normalized_base_url(host: str) -> str:
    """Scheme, host and port of the API, from a host with or without scheme and port.

    :raises InvalidInputError: it is no host, has more than that, or would send the secret in clear.
    """
    url = host.strip() if host else ""
    shown = url.rpartition("@")[2]  # before it may be a secret
    parts = urlsplit(url if "://" in url else f"https://{url}")
    try:
        port = parts.port
    except ValueError:
        raise InvalidInputError(f"host={shown!r}: the port is no number from 1 to 65535") from None
    if not parts.hostname or any(character.isspace() for character in url):
        raise InvalidInputError(f"host={shown!r} is no host; allowed: {DEFAULT_BASE_URL} or a host of your own")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/"):
        raise InvalidInputError(
            f"host={parts.hostname!r} has more than scheme, host and port; allowed: e.g. {DEFAULT_BASE_URL}"
        )
    if parts.scheme not in ("https", "http"):
        raise InvalidInputError(f"host={shown!r}: the scheme is {parts.scheme!r}; allowed: https")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise InvalidInputError(
            f"host={shown!r}: http would send the client secret in clear; allowed: https, or http to this machine"
        )
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}" + (f":{port}" if port else "")


class CriteoClient:
    """Criteo's report exports over one keep-alive session. Status calls may be made from several threads.

    Makes no call until it is used.

    :param client_id: of the application.
    :param client_secret: its secret.
    :param grant_type: ``"client_credentials"`` or ``"refresh_token"``.
    :param refresh_token: for the latter.
    :param base_url: scheme, host and port of the API.
    :param api_version: for every report type that it serves; each row's default where None.
    :param timeout: seconds to wait for a reply, and for each part of a file; a connection gets at most 10.
    :param products: further words for the User-Agent, e.g. ``"airflow/3.3.2"``.
    :param mask: told of every secret and token before anything can log it.
    :raises InvalidInputError: one of these cannot be right.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        grant_type: str = "client_credentials",
        refresh_token: str | None = None,
        base_url: str = DEFAULT_BASE_URL,
        api_version: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        products: tuple[str, ...] = (),
        mask: Mask = lambda secret: None,
    ) -> None:
        self.base_url = normalized_base_url(base_url)
        self.api_version = api_version
        self._timeout = (min(timeout, LONGEST_CONNECT), timeout)
        self._user_agent = user_agent(*products)
        credentials = Credentials(client_id, client_secret, grant_type, refresh_token)
        self._source = token_source(credentials, self.base_url)
        self._auth = BearerAuth(self._source, TokenFetch(self._timeout, self._user_agent, mask), self.base_url)
        self._preview_is_retired = False
        self._last = threading.local()
        self.session = new_session()
        self.session.auth = self._auth
        self.session.headers.update({"User-Agent": self._user_agent, "Accept": "application/json"})

    @property
    def rate_limit(self) -> RateLimit | None:
        """What the reply to this thread's last call tells of the quota; None where there was none."""
        return getattr(self._last, "rate_limit", None)

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def __enter__(self) -> CriteoClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Create

    def create_report_job(
        self,
        report_type: str,
        attributes: Attributes,
        account_id: str | None = None,
        *,
        api_version: str | None = None,
        quota_wait: float = LONGEST_QUOTA_WAIT,
    ) -> ReportJob:
        """Create a report job; Criteo may answer with one that it made for the same request a little earlier.

        The POST is sent again only where it cannot have been received: no connection, 429, 503.

        :param report_type: an id of the catalogue.
        :param attributes: as Criteo's page of the report type has them; dates may be ``datetime`` or ``date``.
        :param account_id: of Retail Media, for the report types whose path has it.
        :param api_version: in place of the client's.
        :param quota_wait: seconds to wait in all for a used-up quota.
        :raises InvalidInputError: the input cannot be right; no call was made.
        :raises RateLimitError: the quota resets later than that.
        :raises ReportJobFailedError: the job came back failed.
        :raises TransientError: no job was made, or (it says so) one may exist whose id did not arrive.
        :raises CriteoApiError: Criteo refused.
        """
        row, version = self._row_and_version(report_type, api_version)
        require_account_id(account_id, row)
        body = self._create_body(parse_attributes(attributes), row)

        def create() -> ReportJob:
            # A connection that was idle may be dead, and a POST on it lost without a trace: take a fresh one.
            self.session.close()
            try:
                answer, request = self._ask(
                    "POST", lambda served: row.create_url(served, account_id), row, version, data=body
                )
                return answers.created_job(answer, row, request)
            except TransientError as error:
                raise (_may_exist(error) if error.sent else error) from error.__cause__

        job = patiently(create, Patience(quota_wait, again=lambda error: not error.sent))
        _log_warnings(job)
        return job

    def _create_body(self, attributes: Attributes, row: ReportType) -> bytes:
        values = sendable(attributes, row)
        for doubt in doubts(values, row):
            log.warning("%s (sent all the same: Criteo decides)", doubt)
        data: dict[str, Any] = {"attributes": values}
        if row.resource_type:
            data["type"] = row.resource_type
        return json.dumps({"data": data}, allow_nan=False).encode()

    # Status

    def get_report_job(
        self, report_id: str, report_type: str = DEFAULT_REPORT_TYPE, *, api_version: str | None = None
    ) -> ReportJob:
        """The job as Criteo describes it now, whatever its state. One call, no waiting.

        :param report_id: what the create returned.
        :raises InvalidInputError: the input cannot be right; no call was made.
        :raises RateLimitError: the quota is used up.
        :raises TransientError: a passing fault; the job's state is not known.
        :raises CriteoError: a definitive answer other than the job's description.
        """
        row, version = self._row_and_version(report_type, api_version)
        report_id = require_report_id(report_id)
        self._last.rate_limit = None
        answer, request = self._ask(
            "GET", lambda served: row.status_url(served, report_id), row, version, report_id=report_id
        )
        try:
            return answers.described_job(answer, row, report_id, request)
        except ReportNotReadyError as error:
            return ReportJob(report_id, row.id, "not ready", JobState.PENDING, problems=error.problems)

    def wait_for_report_job(
        self,
        report_id: str,
        report_type: str = DEFAULT_REPORT_TYPE,
        *,
        poll_interval: float = 15.0,
        timeout: float = 3600.0,
        api_version: str | None = None,
    ) -> ReportJob:
        """Poll until the job is done. For scripts and notebooks: it holds the process while it waits.

        Passing faults and a used-up quota do not end the wait.

        :param poll_interval: seconds between two polls.
        :param timeout: seconds.
        :raises ReportJobFailedError: the job ended without a file.
        :raises TimeoutError: it has not ended in time.
        """
        end = time.monotonic() + timeout
        while True:
            wait = poll_interval
            try:
                job = self.get_report_job(report_id, report_type, api_version=api_version)
                if job.state is JobState.DONE:
                    return job
                _refuse_end(job)
                log.info("Report job %s is %s", report_id, job.status)
            except RateLimitError as error:
                wait = max(wait, error.retry_after or 0.0)
                log.info("%s", error.reason)
            except TransientError as error:
                log.warning("%s", error)
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"report job {report_id} has not ended within {timeout:g} s")
            time.sleep(min(wait, left))

    # Download

    def download_report(
        self,
        report_id: str,
        destination: str | os.PathLike[str] | IO[bytes],
        report_type: str = DEFAULT_REPORT_TYPE,
        *,
        job: ReportJob | None = None,
        api_version: str | None = None,
    ) -> DownloadedReport:
        """Download the file of a job that is done, streamed and checked.

        :param report_id: what the create returned.
        :param destination: a path, which is replaced in one step; or a binary file, writable, seekable and empty.
        :param job: the job as described when it was done; asked for where not given.
        :raises ReportNotReadyError: the job has not ended.
        :raises ReportJobFailedError: it ended without a file, or (``ReportExpiredError``) the file is gone.
        :raises TransientError: the file could not be had whole, after several tries.
        :raises CriteoApiError: Criteo refused.
        """
        row, version = self._row_and_version(report_type, api_version)
        report_id = require_report_id(report_id)
        job = job or patiently(lambda: self.get_report_job(report_id, report_type, api_version=api_version))
        _log_warnings(job)
        _refuse_end(job)
        if job.state is not JobState.DONE:
            raise ReportNotReadyError(
                200,
                job.problems,
                f"GET {row.status_url(version, report_id)}",
                reason=f"report job {report_id} ({row.id}) is {job.status}",
            )
        if isinstance(destination, (str, os.PathLike)):
            with _replaced(Path(destination)) as file:
                received = self._receive(file, job, row, version)
            return replace(received, url=str(Path(destination).absolute()))
        return self._receive(destination, job, row, version)

    def _receive(self, file: IO[bytes], job: ReportJob, row: ReportType, version: str) -> DownloadedReport:
        request = f"GET {row.output_url(version, job.report_id)}"

        return receive(
            lambda headers: self._open_output(job, row, version, headers),
            file,
            job,
            row,
            request=request,
            timeout=self._timeout,
            redact=self._source.redact,
        )

    @contextmanager
    def _open_output(
        self, job: ReportJob, row: ReportType, version: str, headers: dict[str, str]
    ) -> Iterator[requests.Response]:
        served = self._served(version, row)
        path = row.output_url(served, job.report_id)
        with transport.opened(
            self.session,
            "GET",
            self.base_url + path,
            request=f"GET {path}",
            timeout=self._timeout,
            redact=self._source.redact,
            headers={"Accept": "*/*", "Accept-Encoding": "identity", **headers},
        ) as response:
            self._notice(response.status_code, response.headers)
            lost = response.status_code in row.lost_job_statuses
            refused_part = response.status_code == 416 and "Range" in headers
            if (200 <= response.status_code < 300 and not lost) or refused_part:
                yield response
                return
            answer = transport.read_answer(response, f"GET {path}", self._timeout[1], self._source.redact)
        if self._may_forward(answer, served, row):
            self._preview_is_retired = True
            with self._open_output(job, row, version, headers) as response:
                _warn_preview_is_retired()
                yield response
            return
        raise answers.error_for(answer, Call.DOWNLOAD, row, job.report_id, f"GET {path}")

    # Everything else

    def describe_application(self) -> str:
        """Which accounts the application sees, e.g. ``"3 advertisers"``: one cheap call, at most two.

        :raises CriteoError: the credentials or the consent are not in order, or Criteo cannot be reached.
        """
        version = self.api_version or CURRENT_VERSION
        refused: CriteoError | None = None
        for name, path in _ACCOUNT_PATHS:
            url = path.format(version=version)
            answer = self._exchange("GET", url, "")
            if 200 <= answer.status_code < 300 and not answer.problems:
                count = _account_count(name, answer)
                if count:
                    return f"{count} {name if count > 1 else name[:-1]}"
                error: CriteoError = PermissionDeniedError(
                    answer.status_code, (), f"GET {url}", reason=f"the list of {name} is empty"
                )
            else:
                error = answers.error_for(answer, Call.CREATE, get_report_type(DEFAULT_REPORT_TYPE), "", f"GET {url}")
            if not isinstance(error, PermissionDeniedError):
                raise error
            refused = refused or error
        raise refused or CriteoError("Criteo named no accounts")

    def _row_and_version(self, report_type: str, api_version: str | None) -> tuple[ReportType, str]:
        row = get_report_type(report_type)
        return row, row.version(api_version or self.api_version)

    def _ask(
        self, method: str, url: Callable[[str], str], row: ReportType, version: str, **options: Any
    ) -> tuple[Answer, str]:
        """One call; on a retired ``preview`` once more on ``experimental``."""
        served = self._served(version, row)
        report_id = options.pop("report_id", "")
        answer = self._exchange(method, url(served), report_id, **options)
        if self._may_forward(answer, served, row):
            forwarded = self._exchange(method, url(EXPERIMENTAL_VERSION), report_id, **options)
            if forwarded.status_code not in (404, 410):
                self._preview_is_retired = True
                _warn_preview_is_retired()
            answer, served = forwarded, EXPERIMENTAL_VERSION
        return answer, _request_name(method, url(served), report_id)

    def _served(self, version: str, row: ReportType) -> str:
        forward = self._preview_is_retired and version == PREVIEW_VERSION and EXPERIMENTAL_VERSION in row.versions
        return EXPERIMENTAL_VERSION if forward else version

    def _may_forward(self, answer: Answer, version: str, row: ReportType) -> bool:
        return (
            version == PREVIEW_VERSION
            and answer.status_code in (404, 410)
            and EXPERIMENTAL_VERSION in row.versions
            and not answers.speaks_of_the_job(answer)
        )

    def _exchange(self, method: str, path: str, report_id: str, **options: Any) -> Answer:
        if "data" in options:
            options["headers"] = {"Content-Type": "application/json"}
        answer = transport.exchange(
            self.session,
            method,
            self.base_url + path,
            request=_request_name(method, path, report_id),
            timeout=self._timeout,
            redact=self._source.redact,
            **options,
        )
        self._notice(answer.status_code, answer.headers, answer)
        return answer

    def _notice(self, status: int, headers: Any, answer: Answer | None = None) -> None:
        """Keep what the reply tells of the quota, and pass on once what it tells of deprecation."""
        self._last.rate_limit = rate_limit_of(headers)
        redact = self._source.redact
        notices = [f"{name}: {redact(headers[name])}" for name in ("Deprecation", "Sunset") if headers.get(name)]
        warnings = [warning for warning in (answer.warnings if answer else ()) if warning.type == "deprecation"]
        if notices or warnings:
            _warn_once(
                "deprecation",
                self.base_url,
                *notices,
                *(warning.gist for warning in warnings),
                message=f"Criteo announces a deprecation: {'; '.join([*notices, *map(str, warnings)])}",
            )


def _request_name(method: str, path: str, report_id: str) -> str:
    return f"{method} {path}" + (f" (report job {report_id})" if report_id else "")


def _account_count(name: str, answer: Answer) -> int:
    data = answer.json.get("data") if isinstance(answer.json, dict) else None
    if not isinstance(data, list):
        raise TransientError(answer.status_code, (), "", reason=f"the reply lists no {name}")
    # Criteo gives the Retail Media accounts in pages of 25.
    metadata = answer.json.get("metadata")
    total = metadata.get("totalItemsAcrossAllPages") if isinstance(metadata, dict) else None
    return total if isinstance(total, int) else len(data)


def _may_exist(error: TransientError) -> TransientError:
    return TransientError(
        error.status_code, error.problems, error.request, reason=error.reason, advice=answers.MAY_EXIST
    )


def _refuse_end(job: ReportJob) -> None:
    if job.state is JobState.FAILED:
        raise ReportJobFailedError(job)
    if job.state is JobState.EXPIRED:
        raise ReportExpiredError(job)


def _log_warnings(job: ReportJob) -> None:
    for warning in job.warnings:
        if warning.type != "deprecation":
            log.warning("Criteo warns about report job %s: %s", job.report_id, warning)


def _warn_preview_is_retired() -> None:
    _warn_once(
        "preview",
        message=(
            "Criteo no longer serves this call on api_version 'preview'; it was made on 'experimental'. Set "
            "api_version to 'experimental', on the connection or the operator."
        ),
    )


@contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the path's place in one step when all went well, and is gone when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with UnnamedFile(path.parent) as file:
        yield file.handle
        file.publish(path)
