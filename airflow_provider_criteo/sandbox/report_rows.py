"""The rows of a report: what was asked for, the same at each asking, with all that Criteo's own samples surprise with.

A row's values depend on its day and its ids alone: a request and the parts it is split into have the same rows. Types
are those of the dictionary of columns; what a file of each kind looks like is in
https://developers.criteo.com/retail-media/docs/demand-side-analytics-get-started,
https://developers.criteo.com/marketing-solutions/experimental/docs/product-performance-report and the pages beside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from math import prod
from typing import Any
from zlib import crc32

from airflow_provider_criteo.api import dictionary
from airflow_provider_criteo.api.attributes import names_in
from airflow_provider_criteo.api.dates import named_date
from airflow_provider_criteo.api.limits import limits_of
from airflow_provider_criteo.api.reports import ReportType
from airflow_provider_criteo.sandbox.families import Family

_MOST_DAYS = 100_000

_ENTITIES = 10
_PERIODS = {"date": "day", "advdate": "day", "advertiseddate": "day", "purchaseddate": "day"}
_PERIODS |= {name: name for name in ("day", "week", "month", "quarter", "year")}
_PERIODS |= {"startdate": "week", "enddate": "sunday"}
_PRODUCT_ORDER = ("advertiserId", "partnerId", "campaignId", "sellerId", "productId", "adSetId")
_NEVER_NULL = ("clicks", "impressions", "displays", "cost", "spend")
_WORDS = {
    "utcoffset": "-05:00",
    "isunbillable": "No",
    "accountcurrencycode": "USD",
    "currency": "EUR",
    "capouthour": "No cap-out",
    "daypartingscheduled": "On",
    "searchtermtype": "Null",
}
_TEXTS = (
    "{word} {n}",
    '{word} {n}, 46 x 10.5" - Black',
    "crème brûlée {word} {n} 東京",
    "{word} {n},\nin two lines",
    '{{"{word}":{n}}},{{"b":1}}],[{n}',
    "{word};{n}\t|",
    "",
    None,
)
_PRODUCT_IDS = ("{n}", "00{n}", "sku-{n}", '{n},"a" é', "181599423785148{n}")
_NUMBERS = ("{n}", "5300886778859{n}")
"""Also above 2^53."""

_IDS = (*_NUMBERS, "181599423785148{n}")
"""Also above the largest int64."""


@dataclass(frozen=True)
class Column:
    """A column of a report file.

    :param name: as the file spells it.
    :param type: of the dictionary.
    :param is_metric: whether it is a metric; else a dimension or a property of one.
    :param period: what of the row's day it has.
    """

    name: str
    type: str
    is_metric: bool
    period: str | None = None

    @cached_property
    def stem(self) -> str:
        """Its name, in camel case."""
        return self.name[0].lower() + self.name[1:]

    @cached_property
    def is_time(self) -> bool:
        """Whether it has an hour or a minute."""
        return self.stem.lower().endswith(("hour", "minute")) and self.stem != "capoutHour"

    @cached_property
    def is_id(self) -> bool:
        """Whether it has an id."""
        return self.stem.endswith("Id") or self.stem in ("id", "gtin", "mpn")


def report_columns(row: ReportType, family: Family, attributes: dict[str, Any]) -> list[Column]:
    """The columns of a request's file, in Criteo's order and case."""
    output_only = dictionary.of_report_type("output_only", row.id)
    fixed = [_column(name, row.id) for name in output_only if re.fullmatch(family.columns, name)]
    if fixed:
        return [replace(column, is_metric=column.type.startswith(("int", "float", "decimal"))) for column in fixed]
    limits = limits_of(row.id)
    dimensions = limits.dimensions(attributes) or list(family.dimensions)
    metrics = (
        names_in(attributes.get("metrics"))
        or dictionary.of_report_type("default_metrics", row.id)
        or list(family.metrics)
    )
    if limits.rows == "weeks":
        other_level = "brand" if attributes.get("aggregationLevel") == "sku" else "sku"
        dimensions = [name for name in output_only if not name.startswith(other_level)]
    if dictionary.is_camel_case(row.id):
        dimensions, metrics = (
            [name[0].lower() + name[1:] for name in names if name] for names in (dimensions, metrics)
        )
    if added := dictionary.of_report_type("added", row.id):
        dimensions = [name for name in _PRODUCT_ORDER if name in (*dimensions, *added)]
    return [
        _column(name, row.id, is_metric=is_metric)
        for names, is_metric in ((dimensions, False), (metrics, True))
        for name in dict.fromkeys(names)
    ]


def _column(name: str, report_type: str, *, is_metric: bool = False) -> Column:
    period = None if is_metric else _PERIODS.get(name.lower())
    return Column(name, dictionary.known_type(name, report_type) or "string", is_metric, period)


@dataclass(frozen=True)
class Place:
    """What a row is about.

    :param day: the first of its period.
    :param hour: of the day, or minute of the hour.
    :param ids: those asked for, by the stem of their column.
    :param entity: which of those that nobody asked for by id.
    """

    day: date
    hour: int
    ids: dict[str, str]
    entity: int

    def known_as(self, stem: str) -> str:
        """What stands for a column's campaign, product ...: the id asked for, else which one of them."""
        return self.ids.get(re.sub(r"(Name)?$", "Id", stem.removesuffix("Id"), count=1), str(self.entity))


class Rows:
    """The rows of a report: each day, each id asked for, and some of what was not asked for by id.

    :param row: the report type.
    :param family: its habits.
    :param attributes: of the request.
    :param cap: rows at which Criteo cuts a report off, and says nothing.
    """

    def __init__(self, row: ReportType, family: Family, attributes: dict[str, Any], cap: int) -> None:
        self._cap = cap
        self.columns = report_columns(row, family, attributes)
        self._family = family
        dimensions = [column for column in self.columns if not column.is_metric]
        periods = list(dict.fromkeys(column.period for column in dimensions if column.period))
        self._days = list(_days(periods, *_range(attributes)))
        times = [column.stem.lower() for column in dimensions if column.is_time]
        self._hours = 1 if not times else 60 if "minute" in times else 24
        asked = {column.stem: _asked(column.stem, row, attributes) for column in dimensions if column.is_id}
        self._ids = {stem: ids for stem, ids in asked.items() if ids}
        named = {stem.removesuffix("Id") for stem in self._ids}
        free = [c for c in dimensions if not c.period and not c.is_time and c.stem.removesuffix("Id") not in named]
        self._is_free = any(column.stem.removesuffix("Name") not in named for column in free)

    @property
    def count(self) -> int:
        """One of each day, of each id asked for, and of some others; not more than Criteo gives."""
        others = _ENTITIES if self._is_free else 1
        return min(self._cap, len(self._days) * self._hours * prod(map(len, self._ids.values())) * others)

    def values(self, number: int) -> list[Any]:
        """A row: text, int, bool, None, and Decimals with as many digits as are written."""
        place = self._place(number)
        key = "|".join((place.day.isoformat(), str(place.hour), *place.ids.values(), str(place.entity)))
        return [
            _metric(column, key, self._family) if column.is_metric else _dimension(column, place, self._family)
            for column in self.columns
        ]

    def _place(self, number: int) -> Place:
        number, day = divmod(number, len(self._days))
        number, hour = divmod(number, self._hours)
        ids = {}
        for stem, asked in self._ids.items():
            number, which = divmod(number, len(asked))
            ids[stem] = asked[which]
        return Place(self._days[day], hour, ids, number)


def _range(attributes: dict[str, Any]) -> tuple[date, int]:
    """The first of the days asked for, and how many they are; whatever the time of day."""
    end = named_date(attributes.get("endDate")) or datetime.now(timezone.utc)
    start = named_date(attributes.get("startDate")) or end
    first, last = (date(moment.year, moment.month, moment.day) for moment in (start, end))
    return first, min(_MOST_DAYS, max(1, (last - first).days + 1))


def _days(periods: Sequence[str], start: date, count: int) -> Iterable[date]:
    """A day of each period in the range."""
    found: dict[tuple[date, ...], date] = {}
    for day in (start + timedelta(days=number) for number in range(count)):
        found.setdefault(tuple(_first_of(period, day) for period in periods), day)
    return found.values()


def _first_of(period: str, day: date) -> date:
    if period in ("week", "sunday"):
        monday = day - timedelta(days=day.weekday())
        return monday if period == "week" else min(monday, date.max - timedelta(days=6)) + timedelta(days=6)
    if period == "day":
        return day
    month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}[period]
    return day.replace(month=month, day=1)


def _asked(stem: str, row: ReportType, attributes: dict[str, Any]) -> list[str]:
    """The ids that the request names for a column."""
    stem = stem.replace("External", "")
    names = [f"{stem}s", stem, f"{stem}Filter"]
    if stem == {"campaigns": "campaignId", "line-items": "lineItemId"}.get(row.create_path.rpartition("/")[2]):
        names += ["ids", "id"]
    return ids_in(attributes, *names)


def ids_in(attributes: dict[str, Any], *names: str) -> list[str]:
    """The ids that attributes of these names hold, in the filters or not."""
    filters = attributes.get("filters")
    sources = (attributes, filters if isinstance(filters, dict) else {})
    values = [source.get(name) for source in sources for name in names]
    ids = [id_ for value in values for id_ in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(str(id_) for id_ in ids if isinstance(id_, (str, int))))


def _dimension(column: Column, place: Place, family: Family) -> Any:
    if column.period:
        return _first_of(column.period, place.day).isoformat()
    if column.is_time:
        if column.type == "int64":
            return place.hour
        time = f"00:{place.hour:02}" if column.stem.lower() == "minute" else f"{place.hour:02}:00"
        return f"{place.day.isoformat()}T{time}:00Z"
    if column.is_id:
        return _id(column, place, family)
    number = crc32(f"{column.stem}{place.known_as(column.stem)}".encode())
    if column.type == "bool":
        return number % 3 > 0
    if column.type == "int64":
        return number % 31
    if column.type == "date32":
        return (date(2026, 1, 1) + timedelta(days=number % 365)).isoformat()
    if column.type.startswith("timestamp"):
        return f"2026-{number % 12 + 1:02}-06T02:23:{number % 60:02}Z" if number % 4 else None
    text = _WORDS.get(column.stem.lower(), _TEXTS[number % len(_TEXTS)])
    word = column.stem.removesuffix("Name")
    return text and text.format(word=f"{word[0].upper()}{word[1:]}", n=place.known_as(column.stem))


def _id(column: Column, place: Place, family: Family) -> str | int:
    is_number = re.fullmatch(family.bare_ids, column.name) is not None
    id_ = place.ids.get(column.stem)
    if id_ is None:
        of_products = "product" in column.stem.lower() or column.stem in ("id", "skuId", "gtin", "mpn")
        styles = _NUMBERS if is_number else _PRODUCT_IDS if of_products else _IDS
        number = crc32(column.stem.encode()) % 90000 + 10000 + place.entity
        id_ = styles[place.entity % len(styles)].format(n=number)
    return int(id_) if is_number and re.fullmatch(r"[1-9]\d{0,18}", id_) else id_


def _metric(column: Column, key: str, family: Family) -> Any:
    seed = f"{column.stem}{key}".encode()
    number = crc32(seed) << 32 | crc32(seed[::-1])
    if dictionary.additivity(column.name) == "ratio":
        return Decimal(number % 10_000).scaleb(-4) if number % 6 else None
    if column.stem.lower() not in _NEVER_NULL and number % 29 == 0:
        return None
    if column.type.startswith(("float", "decimal")):
        least, most = family.decimals
        digits = least + number % (most - least + 1)
        return Decimal(number % 10 ** min(15, digits + 3)).scaleb(-digits)
    return str(number % 10_000) if column.type == "string" else number % 10_000
