"""The provider's metadata, as fixtures."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_criteo.get_provider_info import get_provider_info


@pytest.fixture
def info() -> dict[str, Any]:
    """The provider's metadata."""
    return get_provider_info()


@pytest.fixture
def connection_type(info: dict[str, Any]) -> dict[str, Any]:
    """The one connection type."""
    (only,) = info["connection-types"]
    return only
