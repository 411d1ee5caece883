"""Which days a create asks for, for every value that a DAG can hold, and what is said where they may be others."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest

from airflow_provider_criteo.api.attributes import as_json
from airflow_provider_criteo.api.dates import doubtful_days, first_and_last_day, is_midnight, moved, named_date
from airflow_provider_criteo.api.report_type import DateKind, ReportType
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.api.splitting import split_report
from airflow_provider_criteo.api.tables import report_days

PARIS, TOKYO, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")


class Moment(datetime):
    """A user's own datetime."""


def rows_of(kind: DateKind) -> list[Any]:
    return [pytest.param(row, id=row.id) for row in REPORT_TYPES.values() if row.dates is kind]


NAMING_24_NOVEMBER = [
    pytest.param(value, id=f"{type(value).__name__} {value}")
    for value in (
        date(2026, 11, 24),
        datetime(2026, 11, 24),
        datetime(2026, 11, 24, 23, 59, 59, 999999),
        datetime(2026, 11, 24, tzinfo=timezone.utc),
        datetime(2026, 11, 24, tzinfo=PARIS),
        datetime(2026, 11, 24, 23, 59, 59, tzinfo=NEW_YORK),
        datetime(2026, 11, 24, 0, 30, tzinfo=TOKYO),
        datetime(2026, 11, 24, tzinfo=timezone(timedelta(hours=14))),
        Moment(2026, 11, 24, tzinfo=PARIS),
        pendulum.date(2026, 11, 24),
        pendulum.datetime(2026, 11, 24, tz="Europe/Paris"),
        pendulum.datetime(2026, 11, 24, tz="Europe/Paris").end_of("day"),
        pendulum.datetime(2026, 11, 24, 23, tz="America/Los_Angeles"),
        pendulum.naive(2026, 11, 24, 1),
        "2026-11-24",
        "2026-11-24T00:00:00+01:00",
        "2026-11-24T23:30:00-05:00",
        "2026-11-24T00:00:00",
        "2026-11-24T00:00:00Z",
        "2026-11-24T00:00:00.000000+01:00",
        "2026-11-24T10:15",
        "2026-11-24 00:00:00+01:00",
    )
]


@pytest.mark.parametrize("value", NAMING_24_NOVEMBER)
@pytest.mark.parametrize("row", rows_of(DateKind.WHOLE_DAYS))
def test_a_whole_day_type_is_asked_for_the_day_that_was_named(row: ReportType, value: Any) -> None:
    sent = as_json({"startDate": value, "endDate": value}, row)
    if row.date_format == "date" or value == "2026-11-24":
        assert sent == {"startDate": "2026-11-24", "endDate": "2026-11-24"}
    else:
        assert sent == {"startDate": "2026-11-24T00:00:00Z", "endDate": "2026-11-24T23:59:59Z"}


def test_the_day_the_clocks_change_is_one_day() -> None:
    midnight = datetime(2026, 10, 25, tzinfo=PARIS)
    day = {"startDate": midnight, "endDate": midnight.replace(hour=23, minute=59)}
    assert as_json(day, REPORT_TYPES["rm-line-items"]) == {"startDate": "2026-10-25", "endDate": "2026-10-25"}
    sent = as_json(day, REPORT_TYPES["products"])
    assert sent == {"startDate": "2026-10-24T22:00:00Z", "endDate": "2026-10-25T22:59:00Z"}


@pytest.mark.parametrize(
    ("value", "as_start", "as_end"),
    [
        (date(2026, 11, 24), "2026-11-24T00:00:00Z", "2026-11-24T23:59:59Z"),
        (pendulum.date(2026, 11, 24), "2026-11-24T00:00:00Z", "2026-11-24T23:59:59Z"),
        ("2026-11-24", "2026-11-24", "2026-11-24T23:59:59Z"),
        (datetime(2026, 11, 24, 12, 30), "2026-11-24T12:30:00Z", "2026-11-24T12:30:00Z"),
        (datetime(2026, 11, 24, tzinfo=PARIS), "2026-11-23T23:00:00Z", "2026-11-23T23:00:00Z"),
        (pendulum.datetime(2026, 11, 24, tz="Asia/Tokyo"), "2026-11-23T15:00:00Z", "2026-11-23T15:00:00Z"),
        ("2026-11-24T00:00:00+01:00", "2026-11-24T00:00:00+01:00", "2026-11-24T00:00:00+01:00"),
        # {{ data_interval_start }}
        ("2026-11-24 00:00:00+01:00", "2026-11-23T23:00:00Z", "2026-11-23T23:00:00Z"),
    ],
)
@pytest.mark.parametrize("report_type", ["mpo-realtime", "products", "mpo-products"])
def test_a_moment_is_sent_in_utc_and_a_day_as_the_end_is_all_of_it(
    report_type: str, value: Any, as_start: str, as_end: str
) -> None:
    sent = as_json({"startDate": value, "endDate": value}, REPORT_TYPES[report_type])
    assert sent == {"startDate": as_start, "endDate": as_end}


@pytest.mark.parametrize("row", [row for row in REPORT_TYPES.values() if "modifiedAfter" in row.attributes])
def test_modified_after_is_a_moment(row: ReportType) -> None:
    noon = datetime(2026, 11, 24, 12, tzinfo=PARIS)
    assert as_json({"modifiedAfter": noon}, row) == {"modifiedAfter": "2026-11-24T11:00:00Z"}
    assert as_json({"modifiedAfter": date(2026, 11, 24)}, row) == {"modifiedAfter": "2026-11-24T00:00:00Z"}


@pytest.mark.parametrize(
    "text", ["yesterday, please", "", "24/11/2026", "2026-13-45T00:00:00", "2026-11-24T25:00", "20261124"]
)
@pytest.mark.parametrize("report_type", ["statistics", "rm-fillrate", "products", "mpo-products"])
def test_text_that_is_no_date_is_sent_as_it_is(report_type: str, text: str) -> None:
    given = {"startDate": text, "endDate": text}
    assert as_json(given, REPORT_TYPES[report_type]) == given


def test_text_that_looks_like_a_date_elsewhere_is_sent_as_it_is() -> None:
    given = {"filters": {"keywords": ["2026-11-24T00:00:00"]}, "adSetNames": ["2026-11-24T00:00:00+01:00"]}
    for report_type in ("rm-share-of-voice", "statistics"):
        assert as_json(given, REPORT_TYPES[report_type]) == given


def test_which_types_take_whole_days_is_as_documented() -> None:
    others = {row.id: row.dates for row in REPORT_TYPES.values() if row.dates is not DateKind.WHOLE_DAYS}
    catalogs = {row.id: DateKind.MOMENTS for row in REPORT_TYPES.values() if row.needs_account_id}
    assert others == {
        **catalogs,
        "mpo-realtime": DateKind.MOMENTS,
        "mpo-products": DateKind.NOT_DOCUMENTED,
        "products": DateKind.MOMENTS,
    }


# What is said before the call


NEXT_MIDNIGHT = [
    (datetime(2026, 11, 24), datetime(2026, 11, 25)),
    (pendulum.datetime(2026, 11, 24, tz="Europe/Paris"), pendulum.datetime(2026, 11, 25, tz="Europe/Paris")),
    (date(2026, 11, 24), datetime(2026, 11, 25, tzinfo=timezone.utc)),
    ("2026-11-24T00:00:00+00:00", "2026-11-25T00:00:00+00:00"),
    ("2026-11-24", "2026-11-25 00:00:00+01:00"),
    (datetime(2026, 10, 25, tzinfo=PARIS), datetime(2026, 10, 26, tzinfo=PARIS)),
]


@pytest.mark.parametrize(("start", "end"), NEXT_MIDNIGHT)
@pytest.mark.parametrize("row", rows_of(DateKind.WHOLE_DAYS))
def test_an_end_at_the_next_midnight_is_doubted_for_a_whole_day_type(row: ReportType, start: Any, end: Any) -> None:
    (doubt,) = doubtful_days({"startDate": start, "endDate": end}, row)
    assert f"report type {row.id!r} takes whole: 2 days are asked for" in doubt
    assert "give the last day that is in it" in doubt


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z", 8),
        (datetime(2026, 11, 1), datetime(2026, 12, 1), 31),
        (datetime(2026, 1, 1), datetime(2027, 1, 1), 366),
        # A day in Paris as Airflow has it, in UTC; the last when summer time ends.
        ("2026-11-23T23:00:00+00:00", "2026-11-24T23:00:00+00:00", 2),
        (pendulum.datetime(2026, 10, 24, 22), pendulum.datetime(2026, 10, 25, 23), 2),
    ],
)
def test_the_end_of_a_data_interval_is_doubted_for_a_whole_day_type(start: Any, end: Any, days: int) -> None:
    (doubt,) = doubtful_days({"startDate": start, "endDate": end}, REPORT_TYPES["statistics"])
    assert f"{days} days are asked for" in doubt


@pytest.mark.parametrize(("start", "end"), NEXT_MIDNIGHT)
def test_an_end_at_the_next_midnight_is_one_day_for_moments(start: Any, end: Any) -> None:
    assert list(doubtful_days({"startDate": start, "endDate": end}, REPORT_TYPES["products"])) == []


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2026, 11, 24), date(2026, 11, 25)),
        ("2026-11-24", "2026-11-25"),
        (datetime(2026, 11, 24), datetime(2026, 11, 24)),
        (datetime(2026, 11, 24), datetime(2026, 11, 24, 23, 59, 59)),
        (datetime(2026, 11, 1), datetime(2026, 11, 30)),
        (datetime(2026, 11, 24), None),
        (None, datetime(2026, 11, 24)),
        ("soon", 7),
    ],
)
@pytest.mark.parametrize("report_type", ["statistics", "rm-fillrate"])
def test_other_days_are_not_doubted(report_type: str, start: Any, end: Any) -> None:
    assert list(doubtful_days({"startDate": start, "endDate": end}, REPORT_TYPES[report_type])) == []


@pytest.mark.parametrize(
    ("start", "end", "is_doubted"),
    [
        (date(2026, 11, 24), date(2026, 11, 24), False),
        ("2026-11-24", "2026-11-24", False),
        (datetime(2026, 11, 24), datetime(2026, 11, 24, 23, 59, 59), False),
        (date(2026, 11, 24), None, False),
        (datetime(2026, 11, 24), datetime(2026, 11, 25), True),
        (datetime(2026, 11, 24, tzinfo=PARIS), date(2026, 11, 24), True),
        ("2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z", True),
    ],
)
def test_moments_are_doubted_where_criteo_does_not_say_what_they_mean(start: Any, end: Any, is_doubted: bool) -> None:
    doubts = list(doubtful_days({"startDate": start, "endDate": end}, REPORT_TYPES["mpo-products"]))
    assert len(doubts) == is_doubted
    assert all("does not document whether report type 'mpo-products' counts whole days" in doubt for doubt in doubts)


UTC, EAST, WEST = timezone.utc, timezone(timedelta(hours=2)), timezone(timedelta(hours=-5, minutes=-30))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("2026-10-01", date(2026, 10, 1)),
        (" 2026-10-01 ", date(2026, 10, 1)),
        ("2026-10-01T00:00", datetime(2026, 10, 1)),
        ("2026-10-01 00:00:00", datetime(2026, 10, 1)),
        ("2026-10-01T00:00Z", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T00:00+02:00", datetime(2026, 10, 1, tzinfo=EAST)),
        ("2026-10-01T00:00:00+02", datetime(2026, 10, 1, tzinfo=EAST)),
        ("2026-10-01T00:00:00-0530", datetime(2026, 10, 1, tzinfo=WEST)),
        ("2026-10-01T00:00:00.5Z", datetime(2026, 10, 1, 0, 0, 0, 500_000, UTC)),
        ("2026-10-01T00:00:00.000000000Z", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T", None),
        ("2026-10-01T00", None),
        ("2026-10-01Z", None),
        ("2026-02-30", None),
        ("2026-10-01T24:00:00Z", None),
        ("2026-10-01T00:00:00+25:00", None),
        ("2026-10-01 or so", None),
        ("01.10.2026", None),
        ("", None),
        (20261001, None),
        (None, None),
    ],
)
def test_what_a_spelling_names(text: Any, named: date | None) -> None:
    found = named_date(text)
    assert (found, type(found)) == (named, type(named))
    if isinstance(found, datetime) and isinstance(named, datetime):
        assert found.utcoffset() == named.utcoffset()


MIDNIGHTS = ["T00:00", " 00:00:00", "T00:00Z", "T00:00+02:00", "T00:00:00.000-0530", "T00:00:00.0000000Z"]


@pytest.mark.parametrize("clock", MIDNIGHTS)
def test_every_midnight_ends_a_span_of_moments_before_its_day(clock: str) -> None:
    dates = {"startDate": f"2026-10-01{clock}", "endDate": f"2026-10-03{clock}"}
    named = named_date(dates["endDate"])
    assert named is not None
    assert is_midnight(named)
    assert report_days("products", dates) == [date(2026, 10, 1), date(2026, 10, 2)]
    assert len(split_report("products", dates, max_days=1, allow_non_additive=True)) == 2
    assert report_days("statistics", dates)[-1] == date(2026, 10, 3)


@pytest.mark.parametrize("clock", ["", "T00:00:00.5Z", "T00:01+02:00", "T23:59:59Z"])
def test_what_is_no_midnight_ends_a_span_of_moments_on_its_day(clock: str) -> None:
    dates = {"startDate": "2026-10-01", "endDate": f" 2026-10-03{clock}"}
    assert report_days("products", dates)[-1] == date(2026, 10, 3)


def test_a_span_of_one_moment_has_its_day() -> None:
    midnight = datetime(2026, 10, 1)
    assert first_and_last_day(midnight, midnight, REPORT_TYPES["products"]) == (date(2026, 10, 1), date(2026, 10, 1))


def test_a_moved_date_keeps_its_kind_and_zone() -> None:
    day, clock = date(2026, 10, 9), time(23, 59, 59)
    assert moved(date(2026, 10, 1), day, clock) == day
    assert moved(datetime(2026, 10, 1, 5, tzinfo=EAST), day, clock) == datetime(2026, 10, 9, 23, 59, 59, tzinfo=EAST)
    assert moved(" 2026-10-01", day, clock) == "2026-10-09"
    assert moved("2026-10-01 05:00:00.5+02", day, clock) == "2026-10-09 23:59:59+02"
