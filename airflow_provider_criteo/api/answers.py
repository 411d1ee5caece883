"""A reply of Criteo's, read: its JSON, the problems in it, its quota, the status that it means. No socket, no clock.

What it means as an error is in ``error_codes``, the job in it in ``job_answers``.
"""

from __future__ import annotations

import html
import json as jsonlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow_provider_criteo.api.models import (
    Problem,
    RateLimit,
    bounded,
    is_cut,
    one_line,
    problems_from_json,
    shortened,
)
from airflow_provider_criteo.api.quota import rate_limit_of

_LONGEST_EXCERPT = 2_000
_LONGEST_BODY_READ = 64 * 1024
_STATUS_OF_TYPE = {"quota": 429, "availability": 503, "authentication": 401}
"""A problem's type wins over the HTTP status where the two differ."""
_STATUS_OF_TYPE_ON_SUCCESS = {**_STATUS_OF_TYPE, "access-control": 403, "authorization": 403, "unknown": 500}

Redact = Callable[[str], str]


def redacted(value: Any, redact: Redact) -> Any:
    """A JSON value with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(key): redacted(item, redact) for key, item in value.items()}
    if isinstance(value, list):
        return [redacted(item, redact) for item in value]
    return value


@dataclass(frozen=True)
class Answer:
    """A reply, read whole.

    :param status_code: the HTTP status.
    :param headers: by case-insensitive name.
    :param body: bytes, decompressed.
    :param redact: takes secrets out of text, in case the server echoes one.
    :param request: what was asked, as messages name it: method, path and, where there is one, the report id.
    """

    status_code: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    redact: Redact = field(default=str, repr=False)
    request: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the HTTP status says success."""
        return 200 <= self.status_code < 300

    @cached_property
    def json(self) -> Any:
        """The body as JSON, as it came; None where it is none."""
        try:
            return jsonlib.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def is_markup(self) -> bool:
        """Whether this is a page, and so a gateway's answer and not the API's."""
        return self.body.lstrip()[:1] == b"<"

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """The reply's ``errors``, without secrets; of a status that is an error, whatever the body says."""
        if not self.is_success:
            return self.problems_of_error
        return self._listed("errors")

    @cached_property
    def problems_of_error(self) -> tuple[Problem, ...]:
        """What the body says if it is that of an error: known shapes read, else an excerpt."""
        reply = redacted(self.json, self.redact)
        said = bounded(_problems_in(reply))
        told = " ".join(map(str, said))
        if is_cut(said) or (said and all(part in told for part in _texts(reply))):
            return said
        return bounded((*said, *self._excerpt()))

    def _excerpt(self) -> Iterator[Problem]:
        """The words of a body whose shape is not known."""
        # Cut after it is redacted: a part of a secret is not recognized.
        text = one_line(_words(self.redact(self.body.decode(errors="replace"))[:_LONGEST_BODY_READ]))
        if text:
            yield Problem(detail=shortened(text, _LONGEST_EXCERPT))

    @cached_property
    def warnings(self) -> tuple[Problem, ...]:
        """The reply's ``warnings``, without secrets."""
        return self._listed("warnings")

    def _listed(self, name: str) -> tuple[Problem, ...]:
        found = self.json.get(name) if isinstance(self.json, dict) else None
        return problems_from_json(redacted(found, self.redact)) if found else ()

    @cached_property
    def rate_limit(self) -> RateLimit:
        """What the headers tell of the quota."""
        return rate_limit_of(self.headers)

    @property
    def meant_status(self) -> int:
        """The status that the reply means: a problem's type wins over that of HTTP."""
        meant = _STATUS_OF_TYPE_ON_SUCCESS if self.is_success else _STATUS_OF_TYPE
        return next((meant[problem.type] for problem in self.problems if problem.type in meant), self.status_code)


def _problems_in(reply: object) -> Iterator[object]:
    """The problems in the JSON of an error: Criteo's envelope, RFC 9457, ASP.NET, RFC 6749, or a mere message.

    Those of a list as they stand there: reading each takes long where they are many.
    """
    if isinstance(reply, list):
        yield from reply
    if not isinstance(reply, Mapping):
        return
    nested = [reply[name] for name in ("error", "fault") if isinstance(reply.get(name), Mapping)]
    own = Problem.from_json(
        {
            **reply,
            "code": reply.get("code") or _text_of(reply, "error", "errorCode"),
            "detail": reply.get("detail") or _text_of(reply, "message", "Message", "error_description", "faultstring"),
            "instance": reply.get("instance") or _text_of(reply, "error_uri"),
        }
    )
    if own.code or own.title or own.detail:
        yield own
    for inner in nested:
        yield from _problems_in(inner)
    errors = reply.get("errors")
    if isinstance(errors, Mapping):
        # ASP.NET's: field to messages.
        for name, messages in errors.items():
            for message in messages if isinstance(messages, list) else [messages]:
                yield {"detail": f"{name}: {message}"}
    elif errors:
        yield from errors if isinstance(errors, list) else [errors]


def _text_of(reply: Mapping[str, Any], *names: str) -> str | None:
    return next((reply[name] for name in names if isinstance(reply.get(name), str)), None)


def _texts(value: object) -> Iterator[str]:
    """The beginnings of the texts in a JSON value, to see whether they have been told."""
    if isinstance(value, str) and value.strip():
        yield one_line(value)[:100]
    elif isinstance(value, list):
        for item in value[:100]:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for key, item in list(value.items())[:100]:
            if key not in ("stackTrace", "traceIdentifier"):
                yield from _texts(item)


def _words(text: str) -> str:
    """The text of a body, and of a page what people read of it."""
    if text.lstrip()[:1] != "<":
        return text
    visible = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", " ", text)
    return html.unescape(visible)
