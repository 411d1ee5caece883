"""The faults that are answers: statuses, quota headers, pages, wrong JSON, tokens that have just ended, redirects."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from airflow_provider_criteo.sandbox.faults import (
    ALL_CALLS,
    DOWNLOAD,
    JOB_CALLS,
    JSON_CALLS,
    REPORT_CALLS,
    Play,
    fault,
)
from airflow_provider_criteo.sandbox.oauth import oauth_error
from airflow_provider_criteo.sandbox.rate_limits import http_date
from airflow_provider_criteo.sandbox.replies import STATUS_PROBLEMS, Reply, envelope, problem

HTML = b"<!DOCTYPE html><html><head><title>%d</title></head><body><h1>Gateway</h1></body></html>"


def status_reply(play: Play, status: int, headers: dict[str, str] | None = None) -> Reply:
    """An error answer: RFC 6749's for the token call, Criteo's envelope for the others."""
    type_, code, title = STATUS_PROBLEMS[status]
    code, title = play.param("code", code), play.param("title", title)
    headers = {**(headers or {}), **play.param("headers", {})}
    if play.call.kind == "token":
        reply = oauth_error(status, play.param("code", _OAUTH_CODES.get(status, "server_error")), str(title))
        reply.headers.update(headers)
        return reply
    problems = play.param(
        "problems", [problem(code, title, play.param("type", type_), detail=play.param("detail", None))]
    )
    return Reply.json(status, envelope(None, problems), headers)


_OAUTH_CODES = {
    400: "invalid_request",
    401: "invalid_client",
    403: "access_denied",
    429: "slow_down",
    503: "temporarily_unavailable",
}


def _status(status: int) -> None:
    @fault(f"http-{status}", f"HTTP {status} with a problem (code, title, detail, type, problems, headers)")
    async def play(play: Play) -> Reply:
        return status_reply(play, status)


for _code in STATUS_PROBLEMS:
    if _code != 429:
        _status(_code)


@fault("echo", "a problem that repeats the request's credentials: its header Authorization, its body (status)")
async def _echo(play: Play) -> Reply:
    sent = f"{play.call.headers.get('authorization', '')} {play.call.body.decode(errors='replace')}"
    play.params.update({"detail": sent} if play.call.kind != "token" else {"title": sent})
    return status_reply(play, int(play.param("status", 400)))


def _limited(name: str, description: str, headers: Callable[[Play, float], dict[str, str]]) -> None:
    @fault(f"http-429-{name}", f"HTTP 429 {description} (seconds, limit)")
    async def play(play: Play) -> Reply:
        return status_reply(play, 429, headers(play, float(play.param("seconds", 2.0))))


def _reset(moment: float) -> str:
    return str(-int(-moment // 1))


def _limit(play: Play, remaining: int = 0) -> dict[str, str]:
    return {"x-ratelimit-limit": str(play.param("limit", 40)), "x-ratelimit-remaining": str(remaining)}


_limited("bare", "without any header", lambda play, seconds: {})
_limited(
    "limit-and-reset",
    "with limit, remaining and reset, as documented",
    lambda play, seconds: {**_limit(play), "x-ratelimit-reset": _reset(time.time() + seconds)},
)
_limited(
    "reset-only",
    "with x-ratelimit-reset alone",
    lambda p, seconds: {"x-ratelimit-reset": _reset(time.time() + seconds)},
)
_limited("retry-after", "with Retry-After in seconds", lambda play, seconds: {"retry-after": _reset(seconds)})
_limited(
    "retry-after-date",
    "with Retry-After as an HTTP date",
    lambda play, seconds: {"retry-after": http_date(time.time() + seconds + 1)},
)
_limited(
    "reset-past",
    "with a reset an hour ago",
    lambda p, s: {**_limit(p), "x-ratelimit-reset": _reset(time.time() - 3600)},
)
_limited(
    "reset-far",
    "with a reset in a year",
    lambda p, s: {**_limit(p), "x-ratelimit-reset": _reset(time.time() + 31536000)},
)
_limited(
    "reset-ms",
    "with a reset in milliseconds",
    lambda play, seconds: {**_limit(play), "x-ratelimit-reset": _reset((time.time() + seconds) * 1000)},
)
_limited(
    "reset-relative",
    "with a reset in seconds from now",
    lambda play, seconds: {**_limit(play), "x-ratelimit-reset": _reset(seconds)},
)
_limited(
    "garbage",
    "with headers that are no numbers",
    lambda play, seconds: {
        "x-ratelimit-limit": "many",
        "x-ratelimit-remaining": "-",
        "x-ratelimit-reset": "soon",
        "retry-after": "in a while",
    },
)


def _skewed(name: str, hours: int) -> None:
    description = f"with limit and reset, on a clock that is {abs(hours)} h {'ahead' if hours > 0 else 'behind'}"

    def headers(play: Play, seconds: float) -> dict[str, str]:
        there = time.time() + hours * 3600
        return {**_limit(play), "x-ratelimit-reset": _reset(there + seconds), "date": http_date(there)}

    @fault(f"http-429-{name}", f"HTTP 429 {description} (seconds, limit)")
    async def play(play: Play) -> None:
        reply = status_reply(play, 429, headers(play, float(play.param("seconds", 2.0))))
        await play.wire.head(reply, content_length=str(reply.length), connection="close")
        await play.wire.write(reply.body)
        await play.wire.close()


_skewed("date-ahead", 1)
_skewed("date-behind", -1)


def _body(name: str, description: str, calls: Any, make: Callable[[Play], Reply], *, acts: bool = False) -> None:
    @fault(name, description, calls, acts=acts)
    async def play(play: Play) -> Reply:
        return make(play)


def _fixed(status: int, body: bytes, content_type: str) -> Callable[[Play], Reply]:
    return lambda play: Reply(status, body, {"content-type": content_type})


for _code in (200, 403, 404, 429, 502, 503):
    _body(f"html-{_code}", f"a web page with HTTP {_code}", ALL_CALLS, _fixed(_code, HTML % _code, "text/html"))
_body(
    "xml-200",
    "XML with HTTP 200",
    ALL_CALLS,
    _fixed(200, b'<?xml version="1.0"?><Response><data/></Response>', "application/xml"),
)
_body("empty-200", "HTTP 200 without a body", ALL_CALLS, _fixed(200, b"", "application/json"))
_body("no-content", "HTTP 204", ALL_CALLS, lambda play: Reply(204))
_body("not-utf8", "HTTP 200 with bytes that are no text", JSON_CALLS, _fixed(200, b"\xff\xfe\x00{", "application/json"))
for _name, _value in (
    ("list", b"[]"),
    ("string", b'"pending"'),
    ("number", b"1"),
    ("null", b"null"),
    ("object", b"{}"),
):
    _body(f"json-{_name}", f"JSON that is {_value.decode()}", JSON_CALLS, _fixed(200, _value, "application/json"))
_body(
    "json-deep",
    "JSON of 100,000 nested lists",
    JSON_CALLS,
    _fixed(200, b"[" * 100_000 + b"]" * 100_000, "application/json"),
)
_body(
    "json-cut",
    "the JSON ends in the middle (the call takes effect)",
    JSON_CALLS,
    lambda play: Reply(play.reply.status, play.reply.body[: len(play.reply.body) // 2], play.reply.headers),
    acts=True,
)
_body(
    "problem-200",
    "HTTP 200 with a problem as JSON instead of the file (code, title)",
    DOWNLOAD,
    lambda play: Reply.json(
        200, envelope(None, [problem(play.param("code", "internal-error"), play.param("title", "Internal error"))])
    ),
)
_body(
    "not-ready",
    "HTTP 400 report-not-ready",
    DOWNLOAD,
    lambda play: status_reply(_with_code(play, "report-not-ready"), 400),
)
_body(
    "lost-job",
    "HTTP 403 export-not-found",
    {"status", "download"},
    lambda p: status_reply(_with_code(p, "export-not-found"), 403),
)


def _with_code(play: Play, code: str) -> Play:
    play.params = {"code": code, **play.params}
    return play


Change = Callable[[Play, dict[str, Any]], Any]


def _changed(name: str, description: str, change: Change, calls: Any = JOB_CALLS) -> None:
    """A fault that changes the JSON of the right answer; the call takes effect."""

    @fault(name, description, calls, acts=True)
    async def play(play: Play) -> Reply:
        try:
            value = json.loads(play.reply.body)
        except ValueError:
            return play.reply
        changed = change(play, value)
        return Reply.json(play.reply.status, value if changed is None else changed)


def _attributes(change: Callable[[Play, dict[str, Any]], None]) -> Change:
    def on_attributes(play: Play, value: dict[str, Any]) -> None:
        data = value.get("data")
        if isinstance(data, dict) and isinstance(data.get("attributes"), dict):
            change(play, data["attributes"])

    return on_attributes


def _set(value: Any, parameter: str = "value") -> Change:
    return _attributes(lambda play, attributes: attributes.update(status=play.param(parameter, value)))


def _without_ids(play: Play, value: dict[str, Any]) -> None:
    data = value.get("data") or {}
    for place in (value, data, data.get("attributes") or {}):
        for name in ("id", "exportId", "reportId"):
            place.pop(name, None)


def _with_ids(new: Any) -> Change:
    def change(play: Play, value: dict[str, Any]) -> None:
        data = value.get("data") or {}
        for place in (value, data, data.get("attributes") or {}):
            place.update({name: new for name in ("id", "exportId", "reportId") if name in place})

    return change


_changed("data-null", '"data": null', lambda play, value: {**value, "data": None})
_changed("data-missing", "no data", lambda play, value: {key: item for key, item in value.items() if key != "data"})
_changed("data-list", '"data": []', lambda play, value: {**value, "data": []})
_changed(
    "attributes-missing", "data without attributes", lambda play, value: {**value, "data": {"type": "StatusResponse"}}
)
_changed(
    "attributes-null",
    "null attributes",
    lambda p, value: {**value, "data": {**(value.get("data") or {}), "attributes": None}},
)
_changed("status-missing", "no status", _attributes(lambda play, attributes: attributes.pop("status", None)))
_changed("status-null", "a null status", _attributes(lambda play, attributes: attributes.update(status=None)))
_changed("status-empty", "an empty status", _set(""))
_changed("status-unknown-word", "a status word that nobody documented (word)", _set("Reticulating", "word"))
_changed("status-number", "a status that is a number", _set(3))
_changed("status-list", "a status that is a list", _set(["Done"]))
_changed("id-missing", "no id anywhere", _without_ids)
_changed("id-null", "a null id", _with_ids(None))
_changed("id-empty", "an empty id", _with_ids(""))
_changed("id-number", "an id that is a number", _with_ids(12345))
_changed(
    "errors-on-200",
    "a success with errors (code, title, type)",
    lambda play, value: {
        **value,
        "errors": [
            problem(
                play.param("code", "internal-error"),
                play.param("title", "Internal error"),
                play.param("type", "unknown"),
            )
        ],
    },
)
_changed(
    "many-problems",
    "5000 problems (count)",
    lambda play, value: {
        **value,
        "errors": [problem(f"invalid-{n}", f"Problem {n}", detail="x" * 100) for n in range(play.param("count", 5000))],
    },
)
_changed(
    "odd-problems",
    "errors of every wrong type",
    lambda play, value: {
        **value,
        "errors": [None, "text", 7, [], {}, {"code": 1, "title": ["x"], "source": "y", "detail": {"a": 1}, "type": 2}],
        "warnings": "none",
    },
)
_changed("errors-text", '"errors" that are a string', lambda play, value: {**value, "errors": "Something went wrong"})
_changed(
    "odd-types",
    "counts, sizes and times of wrong types",
    _attributes(
        lambda play, attributes: attributes.update(
            rowCount="many", fileSizeBytes=-1, md5CheckSum=5, createdAt=0, expiresAt="tomorrow", message={"text": 1}
        )
    ),
)
_TOKEN = frozenset({"token"})
for _key, _wrong in (("access_token", None), ("access_token", ""), ("access_token", 5), ("expires_in", None)):
    _changed(
        f"token-{_key.replace('_', '-')}-{json.dumps(_wrong) if _wrong != '' else 'empty'}",
        f"{_key}: {json.dumps(_wrong)}",
        lambda play, value, key=_key, wrong=_wrong: {**value, key: wrong},  # type: ignore[misc]
        _TOKEN,
    )
_changed("token-missing", "no access_token", lambda play, value: {"token_type": "Bearer", "expires_in": 900}, _TOKEN)
for _name, _wrong in (("text", "900"), ("negative", -1), ("zero", 0), ("huge", 10**30), ("word", "soon")):
    _changed(
        f"token-expires-in-{_name}",
        f"expires_in: {json.dumps(_wrong)}",
        lambda play, value, wrong=_wrong: {**value, "expires_in": wrong},  # type: ignore[misc]
        _TOKEN,
    )


async def _refuse_token(play: Play, code: str) -> Reply:
    play.tokens.revoke(code, play.call.headers["authorization"].partition(" ")[2])
    return status_reply(_with_code(play, code), 401)


@fault("token-expired", "the token of this call has just expired", REPORT_CALLS)
async def token_expired(play: Play) -> Reply:
    return await _refuse_token(play, "authorization-token-expired")


@fault("token-revoked", "the token of this call has just been revoked", REPORT_CALLS)
async def token_revoked(play: Play) -> Reply:
    return await _refuse_token(play, "authorization-token-invalid")


def _redirect(name: str, description: str, url: str) -> None:
    @fault(f"redirect-{name}", f"HTTP 302 {description} (url, status)")
    async def play(play: Play) -> Reply:
        host = play.call.headers.get("host", "localhost")
        target = play.param("url", url.format(path=play.call.path, host=host, port=host.rpartition(":")[2]))
        return Reply(int(play.param("status", 302)), b"", {"location": target})


_redirect("same-host", "to the same path at the same host", "{path}")
_redirect("other-host", "to another name of this machine", "http://localhost:{port}{path}")
_redirect("plain-http", "to plain http at a foreign host", "http://example.com{path}")
_redirect("https", "to https at a foreign host", "https://example.com{path}")
_redirect("file", "to a local file", "file:///etc/hostname")
