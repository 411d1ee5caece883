"""A wait in reschedule mode keeps no worker."""

from __future__ import annotations

import time
from itertools import groupby
from pathlib import Path

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack


def test_two_waits_share_one_worker(
    tmp_path: Path, dags_folder: Path, criteo_env: dict[str, str], sandbox: Sandbox
) -> None:
    sandbox.configure(pending_seconds=600)
    with AirflowStack(tmp_path / "airflow", dags_folder, env=criteo_env, parallelism=1) as airflow:
        run_id = airflow.trigger("two_waits")
        while len(airflow.reschedules("two_waits", run_id)) < 6:
            assert airflow.dag_run_state("two_waits", run_id) in ("queued", "running")
            time.sleep(0.2)
        for job in sandbox.jobs():
            sandbox.finish(job["report_id"])
        assert airflow.wait("two_waits", run_id) == "success"
        reschedules = airflow.reschedules("two_waits", run_id)
        report_ids = {name: airflow.xcom("two_waits", run_id, name) for name in ("first", "second")}

    polls = sandbox.journal("status")
    # A sensor that kept the only worker would be polled to its end before the other begins: two groups.
    assert len(list(groupby(polls, key=lambda poll: poll["report_id"]))) >= 4
    # While one gave its worker back, until its next poll, the other was polled.
    times = {
        name: [poll["time"] for poll in polls if poll["report_id"] == report_id]
        for name, report_id in report_ids.items()
    }
    for waiting, polled in (("first", "second"), ("second", "first")):
        given_back = [row.at.timestamp() for row in reschedules if row.task_id == waiting]
        free = [(start, min(moment for moment in times[waiting] if moment > start)) for start in given_back]
        assert sum(start < moment < end for start, end in free for moment in times[polled]) >= 2
    # Each poll that did not end its wait is a row of task_reschedule.
    assert len(reschedules) == len(polls) - 2
