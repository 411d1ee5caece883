"""What the client makes of Criteo's answers about a job."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import responses

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import (
    AuthenticationError,
    CriteoApiError,
    CriteoError,
    PermissionDeniedError,
    RateLimitError,
    ReportExpiredError,
    ReportJobFailedError,
    ReportJobNotFoundError,
    ReportNotReadyError,
    TransientError,
    ValidationError,
    VersionRetiredError,
)
from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.api.reports import REPORT_TYPES, is_status_word
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


# Ids


@pytest.mark.parametrize(
    "place", ["data.attributes.exportId", "data.attributes.reportId", "data.id", "exportId", "reportId"]
)
@pytest.mark.parametrize("report_type", [REALTIME, STATISTICS, REPORT])
def test_the_id_is_found_wherever_it_stands(
    place: str, report_type: str, client: CriteoClient, sandbox: Sandbox
) -> None:
    sandbox.configure(id_location=place)
    report_id = made(client, report_type)
    assert [job["report_id"] for job in sandbox.jobs()] == [report_id]
    assert client.get_report_job(report_id, report_type).state is JobState.PENDING


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


# Words

WORDS = {
    JobState.PENDING: ("pending",),
    JobState.UNKNOWN: ("unknown", "reticulating", "running"),
    JobState.FAILED: ("failure", "failed"),
    JobState.EXPIRED: ("expired",),
}


@pytest.mark.parametrize("casing", ["lower", "upper", "spec"])
@pytest.mark.parametrize(("state", "word"), [(state, word) for state, words in WORDS.items() for word in words])
@pytest.mark.parametrize("report_type", [REALTIME, REPORT, BILLING])
def test_words_in_any_case(
    report_type: str, state: JobState, word: str, casing: str, client: CriteoClient, sandbox: Sandbox
) -> None:
    sandbox.configure(casing=casing)
    report_id = made(client, report_type)
    sandbox.finish(report_id, outcome=word.capitalize() if casing == "spec" else word)
    job = client.get_report_job(report_id, report_type)
    assert job.state is state
    if casing == "spec":
        assert job.status.lower() in WORDS[state]
    else:
        assert job.status == getattr(word, casing)()


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
def test_a_word_means_the_same_in_every_family(report_type: str) -> None:
    row = REPORT_TYPES[report_type]
    assert (row.state("success"), row.state(" DONE ")) == (JobState.DONE, JobState.DONE)
    assert (row.state("Invalidated"), row.state("failed")) == (JobState.FAILED, JobState.FAILED)
    assert (row.state("queued"), is_status_word("queued")) == (JobState.UNKNOWN, False)


@pytest.mark.parametrize(
    "fault",
    [
        "status-missing",
        "status-null",
        "status-empty",
        "status-number",
        "status-list",
        "attributes-missing",
        "data-null",
    ],
)
def test_a_status_that_is_none_is_unknown(fault: str, client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client)
    sandbox.fault("status", fault)
    job = client.get_report_job(report_id)
    assert (job.state, job.status) == (JobState.UNKNOWN, "(no status)")


# Creates


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("report_type", FAMILIES)
def test_a_create_may_be_answered_with_any_success(
    report_type: str, status: int, client: CriteoClient, sandbox: Sandbox
) -> None:
    sandbox.configure(create_status=status)
    assert client.get_report_job(made(client, report_type), report_type).state is JobState.PENDING
    assert [call["status"] for call in sandbox.journal("create")] == [status]


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


def test_a_create_with_problems_and_an_id_is_refused_and_names_the_job(client: CriteoClient, sandbox: Sandbox) -> None:
    sandbox.fault("create", "errors-on-200", code="invalid-query", title="No", type="validation")
    with pytest.raises(ValidationError, match="invalid-query: No") as raised:
        made(client, REPORT)
    assert f"(report job {sandbox.jobs()[0]['report_id']}) was answered 200: the reply carries errors" in str(
        raised.value
    )
    assert len(sandbox.journal("create")) == 1


@responses.activate
@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("validation", ValidationError),
        ("authorization", PermissionDeniedError),
        ("access-control", PermissionDeniedError),
        ("authentication", AuthenticationError),
        ("availability", TransientError),
        ("unknown", TransientError),
    ],
)
def test_a_create_with_problems_instead_of_an_id_is_read_by_their_type(
    type_: str, expected: type[CriteoApiError]
) -> None:
    responses.post("https://api.criteo.com/oauth2/token", json={"access_token": "0a1b2c3d4e5f", "expires_in": 900})
    responses.post(
        "https://api.criteo.com/2026-07/retail-media/reports/performance",
        json={"data": None, "errors": [{"type": type_, "code": "so-so", "title": "No"}], "warnings": []},
    )
    with CriteoClient("id", f"secret-{type_}") as client, pytest.raises(CriteoApiError, match="so-so: No") as raised:
        client.create_report_job(REPORT, ATTRIBUTES[REPORT])
    assert type(raised.value) is expected


REFUSALS = [
    ("http-400", ValidationError),
    ("http-403", PermissionDeniedError),
    ("http-404", VersionRetiredError),
    ("http-410", VersionRetiredError),
    ("http-409", ValidationError),
    ("http-413", ValidationError),
    ("http-415", ValidationError),
    ("http-422", ValidationError),
]


@pytest.mark.parametrize(("fault", "expected"), REFUSALS)
def test_what_a_refused_create_means(
    fault: str, expected: type[CriteoApiError], client: CriteoClient, sandbox: Sandbox
) -> None:
    sandbox.fault("create", fault, title="Because", times=None)
    with pytest.raises(CriteoApiError) as raised:
        made(client, REPORT)
    assert type(raised.value) is expected
    assert raised.value.status_code == int(fault[-3:])
    assert raised.value.problems[0].title == "Because"
    assert str(raised.value).startswith("POST /2026-07/retail-media/reports/performance was answered")
    assert f": Because (traceId: {raised.value.problems[0].trace_id})" in str(raised.value)
    assert len(sandbox.journal("create")) == 1


def test_a_validation_error_has_every_problem_on_a_line(client: CriteoClient, sandbox: Sandbox) -> None:
    with pytest.raises(ValidationError) as raised:
        client.create_report_job(REPORT, {})
    lines = str(raised.value).splitlines()
    assert len([line for line in lines if line.startswith("  [validation] required-field: ")]) == 5
    assert "source: filters=data.attributes.filters" in str(raised.value)


def test_a_problem_that_reads_like_a_retired_route_names_the_other_versions(
    client: CriteoClient, sandbox: Sandbox
) -> None:
    sandbox.configure(retired_versions=["2026-07"])
    with pytest.raises(VersionRetiredError, match=r"set api_version.*rm-performance: 2026-07, 2027-01\."):
        made(client, REPORT)


# Lost jobs


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


@pytest.mark.parametrize(
    ("report_type", "status", "expected"),
    [
        (REALTIME, 403, PermissionDeniedError),
        (REALTIME, 404, VersionRetiredError),
        (REALTIME, 410, VersionRetiredError),
        (STATISTICS, 404, ReportJobNotFoundError),
        (STATISTICS, 410, ReportExpiredError),
        (REPORT, 403, PermissionDeniedError),
        (REPORT, 404, ReportJobNotFoundError),
        (REPORT, 410, ReportExpiredError),
        (INSIGHT, 404, ReportJobNotFoundError),
        (INSIGHT, 410, ReportExpiredError),
        (CATALOG, 404, ReportJobNotFoundError),
        (CATALOG, 410, ReportExpiredError),
        (CATALOG, 400, ValidationError),
    ],
)
def test_a_status_without_a_known_code_is_read_by_the_family(
    report_type: str, status: int, expected: type[CriteoError], client: CriteoClient, sandbox: Sandbox
) -> None:
    report_id = made(client, report_type)
    sandbox.fault("status", f"http-{status}", code="something-else", title="Gone", times=None)
    with pytest.raises(CriteoError) as raised:
        client.get_report_job(report_id, report_type)
    assert type(raised.value) is expected
    assert "something-else: Gone" in str(raised.value)


CODES = [
    ("export-not-found", ReportJobNotFoundError),
    ("exportNotFound", ReportJobNotFoundError),
    ("report-not-found", ReportJobNotFoundError),
    ("export-alreadyexpired", ReportExpiredError),
    ("export-already-expired", ReportExpiredError),
    ("insight-expired", ReportExpiredError),
    ("insight-failed", ReportJobFailedError),
    ("insight-invalidated", ReportJobFailedError),
    ("insufficient-accountpermissions", PermissionDeniedError),
    ("insufficient-account-permissions", PermissionDeniedError),
]


@pytest.mark.parametrize(("code", "expected"), CODES)
def test_a_403_is_read_by_its_code(
    code: str, expected: type[CriteoError], client: CriteoClient, sandbox: Sandbox
) -> None:
    report_id = made(client)
    sandbox.fault("status", "http-403", code=code)
    with pytest.raises(CriteoError) as raised:
        client.get_report_job(report_id)
    assert type(raised.value) is expected
    assert code in str(raised.value)


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
def test_a_job_that_failed_is_never_downloaded(
    report_type: str, client: CriteoClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    report_id = made(client, report_type)
    problem = {"type": "validation", "code": "invalid-timespan", "title": "Too long", "traceId": "4f2c"}
    sandbox.finish(report_id, outcome="Failure", message="no file", problems=[problem])
    with pytest.raises(ReportJobFailedError) as raised:
        client.download_report(report_id, tmp_path / "report", report_type)
    assert type(raised.value) is ReportJobFailedError
    assert "[validation] invalid-timespan: Too long (traceId: 4f2c)" in str(raised.value)
    assert "no file" in str(raised.value)
    assert sandbox.journal("download") == []


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


def test_invalidated_insights_failed(client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client, INSIGHT)
    sandbox.finish(report_id, outcome="Invalidated")
    with pytest.raises(ReportJobFailedError, match="insight-invalidated"):
        client.get_report_job(report_id, INSIGHT)


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


# What Criteo tells beside the state


@pytest.mark.parametrize("spelling", ["md5CheckSum", "md5Checksum"])
@pytest.mark.parametrize("report_type", [REPORT, CATALOG, INSIGHT])
def test_both_spellings_of_the_md5(
    spelling: str,
    report_type: str,
    client: CriteoClient,
    sandbox: Sandbox,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox.configure(md5_spelling=spelling)
    report_id = made(client, report_type)
    sandbox.finish(report_id)
    job = client.get_report_job(report_id, report_type)
    assert job.md5 is not None
    assert len(job.md5) == 32
    client.download_report(report_id, tmp_path / "report", report_type, job=job)
    assert "MD5" not in caplog.text


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


def test_a_row_count_in_the_message_alone(client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client)
    sandbox.finish(report_id, message="rows_count=1232")
    job = client.get_report_job(report_id)
    assert (job.row_count, job.size_bytes, job.md5, job.expires_at) == (1232, None, None, None)


def test_a_job_with_nothing_but_a_status(client: CriteoClient, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.configure(bare_status=True)
    report_id = made(client, REPORT)
    sandbox.finish(report_id, message="")
    job = client.get_report_job(report_id, REPORT)
    assert (job.row_count, job.size_bytes, job.md5, job.expires_at, job.created_at) == (None,) * 5
    assert client.download_report(report_id, tmp_path / "report", REPORT, job=job).row_count is None


def test_counts_and_times_of_wrong_types_are_no_counts(client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client, REPORT)
    sandbox.finish(report_id)
    sandbox.fault("status", "odd-types")
    job = client.get_report_job(report_id, REPORT)
    assert (job.state, job.row_count, job.size_bytes, job.expires_at) == (JobState.DONE, None, None, None)


@pytest.mark.parametrize("cap", [100_000, 10_000_000])
def test_a_row_count_at_the_cap_is_warned_about(
    cap: int, client: CriteoClient, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report_id = made(client, REPORT)
    sandbox.finish(report_id, message=f"rows_count={cap}", bare_status=True)
    client.download_report(report_id, tmp_path / "report", REPORT)
    assert f"has {cap} rows, which is Criteo's cap" in caplog.text


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


def test_problems_of_every_wrong_shape_are_shown_and_do_no_harm(client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client)
    sandbox.fault("status", "odd-problems")
    job = client.get_report_job(report_id)
    assert job.state is JobState.PENDING
    assert [problem.detail for problem in job.problems[:3]] == ["", "text", "7"]
    assert [warning.detail for warning in job.warnings] == ["none"]


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
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == [f"Criteo announces a deprecation: Deprecation: @1798761600; Sunset: {sunset}"]


def test_a_deprecation_in_the_warnings_is_told_once(
    fresh_sandbox: Sandbox, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    warning = {"type": "deprecation", "code": "deprecated-field", "title": "Gone on 2027-01-02"}
    fresh_sandbox.configure(warnings=[warning], pending_seconds=3600)
    client = make_client(fresh_sandbox)
    report_id = made(client)
    for _ in range(3):
        assert client.get_report_job(report_id).warnings[0].code == "deprecated-field"
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["Criteo announces a deprecation: [deprecation] deprecated-field: Gone on 2027-01-02"]


# Passing faults of a poll

PASSING = [
    "http-500",
    "http-502",
    "http-503",
    "http-504",
    "http-408",
    "html-200",
    "html-403",
    "html-404",
    "xml-200",
    "empty-200",
    "not-utf8",
    "json-list",
    "json-string",
    "json-null",
    "json-cut",
    "json-deep",
    "no-content",
    "reset-before",
    "close-after",
]


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
    client: CriteoClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    report_id = made(client)
    for fault in ("http-502", "html-200", "reset-before", "token-expired", "http-429-bare"):
        sandbox.fault("status", fault)
    sandbox.fault("status", "status-unknown-word")
    sandbox.finish(report_id)
    job = client.wait_for_report_job(report_id, poll_interval=0.01, timeout=30)
    assert job.state is JobState.DONE
    assert "quota" in caplog.text
    assert "the reply is no JSON object" in caplog.text


def test_a_wait_ends_with_a_failed_job_or_its_timeout(client: CriteoClient, sandbox: Sandbox) -> None:
    report_id = made(client)
    with pytest.raises(TimeoutError, match=rf"report job {report_id} has not ended within 0\.1 s"):
        client.wait_for_report_job(report_id, poll_interval=0.05, timeout=0.1)
    sandbox.finish(report_id, outcome="Failure", message="why")
    with pytest.raises(ReportJobFailedError, match="ended as Failure: why"):
        client.wait_for_report_job(report_id, poll_interval=0.05, timeout=5)


@pytest.mark.parametrize(
    ("fault", "expected"), [("http-401", AuthenticationError), ("http-403", PermissionDeniedError)]
)
def test_a_wait_ends_with_a_definitive_answer(
    fault: str, expected: type[CriteoError], client: CriteoClient, sandbox: Sandbox
) -> None:
    report_id = made(client)
    sandbox.fault("status", fault, times=None)
    with pytest.raises(expected):
        client.wait_for_report_job(report_id, poll_interval=0.01, timeout=5)
