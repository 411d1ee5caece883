"""Nothing secret is where someone may read it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from dev.airflow_stack import AirflowStack

from airflow_provider_criteo.sandbox import Sandbox

WRONG_SECRET = "wr+ong/se=cr&et%"


def spellings(sandbox: Sandbox) -> dict[str, str]:
    """Every secret, in each form in which a request carries it, by what it is."""
    found = {}
    for name, secret in (("client secret", sandbox.client_secret), ("wrong client secret", WRONG_SECRET)):
        basic = base64.b64encode(f"{sandbox.client_id}:{secret}".encode()).decode()
        found |= {name: secret, f"{name}, quoted": quote(secret, safe=""), f"{name}, as a form": quote_plus(secret)}
        found |= {f"{name}, basic": basic}
    # What was issued stands nowhere but in the server itself.
    tokens = sandbox._app.api.tokens
    found |= {f"access token {number}": token for number, token in enumerate(tokens._access)}
    return found | {f"refresh token {number}": token for number, token in enumerate(tokens._refresh)}


def places(airflow: AirflowStack) -> Iterator[tuple[str, str]]:
    """Every text that a run leaves: logs, the components' output, each row of the metadata database."""
    for file in airflow.files():
        yield str(file.relative_to(airflow.home)), file.read_text(errors="replace")
    for row in airflow.dump():
        yield row.partition(":")[0], row


@pytest.mark.parametrize("how", ["poke", "reschedule", "deferred"])
def test_no_secret_is_left_anywhere(airflow: AirflowStack, sandbox: Sandbox, lake: Path, how: str) -> None:
    sandbox.configure(pending_seconds=3)
    dag_id = f"report_{how}"
    good = airflow.trigger(dag_id, {"destination": f"file://{lake}/secrets-{how}.csv"})
    if how == "deferred":
        while not airflow.triggers():
            assert airflow.task_instance(dag_id, good, "wait").state not in ("success", "failed")
    triggers = [str(row) for row in airflow.triggers()]
    assert airflow.wait(dag_id, good) == "success"
    _, refused = airflow.run(dag_id, {"destination": "file:///never/written", "conn_id": "criteo_wrong"})
    assert refused == "failed"

    secrets = spellings(sandbox)
    assert sum(name.startswith("access token") for name in secrets) >= 1
    texts = [*places(airflow), *(("trigger", row) for row in triggers)]
    # The search sees what is there.
    report_id = airflow.xcom(dag_id, good, "create")
    seen = {place for place, text in texts if report_id in text}
    assert {"xcom", "rendered_task_instance_fields"} <= seen
    assert any(place.startswith("logs/") for place in seen)
    assert how != "deferred" or "trigger" in seen

    leaks = {(name, place) for name, secret in secrets.items() for place, text in texts if secret in text}
    assert not leaks
