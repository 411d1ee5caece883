"""The right end of every fault: what each call makes of it when it comes once, and when it never stops.

Derived from what each answer of Criteo's means to a create, a wait and a download:

- a definitive answer ends the task at once and without a retry, even if it comes once; but a wait that has had a
  good answer believes it only when it is given twice, and not that a job is unknown in its first minute;
- a passing fault ends no wait: it is survived, or the wait's own timeout comes;
- a create whose request may have arrived is never sent again: the error says that a job may exist;
- every other create, and every download, is tried again a few times, and then raises an error that Airflow retries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

FILE = "file"
TIMEOUT = "AirflowSensorTimeout"
TRANSIENT = "TransientError"
LIMITED = "RateLimitError"
NOT_READY = "ReportNotReadyError"

RETRIED = frozenset({TRANSIENT, LIMITED, NOT_READY})
"""The ends that Airflow tries again; all others but the file are final."""

IN_A_WAIT = "in a wait"


@dataclass(frozen=True)
class Ends:
    """How a call ends.

    :param once: when the fault comes once; the name of the task's exception, or ``FILE``.
    :param forever: when it does not stop.
    :param one_request: whether the request may have arrived, so that it must not be sent again.
    :param params: of the fault.
    :param times: how often it comes when it comes once.
    :param report_type: where only its answers let anyone see the fault.
    """

    once: str
    forever: str
    one_request: bool = False
    params: tuple[tuple[str, Any], ...] = ()
    times: int = 1
    report_type: str = "mpo-realtime"

    def but(self, **params: Any) -> Ends:
        """The same with parameters of the fault."""
        return replace(self, params=tuple(params.items()))


def _always(end: str) -> Ends:
    return Ends(end, end)


HARMLESS = _always(FILE)
PASSES = Ends(FILE, TRANSIENT)
LOST = Ends(TRANSIENT, TRANSIENT, one_request=True)
QUOTA = Ends(FILE, LIMITED)
INVALID = _always("ValidationError")
UNAUTHORIZED = _always("AuthenticationError")
FORBIDDEN = _always("PermissionDeniedError")
NO_JOB = _always("ReportJobNotFoundError")
NOT_YET = Ends(FILE, "ReportJobNotFoundError")
RENEWED = Ends(FILE, "AuthenticationError")
FORWARDED = Ends(FILE, "VersionRetiredError")

NEVER = None
"""The fault cannot happen to that call."""

_Row = tuple["Ends | None", "Ends | None", "Ends | None", "Ends | None"]

CALLS = ("token", "create", "status", "download")

# fault: token, create, status, download
TABLE: dict[str, _Row] = {
    "http-400": (UNAUTHORIZED, INVALID, INVALID, INVALID),
    "echo": (UNAUTHORIZED, INVALID, INVALID, INVALID),
    "http-401": (UNAUTHORIZED, RENEWED, RENEWED, RENEWED),
    "http-403": (UNAUTHORIZED, FORBIDDEN, FORBIDDEN, FORBIDDEN),
    "http-404": (PASSES, FORWARDED, FORWARDED, FORWARDED),
    "http-410": (PASSES, FORWARDED, FORWARDED, FORWARDED),
    "http-401-again": (NEVER, *(replace(UNAUTHORIZED, times=2),) * 3),
    "http-408": (PASSES, LOST, PASSES, PASSES),
    # The sandbox's token endpoint gives these with RFC 6749's code server_error, which is a passing one.
    **{f"http-{status}": (PASSES, INVALID, INVALID, INVALID) for status in (402, 405, 406, 409, 413, 415, 418, 422)},
    **{f"http-{status}": (PASSES, LOST, PASSES, PASSES) for status in (500, 501, 502, 504, 520)},
    # A service that is not available has not taken the request.
    **dict.fromkeys(("http-503", "http-503-retry-after"), (PASSES, PASSES, PASSES, PASSES)),
    # The type of a problem wins over the status.
    **dict.fromkeys(("quota-400", "quota-403"), (NEVER, QUOTA, QUOTA, QUOTA)),
    **dict.fromkeys(("availability-400", "availability-403"), (NEVER, LOST, PASSES, PASSES)),
    "authentication-400": (NEVER, RENEWED, RENEWED, RENEWED),
    **dict.fromkeys(("asp-net-400", "message-400", "text-400"), (UNAUTHORIZED, INVALID, INVALID, INVALID)),
    "message-403": (UNAUTHORIZED, FORBIDDEN, FORBIDDEN, FORBIDDEN),
    # Where the reset is told, a quota that stays used up is told to reset later than a task waits in its worker.
    **{
        f"http-429-{told}": (QUOTA,) * 4
        for told in ("limit-and-reset", "reset-only", "retry-after", "retry-after-date")
    },
    **{f"http-429-{clock}": (QUOTA,) * 4 for clock in ("date-ahead", "date-behind")},
    **{f"http-429-{untold}": (QUOTA,) * 4 for untold in ("bare", "reset-past", "reset-relative", "garbage")},
    "html-200": (PASSES, LOST, PASSES, PASSES),
    "html-403": (PASSES, LOST, PASSES, PASSES),
    "html-404": (PASSES, FORWARDED, PASSES, PASSES),
    "html-429": (QUOTA, QUOTA, QUOTA, QUOTA),
    "html-502": (PASSES, LOST, PASSES, PASSES),
    "html-503": (PASSES, PASSES, PASSES, PASSES),
    **{f"{body}": (PASSES, LOST, PASSES, PASSES) for body in ("xml-200", "empty-200", "no-content")},
    **dict.fromkeys(
        ("not-utf8", "json-list", "json-string", "json-number", "json-null", "json-object", "json-deep"),
        (PASSES, LOST, PASSES, NEVER),
    ),
    "json-cut": (PASSES, LOST, PASSES, NEVER),
    "problem-200": (NEVER, NEVER, NEVER, INVALID),
    "not-ready": (NEVER, NEVER, NEVER, _always(NOT_READY)),
    "lost-job": (NEVER, NEVER, NOT_YET, NO_JOB),
    **dict.fromkeys(
        ("data-null", "data-missing", "data-list", "attributes-missing", "attributes-null"),
        (NEVER, LOST, PASSES, NEVER),
    ),
    # A status that says nothing, or something unheard of, is a job to be waited for.
    **{
        f"status-{word}": (NEVER, HARMLESS, PASSES, NEVER)
        for word in ("missing", "null", "empty", "unknown-word", "number", "list")
    },
    **{f"id-{lack}": (NEVER, LOST, HARMLESS, NEVER) for lack in ("missing", "null", "empty")},
    "id-number": (NEVER, NO_JOB, HARMLESS, NEVER),
    # A success with errors is none; what kind it is says whether it passes.
    "errors-on-200": (NEVER, LOST, PASSES, NEVER),
    **dict.fromkeys(("odd-problems", "errors-text"), (NEVER, INVALID, INVALID, NEVER)),
    "many-problems": (NEVER, INVALID.but(count=500), INVALID.but(count=500), NEVER),
    "odd-types": (NEVER, HARMLESS, HARMLESS, NEVER),
    **{
        f"token-{wrong}": (PASSES, NEVER, NEVER, NEVER)
        for wrong in ("access-token-null", "access-token-empty", "access-token-5", "missing")
    },
    **{
        f"token-expires-in-{odd}": (HARMLESS, NEVER, NEVER, NEVER)
        for odd in ("null", "text", "negative", "zero", "huge", "word")
    },
    "token-expired": (NEVER, RENEWED, RENEWED, RENEWED),
    "token-revoked": (NEVER, RENEWED, RENEWED, RENEWED),
    # No redirect of a POST is followed; no other host gets the token, so that its refusal says nothing.
    **{
        f"redirect-{where}": (PASSES, LOST, PASSES, PASSES)
        for where in ("same-host", "other-host", "plain-http", "https", "file")
    },
    **{
        f"{lost}-{moment}": (PASSES, LOST, PASSES, PASSES)
        for lost in ("reset", "close")
        for moment in ("before", "after")
    },
    **{
        f"delay-{moment}": tuple(ends.but(seconds=9) for ends in (PASSES, LOST, PASSES, PASSES))
        for moment in ("before", "after")
    },
    "drip": (HARMLESS.but(at=100),) * 4,
    **dict.fromkeys(("cut", "cut-chunked", "reset-at", "stall", "length-too-large"), (NEVER, NEVER, NEVER, PASSES)),
    # Nothing but the size that the status told gives these away.
    **dict.fromkeys(("rows-missing", "proxy-text"), (NEVER, NEVER, NEVER, PASSES)),
    "encoding-utf-8": (NEVER, NEVER, NEVER, HARMLESS),
    "cut-unannounced": (NEVER, NEVER, NEVER, replace(PASSES, report_type="rm-performance")),
    "length-too-small": (NEVER, NEVER, NEVER, replace(PASSES, report_type="rm-performance")),
    "gzip": (NEVER, NEVER, NEVER, HARMLESS),
    "gzip-cut": (NEVER, NEVER, NEVER, PASSES),
    "gzip-lie": (NEVER, NEVER, NEVER, PASSES),
    "chunk-garbage": (NEVER, NEVER, NEVER, PASSES),
}

_TOLD_LATER = (
    "limit-and-reset",
    "reset-only",
    "retry-after",
    "retry-after-date",
    "date-ahead",
    "date-behind",
)


_TAKES_TWO = frozenset({"ValidationError", "AuthenticationError", "PermissionDeniedError"})
"""The refusals that a wait with a good answer believes when they are given twice."""


def right_end(fault: str, call: str, mode: str, forever: bool) -> str:
    """How a task that meets the fault ends: the name of its exception, or ``FILE``."""
    ends = TABLE[fault][CALLS.index(call)]
    assert ends is not None
    waiting = call == "status" or (call == "token" and not mode.startswith("all-in-one"))
    end = ends.forever if forever else ends.once
    if waiting and not forever and end in _TAKES_TWO and mode not in ("poke", "reschedule"):
        return FILE
    if waiting and end in RETRIED:
        return TIMEOUT
    return end


def params(fault: str, call: str, forever: bool) -> dict[str, Any]:
    """The fault's parameters."""
    ends = TABLE[fault][CALLS.index(call)]
    assert ends is not None
    if forever and fault.removeprefix("http-429-").removeprefix("http-503-") in _TOLD_LATER:
        return {"seconds": 80}
    return dict(ends.params)
