"""The faults that are answers: statuses, quota headers, pages, cut JSON, tokens that have just ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from airflow_provider_criteo.sandbox.faults import ALL_CALLS, DOWNLOAD, JSON_CALLS, REPORT_CALLS, Play, fault
from airflow_provider_criteo.sandbox.oauth import oauth_error
from airflow_provider_criteo.sandbox.replies import STATUS_PROBLEMS, Reply, envelope, problem

_HTML = b"<!DOCTYPE html><html><head><title>%d</title></head><body><h1>Gateway</h1></body></html>"
_OAUTH_CODES = {
    400: "invalid_request",
    401: "invalid_client",
    403: "access_denied",
    429: "slow_down",
    503: "temporarily_unavailable",
}


def status_reply(play: Play, status: int, headers: dict[str, str] | None = None) -> Reply:
    """An error answer: RFC 6749's for the token call, Criteo's envelope for the others."""
    type_, code = STATUS_PROBLEMS.get(status, ("unknown", "unknown-error"))
    told = problem(
        play.param("code", code),
        play.param("type", type_),
        title=play.param("title", None),
        detail=play.param("detail", None),
    )
    headers = {**(headers or {}), **play.param("headers", {})}
    if play.call.kind == "token":
        error = play.param("code", _OAUTH_CODES.get(status, "server_error"))
        return oauth_error(status, error, str(told["title"]), **headers)
    return Reply.json(status, envelope(None, play.param("problems", [told])), headers)


def answer(
    name: str, description: str, calls: Iterable[str], make: Callable[[Play], Reply], *, acts: bool = False
) -> None:
    """Register a fault that is an answer."""

    @fault(name, description, calls, acts=acts)
    async def play(play: Play) -> Reply:
        return make(play)


def fixed(status: int, body: bytes, content_type: str) -> Callable[[Play], Reply]:
    """Makes always the same answer."""
    return lambda play: Reply(status, body, {"content-type": content_type})


def status_fault(status: int) -> None:
    """Register the fault ``http-{status}``."""
    description = f"HTTP {status} with a problem (code, title, detail, type, problems, headers)"
    answer(f"http-{status}", description, ALL_CALLS, lambda play: status_reply(play, status))


def quota_fault(name: str, description: str, headers: Callable[[Play, float], dict[str, str]]) -> None:
    """Register the fault ``http-429-{name}``; the headers from the seconds until calls are served again."""
    answer(
        f"http-429-{name}",
        f"HTTP 429 {description} (seconds, limit)",
        ALL_CALLS,
        lambda play: status_reply(play, 429, headers(play, float(play.param("seconds", 2.0)))),
    )


def whole(seconds: float) -> str:
    """Seconds rounded up, as headers have them."""
    return str(-int(-seconds // 1))


def used_up(play: Play) -> dict[str, str]:
    """The headers of a quota that is used up, but for its reset."""
    return {"x-ratelimit-limit": str(play.param("limit", 40)), "x-ratelimit-remaining": "0"}


def with_code(play: Play, code: str) -> Play:
    """The same with another code, where the test gave none."""
    play.params = {"code": code, **play.params}
    return play


def token_fault(name: str, description: str, code: str) -> None:
    """Register a fault by which the token of a call ends."""

    def refuse(play: Play) -> Reply:
        play.tokens.revoke(code, play.call.headers["authorization"].partition(" ")[2])
        return status_reply(with_code(play, code), 401)

    answer(name, f"the token of this call has just {description}", REPORT_CALLS, refuse)


def _problem_200(play: Play) -> Reply:
    told = problem(play.param("code", "internal-error"), title=play.param("title", None))
    return Reply.json(200, envelope(None, [told]))


for _status in STATUS_PROBLEMS:
    if _status != 429:
        status_fault(_status)
quota_fault("bare", "without any header", lambda play, seconds: {})
quota_fault(
    "limit-and-reset",
    "with limit, remaining and reset, as documented",
    lambda play, seconds: {**used_up(play), "x-ratelimit-reset": whole(time.time() + seconds)},
)
quota_fault(
    "reset-only",
    "with x-ratelimit-reset alone",
    lambda play, seconds: {"x-ratelimit-reset": whole(time.time() + seconds)},
)
quota_fault("retry-after", "with Retry-After in seconds", lambda play, seconds: {"retry-after": whole(seconds)})
for _status in (200, 403, 404, 429, 502, 503):
    _page = fixed(_status, _HTML % _status, "text/html")
    answer(f"html-{_status}", f"a web page with HTTP {_status}", ALL_CALLS, _page)
answer("empty-200", "HTTP 200 without a body", ALL_CALLS, fixed(200, b"", "application/json"))
answer("no-content", "HTTP 204", ALL_CALLS, lambda play: Reply(204))
answer(
    "json-cut",
    "the JSON ends in the middle (the call takes effect)",
    JSON_CALLS,
    lambda play: Reply(play.reply.status, play.reply.body[: len(play.reply.body) // 2], play.reply.headers),
    acts=True,
)
answer("problem-200", "HTTP 200 with a problem as JSON instead of the file (code, title)", DOWNLOAD, _problem_200)
token_fault("token-expired", "expired", "authorization-token-expired")
token_fault("token-revoked", "been revoked", "authorization-token-invalid")
