"""What the contract tests share: Criteo's specifications, and the count of operations compared with them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recorder import Recorder

from airflow_provider_criteo.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "unit" / "sandbox"))

from specifications import Specification, Specifications, anonymous  # noqa: E402

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
def _server() -> Iterator[Sandbox]:
    with Sandbox(pending_seconds=3600, rate_limit=None) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_server: Sandbox) -> Iterator[Sandbox]:
    """A sandbox whose jobs end when they are told to, without a quota."""
    _server.reset()
    yield _server
    _server.reset()


@pytest.fixture
def recorder(sandbox: Sandbox) -> Iterator[Recorder]:
    """The sandbox behind a recorder."""
    with Recorder(sandbox.url) as recorder:
        yield recorder


@pytest.fixture(scope="session")
def own_specification(_server: Sandbox) -> Specification:
    """The sandbox's own OpenAPI document, as it serves it."""
    import requests

    return Specification(requests.get(f"{_server.url}/openapi.json", timeout=10).json())
