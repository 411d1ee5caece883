"""The example that asks each night for the last days again: over a month each day is there once, as if asked for alone."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pyarrow.parquet as pq
import pytest
from airflow.sdk.execution_time import macros

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.limits import limits_of
from airflow_provider_criteo.api.splitting import split_report
from airflow_provider_criteo.api.tables import convert
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.tasks_in_process import TaskInstance

EXAMPLE = Path(__file__).parents[3] / "airflow_provider_criteo" / "example_dags" / "example_criteo_nightly.py"
NIGHTS = [pendulum.datetime(2026, 10, 1) + timedelta(days=number) for number in range(31)]


def nightly() -> Any:
    """The example's module, loaded anew."""
    spec = importlib.util.spec_from_file_location(EXAMPLE.stem, EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class OutletEvents(dict[Any, Any]):
    """What Airflow keeps of a task's asset events."""

    def __missing__(self, asset: Any) -> Any:
        self[asset] = SimpleNamespace(extra={})
        return self[asset]


def rows(file: Path) -> list[tuple[Any, ...]]:
    return sorted(tuple(row.values()) for row in pq.read_table(file, partitioning=None).to_pylist())


def test_over_a_month_each_day_is_there_once_and_as_if_asked_for_alone(
    criteo_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRITEO_LAKE", f"file://{tmp_path}")
    told: set[str] = set()
    for night in NIGHTS:
        task = nightly().dag.get_task("report")
        task.deferrable = False
        events = OutletEvents()
        context = {"ti": TaskInstance(), "data_interval_start": night, "macros": macros, "outlet_events": events}
        task.render_template_fields(context)
        assert split_report("rm-performance", task.attributes) == [task.attributes]
        task.execute(context)
        (event,) = events.values()
        assert event.extra["days"] == [(night.date() - timedelta(days=days)).isoformat() for days in range(7, -1, -1)]
        assert event.extra["rows"] == 16
        assert event.extra["schema_fingerprint"]
        told |= set(event.extra["days"])

    written = sorted((tmp_path / "nightly").glob("day=*/part.parquet"))
    assert [file.parent.name for file in written] == [f"day={day}" for day in sorted(told)]
    request = task.attributes
    with CriteoClient(criteo_sandbox.client_id, criteo_sandbox.client_secret, base_url=criteo_sandbox.url) as client:
        for file in written:
            day = file.parent.name.removeprefix("day=")
            alone = tmp_path / "alone.csv"
            asked = {**request, "startDate": day, "endDate": day}
            job = client.create_report_job("rm-performance", asked)
            client.wait_for_report_job(job.report_id, "rm-performance", poll_interval=5)
            client.download_report(job.report_id, alone, "rm-performance")
            table = tmp_path / "alone.parquet"
            convert(alone, table, report_type="rm-performance", output_format="parquet", attributes=asked)
            assert rows(file) == rows(table)
            assert len(rows(file)) == len({row[:2] for row in rows(file)}) == 2


def test_the_example_asks_for_as_many_days_as_the_report_type_needs() -> None:
    assert limits_of("rm-performance").days_again == nightly().DAYS_AGAIN
