"""``CriteoHook``: an Airflow connection in, Criteo's report exports out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_criteo.api import exceptions as api_exceptions
from airflow_provider_criteo.api.reports import DEFAULT_REPORT_TYPE
from airflow_provider_criteo.api.retry import Retry
from airflow_provider_criteo.exceptions import as_task_exceptions
from airflow_provider_criteo.get_provider_info import get_provider_info
from airflow_provider_criteo.utils.arguments import DEFAULT_CONN_ID
from airflow_provider_criteo.utils.clock import CLOCK
from airflow_provider_criteo.utils.connection import ConnectionSettings, cannot_look_up, client_of
from airflow_provider_criteo.utils.destination import Destination, check_destination
from airflow_provider_criteo.utils.observability import count, counted_poll, file_written
from airflow_provider_criteo.utils.report_table import Receive, TableParameters, write_table

if TYPE_CHECKING:
    import requests

    from airflow_provider_criteo.api.client import CriteoClient
    from airflow_provider_criteo.api.models import DownloadedReport, ReportJob

_TEST_TIMEOUT = 3.0
_TEST_DEADLINE = 9.0


class CriteoHook(BaseHook):
    """Criteo's report exports through an Airflow connection of type ``criteo``.

    Neither the constructor nor the connection's look-up makes a call to Criteo.

    :param criteo_conn_id: the connection.
    :param api_version: in place of the connection's and of each report type's default.
    """

    conn_name_attr = "criteo_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "criteo"
    hook_name = "Criteo"

    def __init__(self, criteo_conn_id: str = default_conn_name, api_version: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.criteo_conn_id = criteo_conn_id
        self.api_version = api_version

    @cached_property
    def client(self) -> CriteoClient:
        """The API client of the connection; makes no call until it is used.

        :raises InvalidInputError: a field of the connection cannot be right.
        :raises UnavailableError: there is no such connection, or what keeps it does not answer.
        """
        return client_of(self.settings)

    @cached_property
    def settings(self) -> ConnectionSettings:
        """What the connection says; makes no call to Criteo.

        :raises InvalidInputError: a field of the connection cannot be right.
        :raises UnavailableError: there is no such connection, or what keeps it does not answer.
        """
        try:
            connection = self.get_connection(self.criteo_conn_id)
        except Exception as error:
            raise cannot_look_up(self.criteo_conn_id, error) from error
        return ConnectionSettings.from_connection(connection)

    def close(self) -> None:
        """Close the client's connections, if there are any."""
        if "client" in self.__dict__:
            self.client.close()

    def get_conn(self) -> requests.Session:
        """A session that authenticates calls to the connection's host, for any other call to Criteo's API."""
        return self.client.session

    def create_report_job(
        self,
        report_type: str,
        attributes: Mapping[str, Any] | str,
        account_id: str | None = None,
        *,
        quota_wait: float | None = None,
    ) -> ReportJob:
        """Create a report job. See ``CriteoClient.create_report_job``.

        :param report_type: an id of the catalogue.
        :param attributes: as Criteo's page of the report type has them, or their JSON text.
        :param account_id: of Retail Media, for the report types whose path has it.
        :param quota_wait: seconds to wait in all for a used-up quota; a little over a minute where None.
        """
        with as_task_exceptions(self.criteo_conn_id):
            return self.client.create_report_job(
                report_type, attributes, account_id, api_version=self.api_version, quota_wait=quota_wait
            )

    def get_report_job(self, report_id: str, report_type: str = DEFAULT_REPORT_TYPE) -> ReportJob:
        """The job as Criteo describes it now. One call. See ``CriteoClient.get_report_job``.

        :param report_id: what the create returned.
        :param report_type: an id of the catalogue.
        """
        with as_task_exceptions(self.criteo_conn_id), counted_poll():
            return self.client.get_report_job(report_id, report_type, api_version=self.api_version)

    def download_report(
        self,
        report_id: str,
        destination: str,
        report_type: str = DEFAULT_REPORT_TYPE,
        *,
        destination_conn_id: str | None = None,
        overwrite: bool = True,
        job: ReportJob | None = None,
        quota_wait: float | None = None,
        own_files: Collection[str] = (),
        before_publish: Callable[[DownloadedReport], None] = lambda report: None,
        **table: Any,
    ) -> DownloadedReport:
        """Download the file of a job that is done, in one step: a reader sees the whole file or none.

        :param report_id: what the create returned.
        :param destination: an absolute path, or any URL that Airflow's ``ObjectStoragePath`` takes.
        :param report_type: an id of the catalogue.
        :param destination_conn_id: the Airflow connection of the object storage.
        :param overwrite: whether a file that stands there is replaced; else it is an error.
        :param job: the job as described when it was done; asked for where not given.
        :param quota_wait: seconds to wait in all for a used-up quota; a little over a minute where None.
        :param own_files: URLs at which files may be replaced whatever ``overwrite`` says.
        :param before_publish: told of each file when it is whole, and not yet in its place.
        :param table: where ``output_format`` is among them, the parameters of ``utils.report_table.TableParameters``:
            the file is a table then, and what is returned tells of its rows and columns.
        """
        return self._publish(
            [self._receive(report_id, report_type, job, quota_wait)],
            destination,
            report_type,
            destination_conn_id=destination_conn_id,
            overwrite=overwrite,
            own_files=own_files,
            before_publish=before_publish,
            **table,
        )

    def download_report_parts(
        self,
        jobs: Sequence[ReportJob],
        destination: str,
        report_type: str,
        *,
        quota_wait: float | None = None,
        **options: Any,
    ) -> DownloadedReport:
        """Download the files of several jobs, which are the parts of one request, into one table, in their order.

        :param jobs: those that are done, in the order of their rows.
        :param quota_wait: seconds to wait in all for a used-up quota; a little over a minute where None.
        :param options: those of :meth:`download_report` for a table; its attributes are the whole request's.
        :raises RowCapError: files of some are at Criteo's row cap; ``report_ids`` says which.
        """
        receives = [self._receive(job.report_id, report_type, job, quota_wait) for job in jobs]
        return self._publish(receives, destination, report_type, **options)

    def _receive(self, report_id: str, report_type: str, job: ReportJob | None, quota_wait: float | None) -> Receive:
        return partial(
            self.client.download_report,
            report_id,
            report_type=report_type,
            job=job,
            api_version=self.api_version,
            quota_wait=quota_wait,
        )

    def _publish(
        self,
        receives: Sequence[Receive],
        destination: str,
        report_type: str,
        *,
        destination_conn_id: str | None,
        overwrite: bool,
        own_files: Collection[str],
        before_publish: Callable[[DownloadedReport], None],
        **table: Any,
    ) -> DownloadedReport:
        parameters = TableParameters(**table) if table.get("output_format") else None
        destination = check_destination(destination)

        def target(url: str) -> Destination:
            return Destination(url, destination_conn_id, overwrite=overwrite or url in own_files)

        with as_task_exceptions(self.criteo_conn_id):
            if parameters is None:
                place = target(destination)
                place.require_writable()
                report = place.publish(receives[0], before_publish)
            else:
                target(parameters.destinations(destination, report_type)[0]).require_writable()
                # Each download has been tried again already, and has waited for the quota as far as it may.
                again = Retry(
                    0.0, again=lambda error: isinstance(error, api_exceptions.RowsMissingError), sleep=CLOCK.sleep
                )
                report = again.call(
                    lambda: write_table(receives, parameters, report_type, target, destination, before_publish)
                )
        for url in report.urls:
            file_written(self, url)
        count("download_bytes", report.size_bytes)
        return report

    def get_advertisers(self) -> list[dict[str, Any]]:
        """The advertisers that the application may read: ``id``, ``name`` and what else Criteo tells of each."""
        with as_task_exceptions(self.criteo_conn_id):
            return self.client.get_advertisers(api_version=self.api_version)

    def get_retail_media_accounts(self) -> list[dict[str, Any]]:
        """The Retail Media accounts that the application may read: ``id``, ``name`` and what else Criteo tells."""
        with as_task_exceptions(self.criteo_conn_id):
            return self.client.get_retail_media_accounts(api_version=self.api_version)

    def test_connection(self) -> tuple[bool, str]:
        """A token and one cheap call: who answers, or what is wrong. Never raises, takes less than 10 seconds."""
        result: list[tuple[bool, str]] = []
        thread = threading.Thread(target=lambda: result.append(self._tested()), daemon=True)
        thread.start()
        thread.join(_TEST_DEADLINE)
        return result[0] if result else (False, f"Criteo did not answer within {_TEST_DEADLINE:g} s.")

    def _tested(self) -> tuple[bool, str]:
        try:
            settings = self.settings
            settings = replace(settings, timeout=min(settings.timeout or _TEST_TIMEOUT, _TEST_TIMEOUT))
            with client_of(settings) as client:
                accounts = client.describe_application()
            return True, f"Criteo answers for client id {settings.client_id}: it sees {accounts}."
        except api_exceptions.PermissionDeniedError as error:
            return False, _told(
                error,
                "The credentials are right, but Criteo shows this application no account",
                "let an administrator of the account approve the application's consent URL, and check that it has a "
                "read scope.",
            )
        except api_exceptions.RateLimitError as error:
            return False, _told(error, f"Criteo answers, but {error.reason}", "test again later.")
        except api_exceptions.UnavailableError as error:
            return False, _told(error)
        except api_exceptions.TransientError as error:
            return False, _told(
                error,
                advice="check the host and the port of the connection, the proxy and the firewall; "
                "https://status.criteo.com tells of outages.",
            )
        except api_exceptions.CriteoApiError as error:
            return False, _told(error)
        except Exception as error:  # noqa: BLE001 - the contract of test_connection
            # Airflow tests a copy of the connection, under an id that nobody knows.
            said = str(error).removeprefix(f"connection {self.criteo_conn_id!r}, ")
            return False, said or type(error).__name__

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """The connection form of Airflow before 3.2; the same as the provider info's."""
        return {key.replace("-", "_"): value for key, value in _form()["ui-field-behaviour"].items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The connection form's extra fields of Airflow before 3.2; the same as the provider info's."""
        from airflow_provider_criteo.utils.connection_form import widgets

        return widgets(_form()["conn-fields"])


def _told(error: api_exceptions.CriteoApiError, reason: str = "", advice: str = "") -> str:
    """What a test says of an error: whole sentences, as the UI joins lines, and no brackets, which the CLI drops."""
    reason = reason or error.reason or "Criteo refused"
    said = [": ".join(part for part in (p.code, p.title, p.detail) if part) for p in error.problems[:3]]
    sentences = [
        f"{reason[0].upper()}{reason[1:]} ({error.outcome}).",
        *(f"Criteo says: {text.rstrip('.')}." for text in said if text),
        f"What to do: {advice or error.advice}" if advice or error.advice else "",
    ]
    return "\n".join(filter(None, sentences))


def _form() -> dict[str, Any]:
    form: dict[str, Any] = get_provider_info()["connection-types"][0]
    return form
