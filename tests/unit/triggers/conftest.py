"""A sandbox without a quota, whose jobs end when a test says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_criteo.sandbox import Sandbox
from tests.support.waiting import World


@pytest.fixture(scope="session")
def _server() -> Iterator[Sandbox]:
    with Sandbox(pending_seconds=3600, rate_limit=None, cache=False) as sandbox:
        yield sandbox


@pytest.fixture
def world(_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Jobs at a sandbox, and the connection to it."""
    _server.reset()
    with World(_server, monkeypatch) as world:
        yield world
    _server.reset()
