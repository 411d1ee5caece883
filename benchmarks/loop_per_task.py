"""The usual way to wait for a job, to compare with: a loop per task, which ends at any exception, as dbt-cloud's does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseHook, BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_criteo.api.reports import get_report_type

POLL_INTERVAL = 30.0
ROW = get_report_type("mpo-realtime")


def token_of(connection: Any) -> str:
    """A new token."""
    import requests

    form = {"grant_type": "client_credentials", "client_id": connection.login, "client_secret": connection.password}
    reply = requests.post(f"{connection.host}/oauth2/token", data=form, timeout=60)
    reply.raise_for_status()
    token: str = reply.json()["access_token"]
    return token


class LoopPerTaskOperator(BaseOperator):
    """Create, wait in a loop of its own, download; a refused call fails the try.

    :param attributes: what to report.
    :param destination: a local path.
    """

    template_fields: Sequence[str] = ("attributes", "destination")

    def __init__(self, *, attributes: Mapping[str, Any], destination: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attributes = attributes
        self.destination = destination

    def execute(self, context: Any) -> None:
        """Create the job."""
        import requests

        connection = BaseHook.get_connection("criteo_default")
        token = token_of(connection)
        body = {"data": {"type": ROW.resource_type, "attributes": self.attributes}}
        headers = {"Authorization": f"Bearer {token}"}
        reply = requests.post(connection.host + ROW.create_url("preview"), json=body, headers=headers, timeout=60)
        reply.raise_for_status()
        report_id = reply.json()["data"]["attributes"]["exportId"]
        self.defer(
            trigger=LoopTrigger(report_id), method_name="execute_complete", timeout=timedelta(seconds=6 * 60 * 60)
        )

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> str:
        """Download the file."""
        import requests

        if "error" in event:
            raise RuntimeError(event["error"])
        connection = BaseHook.get_connection("criteo_default")
        headers = {"Authorization": f"Bearer {token_of(connection)}"}
        url = connection.host + ROW.output_url("preview", event["report_id"])
        reply = requests.get(url, headers=headers, timeout=60)
        reply.raise_for_status()
        Path(self.destination.removeprefix("file://")).write_bytes(reply.content)
        return self.destination


class LoopTrigger(BaseTrigger):
    """Asks, sleeps, asks again.

    :param report_id: of the job.
    """

    def __init__(self, report_id: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow's
        self.report_id = report_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments that make this trigger again."""
        return "benchmarks.loop_per_task.LoopTrigger", {"report_id": self.report_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until the job is done."""
        import httpx
        from asgiref.sync import sync_to_async

        try:
            connection = await sync_to_async(BaseHook.get_connection)("criteo_default")
            headers = {"Authorization": f"Bearer {await asyncio.to_thread(token_of, connection)}"}
            async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as client:
                while True:
                    reply = await client.get(connection.host + ROW.status_url("preview", self.report_id))
                    if reply.raise_for_status().json()["data"]["attributes"]["status"] == "Done":
                        break
                    await asyncio.sleep(POLL_INTERVAL)
        except Exception as error:  # noqa: BLE001 - as it does
            yield TriggerEvent({"error": str(error)})
            return
        yield TriggerEvent({"report_id": self.report_id})
