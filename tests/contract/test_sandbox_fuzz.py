"""The sandbox against requests made up from its own OpenAPI document, good ones and bad ones: it answers them all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

schemathesis = pytest.importorskip("schemathesis")

import hypothesis  # noqa: E402
from hypothesis import strategies  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.generation import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from airflow_provider_criteo.api.reports import REPORT_TYPES  # noqa: E402
from airflow_provider_criteo.sandbox import Sandbox  # noqa: E402
from tests.support.report_types import ATTRIBUTES  # noqa: E402
from tests.support.sandbox_caller import Caller  # noqa: E402
from tests.support.sandbox_openapi import openapi  # noqa: E402

EXAMPLES = 5
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(openapi()).get_all_operations()]
# What could be bad in a GET is in its path alone, and every path is tried as it is.
MADE_UP = [
    pytest.param(operation, mode, id=f"{operation.label.replace(' /', ' ')}-{name}")
    for operation in OPERATIONS
    for mode, name in ((GenerationMode.POSITIVE, "good"), (GenerationMode.NEGATIVE, "bad"))
    if mode is GenerationMode.POSITIVE or operation.method.upper() == "POST"
]
FUZZED = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Sandbox]:
    """A sandbox for all of it: what one request leaves behind, the next one meets."""
    with Sandbox(pending_seconds=0, rate_limit=None) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def session(fuzzed: Sandbox) -> Iterator[requests.Session]:
    """With a token."""
    caller = Caller(fuzzed)
    caller.fetch_token()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {caller.token}"
        yield session


@pytest.fixture(scope="module")
def job_ids(fuzzed: Sandbox) -> list[str]:
    """The ids of a job of each report type."""
    caller = Caller(fuzzed)
    for report_type in ATTRIBUTES:
        assert caller.create(report_type).ok
    return [job["report_id"] for job in fuzzed.jobs()]


@pytest.mark.parametrize(("operation", "mode"), MADE_UP)
def test_no_request_is_answered_with_500(
    operation: Any, mode: Any, fuzzed: Sandbox, session: requests.Session, job_ids: list[str]
) -> None:
    ids = strategies.none() | strategies.sampled_from(job_ids)

    @FUZZED
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), job_id=ids)
    def answers(case: Any, job_id: str | None) -> None:
        for name in case.path_parameters:
            if name != "accountId" and job_id:
                case.path_parameters[name] = job_id
        reply = case.call(base_url=fuzzed.url, session=session, timeout=10)
        case.validate_response(reply, checks=CHECKS)

    answers()


def test_all_operations_of_the_catalogue_are_fuzzed() -> None:
    served = {(row.create_path, version) for row in REPORT_TYPES.values() for version in row.versions}
    assert len([operation for operation in OPERATIONS if operation.method.upper() == "POST"]) == len(served) + 1
    assert len(OPERATIONS) > 3 * len(REPORT_TYPES)
