"""What of a create's attributes is sent, in which form, and what is said about them before."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import ValidationError
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.recorder import Recorder
from tests.support.report_types import ATTRIBUTES

PARIS = ZoneInfo("Europe/Paris")
NOON = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=14)
DAY = NOON.strftime("%Y-%m-%d")
MOMENT = NOON.strftime("%Y-%m-%dT%H:%M:%SZ")
MIDNIGHT = f"{DAY}T00:00:00Z"


@pytest.mark.parametrize(
    ("value", "as_date", "as_moment"),
    [
        pytest.param(NOON, DAY, MOMENT, id="datetime"),
        pytest.param(NOON.replace(tzinfo=None), DAY, MOMENT, id="naive datetime is UTC"),
        pytest.param(NOON.astimezone(PARIS), DAY, MOMENT, id="datetime elsewhere"),
        pytest.param(pendulum.instance(NOON), DAY, MOMENT, id="pendulum"),
        pytest.param(pendulum.instance(NOON).in_timezone("Asia/Tokyo"), DAY, MOMENT, id="pendulum elsewhere"),
        pytest.param(NOON.date(), DAY, MIDNIGHT, id="date"),
        pytest.param(pendulum.instance(NOON).date(), DAY, MIDNIGHT, id="pendulum date"),
        pytest.param("yesterday, please", "yesterday, please", "yesterday, please", id="text as it is"),
    ],
)
@pytest.mark.parametrize(("report_type", "form"), [("rm-fillrate", "date"), ("products", "date-time")])
def test_dates_are_sent_in_the_form_that_the_row_asks_for(
    value: Any, as_date: str, as_moment: str, report_type: str, form: str, client: CriteoClient, sandbox: Sandbox
) -> None:
    attributes = {**ATTRIBUTES[report_type], "startDate": value}
    if isinstance(value, str):
        with pytest.raises(ValidationError, match="yesterday, please"):
            client.create_report_job(report_type, attributes)
    else:
        client.create_report_job(report_type, attributes)
    (create,) = sandbox.journal("create")
    assert create["attributes"]["startDate"] == (as_date if form == "date" else as_moment)


@pytest.mark.parametrize("report_type", list(REPORT_TYPES))
def test_every_row_sends_dates_that_its_specification_takes(
    report_type: str, client: CriteoClient, sandbox: Sandbox
) -> None:
    row = REPORT_TYPES[report_type]
    attributes = {
        name: date.fromisoformat(value) if name in ("startDate", "endDate") else value
        for name, value in ATTRIBUTES[report_type].items()
    }
    if "modifiedAfter" in row.attributes:
        attributes["modifiedAfter"] = datetime.now(timezone.utc) - timedelta(hours=1)
    client.create_report_job(report_type, attributes, "7" if row.needs_account_id else None)
    (create,) = sandbox.journal("create")
    assert create["status"] in (200, 201, 202)


def test_dates_deep_inside_and_tuples_are_sent_too(client: CriteoClient, sandbox: Sandbox) -> None:
    attributes = {**ATTRIBUTES["rm-performance"], "metrics": ("impressions",), "startDate": NOON.date()}
    attributes["filters"] = {"accountIds": ("1",)}
    client.create_report_job("rm-performance", attributes)
    (create,) = sandbox.journal("create")
    assert create["attributes"]["metrics"] == ["impressions"]
    assert create["attributes"]["filters"] == {"accountIds": ["1"]}


def test_the_users_dict_stays_as_it_is(client: CriteoClient) -> None:
    attributes = {**ATTRIBUTES["products"], "startDate": NOON}
    before = dict(attributes)
    client.create_report_job("products", attributes)
    assert attributes == before


def test_attributes_may_be_the_text_of_a_rendered_template(client: CriteoClient, sandbox: Sandbox) -> None:
    client.create_report_job("mpo-realtime", ' {"advertiserIds": ["1"], "lookbackWindow": 60}\n')
    (create,) = sandbox.journal("create")
    assert create["attributes"] == {"advertiserIds": ["1"], "lookbackWindow": 60}


@pytest.mark.parametrize("report_type", [row.id for row in REPORT_TYPES.values()])
def test_the_body_is_criteos_envelope(report_type: str, sandbox: Sandbox, recorder: Recorder, make_client: Any) -> None:
    row = REPORT_TYPES[report_type]
    account_id = "7" if row.needs_account_id else None
    make_client(sandbox, base_url=recorder.url).create_report_job(report_type, ATTRIBUTES[report_type], account_id)
    (create,) = [exchange for exchange in recorder.exchanges if exchange.path != "/oauth2/token"]
    data = {"attributes": ATTRIBUTES[report_type]} | ({"type": row.resource_type} if row.resource_type else {})
    assert create.request_json == {"data": data}
    assert create.request_headers["content-type"] == "application/json"


FORMATS = [(row.id, form) for row in REPORT_TYPES.values() if row.format_attribute for form in row.formats]


@pytest.mark.parametrize(("report_type", "form"), FORMATS)
def test_every_format_of_a_row_is_taken(report_type: str, form: str, client: CriteoClient, sandbox: Sandbox) -> None:
    row = REPORT_TYPES[report_type]
    assert row.format_attribute is not None
    client.create_report_job(
        report_type, {**ATTRIBUTES[report_type], row.format_attribute: form}, "7" if row.needs_account_id else None
    )
    (create,) = sandbox.journal("create")
    assert create["attributes"][row.format_attribute] == form


# What is said before the call


@pytest.mark.parametrize(
    ("report_type", "wrong", "said"),
    [
        (
            "mpo-realtime",
            {"advertiserId": ["1"]},
            "attribute 'advertiserId' is not known for report type 'mpo-realtime'; did you mean 'advertiserIds'?",
        ),
        (
            "mpo-realtime",
            {"timeZone": "UTC"},
            "attribute 'timeZone' is not known for report type 'mpo-realtime'; did you mean 'timezone'?",
        ),
        (
            "rm-performance",
            {"fileFormat": "csv"},
            "attribute 'fileFormat' is not known for report type 'rm-performance'; did you mean 'format'?",
        ),
        (
            "rm-catalog",
            {"xyz": 1},
            "attribute 'xyz' is not known for report type 'rm-catalog'; known: brandIdFilter, format",
        ),
    ],
)
def test_an_unknown_attribute_is_doubted_with_the_nearest_name_and_sent(
    report_type: str,
    wrong: dict[str, Any],
    said: str,
    client: CriteoClient,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
) -> None:
    account_id = "7" if REPORT_TYPES[report_type].needs_account_id else None
    with suppress(ValidationError):
        client.create_report_job(report_type, {**ATTRIBUTES[report_type], **wrong}, account_id)
    (warning,) = [record for record in caplog.records if "is not known" in record.getMessage()]
    assert warning.levelname == "WARNING"
    assert said in warning.getMessage()
    assert "Criteo decides" in warning.getMessage()
    (create,) = sandbox.journal("create")
    assert create["attributes"].items() >= wrong.items()


@pytest.mark.parametrize("row", [row for row in REPORT_TYPES.values() if row.required], ids=lambda row: row.id)
def test_a_missing_required_attribute_is_doubted_and_criteo_decides(
    row: Any, client: CriteoClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValidationError):
        client.create_report_job(row.id, {}, "7" if row.needs_account_id else None)
    for name in row.required:
        assert f"attribute {name!r} is required for report type {row.id!r} and missing" in caplog.text
    assert len(sandbox.journal("create")) == 1


@pytest.mark.parametrize("report_type", list(REPORT_TYPES))
def test_nothing_is_doubted_without_a_reason(
    report_type: str, client: CriteoClient, caplog: pytest.LogCaptureFixture
) -> None:
    account_id = "7" if REPORT_TYPES[report_type].needs_account_id else None
    client.create_report_job(report_type, ATTRIBUTES[report_type], account_id)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []
