"""Jobs at a sandbox, and triggers that wait for them on a real event loop."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import psutil
import pytest
import requests
from airflow.triggers.base import TriggerEvent

from airflow_provider_criteo.api.reports import get_report_type
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.triggers import poller
from airflow_provider_criteo.triggers.report_job import ReportJobTrigger

CONN_ID = "criteo_default"
INTERVAL = 0.2
LONG = 60.0

T = TypeVar("T")


class World:
    """A sandbox with an application of its own, its jobs, and the connection that leads to it."""

    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sandbox = sandbox
        self._monkeypatch = monkeypatch
        self.client_id, self.client_secret = uuid.uuid4().hex, "s+e/c=r&e%t"
        self.sandbox.configure(clients={self.client_id: self.client_secret})
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {self._token()}"
        self.connect()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *exception: object) -> None:
        self._session.close()

    def _token(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        token: str = requests.post(f"{self.sandbox.url}/oauth2/token", data=form, timeout=10).json()["access_token"]
        return token

    def connect(self, conn_id: str = CONN_ID, /, **changes: Any) -> None:
        """Set the connection; ``changes`` to its fields, or to its extras where it has no such field."""
        connection = json.loads(self.sandbox.connection())
        connection.update(login=self.client_id, password=self.client_secret)
        for name, value in changes.items():
            (connection if name in ("host", "login", "password") else connection["extra"])[name] = value
        self._monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    def create(self, count: int = 1, **settings: Any) -> list[str]:
        """Make jobs by a plain client, outside the quota and with a token of its own."""
        self.sandbox.configure(**settings, rate_limit=None)
        row = get_report_type("mpo-realtime")
        url = self.sandbox.url + row.create_url(row.version(None))
        body = {"data": {"type": row.resource_type, "attributes": {"advertiserIds": ["1"], "lookbackWindow": 60}}}
        known = {job["report_id"] for job in self.sandbox.jobs()}
        for _ in range(count):
            self._session.post(url, json=body, timeout=10).raise_for_status()
        return [job["report_id"] for job in self.sandbox.jobs() if job["report_id"] not in known]

    def trigger(self, report_id: str, **changes: Any) -> ReportJobTrigger:
        """A trigger that waits for a job, with ``changes`` to its arguments."""
        arguments = {
            "report_id": report_id,
            "report_type": "mpo-realtime",
            "criteo_conn_id": CONN_ID,
            "api_version": None,
            "poll_interval": INTERVAL,
            "end_time": time.time() + LONG,
        }
        return ReportJobTrigger(**{**arguments, **changes})

    def calls(self, kind: str = "status") -> list[dict[str, Any]]:
        """The calls of a kind since the jobs were made."""
        journal = self.sandbox.journal()
        last_create = max((index for index, record in enumerate(journal) if record["call"] == "create"), default=-1)
        return [record for record in journal[last_create + 1 :] if record["call"] == kind]

    def statuses(self, kind: str = "status") -> list[int]:
        """The HTTP statuses of those calls."""
        return [record["status"] for record in self.calls(kind)]

    def open_sockets(self) -> int:
        """How many connections lead to the sandbox."""
        port = int(self.sandbox.url.rsplit(":", 1)[1])
        connections = psutil.Process().net_connections("tcp")
        return sum(1 for one in connections if one.raddr and one.raddr.port == port and one.status == "ESTABLISHED")


async def events(trigger: ReportJobTrigger) -> list[TriggerEvent]:
    """All events of a trigger, until it ends by itself."""
    return [event async for event in trigger.run()]


async def payload(trigger: ReportJobTrigger) -> dict[str, Any]:
    """The payload of a trigger's one event."""
    (event,) = await events(trigger)
    assert isinstance(event.payload, dict)
    return event.payload


def run(wait: Coroutine[Any, Any, T]) -> T:
    """Run on an event loop of its own, at most a minute."""
    return asyncio.run(asyncio.wait_for(wait, LONG))


async def until(condition: Callable[[], bool], within: float = 30.0) -> None:
    """Wait for a condition that may take a call to the sandbox to check."""
    deadline = time.monotonic() + within
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)


def threads() -> set[str]:
    """The names of the pollers' threads."""
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("criteo-") and "_" in thread.name}


def nothing_is_left(world: World) -> None:
    """Assert that the last trigger took everything with it."""
    # What a failed call leaves in a cycle of urllib3's, its connection included, goes with the next collection.
    gc.collect()
    deadline = time.monotonic() + 10
    while (threads() or world.open_sockets() > 1) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not poller._pollers
    assert not threads()
    assert world.open_sockets() <= 1  # the plain client's
