"""Nothing secret is where someone may read it, whatever goes wrong."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack

DAGS = Path(__file__).parent / "dags_secrets"
PLACEHOLDERS = ("***", "redacted")


def echo(sandbox: Sandbox) -> str:
    """What a careless server says: the secret as it is and as it was sent."""
    return f"sandbox-echo {sandbox.client_secret} {quote_plus(sandbox.client_secret)} {sandbox.refresh_token}"


def problems(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [{"type": "validation", "code": "invalid", "title": "Bad", "detail": echo(sandbox), "traceId": "4f2c"}]


def always(call: str, kind: str, **params: Any) -> Callable[[Sandbox], None]:
    return lambda sandbox: sandbox.fault(call, kind, times=None, **params)


def echoing(call: str, kind: str) -> Callable[[Sandbox], None]:
    return lambda sandbox: sandbox.fault(call, kind, times=None, title=echo(sandbox), detail=echo(sandbox))


FAULTS: dict[str, Callable[[Sandbox], None]] = {
    "nothing": lambda sandbox: None,
    "refresh_token": lambda sandbox: None,
    "refresh_token_rotated": lambda sandbox: sandbox.configure(rotate_refresh_token=True),
    "wrong_secret": lambda sandbox: None,
    "wrong_secret_echoed": echoing("token", "http-401"),
    "token_400_echoed": echoing("token", "http-400"),
    "token_page": always("token", "html-502"),
    "token_reset": always("token", "reset-before"),
    "create_401": echoing("create", "http-401"),
    "create_403": echoing("create", "http-403"),
    "create_400": echoing("create", "http-400"),
    "create_429": always("create", "http-429-limit-and-reset", seconds=300),
    "create_reset": always("create", "reset-after"),
    "create_no_reply": always("create", "delay-after", seconds=30),
    "create_redirected": always("create", "redirect-other-host"),
    "status_401": always("status", "token-revoked"),
    "status_403": echoing("status", "http-403"),
    "status_429": always("status", "http-429-bare"),
    "status_500": echoing("status", "http-500"),
    "status_page": always("status", "html-200"),
    "status_redirected": always("status", "redirect-other-host"),
    "job_failed": lambda sandbox: sandbox.configure(
        outcome="Failure", message=echo(sandbox), problems=problems(sandbox)
    ),
    "job_warned": lambda sandbox: sandbox.configure(warnings=problems(sandbox)),
    "token_repeats": always("token", "echo"),
    "create_repeats": always("create", "echo"),
    "status_repeats": always("status", "echo", status=500),
    "download_repeats": always("download", "echo", status=403),
    "download_cut": always("download", "cut", at=10),
    "download_problem": echoing("download", "problem-200"),
    "download_redirected": always("download", "redirect-other-host"),
    "download_401": always("download", "token-revoked"),
    "bad_grant_type": lambda sandbox: None,
    "bad_timeout": lambda sandbox: None,
    "plain_http": lambda sandbox: None,
}
# These have no task that goes well.
MAKE_NO_JOB = {"wrong_secret", "wrong_secret_echoed", "bad_grant_type", "bad_timeout", "plain_http"}


def wrong_secret(sandbox: Sandbox) -> str:
    return f"wr+ong/se=cr&et%{sandbox.client_id}"


def connection(fault: str, sandbox: Sandbox) -> str:
    """The connection that leads to a sandbox, as good as the fault allows."""
    extras: dict[str, Any] = {"timeout": 3, "refresh_token": sandbox.refresh_token}
    if fault.startswith("refresh_token"):
        extras["grant_type"] = "refresh_token"
    found = json.loads(sandbox.connection(**extras))
    if fault == "wrong_secret":
        found["password"] = wrong_secret(sandbox)
    if fault == "bad_grant_type":
        found["extra"] |= {"grant_type": "client_credential", "refresh_token": sandbox.refresh_token}
    if fault == "bad_timeout":
        found["extra"]["timeout"] = "soon"
    if fault == "plain_http":
        found["host"] = "http://criteo.example"
    return json.dumps(found)


def spellings(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    """Every secret of a sandbox, in each form in which a request carries it, and what it is."""
    for name, secret in (("client secret", sandbox.client_secret), ("wrong client secret", wrong_secret(sandbox))):
        yield name, secret
        yield f"{name}, quoted", quote(secret, safe="")
        yield f"{name}, as a form", quote_plus(secret)
        yield f"{name}, in JSON", json.dumps(secret)[1:-1]
        yield f"{name}, basic", base64.b64encode(f"{sandbox.client_id}:{secret}".encode()).decode()
    # What was issued stands nowhere but in the server itself.
    tokens = sandbox._app.api.tokens
    yield from ((f"access token {number}", token) for number, token in enumerate(tokens._access))
    yield from ((f"refresh token or code {number}", token) for number, token in enumerate(tokens._consents))


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[dict[str, Sandbox]]:
    """A Criteo for each fault, with a secret of its own."""
    with ExitStack() as stack:
        yield {
            fault: stack.enter_context(
                Sandbox(client_secret=f"a+b/c=d&e%f{number}", rate_limit=None, cache=False, pending_seconds=3)
            )
            for number, fault in enumerate(FAULTS)
        }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, sandboxes: dict[str, Sandbox]) -> Iterator[AirflowStack]:
    env = {"CRITEO_FAULTS": " ".join(FAULTS)}
    for fault, sandbox in sandboxes.items():
        env[f"AIRFLOW_CONN_CRITEO_{fault.upper()}"] = connection(fault, sandbox)
    home = tmp_path_factory.mktemp("secrets")
    with AirflowStack(home, DAGS, database="postgres", parallelism=8, env=env, log_level="DEBUG") as airflow:
        yield airflow


class TriggerRows:
    """Remembers every trigger's row: they are gone when the trigger is."""

    def __init__(self, airflow: AirflowStack) -> None:
        self.rows: dict[int, str] = {}
        self._airflow = airflow
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stop.wait(0.3):
            self.rows.update({row["id"]: str(row) for row in self._airflow.triggers()})

    def __enter__(self) -> TriggerRows:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def leaks(text: str, secrets: dict[str, str], pattern: re.Pattern[str]) -> set[str]:
    """What of these secrets is in a text; and whether a header with credentials is."""
    found = {name for secret, name in secrets.items() if secret in text} if pattern.search(text) else set()
    for scheme, value in re.findall(r"(?i)\b(bearer|basic)\s+([\w\-.~+/*=]{8,})", text):
        if value not in PLACEHOLDERS:
            found.add(f"{scheme} {value[:4]}...")
    if re.search(r"(?i)[\"']?\bauthorization[\"']?\s*[:=]\s*[\"']?\w", text):
        found.add("an Authorization header")
    return found


def test_no_secret_is_left_anywhere(
    stack: AirflowStack, sandboxes: dict[str, Sandbox], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = {}
    with TriggerRows(stack) as triggers:
        for fault, play in FAULTS.items():
            play(sandboxes[fault])
            runs[fault] = stack.trigger(fault, {"advertiser": "123", "lake": f"file://{tmp_path}/{fault}"})
        states = {fault: stack.wait(fault, run_id, timeout=900) for fault, run_id in runs.items()}

    secrets = {secret: name for sandbox in sandboxes.values() for name, secret in spellings(sandbox)}
    # One look through each text for all of them.
    pattern = re.compile("|".join(map(re.escape, sorted(secrets, key=len, reverse=True))))
    files = {str(file.relative_to(stack.home)): file.read_text(errors="replace") for file in stack.files()}
    rows = [*stack.dump(), *triggers.rows.values()]
    everything = "\n".join((*files.values(), *rows))

    # All of it happened, and the search sees what is there.
    assert states["nothing"] == states["refresh_token"] == states["job_warned"] == "success"
    failed = {fault for fault, state in states.items() if state == "failed"}
    assert failed >= set(FAULTS) - {"nothing", "refresh_token", "job_warned"}, states
    assert len(triggers.rows) >= 20
    tables = {row.partition(":")[0] for row in rows}
    assert {"xcom", "rendered_task_instance_fields", "task_state_store", "trigger", "log"} <= tables | {"trigger"}
    for fault in set(FAULTS) - MAKE_NO_JOB:
        assert all(job["report_id"] in everything for job in sandboxes[fault].jobs() if job["polls"])
    echoed = {
        fault
        for fault in FAULTS
        if any(f"dag_id={fault}/" in name and "sandbox-echo" in text for name, text in files.items())
    }
    repeated = {
        fault
        for fault in FAULTS
        if any(f"dag_id={fault}/" in name and re.search(r"Bearer \*\*\*", text) for name, text in files.items())
    }
    assert echoed >= {"wrong_secret_echoed", "token_400_echoed", "create_403", "create_400", "status_403", "job_failed"}
    assert repeated >= {"create_repeats", "status_repeats", "download_repeats"}
    assert sum(name.startswith("access token") for name in secrets.values()) >= 20
    assert any(fault in everything for fault in ("Criteo gave a new refresh token",))

    found = {(place, leak) for place, text in files.items() for leak in leaks(text, secrets, pattern)}
    found |= {(row.partition(":")[0], leak) for row in rows for leak in leaks(row, secrets, pattern)}
    with capsys.disabled():
        print(f"\nsecrets: {len(found)} found in {len(files)} files and {len(rows)} rows")
    assert not found
