"""What a real Airflow tells others of a report: metrics, lineage, links. ``make test-optional`` installs what it needs."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_criteo.api.reports import get_report_type
from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack

for _module in ("statsd", "airflow.providers.openlineage"):
    pytest.importorskip(_module)

DAGS = Path(__file__).parent / "dags_observed"


class Metrics:
    """A StatsD server that keeps what it is told."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.lines: list[str] = []
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self) -> None:
        while True:
            self.lines += self._socket.recv(65536).decode().splitlines()

    def of(self, name: str) -> list[tuple[float, str]]:
        """Values and kinds told of a metric."""
        pattern = re.compile(rf"airflow\.criteo\.{name}:([\d.]+)\|(\w+)")
        return [(float(found[1]), found[2]) for line in self.lines if (found := pattern.match(line))]


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lineage") / "events.jsonl"


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, _sandbox: Sandbox, metrics: Metrics, events: Path, lake: Path
) -> Iterator[tuple[AirflowStack, str]]:
    """An Airflow that tells all it can, and a run of the DAG."""
    _sandbox.reset()
    _sandbox.configure(pending_seconds=6)
    _sandbox.fault("status", "http-429-limit-and-reset", seconds=2)
    env = {
        "AIRFLOW_CONN_CRITEO_DEFAULT": _sandbox.connection(),
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(metrics.port),
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "file", "log_file_path": str(events), "append": True}),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "observed",
    }
    with AirflowStack(tmp_path_factory.mktemp("observed"), DAGS, database="postgres", env=env) as stack:
        run_id, state = stack.run("observed", {"lake": f"file://{lake}"})
        assert state == "success"
        yield stack, run_id


def test_metrics(run: tuple[AirflowStack, str], metrics: Metrics, lake: Path) -> None:
    polls, refused = metrics.of("polls"), metrics.of("rate_limited")
    # One on a worker, which is refused, and at least one in the triggerer.
    assert sum(value for value, _ in polls) >= 2
    assert {kind for _, kind in polls + refused} == {"c"}
    assert sum(value for value, _ in refused) == 1
    ((milliseconds, kind),) = metrics.of("wait_seconds")
    assert kind == "ms"
    assert 3_000 < milliseconds < 60_000
    size = (lake / "operator.csv").stat().st_size
    assert metrics.of("download_bytes") == [(size, "c")] * 2


def completed(events: Path, task_id: str) -> dict[str, Any]:
    told = [json.loads(line) for line in events.read_text().splitlines()]
    (event,) = (
        event for event in told if event["job"]["name"] == f"observed.{task_id}" and event["eventType"] == "COMPLETE"
    )
    return dict(event)


def datasets(listed: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in listed]


def test_openlineage_is_told_of_the_report_and_the_file(
    run: tuple[AirflowStack, str], events: Path, lake: Path
) -> None:
    stack, run_id = run
    report_id = stack.xcom("observed", run_id, "create")
    event = completed(events, "download")
    assert datasets(event["inputs"]) == [("criteo", f"mpo-realtime/{report_id}")]
    assert datasets(event["outputs"]) == [("file", f"{lake}/operator.csv")]


def test_a_download_by_the_hook_is_seen_by_hook_level_lineage(
    run: tuple[AirflowStack, str], events: Path, lake: Path
) -> None:
    assert datasets(completed(events, "by_hook")["outputs"]) == [("file", f"{lake}/hook.csv")]


@pytest.mark.parametrize("task_id", ["create", "wait", "download"])
def test_each_task_links_to_criteos_page(run: tuple[AirflowStack, str], task_id: str) -> None:
    stack, run_id = run
    links = stack.rest("GET", f"/dags/observed/dagRuns/{run_id}/taskInstances/{task_id}/links")
    assert links["extra_links"] == {"Criteo documentation": get_report_type("mpo-realtime").docs_url}
