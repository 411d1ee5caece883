"""Which API version a call is made on, and when a client leaves one."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import responses

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import (
    CriteoError,
    InvalidInputError,
    ReportJobNotFoundError,
    TransientError,
    ValidationError,
    VersionRetiredError,
)
from airflow_provider_criteo.api.models import JobState, ReportJob
from tests.support.report_types import ATTRIBUTES

Reply = tuple[int, object]
PENDING: Reply = (200, {"data": {"attributes": {"exportId": "1", "status": "Pending"}}})
GONE: Reply = (404, {"message": "no Route matched with those values"})
RETIRED: Reply = (410, {"errors": [{"type": "deprecation", "code": "endpoint-deprecated", "title": "Gone"}]})
LOST: Reply = (404, {"errors": [{"code": "report-not-found", "title": "No such report"}]})
BUSY: Reply = (503, {"errors": [{"code": "busy", "title": "Busy"}]})
CAMPAIGNS = "rm-campaigns"  # 2026-01, preview, experimental
A_DAY = date(2026, 6, 1)
_ANYTHING = re.compile(r"https://api\.criteo\.com/(?!oauth2).*")


class Criteo:
    """Answers each call by what it was told for the version, the last answer for ever; 404 for any other version."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._replies: dict[str, list[Reply]] = {}

    def serve(self, version: str, *replies: Reply) -> None:
        self._replies[version] = list(replies)

    def answer(self, request: Any) -> tuple[int, dict[str, str], str]:
        version = request.path_url.split("/")[1]
        self.asked.append(version)
        replies = self._replies.get(version, [GONE])
        status, body = replies.pop(0) if len(replies) > 1 else replies[0]
        return status, {}, body if isinstance(body, str) else json.dumps(body)


@pytest.fixture
def criteo() -> Iterator[Criteo]:
    criteo = Criteo()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post("https://api.criteo.com/oauth2/token", json={"access_token": "0a1b2c3d4e5f", "expires_in": 900})
        for method in (responses.GET, responses.POST):
            mock.add_callback(method, _ANYTHING, criteo.answer)
        yield criteo


MakeClient = Callable[..., CriteoClient]


@pytest.fixture
def make_client(monkeypatch: pytest.MonkeyPatch) -> MakeClient:
    monkeypatch.setattr("airflow_provider_criteo.api.versions._told_once", set())  # what is told once a process

    def make(today: date = A_DAY, **options: Any) -> CriteoClient:
        return CriteoClient(uuid.uuid4().hex, "secret", sleep=lambda seconds: None, today=lambda: today, **options)

    return make


def poll(client: CriteoClient, report_type: str = CAMPAIGNS, **options: Any) -> ReportJob:
    return client.get_report_job("1", report_type, **options)


def make(client: CriteoClient, **options: Any) -> ReportJob:
    return client.create_report_job(CAMPAIGNS, ATTRIBUTES[CAMPAIGNS], **options)


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (A_DAY, "2026-01"),
        (date(2027, 1, 27), "2026-01"),
        (date(2027, 1, 28), "experimental"),  # preview has ended before
    ],
)
def test_the_default_is_the_first_that_has_not_ended(
    today: date, expected: str, criteo: Criteo, make_client: MakeClient
) -> None:
    criteo.serve(expected, PENDING)
    poll(make_client(today))
    assert criteo.asked == [expected]


@pytest.mark.parametrize("retired", [GONE, RETIRED, (404, ""), (410, {}), (404, "<html>Not found</html>")])
def test_the_default_falls_forward_in_the_rows_order(retired: Reply, criteo: Criteo, make_client: MakeClient) -> None:
    for call in (poll, make):
        criteo.asked.clear()
        criteo.serve("2026-01", retired)
        criteo.serve("preview", retired)
        criteo.serve("experimental", PENDING)
        client = make_client()
        assert call(client).state is JobState.PENDING
        assert criteo.asked == ["2026-01", "preview", "experimental"]
        call(client)
        assert criteo.asked[3:] == ["experimental"]


def test_a_version_that_has_ended_is_not_fallen_forward_to(criteo: Criteo, make_client: MakeClient) -> None:
    criteo.serve("experimental", PENDING)
    poll(make_client(date(2027, 1, 5)))
    assert criteo.asked == ["2026-01", "experimental"]


def test_a_download_falls_forward(criteo: Criteo, make_client: MakeClient, tmp_path: Path) -> None:
    criteo.serve("experimental", (200, "a,b\n1,2\n"))
    done = ReportJob("1", "mpo-realtime", "Done", JobState.DONE)
    make_client().download_report("1", tmp_path / "report.csv", job=done)
    assert criteo.asked == ["preview", "experimental"]
    assert (tmp_path / "report.csv").read_text() == "a,b\n1,2\n"


def test_what_one_call_has_learnt_another_uses(criteo: Criteo, make_client: MakeClient) -> None:
    criteo.serve("experimental", PENDING)
    client = make_client()
    poll(client)
    make(client)
    assert criteo.asked == ["2026-01", "preview", "experimental", "experimental"]


@pytest.mark.parametrize("version", ["2026-01", "experimental"])
@pytest.mark.parametrize("of_client", [True, False])
def test_a_version_that_was_asked_for_is_the_only_one(
    version: str, of_client: bool, criteo: Criteo, make_client: MakeClient
) -> None:
    client = make_client(api_version=version if of_client else None)
    for call in (poll, make):
        with pytest.raises(CriteoError):
            call(client, **({} if of_client else {"api_version": version}))
    assert criteo.asked == [version] * 2


def test_preview_that_was_asked_for_falls_forward_to_its_new_name(criteo: Criteo, make_client: MakeClient) -> None:
    criteo.serve("experimental", PENDING)
    poll(make_client(api_version="preview"))
    poll(make_client(), api_version="preview")
    assert criteo.asked == ["preview", "experimental"] * 2


@pytest.mark.parametrize("other", [GONE, RETIRED, BUSY, (401, {}), (429, {}), (400, {}), (403, {}), (500, {})])
def test_a_version_is_left_only_when_the_next_one_has_answered_well(
    other: Reply, criteo: Criteo, make_client: MakeClient
) -> None:
    criteo.serve("preview", GONE)
    criteo.serve("experimental", other)
    client = make_client()
    for _ in range(2):
        criteo.asked.clear()
        with pytest.raises(CriteoError):
            client.get_report_job("1")
        assert criteo.asked[0] == "preview"
    criteo.serve("preview", PENDING)
    criteo.asked.clear()
    client.get_report_job("1")
    assert criteo.asked == ["preview"]


def test_two_404s_that_explain_nothing_are_a_retired_route(criteo: Criteo, make_client: MakeClient) -> None:
    with pytest.raises(VersionRetiredError, match=r"GET /experimental/.* was answered 404") as raised:
        make_client().get_report_job("1")
    assert "no Route matched" in str(raised.value)
    assert criteo.asked == ["preview", "experimental"]


def test_404_then_503_is_a_passing_fault(criteo: Criteo, make_client: MakeClient) -> None:
    criteo.serve("experimental", BUSY)
    with pytest.raises(TransientError):
        make_client().get_report_job("1")


def test_a_word_of_the_job_on_the_next_version_is_an_answer(criteo: Criteo, make_client: MakeClient) -> None:
    criteo.serve("experimental", LOST)
    client = make_client()
    for _ in range(2):
        with pytest.raises(ReportJobNotFoundError):
            poll(client, "rm-share-of-voice")
    assert criteo.asked == ["preview", "experimental", "experimental"]


def test_a_lost_job_is_a_lost_job(criteo: Criteo, make_client: MakeClient) -> None:
    criteo.serve("preview", LOST)
    with pytest.raises(ReportJobNotFoundError):
        poll(make_client(), "rm-share-of-voice")
    assert criteo.asked == ["preview"]


def test_a_404_that_is_a_used_up_quota_leaves_no_version(criteo: Criteo, make_client: MakeClient) -> None:
    criteo.serve("preview", (404, {"errors": [{"type": "quota"}]}), PENDING)
    client = make_client()
    with pytest.raises(CriteoError, match="quota"):
        client.get_report_job("1")
    client.get_report_job("1")
    assert criteo.asked == ["preview"] * 2


def test_another_report_type_is_asked_for_where_it_is(criteo: Criteo, make_client: MakeClient) -> None:
    criteo.serve("2026-01", GONE)
    criteo.serve("preview", PENDING)
    criteo.serve("2026-07", PENDING)
    client = make_client()
    poll(client, "rm-campaigns")
    poll(client, "rm-performance")
    assert criteo.asked == ["2026-01", "preview", "2026-07"]


def test_the_accounts_fall_forward_too(criteo: Criteo, make_client: MakeClient) -> None:
    criteo.serve("2027-01", (200, {"data": [{"id": "1", "attributes": {"advertiserName": "Shop"}}]}))
    client = make_client()
    assert client.get_advertisers() == [{"advertiserName": "Shop", "id": "1", "name": "Shop"}]
    assert client.describe_application() == "1 advertiser"
    assert criteo.asked == ["2026-07", "2027-01", "2027-01"]


def test_the_end_of_a_version_is_told_by_a_call_for_accounts_too(
    criteo: Criteo, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    criteo.serve("2026-01", (200, {"data": []}))
    make_client(today=date(2027, 1, 1)).get_advertisers(api_version="2026-01")
    assert "serves api_version '2026-01' until 2027-01-27" in caplog.text


def test_the_accounts_of_a_connection_on_preview_fall_forward_too(criteo: Criteo, make_client: MakeClient) -> None:
    criteo.serve("experimental", (200, {"data": [{"id": "1", "attributes": {"advertiserName": "Shop"}}]}))
    client = make_client(api_version="preview")
    assert client.describe_application() == "1 advertiser"
    assert criteo.asked == ["preview", "experimental"]


@pytest.mark.parametrize("version", ["2025-10", "latest"])
def test_a_version_that_does_not_serve_the_type_is_named_before_any_call(
    version: str, criteo: Criteo, make_client: MakeClient
) -> None:
    with pytest.raises(InvalidInputError, match=f"api_version='{version}' does not serve report type 'rm-campaigns'"):
        poll(make_client(), api_version=version)
    assert criteo.asked == []


# What is told


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("today", "told"),
    [
        (date(2026, 10, 1), []),
        (date(2026, 10, 2), ["preview"]),
        (date(2026, 12, 31), ["preview"]),
        (date(2027, 1, 1), []),
    ],
)
def test_the_end_of_a_version_is_told_90_days_before_once_a_process(
    today: date, told: list[str], criteo: Criteo, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    for version in ("preview", "experimental"):
        criteo.serve(version, PENDING)
    for _ in range(2):
        client = make_client(today)
        client.get_report_job("1")
        client.get_report_job("1")
    assert warnings_of(caplog) == [
        "Criteo serves api_version 'preview' until 2026-12-31. From then on 'experimental' is called, and there is "
        "nothing to do."
    ] * len(told)


def test_the_next_version_that_is_named_lasts_longer(
    criteo: Criteo, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    criteo.serve("2026-01", PENDING)
    poll(make_client(date(2026, 12, 1)))
    (warning,) = warnings_of(caplog)
    assert "'2026-01' until 2027-01-27. From then on 'experimental' is called" in warning


def test_a_version_of_ones_own_ends_without_a_next_one(
    criteo: Criteo, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    criteo.serve("2026-01", PENDING)
    poll(make_client(date(2026, 12, 1)), api_version="2026-01")
    assert warnings_of(caplog) == [
        "Criteo serves api_version '2026-01' until 2027-01-27. Set api_version to a later one, on the connection or "
        "the operator."
    ]


def test_a_version_that_was_left_is_told_of_once_a_process(
    criteo: Criteo, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    criteo.serve("experimental", PENDING)
    for _ in range(2):
        client = make_client()
        client.get_report_job("1")
        client.get_report_job("1")
    assert warnings_of(caplog) == [
        "Criteo no longer serves this call on api_version 'preview'; it was made on 'experimental'. "
        "Set api_version to 'experimental', on the connection or the operator."
    ]


def test_a_refusal_of_the_request_itself_is_not_asked_for_elsewhere(criteo: Criteo, make_client: MakeClient) -> None:
    criteo.serve("2026-01", (400, {"errors": [{"code": "bad", "title": "Bad"}]}))
    with pytest.raises(ValidationError):
        make(make_client())
    assert criteo.asked == ["2026-01"]
