"""A report at Criteo's row cap, in parts: the table is that of one request, whatever happens in between."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.exceptions import InvalidInputError, ReportJobFailedError, RowCapError, TransientError
from airflow_provider_criteo.operators.report_job import DownloadReportOperator
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.transfers.parts import MOST_PARTS
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from airflow_provider_criteo.utils.clock import CLOCK
from tests.support.tasks_in_process import Run, TaskInstance
from tests.support.virtual_time import VirtualTime

CAP = 20
REQUEST: dict[str, Any] = {
    "startDate": "2026-10-01",
    "endDate": "2026-10-10",
    "filters": {"accountIds": ["1", "2", "3", "4"]},
    "dimensions": ["date", "accountId"],
    "metrics": ["impressions", "spend"],
    "format": "csv",
}
TREE = ["", "0", "00", "01", "1", "10", "11"]
"""40 rows; 20 in each half, which is the cap still."""

DEFERRABLE = pytest.mark.parametrize("deferrable", [False, True])


class Store(dict[str, Any]):
    """Airflow's task state store, over the tries of a task."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


@pytest.fixture(autouse=True)
def _small_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REPORT_TYPES, "rm-performance", replace(REPORT_TYPES["rm-performance"], row_caps=(CAP,)))


@pytest.fixture
def sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    sandbox.configure(cache=False, pending_seconds=0.02, row_cap=CAP)
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", sandbox.connection())
    return sandbox


@pytest.fixture
def run(time: VirtualTime, tmp_path: Path) -> Any:
    """Makes a run of the task, in virtual time."""

    def run(destination: str = "table.parquet", store: Store | None = None, **options: Any) -> Run:
        arguments = {
            "report_type": "rm-performance",
            "attributes": REQUEST,
            "output_format": "parquet",
            "on_row_cap": "split",
            "poke_interval": 20,
            **options,
        }
        context = {"ti": TaskInstance(), **({} if store is None else {"task_state_store": store})}
        return Run(
            lambda: ReportToObjectStorageOperator(
                task_id="report", destination=f"{tmp_path}/{destination}", **arguments
            ),
            run=time.run,
            longest=1e6,
            context=context,
        )

    return run


def rows(file: Path) -> list[tuple[str, ...]]:
    """The rows of a table of any format, as text."""
    if file.suffix == ".parquet":
        found = pq.read_table(file).to_pylist()
    elif file.suffix == ".jsonl":
        found = [json.loads(line) for line in file.read_text().splitlines()]
    else:
        with file.open(newline="") as text:
            found = list(csv.DictReader(text))
    return [tuple(str(value) if value not in ("", None) else "" for value in row.values()) for row in found]


def written(folder: Path) -> dict[str, list[tuple[str, ...]]]:
    """The rows of each file, in one order."""
    return {str(file.relative_to(folder)): sorted(rows(file)) for file in folder.rglob("*.*") if file.is_file()}


@DEFERRABLE
@pytest.mark.parametrize("partition_by", [None, "date"])
@pytest.mark.parametrize("output_format", ["parquet", "jsonl", "csv"])
def test_parts_become_the_table_of_one_request(
    sandbox: Sandbox, tmp_path: Path, run: Any, output_format: str, partition_by: str | None, deferrable: bool
) -> None:
    name = f"day={{date}}/part.{output_format}" if partition_by else f"table.{output_format}"
    options = {"output_format": output_format, "partition_by": partition_by, "deferrable": deferrable}
    sandbox.configure(row_cap=100_000)
    run(f"whole/{name}", **options).result()
    sandbox.configure(row_cap=CAP)
    task = run(f"parts/{name}", **options)
    task.result()
    assert written(tmp_path / "parts") == written(tmp_path / "whole")
    told = task.context["ti"].xcoms["report_file"]
    assert (told["rows"], told["truncated"], len(told["days"])) == (40, False, 10)
    assert [part["rows"] for part in told["source"]["parts"]] == [12, 8, 12, 8]
    assert len(sandbox.jobs()) == 1 + len(TREE)


def test_each_row_is_there_once_in_the_order_of_the_days(sandbox: Sandbox, tmp_path: Path, run: Any) -> None:
    run().result()
    found = [(row[0], row[1]) for row in rows(tmp_path / "table.parquet")]
    assert len(set(found)) == len(found) == 40
    assert [day for day, _ in found[:12]] < [day for day, _ in found[12:24]]


@DEFERRABLE
def test_where_criteo_does_not_tell_the_rows_they_are_counted(
    sandbox: Sandbox, tmp_path: Path, run: Any, deferrable: bool
) -> None:
    sandbox.configure(bare_status=True)
    run(deferrable=deferrable).result()
    assert len(rows(tmp_path / "table.parquet")) == 40
    assert len(sandbox.jobs()) == len(TREE)


@DEFERRABLE
def test_one_day_is_cut_by_its_ids(sandbox: Sandbox, tmp_path: Path, run: Any, deferrable: bool) -> None:
    ids = [str(number) for number in range(30)]
    request = {**REQUEST, "endDate": REQUEST["startDate"], "filters": {"accountIds": ids}}
    run(attributes=request, deferrable=deferrable).result()
    assert sorted(row[1] for row in rows(tmp_path / "table.parquet")) == sorted(ids)
    assert [job["attributes"]["filters"]["accountIds"] for job in sandbox.jobs()] == [ids, ids[:15], ids[15:]]


def test_a_report_below_the_cap_is_one_request(sandbox: Sandbox, run: Any) -> None:
    task = run(attributes={**REQUEST, "endDate": "2026-10-03"}, deferrable=True)
    task.result()
    assert (len(sandbox.jobs()), task.workers) == (1, 2)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dimensions": ["accountId"], "filters": {"accountIds": ["1"]}}, "no dimension tells the day, add date"),
        (
            {"dimensions": ["date", "campaignId"], "endDate": "2026-10-01"},
            "is one day.*no dimension tells the ids of filters.accountIds, add accountId",
        ),
    ],
    ids=["day", "ids"],
)
@DEFERRABLE
def test_what_must_not_be_cut_fails_with_the_reason_and_leaves_nothing(
    sandbox: Sandbox, tmp_path: Path, run: Any, change: dict[str, Any], reason: str, deferrable: bool
) -> None:
    sandbox.configure(file_rows=CAP)
    with pytest.raises(RowCapError, match=reason):
        run(attributes={**REQUEST, **change}, deferrable=deferrable).result()
    assert not written(tmp_path)


def test_there_are_only_so_many_parts(sandbox: Sandbox, tmp_path: Path, run: Any) -> None:
    sandbox.configure(file_rows=CAP)
    with pytest.raises(RowCapError, match=r"64 parts.*split_report\(\.\.\., max_days=1\)"):
        run(attributes={**REQUEST, "startDate": "2026-07-01", "endDate": "2026-10-08"}, deferrable=True).result()
    assert len(sandbox.jobs()) == 2 * MOST_PARTS - 1
    assert not written(tmp_path)


@DEFERRABLE
def test_a_part_that_fails_fails_the_task_and_leaves_nothing(
    sandbox: Sandbox, tmp_path: Path, run: Any, deferrable: bool
) -> None:
    task = run(deferrable=deferrable)
    sandbox.configure(done_at_creation=True)
    sandbox.next_job()
    sandbox.next_job()
    sandbox.next_job(outcome="Failure", message="No.", done_at_creation=False)
    with pytest.raises(ReportJobFailedError, match=r"ended as .*No\."):
        task.result()
    assert not written(tmp_path)


@DEFERRABLE
@pytest.mark.parametrize("call", ["create", "status", "download"])
@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_retry_takes_up_the_parts(
    sandbox: Sandbox, tmp_path: Path, run: Any, call: str, after: int, deferrable: bool
) -> None:
    """Every call of a kind fails from some moment on, as if the worker were killed then."""
    store = Store()
    sandbox.configure(done_at_creation=call != "status")
    if call == "download":
        after = min(after, 3)
    # A refusal of a status that was had before counts when it is repeated.
    sandbox.fault(call, "http-400", times=2 if call == "status" else 1, after=after)
    with pytest.raises(Exception, match=r"400|expir|not accept"):
        run(store=store, deferrable=deferrable).result()
    assert not written(tmp_path)
    run(store=store, deferrable=deferrable).result()
    assert len(rows(tmp_path / "table.parquet")) == 40
    assert len(sandbox.jobs()) == len(TREE)


def test_without_a_store_a_retry_asks_again(sandbox: Sandbox, tmp_path: Path, run: Any) -> None:
    sandbox.fault("create", "http-400", times=1, after=3)
    with pytest.raises(Exception, match="400"):
        run().result()
    run().result()
    assert len(rows(tmp_path / "table.parquet")) == 40


def test_a_used_up_quota_is_waited_for_without_a_worker(
    sandbox: Sandbox, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(CLOCK, "sleep", slept.append)
    task = run(deferrable=True)
    sandbox.fault("create", "http-429-limit-and-reset", times=1, after=2)
    sandbox.fault("create", "http-429-limit-and-reset", times=1, after=5)
    task.result()
    turns = [one.trigger for one in task.deferrals if type(one.trigger).__name__ == "QuotaTurnTrigger"]
    assert [(turn.call, turn.calls) for turn in turns] == [("create", 1), ("create", 1), ("download", 4)]
    assert not slept
    assert len(rows(tmp_path / "table.parquet")) == 40
    assert len(sandbox.jobs()) == len(TREE)


@pytest.mark.parametrize(
    ("days", "after", "downloads"), [(3, 0, 1), (10, 0, 4), (10, 3, 4)], ids=["whole", "first part", "last part"]
)
def test_a_quota_that_is_used_up_at_the_downloads_holds_no_worker(
    sandbox: Sandbox,
    tmp_path: Path,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    after: int,
    downloads: int,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(CLOCK, "sleep", slept.append)
    sandbox.fault("download", "http-429-limit-and-reset", times=1, after=after)
    task = run(deferrable=True, attributes={**REQUEST, "endDate": f"2026-10-{days:02}"})
    task.result()
    turn = task.deferrals[-1].trigger
    assert (turn.call, turn.calls, turn.refused_until is not None) == ("download", downloads, True)
    assert not slept
    assert len(rows(tmp_path / "table.parquet")) == 4 * days


def test_more_parts_than_the_connection_has_calls_for_do_not_come_again_and_again(
    sandbox: Sandbox, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(CLOCK, "sleep", slept.append)
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", sandbox.connection(calls_per_minute=3))
    sandbox.fault("download", "http-429-limit-and-reset", times=1, after=3)
    run(deferrable=True).result()
    assert slept
    assert len(sandbox.journal("download")) == 4 + 1
    assert len(rows(tmp_path / "table.parquet")) == 40


def test_the_queue_is_told_of_each_create_without_a_turn(sandbox: Sandbox, run: Any) -> None:
    task = run(deferrable=True)
    task.result()
    told = [one.trigger for one in task.deferrals if getattr(one.trigger, "called_at", None) is not None]
    assert [trigger.calls_made for trigger in told] == [1, 2, 4]


def test_the_state_is_small_and_holds_no_secret(sandbox: Sandbox, run: Any) -> None:
    for _ in TREE:
        sandbox.next_job(warnings=[{"title": "Late data", "detail": "said of every part " * 200}])
    task = run(deferrable=True)
    task.result()
    states = [json.dumps(deferral.trigger.serialize()) for deferral in task.deferrals]
    assert max(map(len, states)) < 1000 * len(TREE)
    assert not [state for state in states if sandbox.client_secret in state]


def test_all_parts_have_one_deadline(sandbox: Sandbox, run: Any) -> None:
    task = run(deferrable=True, timeout=900)
    task.result()
    ends = {deferral.trigger.end_time for deferral in task.deferrals[1:]}
    assert len(ends) == 1


def test_a_request_that_changes_in_between_is_an_error(sandbox: Sandbox, tmp_path: Path, run: Any) -> None:
    task = run(deferrable=True)
    made = task.make
    attributes = iter([REQUEST, REQUEST, REQUEST, {**REQUEST, "endDate": "2026-10-09"}])

    def changed() -> Any:
        operator = made()
        operator.attributes = next(attributes)
        return operator

    task.make = changed
    with pytest.raises(InvalidInputError, match="attributes render to another request"):
        task.result()
    assert not written(tmp_path)


def test_a_task_that_has_no_request_or_no_table_is_refused_when_the_dag_is_parsed(run: Any) -> None:
    with pytest.raises(InvalidInputError, match="on_row_cap='split': here is a job and no request"):
        DownloadReportOperator(
            task_id="x", report_id="1", destination="/tmp/x", output_format="csv", on_row_cap="split"
        )
    with pytest.raises(InvalidInputError, match="on_row_cap='split' and output_format=None"):
        run(output_format=None).make()


def test_a_passing_fault_at_a_part_is_not_a_part_at_the_cap(sandbox: Sandbox, tmp_path: Path, run: Any) -> None:
    sandbox.configure(done_at_creation=True)
    sandbox.fault("download", "http-500", times=50, after=2)
    with pytest.raises(TransientError):
        run().result()
    assert not written(tmp_path)
    assert len(sandbox.jobs()) == len(TREE)
