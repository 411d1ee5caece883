"""The sandbox and the client's calls to it against Criteo's specifications."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from specifications import JSON, Specification, Specifications, anonymous, violations

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.api.report_type import ReportType
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.recorder import Exchange, Recorder
from tests.support.report_types import ATTRIBUTES

Compared = Callable[[str, str, str, str], None]

SERVED = [
    pytest.param(row, version, id=f"{row.id}-{version}") for row in REPORT_TYPES.values() for version in row.versions
]
STEPS = (("post", "create_path"), ("get", "status_path"), ("get", "output_path"))


def specified(row: ReportType, version: str, step: str, method: str, specification: Specification) -> str | None:
    """The path of a step, where the specification has it."""
    path: str = getattr(row, step).replace("{version}", version)
    return path if (method, anonymous(path)) in specification.operations else None


@pytest.mark.parametrize(("row", "version"), SERVED)
def test_own_openapi_has_the_same_schemas(
    row: ReportType, version: str, criteo: Specifications, own_specification: Specification, compared: Compared
) -> None:
    theirs = criteo.versions[version]
    for method, step in STEPS:
        path = specified(row, version, step, method, theirs)
        if path is None:
            continue
        assert own_specification.request_schema(method, path) == theirs.request_schema(method, path)
        own, specified_replies = own_specification.replies(method, path), theirs.replies(method, path)
        assert set(own) == set(specified_replies)
        for status, content in specified_replies.items():
            # Criteo declares JSON alone for files that are CSV as well; the sandbox says what it sends.
            assert {name: own[status][name] for name in content} == content
            assert set(own[status]) - set(content) <= {"text/csv"}
        compared("sandbox: its own OpenAPI", version, method, path)


def drive(row: ReportType, version: str, sandbox: Sandbox, recorder: Recorder, folder: Path) -> list[Exchange]:
    """Create, ask while pending, ask when done, download; what went over the wire, tokens aside."""
    with CriteoClient(sandbox.client_id, sandbox.client_secret, base_url=recorder.url, timeout=10) as client:
        account_id = "7" if row.needs_account_id else None
        job = client.create_report_job(row.id, ATTRIBUTES[row.id], account_id, api_version=version)
        assert client.get_report_job(job.report_id, row.id, api_version=version).state is JobState.PENDING
        sandbox.finish(job.report_id)
        done = client.get_report_job(job.report_id, row.id, api_version=version)
        assert done.state is JobState.DONE
        client.download_report(job.report_id, folder / "report", row.id, job=done, api_version=version)
    return [exchange for exchange in recorder.exchanges if exchange.path != "/oauth2/token"]


@pytest.mark.parametrize(("row", "version"), SERVED)
def test_requests_and_replies_are_as_specified(
    row: ReportType,
    version: str,
    criteo: Specifications,
    sandbox: Sandbox,
    recorder: Recorder,
    compared: Compared,
    tmp_path: Path,
) -> None:
    specification = criteo.versions[version]
    exchanges = drive(row, version, sandbox, recorder, tmp_path)
    assert [exchange.method for exchange in exchanges] == ["POST", "GET", "GET", "GET"]
    steps = ("create_path", "status_path", "status_path", "output_path")
    for exchange, step in zip(exchanges, steps, strict=True):
        method = exchange.method.lower()
        path = specified(row, version, step, method, specification)
        if path is None:
            continue
        assert exchange.path.split("/")[1] == version
        assert_request(exchange, specification, path)
        assert_reply(exchange, specification, path, is_file=step == "output_path")
        compared("client: its requests; sandbox: its replies", version, method, path)


def assert_request(exchange: Exchange, specification: Specification, path: str) -> None:
    schema = specification.request_schema(exchange.method.lower(), path)
    if schema is None:
        assert exchange.request_body == b""
        return
    assert exchange.request_headers["content-type"] == JSON
    assert violations(exchange.request_json, schema) == []


def assert_reply(exchange: Exchange, specification: Specification, path: str, *, is_file: bool) -> None:
    replies = specification.replies(exchange.method.lower(), path)
    assert str(exchange.status) in replies
    if is_file:
        assert exchange.reply_body
        return
    content: dict[str, Any] = replies[str(exchange.status)]
    assert exchange.reply_headers["content-type"] == JSON
    assert violations(exchange.reply_json, content[JSON]) == []


def test_a_request_that_is_not_as_specified_is_seen(criteo: Specifications) -> None:
    """The validation itself can fail: a wrong enum value, a field too many, a required one missing."""
    path = "/2026-07/retail-media/reports/performance"
    schema = criteo.versions["2026-07"].request_schema("post", path)
    assert schema is not None
    good = {**ATTRIBUTES["rm-performance"]}
    assert violations({"data": {"attributes": good}}, schema) == []
    for wrong in ({**good, "metrics": ["nonsense"]}, {**good, "nonsense": 1}, {**good, "startDate": "yesterday"}):
        assert violations({"data": {"attributes": wrong}}, schema) != []
    del good["filters"]
    assert violations({"data": {"attributes": good}}, schema) != []
