"""A night of mapped reports under a quota, in whose middle the triggerer is killed: REPORTS of them, 300 by default."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from ways import until

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import DEATHS_SEEN_SOON, AirflowStack

DAGS = Path(__file__).parent / "dags_night"
REPORTS = int(os.environ.get("REPORTS") or 300)
CALLS_PER_MINUTE = 120


@pytest.fixture
def stack(tmp_path: Path, sandbox: Sandbox) -> Iterator[AirflowStack]:
    env = {"AIRFLOW_CONN_CRITEO_DEFAULT": sandbox.connection(), **DEATHS_SEEN_SOON}
    with AirflowStack(tmp_path / "airflow", DAGS, database="postgres", parallelism=8, env=env) as airflow:
        yield airflow


def test_a_triggerer_killed_in_the_middle_loses_no_report_and_makes_none_twice(
    stack: AirflowStack, sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    sandbox.configure(pending_seconds=20, rate_limit=CALLS_PER_MINUTE)
    run_id = stack.trigger("night", {"reports": REPORTS, "lake": f"file://{lake}"})

    def files() -> list[Path]:
        return [path for path in lake.glob("*.csv") if path.stat().st_size]

    until("a quarter of the files", lambda: len(files()) > REPORTS / 4, timeout=REPORTS * 10)
    assert states(stack, run_id)["deferred"]
    stack.kill("triggerer", tree=True)
    killed_at, there = len(sandbox.journal()), len(files())
    stack.start("triggerer")
    assert stack.wait("night", run_id, timeout=REPORTS * 10) == "success"

    calls = [call for call in sandbox.journal() if call["call"] != "token"]
    refused = sum(call["status"] == 429 for call in calls)
    asked = Counter(job["attributes"]["advertiserIds"][0] for job in sandbox.jobs())
    with capsys.disabled():
        print(
            f"\n{REPORTS} reports at {CALLS_PER_MINUTE} calls a minute, the triggerer killed at {there} files and call "
            f"{killed_at}: {len(files())} files, {asked.total()} jobs, {len(calls) / REPORTS:.2f} calls a report, "
            f"{100 * refused / len(calls):.1f} % of them 429, {calls[-1]['time'] - calls[0]['time']:.0f} s"
        )
    assert there < REPORTS
    assert len(files()) == REPORTS
    assert asked == Counter(str(number) for number in range(REPORTS))
    assert max(ti.try_number for ti in stack.task_instances("night", run_id)) == 1, "nothing failed on the way"


def states(airflow: AirflowStack, run_id: str) -> Counter[str | None]:
    return Counter(ti.state for ti in airflow.task_instances("night", run_id))
