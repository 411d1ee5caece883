"""A sandbox for the tests of one's own DAGs: ``pytest_plugins = ["airflow_provider_criteo.sandbox.pytest_plugin"]``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_criteo.sandbox.server import Sandbox


@pytest.fixture(scope="session")
def _criteo_sandbox_server() -> Iterator[Sandbox]:
    with Sandbox(pending_seconds=0, rate_limit=None) as sandbox:
        yield sandbox


@pytest.fixture
def criteo_sandbox(_criteo_sandbox_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A fresh sandbox, to which the connection ``criteo_default`` leads: jobs end at once, there is no quota."""
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", _criteo_sandbox_server.connection())
    _criteo_sandbox_server.reset()
    yield _criteo_sandbox_server
    _criteo_sandbox_server.reset()
