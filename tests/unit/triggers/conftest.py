"""Triggers on an event loop of virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_criteo.triggers.report_job import ReportJobTrigger
from tests.support.scripted_criteo import REPORT_ID
from tests.support.virtual_time import VirtualTime

MakeTrigger = Callable[..., ReportJobTrigger]


@pytest.fixture
def make_trigger(time: VirtualTime) -> MakeTrigger:
    """Makes a trigger that waits for an hour, with changes to its arguments."""

    def make(report_id: str = REPORT_ID, **changes: Any) -> ReportJobTrigger:
        arguments = {
            "report_id": report_id,
            "report_type": "mpo-realtime",
            "criteo_conn_id": "criteo_default",
            "api_version": None,
            "poll_interval": 20.0,
            "end_time": time.now() + 3600,
            "started": time.now(),
        }
        return ReportJobTrigger(**{**arguments, **changes})

    return make
