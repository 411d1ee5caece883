"""A bare HTTP client for the sandbox, which knows nothing of our own client."""

from __future__ import annotations

from typing import Any

import requests

from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.report_types import ATTRIBUTES

TIMEOUT = 5


class Caller:
    """Calls the API with a token, over a connection that is closed after each call."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.token = ""

    def fetch_token(self, **form: Any) -> requests.Response:
        secret = {"client_id": self.sandbox.client_id, "client_secret": self.sandbox.client_secret}
        data = {"grant_type": "client_credentials", **secret, **form}
        reply = requests.post(f"{self.sandbox.url}/oauth2/token", data=data, timeout=TIMEOUT)
        if reply.ok and "access_token" in reply.text:
            self.token = reply.json()["access_token"]
        return reply

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        if not self.token:
            self.fetch_token()
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        options.setdefault("timeout", TIMEOUT)
        return requests.request(method, f"{self.sandbox.url}{path}", headers=headers, **options)

    def create(
        self,
        report_type: str = "mpo-realtime",
        attributes: dict[str, Any] | None = None,
        version: str | None = None,
        **options: Any,
    ) -> requests.Response:
        row = REPORT_TYPES[report_type]
        attributes = ATTRIBUTES[report_type] if attributes is None else attributes
        options.setdefault("json", {"data": {"type": row.resource_type or "Report", "attributes": attributes}})
        return self.send("POST", row.create_url(version or row.version(None), "7"), **options)

    def status(self, report_id: str, report_type: str = "mpo-realtime", **options: Any) -> requests.Response:
        row = REPORT_TYPES[report_type]
        return self.send("GET", row.status_url(row.version(None), report_id), **options)

    def download(self, report_id: str, report_type: str = "mpo-realtime", **options: Any) -> requests.Response:
        row = REPORT_TYPES[report_type]
        return self.send("GET", row.output_url(row.version(None), report_id), **options)

    def made(self, report_type: str = "mpo-realtime", attributes: dict[str, Any] | None = None) -> str:
        """The id of a job that is made now."""
        before = {job["report_id"] for job in self.sandbox.jobs()}
        self.create(report_type, attributes)
        return next(job["report_id"] for job in self.sandbox.jobs() if job["report_id"] not in before)
