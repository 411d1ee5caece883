"""What the tests of tasks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tests.support.tasks_in_process  # noqa: F401 - before Airflow
from tests.support.scripted_criteo import CONNECTION, ScriptedCriteo
from tests.support.virtual_time import VirtualTime


@pytest.fixture
def criteo(time: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedCriteo]:
    """Criteo by a script, to which ``criteo_default`` leads."""
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", CONNECTION)
    with ScriptedCriteo(time.now).at_the_socket() as criteo:
        yield criteo
