"""Plays the faults of the selected tests all together, and reports how many held."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from matrix import cells, played

_RESULTS = pytest.StashKey[dict[Any, Any]]()
_SECONDS = pytest.StashKey[float]()
_AGAIN = pytest.StashKey[int]()
_MOST_PLAYED_AGAIN = 0.02


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="a fifth of the matrix: every fault at every call")


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest) -> Callable[[str], dict[Any, str | None]]:
    """What came of the cells of a fault."""
    chosen = [item.callspec.params["fault"] for item in request.session.items if "matrix" in _fixtures(item)]
    began = time.monotonic()
    results = played(cells(chosen, quick=request.config.getoption("--quick")))
    wrong = [cell for cell, complaint in results.items() if complaint]
    # A busy machine stretches what takes seconds here; what is really wrong is wrong again.
    if 0 < len(wrong) <= len(results) * _MOST_PLAYED_AGAIN:
        print("\nplayed again:", *(f"\n  {cell}: {results[cell]}" for cell in wrong))
        results |= played(wrong)
        request.config.stash[_AGAIN] = len(wrong)
    request.config.stash[_RESULTS] = results
    request.config.stash[_SECONDS] = time.monotonic() - began
    return lambda fault: {cell: wrong for cell, wrong in results.items() if cell.fault == fault}


def _fixtures(item: pytest.Item) -> tuple[str, ...]:
    return tuple(getattr(item, "fixturenames", ()))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    results = config.stash.get(_RESULTS, None)
    if results is not None:
        held = sum(wrong is None for wrong in results.values())
        faults = len({cell.fault for cell in results})
        terminalreporter.write_line(
            f"fault matrix: {held} of {len(results)} held ({faults} faults x calls x modes, once and for ever; "
            f"{config.stash[_SECONDS]:.0f} s; {config.stash.get(_AGAIN, 0)} played twice)"
        )
