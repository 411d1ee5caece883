"""The fixtures of more than one folder of tests. A sandbox whose jobs end at once is the package's ``criteo_sandbox``."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tests.support.hostile_wires  # noqa: F401 - it fills FAULTS
from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.utils.clock import CLOCK
from dev import system
from tests.support.recorder import Recorder
from tests.support.virtual_time import VirtualTime

TIMEOUT = 10.0

MakeClient = Callable[..., CriteoClient]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """A time of its own for tasks and triggers."""
    virtual = VirtualTime()
    monkeypatch.setattr(CLOCK, "now", virtual.now)
    monkeypatch.setattr(CLOCK, "sleep", virtual.sleep)
    return virtual


@pytest.fixture(scope="session")
def _server_of_pending_jobs() -> Iterator[Sandbox]:
    with Sandbox(pending_seconds=3600, rate_limit=None) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_server_of_pending_jobs: Sandbox) -> Iterator[Sandbox]:
    """A sandbox whose jobs end when they are told to, without a quota; its tokens outlive a test."""
    _server_of_pending_jobs.reset()
    yield _server_of_pending_jobs
    _server_of_pending_jobs.reset()


@pytest.fixture(scope="session")
def _server_of_fresh_applications() -> Iterator[Sandbox]:
    with Sandbox(pending_seconds=0, rate_limit=None) as sandbox:
        yield sandbox


@pytest.fixture
def fresh_sandbox(_server_of_fresh_applications: Sandbox) -> Iterator[Sandbox]:
    """A sandbox with an application of the test's own, whose token nobody in this process has yet."""
    sandbox = _server_of_fresh_applications
    sandbox.reset()
    sandbox.client_id = uuid.uuid4().hex
    sandbox.configure(clients={sandbox.client_id: sandbox.client_secret})
    yield sandbox
    sandbox.reset()


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    """A server of the test's own: only its first application has refresh tokens."""
    with Sandbox(pending_seconds=0, rate_limit=None) as sandbox:
        yield sandbox


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Makes a client of a sandbox, which waits for nothing between two tries."""
    clients: list[CriteoClient] = []

    def make(sandbox: Sandbox, **options: Any) -> CriteoClient:
        options = {"base_url": sandbox.url, "timeout": TIMEOUT, "sleep": lambda seconds: None, **options}
        options.setdefault("client_id", sandbox.client_id)
        options.setdefault("client_secret", sandbox.client_secret)
        clients.append(CriteoClient(**options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(sandbox: Sandbox, make_client: MakeClient) -> CriteoClient:
    """A client of the sandbox."""
    return make_client(sandbox)


@pytest.fixture
def recorder(sandbox: Sandbox) -> Iterator[Recorder]:
    """The sandbox behind a recorder."""
    with Recorder(sandbox.url) as recorder:
        yield recorder


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    return system.free_port()
