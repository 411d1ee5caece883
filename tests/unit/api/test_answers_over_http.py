"""A job from its create to its file, over HTTP; what each answer means is in test_answers.py."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import (
    CriteoError,
    RateLimitError,
    ReportExpiredError,
    ReportJobFailedError,
    ReportJobNotFoundError,
    ReportNotReadyError,
    TransientError,
    ValidationError,
)
from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.report_types import ATTRIBUTES

REALTIME, STATISTICS, REPORT, CATALOG, INSIGHT, BILLING = (
    "mpo-realtime",
    "statistics",
    "rm-performance",
    "rm-catalog",
    "rm-share-of-voice",
    "rm-partner-billing",
)
FAMILIES = (REALTIME, "mpo-products", "products", STATISTICS, REPORT, BILLING, CATALOG, INSIGHT)


def made(client: CriteoClient, report_type: str = REALTIME) -> str:
    account_id = "7" if REPORT_TYPES[report_type].needs_account_id else None
    return client.create_report_job(report_type, ATTRIBUTES[report_type], account_id).report_id


def test_ids_with_every_character_that_a_path_would_lose(
    client: CriteoClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    report_id = made(client, STATISTICS)
    assert {"/", "+", "="} <= set(report_id)
    sandbox.finish(report_id)
    assert client.get_report_job(report_id, STATISTICS).state is JobState.DONE
    assert client.download_report(report_id, tmp_path / "report", STATISTICS).size_bytes > 0
    assert {call["report_id"] for call in sandbox.journal() if call["call"] in ("status", "download")} == {report_id}


def test_a_create_whose_reply_names_no_job_says_that_one_may_exist(client: CriteoClient, sandbox: Sandbox) -> None:
    sandbox.fault("create", "id-missing")
    with pytest.raises(TransientError, match="names no report job") as raised:
        made(client)
    assert "a report job may exist at Criteo" in str(raised.value)
    assert "same job" in str(raised.value)
    assert len(sandbox.journal("create")) == 1


@pytest.mark.parametrize("casing", ["lower", "upper", "spec"])
@pytest.mark.parametrize("report_type", FAMILIES)
def test_the_done_word_of_each_family_in_any_case(
    report_type: str, casing: str, client: CriteoClient, sandbox: Sandbox
) -> None:
    sandbox.configure(casing=casing)
    report_id = made(client, report_type)
    sandbox.finish(report_id)
    job = client.get_report_job(report_id, report_type)
    assert job.state is JobState.DONE
    assert job.status.lower() == ("success" if "/retail-media/" in REPORT_TYPES[report_type].create_path else "done")


@pytest.mark.parametrize("report_type", FAMILIES)
def test_a_job_may_be_done_at_creation(
    report_type: str, client: CriteoClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.configure(done_at_creation=True)
    account_id = "7" if REPORT_TYPES[report_type].needs_account_id else None
    job = client.create_report_job(report_type, ATTRIBUTES[report_type], account_id)
    assert job.state is JobState.DONE
    assert client.download_report(job.report_id, tmp_path / "report", report_type, job=job).size_bytes > 0
    assert sandbox.journal("status") == []


def test_the_same_create_gives_the_same_job(client: CriteoClient, sandbox: Sandbox) -> None:
    assert made(client) == made(client)
    assert len(sandbox.jobs()) == 1


@pytest.mark.parametrize("outcome", ["Failure", "failed", "FAILED"])
def test_a_job_that_failed_at_creation_raises(outcome: str, client: CriteoClient, sandbox: Sandbox) -> None:
    sandbox.configure(done_at_creation=True, outcome=outcome, message="too much")
    with pytest.raises(ReportJobFailedError, match=f"ended as {outcome}: too much") as raised:
        made(client)
    assert raised.value.job.report_id == sandbox.jobs()[0]["report_id"]


def test_a_validation_error_has_every_problem_on_a_line(client: CriteoClient, sandbox: Sandbox) -> None:
    with pytest.raises(ValidationError) as raised:
        client.create_report_job(REPORT, {})
    lines = str(raised.value).splitlines()
    assert len([line for line in lines if line.startswith("  [validation] required-field: ")]) == 5
    assert "source: filters=data.attributes.filters" in str(raised.value)


def lost(client: CriteoClient, report_type: str, tmp_path: Path) -> tuple[CriteoError, CriteoError]:
    with pytest.raises(CriteoError) as asked:
        client.get_report_job("9", report_type)
    with pytest.raises(CriteoError) as downloaded:
        client.download_report("9", tmp_path / "report", report_type)
    assert not (tmp_path / "report").exists()
    return asked.value, downloaded.value


@pytest.mark.parametrize("report_type", FAMILIES)
def test_an_unknown_job_is_not_found_whatever_status_its_family_has_for_it(
    report_type: str, client: CriteoClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for error in lost(client, report_type, tmp_path):
        assert type(error) is ReportJobNotFoundError
        assert "Criteo does not know this job" in str(error)
        assert "report job 9" in str(error)


@pytest.mark.parametrize("report_type", FAMILIES)
def test_an_expired_file_is_told_from_an_unknown_job(
    report_type: str, client: CriteoClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.configure(retention_seconds=0.0)
    report_id = made(client, report_type)
    sandbox.finish(report_id)
    try:
        job = client.get_report_job(report_id, report_type)
    except ReportExpiredError:
        assert report_type == INSIGHT  # its status call, too, answers with 410
    else:
        assert job.state is JobState.EXPIRED
    with pytest.raises(ReportExpiredError, match=r"(?i)ended as .*expired"):
        client.download_report(report_id, tmp_path / "report", report_type)
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("report_type", FAMILIES)
def test_a_file_that_expires_between_the_last_poll_and_the_download(
    report_type: str, client: CriteoClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    report_id = made(client, report_type)
    sandbox.finish(report_id)
    done = client.get_report_job(report_id, report_type)
    sandbox.finish(report_id, outcome="Expired")
    with pytest.raises(ReportJobFailedError if report_type != "products" else ReportJobNotFoundError) as raised:
        client.download_report(report_id, tmp_path / "report", report_type, job=done)
    if report_type != "products":  # whose documentation has 403 export-not-found for both
        assert type(raised.value) is ReportExpiredError
    assert [call["status"] for call in sandbox.journal("download")] == [
        {CATALOG: 204, STATISTICS: 410, REPORT: 410, BILLING: 410, INSIGHT: 410}.get(report_type, 403)
    ]


@pytest.mark.parametrize("report_type", FAMILIES)
def test_a_job_that_has_not_ended_is_not_ready(
    report_type: str, client: CriteoClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    report_id = made(client, report_type)
    with pytest.raises(ReportNotReadyError, match=rf"report job {report_id.replace('+', '.')} .* is (?i:pending)"):
        client.download_report(report_id, tmp_path / "report", report_type)
    assert sandbox.journal("download") == []
    sandbox.finish(report_id)
    done = client.get_report_job(report_id, report_type)
    sandbox.fault("download", "not-ready")
    with pytest.raises(ReportNotReadyError):
        client.download_report(report_id, tmp_path / "report", report_type, job=done)
    assert not (tmp_path / "report").exists()


def test_404_410_and_204_of_an_insight_and_a_catalog_tell_their_codes(
    client: CriteoClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    report_id = made(client, INSIGHT)
    sandbox.finish(report_id, outcome="Failure", message="no data for this brand")
    with pytest.raises(ReportJobFailedError, match="ended as insight-failed") as raised:
        client.get_report_job(report_id, INSIGHT)
    assert "no data for this brand" in str(raised.value)
    report_id = made(client, CATALOG)
    sandbox.finish(report_id)
    sandbox.fault("download", "no-content")
    with pytest.raises(ReportExpiredError, match=r"ended as expired \(HTTP 204\)"):
        client.download_report(report_id, tmp_path / "report", CATALOG)


def test_an_md5_that_differs_is_a_warning(
    client: CriteoClient, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.configure(md5="wrong")
    report_id = made(client, REPORT)
    sandbox.finish(report_id)
    client.download_report(report_id, tmp_path / "report", REPORT)
    assert "The file's MD5 is" in caplog.text
    assert (tmp_path / "report").exists()


def test_counts_sizes_and_times_reach_the_job_and_the_download(
    client: CriteoClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    before = datetime.now(timezone.utc)
    report_id = made(client, REPORT)
    pending = client.get_report_job(report_id, REPORT)
    assert (pending.row_count, pending.size_bytes, pending.md5, pending.expires_at) == (0, 0, None, None)
    sandbox.finish(report_id, file_rows=42)
    job = client.get_report_job(report_id, REPORT)
    report = client.download_report(report_id, tmp_path / "report", REPORT, job=job)
    assert job.row_count == report.row_count == 42
    assert job.size_bytes == report.size_bytes == (tmp_path / "report").stat().st_size
    assert job.created_at is not None
    assert job.created_at.utcoffset() is not None
    assert abs((job.created_at - before).total_seconds()) < 60
    assert job.expires_at is not None
    assert job.expires_at > job.created_at
    assert report.expires_at == job.expires_at
    assert report.to_json()["expires_at"] == job.expires_at.isoformat()
    assert report.to_json()["row_count"] == 42
    assert job.from_json(job.to_json()) == job


WARNING = {"type": "validation", "code": "invalid-metric", "title": "A metric was dropped", "traceId": "77"}


def test_warnings_with_a_success_are_logged_and_kept(
    client: CriteoClient, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.configure(warnings=[WARNING])
    job = client.create_report_job(REPORT, ATTRIBUTES[REPORT])
    assert job.state is JobState.PENDING
    assert str(job.warnings[0]) == "[validation] invalid-metric: A metric was dropped (traceId: 77)"
    assert f"Criteo warns about report job {job.report_id}: {job.warnings[0]}" in caplog.text
    sandbox.finish(job.report_id, warnings=[WARNING])
    assert client.get_report_job(job.report_id, REPORT).warnings == job.warnings
    client.download_report(job.report_id, tmp_path / "report", REPORT)
    assert caplog.text.count("A metric was dropped") == 2
    assert {record.levelname for record in caplog.records if "dropped" in record.getMessage()} == {"WARNING"}


def test_deprecation_and_sunset_headers_are_told_once_with_the_date(
    fresh_sandbox: Sandbox, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sunset = "Sat, 02 Jan 2027 00:00:00 GMT"
    fresh_sandbox.configure(deprecation="@1798761600", sunset=sunset)
    client = make_client(fresh_sandbox)
    report_id = made(client)
    for _ in range(3):
        client.get_report_job(report_id)
    make_client(fresh_sandbox).get_report_job(report_id)
    told = [text for text in map(logging.LogRecord.getMessage, caplog.records) if "announces" in text]
    assert told == [
        "Criteo announces a deprecation: Deprecation: @1798761600",
        f"Criteo announces a deprecation: Sunset: {sunset}",
    ]


def test_a_deprecation_in_the_warnings_is_told_once(
    fresh_sandbox: Sandbox, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    warning = {"type": "deprecation", "code": "deprecated-field", "title": "Gone on 2027-01-02"}
    fresh_sandbox.configure(warnings=[warning], pending_seconds=3600)
    client = make_client(fresh_sandbox)
    report_id = made(client)
    for _ in range(3):
        assert client.get_report_job(report_id).warnings[0].code == "deprecated-field"
    fresh_sandbox.finish(report_id)
    client.wait_for_report_job(report_id)
    told = [text for text in map(logging.LogRecord.getMessage, caplog.records) if "deprecated-field" in text]
    assert told == ["Criteo announces a deprecation: [deprecation] deprecated-field: Gone on 2027-01-02"]


@pytest.mark.parametrize("code", ["report-not-ready", "export-pending"])
def test_a_refusal_that_says_not_ready_is_a_pending_job(
    code: str, fresh_sandbox: Sandbox, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(fresh_sandbox)
    report_id = made(client)
    fresh_sandbox.fault("status", "http-403", code=code)
    assert client.wait_for_report_job(report_id).state is JobState.DONE
    assert "which is not known" not in caplog.text


PASSING = ["http-500", "html-200", "empty-200", "json-cut", "no-content", "reset-before", "close-after"]


@pytest.mark.parametrize("fault", PASSING)
def test_a_poll_that_tells_nothing_is_a_passing_fault(fault: str, client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client, REPORT)
    sandbox.fault("status", fault)
    with pytest.raises(TransientError) as raised:
        client.get_report_job(report_id, REPORT)
    assert f"(report job {report_id})" in str(raised.value)
    assert client.get_report_job(report_id, REPORT).state is JobState.PENDING


def test_a_poll_under_a_used_up_quota(client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client)
    sandbox.fault("status", "http-429-limit-and-reset", seconds=30, limit=40)
    with pytest.raises(RateLimitError, match=r"the quota of 40 calls is used up; it resets at 20") as raised:
        client.get_report_job(report_id)
    assert raised.value.reset_at is not None
    assert 25 < (raised.value.reset_at - datetime.now(timezone.utc)).total_seconds() <= 31
    assert client.rate_limit is not None
    assert client.rate_limit.limit == 40


def test_a_wait_goes_on_through_passing_faults_and_ends_with_the_job(
    sandbox: Sandbox, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    slept: list[float] = []
    client = make_client(sandbox, sleep=slept.append)
    report_id = made(client)
    for fault in ("http-502", "html-200", "reset-before", "token-expired", "http-429-bare"):
        sandbox.fault("status", fault)
    sandbox.fault("status", "status-unknown-word")
    sandbox.finish(report_id)
    job = client.wait_for_report_job(report_id, poll_interval=15)
    assert job.state is JobState.DONE
    assert len(slept) == 5
    assert min(slept) == 15
    assert "quota" in caplog.text
    assert "the reply is no JSON object" in caplog.text


def test_a_wait_ends_with_a_failed_job_or_its_timeout(sandbox: Sandbox, make_client: Any) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    client = make_client(sandbox, sleep=sleep, clock=lambda: now[0])
    report_id = made(client)
    with pytest.raises(TimeoutError, match=rf"Report job {report_id} has not ended within 100 s"):
        client.wait_for_report_job(report_id, poll_interval=30, timeout=100)
    assert now == [100.0]
    assert len(sandbox.journal("status")) == 5
    sandbox.finish(report_id, outcome="Failure", message="why")
    with pytest.raises(ReportJobFailedError, match="ended as Failure: why"):
        client.wait_for_report_job(report_id)
