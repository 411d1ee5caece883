"""Every fault that the sandbox can play ends as it should, at each call and in each mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from right_ends import CALLS, TABLE

from airflow_provider_criteo.sandbox import FAULTS


def test_the_table_has_every_fault_at_every_call_it_can_happen_to() -> None:
    possible = {name: {call for call in kind.calls if call in CALLS} for name, kind in FAULTS.items()}
    told = {
        name: {call for call, ends in zip(CALLS, row, strict=True) if ends is not None} for name, row in TABLE.items()
    }
    assert told == possible
    assert len(FAULTS) >= 40


@pytest.mark.parametrize("fault", TABLE)
def test_fault(fault: str, matrix: Callable[[str], dict[Any, str | None]]) -> None:
    wrong = {cell: complaint for cell, complaint in matrix(fault).items() if complaint}
    assert not wrong, "\n" + "\n".join(f"{cell}: {complaint}" for cell, complaint in wrong.items())
