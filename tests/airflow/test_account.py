"""A whole account on a real Airflow: every account found, two years, each day and id once, whatever happens on the way.

``CRITEO_DAYS`` makes it smaller.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ways import until

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import DEATHS_SEEN_SOON, AirflowStack

pytestmark = pytest.mark.account

DAYS = int(os.environ.get("CRITEO_DAYS", "730"))
LAST_DAY = date(2026, 11, 24)
DAYS_OF_RANGE = [LAST_DAY - timedelta(days=number) for number in range(DAYS)]
PART_DAYS = min(DAYS, 100)
ADVERTISERS = [str(number) for number in range(501, 507)]
ACCOUNTS = [str(number) for number in range(1001, 1007)]
CAP = PART_DAYS * 3 - 50
"""Between the rows of a part of the account with three line items and those of the others, with two."""

QUOTA = 400


@pytest.fixture(scope="module")
def criteo() -> Iterator[Sandbox]:
    with Sandbox(
        rate_limit=QUOTA, cache=False, pending_seconds=3, advertiser_ids=ADVERTISERS, account_ids=ACCOUNTS
    ) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, criteo: Sandbox, lake: Path) -> Iterator[AirflowStack]:
    env = {
        "AIRFLOW_CONN_CRITEO_DEFAULT": criteo.connection(calls_per_minute=QUOTA),
        "CRITEO_LAKE": f"file://{lake}",
        "CRITEO_DAYS": str(DAYS),
        "CRITEO_ROW_CAP": str(CAP),
        "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY": "64",
        **DEATHS_SEEN_SOON,
    }
    home = tmp_path_factory.mktemp("airflow")
    folder = Path(__file__).parent / "dags_account"
    with AirflowStack(home, folder, database="postgres", parallelism=6, env=env) as stack:
        stack.cli("pools", "set", "criteo", "40", "Criteo reports under way", "--include-deferred")
        yield stack


def table(lake: Path, report_type: str) -> pa.Table:
    """All rows that were written of a report type."""
    files = sorted((lake / report_type).rglob("*.parquet"))
    return pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])


def each_day_and_id_once(lake: Path) -> None:
    """As DuckDB counts them."""
    for report_type, day, id_, ids in (
        ("statistics", "Day", "AdvertiserId", ADVERTISERS),
        ("rm-line-items", "date", "lineItemId", line_items()),
    ):
        source = f"read_parquet('{lake}/{report_type}/**/*.parquet', hive_partitioning=false)"
        counts = duckdb.sql(f'SELECT "{day}", "{id_}", count(*) FROM {source} GROUP BY ALL').fetchall()
        assert {times for _, _, times in counts} == {1}
        assert {(one, id_) for one, id_, _ in counts} == {(one, id_) for one in DAYS_OF_RANGE for id_ in ids}


def line_items() -> list[str]:
    return [f"{account}{number}" for account in ACCOUNTS for number in range(1, 4 if account == "1001" else 3)]


def sums(lake: Path) -> dict[str, list[Any]]:
    """What the tables add up to, by column."""
    return {
        f"{report_type}.{name}": sorted(map(str, table(lake, report_type)[name].to_pylist()))
        for report_type, names in (
            ("statistics", ("Clicks", "Displays", "AdvertiserCost")),
            ("rm-line-items", ("impressions", "clicks", "spend")),
        )
        for name in names
    }


def told(what: str, criteo: Sandbox, began: float, request: pytest.FixtureRequest) -> int:
    """Print what a run cost; how many of its calls were refused."""
    calls = [call for kind in ("create", "status", "download") for call in criteo.journal(kind)]
    refused = sum(call["status"] == 429 for call in calls)
    took = time.monotonic() - began
    with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{what}: {len(criteo.jobs())} jobs, {len(calls)} calls, {refused} refused, {took:.0f} s")
    return refused


def test_two_years_of_every_account(
    airflow: AirflowStack, criteo: Sandbox, lake: Path, request: pytest.FixtureRequest
) -> None:
    began = time.monotonic()
    _, state = airflow.run("account", timeout=1500)
    refused = told("undisturbed", criteo, began, request)
    assert state == "success"
    each_day_and_id_once(lake)
    assert len(criteo.jobs()) == (len(ADVERTISERS) + len(ACCOUNTS)) * -(-DAYS // PART_DAYS)
    assert refused <= 2


def test_the_same_with_a_part_killed_one_failed_and_one_at_its_cap(
    airflow: AirflowStack, criteo: Sandbox, lake: Path, request: pytest.FixtureRequest
) -> None:
    undisturbed = sums(lake)
    for file in lake.rglob("*.parquet"):
        file.unlink()
    criteo.reset()
    criteo.configure(row_cap=CAP)
    began = time.monotonic()
    run_id = airflow.trigger("account")

    def running() -> Any:
        instances = airflow.task_instances("account", run_id)
        parts = (ti for ti in instances if ti.task_id in ("rm-line-items", "statistics"))
        return next((ti for ti in parts if ti.state == "running" and ti.pid), None)

    victim = until("a part is at work", running)
    airflow.kill_task("account", run_id, victim.task_id, victim.map_index)
    # Only now, so that it is another part's.
    criteo.next_job(outcome="Failure", message="No.")
    assert airflow.wait("account", run_id, timeout=1500) == "failed"
    failed = [ti for ti in airflow.task_instances("account", run_id) if ti.state == "failed"]
    assert [ti.try_number for ti in failed] == [1]
    clear = {"dag_run_id": run_id, "task_ids": [[failed[0].task_id, failed[0].map_index]], "dry_run": False}
    airflow.rest("POST", "/dags/account/clearTaskInstances", {**clear, "only_failed": True, "reset_dag_runs": True})
    assert airflow.wait("account", run_id, timeout=600) == "success"
    refused = told("one killed, one failed and cleared, some at the cap", criteo, began, request)
    each_day_and_id_once(lake)
    assert sums(lake) == undisturbed
    assert refused <= 2
    assert max(ti.try_number for ti in airflow.task_instances("account", run_id)) == 2
    at_cap = [job for job in criteo.jobs() if len(job["attributes"].get("ids", ())) == 3]
    assert len(at_cap) > -(-DAYS // PART_DAYS)
