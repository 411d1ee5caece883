"""What Criteo's API answers: tokens, quota, jobs and their files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.api.specification import operation
from airflow_provider_criteo.sandbox.families import family_of
from airflow_provider_criteo.sandbox.jobs import Job, Jobs
from airflow_provider_criteo.sandbox.oauth import Tokens
from airflow_provider_criteo.sandbox.permissions import check_accounts, check_scopes, list_accounts
from airflow_provider_criteo.sandbox.rate_limits import Quota
from airflow_provider_criteo.sandbox.replies import Refusal, Reply, problem, refusal
from airflow_provider_criteo.sandbox.reply_models import reply_model
from airflow_provider_criteo.sandbox.routes import Call, find
from airflow_provider_criteo.sandbox.settings import Settings
from airflow_provider_criteo.sandbox.validation import problems_of, value_at


class CriteoApi:
    """Criteo's API, but for the wire.

    :param client_id: of the application.
    :param client_secret: its secret.
    """

    understand = staticmethod(find)

    def __init__(self, client_id: str, client_secret: str) -> None:
        self.tokens = Tokens(client_id, client_secret)
        self.quota = Quota()
        self.jobs = Jobs()

    def admit(self, call: Call, settings: Settings) -> dict[str, str]:
        """Let a call in; gives headers for its answer.

        :raises Refusal: there is no such route, the token is not good, or the quota is used up.
        """
        if call.kind == "token":
            return {}
        if call.version in settings.retired_versions:
            raise refusal(410, detail=f"{call.version} is no longer served")
        if call.allowed and call.kind == "other":
            raise refusal(405, allow=call.allowed)
        is_served = call.kind == "accounts" and operation("get", call.path, "") is not None
        if not call.rows and not is_served:
            raise refusal(404, detail=f"no route {call.method} {call.path[:200]}")
        call.grant = self.tokens.check(call.headers.get("authorization"))
        if call.kind == "accounts":
            return {}
        return self.quota.charge(call.grant.client_id, call.grant.kind, settings)

    def act(self, call: Call, settings: Settings) -> Reply:
        """Do what the call asks for; every refusal is an answer."""
        try:
            if call.kind == "token":
                return self.tokens.answer(call.method, call.body, call.headers.get("content-type", ""), settings)
            if call.kind == "accounts":
                return list_accounts(call, settings)
            check_scopes(call, settings)
            if call.kind == "create":
                return self._create(call, settings)
            job = self._job(call, settings)
            call.report_type = job.row.id
            return self._status(call, job, settings) if call.kind == "status" else self._download(call, job, settings)
        except Refusal as refused:
            return refused.reply

    def _create(self, call: Call, settings: Settings) -> Reply:
        assert call.grant is not None
        row = call.rows[0]
        if call.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise refusal(415, detail="Content-Type must be application/json")
        try:
            body = json.loads(call.body)
        except (ValueError, RecursionError):
            raise refusal(400, "json-serialization-error", "the body is no JSON") from None
        call.attributes = value_at(body, "data.attributes")
        found = problems_of(row, call.version, body, call.path)
        if found:
            raise Refusal(400, *found)
        check_accounts(call, settings)
        self.quota.charge_create(call.grant.client_id, row.id, settings)
        job = self.jobs.create(call, settings, call.grant.client_id)
        call.report_id = job.id
        model = reply_model("post", row.create_path, call.version)
        return Reply.json(job.settings.create_status or model.status, job.describe(model, create=True))

    def _job(self, call: Call, settings: Settings) -> Job:
        job = self.jobs.get(call.report_id or "")
        if job is None or job.row.id not in {row.id for row in call.rows}:
            family = family_of(call.rows[0])
            raise _gone(settings.lost_status or family.lost, family.code("not-found"))
        return job

    @staticmethod
    def _status(call: Call, job: Job, settings: Settings) -> Reply:
        job.polls += 1
        if job.has_failed and job.family.status_gone:
            raise _gone(*_end(job, settings), *(job.settings.problems or ()), detail=job.settings.message)
        if job.state is JobState.EXPIRED and settings.expired_status:
            raise _gone(*_end(job, settings))
        model = reply_model("get", job.row.status_path, call.version)
        return Reply.json(200, job.describe(model))

    @staticmethod
    def _download(call: Call, job: Job, settings: Settings) -> Reply:
        if job.state in (JobState.PENDING, JobState.UNKNOWN):
            raise refusal(400, job.family.code("not-ready"), "try again when its status says so")
        if job.has_failed:
            raise _gone(*_end(job, settings))
        compressed = settings.gzip and "gzip" in call.headers.get("accept-encoding", "")
        return Reply(200, headers={"content-type": job.file.content_type}, file=job.file, gzip=compressed)


def _end(job: Job, settings: Settings) -> tuple[int, str]:
    """HTTP status and code of a job that ended badly."""
    family = job.family
    if job.state is JobState.EXPIRED:
        # The Marketing Solutions exports that have no code of their own for it say that there is none.
        usual = "not-found" if family.noun == "export" else "expired"
        return settings.expired_status or family.expired, family.expired_code or family.code(usual)
    return family.failed, family.code("invalidated" if job.settings.outcome.lower() == "invalidated" else "failed")


def _gone(status: int, code: str, *more: Mapping[str, Any], detail: str | None = None) -> Refusal:
    type_ = "authorization" if status == 403 else "validation"
    return Refusal(status, problem(code, type_, detail=detail), *more)
