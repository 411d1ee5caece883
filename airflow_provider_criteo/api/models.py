"""Problems, jobs, rate limits: the values that the client reads out of Criteo's replies.

Sources: ``CommonProblem``, ``ExportStatusModel`` and ``StatusResponse`` of Criteo's OpenAPI specifications.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any

import pendulum
from pendulum import DateTime

_LONGEST_TEXT = 1_000
_LONGEST_NAME = 200
_LONGEST_SOURCE = 600
_MORE = " more problems"
_MOST_BYTES_OF_PROBLEMS = 10 * 1024
"""Of one list, as JSON: a job with its errors and warnings, an exception and an event then stay below 64 KiB."""


def one_line(text: str) -> str:
    """The text on one line that is safe in a log: control and direction characters are shown escaped."""
    return " ".join(text.encode(errors="replace").decode().split()).translate(_SHOWN)


class _Shown(dict[int, str]):
    """How each character is shown, by its code: a table for ``str.translate`` that fills itself."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        # Cc: terminals' escape sequences, NULs; Cf: what turns the direction of text, or is not seen; Zl, Zp: line ends.
        unsafe = unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")
        self[code] = ascii(character)[1:-1] if unsafe else character
        return self[code]


_SHOWN = _Shown()


def shortened(text: str, longest: int = _LONGEST_TEXT) -> str:
    """The text, or its beginning and how much is missing.

    :param longest: bytes that are kept, as UTF-8: an emoji is one character, and twelve bytes of an event's JSON.
    """
    kept = text.encode()[:longest].decode(errors="ignore")
    return text if len(kept) == len(text) else f"{kept}... ({len(text) - len(kept)} characters more)"


def _text(value: object, longest: int = _LONGEST_TEXT) -> str:
    return "" if value is None else shortened(one_line(str(value)), longest)


@dataclass(frozen=True)
class Problem:
    """One problem of a reply's ``errors`` or ``warnings``, as Criteo gave it; absent fields are empty.

    Source: ``CommonProblem`` in Criteo's OpenAPI specifications.
    """

    type: str = ""
    code: str = ""
    title: str = ""
    detail: str = ""
    instance: str = ""
    source: Mapping[str, str] = field(default_factory=dict)
    stack_trace: str = ""
    trace_id: str = ""

    @classmethod
    def from_json(cls, value: object) -> Problem:
        """Read a problem, whatever its shape: what is no object becomes the detail."""
        if not isinstance(value, Mapping):
            return cls(detail=_text(value))
        return cls(
            type=_text(value.get("type"), _LONGEST_NAME),
            code=_text(value.get("code"), _LONGEST_NAME),
            title=_text(value.get("title")),
            detail=_text(value.get("detail") or value.get("message")),
            instance=_text(value.get("instance"), _LONGEST_NAME),
            source=_source(value.get("source")),
            stack_trace=_text(value.get("stackTrace"), _LONGEST_NAME),
            trace_id=_text(value.get("traceId") or value.get("traceIdentifier"), _LONGEST_NAME),
        )

    def to_json(self) -> dict[str, Any]:
        """The problem with Criteo's field names, without those it did not give."""
        fields = {
            "type": self.type,
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "instance": self.instance,
            "source": dict(self.source),
            "stackTrace": self.stack_trace,
            "traceId": self.trace_id,
        }
        return {name: value for name, value in fields.items() if value}

    @property
    def gist(self) -> str:
        """The text without what differs from reply to reply, to know a problem that was told of before."""
        return str(replace(self, instance="", trace_id=""))

    def __str__(self) -> str:
        heading = " ".join(part for part in (f"[{self.type}]" if self.type else "", self.code) if part)
        located = [f"source: {key}={value}" for key, value in self.source.items()]
        if self.instance:
            located.append(f"instance: {self.instance}")
        if self.trace_id:
            located.append(f"traceId: {self.trace_id}")
        line = ": ".join(part for part in (heading, _sentences(self.title, self.detail)) if part)
        return f"{line} ({'; '.join(located)})" if located else line or "(an empty problem)"


def _source(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {"source": _text(value, _LONGEST_SOURCE)} if value else {}
    source: dict[str, str] = {}
    left = _LONGEST_SOURCE
    for key, item in value.items():
        if left <= 0:
            source["..."] = f"{len(value) - len(source)} entries more"
            break
        name = _text(key, _LONGEST_NAME)
        source[name] = _text(item, _LONGEST_NAME)
        left -= len(name) + len(source[name])
    return source


def _sentences(*texts: str) -> str:
    said = [text for text in texts if text]
    ended = (text if text.endswith((".", "!", "?", ":", ";", "...")) else f"{text}." for text in said[:-1])
    return " ".join([*ended, *said[-1:]])


def problems_from_json(value: object) -> tuple[Problem, ...]:
    """The problems in an ``errors`` or ``warnings`` value, which may be null or of a wrong type.

    A list without end is cut, and its last problem then says so.
    """
    if not value:
        return ()
    return bounded(value if isinstance(value, list) else [value])


def bounded(values: Iterable[object]) -> tuple[Problem, ...]:
    """As many problems as a log can take; the last says how many are missing, which are counted and not read.

    :param values: problems, or JSON values to read them from.
    """
    kept: list[Problem] = []
    left = _MOST_BYTES_OF_PROBLEMS
    waiting = iter(values)
    for value in waiting:
        problem = value if isinstance(value, Problem) else Problem.from_json(value)
        if problem == Problem() and value:
            problem = Problem(detail=_text(json.dumps(value, ensure_ascii=False)))  # it has no field that is known
        left -= len(json.dumps(problem.to_json()))
        if kept and left < 0:
            missing = 1 + sum(1 for _ in waiting)
            return (*kept, Problem(title=f"... and {missing}{_MORE}"))
        kept.append(problem)
    return tuple(kept)


def is_cut(problems: Sequence[Problem]) -> bool:
    """Whether ``bounded`` has left some out."""
    return bool(problems) and problems[-1].title.endswith(_MORE)


def problem_lines(problems: Iterable[Problem]) -> str:
    """One indented line per problem, for a message."""
    return "".join(f"\n  {problem}" for problem in problems)


class JobState(str, Enum):
    """What has become of a report job, whatever word its report type has for it."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @classmethod
    def of_word(cls, word: str) -> JobState:
        """The state that Criteo's word means; of a word that is not known, ``UNKNOWN``."""
        return STATUS_WORDS.get(word.strip().lower(), cls.UNKNOWN)


STATUS_WORDS: Mapping[str, JobState] = MappingProxyType(
    {
        "unknown": JobState.UNKNOWN,
        "pending": JobState.PENDING,
        "done": JobState.DONE,
        "success": JobState.DONE,
        "failure": JobState.FAILED,
        "failed": JobState.FAILED,
        "invalidated": JobState.FAILED,
        "expired": JobState.EXPIRED,
    }
)
"""What Criteo's words for a job's status mean, in lower case. No word means two things, so there is one table."""


def is_status_word(word: str) -> bool:
    """Whether this is a status word of Criteo's."""
    return word.strip().lower() in STATUS_WORDS


@dataclass(frozen=True)
class ReportJob:
    """A report export job.

    :param report_id: Criteo's id of the job, whatever the family calls it.
    :param report_type: the catalogue's id of its report type.
    :param status: Criteo's word for its state, as it came.
    :param state: what that word means.
    :param message: Criteo's message, e.g. why it failed.
    :param problems: the ``errors`` that came with it.
    :param warnings: the ``warnings`` that came with it.
    :param row_count: rows in the file, where Criteo tells.
    :param size_bytes: bytes of the file, where Criteo tells.
    :param md5: checksum of the file, where Criteo tells; what it covers is not documented.
    :param created_at: aware, where Criteo tells.
    :param expires_at: when the file goes (aware), where Criteo tells.
    """

    report_id: str
    report_type: str
    status: str
    state: JobState
    message: str = ""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    row_count: int | None = None
    size_bytes: int | None = None
    md5: str | None = None
    created_at: DateTime | None = None
    expires_at: DateTime | None = None

    @property
    def warnings_of_job(self) -> tuple[Problem, ...]:
        """The warnings but those of a deprecation, which is not this job's alone: the client tells of it once."""
        return tuple(warning for warning in self.warnings if warning.type != "deprecation")

    def to_json(self) -> dict[str, Any]:
        """The job as plain JSON values, e.g. for a trigger's event."""
        return {
            "report_id": self.report_id,
            "report_type": self.report_type,
            "status": self.status,
            "state": self.state.value,
            "message": self.message,
            "problems": [problem.to_json() for problem in self.problems],
            "warnings": [problem.to_json() for problem in self.warnings],
            "row_count": self.row_count,
            "size_bytes": self.size_bytes,
            "md5": self.md5,
            "created_at": self.created_at and self.created_at.isoformat(),
            "expires_at": self.expires_at and self.expires_at.isoformat(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ReportJob:
        """The job that ``to_json`` made."""
        return cls(
            report_id=value["report_id"],
            report_type=value["report_type"],
            status=value["status"],
            state=JobState(value["state"]),
            message=value.get("message", ""),
            problems=tuple(map(Problem.from_json, value.get("problems", ()))),
            warnings=tuple(map(Problem.from_json, value.get("warnings", ()))),
            row_count=value.get("row_count"),
            size_bytes=value.get("size_bytes"),
            md5=value.get("md5"),
            created_at=moment(value.get("created_at")),
            expires_at=moment(value.get("expires_at")),
        )

    def with_status(self, state: JobState, status: str) -> ReportJob:
        """The same job in another state."""
        return replace(self, state=state, status=status)


@dataclass(frozen=True)
class DownloadedReport:
    """A report's file, whole.

    :param url: where it is.
    :param report_id: of its job.
    :param size_bytes: of the file.
    :param sha256: of the file, hexadecimal.
    :param row_count: as Criteo told, else None.
    :param content_type: as Criteo labelled it, which is not always what it is.
    :param expires_at: when Criteo deletes its own copy (aware), if it told.
    """

    url: str
    report_id: str
    size_bytes: int
    sha256: str
    row_count: int | None
    content_type: str
    expires_at: DateTime | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """Of all files that were written."""
        return (self.url,)

    def to_json(self) -> dict[str, Any]:
        """The value of the XCom ``report_file``."""
        return {
            "url": self.url,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "row_count": self.row_count,
            "content_type": self.content_type,
            "report_id": self.report_id,
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
        }


def human(size: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def moment(value: object) -> DateTime | None:
    """A moment in ISO text, aware; None for what is none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        parsed = pendulum.parse(value)
    except Exception:  # noqa: BLE001 - pendulum trips over odd texts in many ways
        return None
    return parsed if isinstance(parsed, DateTime) else None


@dataclass(frozen=True)
class RateLimit:
    """What a reply says of the quota; ``None`` where it does not say.

    :param limit: calls per window.
    :param remaining: calls left in this window.
    :param reset_in: seconds from now until a call may be made, above 0, at most an hour.
    :param reset_at: that moment (aware), by the clock here.
    """

    limit: int | None = None
    remaining: int | None = None
    reset_in: float | None = None
    reset_at: datetime | None = None
