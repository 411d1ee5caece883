"""The sandbox's files are as Criteo's samples: the days and ids asked for, in Criteo's shapes, types and spellings."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from datetime import date, timedelta

import pytest

from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.sandbox.families import family_of
from airflow_provider_criteo.sandbox.report_files import report_file
from airflow_provider_criteo.sandbox.settings import Settings
from tests.support.report_types import ATTRIBUTES, day


def file_of(report_type, attributes=None, **settings):
    """The text of a report's file."""
    row = REPORT_TYPES[report_type]
    attributes = ATTRIBUTES[report_type] if attributes is None else attributes
    file = report_file(row, family_of(row), attributes, Settings(**settings))
    return b"".join(file.chunks()).decode()


def performance(start, end, dimensions=("date", "campaignId"), **more):
    attributes = {
        "startDate": start,
        "endDate": end,
        "filters": {"campaignIds": ["7", "8"]},
        "dimensions": list(dimensions),
        "metrics": ["clicks", "spend", "ctr", "uniqueVisitors"],
        "format": "json",
        **more,
    }
    return json.loads(file_of("rm-performance", attributes))


def days(start, count):
    return [(date.fromisoformat(start) + timedelta(days=number)).isoformat() for number in range(count)]


@pytest.mark.parametrize("count", [1, 3, 100])
def test_each_day_and_each_id_is_there_once(count):
    wanted = days("2026-01-30", count)
    rows = performance(wanted[0], wanted[-1])
    assert sorted((row["date"], row["campaignId"]) for row in rows) == list(itertools.product(wanted, ("7", "8")))


def test_the_parts_of_a_request_have_its_rows():
    whole = performance("2026-01-01", "2026-01-10")
    parts = performance("2026-01-01", "2026-01-04") + performance("2026-01-05", "2026-01-10")
    only = performance("2026-01-01", "2026-01-10", filters={"campaignIds": ["8"]})

    def by_key(rows):
        return sorted(rows, key=lambda row: (row["date"], row["campaignId"]))

    assert by_key(parts) == by_key(whole)
    assert by_key(only) == [row for row in by_key(whole) if row["campaignId"] == "8"]


def test_times_of_day_do_not_matter():
    assert performance("2026-01-01T00:00:00Z", "2026-01-02T23:59:59Z") == performance("2026-01-01", "2026-01-02")


def test_hours_of_retail_media_are_numbers():
    rows = performance("2026-01-01", "2026-01-02", ("date", "hour", "campaignId"))
    seen = sorted((row["date"], row["hour"], row["campaignId"]) for row in rows)
    assert seen == list(itertools.product(days("2026-01-01", 2), range(24), ("7", "8")))


@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        ("Day", days("2025-12-30", 3)),
        ("Week", ["2025-12-29"]),
        ("Month", ["2025-12-01", "2026-01-01"]),
        ("Year", ["2025-01-01", "2026-01-01"]),
    ],
)
def test_periods_are_their_first_days(dimension, values):
    attributes = {
        **ATTRIBUTES["statistics"],
        "startDate": "2025-12-30",
        "endDate": "2026-01-01",
        "dimensions": [dimension],
    }
    data = json.loads(file_of("statistics", attributes))["data"]
    assert [row[0] for row in data["data"]] == values


def test_statistics_describe_their_columns_as_criteos_sample_does():
    attributes = {
        **ATTRIBUTES["statistics"],
        "dimensions": ["CampaignId", "Day"],
        "metrics": ["Clicks", "AdvertiserCost"],
        "timezone": "Europe/Paris",
        "currency": "USD",
    }
    data = json.loads(file_of("statistics", attributes))["data"]
    assert data["metadata"]["columns"] == [
        {"name": "CampaignId", "type": "String", "role": "Dimension"},
        {"name": "Day", "type": "String", "role": "Interval", "timezone": "Europe/Paris"},
        {"name": "Clicks", "type": "Number", "role": "Metric"},
        {"name": "AdvertiserCost", "type": "Money", "role": "Metric", "currency": "USD"},
    ]
    ids = [row[0] for row in data["data"]]
    assert all(isinstance(id_, int) for id_ in ids)
    assert any(2**53 < id_ < 2**63 for id_ in ids)


def test_products_are_answered_in_another_case_and_order_than_asked():
    attributes = {
        **ATTRIBUTES["products"],
        "dimensions": ["ProductId", "AdvertiserId", "SellerId", "CampaignId"],
        "metrics": ["Revenue", "Clicks"],
        "fileFormat": "json",
    }
    metadata = json.loads(file_of("products", attributes))["metadata"]
    ids = ["advertiserId", "partnerId", "campaignId", "sellerId", "productId", "adSetId"]
    assert metadata["columns"] == [*ids, "revenue", "clicks"]


def test_real_time_columns_are_camel_case_however_asked():
    attributes = {**ATTRIBUTES["mpo-realtime"], "dimensions": ["AdvertiserId", "Hour"], "metrics": ["Clicks", "Cost"]}
    assert file_of("mpo-realtime", attributes).splitlines()[0] == '"advertiserId","hour","clicks","cost"'


@pytest.mark.parametrize("level", ["brand", "sku"])
def test_digital_shelf_intelligence_has_the_columns_of_its_level_and_whole_weeks(level):
    attributes = {
        **ATTRIBUTES["rm-digital-shelf-intelligence"],
        "startDate": "2026-10-07",
        "endDate": "2026-10-13",
        "aggregationLevel": level,
        "filters": {"retailerIds": ["101", "102"]},
    }
    file = json.loads(file_of("rm-digital-shelf-intelligence", attributes))
    fixed = ["startDate", "endDate", "retailerId", "retailerName", "category"]
    assert file["columns"] == [*fixed, f"{level}Id", f"{level}Name", "salesRank"]
    weeks = {("2026-10-05", "2026-10-11"), ("2026-10-12", "2026-10-18")}
    assert {tuple(row[:2]) for row in file["data"]} == weeks
    assert {row[2] for row in file["data"]} == {"101", "102"}


def test_billing_has_eight_decimals_and_a_bare_line_item():
    text = file_of("rm-partner-billing")
    rows = json.loads(text)
    assert list(rows[0])[:2] == ["AccountName", "AccountExternalId"]
    assert len(rows[0]) == 32
    assert isinstance(rows[0]["LineItemId"], int)
    assert isinstance(rows[0]["AccountExternalId"], str)
    assert re.search(r'"WorkingMediaSpend":\d+\.\d{8}[,}]', text)


@pytest.mark.parametrize(("report_type", "has_seller"), [("rm-brand-catalog", False), ("rm-seller-catalog", True)])
def test_catalogs_are_objects_over_several_lines(report_type, has_seller):
    text = file_of(report_type)
    decoder, products = json.JSONDecoder(), []
    while text.strip():
        product, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        products.append(product)
    assert len(products) == 10
    assert file_of(report_type).count("\n") > 100
    assert ("sellerId" in products[0]) == has_seller
    assert {type(product["isInStock"]) for product in products} == {bool}


def test_money_has_as_many_digits_as_criteos():
    costs = [row.rpartition(",")[2] for row in file_of("mpo-realtime").splitlines()[1:] if row[-1].isdigit()]
    assert {len(cost.partition(".")[2]) for cost in costs} == {11, 12, 13, 14}
    attributes = {**ATTRIBUTES["rm-campaigns"], "format": "json-compact"}
    assert re.search(r",\d+\.\d{4}\]", file_of("rm-campaigns", attributes))


@pytest.mark.parametrize(
    ("report_type", "header", "line"),
    [
        ("rm-campaigns", '"date","campaignId","impressions","clicks","spend"', r"[\d-]+,\d+,.*"),
        (
            "mpo-realtime",
            '"advertiserId","campaignId","sellerId","productId","day","clicks","displays","cost"',
            r"1,.*",
        ),
        ("products", "advertiserId,partnerId,productId,adSetId,clicks,displays,cost", r"1,\d+,\d+,.*"),
        ("mpo-products", "advertiserId,adSetId,sellerId,productId,clicks,impressions,cost", r'1,\d+,\d+,"[^"].*'),
    ],
)
def test_csv_quotes_what_criteo_quotes(report_type, header, line):
    attributes = {**ATTRIBUTES[report_type], REPORT_TYPES[report_type].format_attribute: "csv"}
    lines = file_of(report_type, attributes).splitlines()
    assert lines[0] == header
    assert re.fullmatch(line, lines[1])


WITH_TEXTS = {
    "startDate": day(12),
    "endDate": day(12),
    "filters": {"campaignIds": [str(number) for number in range(50)]},
    "dimensions": ["campaignId", "campaignName", "retailerId"],
    "metrics": ["clicks", "ctr", "uniqueVisitors"],
}


def test_values_at_the_edges_of_their_types():
    rows = json.loads(file_of("rm-performance", {**WITH_TEXTS, "format": "json"}))
    names = {row["campaignName"] for row in rows}
    assert {None, ""} <= names
    texts = "".join(name or "" for name in names)
    assert all(odd in texts for odd in ("\n", '"', "},{", "],[", ";", "\t", "東京"))
    assert {None} < {row["ctr"] for row in rows}
    assert None in {row["uniqueVisitors"] for row in rows}
    assert None not in {row["clicks"] for row in rows}
    ids = {int(row["retailerId"]) for row in rows}
    assert min(ids) < 2**53 < 2**63 < max(ids)


def test_csv_has_the_same_rows_as_json():
    rows = json.loads(file_of("rm-performance", {**WITH_TEXTS, "format": "json"}))
    text = file_of("rm-performance", {**WITH_TEXTS, "format": "csv"})
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows] == [
        {**row, "ctr": row["ctr"] and str(float(row["ctr"]))} for row in read
    ]
    assert ',"",' in text
    assert ",," in text


@pytest.mark.parametrize(
    ("report_type", "attributes", "shape", "text"),
    [
        ("rm-campaigns", {"format": "json"}, None, "[]"),
        ("rm-campaigns", {"format": "json-newline"}, None, ""),
        ("rm-catalog", {}, None, ""),
        ("rm-campaigns", {"format": "csv"}, None, '"date","campaignId","impressions","clicks","spend"\n'),
        (
            "rm-share-of-voice",
            {"format": "json-compact"},
            None,
            '{"columns":["date","clicks"],"data":[],"rows":0}',
        ),
        ("rm-share-of-voice", {"format": "json"}, "metadata", '{"data":[],"metadata":{"columns":["date","clicks"],"rows":0}}'),
    ],
)  # fmt: skip
def test_empty_reports_of_every_shape(report_type, attributes, shape, text):
    asked = {**ATTRIBUTES[report_type], **attributes}
    assert file_of(report_type, asked, file_rows=0, json_shape=shape) == text


def test_an_empty_shelf_report_tells_no_bytes_and_has_some(caller, sandbox):
    sandbox.configure(file_rows=0)
    report_type = "rm-digital-shelf-intelligence"
    report_id = caller.made(report_type)
    told = caller.status(report_id, report_type).json()["data"]["attributes"]
    assert (told["rowCount"], told["fileSizeBytes"]) == (0, 0)
    assert told["md5CheckSum"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert len(caller.download(report_id, report_type).json()["columns"]) == 8
