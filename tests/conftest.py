"""What all tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["tests.support.fixtures", "airflow_provider_criteo.sandbox.pytest_plugin"]

MARKERS = {
    "kill": "kills processes of a real Airflow",
    "account": "loads a whole account on a real Airflow",
    "celery": "runs on CeleryExecutor with Redis and PostgreSQL",
}


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    # So that fixtures stop what they started when a run is ended from outside, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Add this run's counts to the file that ``PYTEST_TOTALS`` names, for a sum over several runs."""
    totals = os.environ.get("PYTEST_TOTALS")
    if totals:
        stats = {name: len(reports) for name, reports in terminalreporter.stats.items()}
        passed = stats.get("passed", 0) + stats.get("xpassed", 0)
        failed = stats.get("failed", 0) + stats.get("error", 0)
        skipped = stats.get("skipped", 0) + stats.get("xfailed", 0)
        with Path(totals).open("a") as file:
            file.write(f"{passed} {failed} {skipped}\n")
