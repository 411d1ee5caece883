"""When a wait goes on, when it ends, and when the next poll comes: by a clock of the tests'."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_criteo.api.exceptions import (
    AuthenticationError,
    CriteoError,
    InvalidInputError,
    PermissionDeniedError,
    RateLimitError,
    ReportExpiredError,
    ReportJobFailedError,
    ReportJobNotFoundError,
    TransientError,
    UnavailableError,
    ValidationError,
    VersionRetiredError,
)
from airflow_provider_criteo.api.models import JobState, Problem, ReportJob
from airflow_provider_criteo.api.polling import SHORTEST_POLL_INTERVAL, Wait, polled

PENDING = ReportJob("1", "mpo-realtime", "Pending", JobState.PENDING)
DONE = PENDING.with_status(JobState.DONE, "Done")
FAILED = PENDING.with_status(JobState.FAILED, "Failure")
EXPIRED = PENDING.with_status(JobState.EXPIRED, "Expired")

Outcome = ReportJob | CriteoError


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


MakeWait = Callable[..., Wait]


@pytest.fixture
def make_wait(clock: Clock) -> MakeWait:
    def make(**options: Any) -> Wait:
        options = {"poll_interval": 20.0, "timeout": 3600.0, "log": logging.getLogger("criteo.wait"), **options}
        return Wait("1", clock=clock, **options)

    return make


def tell(wait: Wait, outcome: Outcome) -> float | None:
    def get_report_job() -> ReportJob:
        if isinstance(outcome, CriteoError):
            raise outcome
        return outcome

    return polled(wait, get_report_job)


def played(wait: Wait, clock: Clock, outcomes: Iterable[Outcome]) -> float:
    """Poll until the wait ends, the last outcome for ever; the seconds it took."""
    began, told = clock.now, list(outcomes)
    while (seconds := tell(wait, told.pop(0) if len(told) > 1 else told[0])) is not None:
        assert seconds >= 0
        clock.now += seconds
    return clock.now - began


# Outcomes


def test_a_wait_ends_with_the_done_job(make_wait: MakeWait, clock: Clock) -> None:
    wait = make_wait()
    assert played(wait, clock, [PENDING, PENDING, DONE]) == 40
    assert wait.job == DONE


@pytest.mark.parametrize(("job", "expected"), [(FAILED, ReportJobFailedError), (EXPIRED, ReportExpiredError)])
def test_a_wait_ends_with_a_job_that_has_no_file(
    job: ReportJob, expected: type[CriteoError], make_wait: MakeWait, clock: Clock
) -> None:
    for before in ([], [PENDING]):
        with pytest.raises(expected):
            played(make_wait(), clock, [*before, job])


@pytest.mark.parametrize("error", [TransientError(502), TransientError(0, reason="no answer"), RateLimitError()])
@pytest.mark.parametrize("times", [1, 50])
def test_what_passes_does_not_end_a_wait(error: CriteoError, times: int, make_wait: MakeWait, clock: Clock) -> None:
    for before in ([], [PENDING]):
        wait = make_wait(timeout=10**6)
        played(wait, clock, [*before, *[error] * times, DONE])
        assert wait.job == DONE


DEFINITIVE = [
    AuthenticationError(401),
    PermissionDeniedError(403),
    ReportJobNotFoundError(404),
    VersionRetiredError(410),
    ValidationError(400),
]


@pytest.mark.parametrize("error", DEFINITIVE, ids=lambda error: type(error).__name__)
def test_a_refusal_of_the_first_poll_ends_a_wait(error: CriteoError, make_wait: MakeWait, clock: Clock) -> None:
    wait = make_wait()
    clock.now += 60  # a new job is known by then
    with pytest.raises(type(error)):
        tell(wait, error)


@pytest.mark.parametrize("error", DEFINITIVE, ids=lambda error: type(error).__name__)
def test_a_refusal_after_the_first_poll_has_to_be_given_twice(
    error: CriteoError, make_wait: MakeWait, clock: Clock
) -> None:
    for wait in (make_wait(), make_wait(begun=True)):
        clock.now += 60
        tell(wait, PENDING)
        assert tell(wait, error) == 20  # an interval apart
        assert wait.is_in_doubt
        clock.now += 20
        with pytest.raises(type(error)):
            tell(wait, error)


def test_a_refusal_is_forgotten_after_a_good_answer(make_wait: MakeWait, clock: Clock) -> None:
    refused = AuthenticationError(401)
    wait = make_wait(begun=True)
    played(wait, clock, [refused, PENDING, refused, PENDING, refused, DONE])
    assert not wait.is_in_doubt


def test_a_refusal_that_is_given_again_after_a_passing_fault_ends_the_wait(make_wait: MakeWait, clock: Clock) -> None:
    with pytest.raises(AuthenticationError):
        played(make_wait(begun=True), clock, [AuthenticationError(401), TransientError(502), AuthenticationError(401)])


def test_a_job_that_is_not_known_in_its_first_minute_is_waited_on(make_wait: MakeWait, clock: Clock) -> None:
    unknown = ReportJobNotFoundError(403)
    wait = make_wait()
    assert played(wait, clock, [unknown, unknown, unknown, DONE]) == 60
    wait = make_wait()
    with pytest.raises(ReportJobNotFoundError):
        played(wait, clock, [unknown])
    assert wait.elapsed == 80, "asked once more, as after any refusal"


def test_the_first_minute_is_that_of_the_wait_and_not_of_its_process(make_wait: MakeWait, clock: Clock) -> None:
    with pytest.raises(ReportJobNotFoundError):
        tell(make_wait(started=clock.now - 60), ReportJobNotFoundError(403))


def test_a_connection_that_cannot_be_looked_up_is_waited_for_once_it_was_there(
    make_wait: MakeWait, clock: Clock
) -> None:
    away = UnavailableError(reason="the vault is away")
    played(make_wait(begun=True), clock, [away, away, away, DONE])
    with pytest.raises(UnavailableError):
        tell(make_wait(), away)  # it may be misspelt


@pytest.mark.parametrize("error", [InvalidInputError("no"), CriteoError("odd")], ids=repr)
def test_what_is_no_answer_of_criteos_ends_a_wait_at_once(error: CriteoError, make_wait: MakeWait) -> None:
    with pytest.raises(type(error)):
        tell(make_wait(begun=True), error)


def test_a_programming_error_is_not_caught(make_wait: MakeWait) -> None:
    def broken() -> ReportJob:
        raise KeyError("x")

    with pytest.raises(KeyError):
        polled(make_wait(begun=True), broken)


# The end


def test_when_the_time_is_up_it_is_asked_once_more(make_wait: MakeWait, clock: Clock) -> None:
    wait = make_wait(timeout=30)
    assert played(wait, clock, [PENDING, PENDING, DONE]) == 30


@pytest.mark.parametrize("interval", [7.0, 20.0, 600.0])
def test_a_wait_ends_at_its_timeout(interval: float, make_wait: MakeWait, clock: Clock) -> None:
    began = clock.now
    with pytest.raises(TimeoutError, match=r"Report job 1 has not ended within 100 s\."):
        played(make_wait(timeout=100, poll_interval=interval), clock, [PENDING])
    assert clock.now - began == 100


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TransientError(502), TimeoutError),
        (RateLimitError(retry_after=3000), TimeoutError),
        (UnavailableError(reason="the vault is away"), UnavailableError),
        (AuthenticationError(401), AuthenticationError),
    ],
)
def test_what_a_wait_ends_with_when_its_last_question_brings_no_answer(
    error: CriteoError, expected: type[Exception], make_wait: MakeWait, clock: Clock
) -> None:
    wait = make_wait(timeout=100, begun=True)
    clock.now += 100
    with pytest.raises(expected):
        tell(wait, error)


def test_a_job_that_is_not_known_within_a_short_timeout_is_said_to_be_so(make_wait: MakeWait, clock: Clock) -> None:
    with pytest.raises(ReportJobNotFoundError):
        played(make_wait(timeout=30), clock, [ReportJobNotFoundError(403)])


def test_a_done_job_is_done_however_late(make_wait: MakeWait, clock: Clock) -> None:
    wait = make_wait(timeout=100)
    clock.now += 10_000
    assert tell(wait, DONE) is None


def test_a_process_that_takes_a_wait_up_counts_from_its_beginning(make_wait: MakeWait, clock: Clock) -> None:
    wait = make_wait(timeout=100, started=clock.now - 90)
    assert tell(wait, PENDING) == 10
    assert make_wait(timeout=100, started=clock.now - 90).next_poll() == 10
    with pytest.raises(TimeoutError):
        make_wait(timeout=100, started=clock.now - 100).next_poll()


# Intervals


def test_an_interval_is_never_shorter_than_criteo_asks_for(make_wait: MakeWait) -> None:
    for options in ({}, {"exponential_backoff": True}, {"exponential_backoff": True, "max_wait": 1.0}):
        assert make_wait(poll_interval=0.01, **options).interval == SHORTEST_POLL_INTERVAL


def backed_off(wait: Wait, clock: Clock, polls: int) -> list[float]:
    waits = []
    for _ in range(polls):
        waits.append(tell(wait, PENDING) or 0.0)
        clock.now += waits[-1]
    return waits


def test_a_backoff_doubles_up_to_max_wait(make_wait: MakeWait, clock: Clock) -> None:
    wait = make_wait(exponential_backoff=True, max_wait=300.0, timeout=10**6)
    waits = backed_off(wait, clock, 12)
    for poll, seconds in enumerate(waits):
        shortest = 20 * 2.0 ** (poll - 1)
        assert min(300, shortest) <= seconds <= min(300, 2 * shortest)
    assert waits[-1] == 300


def test_a_backoff_is_the_same_in_the_process_that_takes_a_wait_up(make_wait: MakeWait, clock: Clock) -> None:
    options = {"exponential_backoff": True, "timeout": 10**6, "started": clock.now}
    waits = backed_off(make_wait(**options), clock, 6)
    clock.now = 1_000.0
    assert [backed_off(make_wait(**options), clock, 1)[0] for _ in waits] == waits


def test_a_backoff_does_not_last_longer_than_the_timeout(make_wait: MakeWait, clock: Clock) -> None:
    wait = make_wait(exponential_backoff=True, timeout=100)
    with pytest.raises(TimeoutError):
        played(wait, clock, [PENDING])
    assert wait.elapsed == 100


# The quota


def quota_waits(wait: Wait, retry_after: float | None = None) -> list[float]:
    return [tell(wait, RateLimitError(retry_after=retry_after)) or 0.0 for _ in range(200)]


def test_a_used_up_quota_is_waited_for_until_it_resets_and_spread_over_a_minute(make_wait: MakeWait) -> None:
    waits = quota_waits(make_wait(), retry_after=30)
    assert all(30 <= wait <= 90 for wait in waits)
    assert max(waits) - min(waits) > 30


def test_the_spread_grows_with_what_was_waited_up_to_five_minutes(make_wait: MakeWait, clock: Clock) -> None:
    started = clock.now
    for elapsed, spread in ((60, 60), (400, 200), (10_000, 300)):
        clock.now = started + elapsed
        waits = quota_waits(make_wait(started=started, timeout=10**6), retry_after=30)
        assert all(30 <= wait <= 30 + spread for wait in waits)
        assert max(waits) > 30 + spread / 2


def test_a_used_up_quota_shortens_no_interval(make_wait: MakeWait) -> None:
    assert min(quota_waits(make_wait(poll_interval=600.0), retry_after=1)) == 600


def test_in_a_queue_a_used_up_quota_costs_a_wait_no_time(make_wait: MakeWait) -> None:
    assert set(quota_waits(make_wait(in_queue=True), retry_after=30)) == {0.0}


# What a human reads


def said(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    return [
        record.getMessage() for record in caplog.records if record.name == "criteo.wait" and record.levelno >= level
    ]


def test_each_change_is_told_once(make_wait: MakeWait, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    played(make_wait(), clock, [PENDING, PENDING, PENDING, DONE])
    assert said(caplog, logging.INFO) == ["Report job 1 is Pending; next poll in 20 s", "Report job 1 is Done"]


def test_warnings_and_problems_are_told_once_whatever_their_trace(
    make_wait: MakeWait, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def job(trace: str) -> ReportJob:
        return replace(
            PENDING,
            warnings=(Problem(title="Dropped", trace_id=trace),),
            problems=(Problem(title="Slow", trace_id=trace),),
        )

    played(make_wait(), clock, [job("1"), job("2"), replace(job("3"), status="Done", state=JobState.DONE)])
    assert said(caplog) == [
        "Criteo warns about report job 1: Dropped (traceId: 1)",
        "Criteo tells of problems with report job 1:\n  Slow (traceId: 1)",
    ]


def test_the_warnings_of_a_failed_job_are_told(make_wait: MakeWait, caplog: pytest.LogCaptureFixture) -> None:
    failed = replace(FAILED, warnings=(Problem(title="Dropped"),))
    with pytest.raises(ReportJobFailedError, match="warning: Dropped"):
        tell(make_wait(), failed)
    assert said(caplog) == ["Criteo warns about report job 1: Dropped"]


def test_a_word_that_is_not_known_is_waited_on_with_a_warning(
    make_wait: MakeWait, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    odd = PENDING.with_status(JobState.UNKNOWN, "Reticulating")
    played(make_wait(), clock, [odd, odd, PENDING.with_status(JobState.UNKNOWN, "Unknown"), DONE])
    assert said(caplog) == ["Report job 1 has the status 'Reticulating', which is not known; waiting on"]


@pytest.mark.parametrize(("error", "level"), [(RateLimitError(), "INFO"), (TransientError(502), "WARNING")])
def test_a_used_up_quota_is_an_information_and_another_fault_a_warning(
    make_wait: MakeWait, caplog: pytest.LogCaptureFixture, error: CriteoError, level: str
) -> None:
    caplog.set_level(logging.INFO)
    tell(make_wait(), error)
    assert [record.levelname for record in caplog.records] == [level]


def test_what_passes_is_told_with_its_reason_and_when_the_next_poll_is(
    make_wait: MakeWait, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    played(make_wait(), clock, [TransientError(502, (), "GET /x", reason="a passing fault"), DONE])
    assert "GET /x was answered 502: a passing fault" in caplog.text
    assert "next poll in 20 s" in caplog.text
