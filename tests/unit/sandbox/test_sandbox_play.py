"""What can be played with: jobs, contradictions of Criteo's pages, holds, other processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest
import requests

from airflow_provider_criteo.sandbox import Sandbox, SandboxControl

pytest_plugins = ["pytester"]


def status_of(reply):
    return reply.json()["data"]["attributes"]["status"]


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("data.attributes.exportId", ("data", "attributes", "exportId")),
        ("data.attributes.reportId", ("data", "attributes", "reportId")),
        ("data.id", ("data", "id")),
        ("exportId", ("exportId",)),
        ("reportId", ("reportId",)),
    ],
)
def test_contradiction_1_the_place_of_the_id(caller, sandbox, location, place):
    sandbox.configure(id_location=location)
    reply = caller.create().json()
    report_id = sandbox.jobs()[0]["report_id"]
    assert json.dumps(reply).count(report_id) == 1
    for name in place:
        reply = reply[name]
    assert reply == report_id


def test_contradiction_2_words_in_any_casing_and_spelling(caller, sandbox):
    sandbox.configure(cache=False)
    seen = []
    for settings in (
        {"casing": "lower"},
        {"casing": "upper"},
        {"casing": "spec", "outcome": "failed"},
        {"outcome": "Unknown"},
        {"outcome": "Reticulating"},
    ):
        sandbox.configure(**settings)
        seen.append(status_of(caller.status(caller.made())))
    assert seen == ["done", "DONE", "failed", "Unknown", "Reticulating"]
    sandbox.configure(pending_seconds=60, pending_word="Unknown")
    assert status_of(caller.create()) == "Unknown"


def test_contradiction_3_done_at_creation(caller, sandbox):
    sandbox.configure(pending_seconds=60, done_at_creation=True)
    assert status_of(caller.create()) == "Done"


@pytest.mark.parametrize("status", [200, 201, 202])
def test_contradiction_4_create_statuses(caller, sandbox, status):
    sandbox.configure(create_status=status)
    assert caller.create().status_code == status


@pytest.mark.parametrize("status", [403, 404, 410, 204])
def test_contradiction_5_a_vanished_and_an_expired_job(caller, sandbox, status):
    sandbox.configure(lost_status=status, expired_status=status, cache=False)
    expired, lost = caller.made(), caller.made()
    sandbox.finish(expired, "Expired")
    sandbox.forget(lost)
    for report_id in (expired, lost):
        assert caller.status(report_id).status_code == status
        assert caller.download(report_id).status_code == status


def test_contradiction_6_the_fields_of_a_status(caller, sandbox):
    sandbox.configure(cache=False)

    def fields():
        return set(caller.status(caller.made("rm-campaigns"), "rm-campaigns").json()["data"]["attributes"])

    assert {"expiresAt", "rowCount", "fileSizeBytes", "md5CheckSum"} < fields()
    sandbox.configure(md5_spelling="md5Checksum")
    assert "md5Checksum" in fields()
    assert "md5CheckSum" not in fields()
    sandbox.configure(bare_status=True)
    assert fields() == {"id", "status", "message"}


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        ("columns", lambda body: json.loads(body)["data"]),
        ("metadata", lambda body: json.loads(body)["data"]),
        ("wrapped", lambda body: json.loads(body)["data"]["data"]),
        ("resource", lambda body: json.loads(body)["data"]["attributes"]["data"]),
        ("array", lambda body: json.loads(body)),
        ("lines", lambda body: [json.loads(line) for line in body.splitlines()]),
        ("pretty", lambda body: [json.loads(row) for row in re.findall(r"^{$.*?^}$", body, re.MULTILINE | re.DOTALL)]),
    ],
)
def test_contradiction_7_shapes_of_json(caller, sandbox, shape, rows):
    sandbox.configure(json_shape=shape)
    report_id = caller.made(attributes={"advertiserIds": ["1"], "fileFormat": "json"})
    assert len(rows(caller.download(report_id).text)) == 10


def test_contradiction_8_the_label_of_csv(caller, sandbox):
    sandbox.configure(csv_content_type="application/octet-stream")
    assert caller.download(caller.made()).headers["content-type"] == "application/octet-stream"


def test_contradiction_12_and_13_warnings_and_headers(caller, sandbox):
    warning = {"code": "deprecated-field", "title": "Old", "type": "deprecation"}
    sandbox.configure(warnings=[warning], deprecation="@1798761600", sunset="Thu, 31 Dec 2026 23:59:59 GMT")
    reply = caller.create()
    assert reply.json()["warnings"] == [warning]
    assert (reply.headers["deprecation"], reply.headers["sunset"]) == ("@1798761600", "Thu, 31 Dec 2026 23:59:59 GMT")


def test_a_job_is_pending_and_then_fails_with_its_problems(caller, sandbox):
    problems = [{"code": "a", "title": "A", "traceId": "t"}, {"code": "b"}]
    failure = {"outcome": "Failure", "message": "No data", "problems": problems}
    sandbox.next_job(pending_seconds=60, **failure)
    assert status_of(caller.status(caller.made())) == "Pending"
    sandbox.next_job(pending_seconds=0, **failure)
    reply = caller.status(caller.made()).json()
    assert reply["data"]["attributes"]["status"] == "Failure"
    assert reply["data"]["attributes"]["message"] == "No data"
    assert reply["errors"] == problems


def test_a_failure_with_null_errors(caller, sandbox):
    sandbox.configure(outcome="Failure", problems=None)
    assert caller.status(caller.made()).json()["errors"] is None


def test_next_jobs_queue_up_by_report_type(caller, sandbox):
    sandbox.next_job("products", outcome="Failure")
    sandbox.next_job(outcome="Expired")
    words = [status_of(caller.create(name)) for name in ("mpo-realtime", "products", "mpo-realtime")]
    # The third is a new job, for one that expired is not given again.
    assert words == ["Expired", "Failure", "Done"]


def test_pending_times_of_a_range(caller, sandbox):
    sandbox.configure(pending_seconds=(10, 20), cache=False)
    for _ in range(3):
        caller.made()
    waits = [job["ready_at"] - job["created_at"] for job in sandbox.jobs()]
    assert all(10 <= wait <= 20 for wait in waits)
    assert len(set(waits)) == 3


@pytest.mark.parametrize(("when", "jobs"), [("before", 0), ("after", 1)])
def test_a_held_create(caller, sandbox, when, jobs):
    caller.fetch_token()
    sandbox.hold("create", when)
    thread = threading.Thread(target=caller.create)
    thread.start()
    sandbox.wait_held("create", 5)
    assert len(sandbox.jobs()) == jobs
    sandbox.release("create")
    thread.join(5)
    assert len(sandbox.jobs()) == 1
    assert sandbox.held()["create"] == 0


def test_settings_are_checked(sandbox):
    for wrong, message in (
        ({"pending": 1}, "pending_seconds"),
        ({"casing": "loud"}, "upper"),
        ({"cache": "yes"}, "boolean"),
        ({"pending_seconds": "soon"}, "valid number"),
        ({"clients": "all"}, "dictionary"),
    ):
        with pytest.raises(ValueError, match=message):
            sandbox.configure(**wrong)
    with pytest.raises(ValueError, match="file_rows"):
        sandbox.next_job(rate_limit=1)


def test_reset_forgets_all_but_tokens(caller, sandbox):
    caller.made()
    sandbox.configure(outcome="Failure")
    sandbox.fault("create", "http-500")
    sandbox.reset()
    assert (sandbox.jobs(), sandbox.journal()) == ([], [])
    assert status_of(caller.create()) == "Done"
    assert len(sandbox.journal()) == 1


def test_the_connection_leads_to_it(sandbox):
    connection = json.loads(sandbox.connection(grant_type="refresh_token", api_version="preview"))
    assert connection["host"] == sandbox.url
    assert (connection["login"], connection["password"]) == (sandbox.client_id, "a+b/c=d&e%f")
    assert connection["extra"]["refresh_token"] == sandbox.refresh_token


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.com", ""])
def test_it_serves_this_machine_alone(host):
    with pytest.raises(ValueError, match="this machine alone"):
        Sandbox(host=host)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("criteo.localhost", 200),
        ("127.0.0.1:1", 200),
        ("127.8.9.10", 200),
        ("[::1]:8000", 200),
        ("example.com", 421),
        ("localhost.example.com", 421),
        ("127.0.0.1.example.com", 421),
        ("evil-localhost", 421),
        ("10.0.0.1", 421),
        ("[::2]", 421),
        ("0.0.0.0", 421),
        ("", 421),
    ],
)
def test_it_answers_names_of_this_machine_alone(sandbox, host, status):
    for path in ("/_sandbox/jobs", "/openapi.json"):
        assert requests.get(f"{sandbox.url}{path}", headers={"Host": host}, timeout=5).status_code == status
    reply = requests.post(f"{sandbox.url}/oauth2/token", headers={"Host": host}, timeout=5)
    assert reply.status_code == (400 if status == 200 else 421)
    assert len(sandbox.journal()) == (status == 200)


def test_a_web_page_cannot_play_with_it(sandbox):
    sandbox.configure(outcome="Failure")
    url = f"{sandbox.url}/_sandbox/reset"
    replies = [
        requests.get(url, timeout=5),
        requests.post(url, data="{}", headers={"Content-Type": "text/plain"}, timeout=5),
    ]
    assert [reply.status_code for reply in replies] == [405, 405]
    assert requests.post(f"{sandbox.url}/_sandbox/nothing", timeout=5).status_code == 404
    assert requests.get(f"{sandbox.url}/_sandbox/", timeout=5).json()["settings"]["outcome"] == "Failure"


def test_the_port_is_free_once_it_stops():
    with Sandbox() as first:
        port = int(first.url.rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    with Sandbox(port=port) as second:
        assert second.jobs() == []


def test_a_sandbox_in_another_process(tmp_path):
    journal = tmp_path / "journal.jsonl"
    arguments = ["--port", "0", "--journal", str(journal), "--pending-seconds", "[1, 2]", "--rate-limit", "null"]
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_provider_criteo.sandbox", *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        lines = iter(process.stdout.readline, "")
        export = next(line for line in lines if line.startswith("export AIRFLOW_CONN_CRITEO_DEFAULT="))
        shown = subprocess.run(
            ["sh", "-c", f'{export}printf %s "$AIRFLOW_CONN_CRITEO_DEFAULT"'],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.environ["PATH"]},
        )
        connection = json.loads(shown.stdout)
        control = SandboxControl(connection["host"])
        control.client_id, control.client_secret = connection["login"], connection["password"]
        _drive(control)
        assert [record["call"] for record in control.journal()] == ["token", "create", "status"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)
        process.stdout.close()
    assert [json.loads(line)["status"] for line in journal.read_text().splitlines()] == [200, 200, 503]


def _drive(control):
    from tests.support.sandbox_caller import Caller

    caller = Caller(control)
    caller.create()
    control.fault("status", "http-503")
    assert caller.status(control.jobs()[0]["report_id"]).status_code == 503


def test_a_wrong_setting_on_the_command_line(tmp_path):
    command = [sys.executable, "-m", "airflow_provider_criteo.sandbox", "--casing", "loud"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert "'upper'" in ended.stderr


def test_importing_it_imports_no_airflow():
    code = "import sys, airflow_provider_criteo.sandbox; sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_the_help_lists_controls_settings_and_faults(sandbox):
    told = requests.get(f"{sandbox.url}/_sandbox/", timeout=5).json()
    assert "POST /_sandbox/fault" in told["controls"]
    assert told["settings"]["rate_limit"] is None
    assert told["faults"]["cut"]["calls"] == ["download"]


def test_the_fixture_for_users_own_dags(pytester):
    pytester.makeconftest('pytest_plugins = ["airflow_provider_criteo.sandbox.pytest_plugin"]')
    pytester.makepyfile(
        """
        import json, os

        def test_connection(criteo_sandbox):
            criteo_sandbox.next_job(outcome="Failure")
            assert json.loads(os.environ["AIRFLOW_CONN_CRITEO_DEFAULT"])["host"] == criteo_sandbox.url
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
