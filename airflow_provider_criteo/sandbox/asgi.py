"""What answers which request: Criteo's API, the control API beside it, the OpenAPI document."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from airflow_provider_criteo import __version__
from airflow_provider_criteo.api import specification
from airflow_provider_criteo.sandbox.app import SandboxApp
from airflow_provider_criteo.sandbox.controls import control_reply
from airflow_provider_criteo.sandbox.replies import Reply
from airflow_provider_criteo.sandbox.wire import Receive, Scope, Send, Wire

_CONTROLS = "/_sandbox"


class AsgiApp:
    """Answers who names this machine alone: another name that leads here is a web page's that means to get at it.

    :param sandbox: Criteo's API.
    """

    def __init__(self, sandbox: SandboxApp) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        wire = Wire(scope, receive, send)
        if not _is_loopback_name(wire.headers.get("host", "")):
            # Not even its path matters: https://en.wikipedia.org/wiki/DNS_rebinding
            await wire.send(Reply.json(421, {"error": "the sandbox answers localhost, 127.0.0.1 and [::1] alone"}))
        elif wire.path == "/openapi.json":
            await wire.send(Reply.json(200, _openapi()))
        elif wire.path == _CONTROLS or wire.path.startswith(f"{_CONTROLS}/"):
            await wire.send(control_reply(self._sandbox, wire, await wire.body()))
        else:
            await self._sandbox.answer(wire)


def _openapi() -> dict[str, Any]:
    """Criteo's own specifications of what the sandbox serves, in one document."""
    document = specification.document()
    return {
        "openapi": "3.0.1",
        "info": {"title": "Criteo API sandbox", "version": __version__},
        "paths": document["paths"],
        "components": {"schemas": document["schemas"]},
    }


def _is_loopback_name(host: str) -> bool:
    """Whether a Host header means this machine: localhost, a name below it, 127.0.0.0/8, [::1]; with any port."""
    name = re.sub(r":\d*$", "", host.strip().lower()).rstrip(".")
    return name.endswith(".localhost") or is_loopback(name[1:-1] if name.startswith("[") else name)


def is_loopback(host: str) -> bool:
    """Whether this is localhost, or an address of this machine's alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
