"""Where Criteo's sources contradict each other, the sandbox plays every side, and the client, the hook and the sensor
take them all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_criteo import exceptions
from airflow_provider_criteo.api import exceptions as api_exceptions
from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.hooks.criteo import CriteoHook
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor
from tests.support.report_types import ATTRIBUTES

REALTIME, STATISTICS, REPORT, CATALOG, INSIGHT, BILLING, PRODUCTS = (
    "mpo-realtime",
    "statistics",
    "rm-performance",
    "rm-catalog",
    "rm-share-of-voice",
    "rm-partner-billing",
    "products",
)


@dataclass
class Stage:
    """A sandbox, and the three ways to it."""

    sandbox: Sandbox
    client: CriteoClient
    hook: CriteoHook
    folder: Path
    caplog: pytest.LogCaptureFixture

    def create(self, report_type: str = REALTIME, **attributes: Any) -> str:
        account_id = "7" if REPORT_TYPES[report_type].needs_account_id else None
        attributes = {**ATTRIBUTES[report_type], **attributes}
        return self.client.create_report_job(report_type, attributes, account_id).report_id

    def done(self, report_type: str = REALTIME, **attributes: Any) -> str:
        report_id = self.create(report_type, **attributes)
        self.sandbox.finish(report_id)
        return report_id

    def sense(self, report_id: str, report_type: str = REALTIME) -> Any:
        """What the sensor makes of the job at its first poke."""
        sensor = ReportJobStatusSensor(
            task_id="wait", report_id=report_id, report_type=report_type, mode="poke", deferrable=False
        )
        return sensor.execute({})

    def file(self, report_id: str, report_type: str = REALTIME) -> bytes:
        """The file, as the client and as the hook download it."""
        self.client.download_report(report_id, self.folder / "client", report_type)
        report = self.hook.download_report(report_id, str(self.folder / "hook"), report_type)
        content = (self.folder / "client").read_bytes()
        assert content == (self.folder / "hook").read_bytes()
        assert len(content) == report.size_bytes
        return content


@pytest.fixture
def stage(
    sandbox: Sandbox,
    make_client: Callable[..., CriteoClient],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Stage:
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", sandbox.connection(timeout=10))
    return Stage(sandbox, make_client(sandbox), CriteoHook(), tmp_path, caplog)


def the_id_stands_in_four_places(stage: Stage) -> None:
    for place in ("data.attributes.exportId", "data.attributes.reportId", "exportId", "data.id"):
        for report_type in (REALTIME, REPORT):
            stage.sandbox.reset()
            stage.sandbox.configure(id_location=place)
            report_id = stage.done(report_type)
            assert [job["report_id"] for job in stage.sandbox.jobs()] == [report_id]
            assert stage.hook.get_report_job(report_id, report_type).report_id == report_id
            assert stage.sense(report_id, report_type) == report_id


def statuses_come_in_any_casing_with_failed_and_failure_and_unknown(stage: Stage) -> None:
    words = {"done": JobState.DONE, "failed": JobState.FAILED, "failure": JobState.FAILED, "unknown": JobState.UNKNOWN}
    for word, state in words.items():
        for spelled in (word, word.upper(), word.capitalize()):
            stage.sandbox.reset()
            report_id = stage.create()
            stage.sandbox.finish(report_id, outcome=spelled)
            assert stage.client.get_report_job(report_id).state is state
            if state is JobState.DONE:
                assert stage.sense(report_id) == report_id
            elif state is JobState.FAILED:
                with pytest.raises(AirflowFailException, match=r"(?i)ended as fail"):
                    stage.sense(report_id)


def a_post_answers_done(stage: Stage) -> None:
    stage.sandbox.configure(done_at_creation=True)
    for report_type in (REALTIME, REPORT, CATALOG):
        account_id = "7" if REPORT_TYPES[report_type].needs_account_id else None
        job = stage.hook.create_report_job(report_type, ATTRIBUTES[report_type], account_id)
        assert job.state is JobState.DONE
        assert stage.sense(job.report_id, report_type) == job.report_id
        assert stage.file(job.report_id, report_type)


def a_post_answers_200_201_and_202(stage: Stage) -> None:
    for status in (200, 201, 202):
        for report_type in (REALTIME, STATISTICS, REPORT, BILLING):
            stage.sandbox.reset()
            stage.sandbox.configure(create_status=status)
            report_id = stage.done(report_type)
            assert stage.sense(report_id, report_type) == report_id
            assert [call["status"] for call in stage.sandbox.journal("create")] == [status]


def a_vanished_job_is_403_410_404_or_204(stage: Stage) -> None:
    for report_type, status in ((REALTIME, 403), (STATISTICS, 404), (REPORT, 410), (INSIGHT, 404), (CATALOG, 404)):
        with pytest.raises(api_exceptions.ReportJobNotFoundError):
            stage.client.get_report_job("9", report_type)
        with pytest.raises(exceptions.ReportJobNotFoundError) as raised:
            stage.hook.get_report_job("9", report_type)
        assert isinstance(raised.value, AirflowFailException)
        assert raised.value.status_code == status
    for report_type, status in ((REALTIME, 403), (STATISTICS, 410), (REPORT, 410), (INSIGHT, 410), (CATALOG, 204)):
        report_id = stage.done(report_type)
        done = stage.client.get_report_job(report_id, report_type)
        stage.sandbox.finish(report_id, outcome="Expired")
        with pytest.raises(exceptions.ReportExpiredError):
            stage.hook.download_report(report_id, str(stage.folder / "gone"), report_type, job=done)
        with pytest.raises(exceptions.ReportExpiredError):
            stage.sense(report_id, report_type)
        assert stage.sandbox.journal("download")[-1]["status"] == status
    assert not (stage.folder / "gone").exists()


def a_status_comes_with_and_without_counts_times_and_two_spellings_of_md5(stage: Stage) -> None:
    for settings, known in (
        ({"bare_status": True, "message": ""}, False),
        ({"md5_spelling": "md5CheckSum"}, True),
        ({"md5_spelling": "md5Checksum"}, True),
    ):
        stage.sandbox.reset()
        stage.sandbox.configure(**settings)
        report_id = stage.done(REPORT)
        job = stage.hook.get_report_job(report_id, REPORT)
        told = (job.row_count, job.size_bytes, job.md5, job.expires_at, job.created_at)
        assert [value is not None for value in told] == [known] * 5
        assert stage.sense(report_id, REPORT) == report_id
        assert stage.file(report_id, REPORT)
    assert "MD5" not in stage.caplog.text


SHAPES: dict[str, Callable[[Any], Any]] = {
    "columns": lambda value: value["columns"] and value["data"] and value["rows"],
    "metadata": lambda value: value["data"] and value["metadata"],
    "wrapped": lambda value: value["data"]["metadata"] and value["data"]["data"],
    "resource": lambda value: value["data"]["type"] and value["data"]["attributes"]["rows"],
    "array": lambda value: value[0],
}


def json_comes_in_four_shapes_and_as_array_and_as_lines(stage: Stage) -> None:
    for shape, expected in SHAPES.items():
        stage.sandbox.reset()
        stage.sandbox.configure(json_shape=shape)
        assert expected(json.loads(stage.file(stage.done(PRODUCTS, fileFormat="json"), PRODUCTS)))
    stage.sandbox.configure(json_shape="lines")
    lines = stage.file(stage.done(CATALOG), CATALOG).splitlines()
    assert len(lines) == 10
    assert all(isinstance(json.loads(line), dict) for line in lines)


def csv_is_labelled_json_or_octet_stream(stage: Stage) -> None:
    for label in ("application/json", "application/octet-stream", "text/csv"):
        stage.sandbox.reset()
        stage.sandbox.configure(csv_content_type=label)
        report_id = stage.done()
        assert stage.file(report_id).count(b"\n") >= 10
        report = stage.hook.download_report(report_id, str(stage.folder / "labelled"))
        assert report.content_type == label


def a_401_comes_in_mid_poll(stage: Stage) -> None:
    report_id = stage.create()
    assert stage.client.get_report_job(report_id).state is JobState.PENDING
    for fault in ("token-expired", "token-revoked"):
        stage.sandbox.fault("status", fault)
        assert stage.hook.get_report_job(report_id).state is JobState.PENDING
    stage.sandbox.finish(report_id)
    stage.sandbox.fault("status", "token-expired")
    assert stage.sense(report_id) == report_id
    assert [call["status"] for call in stage.sandbox.journal("status")] == [200, 401, 200, 401, 200, 401, 200]
    assert len(stage.sandbox.journal("token")) in (3, 4)  # the first may be an earlier test's


def a_429_comes_with_x_ratelimit_reset_alone(stage: Stage) -> None:
    report_id = stage.done()
    stage.sandbox.fault("status", "http-429-reset-only", seconds=40)
    with pytest.raises(exceptions.RateLimitError) as raised:
        stage.hook.get_report_job(report_id)
    assert raised.value.limit is None
    assert raised.value.retry_after is not None
    assert 35 < raised.value.retry_after <= 41
    stage.sandbox.fault("create", "http-429-reset-only", seconds=1)
    assert stage.create(PRODUCTS)
    assert [call["status"] for call in stage.sandbox.journal("create")] == [200, 429, 200]


def a_token_error_is_in_rfc_6749s_form(stage: Stage) -> None:
    stage.sandbox.configure(clients={"rfc 6749": "s-e-c-r-e-t"})
    stage.sandbox.fault("token", "http-400", code="invalid_client", title="The client is unknown")
    with CriteoClient("rfc 6749", "s-e-c-r-e-t", base_url=stage.sandbox.url) as client:
        with pytest.raises(api_exceptions.AuthenticationError, match="invalid_client: The client is unknown"):
            client.get_report_job("1")
        stage.sandbox.fault("token", "http-400", code="temporarily_unavailable")
        with pytest.raises(api_exceptions.TransientError, match="temporarily_unavailable"):
            client.get_report_job("1")


def a_200_comes_with_warnings(stage: Stage) -> None:
    warning = {"type": "validation", "code": "incompatible-filter", "title": "A filter was ignored", "traceId": "7"}
    stage.sandbox.configure(warnings=[warning])
    report_id = stage.done(INSIGHT)
    assert stage.sense(report_id, INSIGHT) == report_id
    assert stage.hook.get_report_job(report_id, INSIGHT).warnings[0].code == "incompatible-filter"
    told = [record for record in stage.caplog.records if "A filter was ignored" in record.getMessage()]
    assert {record.levelname for record in told} == {"WARNING"}
    assert stage.file(report_id, INSIGHT)


def deprecation_and_sunset_headers_come(stage: Stage) -> None:
    stage.sandbox.configure(deprecation="@1798761600", sunset="Sat, 02 Jan 2027 00:00:01 GMT")
    report_id = stage.done()
    assert stage.sense(report_id) == report_id
    assert stage.file(report_id)
    told = [record.getMessage() for record in stage.caplog.records if "Sunset" in record.getMessage()]
    assert len(told) == 1
    assert "Sat, 02 Jan 2027 00:00:01 GMT" in told[0]


CONTRADICTIONS = (
    the_id_stands_in_four_places,
    statuses_come_in_any_casing_with_failed_and_failure_and_unknown,
    a_post_answers_done,
    a_post_answers_200_201_and_202,
    a_vanished_job_is_403_410_404_or_204,
    a_status_comes_with_and_without_counts_times_and_two_spellings_of_md5,
    json_comes_in_four_shapes_and_as_array_and_as_lines,
    csv_is_labelled_json_or_octet_stream,
    a_401_comes_in_mid_poll,
    a_429_comes_with_x_ratelimit_reset_alone,
    a_token_error_is_in_rfc_6749s_form,
    a_200_comes_with_warnings,
    deprecation_and_sunset_headers_come,
)


@pytest.mark.parametrize(
    "contradiction",
    CONTRADICTIONS,
    ids=[f"{number} {played.__name__.replace('_', ' ')}" for number, played in enumerate(CONTRADICTIONS, 1)],
)
def test_contradiction(contradiction: Callable[[Stage], None], stage: Stage) -> None:
    contradiction(stage)
