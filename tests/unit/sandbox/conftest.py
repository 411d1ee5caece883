"""One sandbox for all its tests, fresh for each."""

from __future__ import annotations

import pytest

from airflow_provider_criteo.sandbox import Sandbox
from tests.support.sandbox_caller import Caller


@pytest.fixture
def sandbox(criteo_sandbox: Sandbox) -> Sandbox:
    """A sandbox whose jobs end at once, without a quota."""
    return criteo_sandbox


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    """A client with a token."""
    return Caller(sandbox)
