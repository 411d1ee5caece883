"""The controls of a running sandbox: methods in Python, ``/_sandbox/{name}`` over HTTP."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from airflow_provider_criteo.sandbox.app import SandboxApp
from airflow_provider_criteo.sandbox.faults import FAULTS
from airflow_provider_criteo.sandbox.replies import JSON, Reply
from airflow_provider_criteo.sandbox.settings import SETTINGS
from airflow_provider_criteo.sandbox.wire import Wire

_TIMEOUT = 30.0
_READING = ("help", "journal", "jobs", "held")


class SandboxControl:
    """Plays with a running sandbox, in this process or another.

    :param url: its address, e.g. ``"http://127.0.0.1:8000"``.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._opener = build_opener(ProxyHandler({}))

    def help(self) -> dict[str, Any]:
        """All controls, settings and faults."""
        return cast("dict[str, Any]", self._send("help"))

    def configure(self, **settings: Any) -> None:
        """Change settings for all calls to come: those of ``settings.Settings``."""
        self._post("configure", **settings)

    def next_job(self, report_type: str | None = None, **settings: Any) -> None:
        """Settings for the next job to be made, of a report type where one is given; several calls queue up."""
        self._post("next_job", report_type=report_type, **settings)

    def fault(
        self,
        call: str = "any",
        kind: str = "http-500",
        *,
        times: int | None = 1,
        after: int = 0,
        probability: float = 1.0,
        report_id: str | None = None,
        report_type: str | None = None,
        **params: Any,
    ) -> None:
        """Plan a fault; over HTTP its own parameters are an object, ``params``.

        :param call: ``"token"``, ``"create"``, ``"status"``, ``"download"``, ``"accounts"`` or ``"any"``.
        :param kind: a name in ``FAULTS``.
        :param times: how often; None for ever.
        :param after: how many such calls are let through first.
        :param probability: that it happens to a call.
        :param report_id: only to calls for this job.
        :param report_type: only to calls for this report type, or one of the same path.
        :param params: of the kind: ``seconds``, ``at``, ``limit``, ``code`` ...
        """
        when = {"times": times, "after": after, "probability": probability}
        which = {"report_id": report_id, "report_type": report_type}
        self._post("fault", call=call, kind=kind, params=params, **when, **which)

    def clear_faults(self) -> None:
        """Plan no fault any more."""
        self._post("clear_faults")

    def journal(self, call: str | None = None) -> list[dict[str, Any]]:
        """What was asked, oldest first; no secret and no token in it.

        :param call: only one kind of call.
        """
        query = f"?{urlencode({'call': call})}" if call else ""
        return cast("list[dict[str, Any]]", self._send(f"journal{query}"))

    def jobs(self) -> list[dict[str, Any]]:
        """Every report job, oldest first."""
        return cast("list[dict[str, Any]]", self._send("jobs"))

    def reset(self) -> None:
        """Forget jobs, faults, holds, quota and journal; settings as at the start. Tokens stay good."""
        self._post("reset")

    def revoke_tokens(self, code: str = "authorization-token-invalid") -> int:
        """Refuse all access tokens given so far; how many."""
        return int(self._post("revoke_tokens", code=code))

    def revoke_refresh_tokens(self) -> None:
        """Refuse all refresh tokens given so far."""
        self._post("revoke_refresh_tokens")

    def authorization_code(self) -> str:
        """A code to exchange for tokens, once, within 60 s."""
        return str(self._post("authorization_code"))

    def new_refresh_token(self) -> str:
        """Another refresh token of the application."""
        return str(self._post("new_refresh_token"))

    def finish(self, report_id: str, outcome: str = "Done", **settings: Any) -> None:
        """End a job now."""
        self._post("finish", report_id=report_id, outcome=outcome, **settings)

    def forget(self, report_id: str) -> None:
        """Let a job vanish."""
        self._post("forget", report_id=report_id)

    def hold(self, call: str, when: str = "after") -> None:
        """Let calls of a kind wait, ``"before"`` or ``"after"`` they take effect."""
        self._post("hold", call=call, when=when)

    def release(self, call: str) -> None:
        """Let held calls go on."""
        self._post("release", call=call)

    def held(self) -> dict[str, int]:
        """How many calls of each kind wait."""
        return cast("dict[str, int]", self._send("held"))

    def wait_held(self, call: str, timeout: float = 30.0) -> None:
        """Wait until a call of a kind is held.

        :param timeout: seconds.
        :raises TimeoutError: none came.
        """
        deadline = time.monotonic() + timeout
        while not self.held()[call]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {call} call came within {timeout:g} s")
            time.sleep(0.05)

    def _post(self, control: str, **fields: Any) -> Any:
        return self._send(control, json.dumps(fields).encode())

    def _send(self, path: str, body: bytes | None = None) -> Any:
        request = Request(f"{self.url}/_sandbox/{path}", body, {"Content-Type": JSON})  # noqa: S310 - the user's address
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:
                return json.load(response)
        except HTTPError as error:
            raise ValueError(json.load(error).get("error", error.reason)) from None


def control_reply(sandbox: SandboxApp, request: Wire, body: bytes | None) -> Reply:
    """The answer to a call of ``/_sandbox/{name}``, whose parameters are the fields of a JSON body.

    404 for no control, 405 for one that changes something and is not posted, 400 for what it does not take.
    """
    controls = _controls(sandbox)
    name = request.path.partition("/_sandbox")[2].strip("/") or "help"
    if name not in controls:
        return Reply.json(404, {"error": f"{name!r} is no control; valid: {', '.join(controls)}"})
    # A web page cannot send this without the sandbox's consent.
    if name not in _READING and (request.method, request.headers.get("content-type")) != ("POST", JSON):
        return Reply.json(405, {"error": f"{name} takes POST with Content-Type: {JSON}"})
    try:
        fields = json.loads(body or b"{}") | {key: values[-1] for key, values in request.query.items()}
        return Reply.json(200, controls[name](**fields))
    except (ValueError, KeyError, TypeError) as error:
        return Reply.json(400, {"error": str(error)})


def _controls(sandbox: SandboxApp) -> dict[str, Callable[..., Any]]:
    """What does each control, by its name in ``SandboxControl``."""
    jobs, tokens = sandbox.api.jobs, sandbox.api.tokens
    return {
        "help": lambda: _help(sandbox),
        "configure": sandbox.configure,
        "next_job": jobs.plan,
        "fault": sandbox.faults.add,
        "clear_faults": sandbox.faults.clear,
        "journal": sandbox.journal.of,
        "jobs": jobs.summaries,
        "reset": sandbox.reset,
        "revoke_tokens": tokens.revoke,
        "revoke_refresh_tokens": tokens.revoke_refresh_tokens,
        "authorization_code": lambda: tokens.issue_code(sandbox.client_id),
        "new_refresh_token": lambda: tokens.issue_refresh_token(sandbox.client_id),
        "finish": jobs.finish,
        "forget": jobs.forget,
        "hold": sandbox.hold,
        "release": sandbox.release,
        "held": lambda: sandbox.held,
    }


def _help(sandbox: SandboxApp) -> dict[str, Any]:
    return {
        "controls": {
            f"{'GET' if name in _READING else 'POST'} /_sandbox/{name}": inspect.getdoc(getattr(SandboxControl, name))
            for name in _controls(sandbox)
        },
        "settings": {name: getattr(sandbox.settings, name) for name in SETTINGS if name != "clients"},
        "faults": {
            kind.name: {"description": kind.description, "calls": sorted(kind.calls)} for kind in FAULTS.values()
        },
    }
