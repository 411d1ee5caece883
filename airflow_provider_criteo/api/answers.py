"""What Criteo's answers mean: a reply in, its problems, the job in it or the exception out. No socket.

Sources: https://developers.criteo.com/criteo-apis/docs/api-error-codes and the status models of Criteo's OpenAPI
specifications; where a report type differs, a field of its row says so.
"""

from __future__ import annotations

import codecs
import html
import json as jsonlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any

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
from airflow_provider_criteo.api.models import (
    JobState,
    Problem,
    RateLimit,
    ReportJob,
    bounded,
    is_cut,
    moment,
    one_line,
    problems_from_json,
    shortened,
)
from airflow_provider_criteo.api.quota import rate_limit_of
from airflow_provider_criteo.api.redaction import Redact, redacted
from airflow_provider_criteo.api.report_type import LostJob, ReportType

_LONGEST_EXCERPT = 2_000
_ID_FIELDS = ("data.attributes.exportId", "data.attributes.reportId", "data.id", "exportId", "reportId")
"""Where a reply may carry the job's id: https://developers.criteo.com/marketing-solutions/experimental/docs/mpo-product-level-reporting-api
announces the second, samples show the last two."""
_MESSAGE_FIELDS = ("message", "errorMessage")
_LONGEST_ID = 1_000
_MOST_LEVELS = 100
LONGEST_BODY_READ = 64 * 1024
_STATUS_OF_TYPE = {"quota": 429, "availability": 503, "authentication": 401}
"""A problem's type wins over the HTTP status where the two differ."""
_STATUS_OF_TYPE_ON_SUCCESS = {**_STATUS_OF_TYPE, "access-control": 403, "authorization": 403, "unknown": 500}
_JOB_CODE = re.compile(
    r"^(?:export|report|insight|catalog|request|job)s?(?:already|is|was)*"
    r"(?P<end>notfound|expired|failed|failure|invalidated|notready|pending|lost)$"
)
_RETIRED_CODES = frozenset({"endpointdeprecated", "versiondeprecated", "versionnotsupported", "versionretired"})
_PASSING_STATUSES = frozenset({407, 408, 425})
_LONGEST_MESSAGE = 2_000
_LONGEST_STATUS = 100
_ROWS_IN_MESSAGE = re.compile(r"\brows?_?count\s*=\s*([0-9]{1,18})\b", re.IGNORECASE)
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[0-9]{1,18}\s*")


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether a JSON value has more levels than that: what goes through it then meets Python's limit."""
    level = [value]
    for _ in range(levels):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list)))
        level = list(chain.from_iterable(inner))
    return bool(level)


def is_markup(start: bytes) -> bool:
    """Whether a body, or its beginning, is that of a page: a gateway's answer, and not the API's."""
    return start.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<"


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
            value = jsonlib.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return None if _is_deeper(value, _MOST_LEVELS) else value

    @property
    def is_markup(self) -> bool:
        """Whether this is a page."""
        return is_markup(self.body)

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
        # Cut after it is redacted: a part of a secret is not recognized. A page may have its characters escaped.
        text = one_line(self.redact(_words(self.redact(self._text)[:LONGEST_BODY_READ])))
        if text:
            yield Problem(detail=shortened(text, _LONGEST_EXCERPT))

    @property
    def _text(self) -> str:
        """The body as people read it: a JSON text without its escapes."""
        if isinstance(self.json, str):
            return self.json
        if self.json is not None:
            return jsonlib.dumps(redacted(self.json, self.redact), ensure_ascii=False)
        charset = _CHARSET.search(self.headers.get("Content-Type") or "")
        try:
            return self.body.decode(charset[1] if charset else "utf-8", errors="replace")
        except (LookupError, UnicodeError):  # some codecs of Python's know no replacement
            return self.body.decode(errors="replace")

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
    text = text.removeprefix("\ufeff").lstrip()
    if text[:1] != "<":
        return text
    visible = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", " ", text)
    return html.unescape(visible)


# The error in it: HTTP statuses, problem types, codes


def error_of_status(answer: Answer) -> CriteoApiError | None:
    """The error of a status that means the same for every call, that for a token included; None for all others."""
    status, told, problems = answer.meant_status, answer.status_code, answer.problems
    if status == 401:
        reason = "Criteo accepts no token of this application"
        return AuthenticationError(told, problems, answer.request, reason=reason)
    if status == 403 and answer.is_success:
        return PermissionDeniedError(told, problems, answer.request, reason="the reply carries errors")
    if status == 429:
        rate = answer.rate_limit
        return RateLimitError(
            told, problems, answer.request, reset_at=rate.reset_at, limit=rate.limit, retry_after=rate.reset_in
        )
    if status >= 500 or status in _PASSING_STATUSES:
        return TransientError(
            told,
            problems,
            answer.request,
            reason=_reason_of_fault(answer),
            # A service that says that it is not available has not taken the request; what a gateway says so of may have.
            sent=status != 503 or (told >= 400 and told != 503),
            retry_after=answer.rate_limit.reset_in,
        )
    return None


def error_in_success(answer: Answer) -> CriteoApiError:
    """The exception for ``errors`` in a reply whose HTTP status says success."""
    return error_of_status(answer) or ValidationError(
        answer.status_code, answer.problems, answer.request, reason="the reply carries errors"
    )


def error_of_list(answer: Answer) -> CriteoError:
    """The exception that the answer to a call means that is not about a report."""
    if answer.is_success:
        return error_in_success(answer)
    if is_retired_route(answer) and not answer.is_markup:
        return _retired(answer)
    return error_of_status(answer) or _refusal(answer)


def _refusal(answer: Answer) -> CriteoApiError:
    told, problems = answer.status_code, answer.problems
    if answer.is_markup or told < 400:
        return TransientError(told, problems, answer.request, reason=_reason_of_fault(answer))
    if told == 403:
        return PermissionDeniedError(told, problems, answer.request, reason="the application may not do this")
    return ValidationError(told, problems, answer.request, reason="Criteo does not accept the request")


def _reason_of_fault(answer: Answer) -> str:
    if answer.is_markup:
        return "the reply is a web page, not Criteo's API"
    if answer.is_success and answer.problems:
        return "the reply carries errors"
    return "the reply is not what was asked for" if answer.status_code < 400 else "a passing fault"


def error_for(answer: Answer, row: ReportType, report_id: str = "") -> CriteoError:
    """The exception that an answer other than success means.

    :param report_id: of the job that was asked for; none for a create.
    """
    status, problems = answer.meant_status, answer.problems
    job = ReportJob(report_id, row.id, f"HTTP {status}", JobState.UNKNOWN, problems=problems)
    speaks_for_itself = status >= 500 or status in (401, 429)
    told = error_of_job_code(job, answer) if report_id and not speaks_for_itself else None
    general = told or error_of_status(answer)
    if general is not None:
        return general
    if answer.is_markup and report_id:
        return _refusal(answer)  # a gateway's page, which knows of no job
    if report_id and status in row.lost_job_statuses and not _names_retirement(problems):
        if row.lost_job_statuses[status] is LostJob.EXPIRED:
            expired = job.with_status(JobState.EXPIRED, f"expired (HTTP {status})")
            return ReportExpiredError(expired, status, answer.request)
        return _not_found(job, status, answer.request)
    if is_retired_route(answer):
        return _retired(
            answer,
            f"set api_version, on the connection or the operator, to another version that serves {row.id}: "
            f"{', '.join(row.versions)}"
            + (" - or mend account_id, which is part of the path." if row.needs_account_id else "."),
        )
    return _refusal(answer)


def error_of_job_code(job: ReportJob, answer: Answer) -> CriteoError | None:
    """What the codes say has become of the job; None where they do not speak of it."""
    end = job_code(answer.problems)
    status = answer.status_code
    word = next((problem.code for problem in answer.problems if job_code((problem,))), job.status)
    if end == "notfound":
        return _not_found(job, status, answer.request)
    if end in ("expired", "lost"):
        return ReportExpiredError(job.with_status(JobState.EXPIRED, word), status, answer.request)
    if end in ("failed", "failure", "invalidated"):
        return ReportJobFailedError(job.with_status(JobState.FAILED, word))
    if end in ("notready", "pending"):
        return ReportNotReadyError(status, answer.problems, answer.request, reason="the report is not ready")
    return None


def job_code(problems: tuple[Problem, ...]) -> str | None:
    """What the problems' codes say of the job itself: ``notfound``, ``expired``, ``notready`` ...

    Criteo spells codes with more and with fewer hyphens (``export-alreadyexpired``, ``export-already-expired``).
    """
    found = (_JOB_CODE.match(_letters(problem.code)) for problem in problems)
    return next((match.group("end") for match in found if match), None)


def is_retired_route(answer: Answer) -> bool:
    """Whether Criteo does not serve the route any more, as far as the answer tells: it has no word of the job."""
    return answer.meant_status in (404, 410) and job_code(answer.problems) is None


def shows_service(answer: Answer) -> bool:
    """Whether the answer shows that the route is in service: a success, or a word of the job."""
    return (answer.is_success and not answer.problems) or job_code(answer.problems) is not None


def _letters(code: str) -> str:
    return re.sub(r"[^a-z]", "", code.lower())


def _names_retirement(problems: tuple[Problem, ...]) -> bool:
    return any(_letters(problem.code) in _RETIRED_CODES for problem in problems)


def _not_found(job: ReportJob, status: int, request: str) -> ReportJobNotFoundError:
    reason = f"Criteo does not know this job (asked for as {job.report_type})"
    return ReportJobNotFoundError(status, job.problems, request, reason=reason)


def _retired(answer: Answer, advice: str = "") -> VersionRetiredError:
    reason = "Criteo does not serve this route"
    return VersionRetiredError(answer.status_code, answer.problems, answer.request, reason=reason, advice=advice)


# The job in it


def created_job(answer: Answer, row: ReportType) -> ReportJob:
    """The job that a create's answer speaks of.

    :raises CriteoError: what the answer means instead.
    """
    if not answer.is_success:
        raise error_for(answer, row)
    report_id = report_id_in(answer.json)
    if answer.problems:
        named = replace(answer, request=f"{answer.request} (report job {report_id})") if report_id else answer
        error = error_in_success(named)
        if report_id and isinstance(error, TransientError):
            error.sent = True  # it is there, whatever the errors are about
        raise error
    if report_id is None:
        raise TransientError(
            answer.status_code,
            answer.problems_of_error,
            answer.request,
            reason="the reply names no report job" if answer.json is not None else "the reply is no JSON",
        )
    job = job_in(answer, row, report_id)
    require_file(job)
    return job


def described_job(answer: Answer, row: ReportType, report_id: str) -> ReportJob:
    """The job as a status call's answer describes it, whatever its state.

    :raises CriteoError: what the answer means instead.
    """
    if not answer.is_success or answer.status_code in row.lost_job_statuses:
        raise error_for(answer, row, report_id)
    if not isinstance(answer.json, dict):
        reason = "the reply is no JSON object"
        raise TransientError(answer.status_code, answer.problems_of_error, answer.request, reason=reason)
    job = job_in(answer, row, report_id)
    if answer.problems and job.state in (JobState.UNKNOWN, JobState.DONE):
        raise error_of_job_code(job, answer) or error_in_success(answer)
    return job


def report_id_in(reply: object) -> str | None:
    """The job's id in a reply, wherever its family or its documentation puts it."""
    for path in _ID_FIELDS:
        value = reply
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            report_id = one_line(str(value)) if len(str(value)) <= _LONGEST_ID else ""
            if report_id:
                return report_id
    return None


def job_in(answer: Answer, row: ReportType, report_id: str) -> ReportJob:
    """Read the job out of a create's or status call's reply.

    A status that is missing, null or no text is ``UNKNOWN``, and so is a word that is not known.
    """
    attributes = _attributes(answer.json)
    word = attributes.get("status")
    status = one_line(word) if isinstance(word, str) else ""
    message = next((str(attributes[name]) for name in _MESSAGE_FIELDS if attributes.get(name)), "")
    row_count = _count(attributes.get("rowCount"))
    md5 = attributes.get("md5CheckSum") or attributes.get("md5Checksum")
    return ReportJob(
        report_id=report_id,
        report_type=row.id,
        # Cut after it is redacted: a part of a secret is not recognized.
        status=shortened(answer.redact(status), _LONGEST_STATUS) or "(no status)",
        state=JobState.of_word(status),
        message=shortened(answer.redact(one_line(message)), _LONGEST_MESSAGE),
        problems=answer.problems,
        warnings=answer.warnings,
        row_count=_rows_in(message) if row_count is None else row_count,
        size_bytes=_count(attributes.get("fileSizeBytes")),
        md5=(md5.strip() or None) if isinstance(md5, str) else None,
        created_at=moment(attributes.get("createdAt")),
        expires_at=moment(attributes.get("expiresAt")),
    )


def _attributes(reply: object) -> Mapping[str, Any]:
    data = reply.get("data") if isinstance(reply, Mapping) else None
    attributes = data.get("attributes") if isinstance(data, Mapping) else None
    if isinstance(attributes, Mapping):
        return attributes
    return reply if isinstance(reply, Mapping) and "data" not in reply else {}


def _rows_in(message: str) -> int | None:
    found = _ROWS_IN_MESSAGE.search(message)
    return int(found[1]) if found else None


def _count(value: object) -> int | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
