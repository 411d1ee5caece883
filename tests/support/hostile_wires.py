"""Faults beyond those that a DAG author plays with: odd ways to say a thing, wrong types, garbled bytes, odd clocks.

To import it puts them into ``FAULTS``, beside those that the package has for everybody.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any

from airflow_provider_criteo.sandbox.fault_answers import (
    answer,
    fixed,
    quota_fault,
    status_fault,
    status_reply,
    used_up,
    whole,
    with_code,
)
from airflow_provider_criteo.sandbox.fault_connections import break_at, broken_download, write_body
from airflow_provider_criteo.sandbox.faults import (
    ALL_CALLS,
    DOWNLOAD,
    FAULTS,
    JSON_CALLS,
    REPORT_CALLS,
    Play,
    fault,
)
from airflow_provider_criteo.sandbox.replies import Reply, envelope, problem
from airflow_provider_criteo.sandbox.wire import gzipped, pieces

PACKAGED = tuple(FAULTS)
"""The faults of the package itself."""

TOKEN = frozenset({"token"})
JOB_CALLS = frozenset({"create", "status"})
JSON = "application/json"

Change = Callable[[Play, dict[str, Any]], Any]


def changed(name: str, description: str, change: Change, calls: Iterable[str] = JOB_CALLS) -> None:
    """Register a fault that changes the JSON of the right answer, in place or into another; the call takes effect."""

    def make(play: Play) -> Reply:
        try:
            value = json.loads(play.reply.body)
        except ValueError:
            return play.reply
        other = change(play, value)
        return Reply.json(play.reply.status, value if other is None else other)

    answer(name, description, calls, make, acts=True)


def in_attributes(change: Callable[[Play, dict[str, Any]], None]) -> Change:
    """Changes what stands in ``data.attributes``."""

    def on_attributes(play: Play, value: dict[str, Any]) -> None:
        data = value.get("data")
        if isinstance(data, dict) and isinstance(data.get("attributes"), dict):
            change(play, data["attributes"])

    return on_attributes


for _status in (402, 406, 418, 501, 520):
    status_fault(_status)


# Said in another way than Criteo's usual one

WORDS = "lookbackWindow could not be converted"
"""What the bodies of these faults say; whoever meets one has to be told."""

_ASP_NET = {
    "title": "One or more validation errors occurred.",
    "status": 400,
    "errors": {"$.data.attributes.lookbackWindow": [WORDS]},
}


def _problem_of_type(type_: str, status: int) -> None:
    answer(
        f"{type_}-{status}",
        f"HTTP {status} whose problem is of the type {type_}",
        REPORT_CALLS,
        lambda play: Reply.json(status, envelope(None, [problem("odd", type_, detail=WORDS)])),
    )


for _status in (400, 403):
    for _type in ("quota", "availability"):
        _problem_of_type(_type, _status)
    answer(
        f"message-{_status}",
        f"HTTP {_status} with a mere message",
        ALL_CALLS,
        fixed(_status, json.dumps({"message": WORDS}).encode(), JSON),
    )
_problem_of_type("authentication", 400)
answer("asp-net-400", "HTTP 400 as ASP.NET words it", ALL_CALLS, fixed(400, json.dumps(_ASP_NET).encode(), JSON))
answer("text-400", "HTTP 400 with plain text", ALL_CALLS, fixed(400, WORDS.encode(), "text/plain"))
answer("http-401-again", "HTTP 401, with the next token as well", REPORT_CALLS, lambda play: status_reply(play, 401))
answer(
    "http-503-retry-after",
    "HTTP 503 with Retry-After (seconds)",
    ALL_CALLS,
    lambda play: status_reply(play, 503, {"retry-after": whole(float(play.param("seconds", 2.0)))}),
)


def _echo(play: Play) -> Reply:
    sent = f"{play.call.headers.get('authorization', '')} {play.call.body.decode(errors='replace')}"
    play.params["title" if play.call.kind == "token" else "detail"] = sent
    return status_reply(play, int(play.param("status", 400)))


answer(
    "echo",
    "a problem that repeats the request's credentials: its header Authorization, its body (status)",
    ALL_CALLS,
    _echo,
)
answer(
    "not-ready",
    "HTTP 400 report-not-ready",
    DOWNLOAD,
    lambda play: status_reply(with_code(play, "report-not-ready"), 400),
)
answer(
    "lost-job",
    "HTTP 403 export-not-found",
    ("status", "download"),
    lambda play: status_reply(with_code(play, "export-not-found"), 403),
)


# Quotas that are told wrongly, or in another way

quota_fault(
    "retry-after-date",
    "with Retry-After as an HTTP date",
    lambda play, seconds: {"retry-after": formatdate(time.time() + seconds + 1, usegmt=True)},
)
quota_fault(
    "reset-past",
    "with a reset an hour ago",
    lambda play, seconds: {**used_up(play), "x-ratelimit-reset": whole(time.time() - 3600)},
)
quota_fault(
    "reset-relative",
    "with a reset in seconds from now",
    lambda play, seconds: {**used_up(play), "x-ratelimit-reset": whole(seconds)},
)
quota_fault(
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

    @fault(f"http-429-{name}", f"HTTP 429 {description} (seconds, limit)")
    async def play(play: Play) -> None:
        there = time.time() + hours * 3600
        reset = whole(there + float(play.param("seconds", 2.0)))
        reply = status_reply(
            play, 429, {**used_up(play), "x-ratelimit-reset": reset, "date": formatdate(there, usegmt=True)}
        )
        await play.wire.head(reply, content_length=str(reply.length), connection="close")
        await play.wire.write(reply.body)
        await play.wire.close()


_skewed("date-ahead", 1)
_skewed("date-behind", -1)


# Bodies that are something else

answer(
    "xml-200",
    "XML with HTTP 200",
    ALL_CALLS,
    fixed(200, b'<?xml version="1.0"?><Response><data/></Response>', "application/xml"),
)
answer("not-utf8", "HTTP 200 with bytes that are no text", JSON_CALLS, fixed(200, b"\xff\xfe\x00{", JSON))
for _name, _body in (("list", b"[]"), ("string", b'"pending"'), ("number", b"1"), ("null", b"null"), ("object", b"{}")):
    answer(f"json-{_name}", f"JSON that is {_body.decode()}", JSON_CALLS, fixed(200, _body, JSON))
answer(
    "json-deep",
    "JSON of 100,000 nested lists",
    JSON_CALLS,
    fixed(200, b"[" * 100_000 + b"]" * 100_000, JSON),
)


# Fields that lack or are of the wrong type


def _status_is(value: Any) -> Change:
    return in_attributes(lambda play, attributes: attributes.update(status=value))


def _ids(change: Callable[[dict[str, Any], str], Any]) -> Change:
    """Changes every id, wherever one stands."""

    def on_ids(play: Play, value: dict[str, Any]) -> None:
        data = value.get("data") or {}
        for place in (value, data, data.get("attributes") or {}):
            for name in {"id", "exportId", "reportId"} & set(place):
                change(place, name)

    return on_ids


def _ids_are(new: Any) -> Change:
    return _ids(lambda place, name: place.update({name: new}))


def _errors_on_200(play: Play, value: dict[str, Any]) -> None:
    code, type_ = play.param("code", "internal-error"), play.param("type", "unknown")
    value["errors"] = [problem(code, type_, title=play.param("title", None))]


changed(
    "status-unknown-word",
    "a status word that nobody documented (word)",
    in_attributes(lambda play, attributes: attributes.update(status=play.param("word", "Reticulating"))),
)
changed("errors-on-200", "a success with errors (code, title, type)", _errors_on_200)
changed("data-null", '"data": null', lambda play, value: {**value, "data": None})
changed("data-missing", "no data", lambda play, value: {key: item for key, item in value.items() if key != "data"})
changed("data-list", '"data": []', lambda play, value: {**value, "data": []})
changed(
    "attributes-missing", "data without attributes", lambda play, value: {**value, "data": {"type": "StatusResponse"}}
)
changed(
    "attributes-null",
    "null attributes",
    lambda play, value: {**value, "data": {**(value.get("data") or {}), "attributes": None}},
)
changed("status-missing", "no status", in_attributes(lambda play, attributes: attributes.pop("status", None)))
changed("status-null", "a null status", _status_is(None))
changed("status-empty", "an empty status", _status_is(""))
changed("status-number", "a status that is a number", _status_is(3))
changed("status-list", "a status that is a list", _status_is(["Done"]))
changed("id-missing", "no id anywhere", _ids(lambda place, name: place.pop(name)))
changed("id-null", "a null id", _ids_are(None))
changed("id-empty", "an empty id", _ids_are(""))
changed("id-number", "an id that is a number", _ids_are(12345))
changed(
    "many-problems",
    "5000 problems (count)",
    lambda play, value: {
        **value,
        "errors": [problem(f"invalid-{n}", detail="x" * 100) for n in range(play.param("count", 5000))],
    },
)
changed(
    "odd-problems",
    "errors of every wrong type",
    lambda play, value: {
        **value,
        "errors": [None, "text", 7, [], {}, {"code": 1, "title": ["x"], "source": "y", "detail": {"a": 1}, "type": 2}],
        "warnings": "none",
    },
)
changed("errors-text", '"errors" that are a string', lambda play, value: {**value, "errors": "Something went wrong"})
changed(
    "odd-types",
    "counts, sizes and times of wrong types",
    in_attributes(
        lambda play, attributes: attributes.update(
            rowCount="many", fileSizeBytes=-1, md5CheckSum=5, createdAt=0, expiresAt="tomorrow", message={"text": 1}
        )
    ),
)


def _odd_token(name: str, key: str, wrong: Any) -> None:
    changed(f"token-{name}", f"{key}: {json.dumps(wrong)}", lambda play, value: {**value, key: wrong}, TOKEN)


_odd_token("access-token-null", "access_token", None)
_odd_token("access-token-empty", "access_token", "")
_odd_token("access-token-5", "access_token", 5)
_odd_token("expires-in-null", "expires_in", None)
_odd_token("expires-in-text", "expires_in", "900")
_odd_token("expires-in-negative", "expires_in", -1)
_odd_token("expires-in-zero", "expires_in", 0)
_odd_token("expires-in-huge", "expires_in", 10**30)
_odd_token("expires-in-word", "expires_in", "soon")
changed("token-missing", "no access_token", lambda play, value: {"token_type": "Bearer", "expires_in": 900}, TOKEN)


# Files that are not the report


@broken_download("rows-missing", "the file ends after its first lines, well framed")
async def rows_missing(play: Play) -> Reply:
    lines = b"".join(pieces(play.reply)).splitlines(keepends=True)
    return Reply(200, b"".join(lines[:2]), dict(play.reply.headers))


answer(
    "proxy-text",
    "a line of text with HTTP 200 instead of the file",
    DOWNLOAD,
    fixed(200, b"Your session has timed out, please sign in.", "text/plain"),
)


@broken_download("encoding-utf-8", "the file says that it is encoded as UTF-8, which is no compression")
async def encoding_utf_8(play: Play) -> Reply:
    play.reply.headers["content-encoding"] = "UTF-8"
    return play.reply


# Redirects


def _redirect(name: str, description: str, url: str) -> None:
    def make(play: Play) -> Reply:
        host = play.call.headers.get("host", "localhost")
        target = play.param("url", url.format(path=play.call.path, port=host.rpartition(":")[2]))
        return Reply(int(play.param("status", 302)), b"", {"location": target})

    answer(f"redirect-{name}", f"HTTP 302 {description} (url, status)", ALL_CALLS, make)


_redirect("same-host", "to the same path at the same host", "{path}")
_redirect("other-host", "to another name of this machine", "http://localhost:{port}{path}")
_redirect("plain-http", "to plain http at a foreign host", "http://example.com{path}")
_redirect("https", "to https at a foreign host", "https://example.com{path}")
_redirect("file", "to a local file", "file:///etc/hostname")


# Bytes that are no HTTP


@broken_download("gzip-lie", "the file says that it is gzip-encoded, and is not")
async def gzip_lie(play: Play) -> Reply:
    play.reply.headers["content-encoding"] = "gzip"
    return play.reply


@broken_download("chunk-garbage", "chunk sizes that are no numbers")
async def chunk_garbage(play: Play) -> None:
    await play.wire.head(play.reply, transfer_encoding="chunked")
    await play.wire.write(b"zz\r\nabc\r\n")
    await play.wire.close()


# Files that break in other ways than a connection's end or reset


@fault("drip", "the answer comes byte by byte (seconds between two, at: bytes at once)", acts=True)
async def drip(play: Play) -> None:
    size = int(play.param("at", 1))
    await play.wire.head(play.reply, content_length=str(play.reply.length), connection="close")
    chunks = (chunk[n : n + size] for chunk in pieces(play.reply) for n in range(0, len(chunk), size))
    for chunk in chunks:
        if not await play.wire.write(chunk):
            break
        await asyncio.sleep(float(play.param("seconds", 0.05)))
    await play.wire.close()


@broken_download("cut-chunked", "a chunked file ends early (at), without the last chunk")
async def cut_chunked(play: Play) -> None:
    await play.wire.head(play.reply, transfer_encoding="chunked")
    for chunk in pieces(play.reply, break_at(play)):
        if chunk:
            await play.wire.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    await play.wire.close()


@broken_download("cut-unannounced", "a file without Content-Length ends early (at): no client can see it")
async def cut_unannounced(play: Play) -> None:
    await play.wire.head(play.reply, connection="close")
    await write_body(play, break_at(play))
    await play.wire.close()


@broken_download("length-too-large", "Content-Length is more than comes (count)")
async def length_too_large(play: Play) -> None:
    await play.wire.head(play.reply, content_length=str(play.reply.length + int(play.param("count", 100))))
    await write_body(play)
    await play.wire.close()


@broken_download("length-too-small", "Content-Length is less than comes (count)")
async def length_too_small(play: Play) -> None:
    wrong = max(0, play.reply.length - int(play.param("count", 100)))
    await play.wire.head(play.reply, content_length=str(wrong), connection="close")
    await write_body(play)
    await play.wire.close()


@broken_download("gzip-cut", "the file is gzip-encoded and ends early, well chunked")
async def gzip_cut(play: Play) -> None:
    data = b"".join(gzipped(pieces(play.reply)))
    part = data[: len(data) // 2]
    await play.wire.head(play.reply, content_encoding="gzip", transfer_encoding="chunked")
    await play.wire.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(part), part))
    await play.wire.close()
