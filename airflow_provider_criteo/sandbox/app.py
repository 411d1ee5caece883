"""Criteo's API on the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from airflow_provider_criteo.sandbox import fault_answers, fault_connections  # noqa: F401 - they fill FAULTS
from airflow_provider_criteo.sandbox.criteo_api import CriteoApi
from airflow_provider_criteo.sandbox.faults import FaultPlan, PlannedFault, Play
from airflow_provider_criteo.sandbox.journal import Journal
from airflow_provider_criteo.sandbox.replies import Refusal, Reply, refusal
from airflow_provider_criteo.sandbox.routes import CALLS, Call
from airflow_provider_criteo.sandbox.settings import Settings, changed
from airflow_provider_criteo.sandbox.wire import Wire

DEFAULT_SECRET = "a+b/c=d&e%f"  # noqa: S105 - every character that an unencoded form would lose


class SandboxApp:
    """Criteo's API on the wire, with its faults, its holds and its journal. All of it runs in one event loop.

    :param client_id: of the application.
    :param client_secret: its secret.
    :param settings: those to begin with, and to return to on reset.
    :param journal: a file for the journal.
    """

    def __init__(self, client_id: str, client_secret: str, settings: Settings, journal: Path | None = None) -> None:
        self.api = CriteoApi(client_id, client_secret)
        self.client_id = client_id
        self.client_secret = client_secret
        self.refresh_token = self.api.tokens.issue_refresh_token(client_id)
        self.faults = FaultPlan()
        self.journal = Journal(journal)
        self._initial = settings
        self.settings = settings
        self._holds: dict[str, tuple[str, asyncio.Event]] = {}
        self.held: dict[str, int] = dict.fromkeys(CALLS, 0)
        self.configure()

    def configure(self, **changes: Any) -> None:
        """Change settings, for all calls to come."""
        self.settings = changed(self.settings, changes)
        if not changes or "seed" in changes:
            self.api.jobs.seed(self.settings.seed)
            self.faults.seed(self.settings.seed)

    def reset(self) -> None:
        """Forget jobs, faults, holds, quota and journal; settings as at the start. Tokens stay good."""
        tokens = self.api.tokens
        self.api = CriteoApi(self.client_id, self.client_secret)
        self.api.tokens = tokens
        self.faults.clear()
        self.journal.clear()
        for call in list(self._holds):
            self.release(call)
        self.settings = self._initial
        self.configure()

    def hold(self, call: str, when: str = "after") -> None:
        """Let calls of a kind wait, before or after they take effect."""
        _check_choice("call", call, CALLS)
        _check_choice("when", when, ("before", "after"))
        self._holds[call] = (when, asyncio.Event())

    def release(self, call: str) -> None:
        """Let held calls go on."""
        _check_choice("call", call, CALLS)
        held = self._holds.pop(call, None)
        if held:
            held[1].set()

    async def answer(self, wire: Wire) -> None:
        """Answer a request."""
        settings = self.settings
        call = self.api.understand(wire.method, wire.path)
        call.query, call.headers = wire.query, wire.headers
        record = self.journal.begin(call)
        body = await wire.body()
        call.body = body or b""
        quota: dict[str, str] = {}
        planned: PlannedFault | None = None

        def on_answer(status: int | None) -> None:
            self.journal.end(record, call, status, planned.kind.name if planned else None)

        wire.on_answer = on_answer
        try:
            if body is None:
                raise refusal(413)
            quota = self.api.admit(call, settings)
            planned = self.faults.pick(call)
            await self._wait(call, "before")
            acts = planned is None or planned.kind.acts
            acted = self.api.act(call, settings) if acts else None
            await self._wait(call, "after")
            reply = acted if planned is None else await self._play(planned, wire, call, acted)
        except Refusal as refused:
            reply = refused.reply
        if reply is None:
            return
        reply.headers = {**_deprecation(settings), **quota, **reply.headers}
        await wire.send(reply)

    async def _wait(self, call: Call, when: str) -> None:
        held = self._holds.get(call.kind)
        if held and held[0] == when:
            self.held[call.kind] += 1
            try:
                await held[1].wait()
            finally:
                self.held[call.kind] -= 1

    async def _play(self, planned: PlannedFault, wire: Wire, call: Call, acted: Reply | None) -> Reply | None:
        play = Play(wire, call, dict(planned.params), lambda: self.api.act(call, self.settings), self.api.tokens, acted)
        return await planned.kind.play(play)


def _check_choice(name: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise ValueError(f"{name}={value!r}; valid: {', '.join(valid)}")


def _deprecation(settings: Settings) -> dict[str, str]:
    told = {"deprecation": settings.deprecation, "sunset": settings.sunset}
    return {name: value for name, value in told.items() if value is not None}
