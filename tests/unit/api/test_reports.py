"""The whole catalogue through the client, and everything that can be wrong in naming a piece of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import InvalidInputError
from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.api.report_type import API_VERSIONS, CURRENT_VERSION, VERSION_ENDS
from airflow_provider_criteo.api.reports import REPORT_TYPES, get_report_type
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.report_types import ATTRIBUTES, new_row

ACCOUNT = {"rm-brand-catalog", "rm-seller-catalog", "rm-catalog", "rm-sellers-catalog"}
REALTIME = ATTRIBUTES["mpo-realtime"]


def account_of(report_type: str) -> str | None:
    return "7" if REPORT_TYPES[report_type].needs_account_id else None


@pytest.mark.parametrize("report_type", list(REPORT_TYPES))
def test_create_pending_done_download(report_type: str, client: CriteoClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job = client.create_report_job(report_type, ATTRIBUTES[report_type], account_of(report_type))
    assert (job.state, job.report_type) == (JobState.PENDING, report_type)
    assert client.get_report_job(job.report_id, report_type).state is JobState.PENDING
    sandbox.finish(job.report_id, file_rows=7)
    done = client.get_report_job(job.report_id, report_type)
    assert (done.state, done.report_id) == (JobState.DONE, job.report_id)
    report = client.download_report(job.report_id, tmp_path / "report", report_type)
    assert (tmp_path / "report").stat().st_size == report.size_bytes > 0
    assert report.row_count in (7, None)
    assert [made["report_type"] for made in sandbox.jobs()] == [report_type]


@pytest.mark.parametrize("report_type", list(REPORT_TYPES))
def test_the_default_version_is_called_and_the_clients_and_the_calls_own_win(
    report_type: str, client: CriteoClient, sandbox: Sandbox
) -> None:
    row = REPORT_TYPES[report_type]
    job = client.create_report_job(report_type, ATTRIBUTES[report_type], account_of(report_type))
    client.get_report_job(job.report_id, report_type)
    for version in row.versions:
        client.api_version = row.versions[0]
        client.get_report_job(job.report_id, report_type, api_version=version)
        client.api_version = version
        client.get_report_job(job.report_id, report_type)
    called = [call["version"] for call in sandbox.journal("status")]
    assert called == [row.version(None), *(version for version in row.versions for _ in range(2))]


# Versions


IN_NOVEMBER, AT_NEW_YEAR, IN_FEBRUARY = date(2026, 11, 25), date(2027, 1, 1), date(2027, 2, 1)


@pytest.mark.parametrize(
    ("report_type", "today", "default"),
    [
        ("products", IN_NOVEMBER, "preview"),
        ("products", VERSION_ENDS["preview"], "preview"),
        ("products", AT_NEW_YEAR, "experimental"),
        ("rm-share-of-voice", AT_NEW_YEAR, "experimental"),
        ("rm-performance", IN_FEBRUARY, "2026-07"),
        ("rm-fillrate", IN_FEBRUARY, "2026-07"),
        ("rm-campaigns", IN_NOVEMBER, "2026-01"),
        ("rm-campaigns", VERSION_ENDS["2026-01"], "2026-01"),
        ("rm-campaigns", IN_FEBRUARY, "experimental"),
    ],
)
def test_the_default_version_is_the_first_that_has_not_ended(report_type: str, today: date, default: str) -> None:
    row = REPORT_TYPES[report_type]
    assert row.version(None, today) == default
    assert row.version("", today) == default


def test_a_version_that_is_asked_for_is_called_after_its_end_too() -> None:
    assert REPORT_TYPES["products"].version("preview", IN_FEBRUARY) == "preview"


def test_where_all_versions_have_ended_the_last_is_called() -> None:
    row = replace(REPORT_TYPES["products"], versions=("2026-01", "preview"))
    assert row.version(None, IN_FEBRUARY) == "preview"
    assert row.versions_to_call(None, IN_FEBRUARY) == ("preview",)


@pytest.mark.parametrize(
    ("report_type", "today", "versions"),
    [
        ("products", IN_NOVEMBER, ("preview", "experimental")),
        ("products", AT_NEW_YEAR, ("experimental",)),
        ("rm-campaigns", IN_NOVEMBER, ("2026-01", "preview", "experimental")),
        ("rm-campaigns", IN_FEBRUARY, ("experimental",)),
        ("rm-fillrate", IN_NOVEMBER, ("2026-07", "2027-01", "2026-01", "experimental", "preview")),
        ("rm-fillrate", AT_NEW_YEAR, ("2026-07", "2027-01", "2026-01", "experimental")),
        ("rm-fillrate", IN_FEBRUARY, ("2026-07", "2027-01", "experimental")),
    ],
)
def test_the_next_version_is_the_next_in_order_that_has_not_ended(
    report_type: str, today: date, versions: tuple[str, ...]
) -> None:
    assert REPORT_TYPES[report_type].versions_to_call(None, today) == versions


@pytest.mark.parametrize(
    ("report_type", "asked", "today", "versions"),
    [
        ("products", "preview", IN_NOVEMBER, ("preview", "experimental")),
        ("products", "preview", IN_FEBRUARY, ("preview", "experimental")),
        ("products", "experimental", IN_NOVEMBER, ("experimental",)),
        ("rm-fillrate", "2026-01", IN_FEBRUARY, ("2026-01",)),
        ("rm-fillrate", "preview", IN_NOVEMBER, ("preview",)),
    ],
)
def test_a_version_that_is_asked_for_is_the_only_one_but_preview_was_renamed(
    report_type: str, asked: str, today: date, versions: tuple[str, ...]
) -> None:
    assert REPORT_TYPES[report_type].versions_to_call(asked, today) == versions


def test_a_stable_version_comes_before_every_channel_and_the_current_one_first() -> None:
    for row in REPORT_TYPES.values():
        stable = [version for version in row.versions if version[0].isdigit()]
        assert list(row.versions[: len(stable)]) == stable
        assert not stable or row.versions[0] == (CURRENT_VERSION if CURRENT_VERSION in stable else "2026-01")


def test_the_accounts_are_asked_of_the_catalogs_alone() -> None:
    assert {row.id for row in REPORT_TYPES.values() if row.needs_account_id} == ACCOUNT


# Wrong names


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("mpo-realtme", "mpo-realtime"),
        ("rm_performance", "rm-performance"),
        ("statistic", "statistics"),
        ("RM-CATALOG", None),
        ("", None),
        (None, None),
        (["mpo-realtime"], "mpo-realtime"),
        (7, None),
    ],
)
def test_a_wrong_report_type_lists_the_valid_ones_and_the_nearest(wrong: Any, nearest: str | None) -> None:
    with pytest.raises(InvalidInputError) as raised:
        get_report_type(wrong)
    message = str(raised.value)
    assert f"report_type={wrong!r}" in message
    assert [row for row in REPORT_TYPES if row not in message] == []
    assert (f"did you mean {nearest!r}?" in message) if nearest else ("did you mean" not in message)


UNSERVED = [
    (row.id, version) for row in REPORT_TYPES.values() for version in API_VERSIONS if version not in row.versions
]


@pytest.mark.parametrize(("report_type", "version"), UNSERVED)
def test_a_version_that_does_not_serve_the_type_is_refused_before_any_call(
    report_type: str, version: str, client: CriteoClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for call in (
        lambda: client.create_report_job(report_type, {}, account_of(report_type), api_version=version),
        lambda: client.get_report_job("1", report_type, api_version=version),
        lambda: client.download_report("1", tmp_path / "report", report_type, api_version=version),
    ):
        with pytest.raises(InvalidInputError) as raised:
            call()
        message = str(raised.value)
        assert f"api_version={version!r} does not serve report type {report_type!r}" in message
        assert ", ".join(sorted(REPORT_TYPES[report_type].versions)) in message
    assert sandbox.journal() == []


@pytest.mark.parametrize(
    ("report_type", "wrong", "nearest"),
    [("mpo-realtime", "experimantal", "experimental"), ("rm-performance", "2026-7", "2026-07"), ("products", "v1", "")],
)
def test_a_wrong_version_names_the_nearest(
    report_type: str, wrong: str, nearest: str, client: CriteoClient, sandbox: Sandbox
) -> None:
    with pytest.raises(InvalidInputError) as raised:
        client.create_report_job(report_type, {}, api_version=wrong)
    assert ("did you mean" in str(raised.value)) == bool(nearest)
    assert f"did you mean {nearest!r}?" in str(raised.value) or not nearest
    assert sandbox.journal() == []


@pytest.mark.parametrize("account_id", [None, "", "  "])
def test_a_missing_account_is_named(account_id: str | None, client: CriteoClient, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidInputError, match=r"account_id=.*'rm-catalog' needs the id of a Retail Media account"):
        client.create_report_job("rm-catalog", {}, account_id)
    assert sandbox.journal() == []


def test_an_account_too_many_is_named(client: CriteoClient, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidInputError, match=r"account_id='7': report type 'mpo-realtime' takes no account_id"):
        client.create_report_job("mpo-realtime", REALTIME, "7")
    assert sandbox.journal() == []


def test_an_account_is_quoted_into_the_path(client: CriteoClient, sandbox: Sandbox) -> None:
    client.create_report_job("rm-catalog", {}, "7/8?9")
    (create,) = sandbox.journal("create")
    assert create["path"] == "/2026-07/retail-media/accounts/7%2F8%3F9/catalogs"
    assert create["account_id"] == "7/8?9"


@pytest.mark.parametrize("report_id", ["", " ", None, "None", "null", True, [], 1.5])
def test_no_report_id_is_named(report_id: Any, client: CriteoClient, sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="report_id="):
        client.get_report_job(report_id)
    with pytest.raises(InvalidInputError, match="report_id="):
        client.download_report(report_id, tmp_path / "report")
    assert sandbox.journal() == []


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        (None, "attributes=None is a NoneType; allowed: a dict"),
        ([{"advertiserIds": []}], "is a list; allowed: a dict"),
        ("{'advertiserIds'", "is text that is no JSON"),
        ("[1]", "is a list; allowed: a dict"),
        ({"advertiserIds": {"1"}}, "attributes.advertiserIds={'1'} is a set; allowed: text"),
        ({"filters": {"ids": [1, float("nan")]}}, "attributes.filters.ids[1]=nan is a float"),
    ],
)
def test_attributes_that_cannot_be_sent_are_named(
    attributes: Any, said: str, client: CriteoClient, sandbox: Sandbox
) -> None:
    with pytest.raises(InvalidInputError) as raised:
        client.create_report_job("mpo-realtime", attributes)
    assert said in str(raised.value)
    assert sandbox.journal() == []


# A new row


def test_a_new_row_is_created_waited_for_and_downloaded(
    client: CriteoClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = new_row()
    monkeypatch.setitem(REPORT_TYPES, row.id, row)
    sandbox.configure(pending_seconds=0.3, file_rows=3)
    job = client.create_report_job("keyword-bids", {"advertiserIds": ["1"]})
    job = client.wait_for_report_job(job.report_id, "keyword-bids", poll_interval=0.1, timeout=10)
    report = client.download_report(job.report_id, tmp_path / "report", "keyword-bids", job=job)
    assert (tmp_path / "report").stat().st_size == report.size_bytes > 0
    assert {
        call["path"].rpartition("/")[0] for call in sandbox.journal() if call["call"] in ("status", "download")
    } == {
        "/experimental/marketing-solutions/keyword-bids/jobs",
        "/experimental/marketing-solutions/keyword-bids/files",
    }
    assert get_report_type("keyword-bids") is row


def test_nothing_is_doubted_of_a_row_that_is_in_no_specification(
    client: CriteoClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    row = new_row()
    monkeypatch.setitem(REPORT_TYPES, row.id, row)
    assert (row.attributes, row.required) == ((), ())
    client.create_report_job("keyword-bids", {"whatever": 1, "filters": {"ids": [7]}, "startDate": date(2026, 11, 24)})
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
