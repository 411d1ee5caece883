"""What each of Criteo's answers means: the table of the design, without a socket."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import Enum
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from airflow_provider_criteo.api import answers
from airflow_provider_criteo.api.answers import Answer
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
    require_file,
)
from airflow_provider_criteo.api.models import JobState, ReportJob
from airflow_provider_criteo.api.reports import REPORT_TYPES


class Call(Enum):
    CREATE = "create"
    STATUS = "status"
    DOWNLOAD = "download"


CREATE, STATUS, DOWNLOAD = Call
POLLS = (STATUS, DOWNLOAD)
MPO, STATISTICS, RETAIL_MEDIA, BILLING, CATALOG, INSIGHT = FAMILIES = (
    "mpo-realtime",
    "statistics",
    "rm-performance",
    "rm-partner-billing",
    "rm-catalog",
    "rm-share-of-voice",
)
REQUEST = "GET /2026-07/somewhere (report job 9)"


def answer(status: int, body: Any = b"", **headers: str) -> Answer:
    """A reply; a body that is no bytes is JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, CaseInsensitiveDict(named), content, request=REQUEST)


def problem(**fields: str) -> dict[str, Any]:
    return {"errors": [{"title": "Because", **fields}]}


def meaning(reply: Answer, call: Call, report_type: str) -> ReportJob | CriteoError:
    """The job that the client would return, or what it would raise."""
    row = REPORT_TYPES[report_type]
    try:
        if call is CREATE:
            return answers.created_job(reply, row)
        if call is STATUS:
            return answers.described_job(reply, row, "9")
        return answers.error_for(reply, row, "9")
    except CriteoError as error:
        return error


def is_meant(reply: Answer, expected: type, calls: Iterable[Call], families: Iterable[str]) -> None:
    found = {(call.value, family): type(meaning(reply, call, family)) for call in calls for family in families}
    assert found == dict.fromkeys(found, expected)


MARKETING, WITH_LOST_STATUSES = (MPO,), (STATISTICS, RETAIL_MEDIA, BILLING, CATALOG, INSIGHT)


@pytest.mark.parametrize(
    ("status", "calls", "families", "expected"),
    [
        *[(status, Call, FAMILIES, ValidationError) for status in (400, 405, 409, 413, 415, 422)],
        (401, Call, FAMILIES, AuthenticationError),
        (403, Call, FAMILIES, PermissionDeniedError),
        *[(status, (CREATE,), FAMILIES, VersionRetiredError) for status in (404, 410)],
        *[(status, POLLS, MARKETING, VersionRetiredError) for status in (404, 410)],
        (404, POLLS, WITH_LOST_STATUSES, ReportJobNotFoundError),
        (410, POLLS, WITH_LOST_STATUSES, ReportExpiredError),
        (204, POLLS, (CATALOG,), ReportExpiredError),
        *[(status, Call, FAMILIES, TransientError) for status in (407, 408, 425, 500, 501, 502, 503, 504, 520)],
        (429, Call, FAMILIES, RateLimitError),
        *[(status, (STATUS, DOWNLOAD), FAMILIES, TransientError) for status in (301, 302, 304)],
    ],
)
@pytest.mark.parametrize("body", [problem(code="something-else"), problem(type="validation"), {}], ids=str)
def test_a_status_without_a_word_of_the_job(
    body: object, status: int, calls: Iterable[Call], families: Iterable[str], expected: type[CriteoError]
) -> None:
    is_meant(answer(status, body), expected, calls, families)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 429, 500, 503])
@pytest.mark.parametrize(
    ("type_", "expected"),
    [("quota", RateLimitError), ("availability", TransientError), ("authentication", AuthenticationError)],
)
def test_a_problems_type_wins_over_the_http_status(status: int, type_: str, expected: type[CriteoError]) -> None:
    reply = answer(status, problem(type=type_))
    is_meant(reply, expected, Call, FAMILIES)
    for call in Call:
        error = meaning(reply, call, MPO)
        assert isinstance(error, CriteoApiError)
        assert error.status_code == status  # what Criteo answered stays to be seen
    assert not answers.is_retired_route(reply)


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("quota", RateLimitError),
        ("availability", TransientError),
        ("unknown", TransientError),
        ("authentication", AuthenticationError),
        ("authorization", PermissionDeniedError),
        ("access-control", PermissionDeniedError),
        ("validation", ValidationError),
        ("", ValidationError),
    ],
)
def test_a_success_that_carries_errors_and_no_job_is_read_by_their_type(
    type_: str, expected: type[CriteoError]
) -> None:
    body = {"data": None, **problem(type=type_, code="so-so")}
    is_meant(answer(200, body), expected, (CREATE, STATUS), FAMILIES)
    error = meaning(answer(200, body), CREATE, MPO)
    assert "was answered 200: " in str(error)
    assert "so-so: Because" in str(error)


def test_a_create_with_errors_and_an_id_is_refused_and_names_the_job() -> None:
    error = meaning(answer(200, {"data": {"id": "77"}, **problem(type="validation")}), CREATE, RETAIL_MEDIA)
    assert isinstance(error, ValidationError)
    assert "(report job 77)" in str(error)


@pytest.mark.parametrize("word", ["Pending", "Done", "Failure", "Expired"])
def test_errors_beside_a_status_word_are_the_jobs_unless_it_is_done(word: str) -> None:
    reply = answer(200, {"data": {"attributes": {"status": word}}, **problem(type="validation", code="x")})
    found = meaning(reply, STATUS, MPO)
    if word == "Done":
        assert isinstance(found, ValidationError)
    else:
        assert isinstance(found, ReportJob)
        assert [told.code for told in found.problems] == ["x"]


NOT_FOUND = ("export-not-found", "exportNotFound", "report-not-found", "ReportNotFound")
EXPIRED = ("export-alreadyexpired", "export-already-expired", "insight-expired", "report-is-expired", "report-lost")
FAILED = ("insight-failed", "insight-invalidated", "export-failure", "report-was-failed")
NOT_READY = ("report-not-ready", "export-pending", "exportNotReady")
CODES = [
    *[(code, ReportJobNotFoundError) for code in NOT_FOUND],
    *[(code, ReportExpiredError) for code in EXPIRED],
    *[(code, ReportJobFailedError) for code in FAILED],
    *[(code, ReportNotReadyError) for code in NOT_READY],
]


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410])
@pytest.mark.parametrize(("code", "expected"), CODES)
def test_a_code_that_speaks_of_the_job_says_more_than_the_status(
    code: str, expected: type[CriteoError], status: int
) -> None:
    reply = answer(status, problem(code=code))
    is_meant(reply, expected, POLLS, FAMILIES)
    assert not answers.is_retired_route(reply)
    assert answers.shows_service(reply)
    assert code in str(meaning(reply, STATUS, MPO))


@pytest.mark.parametrize(("code", "expected"), CODES)
def test_a_code_that_speaks_of_the_job_on_a_success(code: str, expected: type[CriteoError]) -> None:
    is_meant(answer(200, problem(code=code)), expected, (STATUS,), FAMILIES)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(401, AuthenticationError), (429, RateLimitError), (500, TransientError), (503, TransientError)],
)
@pytest.mark.parametrize("code", ["request-expired", "request-failed", "report-expired"])
def test_a_code_that_sounds_like_the_jobs_end_is_none_on_an_error_of_another_kind(
    code: str, status: int, expected: type[CriteoError]
) -> None:
    is_meant(answer(status, problem(code=code)), expected, Call, FAMILIES)


@pytest.mark.parametrize("code", ["insufficient-account-permissions", "authorization-scope-missing"])
def test_a_403_without_a_word_of_the_job_is_a_permission(code: str) -> None:
    is_meant(answer(403, problem(code=code)), PermissionDeniedError, Call, FAMILIES)


@pytest.mark.parametrize("code", ["endpoint-deprecated", "version-not-supported"])
@pytest.mark.parametrize("status", [404, 410])
def test_a_route_that_says_it_is_retired_is(status: int, code: str) -> None:
    reply = answer(status, problem(code=code))
    is_meant(reply, VersionRetiredError, Call, FAMILIES)
    assert answers.is_retired_route(reply)
    error = str(meaning(reply, CREATE, "rm-campaigns"))
    assert "set api_version" in error
    assert "rm-campaigns: 2026-01, preview, experimental" in error


# Replies that are none of Criteo's API

PAGE = b"\n <html><body>Bad gateway</body></html>"
PAGE_WITH_MARK = b"\xef\xbb\xbf" + PAGE


@pytest.mark.parametrize("page", [PAGE, PAGE_WITH_MARK], ids=["bare", "byte order mark"])
@pytest.mark.parametrize("status", [200, 400, 403, 405, 409, 502])
def test_a_web_page_is_a_gateways_and_passes(status: int, page: bytes) -> None:
    is_meant(answer(status, page), TransientError, Call if status != 200 else (CREATE, STATUS), FAMILIES)


def test_a_page_that_a_poll_gets_with_404_passes_and_one_that_a_create_gets_is_a_retired_route() -> None:
    is_meant(answer(404, PAGE), TransientError, POLLS, FAMILIES)
    is_meant(answer(404, PAGE), VersionRetiredError, (CREATE,), FAMILIES)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b"null", b'"text"', b"7", b"[]"], ids=lambda body: repr(body[:9])
)
def test_a_success_that_is_no_object_passes_and_may_have_been_a_create(body: bytes) -> None:
    is_meant(answer(200, body), TransientError, (CREATE, STATUS), FAMILIES)
    error = meaning(answer(200, body), CREATE, MPO)
    assert isinstance(error, TransientError)
    assert error.sent


def test_a_503_was_not_taken_and_tells_when_to_come_back() -> None:
    error = meaning(answer(503, problem(), Retry_After="7"), CREATE, MPO)
    assert isinstance(error, TransientError)
    assert (error.sent, error.retry_after) == (False, 7)
    other = meaning(answer(500, problem()), CREATE, MPO)
    assert isinstance(other, TransientError)
    assert (other.sent, other.retry_after) == (True, None)


@pytest.mark.parametrize(("status", "sent"), [(200, False), (503, False), (408, True), (502, True), (504, True)])
def test_a_service_that_is_not_available_has_not_taken_the_request_and_a_gateway_may_have(
    status: int, sent: bool
) -> None:
    error = meaning(answer(status, problem(type="availability"), Retry_After="7"), CREATE, MPO)
    assert isinstance(error, TransientError)
    assert (error.sent, error.retry_after) == (sent, 7)


def test_errors_beside_the_id_of_a_new_job_do_not_say_that_none_was_made() -> None:
    reply = {"data": {"id": "9"}, **problem(type="availability")}
    error = meaning(answer(200, reply), CREATE, "statistics")
    assert isinstance(error, TransientError)
    assert error.sent
    assert "(report job 9)" in str(error)


def test_an_error_of_an_unknown_kind_in_a_success_may_have_been_received() -> None:
    error = meaning(answer(200, problem(type="unknown")), CREATE, MPO)
    assert isinstance(error, TransientError)
    assert error.sent


def test_a_429_tells_its_quota() -> None:
    headers = {"x_ratelimit_limit": "40", "x_ratelimit_remaining": "0", "Retry_After": "7"}
    error = meaning(answer(429, b"", **headers), STATUS, MPO)
    assert isinstance(error, RateLimitError)
    assert (error.limit, error.retry_after) == (40, 7)
    assert "the quota of 40 calls is used up; it resets at 20" in str(error)


# The job


WORDS = {
    "pending": JobState.PENDING,
    "unknown": JobState.UNKNOWN,
    "reticulating": JobState.UNKNOWN,
    "done": JobState.DONE,
    "success": JobState.DONE,
    "failure": JobState.FAILED,
    "failed": JobState.FAILED,
    "invalidated": JobState.FAILED,
    "expired": JobState.EXPIRED,
}


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.capitalize, lambda word: f" {word} "])
@pytest.mark.parametrize("word", WORDS)
def test_a_word_means_the_same_in_every_family_and_case(word: str, spell: Any) -> None:
    reply = answer(200, {"data": {"attributes": {"exportId": "1", "status": spell(word)}}})
    for family in FAMILIES:
        job = meaning(reply, STATUS, family)
        assert isinstance(job, ReportJob)
        assert (job.state, job.status) == (WORDS[word], spell(word).strip())


@pytest.mark.parametrize(
    ("word", "expected"),
    [("Failure", ReportJobFailedError), ("Invalidated", ReportJobFailedError), ("Expired", ReportExpiredError)],
)
def test_a_create_whose_job_has_ended_without_a_file_raises(word: str, expected: type[CriteoError]) -> None:
    body = {"data": {"attributes": {"exportId": "1", "status": word, "message": "too much"}}}
    is_meant(answer(201, body), expected, (CREATE,), FAMILIES)
    assert f"ended as {word}: too much" in str(meaning(answer(201, body), CREATE, MPO))


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_create_may_be_answered_with_any_success(status: int) -> None:
    is_meant(answer(status, {"data": {"id": 7}}), ReportJob, (CREATE,), FAMILIES)


@pytest.mark.parametrize(
    "place", ["data.attributes.exportId", "data.attributes.reportId", "data.id", "exportId", "reportId"]
)
def test_the_id_is_found_wherever_it_stands(place: str) -> None:
    body: Any = "a/b+c="
    for name in reversed(place.split(".")):
        body = {name: body}
    assert answers.report_id_in(body) == "a/b+c="


@pytest.mark.parametrize("wrong", [None, "", " ", True, [], {}, 1.5], ids=repr)
def test_what_is_no_id_is_none(wrong: object) -> None:
    assert answers.report_id_in({"data": {"id": wrong}}) is None
    assert answers.report_id_in({"data": {"id": wrong}, "exportId": "1"}) == "1"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": None},
        {"data": []},
        {"data": {}},
        {"data": {"attributes": None}},
        *[{"data": {"attributes": {"status": status}}} for status in (None, "", 7, ["Done"], {"status": "Done"})],
    ],
    ids=str,
)
def test_a_status_that_is_none_is_unknown(body: object) -> None:
    job = meaning(answer(200, body), STATUS, MPO)
    assert isinstance(job, ReportJob)
    assert (job.state, job.status) == (JobState.UNKNOWN, "(no status)")


def described(**attributes: object) -> ReportJob:
    job = meaning(answer(200, {"data": {"attributes": {"status": "Done", **attributes}}}), STATUS, RETAIL_MEDIA)
    assert isinstance(job, ReportJob)
    return job


def test_what_criteo_tells_of_a_file_reaches_the_job_and_its_json() -> None:
    job = described(
        rowCount=42,
        fileSizeBytes="1234",
        md5CheckSum=" 0a1b ",
        createdAt="2026-11-25T10:00:00Z",
        expiresAt="2026-11-28T10:00:00+01:00",
        message="rows_count=1",
    )
    assert (job.row_count, job.size_bytes, job.md5) == (42, 1234, "0a1b")
    assert job.created_at is not None
    assert job.expires_at is not None
    assert job.expires_at.isoformat() == "2026-11-28T10:00:00+01:00"
    assert ReportJob.from_json(json.loads(json.dumps(job.to_json()))) == job
    assert described(md5Checksum="0a1b").md5 == "0a1b"


def test_a_row_count_in_the_message_alone() -> None:
    assert described(message="done, rows_count=1232.").row_count == 1232
    assert described(message="rows_count=1232", rowCount=0).row_count == 0


@pytest.mark.parametrize(
    "wrong", ["²", "1" * 5000, -1, 1.5, True, None, "many", [], {}], ids=lambda value: repr(value)[:9]
)
def test_a_count_that_is_none_loses_no_job(wrong: object) -> None:
    job = described(rowCount=wrong, fileSizeBytes=wrong)
    assert (job.state, job.row_count, job.size_bytes) == (JobState.DONE, None, None)


@pytest.mark.parametrize("wrong", ["10:00/11:00", "72::00", "P1Y", "", "9" * 400, 7, None, ["2026"]], ids=repr)
def test_a_time_that_is_none_loses_no_job(wrong: object) -> None:
    job = described(createdAt=wrong, expiresAt=wrong)
    assert (job.state, job.created_at, job.expires_at) == (JobState.DONE, None, None)


def test_warnings_stay_with_the_job() -> None:
    reply = answer(200, {"data": {"attributes": {"status": "Done"}}, "warnings": [{"code": "dropped", "title": "A"}]})
    job = meaning(reply, STATUS, MPO)
    assert isinstance(job, ReportJob)
    assert [str(warning) for warning in job.warnings] == ["dropped: A"]


def test_a_failure_has_its_message_problems_and_warnings() -> None:
    reply = answer(
        200,
        {
            "data": {"attributes": {"status": "Failure", "message": "no file"}},
            "errors": [{"type": "validation", "code": "invalid-timespan", "title": "Too long", "traceId": "4f2c"}],
            "warnings": [{"title": "A metric was dropped"}],
        },
    )
    job = meaning(reply, STATUS, MPO)
    assert isinstance(job, ReportJob)
    with pytest.raises(ReportJobFailedError) as raised:
        require_file(job)
    assert str(raised.value).splitlines() == [
        "Criteo report job 9 (mpo-realtime) ended as Failure: no file",
        "  [validation] invalid-timespan: Too long (traceId: 4f2c)",
        "  warning: A metric was dropped",
        f"  What to do: {ReportJobFailedError.advice}",
    ]


@pytest.mark.parametrize(("word", "expected"), [("Done", True), ("Pending", False), ("odd", False), ("Unknown", False)])
def test_a_file_is_there_when_the_job_is_done(word: str, expected: bool) -> None:
    assert require_file(described(status=word)) is expected


# Lists of accounts


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(401), AuthenticationError),
        (answer(403), PermissionDeniedError),
        (answer(404), VersionRetiredError),
        (answer(400), ValidationError),
        (answer(429), RateLimitError),
        (answer(500), TransientError),
        (answer(404, PAGE), TransientError),
        (answer(400, problem(type="quota")), RateLimitError),
        (answer(200, problem(type="access-control")), PermissionDeniedError),
    ],
)
def test_what_the_answer_to_a_list_of_accounts_means(reply: Answer, expected: type[CriteoError]) -> None:
    assert type(answers.error_of_list(reply)) is expected


@pytest.mark.parametrize("call", Call)
def test_a_message_names_the_request_what_criteo_said_and_what_to_do(call: Call) -> None:
    error = str(meaning(answer(400, problem(code="bad", traceId="7")), call, MPO))
    assert error.startswith(f"{REQUEST} was answered 400: ")
    assert "\n  bad: Because (traceId: 7)\n  What to do: " in error


def test_a_job_that_is_not_found_names_the_type_that_was_asked_for() -> None:
    error = str(meaning(answer(403, problem(code="export-not-found")), STATUS, "products"))
    assert "(asked for as products)" in error
    assert "create, wait and download need the same report_type" in error
