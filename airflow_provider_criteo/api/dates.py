"""The dates of a create: which day or moment a value means, and the form in which Criteo wants it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from airflow_provider_criteo.api.exceptions import InvalidInputError
from airflow_provider_criteo.api.report_type import DateKind, ReportType

DATE_ATTRIBUTES = ("startDate", "endDate", "modifiedAfter")
_SHORTEST_MONTH = 28

# As str(), isoformat(), Airflow's ds and ts and Criteo's files have it; .NET writes seven digits of a second, of which
# a datetime holds six. The hour 24 is a time to Python from 3.14 on, and not before.
_ISO_8601 = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:(?P<separator>[T ])(?P<minute>(?!24)\d\d:\d\d)(?P<second>:\d\d)?(?:\.(?P<fraction>\d+))?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def named_date(value: object) -> date | None:
    """The day, or the moment on its own clock, that a value names; None where it is no date.

    :param value: a date, a datetime, or the ISO 8601 text of one; a text without a zone is a naive datetime.
    """
    if isinstance(value, date):
        return value
    text = _ISO_8601.fullmatch(value.strip()) if isinstance(value, str) else None
    if text is None:
        return None
    try:
        if text["separator"] is None:
            return date.fromisoformat(text["day"])
        microsecond = (text["fraction"] or "")[:6]
        moment = datetime.fromisoformat(f"{text['day']}T{text['minute']}{text['second'] or ':00'}.{microsecond:0<6}")
        return moment.replace(tzinfo=_zone(text["zone"]))
    except ValueError:
        return None


def _zone(text: str | None) -> timezone | None:
    if text is None or text == "Z":
        return timezone.utc if text else None
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    return timezone((1 if text[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes))


def is_midnight(value: date) -> bool:
    """Whether this is the first moment of a day on its own clock; a day without a time is not."""
    return isinstance(value, datetime) and value.time() == time()


def first_and_last_day(start: date, end: date, row: ReportType, *, in_weeks: bool = False) -> tuple[date, date]:
    """The days of a span, each on its own clock: moments up to a midnight have nothing of its day.

    :param in_weeks: whether Criteo shifts the start back to a Monday and the end on to a Sunday.
    :raises InvalidInputError: the end is before the start.
    """
    first, last = date(start.year, start.month, start.day), date(end.year, end.month, end.day)
    if last < first:
        raise InvalidInputError(f"endDate={end} is before startDate={start}")
    if in_weeks:
        until_sunday = min(6 - last.weekday(), (date.max - last).days)
        return first - timedelta(days=first.weekday()), last + timedelta(days=until_sunday)
    if row.dates is DateKind.MOMENTS and first < last and is_midnight(end):
        return first, last - timedelta(days=1)
    return first, last


def moved(value: Any, day: date, clock: time) -> Any:
    """The same kind of date on another day, with that time of day if it has one.

    :param value: what ``named_date`` reads.
    """
    if isinstance(value, datetime):
        return value.replace(day.year, day.month, day.day, clock.hour, clock.minute, clock.second, 0)
    if isinstance(value, date):
        return value.replace(day.year, day.month, day.day)
    text = _ISO_8601.fullmatch(value.strip())
    assert text is not None
    return f"{day}{text['separator']}{clock}{text['zone'] or ''}" if text["separator"] else str(day)


def sent_date(name: str, value: object, row: ReportType) -> object:
    """The value of a date attribute in the form that Criteo wants; what is no date, and a plain date, as it is.

    A whole day is the day that the value names in its own time zone, whatever that is. A day as the end is all of it.

    :param name: of the attribute.
    :param value: a date, a datetime, or the ISO text of one.
    """
    is_end = name == "endDate"
    if isinstance(value, date):
        return date_text(value, row, is_end=is_end)
    if isinstance(value, str):
        named = named_date(value)
        is_moment = isinstance(named, datetime)
        is_as_str_has_it = is_moment and " " in value  # {{ data_interval_start }}
        changes = is_moment if row.dates is DateKind.WHOLE_DAYS else is_as_str_has_it or (is_end and not is_moment)
        return date_text(named, row, is_end=is_end) if named is not None and changes else value
    return value


def date_text(value: date, row: ReportType, *, is_end: bool = False) -> str:
    """A date or datetime in the form that Criteo wants; a naive datetime of a moment is UTC.

    :param is_end: whether it ends a span, so that a day means all of it.
    """
    if isinstance(value, datetime) and row.dates is not DateKind.WHOLE_DAYS:
        aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return f"{aware.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    day = f"{value:%Y-%m-%d}"
    if row.date_format == "date":
        return day
    # As in Criteo's sample, and the last day is in it whether or not the time counts:
    # https://developers.criteo.com/marketing-solutions/v2026-preview/docs/product-performance-report
    return f"{day}T23:59:59Z" if is_end else f"{day}T00:00:00Z"


def doubtful_days(attributes: Mapping[str, Any], row: ReportType) -> Iterator[str]:
    """What of the dates, as they were given, may mean other days than it seems to."""
    start, end = named_date(attributes.get("startDate")), named_date(attributes.get("endDate"))
    if row.dates is DateKind.WHOLE_DAYS and start and end and _ends_before_its_day(start, end):
        days = end.toordinal() - start.toordinal()
        yield (
            f"endDate={attributes['endDate']!s} names a day that report type {row.id!r} takes whole: {days + 1} days are "
            f"asked for, {start:%Y-%m-%d} to {end:%Y-%m-%d}. If the span ends before that day, give the last day that is "
            "in it, and days of another time zone in that zone"
        )
    if row.dates is DateKind.NOT_DOCUMENTED and (_is_not_at("00:00:00", start) or _is_not_at("23:59:59", end)):
        yield (
            f"Criteo does not document whether report type {row.id!r} counts whole days or moments; its dates are sent as "
            "the moments that were given. Days without a time mean the same either way, the last one included"
        )


def _ends_before_its_day(start: date, end: date) -> bool:
    """Whether a span seems to end where its last day begins: as a day's, a week's, a month's data interval does."""
    days = end.toordinal() - start.toordinal()
    if is_midnight(end):
        return days in (1, 7) or (days >= _SHORTEST_MONTH and start.day == end.day)
    # The midnights of another time zone, as Airflow has them in UTC: an hour apart where summer time begins or ends.
    if not (isinstance(start, datetime) and isinstance(end, datetime)) or days < 1:
        return False
    return start.minute == end.minute and start.second == end.second and abs(start.hour - end.hour) <= 1


def _is_not_at(clock: str, moment: date | None) -> bool:
    if not isinstance(moment, datetime):
        return False
    in_utc = moment.astimezone(timezone.utc) if moment.tzinfo else moment
    return f"{in_utc:%H:%M:%S}" != clock
