"""One wait: whatever Criteo answers, it means the same in every way of waiting, word for word. No time passes."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import structlog
from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from tests.support.scripted_criteo import REPORT_ID, URL, Answer, ScriptedCriteo, job, lost, refusal
from tests.support.tasks_in_process import Run
from tests.support.virtual_time import VirtualTime

INTERVAL, TIMEOUT = 20, 120

PENDING, DONE = job("Pending"), job("Done")
LATE = {"code": "late-data", "title": "Data of the last hour may change", "type": "information"}
TOO_LONG = {
    "code": "invalid-timespan",
    "title": "The time span is too long",
    "detail": "At most 1440",
    "type": "validation",
}
UNAUTHORIZED = refusal(401, "authorization-token-invalid", type="authentication")
NOT_FOUND = refusal(404, "export-not-found", type="not-found", title="The export does not exist")
FORBIDDEN = refusal(403, "forbidden", type="access-control")
DOWN = refusal(503, title="Down for a moment")
QUOTA = refusal(429, "quota-exceeded", type="quota", Retry_After="30")

# What follows the first poll, which finds the job pending (or the create, where it is the task's own).
SCRIPTS: dict[str, tuple[list[Answer], str]] = {
    "done": ([DONE], "done"),
    "pending, then done": ([PENDING, PENDING, DONE], "done"),
    "done with warnings": ([job("Done", warnings=[LATE])], "done"),
    "pending with warnings, then done": ([job("Pending", warnings=[LATE]), job("Pending", warnings=[LATE]), DONE], "done"),
    "pending with problems, then done": ([job("Pending", problems=[TOO_LONG]), DONE], "done"),
    "failed": ([job("Failure", message="No rows", problems=[TOO_LONG])], "ReportJobFailedError"),
    "failed with warnings": ([PENDING, job("Failure", problems=[TOO_LONG], warnings=[LATE])], "ReportJobFailedError"),
    "expired": ([job("Expired")], "ReportExpiredError"),
    "a word that is not known": ([job("Brewing"), job("Brewing"), DONE], "done"),
    "429": ([QUOTA, DONE], "done"),
    "429 twice": ([QUOTA, QUOTA, DONE], "done"),
    "400 of the type quota": ([refusal(400, type="quota", Retry_After="30"), DONE], "done"),
    "403 of the type availability": ([refusal(403, type="availability"), DONE], "done"),
    "a token that has ended": ([UNAUTHORIZED, DONE], "done"),
    "401 once": ([UNAUTHORIZED, UNAUTHORIZED, DONE], "done"),
    "401 twice": ([UNAUTHORIZED], "AuthenticationError"),
    "401, a good answer, 401": ([UNAUTHORIZED, UNAUTHORIZED, PENDING, UNAUTHORIZED, UNAUTHORIZED, DONE], "done"),
    "403 once": ([FORBIDDEN, DONE], "done"),
    "not ready, as a refusal": ([refusal(403, "export-not-ready", type="access-control")] * 3 + [DONE], "done"),
    "403 twice": ([FORBIDDEN], "PermissionDeniedError"),
    "400 twice": ([refusal(400, "bad-request", type="validation")], "ValidationError"),
    "not found in the first minute": ([NOT_FOUND, NOT_FOUND, DONE], "done"),
    "not found for good": ([NOT_FOUND], "ReportJobNotFoundError"),
    "not found later, once": ([PENDING, PENDING, PENDING, NOT_FOUND, DONE], "done"),
    "503": ([DOWN, DOWN, DONE], "done"),
    "a page": ([(200, {"Content-Type": "text/html"}, "<html><body>Please log in</body></html>"), DONE], "done"),
    "no JSON": ([(200, {}, "{"), DONE], "done"),
    "the connection lost": ([lost(requests.ConnectionError("reset")), DONE], "done"),
    "no answer in time": ([lost(requests.ReadTimeout("read")), DONE], "done"),
    "the time is up": ([PENDING], "timeout"),
    "the time is up, and it is down": ([DOWN], "timeout"),
    "the time is up under a quota": ([QUOTA], "timeout"),
    "done when the time is up": ([*[PENDING] * 5, DONE], "done"),
}  # fmt: skip

# Where the first poll does not find the job.
FIRST_POLLS: dict[str, tuple[list[Answer], str]] = {
    "403": ([FORBIDDEN, DONE], "PermissionDeniedError"),
    "503, then 403 once": ([DOWN, FORBIDDEN, DONE], "done"),
    "429, then 403 once": ([QUOTA, FORBIDDEN, DONE], "done"),
    "the connection lost, then 403 twice": ([lost(requests.ConnectionError("reset")), FORBIDDEN], "PermissionDeniedError"),
    "not found, then 403 once": ([NOT_FOUND, FORBIDDEN, DONE], "done"),
}  # fmt: skip


@dataclass
class Ended:
    """How a wait ended, after how many polls, and what was logged of it."""

    result: str
    error: str
    polls: int
    log: list[str]


Way = Callable[[ScriptedCriteo, VirtualTime, Path], None]


def sensor(**options: Any) -> Way:
    def way(criteo: ScriptedCriteo, time: VirtualTime, folder: Path) -> None:
        def make() -> ReportJobStatusSensor:
            wait = {"poke_interval": INTERVAL, "timeout": TIMEOUT, **options}
            return ReportJobStatusSensor(task_id="wait", report_id=REPORT_ID, **wait)

        assert Run(make, run=time.run, longest=1e6).result() == REPORT_ID

    return way


def all_in_one(*, deferrable: bool) -> Way:
    def way(criteo: ScriptedCriteo, time: VirtualTime, folder: Path) -> None:
        def make() -> ReportToObjectStorageOperator:
            return ReportToObjectStorageOperator(
                task_id="report",
                attributes={"advertiserIds": ["1"], "lookbackWindow": 60},
                destination=str(folder / "report.csv"),
                poke_interval=INTERVAL,
                timeout=TIMEOUT,
                deferrable=deferrable,
            )

        Run(make, run=time.run, longest=1e6).result()
        assert (folder / "report.csv").exists()

    return way


def client(criteo: ScriptedCriteo, time: VirtualTime, folder: Path) -> None:
    with CriteoClient("an-id", "a-secret", base_url=URL, sleep=time.sleep, clock=time.now) as client:
        client.wait_for_report_job(REPORT_ID, poll_interval=INTERVAL, timeout=TIMEOUT)


POKE = sensor(mode="poke")
OF_A_JOB: dict[str, Way] = {
    "reschedule": sensor(mode="reschedule"),
    "deferred": sensor(deferrable=True),
    "client": client,
}
ALL_IN_ONE: dict[str, Way] = {
    "all-in-one on a worker": all_in_one(deferrable=False),
    "all-in-one deferred": all_in_one(deferrable=True),
}
WAYS = OF_A_JOB | ALL_IN_ONE


def ended(way: Way, script: list[Answer], folder: Path, time: VirtualTime) -> Ended:
    criteo = ScriptedCriteo(time.now)
    criteo.script = list(script)
    started = time.now()
    result, error = "done", ""
    with criteo.at_the_socket(), logged() as log:
        try:
            way(criteo, time, folder)
        except Exception as raised:  # noqa: BLE001 - it is what is looked at
            timed_out = isinstance(raised, (TimeoutError, AirflowSensorTimeout))
            result, error = "timeout" if timed_out else type(raised).__name__, comparable(str(raised))
    # When a used-up quota lets the next poll go is for a queue to say, and for chance.
    polls = 0 if QUOTA in script else sum(moment > started for moment, _ in criteo.polls)
    return Ended(result, error, polls, list(dict.fromkeys(filter(OF_THE_WAIT.match, map(comparable, log)))))


OF_THE_WAIT = re.compile(
    r"Report job \S+ (is [^;]*(; next poll.*)?$|has)|Criteo (warns|tells)|Criteo's quota|The wait goes on"
)


def comparable(text: str) -> str:
    """Without the connection's name, which a client has not, and without what a queue does otherwise than a worker."""
    text = text.replace("\n  Connection: criteo_default", "")
    text = re.sub(r"it resets at \S+(?=[;\n]|$)", "it resets", text)
    return re.sub(r"(?<=it resets; next poll in )\d+", "some", text)


@contextmanager
def logged() -> Iterator[list[str]]:
    """What tasks, triggers and the client log."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()}")

    def processor(logger: Any, level: str, event: Any) -> Any:
        lines.append(event["event"] % tuple(event.pop("positional_args", ())))
        raise structlog.DropEvent

    logger, handler = logging.getLogger("airflow_provider_criteo"), Handler()
    before = structlog.get_config()["processors"]
    logger.addHandler(handler)
    structlog.configure(processors=[processor])
    try:
        yield lines
    finally:
        structlog.configure(processors=before)
        logger.removeHandler(handler)


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_ends_a_wait(script: str, time: VirtualTime, criteo: ScriptedCriteo, tmp_path: Path) -> None:
    answers, result = SCRIPTS[script]
    assert ended(POKE, [PENDING, *answers], tmp_path, time).result == result


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_way_of_waiting_means_the_same(
    script: str, way: str, time: VirtualTime, criteo: ScriptedCriteo, tmp_path: Path
) -> None:
    answers, _ = SCRIPTS[script]
    waited = ended(WAYS[way], answers if way in ALL_IN_ONE else [PENDING, *answers], tmp_path, time)
    assert waited == ended(POKE, [PENDING, *answers], tmp_path, time)


@pytest.mark.parametrize("way", OF_A_JOB)
@pytest.mark.parametrize("script", FIRST_POLLS)
def test_every_way_of_waiting_begins_the_same(
    script: str, way: str, time: VirtualTime, criteo: ScriptedCriteo, tmp_path: Path
) -> None:
    answers, result = FIRST_POLLS[script]
    waited = ended(OF_A_JOB[way], answers, tmp_path, time)
    assert waited.result == result
    assert waited == ended(POKE, answers, tmp_path, time)
