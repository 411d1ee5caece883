"""A sandbox in a process of its own, so that it computes on another core."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import Any

import requests

from airflow_provider_criteo.api.reports import get_report_type
from airflow_provider_criteo.sandbox import SandboxControl
from benchmarks.common import environment


class SandboxProcess(SandboxControl):
    """A sandbox in a process of its own, so that it computes on another core.

    :param settings: of the sandbox.
    """

    def __init__(self, **settings: Any) -> None:
        options = [
            part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", json.dumps(value))
        ]
        command = [sys.executable, "-m", "airflow_provider_criteo.sandbox", "--port", "0", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
        assert self._process.stdout is not None
        exported = next(line for line in self._process.stdout if line.startswith("export "))
        self.connection = shlex.split(exported)[1].partition("=")[2]
        fields = json.loads(self.connection)
        self.client_id, self.client_secret = fields["login"], fields["password"]
        super().__init__(fields["host"])

    def __enter__(self) -> SandboxProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait()

    def token(self) -> str:
        """A token that the measured code does not know."""
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.client_secret}
        token: str = requests.post(f"{self.url}/oauth2/token", data=form, timeout=30).json()["access_token"]
        return token

    def create_jobs(self, count: int) -> list[str]:
        """Make jobs outside the quota; their ids."""
        row = get_report_type("mpo-realtime")
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {self.token()}"
            for number in range(count):
                attributes = {"advertiserIds": [str(number)], "lookbackWindow": 60}
                body = {"data": {"type": row.resource_type, "attributes": attributes}}
                reply = session.post(self.url + row.create_url(row.version(None)), json=body, timeout=30)
                reply.raise_for_status()
        return [job["report_id"] for job in self.jobs()]
