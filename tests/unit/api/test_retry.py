"""The retry policy, with a sleep that only remembers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_criteo.api.exceptions import (
    CriteoApiError,
    RateLimitError,
    TransientError,
    ValidationError,
)
from airflow_provider_criteo.api.retry import Retry


@pytest.fixture
def slept() -> list[float]:
    return []


def failing(*errors: Exception) -> tuple[Callable[[], str], list[int]]:
    """A function that raises these, one a call, and then succeeds; and its calls."""
    waiting, calls = list(errors), []

    def call() -> str:
        calls.append(1)
        if waiting:
            raise waiting.pop(0)
        return "done"

    return call, calls


def test_a_passing_fault_is_tried_again_after_1_2_and_4_seconds(slept: list[float]) -> None:
    function, calls = failing(*[TransientError(502)] * 3)
    assert Retry(sleep=slept.append).call(function) == "done"
    assert slept == [1, 2, 4]
    assert len(calls) == 4


def test_the_fourth_fault_is_raised(slept: list[float]) -> None:
    faults = [TransientError(500 + number) for number in range(9)]
    function, calls = failing(*faults)
    with pytest.raises(TransientError) as raised:
        Retry(sleep=slept.append).call(function)
    assert raised.value is faults[3]
    assert len(calls) == 4


def test_a_fault_that_allows_no_other_try_is_raised_at_once(slept: list[float]) -> None:
    function, calls = failing(TransientError(0, sent=False), TransientError(0, sent=True))
    with pytest.raises(TransientError):
        Retry(again=lambda error: not error.sent, sleep=slept.append).call(function)
    assert len(calls) == 2


def test_what_does_not_pass_is_raised_at_once(slept: list[float]) -> None:
    function, calls = failing(ValidationError(400))
    with pytest.raises(ValidationError):
        Retry(sleep=slept.append).call(function)
    assert (slept, len(calls)) == ([], 1)


@pytest.mark.parametrize("error", [RateLimitError(retry_after=20), TransientError(503, retry_after=20)])
def test_what_criteo_says_is_waited_for_and_a_little_more(error: CriteoApiError, slept: list[float]) -> None:
    function, _ = failing(error)
    assert Retry(sleep=slept.append).call(function) == "done"
    assert 20 <= slept[0] <= 22


@pytest.mark.parametrize("error", [RateLimitError(retry_after=20), TransientError(503, retry_after=76)])
def test_a_wait_that_would_be_too_long_is_not_begun(error: CriteoApiError, slept: list[float]) -> None:
    function, _ = failing(error)
    with pytest.raises(type(error)):
        Retry(19.0, sleep=slept.append).call(function)
    assert slept == []


def test_the_waits_for_a_quota_are_bounded_together(slept: list[float]) -> None:
    function, _ = failing(*[RateLimitError(retry_after=20)] * 9)
    with pytest.raises(RateLimitError):
        Retry(75.0, sleep=slept.append).call(function)
    assert len(slept) == 3
    assert sum(slept) <= 75


@pytest.mark.parametrize("retry_after", [None, 0.01])
def test_a_quota_that_tells_no_time_is_asked_a_few_times_at_growing_distances(
    retry_after: float | None, slept: list[float]
) -> None:
    function, calls = failing(*[RateLimitError(retry_after=retry_after)] * 99)
    with pytest.raises(RateLimitError):
        Retry(75.0, sleep=slept.append).call(function)
    assert len(calls) <= 7
    assert slept == sorted(slept)


def test_each_other_try_is_told(slept: list[float], caplog: pytest.LogCaptureFixture) -> None:
    function, _ = failing(TransientError(502, (), "GET /x", reason="a passing fault"))
    Retry(sleep=slept.append).call(function)
    assert "GET /x was answered 502: a passing fault" in caplog.text
    assert "Trying again in 1 s" in caplog.text
