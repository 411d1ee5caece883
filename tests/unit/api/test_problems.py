"""What Criteo said reaches the user: every shape of an error's body, bounded, without secrets, fit for a log."""

from __future__ import annotations

import html
import json
import time
from typing import Any

import pytest

from airflow_provider_criteo.api.answers import Answer, error_for, job_in, report_id_in
from airflow_provider_criteo.api.exceptions import (
    CriteoError,
    ReportExpiredError,
    ReportJobFailedError,
)
from airflow_provider_criteo.api.models import JobState, Problem, ReportJob
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.exceptions import error_to_json

ROW = REPORT_TYPES["mpo-realtime"]
LARGEST = 64 * 1024


def answer(body: Any, status: int = 400, secret: str | None = None) -> Answer:
    """A reply; a body that is no bytes is JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {}, content, (lambda text: text.replace(secret, "***")) if secret else str)


def said(body: Any, **options: Any) -> list[str]:
    return [str(problem) for problem in answer(body, **options).problems]


SHAPES: dict[str, tuple[Any, list[str]]] = {
    "Criteo's envelope": (
        {
            "data": None,
            "errors": [
                {
                    "traceId": "t",
                    "type": "validation",
                    "code": "c",
                    "instance": "/i",
                    "title": "One",
                    "detail": "Two.",
                    "source": {"field": "data.x"},
                }
            ],
            "warnings": [],
        },
        ["[validation] c: One. Two. (source: field=data.x; instance: /i; traceId: t)"],
    ),
    "two problems": ({"errors": [{"title": "One"}, {"detail": "Two"}]}, ["One", "Two"]),
    "one problem that is no list": ({"errors": {"a": "One"}}, ["a: One"]),
    "RFC 9457": (
        {"type": "https://x/y", "title": "Too long", "status": 400, "detail": "At most 1 day", "instance": "/i"},
        ["[https://x/y]: Too long. At most 1 day (instance: /i)"],
    ),
    "ASP.NET": (
        {
            "title": "One or more validation errors occurred.",
            "status": 400,
            "errors": {"$.data.attributes.startDate": ["no date", "no time"], "x": "y"},
        },
        [
            "One or more validation errors occurred.",
            "$.data.attributes.startDate: no date",
            "$.data.attributes.startDate: no time",
            "x: y",
        ],
    ),
    "a message": ({"message": "Busy"}, ["Busy"]),
    "a message with a capital": ({"Message": "Busy"}, ["Busy"]),
    "RFC 6749": ({"error": "invalid_client", "error_description": "No secret"}, ["invalid_client: No secret"]),
    "an error": ({"error": "Busy"}, ["Busy"]),
    "an error that is an object": ({"error": {"code": "c", "message": "Busy"}}, ["c: Busy"]),
    "a gateway's fault": ({"fault": {"faultstring": "Spike arrest"}}, ["Spike arrest"]),
    "a list": ([{"title": "One"}, "Two"], ["One", "Two"]),
    "text": (b"upstream connect error", ["upstream connect error"]),
    "text that is JSON": ("just text", ["just text"]),
    "nothing": (b"", []),
    "null": (None, ["null"]),
    "an empty object": ({}, ["{}"]),
    "no UTF-8": (b"caf\xe9", ["caf\N{REPLACEMENT CHARACTER}"]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_words_of_every_shape_of_body(shape: str) -> None:
    body, expected = SHAPES[shape]
    assert said(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "a shape that nobody knows", "deep": {"er": ["a word"]}},
        {"errors": [{"title": "One", "unusual": "a shape that nobody knows: a word"}]},
        {"message": "One", "hint": "a shape that nobody knows", "words": ["a word"]},
        b"<html><head><style>p {}</style></head><body><p>a shape that nobody knows</p><!-- no --> a word</body></html>",
        b"  <?xml version='1.0'?><Error><Message>a shape that nobody knows</Message><Id>a word</Id></Error>",
        b'{"cut": "a shape that nobody knows, a word',
    ],
    ids=lambda body: str(body)[:20],
)
def test_no_word_of_a_shape_that_is_not_known_is_lost(body: Any) -> None:
    for report_id in ("", "9"):
        told = str(error_for(answer(body), ROW, report_id))
        assert "a shape that nobody knows" in told
        assert "a word" in told


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("problem", [{"message": "a word", "extensions": {}}, {"reason": {"of": "a word"}}])
def test_a_problem_of_a_shape_that_is_not_known_is_told(problem: Any, status: int) -> None:
    told = answer({"errors": [problem]}, status).problems
    assert "a word" in str(told[0])
    assert "empty problem" not in str(told)


def test_a_page_is_told_without_its_tags_scripts_and_entities() -> None:
    page = b"<html><script>evil()</script><h1>502 Bad&nbsp;Gateway</h1>\r\n<p>nginx &amp; co</p></html>"
    assert said(page, status=502) == ["502 Bad Gateway nginx & co"]


def test_what_a_known_shape_says_is_not_told_twice() -> None:
    told = str(error_for(answer(SHAPES["Criteo's envelope"][0]), ROW))
    assert told.count("One. Two.") == 1


@pytest.mark.parametrize(
    ("title", "detail", "told"),
    [
        ("Too long", "At most 1440", "Too long. At most 1440"),
        ("Too long.", "At most 1440", "Too long. At most 1440"),
        ("Too long:", "at most 1440", "Too long: at most 1440"),
        ("Too long", "", "Too long"),
        ("", "At most 1440", "At most 1440"),
    ],
)
def test_title_and_detail_are_two_sentences(title: str, detail: str, told: str) -> None:
    assert str(Problem(title=title, detail=detail)) == told


@pytest.mark.parametrize("place", ["title", "status", "message", "text"])
def test_control_and_direction_characters_are_shown_escaped(place: str) -> None:
    evil = "a\x1b[31mred\u202egnp\u2066x\0\r\nb\u2028c"
    bodies: dict[str, Any] = {
        "title": {"errors": [{"title": evil, "source": {evil: evil}}]},
        "text": evil.encode(),
        "status": {"data": {"attributes": {"status": evil}}},
        "message": {"data": {"attributes": {"status": "Failure", "message": evil}}},
    }
    if place in ("title", "text"):
        told = "\n".join(said(bodies[place]))
    else:
        told = str(ReportJobFailedError(job_in(answer(bodies[place], 200), ROW, "9")))
    assert "a\\x1b[31mred\\u202egnp\\u2066x" in told
    assert not set(evil) & set("\x1b\u202e\u2066\0\u2028") & set(told)


def test_half_characters_are_in_no_text_that_airflow_passes_on() -> None:
    body = (
        b'{"data": {"attributes": {"status": "Failure", "message": "cut: \\ud83d"}}, "errors": [{"code": "\\ud83d"}]}'
    )
    assert "cut: ?" in str(ReportJobFailedError(job_in(answer(body, 200), ROW, "9"))).encode().decode()


@pytest.mark.parametrize("wrong", [None, 7, "text", [], [None, "text", 7, ["x"]], {}, {"a": None}], ids=str)
@pytest.mark.parametrize("status", [200, 400])
def test_errors_and_warnings_of_a_wrong_shape_do_no_harm(status: int, wrong: object) -> None:
    reply = answer({"errors": wrong, "warnings": wrong}, status)
    assert isinstance(reply.problems, tuple)
    assert all(isinstance(warning, Problem) for warning in reply.warnings)


# Secrets

SECRET = "s3cr+t/of=the&client"


@pytest.mark.parametrize(
    "body",
    [
        {"errors": [{"code": "c", "detail": SECRET}]},
        {"errors": [{"code": "c", "source": {SECRET: "x"}}]},
        {"errors": [{"code": "c", "detail": {SECRET: [SECRET]}}]},
        {"errors": {SECRET: [SECRET]}},
        {"error": SECRET},
        {"unknown": {SECRET: [SECRET]}},
        SECRET.encode(),
        f"<html>{SECRET}</html>".encode(),
        {"data": {"attributes": {"status": SECRET, "message": SECRET}}, "warnings": [{"title": SECRET}]},
    ],
    ids=lambda body: str(body)[:40],
)
@pytest.mark.parametrize("status", [200, 403])
def test_a_secret_that_comes_back_is_in_no_text(status: int, body: Any) -> None:
    reply = answer(body, status, SECRET)
    job = job_in(reply, ROW, "9")
    error = error_for(answer(body, 403, SECRET), ROW, "9")
    assert SECRET not in f"{job!r} {ReportJobFailedError(job)} {error} {error.__dict__} {reply!r}"


@pytest.mark.parametrize("blanks", [0, 40, 190, 400, 490, 980, 1980])
def test_a_secret_is_taken_out_before_a_text_is_cut(blanks: int) -> None:
    secret = "".join(f"{number:04d}-" for number in range(60))
    text = f"{'x ' * blanks}bearer {secret}"
    for body in (
        {"errors": [{"detail": text, "source": {"a": text}}]},
        {"error": text},
        text.encode(),
        {"data": {"attributes": {"status": text, "message": text}}},
    ):
        reply = answer(body, 400, secret)
        job = job_in(reply, ROW, "9")
        assert "0000-0001" not in f"{reply.problems} {job}"


@pytest.mark.parametrize("escaped", [html.escape(SECRET), SECRET.replace("+", "&#x2B;")])
def test_a_secret_that_a_page_has_escaped_is_taken_out(escaped: str) -> None:
    reply = answer(f"<html><p>client_secret={escaped}</p></html>".encode(), 400, SECRET)
    (said,) = reply.problems
    assert said.detail == "client_secret=***"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'"Ung\\u00fcltig +"', "application/json"),
        ("Ungültig +".encode("latin-1"), "text/plain; charset=iso-8859-1"),
        ("<p>Ungültig +</p>".encode("utf-16"), 'text/html; charset="UTF-16"'),
        ("Ungültig +".encode(), "text/plain; charset=no-such"),
        ("Ungültig +".encode(), "text/plain"),
        ("Ungültig +".encode(), "text/plain; charset=undefined"),
        ("Ungültig +".encode(), "text/plain; charset=idna"),
        (b" " * 2_000 + "<p>Ungültig +</p>".encode(), "text/html"),
        (b"\xef\xbb\xbf" + "<p>Ungültig +</p>".encode(), "text/html"),
    ],
)
def test_words_are_read_as_they_are_written(body: bytes, content_type: str) -> None:
    (said,) = Answer(400, {"Content-Type": content_type}, body).problems
    assert said.detail == "Ungültig +"


def test_half_an_emoji_is_no_error() -> None:
    assert "cut" in str(answer(b'{"oops": "cut \\ud83d"}').problems)


@pytest.mark.parametrize("secret", ['qu"ote', "back\\slash"])
def test_a_secret_is_taken_out_of_a_text_that_json_escapes(secret: str) -> None:
    assert "***" in str(answer({"oops": f"it was {secret}"}, 400, secret).problems)


def test_an_id_without_end_is_none() -> None:
    reply = answer({"data": {"id": "9" * 300_000}}, 200)
    assert report_id_in(reply.json) is None


# Bounds

ENTRIES = {"errors": [{"code": "c", "title": "Too much", "source": {f"field{n}": "x" * 90 for n in range(150_000)}}]}
THOUSANDS = {"errors": [{"code": f"invalid-{n}", "detail": "x" * 100, "source": {"a": "b"}} for n in range(5_000)]}
HUGE = {
    "one problem with 150,000 source entries": ENTRIES,
    "5,000 problems": THOUSANDS,
    "5,000 ASP.NET errors": {"title": "Errors", "errors": {f"field{n}": ["x" * 100] for n in range(5_000)}},
    "long texts": {"errors": [dict.fromkeys(("type", "code", "title", "detail"), "💩" * 2000)] * 20},
    "a long text": {"message": "x" * 1_000_000},
    "long quotes": {"message": '"\\' * 500_000},
    "a long page": b"<html>" + b"<p>word</p>" * 100_000,
    "a deep list": [[["x" * 1_000_000]]],
    "a deeper list": b'{"errors": ' + b"[" * 900 + b"]" * 900 + b"}",
    "a list that is too deep to parse": b'{"errors": ' + b"[" * 100_000,
}


def errors_of(reply: Answer, body: Any) -> list[CriteoError]:
    """Every kind of error that a body may become."""
    errors: list[CriteoError] = [error_for(reply, ROW, report_id) for report_id in ("", "9")]
    told = {"errors": body["errors"][:500]} if isinstance(body, dict) and isinstance(body.get("errors"), list) else {}
    long = "\N{PILE OF POO}" * 10_000
    attributes = {"status": "Failure", "message": long}
    failed = {"data": {"attributes": attributes}, "errors": told.get("errors"), "warnings": told.get("errors")}
    job = job_in(answer(failed, 200), ROW, "9")
    return [*errors, ReportJobFailedError(job), ReportExpiredError(job)]


@pytest.mark.parametrize("body", HUGE.values(), ids=HUGE)
def test_a_message_an_event_and_a_job_are_bounded_as_a_whole(body: Any) -> None:
    reply = answer(body)
    began = time.process_time()
    assert reply.problems
    assert time.process_time() - began < 2  # nobody waits for it
    for error in errors_of(reply, body):
        assert len(str(error).encode()) < LARGEST
        assert len(json.dumps(error_to_json(error))) < LARGEST
        assert len(repr(error.__dict__).encode()) < LARGEST
        if isinstance(error, ReportJobFailedError):
            assert len(json.dumps(error.job.to_json())) < LARGEST


def test_what_was_cut_is_said() -> None:
    sources = {f"field{n}": "x" * 90 for n in range(1_000)}
    assert "entries more" in said({"errors": [{"title": "Too much", "source": sources}]})[0]
    *kept, last = said(THOUSANDS)
    assert last == f"... and {5_000 - len(kept)} more problems"
    assert "more problems" not in "".join(kept)
    assert "characters more)" in said({"message": "x" * 1_000_000})[0]


def test_the_first_of_many_problems_are_told_in_their_order() -> None:
    assert said(THOUSANDS)[:2] == [f"invalid-{n}: {'x' * 100} (source: a=b)" for n in range(2)]


def test_a_job_survives_its_json() -> None:
    job = job_in(answer({"data": {"attributes": {"status": "Failure"}}, **THOUSANDS}, 200), ROW, "9")
    assert ReportJob.from_json(json.loads(json.dumps(job.to_json()))) == job
    assert job.state is JobState.FAILED


@pytest.mark.parametrize(
    "errors", [{"field": ["wrong"] * 600_000}, [{"detail": "wrong"}] * 600_000], ids=["map", "list"]
)
def test_problems_without_end_are_counted_and_not_read(errors: object) -> None:
    answer = Answer(400, {}, json.dumps({"errors": errors}).encode())
    began = time.process_time()
    assert answer.problems[-1].title.endswith(" more problems")
    assert len(answer.problems) < 1_000
    assert time.process_time() - began < 5, "it took 40 s where each was read"
