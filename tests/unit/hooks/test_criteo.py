"""The hook: an Airflow connection in, a client of its own settings out; nothing is asked before it is needed."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from airflow_provider_criteo.exceptions import AuthenticationError, DestinationError, InvalidInputError
from airflow_provider_criteo.hooks.criteo import CriteoHook
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.raw_server import RawServer, endless, http

ATTRIBUTES = {"advertiserIds": ["1"], "lookbackWindow": 60}
PAGE = (Path(__file__).parents[3] / "docs" / "connection.md").read_text("utf-8")


def test_nothing_is_asked_before_it_is_needed(criteo_sandbox: Sandbox) -> None:
    CriteoHook().get_conn()
    assert not criteo_sandbox.journal()


def test_get_conn_is_authenticated_at_criteos_host_alone(criteo_sandbox: Sandbox) -> None:
    session = CriteoHook().get_conn()
    url = criteo_sandbox.url + "/2026-07/retail-media/accounts"
    assert session.get(url, timeout=5).status_code == 200
    assert session.get(url.replace("127.0.0.1", "localhost"), timeout=5).status_code == 401
    assert "authorization" not in criteo_sandbox.journal()[-1]["headers"]


def test_its_session_renews_a_token_that_is_refused(criteo_sandbox: Sandbox) -> None:
    session = CriteoHook().get_conn()
    url = criteo_sandbox.url + "/2026-07/retail-media/accounts"
    session.get(url, timeout=5)
    criteo_sandbox.revoke_tokens()
    assert session.get(url, timeout=5).status_code == 200
    assert [call["call"] for call in criteo_sandbox.journal()][-2:] == ["token", "accounts"]


def test_the_three_steps(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    hook = CriteoHook()
    job = hook.create_report_job("mpo-realtime", ATTRIBUTES)
    assert hook.get_report_job(job.report_id).state.value == "done"
    report = hook.download_report(job.report_id, str(tmp_path / "report.csv"))
    assert report.url == str(tmp_path / "report.csv")
    assert report.size_bytes == (tmp_path / "report.csv").stat().st_size


def test_attributes_may_be_json_text(criteo_sandbox: Sandbox) -> None:
    CriteoHook().create_report_job("mpo-realtime", json.dumps(ATTRIBUTES))
    assert criteo_sandbox.jobs()[0]["attributes"] == ATTRIBUTES


@pytest.mark.parametrize("overwrite", [True, False])
def test_overwrite(criteo_sandbox: Sandbox, tmp_path: Path, overwrite: bool) -> None:
    hook = CriteoHook()
    job = hook.create_report_job("mpo-realtime", ATTRIBUTES)
    file = tmp_path / "report.csv"
    file.write_bytes(b"before")
    if overwrite:
        hook.download_report(job.report_id, str(file))
        assert file.read_bytes() != b"before"
    else:
        with pytest.raises(InvalidInputError, match="exists, and overwrite=False"):
            hook.download_report(job.report_id, str(file), overwrite=False)
        assert file.read_bytes() == b"before"
        assert not criteo_sandbox.journal("download")


def test_a_file_below_a_file_cannot_be(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    hook = CriteoHook()
    job = hook.create_report_job("mpo-realtime", ATTRIBUTES)
    (tmp_path / "file").write_bytes(b"before")
    with pytest.raises(DestinationError, match="could not be written"):
        hook.download_report(job.report_id, str(tmp_path / "file" / "report.csv"))


def test_a_connection_out_of_airflows_file_backend(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    section = PAGE.partition("## In a secrets backend")[2].partition("\n## ")[0]
    settings, content = re.findall(r"```text\n(.*?)```", section, re.DOTALL)
    (connection,) = json.loads(content).values()
    criteo_sandbox.configure(clients={connection["login"]: connection["password"]})
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"criteo_default": {**connection, "host": criteo_sandbox.url}}))
    settings = settings.replace("/opt/airflow/connections.json", str(file))
    backend = dict(line.split("=", 1) for line in settings.splitlines())
    # A process of its own, as Airflow keeps its backends.
    code = "from airflow_provider_criteo.hooks.criteo import CriteoHook; print(CriteoHook().test_connection())"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    environment |= {"AIRFLOW_HOME": str(tmp_path), **backend}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert f"(True, 'Criteo answers for client id {connection['login']}:" in run.stdout, run.stdout + run.stderr


# test_connection


def test_a_connection_that_works(criteo_sandbox: Sandbox) -> None:
    works, message = CriteoHook().test_connection()
    assert works, message
    assert criteo_sandbox.client_id in message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"password": "a-wrong-secret"}, "does not accept the credentials"),
        ({"login": "nobody"}, "does not accept the credentials"),
        ({"host": "http://127.0.0.1:9"}, "The connection failed"),
        ({"host": "http://api.criteo.com"}, "allowed: https"),
        ({"login": ""}, "login"),
    ],
    ids=str,
)
def test_a_connection_that_does_not_work(
    criteo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], told: str
) -> None:
    connection = {**json.loads(criteo_sandbox.connection()), **change}
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", json.dumps(connection))
    works, message = CriteoHook().test_connection()
    assert not works
    assert told in message
    assert "a-wrong-secret" not in message
    assert criteo_sandbox.client_secret not in message


def test_an_extra_that_is_not_known_is_ignored_with_a_warning_that_names_the_nearest(
    criteo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", criteo_sandbox.connection(call_per_minute=5))
    with caplog.at_level(logging.WARNING):
        assert CriteoHook().test_connection()[0]
    assert "'call_per_minute'" in caplog.text
    assert "'calls_per_minute'" in caplog.text


@pytest.mark.parametrize(("timeout", "timeouts"), [(None, (10, 60)), ("", (10, 60)), (5, (5, 5)), ("90", (10, 90))])
def test_connecting_gets_ten_seconds_of_the_timeout_at_most(
    criteo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, timeout: object, timeouts: tuple[float, float]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", criteo_sandbox.connection(timeout=timeout))
    assert CriteoHook().client._timeout == timeouts


@pytest.mark.parametrize(
    ("call", "fault", "told"),
    [
        ("token", "delay-before", "No answer within 3 s"),
        ("any", "drip", "No answer within 3 s"),
        *(
            (call, fault, "")
            for call in ("token", "any")
            for fault in ("http-500", "html-200", "redirect-other-host", "empty-200")
        ),
    ],
)
def test_testing_a_connection_never_raises_and_takes_less_than_ten_seconds(
    criteo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, call: str, fault: str, told: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", _with_a_new_token(criteo_sandbox))
    criteo_sandbox.fault(call, fault, times=None, seconds=20)
    began = time.monotonic()
    works, message = CriteoHook().test_connection()
    assert not works
    assert message
    assert told in message
    assert time.monotonic() - began < 10


def test_a_host_that_takes_no_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        for _ in range(8):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        host = f"http://127.0.0.1:{full.getsockname()[1]}"
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", _connection(host))
        works, message = CriteoHook().test_connection()
    assert not works
    assert message.startswith("No connection within 3 s")


def test_an_answer_without_end_is_waited_for_no_longer_than_nine_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(token=endless(b"HTTP/1.1 200 OK\r\nContent-Length: 250\r\n\r\n")) as server:
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", _connection(server.url))
        assert CriteoHook().test_connection() == (False, "Criteo did not answer within 9 s.")


def test_the_connection_page_says_how_long_a_test_waits() -> None:
    (row,) = (line for line in PAGE.splitlines() if line.startswith("| No answer within"))
    told = ["No answer within 3 s", "No connection within 3 s", "Criteo did not answer within 9 s."]
    assert row.split("|")[1].strip() == " ... ; ".join(told)


def test_a_host_that_is_not_criteos_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(token=http(404, {"message": "no such page"})) as elsewhere:
        monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", _connection(elsewhere.url))
        works, message = CriteoHook().test_connection()
    assert not works
    assert "There is no token endpoint at this host" in message


def test_an_application_without_consent_does_not_pass(criteo_sandbox: Sandbox) -> None:
    criteo_sandbox.configure(consent=False)
    works, message = CriteoHook().test_connection()
    assert not works
    assert "shows this application no account" in message
    assert "consent URL" in message
    calls = [call["path"].rpartition("/")[2] for call in criteo_sandbox.journal() if call["call"] != "token"]
    assert calls == ["me", "accounts"]


def test_accounts_of_all_pages_are_counted(criteo_sandbox: Sandbox) -> None:
    criteo_sandbox.configure(account_ids=[str(number) for number in range(130)])
    criteo_sandbox.fault("accounts", "http-403")
    works, message = CriteoHook().test_connection()
    assert works
    assert "130 Retail Media accounts" in message


def test_a_used_up_quota_is_told(criteo_sandbox: Sandbox) -> None:
    criteo_sandbox.fault("any", "http-429-limit-and-reset", times=None)
    works, message = CriteoHook().test_connection()
    assert not works
    assert "Criteo answers, but the quota" in message


def test_what_a_test_says_can_be_read_in_the_ui_and_the_cli(
    criteo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {**json.loads(criteo_sandbox.connection()), "password": "a-wrong-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", json.dumps(connection))
    message = CriteoHook().test_connection()[1]
    assert message.startswith("Criteo does not accept the credentials (POST /oauth2/token was answered 401).\n")
    assert all(line.endswith(".") for line in message.splitlines())
    assert "[" not in message


def test_a_wrong_secret_is_an_error_that_does_not_show_it(
    criteo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {**json.loads(criteo_sandbox.connection()), "password": "a-wrong-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", json.dumps(connection))
    with pytest.raises(AuthenticationError) as caught:
        CriteoHook().get_report_job("1")
    assert "a-wrong-secret" not in str(caught.value)


def _connection(host: str) -> str:
    return json.dumps({"conn_type": "criteo", "login": "an-id", "password": "a-secret", "host": host})


def _with_a_new_token(sandbox: Sandbox) -> str:
    """The connection by another name of the host, and another client, whose token nobody has yet."""
    client_id = f"client-{time.monotonic_ns()}"
    sandbox.configure(clients={client_id: "a-secret"})
    return json.dumps({**json.loads(sandbox.connection()), "login": client_id, "password": "a-secret"})
