"""What of a create's attributes is sent, in which form, and what is said about them before."""

from __future__ import annotations

from collections import ChainMap, OrderedDict, UserDict
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from types import MappingProxyType
from typing import Any

import pytest

from airflow_provider_criteo.api.attributes import as_json, plain, unknown_or_missing
from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.exceptions import ValidationError
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.recorder import Recorder
from tests.support.report_types import ATTRIBUTES

NOON = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=14)


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


# Mappings, enums, ids


class Dim(str, Enum):
    DAY = "Day"
    ADVERTISER = "AdvertiserId"


@pytest.mark.parametrize(
    "mapping",
    [ChainMap, MappingProxyType, OrderedDict, UserDict, lambda given: ChainMap({}, given)],
    ids=["ChainMap", "MappingProxyType", "OrderedDict", "UserDict", "ChainMap's second"],
)
def test_any_mapping_is_sent_like_a_dict(mapping: Any, client: CriteoClient, sandbox: Sandbox) -> None:
    attributes = {**ATTRIBUTES["rm-performance"], "filters": mapping({"accountIds": ("1",)})}
    client.create_report_job("rm-performance", mapping(attributes))
    (create,) = sandbox.journal("create")
    assert create["attributes"] == {**attributes, "filters": {"accountIds": ["1"]}}


def test_an_enums_member_is_sent_as_its_value(client: CriteoClient, sandbox: Sandbox) -> None:
    client.create_report_job("statistics", {**ATTRIBUTES["statistics"], "dimensions": (Dim.ADVERTISER, Dim.DAY)})
    (create,) = sandbox.journal("create")
    assert create["attributes"]["dimensions"] == ["AdvertiserId", "Day"]


def test_plain_is_what_airflow_renders_templates_in() -> None:
    given = ChainMap({"a": MappingProxyType({"b": (Dim.DAY, "{{ ds }}")}), "c": date(2026, 11, 24)})
    made = plain(given)
    assert made == {"a": {"b": ["Day", "{{ ds }}"]}, "c": date(2026, 11, 24)}
    assert [type(value) for value in (made, made["a"], made["a"]["b"][0])] == [dict, dict, str]


@pytest.mark.parametrize(
    ("report_type", "given", "sent"),
    [
        ("mpo-realtime", {"advertiserIds": [123, 18159942378514859684]}, {"advertiserIds": ["123", "18159942378514859684"]}),
        ("mpo-realtime", {"lookbackWindow": "90"}, {"lookbackWindow": 90}),
        ("mpo-realtime", {"lookbackWindow": "0090"}, {"lookbackWindow": "0090"}),
        ("mpo-realtime", {"advertiserIds": [True]}, {"advertiserIds": [True]}),
        ("mpo-realtime", {"advertiserIds": None, "endDate": None}, {"advertiserIds": None, "endDate": None}),
        ("audience-performance", {"advertiserId": 7}, {"advertiserId": "7"}),
        ("rm-performance", {"filters": {"campaignIds": (7,)}}, {"filters": {"campaignIds": ["7"]}}),
        ("rm-campaigns", {"id": 7, "ids": [8]}, {"id": "7", "ids": ["8"]}),
        ("rm-partner-billing", {"retailerIds": ["7", 8], "accountIds": [9]}, {"retailerIds": [7, 8], "accountIds": ["9"]}),
        ("rm-brand-catalog", {"brandIdFilter": [7], "retailerIdFilter": ["8"]}, {"brandIdFilter": ["7"], "retailerIdFilter": [8]}),
        ("rm-sellers-catalog", {"sellers": [{"retailerId": 1, "sellerId": 2}]}, {"sellers": [{"retailerId": "1", "sellerId": "2"}]}),
        ("rm-share-of-voice", {"filters": {"brandIds": [7], "keywords": [2026]}}, {"filters": {"brandIds": ["7"], "keywords": ["2026"]}}),
        ("mpo-realtime", {"newIds": [7], "threshold": 1.5}, {"newIds": [7], "threshold": 1.5}),
    ],
)  # fmt: skip
def test_ids_are_text_and_numbers_are_numbers_as_specified(
    report_type: str, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    row = REPORT_TYPES[report_type]
    for version in (*row.versions, None):
        assert as_json(given, row, version) == sent


# What is said before the call


def test_a_difference_of_case_alone_is_not_doubted() -> None:
    row = REPORT_TYPES["mpo-realtime"]
    assert list(unknown_or_missing({"dimensions": ["advertiserid", "Hour"], "fileFormat": "CSV"}, row)) == []


def test_of_many_known_words_some_are_shown() -> None:
    attributes = {**ATTRIBUTES["statistics"], "metrics": ["xyzzy"]}
    (doubt,) = unknown_or_missing(attributes, REPORT_TYPES["statistics"])
    assert doubt.startswith("metrics 'xyzzy' is not known for report type 'statistics'; known: ")
    assert doubt.endswith(" more")
    assert len(doubt) < 1000


def test_what_is_known_is_what_the_version_that_is_called_knows() -> None:
    row = REPORT_TYPES["rm-fillrate"]
    attributes = {**ATTRIBUTES["rm-fillrate"], "metrics": ["coveredSlots"]}
    assert list(unknown_or_missing(attributes, row, "preview")) == []
    (doubt,) = unknown_or_missing(attributes, row, "2026-07")
    assert doubt.startswith("metrics 'coveredSlots' is not known for report type 'rm-fillrate'")


@pytest.mark.parametrize("odd", [1, "text", [], ["text"], [[1]], {"a": {"b": 1}}, None, True])
@pytest.mark.parametrize("report_type", ["rm-performance", "rm-sellers-catalog"])
def test_doubts_bear_any_value(report_type: str, odd: Any) -> None:
    row = REPORT_TYPES[report_type]
    for name in row.attributes:
        assert all(isinstance(doubt, str) for doubt in unknown_or_missing({name: odd}, row))


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
            "rm-share-of-voice",
            {"brandIds": ["1"]},
            "attribute 'brandIds' is not known for report type 'rm-share-of-voice'; did you mean 'filters.brandIds'?",
        ),
        (
            "rm-performance",
            {"filters": {"acountIds": ["1"]}},
            "attribute 'filters.acountIds' is not known for report type 'rm-performance'; "
            "did you mean 'filters.accountIds'?",
        ),
        (
            "rm-sellers-catalog",
            {"sellers": [{"retailerId": "1", "sellerId": "2", "sellerID": "2"}]},
            "attribute 'sellers.sellerID' is not known for report type 'rm-sellers-catalog'; "
            "did you mean 'sellers.sellerId'?",
        ),
        (
            "statistics",
            {"metrics": ["Clicks", "Dispays"]},
            "metrics 'Dispays' is not known for report type 'statistics'; did you mean 'Displays'?",
        ),
        (
            "audience-performance",
            {"dimension": "Top30BrandByClicks"},
            "dimension 'Top30BrandByClicks' is not known for report type 'audience-performance'; "
            "did you mean 'Top30BrandsByClicks'?",
        ),
        (
            "rm-performance",
            {"filters": {"accountIds": ["1"], "buyTypes": ["auctions"]}},
            "filters.buyTypes 'auctions' is not known for report type 'rm-performance'; did you mean 'auction'?",
        ),
        (
            "rm-partner-billing",
            {"format": "parquet"},
            "format 'parquet' is not known for report type 'rm-partner-billing'; known: json, csv",
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
    (warning,) = [record for record in caplog.records if record.name == "airflow_provider_criteo.api.client"]
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
