"""The client's log lines are captured from INFO on."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def _log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airflow_provider_criteo")
