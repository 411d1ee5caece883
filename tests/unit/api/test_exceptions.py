"""Errors of the client as values."""

from __future__ import annotations

import pickle

import pytest

from airflow_provider_criteo.api.exceptions import (
    CriteoError,
    InvalidInputError,
    RateLimitError,
    ReportExpiredError,
    ReportJobFailedError,
    TransientError,
    ValidationError,
)
from airflow_provider_criteo.api.models import JobState, Problem, ReportJob
from airflow_provider_criteo.exceptions import error_from_json, error_to_json

FAILED = ReportJob("1", "mpo-realtime", "Failure", JobState.FAILED, problems=(Problem(code="too-long"),))


@pytest.mark.parametrize(
    "error",
    [
        InvalidInputError("no"),
        ValidationError(400, (Problem(code="x"),), "POST /x", reason="no"),
        RateLimitError(reason="used up", retry_after=3),
        TransientError(0, (), "GET /x", sent=False),
        ReportJobFailedError(FAILED),
        ReportExpiredError(FAILED, 410, "GET /x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_out_of_another_process_as_it_was(error: CriteoError) -> None:
    same = pickle.loads(pickle.dumps(error))
    assert type(same) is type(error)
    assert str(same) == str(error)
    assert same.__dict__ == error.__dict__


@pytest.mark.parametrize("error", [InvalidInputError("no"), TransientError(reason="no connection")], ids=repr)
def test_an_error_without_an_answer_has_no_status(error: CriteoError) -> None:
    assert error.status_code == 0


@pytest.mark.parametrize("error", [RateLimitError(reason="used up"), TransientError(502)], ids=repr)
def test_an_error_that_an_event_brings_has_all_that_its_class_promises(error: CriteoError) -> None:
    brought = error_from_json(error_to_json(error))
    assert {name: getattr(brought, name) for name in vars(error) if name != "advice"} == {
        name: value for name, value in vars(error).items() if name != "advice"
    }
