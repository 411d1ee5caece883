"""The control API: play with the sandbox over HTTP while it runs, under ``/_sandbox``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

from airflow_provider_criteo.sandbox.app import SandboxApp
from airflow_provider_criteo.sandbox.faults import FAULTS
from airflow_provider_criteo.sandbox.replies import JSON, Reply
from airflow_provider_criteo.sandbox.routes import CALLS
from airflow_provider_criteo.sandbox.settings import SETTINGS
from airflow_provider_criteo.sandbox.wire import Wire

_READING = ("help", "journal", "jobs", "held")


class ControlApi:
    """Every public method is a control: ``GET`` or ``POST /_sandbox/{its name}``, its parameters the fields of a JSON body.

    :param sandbox: what is played with.
    """

    def __init__(self, sandbox: SandboxApp) -> None:
        self._sandbox = sandbox

    def answer(self, request: Wire, body: bytes | None) -> Reply:
        """The answer to a call of ``/_sandbox/{name}``: 404 for no control, 400 for what it does not take."""
        name = request.path.partition("/_sandbox")[2].strip("/") or "help"
        control = self._controls().get(name)
        if control is None:
            return Reply.json(404, {"error": f"{name!r} is no control; valid: {', '.join(self._controls())}"})
        # A web page cannot send this without the sandbox's consent.
        if name not in _READING and (request.method, request.headers.get("content-type")) != ("POST", JSON):
            return Reply.json(405, {"error": f"{name} takes POST with Content-Type: {JSON}"})
        try:
            fields = json.loads(body or b"{}") | {key: values[-1] for key, values in request.query.items()}
            return Reply.json(200, control(**fields))
        except (ValueError, KeyError, TypeError) as error:
            return Reply.json(400, {"error": str(error)})

    def _controls(self) -> dict[str, Callable[..., Any]]:
        methods = inspect.getmembers(self, inspect.ismethod)
        return {name: method for name, method in methods if not name.startswith("_") and name != "answer"}

    def help(self) -> dict[str, Any]:
        """This."""
        settings = self._sandbox.settings
        return {
            "controls": {
                f"{'GET' if name in _READING else 'POST'} /_sandbox/{name}": inspect.getdoc(control)
                for name, control in self._controls().items()
            },
            "settings": {name: getattr(settings, name) for name in SETTINGS if name != "clients"},
            "faults": {
                kind.name: {"description": kind.description, "calls": sorted(kind.calls)} for kind in FAULTS.values()
            },
        }

    def configure(self, **settings: Any) -> None:
        """Change settings: {name: value}."""
        self._sandbox.configure(settings)

    def next_job(self, report_type: str | None = None, **settings: Any) -> None:
        """Settings for the next job: {"report_type": ..., name: value}."""
        self._sandbox.api.jobs.plan(report_type, settings)

    def fault(self, **options: Any) -> None:
        """Plan a fault: {"kind", "call", "times", "after", "probability", "report_id", "report_type", "params"}."""
        self._sandbox.faults.add(**options)

    def clear_faults(self) -> None:
        """Plan no fault any more."""
        self._sandbox.faults.clear()

    def journal(self, call: str | None = None) -> list[dict[str, Any]]:
        """What was asked, oldest first; ?call=create for one kind of call."""
        return [record for record in self._sandbox.journal.records if call in (None, record["call"])]

    def jobs(self) -> list[dict[str, Any]]:
        """Every report job."""
        return [job.summary() for job in self._sandbox.api.jobs.all()]

    def reset(self) -> None:
        """Forget jobs, faults, holds, quota and journal; settings as at the start."""
        self._sandbox.reset()

    def revoke_tokens(self, **options: Any) -> int:
        """Refuse all access tokens given so far: {"code": of the 401}; how many."""
        return self._sandbox.api.tokens.revoke(**options)

    def revoke_refresh_tokens(self) -> None:
        """Refuse all refresh tokens given so far."""
        self._sandbox.api.tokens.revoke_refresh_tokens()

    def authorization_code(self) -> str:
        """A code to exchange for tokens."""
        return self._sandbox.api.tokens.issue_code(self._sandbox.client_id)

    def new_refresh_token(self) -> str:
        """A new refresh token."""
        return self._sandbox.api.tokens.issue_refresh_token(self._sandbox.client_id)

    def finish(self, report_id: str, outcome: str = "Done", **settings: Any) -> None:
        """End a job now: {"report_id", "outcome", name: value}."""
        self._sandbox.api.jobs.finish(report_id, outcome, settings)

    def forget(self, report_id: str) -> None:
        """Let a job vanish: {"report_id"}."""
        self._sandbox.api.jobs.forget(report_id)

    def hold(self, call: str, when: str = "after") -> None:
        """Let calls of a kind wait: {"call", "when": "before" or "after" they take effect}."""
        _one_of("call", call, CALLS)
        _one_of("when", when, ("before", "after"))
        self._sandbox.hold(call, when)

    def release(self, call: str) -> None:
        """Let held calls go on: {"call"}."""
        _one_of("call", call, CALLS)
        self._sandbox.release(call)

    def held(self) -> dict[str, int]:
        """How many calls of each kind wait."""
        return self._sandbox.held


def _one_of(name: str, value: Any, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise ValueError(f"{name}={value!r}; valid: {', '.join(valid)}")
