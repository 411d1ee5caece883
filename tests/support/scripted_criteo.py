"""Criteo at the socket, which answers by a script."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from itertools import takewhile
from typing import Any

import responses

REPORT_ID = "6fedbce2-4cac-4418-a4d4-0466f76ce660"
URL = "https://criteo.test"
FILE = b'"advertiserId","clicks"\n1,7\n'

Answer = tuple[int, Mapping[str, str], "str | Exception"]


def connection(login: str = "an-id", password: str = "a-secret", **extra: Any) -> str:
    """An Airflow connection to it."""
    fields = {"conn_type": "criteo", "host": URL, "login": login, "password": password, "extra": extra}
    return json.dumps(fields)


CONNECTION = connection()


def job(status: str, *, message: str | None = None, problems: Any = (), warnings: Any = (), **headers: str) -> Answer:
    """A job's description."""
    attributes = {"exportId": REPORT_ID, "message": message, "status": status}
    data = {"type": "ExportStatusModel", "attributes": attributes}
    return 200, headers, json.dumps({"data": data, "errors": list(problems), "warnings": list(warnings)})


def refusal(status: int, code: str = "", *, type: str = "", title: str = "No", **headers: str) -> Answer:
    """An answer with a problem."""
    problem = {"type": type, "code": code, "title": title}
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps({"errors": [problem]})


def lost(error: Exception) -> Answer:
    """No answer."""
    return 0, {}, error


class ScriptedCriteo:
    """Answers the calls of report jobs: by ``script``, or a job's own in ``scripts``; with a quota of polls a minute.

    What is left of the quota it tells with every poll, or on a 429 alone.

    :param now: the time, which is noted of every call.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.created = job("Pending")
        self.create_script: list[Answer] = []
        self.download_script: list[Answer] = []
        self.script: list[Answer] = [job("Done")]
        self.polls: list[tuple[float, str]] = []
        self.creates: list[float] = []
        self.downloads: list[float] = []
        self.tokens = 0
        self.scripts: dict[str, list[Answer]] = {}
        self.quota: int | None = None
        self.tells_quota = False
        self.refused = 0
        self._lock = threading.Lock()
        self._under_way = 0
        self.most_under_way = 0

    def told_of_create(self, body: bytes) -> None:
        """For a test that looks at what is sent."""

    def create(self, request: Any) -> Answer:
        self.creates.append(self._now())
        self.told_of_create(request.body)
        return self.create_script.pop(0) if self.create_script else self.created

    def status(self, request: Any) -> Answer:
        with self._lock:
            self._under_way += 1
            self.most_under_way = max(self.most_under_way, self._under_way)
        time.sleep(0.001)
        with self._lock:
            self._under_way -= 1
            return self._status(request.url.rpartition("/")[2])

    def _status(self, report_id: str) -> Answer:
        now = self._now()
        made = sum(1 for _ in takewhile(lambda poll: poll[0] // 60 == now // 60, reversed(self.polls)))
        if self.quota is not None and made >= self.quota:
            self.refused += 1
            return refusal(429, type="quota", Retry_After=str(60 - now % 60), x_ratelimit_limit=str(self.quota))
        self.polls.append((now, report_id))
        script = self.scripts.get(report_id, self.script)
        status, headers, body = script.pop(0) if len(script) > 1 else script[0]
        if self.quota is not None and self.tells_quota:
            headers = {
                **headers,
                "Date": formatdate(now, usegmt=True),
                "x-ratelimit-limit": str(self.quota),
                "x-ratelimit-remaining": str(self.quota - made - 1),
                "x-ratelimit-reset": str(int(now // 60 + 1) * 60),
            }
        return status, headers, body

    def download(self, request: Any) -> Answer:
        self.downloads.append(self._now())
        if self.download_script:
            return self.download_script.pop(0)
        return 200, {"Content-Type": "text/csv"}, FILE.decode()

    def token(self, request: Any) -> Answer:
        self.tokens += 1
        token = {"access_token": f"token-{self.tokens}", "token_type": "Bearer", "expires_in": 900}
        return 200, {}, json.dumps(token)

    @contextmanager
    def at_the_socket(self) -> Iterator[ScriptedCriteo]:
        """In the place of the network, for as long as the block runs."""
        routes = {
            ("POST", r"/oauth2/token$"): self.token,
            ("POST", r"/export$"): self.create,
            ("GET", r"/report-jobs/[^/]+$"): self.status,
            ("GET", r"/realtime-reports/[^/]+$"): self.download,
        }
        with responses.RequestsMock(assert_all_requests_are_fired=False) as network:
            for (method, path), answer in routes.items():
                network.add_callback(method, re.compile(re.escape(URL) + ".*" + path), answer)
            yield self
