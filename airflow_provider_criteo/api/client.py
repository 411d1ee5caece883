"""``CriteoClient``: create a report job, ask for its state, download its file.

Sources: https://developers.criteo.com/criteo-apis/docs/api-response,
https://developers.criteo.com/criteo-apis/docs/versioning-policy and the pages that the catalogue's rows name.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path
from typing import IO, Any

import requests

from airflow_provider_criteo.api import http
from airflow_provider_criteo.api.accounts import (
    ADVERTISERS,
    RETAIL_MEDIA_ACCOUNTS,
    AccountList,
    AccountPage,
    account_page,
    account_versions,
    all_accounts,
    seen_accounts,
)
from airflow_provider_criteo.api.answers import Answer, created_job, described_job, error_for
from airflow_provider_criteo.api.attributes import (
    Attributes,
    as_json,
    parse_attributes,
    unknown_or_missing,
)
from airflow_provider_criteo.api.auth import BearerAuth, Credentials, Mask, RefreshTokens, TokenFetch, token_source
from airflow_provider_criteo.api.dates import doubtful_days
from airflow_provider_criteo.api.download import receive
from airflow_provider_criteo.api.exceptions import ReportNotReadyError, TransientError, require_file
from airflow_provider_criteo.api.files import atomic_file
from airflow_provider_criteo.api.models import DownloadedReport, JobState, RateLimit, ReportJob, one_line, shortened
from airflow_provider_criteo.api.polling import Wait, polled
from airflow_provider_criteo.api.quota import rate_limit_of
from airflow_provider_criteo.api.report_type import ReportType, require_account_id, require_report_id
from airflow_provider_criteo.api.reports import DEFAULT_REPORT_TYPE, get_report_type
from airflow_provider_criteo.api.retry import Retry, Sleep
from airflow_provider_criteo.api.versions import ServedVersions, warn_once

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 60.0
LONGEST_CONNECT = 10.0
_JSON = {"Content-Type": "application/json"}
_ANY_FILE = {"Accept": "*/*", "Accept-Encoding": "identity"}
_MAY_EXIST = (
    "a report job may exist at Criteo; creating it again is safe, as Criteo returns the same job for the same "
    "request for a while."
)


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
        self._timeout = (min(timeout, LONGEST_CONNECT), timeout)
        user_agent = http.user_agent(*products)
        self._source = token_source(Credentials(client_id, client_secret, grant_type, refresh_token), self.base_url)
        fetch = TokenFetch(self._timeout, user_agent, mask, refresh_tokens, sleep)
        self._auth = BearerAuth(self._source, fetch, self.base_url)
        self._today = today
        self._served = ServedVersions(today)
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
        attributes: Attributes | str,
        account_id: str | None = None,
        *,
        api_version: str | None = None,
        quota_wait: float | None = None,
    ) -> ReportJob:
        """Create a report job; Criteo may answer with one that it made for the same request a little earlier.

        The POST is sent again only where it cannot have made a job: no connection, 429, 503.

        :param report_type: an id of the catalogue.
        :param attributes: as Criteo's page of the report type has them, or their JSON text; dates may be ``datetime``
            or ``date``.
        :param account_id: of Retail Media, for the report types whose path has it.
        :param api_version: in place of the client's.
        :param quota_wait: seconds to wait in all for a used-up quota; a little over a minute where None.
        :raises InvalidInputError: the input cannot be right; no call was made.
        :raises RateLimitError: the quota resets later than that.
        :raises ReportJobFailedError: the job came back failed.
        :raises TransientError: no job was made, or (it says so) one may exist whose id did not arrive.
        :raises CriteoApiError: Criteo refused.
        """
        row = get_report_type(report_type)
        versions = row.versions_to_call(api_version or self.api_version, self._today())
        require_account_id(account_id, row)
        body = _create_body(parse_attributes(attributes), row, versions[0])

        def create() -> ReportJob:
            # A connection that was idle may be dead, and a POST on it lost without a trace: take a fresh one.
            self.session.close()
            try:
                path = partial(row.create_url, account_id=account_id)
                answer, _ = self._ask(row.id, versions, path, "POST", data=body, headers=_JSON)
                return created_job(answer, row)
            except TransientError as error:
                if error.sent:
                    raise TransientError(
                        error.status_code, error.problems, error.request, reason=error.reason, advice=_MAY_EXIST
                    ) from None
                raise

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
        versions = row.versions_to_call(api_version or self.api_version, self._today())
        report_id = require_report_id(report_id)
        self._last.rate_limit = None
        path = partial(row.status_url, report_id=report_id)
        answer, _ = self._ask(row.id, versions, path, about=f" (report job {report_id})")
        try:
            return described_job(answer, row, report_id)
        except ReportNotReadyError as error:
            return ReportJob(report_id, row.id, "pending", JobState.PENDING, problems=error.problems)

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
        quota_wait: float | None = None,
    ) -> DownloadedReport:
        """Download the file of a job that is done, streamed and checked.

        :param report_id: what the create returned.
        :param destination: a path, which is replaced in one step; or a binary file, writable, seekable and empty.
        :param job: the job as described when it was done; asked for where not given.
        :param quota_wait: seconds to wait in all for a used-up quota; a little over a minute where None.
        :raises ReportNotReadyError: the job has not ended.
        :raises ReportJobFailedError: it ended without a file, or (``ReportExpiredError``) the file is gone.
        :raises TransientError: the file could not be had whole, after several tries.
        :raises CriteoApiError: Criteo refused.
        """
        row = get_report_type(report_type)
        versions = row.versions_to_call(api_version or self.api_version, self._today())
        report_id = require_report_id(report_id)
        retry = Retry(quota_wait, sleep=self._sleep)
        if job is None:
            job = retry.call(lambda: self.get_report_job(report_id, report_type, api_version=api_version))
            _log_warnings(job)
        if not require_file(job):
            request = f"GET {row.status_url(versions[0], report_id)}"
            reason = f"report job {report_id} ({row.id}) is {job.status}"
            raise ReportNotReadyError(200, job.problems, request, reason=reason)
        opened: AbstractContextManager[IO[bytes]]
        if isinstance(destination, (str, os.PathLike)):
            url, opened = str(Path(destination).absolute()), atomic_file(Path(destination))
        else:
            url, opened = "", nullcontext(destination)
        with opened as file:
            open_output = partial(self._open_output, report_id, row, versions)
            return receive(open_output, file, job, row, url=url, timeout=self._timeout, retry=retry, clock=self._clock)

    def _open_output(
        self, report_id: str, row: ReportType, versions: Sequence[str]
    ) -> tuple[Answer, requests.Response]:
        def is_file(status: int) -> bool:
            return 200 <= status < 300 and status not in row.lost_job_statuses

        path = partial(row.output_url, report_id=report_id)
        answer, response = self._ask(row.id, versions, path, is_file=is_file, headers=_ANY_FILE)
        if not is_file(answer.status_code):
            raise error_for(answer, row, report_id)
        return answer, response

    # Accounts

    def get_advertisers(self, *, api_version: str | None = None) -> list[dict[str, Any]]:
        """The advertisers that the application may read, with ``id``, ``name`` and what else Criteo tells of each.

        Source: https://developers.criteo.com/marketing-solutions/docs/get-my-advertisers

        :param api_version: in place of the client's.
        :raises InvalidInputError: there is no such version.
        :raises CriteoError: the credentials or the consent are not in order, or Criteo cannot be reached.
        """
        return all_accounts(ADVERTISERS, partial(self._account_page, api_version))

    def get_retail_media_accounts(self, *, api_version: str | None = None) -> list[dict[str, Any]]:
        """The Retail Media accounts that the application may read, with ``id``, ``name`` and what else Criteo tells.

        Source: https://developers.criteo.com/retail-media/docs/accounts

        :param api_version: in place of the client's.
        :raises InvalidInputError: there is no such version.
        :raises CriteoError: the credentials or the consent are not in order, or Criteo cannot be reached.
        """
        return all_accounts(RETAIL_MEDIA_ACCOUNTS, partial(self._account_page, api_version))

    def describe_application(self) -> str:
        """Which accounts the application sees, e.g. ``"3 advertisers"``: one cheap call, at most two.

        :raises CriteoError: the credentials or the consent are not in order, or Criteo cannot be reached.
        """
        return seen_accounts(partial(self._account_page, None))

    def _account_page(self, api_version: str | None, accounts: AccountList, index: int) -> AccountPage:
        versions = account_versions(api_version or self.api_version, self._today())
        answer, _ = self._ask(accounts.name, versions, partial(accounts.url, page=index))
        return account_page(answer, accounts)

    # One call

    def _ask(
        self, route: str, versions: Sequence[str], path: Callable[[str], str], method: str = "GET", **options: Any
    ) -> tuple[Answer, requests.Response]:
        """Ask in the first version that Criteo serves.

        :param path: of the call in a version.
        :param options: of the exchange.
        """
        return self._served.ask(route, versions, lambda version: self._call(method, path(version), **options))

    def _call(self, method: str, path: str, **options: Any) -> tuple[Answer, requests.Response]:
        """Make a call; once more with a new token where Criteo refuses the present one otherwise than by a 401."""
        answer, response = self._exchange(method, path, **options)
        if answer.meant_status == 401 != answer.status_code:
            self._auth.renew()
            answer, response = self._exchange(method, path, **options)
        return answer, response

    def _exchange(
        self,
        method: str,
        path: str,
        *,
        about: str = "",
        is_file: Callable[[int], bool] | None = None,
        **options: Any,
    ) -> tuple[Answer, requests.Response]:
        """Send a request and read the reply.

        :param about: what messages say of the request beside method and path.
        :param is_file: whether the body of a reply with that status is left to be read.
        """
        request, redact = f"{method} {path}{about}", self._source.redact
        url = self.base_url + path
        response = http.send(
            self.session, method, url, request=request, timeout=self._timeout, redact=redact, **options
        )
        self._last.rate_limit = rate_limit_of(response.headers)  # before the body, which may be cut
        if is_file and is_file(response.status_code):
            answer = Answer(response.status_code, response.headers, b"", redact, request)
        else:
            answer = http.read(response, request, self._timeout, redact)
        self._tell_of_deprecation(answer)
        return answer, response

    def _tell_of_deprecation(self, answer: Answer) -> None:
        headers = (name for name in ("Deprecation", "Sunset") if answer.headers.get(name))
        notices = [f"{name}: {answer.headers[name]}" for name in headers]
        notices += [warning.gist for warning in answer.warnings if warning.type == "deprecation"]
        for notice in notices:
            notice = shortened(one_line(self._source.redact(notice)))
            warn_once("deprecation", self.base_url, notice, message=f"Criteo announces a deprecation: {notice}")


def _create_body(attributes: Attributes, row: ReportType, version: str) -> bytes:
    values = as_json(attributes, row, version)
    for doubt in (*unknown_or_missing(values, row, version), *doubtful_days(attributes, row)):
        log.warning("%s (sent all the same: Criteo decides)", doubt)
    data: dict[str, Any] = {"attributes": values}
    if row.resource_type:
        data["type"] = row.resource_type
    return json.dumps({"data": data}, allow_nan=False).encode()


def _log_warnings(job: ReportJob) -> None:
    for warning in job.warnings_of_job:
        log.warning("Criteo warns about report job %s: %s", job.report_id, warning)
