"""``CriteoClient``: create a report job, ask for its state, download its file.

Sources: https://developers.criteo.com/criteo-apis/docs/api-response,
https://developers.criteo.com/criteo-apis/docs/versioning-policy and the pages that the catalogue's rows name.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import IO, Any

import requests

from airflow_provider_criteo.api import answers, http
from airflow_provider_criteo.api.answers import Answer, Call
from airflow_provider_criteo.api.attributes import (
    Attributes,
    as_json,
    parse_attributes,
    require_account_id,
    require_report_id,
    unknown_or_missing,
)
from airflow_provider_criteo.api.auth import BearerAuth, Credentials, Mask, RefreshTokens, TokenFetch, token_source
from airflow_provider_criteo.api.dates import doubtful_days
from airflow_provider_criteo.api.download import receive
from airflow_provider_criteo.api.exceptions import (
    CriteoError,
    PermissionDeniedError,
    ReportNotReadyError,
    TransientError,
)
from airflow_provider_criteo.api.files import new_file
from airflow_provider_criteo.api.models import DownloadedReport, JobState, RateLimit, ReportJob
from airflow_provider_criteo.api.polling import Wait, polled
from airflow_provider_criteo.api.quota import rate_limit_of
from airflow_provider_criteo.api.reports import (
    CHANNELS,
    CURRENT_VERSION,
    DEFAULT_REPORT_TYPE,
    NEXT_VERSION,
    PREVIEW_VERSION,
    VERSION_ENDS,
    ReportType,
    get_report_type,
)
from airflow_provider_criteo.api.retry import LONGEST_QUOTA_WAIT, Retry, Sleep

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 60.0
LONGEST_CONNECT = 10.0
_DAYS_OF_WARNING = 90
_ACCOUNTS_PER_PAGE = 100
NO_ACCOUNTS = "the application sees no account: nobody has given it consent, or consent was withdrawn"

_told_once: set[tuple[str, ...]] = set()


def _warn_once(*key: str, message: str) -> None:
    if key not in _told_once:
        _told_once.add(key)
        log.warning("%s", message)


class CriteoClient:
    """Criteo's report exports over one keep-alive session. Status calls may be made from several threads.

    Makes no call until it is used.

    :param client_id: of the application.
    :param client_secret: its secret.
    :param grant_type: ``"client_credentials"`` or ``"refresh_token"``.
    :param refresh_token: for the latter.
    :param refresh_tokens: where the newest refresh token is kept for other processes.
    :param base_url: scheme, host and port of the API.
    :param api_version: for every report type that it serves; each row's default where None.
    :param timeout: seconds to wait for a reply, and for each part of a file; a connection gets at most 10.
    :param products: further words for the User-Agent, e.g. ``"airflow/3.3.2"``.
    :param mask: told of every secret and token before anything can log it.
    :param sleep: waits for so many seconds.
    :param clock: seconds, monotonic.
    :param today: the day in UTC, by which versions have ended.
    :raises InvalidInputError: one of these cannot be right.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        grant_type: str = "client_credentials",
        refresh_token: str | None = None,
        refresh_tokens: RefreshTokens | None = None,
        base_url: str = http.DEFAULT_BASE_URL,
        api_version: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        products: tuple[str, ...] = (),
        mask: Mask = lambda secret: None,
        sleep: Sleep = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], date] = lambda: datetime.now(timezone.utc).date(),
    ) -> None:
        self.base_url = http.normalized_base_url(base_url)
        self.api_version = api_version
        self._sleep = sleep
        self._clock = clock
        self._today = today
        self._timeout = (min(timeout, LONGEST_CONNECT), timeout)
        user_agent = http.user_agent(*products)
        self._source = token_source(Credentials(client_id, client_secret, grant_type, refresh_token), self.base_url)
        fetch = TokenFetch(self._timeout, user_agent, mask, refresh_tokens, sleep)
        self._auth = BearerAuth(self._source, fetch, self.base_url)
        self._retired: set[tuple[str, str]] = set()
        self._last = threading.local()
        self.session = http.new_session()
        self.session.auth = self._auth
        self.session.headers.update({"User-Agent": user_agent, "Accept": "application/json"})

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
        row = get_report_type(report_type)
        versions = self._versions(row, api_version)
        require_account_id(account_id, row)
        body = _create_body(parse_attributes(attributes), row, versions[0])
        headers = {"Content-Type": "application/json"}

        def create() -> ReportJob:
            # A connection that was idle may be dead, and a POST on it lost without a trace: take a fresh one.
            self.session.close()
            try:
                answer, request = self._ask(
                    row.id,
                    versions,
                    lambda version: row.create_url(version, account_id),
                    method="POST",
                    data=body,
                    headers=headers,
                )
                return answers.created_job(answer, row, request)
            except TransientError as error:
                raise (_may_exist(error) if error.sent else error) from None

        job = Retry(quota_wait, again=lambda error: not error.sent, sleep=self._sleep).call(create)
        _log_warnings(job)
        return job

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
        row = get_report_type(report_type)
        versions = self._versions(row, api_version)
        report_id = require_report_id(report_id)
        self._last.rate_limit = None
        answer, request = self._ask(
            row.id, versions, lambda version: row.status_url(version, report_id), about=f" (report job {report_id})"
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

        :param poll_interval: seconds between two polls, at least 5.
        :param timeout: seconds.
        :raises ReportJobFailedError: the job ended without a file.
        :raises TimeoutError: it has not ended in time.
        """
        wait = Wait(report_id, poll_interval=poll_interval, timeout=timeout, log=log, clock=self._clock)
        while seconds := polled(wait, lambda: self.get_report_job(report_id, report_type, api_version=api_version)):
            self._sleep(seconds)
        assert wait.job is not None
        return wait.job

    # Download

    def download_report(
        self,
        report_id: str,
        destination: str | os.PathLike[str] | IO[bytes],
        report_type: str = DEFAULT_REPORT_TYPE,
        *,
        job: ReportJob | None = None,
        api_version: str | None = None,
        quota_wait: float = LONGEST_QUOTA_WAIT,
    ) -> DownloadedReport:
        """Download the file of a job that is done, streamed and checked.

        :param report_id: what the create returned.
        :param destination: a path, which is replaced in one step; or a binary file, writable, seekable and empty.
        :param job: the job as described when it was done; asked for where not given.
        :param quota_wait: seconds to wait in all for a used-up quota.
        :raises ReportNotReadyError: the job has not ended.
        :raises ReportJobFailedError: it ended without a file, or (``ReportExpiredError``) the file is gone.
        :raises TransientError: the file could not be had whole, after several tries.
        :raises CriteoApiError: Criteo refused.
        """
        row = get_report_type(report_type)
        versions = self._versions(row, api_version)
        report_id = require_report_id(report_id)
        retry = Retry(quota_wait, sleep=self._sleep)
        job = job or retry.call(lambda: self.get_report_job(report_id, report_type, api_version=api_version))
        _log_warnings(job)
        if not answers.require_file(job):
            request = f"GET {row.status_url(versions[0], report_id)}"
            reason = f"report job {report_id} ({row.id}) is {job.status}"
            raise ReportNotReadyError(200, job.problems, request, reason=reason)
        if isinstance(destination, (str, os.PathLike)):
            with new_file(Path(destination)) as file:
                return self._receive(file, str(Path(destination).absolute()), job, row, versions, retry)
        return self._receive(destination, "", job, row, versions, retry)

    def _receive(
        self, file: IO[bytes], url: str, job: ReportJob, row: ReportType, versions: Sequence[str], retry: Retry
    ) -> DownloadedReport:
        return receive(
            lambda: self._open_output(job, row, versions),
            file,
            job,
            row,
            url=url,
            request=f"GET {row.output_url(versions[0], job.report_id)}",
            timeout=self._timeout,
            redact=self._source.redact,
            retry=retry,
        )

    def _open_output(self, job: ReportJob, row: ReportType, versions: Sequence[str]) -> requests.Response:
        opened: list[requests.Response] = []

        def ask(path: str, request: str) -> Answer:
            response = self._sent("GET", path, request, headers={"Accept": "*/*", "Accept-Encoding": "identity"})
            if 200 <= response.status_code < 300 and response.status_code not in row.lost_job_statuses:
                opened.append(response)
                return Answer(response.status_code, response.headers, b"")
            return self._read(response, request)

        answer, request = self._in_service(
            row.id, versions, lambda version: row.output_url(version, job.report_id), "GET", ask
        )
        if not opened:
            raise answers.error_for(answer, Call.DOWNLOAD, row, job.report_id, request)
        return opened[0]

    # Accounts

    def get_advertisers(self) -> list[dict[str, Any]]:
        """The advertisers that the application may read, with ``id``, ``name`` and what else Criteo tells of each.

        Source: https://developers.criteo.com/marketing-solutions/docs/get-my-advertisers

        :raises CriteoError: the credentials or the consent are not in order, or Criteo cannot be reached.
        """
        return self._accounts(_ADVERTISERS)

    def get_retail_media_accounts(self) -> list[dict[str, Any]]:
        """The Retail Media accounts that the application may read, with ``id``, ``name`` and what else Criteo tells.

        Source: https://developers.criteo.com/retail-media/docs/accounts

        :raises CriteoError: the credentials or the consent are not in order, or Criteo cannot be reached.
        """
        return self._accounts(_RETAIL_MEDIA_ACCOUNTS)

    def describe_application(self) -> str:
        """Which accounts the application sees, e.g. ``"3 advertisers"``: one cheap call, at most two.

        :raises CriteoError: the credentials or the consent are not in order, or Criteo cannot be reached.
        """
        refused: CriteoError | None = None
        for accounts in (_ADVERTISERS, _RETAIL_MEDIA_ACCOUNTS):
            try:
                page, total = self._account_page(accounts, 0)
            except PermissionDeniedError as error:
                refused = refused or error
                continue
            if page:
                count = total or len(page)
                return f"{count} {accounts.name if count > 1 else accounts.name[:-1]}"
        raise refused or PermissionDeniedError(200, (), "GET " + _ADVERTISERS.path, reason=NO_ACCOUNTS)

    def _accounts(self, accounts: _Accounts) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for index in itertools.count():
            page, total = self._account_page(accounts, index)
            found += page
            is_whole = len(page) < _ACCOUNTS_PER_PAGE if total is None else len(found) >= total
            if is_whole or not page or not accounts.in_pages:
                return found
        raise AssertionError("itertools.count ends nowhere")

    def _account_page(self, accounts: _Accounts, index: int) -> tuple[list[dict[str, Any]], int | None]:
        """A page of accounts, and how many there are in all, where Criteo tells."""
        query = f"?pageIndex={index}&pageSize={_ACCOUNTS_PER_PAGE}" if accounts.in_pages else ""
        answer, request = self._ask(
            accounts.name, self._account_versions(), lambda version: accounts.path.format(version=version) + query
        )
        if not answer.is_success or answer.problems:
            raise answers.error_of_list(answer, request)
        data = answer.json.get("data") if isinstance(answer.json, dict) else None
        if not isinstance(data, list):
            raise TransientError(answer.status_code, (), request, reason=f"the reply lists no {accounts.name}")
        metadata = answer.json.get("metadata")
        total = metadata.get("totalItemsAcrossAllPages") if isinstance(metadata, dict) else None
        page = [_account(item) for item in data if isinstance(item, dict)]
        return page, total if isinstance(total, int) else None

    def _account_versions(self) -> tuple[str, ...]:
        if self.api_version is None:
            return (CURRENT_VERSION, NEXT_VERSION)
        return CHANNELS if self.api_version == PREVIEW_VERSION else (self.api_version,)

    # One call

    def _versions(self, row: ReportType, api_version: str | None) -> tuple[str, ...]:
        """The version to ask in, and those to fall forward to when Criteo has retired it.

        A version that was asked for is the only one; but experimental is the new name of preview.
        """
        asked = api_version or self.api_version
        versions = [row.version(asked, self._today())]
        if asked in (None, PREVIEW_VERSION):
            while following := row.next_version(versions[-1], self._today()):
                versions.append(following)
        self._warn_of_end(versions)
        return tuple(versions)

    def _warn_of_end(self, versions: Sequence[str]) -> None:
        end = VERSION_ENDS.get(versions[0])
        if end is None or (end - self._today()).days > _DAYS_OF_WARNING:
            return
        lasting = [version for version in versions[1:] if VERSION_ENDS.get(version, date.max) > end]
        _warn_once(
            "end of version",
            versions[0],
            message=f"Criteo serves api_version {versions[0]!r} until {end}."
            + (
                f" The next one is {lasting[0]!r}: set api_version, on the connection or the operator."
                if lasting
                else ""
            ),
        )

    def _in_service(
        self,
        route: str,
        versions: Sequence[str],
        url: Callable[[str], str],
        method: str,
        ask: Callable[[str, str], Answer],
        about: str = "",
    ) -> tuple[Answer, str]:
        """Ask in the first version that Criteo serves: the one rule for versions that are retired.

        A version is left for good only when another one has answered well.

        :param route: what is asked, to remember the versions that no longer serve it.
        :param versions: in order of preference.
        :param about: what the request's name says beside method and path.
        :return: the answer, and how messages name the request.
        """
        left = [version for version in versions if (route, version) not in self._retired] or [versions[-1]]
        gone: list[str] = []
        for version in left:
            request = f"{method} {url(version)}{about}"
            answer = ask(url(version), request)
            if answer.meant_status == 401 != answer.status_code:
                # The session renews a token that is refused with a 401; Criteo says so otherwise, too.
                self._auth.renew()
                answer = ask(url(version), request)
            if not answers.is_retired_route(answer):
                break
            gone.append(version)
        if gone and answers.shows_service(answer):
            self._retired.update((route, version) for version in gone)
            _warn_once(
                "retired",
                gone[0],
                message=f"Criteo no longer serves this call on api_version {gone[0]!r}; it was made on {version!r}. "
                f"Set api_version to {version!r}, on the connection or the operator.",
            )
        return answer, request

    def _ask(
        self,
        route: str,
        versions: Sequence[str],
        url: Callable[[str], str],
        *,
        method: str = "GET",
        about: str = "",
        **options: Any,
    ) -> tuple[Answer, str]:
        """Make a call and read its answer whole."""

        def ask(path: str, request: str) -> Answer:
            return self._read(self._sent(method, path, request, **options), request)

        return self._in_service(route, versions, url, method, ask, about)

    def _sent(self, method: str, path: str, request: str, **options: Any) -> requests.Response:
        response = http.send(
            self.session,
            method,
            self.base_url + path,
            request=request,
            timeout=self._timeout,
            redact=self._source.redact,
            **options,
        )
        self._last.rate_limit = rate_limit_of(response.headers)
        self._tell_of_deprecation(
            f"{name}: {response.headers[name]}" for name in ("Deprecation", "Sunset") if response.headers.get(name)
        )
        return response

    def _read(self, response: requests.Response, request: str) -> Answer:
        answer = http.read(response, request, self._timeout, self._source.redact)
        self._tell_of_deprecation(warning.gist for warning in answer.warnings if warning.type == "deprecation")
        return answer

    def _tell_of_deprecation(self, notices: Iterable[str]) -> None:
        for notice in map(self._source.redact, notices):
            _warn_once("deprecation", self.base_url, notice, message=f"Criteo announces a deprecation: {notice}")


@dataclass(frozen=True)
class _Accounts:
    """A list of accounts: what it is of, where it is, and whether it comes in pages."""

    name: str
    path: str
    in_pages: bool


_ADVERTISERS = _Accounts("advertisers", "/{version}/advertisers/me", in_pages=False)
_RETAIL_MEDIA_ACCOUNTS = _Accounts("Retail Media accounts", "/{version}/retail-media/accounts", in_pages=True)


def _account(item: dict[str, Any]) -> dict[str, Any]:
    """An account on one level; its id as text."""
    attributes = item.get("attributes")
    told = attributes if isinstance(attributes, dict) else {}
    return {**told, "id": str(item.get("id", "")), "name": str(told.get("name") or told.get("advertiserName") or "")}


def _create_body(attributes: Attributes, row: ReportType, version: str) -> bytes:
    values = as_json(attributes, row, version)
    for doubt in (*unknown_or_missing(values, row, version), *doubtful_days(attributes, row)):
        log.warning("%s (sent all the same: Criteo decides)", doubt)
    data: dict[str, Any] = {"attributes": values}
    if row.resource_type:
        data["type"] = row.resource_type
    return json.dumps({"data": data}, allow_nan=False).encode()


def _may_exist(error: TransientError) -> TransientError:
    return TransientError(
        error.status_code, error.problems, error.request, reason=error.reason, advice=answers.MAY_EXIST
    )


def _log_warnings(job: ReportJob) -> None:
    for warning in job.warnings:
        if warning.type != "deprecation":
            log.warning("Criteo warns about report job %s: %s", job.report_id, warning)
