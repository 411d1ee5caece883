"""A reply that drips in without end is bounded by the task's execution_timeout, however Criteo is asked."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
from tests.support.raw_server import RawServer, endless
from tests.support.tasks_in_process import TaskInstance

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"


@contextmanager
def execution_timeout(seconds: float) -> Iterator[None]:
    """As Airflow bounds a task: an alarm that raises in the main thread."""

    def end(*_: object) -> None:
        raise AirflowTaskTimeout

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("step", ["create", "download"])
def test_the_task_ends_and_leaves_nothing(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(endless(HEAD)) as criteo:
        connection = {"conn_type": "criteo", "login": "id", "password": "my-secret", "host": criteo.url}
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", json.dumps(connection))
        task = {
            "create": CreateReportJobOperator(task_id="create", attributes={"advertiserIds": ["1"]}),
            "download": DownloadReportOperator(task_id="download", report_id="1", destination=str(tmp_path / "file")),
        }[step]
        with pytest.raises(AirflowTaskTimeout), execution_timeout(0.5):
            task.execute({"ti": TaskInstance()})
        assert criteo.requests
    assert list(tmp_path.iterdir()) == []
