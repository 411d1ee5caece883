"""What the contract tests share: Criteo's specifications, and the count of operations compared with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from specifications import Specification, Specifications, anonymous

from airflow_provider_criteo.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT.parent / "shared" / "reference"
"""Criteo's published specifications, beside the repository."""

_compared: dict[str, set[tuple[str, str, str]]] = {}


@pytest.fixture(scope="session")
def criteo() -> Specifications:
    """Criteo's own specifications."""
    if not REFERENCE.is_dir():
        pytest.skip(f"Criteo's specifications are not at {REFERENCE}")
    return Specifications(REFERENCE)


@pytest.fixture
def compared() -> Callable[[str, str, str, str], None]:
    """Count an operation: what was compared with the specification, and its version, method and path."""

    def count(what: str, version: str, method: str, path: str) -> None:
        served = anonymous(path.replace("{version}", version))
        _compared.setdefault(what, set()).add((version, method, served))

    return count


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _compared:
        operations = set().union(*_compared.values())
        terminalreporter.section("contract")
        for what, which in _compared.items():
            terminalreporter.write_line(f"{what}: {len(which)} operations")
        terminalreporter.write_line(f"{len(operations)} operations compared with Criteo's specifications")


@pytest.fixture(scope="session")
def own_specification(_server_of_pending_jobs: Sandbox) -> Specification:
    """The sandbox's own OpenAPI document, as it serves it."""
    return Specification(requests.get(f"{_server_of_pending_jobs.url}/openapi.json", timeout=10).json())
