"""``python -m airflow_provider_criteo.sandbox``: serve until interrupted."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow_provider_criteo.sandbox.app import DEFAULT_SECRET, SandboxApp
from airflow_provider_criteo.sandbox.server import LOOPBACK, address_of, bound, connection_json, uvicorn_server
from airflow_provider_criteo.sandbox.settings import SETTINGS, Settings, changed


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the sandbox until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_criteo.sandbox",
        description="A local Criteo API, on this machine alone. Any setting can be given as --name-of-it VALUE.",
        epilog=f"Settings: {', '.join(name.replace('_', '-') for name in SETTINGS)}.",
    )
    parser.add_argument("--port", type=int, default=8000, help="0 for a free one")
    parser.add_argument("--host", default=LOOPBACK, help="a loopback address")
    parser.add_argument("--client-id", default="criteo-sandbox")
    parser.add_argument("--client-secret", default=DEFAULT_SECRET)
    parser.add_argument("--journal", type=Path, default=None, help="a file for the journal, a line of JSON a call")
    for name in SETTINGS:
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=_value, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
    given = parser.parse_args(arguments)
    changes = {name: getattr(given, name) for name in SETTINGS if hasattr(given, name)}
    try:
        settings = changed(Settings(), changes)
        listening = bound(given.host, given.port)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    client_id, secret = given.client_id, given.client_secret
    sandbox = SandboxApp(client_id, secret, settings, given.journal)
    url = address_of(listening)
    print(f"Criteo sandbox   {url}")
    print(f"client id        {client_id}")
    print(f"client secret    {secret}")
    print(f"refresh token    {sandbox.refresh_token}")
    print(f"in Airflow's UI  API host {given.host}, API port {listening.getsockname()[1]}")
    print(f"controls         {url}/_sandbox/")
    print(f"OpenAPI          {url}/openapi.json")
    print()
    print(f"export AIRFLOW_CONN_CRITEO_DEFAULT={shlex.quote(connection_json(url, client_id, secret))}", flush=True)
    with suppress(KeyboardInterrupt):
        uvicorn_server(sandbox).run(sockets=[listening])


def _value(text: str) -> Any:
    """A setting's value: JSON where it is, else the text."""
    with suppress(ValueError):
        return json.loads(text)
    return text


if __name__ == "__main__":
    main()
