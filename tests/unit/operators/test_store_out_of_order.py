"""The task state store is Airflow's, and may be out of order when a job has just been made."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_criteo.operators.report_job import CreateReportJobOperator
from airflow_provider_criteo.sandbox import Sandbox


class Store:
    """Airflow's store, with its API server down for writes or for reads."""

    def __init__(self, broken: str) -> None:
        self.broken = broken

    def get(self, key: str, default: Any = None) -> Any:
        if self.broken == "get":
            raise RuntimeError("API_SERVER_ERROR")
        return default

    def set(self, key: str, value: Any) -> None:
        raise RuntimeError("API_SERVER_ERROR")


@pytest.fixture
def operator(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    sandbox.configure(cache=False)
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", sandbox.connection())
    operator = CreateReportJobOperator(task_id="create", attributes={"advertiserIds": ["1"], "lookbackWindow": 60})
    operator.sandbox = sandbox
    return operator


def test_a_job_that_could_not_be_noted_is_not_lost(operator: Any, caplog: pytest.LogCaptureFixture) -> None:
    report_id = operator.execute({"task_state_store": Store("set")})

    assert [job["report_id"] for job in operator.sandbox.jobs()] == [report_id]
    assert f"Report job {report_id} could not be noted" in caplog.text


def test_a_store_that_cannot_be_read_makes_no_job(operator: Any) -> None:
    with pytest.raises(RuntimeError):
        operator.execute({"task_state_store": Store("get")})

    assert not operator.sandbox.jobs()
