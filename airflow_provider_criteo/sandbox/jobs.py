"""Report jobs: made, cached, pending, ended, expired, gone."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from airflow_provider_criteo.api.dates import named_date
from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.api.reports import ReportType
from airflow_provider_criteo.sandbox.families import HOUR, Family, family_of
from airflow_provider_criteo.sandbox.replies import envelope
from airflow_provider_criteo.sandbox.reply_models import ReplyModel
from airflow_provider_criteo.sandbox.report_files import ReportFile, report_file
from airflow_provider_criteo.sandbox.routes import Call
from airflow_provider_criteo.sandbox.settings import JOB_SETTINGS, Settings, changed

_TRANSLATED = ("Done", "Failure", "Expired", "Unknown", "Invalidated")
_BARE = ("id", "exportId", "status", "message", "errorMessage")
_MD5 = "md5checksum"
_MD5_UP_TO = 64 * 1024 * 1024


@dataclass
class Job:
    """A report job.

    :param id: Criteo's.
    :param row: its report type.
    :param version: the API version it was made with.
    :param account_id: of the path, for the catalogs.
    :param attributes: of the request.
    :param settings: as they were when it was made.
    :param created_at: epoch seconds.
    :param ready_at: when it ends, epoch seconds.
    """

    id: str
    row: ReportType
    version: str
    account_id: str | None
    attributes: dict[str, Any]
    settings: Settings
    created_at: float
    ready_at: float
    posts: int = 0
    polls: int = 0

    @cached_property
    def family(self) -> Family:
        """Its habits."""
        return family_of(self.row)

    @property
    def expires_at(self) -> float:
        """When its file goes, epoch seconds."""
        kept = self.settings.retention_seconds
        return self.ready_at + (self.family.retention if kept is None else kept)

    @property
    def state(self) -> JobState:
        """What has become of it."""
        now = time.time()
        if now < self.ready_at:
            return JobState.PENDING
        end = JobState.of_word(self.settings.outcome)
        return JobState.EXPIRED if end is JobState.DONE and now >= self.expires_at else end

    @property
    def has_failed(self) -> bool:
        """Whether it has ended, and has no file."""
        return self.state in (JobState.FAILED, JobState.EXPIRED)

    @cached_property
    def file(self) -> ReportFile:
        """Its file."""
        return report_file(self.row, self.family, self.attributes, self.settings)

    def word(self, model: ReplyModel) -> str:
        """Its state in Criteo's words."""
        state, word = self.state, self.settings.outcome
        if state is JobState.PENDING:
            word = self.settings.pending_word or _translated("Pending", model)
        elif state is not JobState.of_word(word):
            word = _translated("Expired", model)
        elif word in _TRANSLATED:
            word = _translated(word, model)
        return {"lower": word.lower(), "upper": word.upper()}.get(self.settings.casing, word)

    def describe(self, model: ReplyModel, *, create: bool = False) -> dict[str, Any]:
        """The answer that speaks of it."""
        settings = self.settings
        known = self._known(model)
        attributes = {
            settings.md5_spelling or name if name.lower() == _MD5 else name: known.get(name.lower())
            for name in model.attributes
            if name in _BARE or not settings.bare_status
        }
        data: dict[str, Any] = {"type": model.type, "attributes": attributes}
        if model.has_id:
            data["id"] = self.id
        if settings.id_location:
            for name in ("id", "exportId"):
                data.pop(name, None)
                attributes.pop(name, None)
            place, _, name = settings.id_location.rpartition(".")
            if not place and create:
                return {name: self.id, **attributes}
            (attributes if place != "data" else data)[name] = self.id
        return envelope(data, settings.problems if self.has_failed else [], settings.warnings)

    def _known(self, model: ReplyModel) -> dict[str, Any]:
        """What an answer may tell, by its name in lower case, for checksums are spelt in two ways."""
        message, state = self.settings.message, self.state
        known = {
            "id": self.id,
            "exportid": self.id,
            "status": self.word(model),
            "createdat": _iso(self.created_at),
            "rowcount": 0,
            "filesizebytes": 0,
            "currency": "EUR",
        }
        if state is JobState.PENDING:
            return known
        known |= {"expiresat": _iso(self.expires_at), "message": message}
        if state is not JobState.DONE:
            return known | {"errormessage": message}
        return known | {
            "rowcount": self.file.rows,
            "filesizebytes": 0 if self._tells_no_size else self.file.size,
            _MD5: self._md5(),
            "message": f"rows_count={self.file.rows}" if message is None else message,
        }

    def _md5(self) -> str | None:
        if self.settings.md5 == "wrong":
            return hashlib.md5(self.id.encode(), usedforsecurity=False).hexdigest()
        if self.settings.md5 == "absent" or self.file.size > _MD5_UP_TO:
            return None
        return hashlib.md5(usedforsecurity=False).hexdigest() if self._tells_no_size else self.file.md5

    @property
    def _tells_no_size(self) -> bool:
        return self.family.tells_no_size_of_none and not self.file.rows

    def summary(self) -> dict[str, Any]:
        """It, for the control API."""
        told = ("version", "account_id", "attributes", "state", "created_at", "ready_at", "posts", "polls")
        return {"report_id": self.id, "report_type": self.row.id, **{name: getattr(self, name) for name in told}}


def _translated(word: str, model: ReplyModel) -> str:
    """The specification's word for an outcome; the usual one where it has none."""
    same = (known for known in model.words if JobState.of_word(known) is JobState.of_word(word))
    return min(same, key=lambda known: known.lower() != word.lower(), default=word)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Jobs:
    """All report jobs."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._cache: dict[str, Job] = {}
        self._next: deque[tuple[str | None, dict[str, Any]]] = deque()
        self._random = random.Random(0)  # noqa: S311 - not for secrets

    def seed(self, seed: int) -> None:
        """Begin the random choices anew."""
        self._random.seed(seed)

    def plan(self, report_type: str | None = None, **changes: Any) -> None:
        """Settings for the next job, of that report type where one is given."""
        changed(Settings(), changes, JOB_SETTINGS)
        self._next.append((report_type, changes))

    def create(self, call: Call, settings: Settings, client_id: str) -> Job:
        """A new job, or the one that the same request made a while ago."""
        row = call.rows[0]
        key = json.dumps([row.id, call.account_id, client_id, call.attributes], sort_keys=True)
        planned = self._planned(row)
        job = None if planned is not None or not settings.cache else self._cached(key)
        if job is None:
            job = self._cache[key] = self._made(call, changed(settings, planned or {}))
        job.posts += 1
        return job

    def _made(self, call: Call, settings: Settings) -> Job:
        now, row = time.time(), call.rows[0]
        wait = settings.pending_seconds
        seconds = self._random.uniform(*wait) if isinstance(wait, tuple) else wait
        ready_at = now if settings.done_at_creation else now + seconds
        job = Job(family_of(row).new_id(), row, call.version, call.account_id, call.attributes, settings, now, ready_at)
        self._jobs[job.id] = job
        return job

    def _planned(self, row: ReportType) -> dict[str, Any] | None:
        for entry in self._next:
            if entry[0] in (None, row.id):
                self._next.remove(entry)
                return entry[1]
        return None

    def _cached(self, key: str) -> Job | None:
        job = self._cache.get(key)
        if job is None or job.id not in self._jobs or job.has_failed:
            return None
        end = named_date(job.attributes.get("endDate"))
        is_past = end is not None and f"{end:%Y-%m-%d}" < f"{datetime.now(timezone.utc) - timedelta(days=1):%Y-%m-%d}"
        window = job.family.past_cached if is_past else HOUR
        return job if time.time() < job.created_at + window else None

    def get(self, report_id: str) -> Job | None:
        """The job of that id."""
        return self._jobs.get(report_id)

    def summaries(self) -> list[dict[str, Any]]:
        """Every job, oldest first."""
        return [job.summary() for job in self._jobs.values()]

    def finish(self, report_id: str, outcome: str = "Done", **changes: Any) -> None:
        """End a job now."""
        job = self._jobs[report_id]
        job.settings = changed(job.settings, {**changes, "outcome": outcome}, JOB_SETTINGS)
        job.ready_at = time.time()
        job.__dict__.pop("file", None)

    def forget(self, report_id: str) -> None:
        """Let a job vanish."""
        del self._jobs[report_id]
