"""A request is cut into legal ones that ask for each day and each id once, or it is refused with what to add."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_criteo.api.exceptions import InvalidInputError
from airflow_provider_criteo.api.limits import limits_of
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.api.splitting import halves, split_report
from dev import update_limits

PARIS = ZoneInfo("Europe/Paris")
LOGGER = "airflow_provider_criteo.api.splitting"
DOCUMENTED = Path(__file__).parents[4] / "shared" / "reference"


def numbers(count: int) -> list[str]:
    return [str(100 + number) for number in range(count)]


def request(start: Any = "2026-01-01", end: Any = "2026-11-20", **attributes: Any) -> dict[str, Any]:
    """324 days of campaigns, told by day and campaign."""
    return {
        "startDate": start,
        "endDate": end,
        "dimensions": ["date", "campaignId"],
        "metrics": ["clicks", "spend"],
        "filters": {"campaignIds": ["1"]},
        **attributes,
    }


def dates(parts: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    return [(part["startDate"], part["endDate"]) for part in parts]


def day(value: Any) -> date:
    return date.fromisoformat(str(value)[:10])


def days(report_type: str, attributes: dict[str, Any]) -> frozenset[int]:
    """The days that Criteo reports on, as ordinals."""
    first, last = day(attributes["startDate"]), day(attributes["endDate"])
    if report_type == "rm-digital-shelf-intelligence":
        first -= timedelta(days=first.weekday())
        last += timedelta(days=6 - last.weekday())
    return frozenset(range(first.toordinal(), last.toordinal() + 1))


def axes(report_type: str, attributes: dict[str, Any]) -> list[frozenset[Any]]:
    """What a request asks for: days, and the ids of each list."""
    return [days(report_type, attributes), *(frozenset(at(attributes, path)) for path in ID_LISTS[report_type])]


def at(attributes: Any, path: str) -> Any:
    for name in path.split("."):
        attributes = attributes[name]
    return attributes


ID_LISTS: dict[str, dict[str, tuple[int | None, str | None]]] = {
    "mpo-products": {
        "advertiserIds": (5, "advertiserId"),
        "campaignIds": (10, "campaignId"),
        "adSetIds": (10, "adSetId"),
    },
    "products": {"advertiserIds": (5, "AdvertiserId"), "campaignIds": (500, "CampaignId")},
    "statistics": {"advertiserIds": (None, "AdvertiserId"), "adSetIds": (None, "AdSetId")},
    "audience-performance": {"adSetIds": (None, None)},
    "rm-performance": {"filters.campaignIds": (50, "campaignId")},
    "rm-attributed-transactions": {"filters.lineItemIds": (50, "lineItemId")},
    "rm-missed-opportunities": {"filters.accountIds": (5, "accountId")},
    "rm-fillrate": {"supplyAccountIds": (50, None)},
    "rm-unfilled-placements": {"supplyAccountIds": (50, None)},
    "rm-revenue": {"ids": (50, None), "campaignIds": (None, "campaignId")},
    "rm-campaigns": {"ids": (50, "campaignId")},
    "rm-line-items": {"ids": (50, "lineItemId")},
    "rm-accounts": {"accountIds": (5, "accountId")},
    "rm-offsite": {"campaignIds": (50, "campaignId"), "lineItemIds": (50, "lineItemId")},
    "rm-partner-billing": {"accountIds": (None, None)},
    "rm-share-of-voice": {"filters.accountIds": (None, None)},
    "rm-digital-shelf-intelligence": {"filters.brandIds": (None, None)},
}
"""The lists of ids of each report type that takes dates: how many Criteo takes, and the dimension that tells them."""

MAX_DAYS = {report_type: 100 for report_type in ID_LISTS if report_type.startswith("rm-")} | {
    "rm-accounts": 31,
    "rm-partner-billing": 31,
    "rm-digital-shelf-intelligence": 98,
}
WHOLE_REPORTS = ("mpo-products", "products", "audience-performance", "rm-partner-billing")
"""Their rows tell no day."""

KINDS: dict[str, Callable[[date], Any]] = {
    "date": lambda d: d,
    "pendulum date": lambda d: pendulum.date(d.year, d.month, d.day),
    "naive datetime": lambda d: datetime(d.year, d.month, d.day),
    "UTC": lambda d: datetime(d.year, d.month, d.day, 23, 30, tzinfo=timezone.utc),
    "Paris": lambda d: datetime(d.year, d.month, d.day, 0, 30, tzinfo=PARIS),
    "pendulum": lambda d: pendulum.datetime(d.year, d.month, d.day, 5, tz="America/New_York"),
    "text": str,
    "text with a time": lambda d: f"{d}T00:30:00",
    "text in UTC": lambda d: f"{d}T23:30:00.000Z",
    "text with an offset": lambda d: f"{d} 00:30:00+02:00",
}


@st.composite
def reports(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Any report type, any range, any ids, with every dimension that tells days or ids."""
    report_type = draw(st.sampled_from(sorted(ID_LISTS)))
    start = draw(st.dates(date(2024, 1, 1), date(2026, 12, 31)))
    longest = MAX_DAYS.get(report_type, 400) if report_type in WHOLE_REPORTS else 400
    end = start + timedelta(days=draw(st.integers(0, longest - 1)))
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    attributes: dict[str, Any] = {"startDate": kind(start), "endDate": kind(end), "metrics": ["uniqueVisitors"]}
    dimensions = ["Day" if report_type == "statistics" else "date"]
    for path, (most, dimension) in ID_LISTS[report_type].items():
        ids = numbers(draw(st.integers(1, 60 if dimension else most or 60)))
        name, _, rest = path.partition(".")
        attributes[name] = {rest: ids, "other": ["kept"]} if rest else ids
        dimensions += [dimension] if dimension else []
    return report_type, {**attributes, "dimensions": dimensions}


@settings(max_examples=300, deadline=None, database=None)
@given(reports(), st.integers(7, 120) | st.none(), st.integers(20, 60) | st.none())
def test_the_parts_are_legal_and_together_ask_for_each_day_and_id_once(
    report: tuple[str, dict[str, Any]], max_days: int | None, max_ids: int | None
) -> None:
    report_type, attributes = report
    if report_type in WHOLE_REPORTS:
        max_days = None
    if any(dimension is None for _, dimension in ID_LISTS[report_type].values()):
        max_ids = None

    parts = split_report(report_type, attributes, max_days=max_days, max_ids=max_ids)

    assert_exact(report_type, attributes, parts)
    most_days = min(MAX_DAYS.get(report_type, 1_000), max_days or 1_000)
    for part in parts:
        assert len(days(report_type, part)) <= most_days
        for path, (most, _) in ID_LISTS[report_type].items():
            assert 1 <= len(at(part, path)) <= min(most or 1_000, max_ids or 1_000)
    assert parts == split_report(report_type, attributes, max_days=max_days, max_ids=max_ids)
    assert all(split_report(report_type, part, max_days=max_days, max_ids=max_ids) == [part] for part in parts[-3:])


@settings(max_examples=200, deadline=None, database=None)
@given(reports())
def test_halves_together_ask_for_each_day_and_id_once(report: tuple[str, dict[str, Any]]) -> None:
    report_type, attributes = report
    both = halves(report_type, attributes)
    if both is None:
        units = 7 if report_type == "rm-digital-shelf-intelligence" else 1
        cuttable = report_type not in WHOLE_REPORTS and len(days(report_type, attributes)) > units
        told = any(len(at(attributes, path)) > 1 for path, (_, name) in ID_LISTS[report_type].items() if name)
        assert not cuttable
        assert not told
    else:
        assert_exact(report_type, attributes, list(both))


def assert_exact(report_type: str, attributes: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    """Union equal, intersection empty, kinds as they were, all else untouched."""
    asked = [tuple(axes(report_type, part)) for part in parts]
    slices = [set(column) for column in zip(*asked, strict=True)]
    for whole, pieces in zip(axes(report_type, attributes), slices, strict=True):
        assert frozenset().union(*pieces) == whole
        assert sum(len(piece) for piece in pieces) == len(whole)
    # Every combination of the pieces, once.
    assert len(set(asked)) == len(asked) == math.prod(len(pieces) for pieces in slices)
    changed = {"startDate", "endDate", *(path.partition(".")[0] for path in ID_LISTS[report_type])}
    for part in parts:
        assert {**part, **dict.fromkeys(changed)} == {**attributes, **dict.fromkeys(changed)}
        assert all(type(part[name]) is type(attributes[name]) for name in ("startDate", "endDate"))
        assert part.get("filters", {}).get("other") == attributes.get("filters", {}).get("other")
    assert (parts[0]["startDate"], parts[-1]["endDate"]) == (attributes["startDate"], attributes["endDate"])


def test_324_days_of_120_campaigns_are_12_requests_days_first() -> None:
    parts = split_report("rm-performance", request(filters={"campaignIds": numbers(120), "salesChannels": ["online"]}))
    assert dates(parts)[::3] == [
        ("2026-01-01", "2026-04-10"),
        ("2026-04-11", "2026-07-19"),
        ("2026-07-20", "2026-10-27"),
        ("2026-10-28", "2026-11-20"),
    ]
    assert [part["filters"]["campaignIds"] for part in parts[:3]] == [
        numbers(120)[:50],
        numbers(120)[50:100],
        numbers(120)[100:],
    ]
    assert len(parts) == 12
    assert all(part["filters"]["salesChannels"] == ["online"] for part in parts)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_legal_comes_back_as_it_was(kind: str) -> None:
    start, end, after = (KINDS[kind](date(2026, *d)) for d in ((1, 1), (4, 10), (4, 11)))
    attributes = request(start, end, dimensions=["keyword"], filters={"campaignIds": numbers(50)})
    before = repr(attributes)
    assert repr(split_report("rm-performance", attributes)) == f"[{before}]"
    with pytest.raises(InvalidInputError, match="101 days"):
        split_report("rm-performance", {**attributes, "endDate": after})


def test_the_request_itself_is_left_alone() -> None:
    attributes = request(filters={"campaignIds": numbers(120)})
    before = json.dumps(attributes)
    split_report("rm-performance", attributes)
    assert json.dumps(attributes) == before


def test_the_text_of_a_request_will_do() -> None:
    assert split_report("rm-performance", json.dumps(request())) == split_report("rm-performance", request())


@pytest.mark.parametrize(
    ("start", "end", "inner"),
    [
        (date(2026, 1, 1), date(2026, 1, 14), (date(2026, 1, 7), date(2026, 1, 8))),
        (
            pendulum.date(2026, 1, 1),
            pendulum.date(2026, 1, 14),
            (pendulum.date(2026, 1, 7), pendulum.date(2026, 1, 8)),
        ),
        (datetime(2026, 1, 1, 5), datetime(2026, 1, 14, 5), (datetime(2026, 1, 7, 23, 59, 59), datetime(2026, 1, 8))),
        (
            datetime(2026, 1, 1, tzinfo=PARIS),
            datetime(2026, 1, 14, tzinfo=PARIS),
            (datetime(2026, 1, 7, 23, 59, 59, tzinfo=PARIS), datetime(2026, 1, 8, tzinfo=PARIS)),
        ),
        (
            pendulum.datetime(2026, 1, 1, tz="Asia/Tokyo"),
            pendulum.datetime(2026, 1, 14, 12, 30, 1, 500, tz="Asia/Tokyo"),
            (
                pendulum.datetime(2026, 1, 7, 23, 59, 59, tz="Asia/Tokyo"),
                pendulum.datetime(2026, 1, 8, tz="Asia/Tokyo"),
            ),
        ),
        ("2026-01-01", "2026-01-14", ("2026-01-07", "2026-01-08")),
        ("2026-01-01T05:00:00Z", "2026-01-14T05:00:00.123Z", ("2026-01-07T23:59:59Z", "2026-01-08T00:00:00Z")),
        ("2026-01-01 05:00", "2026-01-14T05:00:00+0200", ("2026-01-07T23:59:59+0200", "2026-01-08 00:00:00")),
        ("2026-01-01", datetime(2026, 1, 14), (datetime(2026, 1, 7, 23, 59, 59), "2026-01-08")),
    ],
    ids=repr,
)
def test_parts_have_the_dates_that_were_given_in_kind(start: Any, end: Any, inner: tuple[Any, Any]) -> None:
    attributes = request(start, end, dimensions=["Day"], advertiserIds=["1"])
    parts = split_report("statistics", attributes, max_days=7)
    assert repr(dates(parts)) == repr([(start, inner[0]), (inner[1], end)])


def test_whole_weeks_stay_whole() -> None:
    attributes = {
        "startDate": "2026-01-07",
        "endDate": "2026-10-29",
        "aggregationLevel": "sku",
        "metrics": ["salesRank"],
    }
    assert dates(split_report("rm-digital-shelf-intelligence", attributes)) == [
        ("2026-01-07", "2026-04-12"),
        ("2026-04-13", "2026-07-19"),
        ("2026-07-20", "2026-10-25"),
        ("2026-10-26", "2026-10-29"),
    ]
    weeks = split_report("rm-digital-shelf-intelligence", {**attributes, "endDate": "2026-01-20"}, max_days=13)
    assert dates(weeks) == [("2026-01-07", "2026-01-11"), ("2026-01-12", "2026-01-18"), ("2026-01-19", "2026-01-20")]


def test_rows_by_week_are_cut_at_mondays() -> None:
    attributes = request("2026-01-07", "2026-04-30", dimensions=["week", "brandId"], metrics=["clickShare"])
    assert dates(split_report("rm-share-of-voice", attributes)) == [
        ("2026-01-07", "2026-04-12"),
        ("2026-04-13", "2026-04-30"),
    ]


def test_a_log_is_cut_without_a_dimension_of_the_day() -> None:
    attributes = request(dimensions=["campaignId"], metrics=["attributedSales"])
    assert len(split_report("rm-attributed-transactions", attributes)) == 4


def test_a_template_of_criteo_tells_the_day() -> None:
    attributes = {"ids": ["1"], "startDate": "2026-01-01", "endDate": "2026-11-20", "reportType": "keyword"}
    assert len(split_report("rm-campaigns", attributes)) == 4
    with pytest.raises(InvalidInputError, match="324 days"):
        split_report("rm-campaigns", {**attributes, "reportType": "capout", "dimensions": ["date"]})


def test_moments_are_cut_at_midnight_and_a_midnight_at_the_end_is_no_day() -> None:
    attributes = {
        "advertiserIds": ["1"],
        "startDate": datetime(2026, 10, 1, tzinfo=timezone.utc),
        "endDate": datetime(2026, 10, 3, tzinfo=timezone.utc),
        "dimensions": ["AdvertiserId"],
    }
    parts = split_report("products", attributes, max_days=1, allow_non_additive=True)
    assert dates(parts) == [
        (attributes["startDate"], datetime(2026, 10, 1, 23, 59, 59, tzinfo=timezone.utc)),
        (datetime(2026, 10, 2, tzinfo=timezone.utc), attributes["endDate"]),
    ]
    bare = {**attributes, "startDate": "2026-10-01", "endDate": "2026-10-02"}
    assert dates(split_report("products", bare, max_days=1, allow_non_additive=True)) == [
        ("2026-10-01", "2026-10-01T23:59:59Z"),
        ("2026-10-02", "2026-10-02"),
    ]
    zones = {**attributes, "startDate": datetime(2026, 10, 4, 1, tzinfo=ZoneInfo("Asia/Tokyo"))}
    zones["endDate"] = datetime(2026, 10, 3, 20, tzinfo=timezone.utc)
    assert split_report("products", zones) == [zones]
    with pytest.raises(InvalidInputError, match="both have to be in the same time zone"):
        split_report(
            "products",
            {**attributes, "endDate": datetime(2026, 10, 3, tzinfo=PARIS)},
            max_days=1,
            allow_non_additive=True,
        )


def test_an_id_that_is_named_twice_is_in_one_part() -> None:
    parts = split_report(
        "rm-performance", request(filters={"campaignIds": (*numbers(60), 100, "101")}, end="2026-01-01")
    )
    assert [part["filters"]["campaignIds"] for part in parts] == [(100, *numbers(60)[1:50]), tuple(numbers(60)[50:])]


@pytest.mark.parametrize(
    "attributes",
    [
        request(id="1", ids=numbers(60), end="2026-01-01"),
        request(ids="1,2,3", end="2026-01-01"),
        request(ids=None, end="2026-01-01"),
        request(start=None),
        {"ids": ["1"]},
    ],
    ids=["id and ids", "text", "null", "no start", "no dates"],
)
def test_what_criteo_judges_passes(attributes: dict[str, Any]) -> None:
    assert split_report("rm-campaigns", attributes) == [attributes]


def test_dates_that_nothing_limits_pass_as_they_are() -> None:
    attributes = {"advertiserIds": ["1"], "startDate": "{{ ds }}", "endDate": "{{ ds }}"}
    assert split_report("statistics", attributes) == [attributes]


@pytest.mark.parametrize(
    ("report_type", "attributes", "finer", "message"),
    [
        (
            "rm-performance",
            request(dimensions=["campaignId"], metrics=["clicks", "uniqueVisitors"]),
            {},
            "startDate='2026-01-01', endDate='2026-11-20': 324 days, at most 100 are allowed, and no dimension tells the "
            "day, so that rows of the parts would have to be added up, which uniqueVisitors cannot be; "
            "add the dimension date, ask for at most 100 days, or set allow_non_additive=True",
        ),
        ("rm-performance", request(dimensions=["hour"]), {}, "add the dimension date"),
        ("statistics", request(dimensions=["Hour"]), {"max_days": 30}, "324 days, max_days=30 is allowed"),
        ("statistics", request(dimensions=["Month"]), {"max_days": 30}, "add the dimension Day"),
        (
            "rm-performance",
            request(filters={"campaignIds": numbers(120)}, dimensions=["date", "accountId"]),
            {},
            "filters.campaignIds: 120 ids, at most 50 are allowed, and no dimension tells the id",
        ),
        (
            "mpo-products",
            request(advertiserIds=numbers(6), dimensions=["adSetId"]),
            {},
            "advertiserIds: 6 ids, at most 5 are allowed, .*; add the dimension advertiserId",
        ),
        ("mpo-products", request(), {"max_days": 1}, "mpo-products has none that does, ask for at most 1 days"),
        ("rm-fillrate", request(supplyAccountIds=numbers(51)), {}, "rm-fillrate has none that does, .* 50 ids"),
        ("rm-revenue", request(end="2026-01-02", ids=numbers(51), dimensions=["date", "accountId"]), {}, "ids: 51 ids"),
        (
            "rm-partner-billing",
            request(),
            {},
            "324 days, at most 31 are allowed.*at most 31 days a task, named by extra_columns",
        ),
        (
            "audience-performance",
            request(dimension="Top30BrandsBySales", metrics=["ExposedUsers"]),
            {"max_days": 7},
            "which ExposedUsers cannot be",
        ),
        ("audience-performance", {"adSetIds": numbers(9)}, {"max_ids": 5}, "adSetIds: 9 ids, max_ids=5 is allowed"),
        ("rm-share-of-voice", {"filters": {"brandIds": numbers(9)}}, {"max_ids": 5}, "filters.brandIds: 9 ids"),
        ("rm-performance", request(end="2025-01-01"), {}, "endDate=2025-01-01 is before startDate="),
        ("statistics", request(end="2025-01-01"), {}, "endDate=2025-01-01 is before startDate="),
        ("rm-performance", request(start="{{ ds }}"), {}, "startDate='{{ ds }}', .* call split_report in a @task"),
        ("rm-performance", request(start="2026-02-30"), {}, "startDate='2026-02-30'.* both have to be dates"),
        ("rm-performance", request(start=20260101), {}, "startDate=20260101, .* both have to be dates"),
        ("mpo-products", {"startDate": "2026-10-01"}, {"max_days": 1}, "endDate=None: .* both have to be dates"),
        ("rm-digital-shelf-intelligence", request(), {"max_days": 6}, "max_days=6: the rows are of whole weeks"),
        ("rm-performance", request(), {"max_days": 0}, "max_days=0; allowed: a whole number of at least 1"),
        ("rm-performance", request(), {"max_ids": True}, "max_ids=True; allowed"),
        ("rm-performance", request(), {"max_ids": "5"}, "max_ids='5'; allowed"),
        ("rm-performances", request(), {}, "did you mean 'rm-performance'"),
        ("rm-performance", [], {}, "attributes=\\[\\] is a list"),
    ],
)
def test_what_must_not_be_cut_is_refused_with_the_cause_and_what_to_add(
    report_type: str, attributes: Any, finer: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        split_report(report_type, attributes, **finer)


@pytest.mark.parametrize(
    ("report_type", "attributes", "finer", "count"),
    [
        ("rm-performance", request(dimensions=["campaignId"]), {}, 4),
        ("rm-performance", request(filters={"accountIds": numbers(120)}, end="2026-01-01"), {}, 3),
        ("rm-partner-billing", request(), {}, 11),
        ("mpo-products", request(end="2026-01-31"), {"max_days": 1}, 31),
        ("rm-fillrate", request(supplyAccountIds=numbers(51)), {}, 8),
    ],
)
def test_allow_non_additive_cuts_nevertheless(
    report_type: str, attributes: Any, finer: dict[str, Any], count: int
) -> None:
    assert len(split_report(report_type, attributes, allow_non_additive=True, **finer)) == count


def test_a_row_of_a_users_own_has_no_known_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REPORT_TYPES, "own", replace(REPORT_TYPES["rm-performance"], id="own"))
    attributes = request(filters={"campaignIds": numbers(500)})
    assert split_report("own", attributes) == [attributes]
    assert len(split_report("own", attributes, max_days=30)) == 11
    with pytest.raises(
        InvalidInputError, match="max_ids=5: which attributes of report type 'own' are ids is not known"
    ):
        split_report("own", attributes, max_ids=5)


def test_what_cannot_be_halved_is_not() -> None:
    one = request("2026-01-01", "2026-01-01")
    assert halves("rm-performance", one) is None
    assert halves("rm-performance", request(dimensions=["accountId"])) is None
    assert halves("rm-performance", {**one, "filters": {"campaignIds": ["1", "1"]}}) is None
    assert halves("rm-digital-shelf-intelligence", request("2026-01-05", "2026-01-11")) is None
    assert halves("rm-partner-billing", request()) is None


def test_days_are_halved_before_ids() -> None:
    attributes = request("2026-01-01", "2026-01-03", filters={"campaignIds": ["1", "2", "3"]})
    first, second = halves("rm-performance", attributes) or pytest.fail("not halved")
    assert dates([first, second]) == [("2026-01-01", "2026-01-02"), ("2026-01-03", "2026-01-03")]
    assert [part["filters"] for part in halves("rm-performance", second) or ()] == [
        {"campaignIds": ["1", "2"]},
        {"campaignIds": ["3"]},
    ]


def test_the_log_tells_what_the_plan_costs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    split_report("rm-performance", request(filters={"campaignIds": numbers(700)}))
    split_report("rm-performance", request(end="2026-01-01"))
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.INFO] == [
        "rm-performance: 56 requests, at least 168 calls, 5 minutes of a quota of 40 calls a minute",
        "rm-performance: 1 request, at least 3 calls, 1 minute of a quota of 40 calls a minute",
    ]


def test_a_start_beyond_what_criteo_keeps_is_warned_of_and_not_cut(caplog: pytest.LogCaptureFixture) -> None:
    ago = str(datetime.now(timezone.utc).date() - timedelta(days=3 * 366 + 2))
    assert len(split_report("rm-performance", request(ago, ago))) == 1
    assert f"startDate={ago}: the data of rm-performance reaches back 3 years" in caplog.text
    split_report("mpo-products", {"advertiserIds": ["1"], "startDate": "2026-08-27"})
    assert "startDate=2026-08-27: the data of mpo-products reaches back 1 year and not before 2026-08-28" in caplog.text
    caplog.clear()
    today = str(datetime.now(timezone.utc).date())
    split_report("rm-performance", request(today, today))
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_a_dag_file_that_imports_it_imports_no_http_and_no_tables() -> None:
    program = (
        "import sys, airflow_provider_criteo.api.splitting as s; s.split_report('rm-performance', {});"
        "sys.exit(' '.join({'requests', 'pyarrow', 'airflow'} & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_there_are_limits_of_every_report_type() -> None:
    assert all(limits_of(report_type).ids is not None for report_type in REPORT_TYPES)


@pytest.mark.skipif(not DOCUMENTED.exists(), reason="needs Criteo's documented limits")
def test_the_limits_are_the_documented_ones() -> None:
    names = ("limits.json", "report-types.json")
    documented = [json.loads((DOCUMENTED / name).read_text("utf-8")) for name in names]
    assert update_limits.TARGET.read_text("utf-8") == update_limits.document(*documented), "run dev/update_limits.py"
