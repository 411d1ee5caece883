"""One sandbox for all its tests, fresh for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sandbox_caller import Caller

from airflow_provider_criteo.sandbox import Sandbox


@pytest.fixture(scope="session")
def _server() -> Iterator[Sandbox]:
    with Sandbox(pending_seconds=0, rate_limit=None) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_server: Sandbox) -> Iterator[Sandbox]:
    """A sandbox whose jobs end at once, without a quota."""
    _server.reset()
    yield _server
    _server.reset()


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    """A client with a token."""
    return Caller(sandbox)
