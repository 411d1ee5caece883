"""The control API: play with the sandbox over HTTP while it runs, under ``/_sandbox``."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from airflow_provider_criteo.sandbox.app import SandboxApp
from airflow_provider_criteo.sandbox.faults import FAULTS
from airflow_provider_criteo.sandbox.routes import CALLS
from airflow_provider_criteo.sandbox.settings import SETTINGS

JsonObject = Annotated[dict[str, Any], Body()]


def control_app(sandbox: SandboxApp) -> FastAPI:
    """The control API of a sandbox. Every function answers in the sandbox's own event loop."""
    app = FastAPI(title="Sandbox controls", openapi_url=None)

    @app.exception_handler(ValueError)
    @app.exception_handler(KeyError)
    @app.exception_handler(TypeError)
    async def wrong(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=400)

    @app.get("/")
    async def help_() -> dict[str, Any]:
        """This."""
        controls = {
            f"{min(route.methods)} /_sandbox{route.path}": inspect.getdoc(route.endpoint)
            for route in app.routes
            if isinstance(route, APIRoute)
        }
        return {
            "controls": controls,
            "settings": {name: getattr(sandbox.settings, name) for name in SETTINGS if name != "clients"},
            "faults": {
                kind.name: {"description": kind.description, "calls": sorted(kind.calls)} for kind in FAULTS.values()
            },
        }

    @app.post("/configure")
    async def configure(settings: JsonObject) -> dict[str, Any]:
        """Change settings: {name: value}."""
        sandbox.configure(settings)
        return {}

    @app.post("/next_job")
    async def next_job(settings: JsonObject) -> dict[str, Any]:
        """Settings for the next job: {"report_type": ..., name: value}."""
        report_type = settings.pop("report_type", None)
        sandbox.api.jobs.plan(report_type, settings)
        return {}

    @app.post("/fault")
    async def fault(options: JsonObject) -> dict[str, Any]:
        """Plan a fault: {"kind", "call", "times", "after", "probability", "report_id", "report_type", "params"}."""
        sandbox.faults.add(**options)
        return {}

    @app.post("/clear_faults")
    async def clear_faults() -> dict[str, Any]:
        """Plan no fault any more."""
        sandbox.faults.clear()
        return {}

    @app.get("/journal")
    async def journal(call: str | None = None) -> list[dict[str, Any]]:
        """What was asked, oldest first; ?call=create for one kind of call."""
        return [record for record in sandbox.journal.records if call in (None, record["call"])]

    @app.get("/jobs")
    async def jobs() -> list[dict[str, Any]]:
        """Every report job."""
        return [job.summary() for job in sandbox.api.jobs.all()]

    @app.post("/reset")
    async def reset() -> dict[str, Any]:
        """Forget jobs, faults, holds, quota and journal; settings as at the start."""
        sandbox.reset()
        return {}

    @app.post("/revoke_tokens")
    async def revoke_tokens(options: JsonObject) -> dict[str, Any]:
        """Refuse all access tokens given so far: {"code": of the 401}."""
        return {"revoked": sandbox.api.tokens.revoke(**options)}

    @app.post("/revoke_refresh_tokens")
    async def revoke_refresh_tokens() -> dict[str, Any]:
        """Refuse all refresh tokens given so far."""
        sandbox.api.tokens.revoke_refresh_tokens()
        return {}

    @app.post("/authorization_code")
    async def authorization_code(options: JsonObject) -> dict[str, Any]:
        """A code to exchange for tokens: {"challenge": of PKCE}."""
        return {"code": sandbox.api.tokens.issue_code(sandbox.client_id, **options)}

    @app.post("/refresh_token")
    async def refresh_token() -> dict[str, Any]:
        """A new refresh token."""
        return {"refresh_token": sandbox.api.tokens.issue_refresh_token(sandbox.client_id, sandbox.settings)}

    @app.post("/finish")
    async def finish(options: JsonObject) -> dict[str, Any]:
        """End a job now: {"report_id", "outcome", name: value}."""
        report_id, outcome = options.pop("report_id"), options.pop("outcome", "Done")
        sandbox.api.jobs.finish(report_id, outcome, options)
        return {}

    @app.post("/forget")
    async def forget(options: JsonObject) -> dict[str, Any]:
        """Let a job vanish: {"report_id"}."""
        sandbox.api.jobs.forget(options["report_id"])
        return {}

    @app.post("/hold")
    async def hold(options: JsonObject) -> dict[str, Any]:
        """Let calls of a kind wait: {"call", "when": "before" or "after" they take effect}."""
        _one_of("call", options["call"], CALLS)
        _one_of("when", options.setdefault("when", "after"), ("before", "after"))
        sandbox.hold(options["call"], options["when"])
        return {}

    @app.post("/release")
    async def release(options: JsonObject) -> dict[str, Any]:
        """Let held calls go on: {"call"}."""
        _one_of("call", options["call"], CALLS)
        sandbox.release(options["call"])
        return {}

    @app.get("/held")
    async def held() -> dict[str, int]:
        """How many calls of each kind wait."""
        return sandbox.held

    return app


def _one_of(name: str, value: Any, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise ValueError(f"{name}={value!r}; valid: {', '.join(valid)}")
