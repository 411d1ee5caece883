"""One request that is too large for Criteo, cut into legal ones: no day and no id is missing or asked for twice.

A cut is made only where no row can be in two parts: between days where each row is of one day, between ids where
each row is of one id. Other rows would have to be added up, which unique counts, ratios and ranks cannot be.
Attribution windows do not matter: a conversion is booked on its own day
(https://developers.criteo.com/retail-media/docs/demand-side-analytics-get-started).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timezone
from itertools import product
from typing import Any

from airflow_provider_criteo.api.attributes import Attributes, names_in, parse_attributes
from airflow_provider_criteo.api.dates import first_and_last_day, moved, named_date
from airflow_provider_criteo.api.dictionary import additivity
from airflow_provider_criteo.api.exceptions import InvalidInputError
from airflow_provider_criteo.api.limits import IdLimit, Limits, limits_of
from airflow_provider_criteo.api.quota import REPORTING_CALLS_PER_MINUTE
from airflow_provider_criteo.api.report_type import DateKind, ReportType
from airflow_provider_criteo.api.reports import get_report_type

log = logging.getLogger(__name__)

CALLS_PER_REPORT = 3
"""A create, a status and a download; each further poll is one more."""

_SHOWN_METRICS = 5
_WEEK = 7
_DAY_STARTS, _DAY_ENDS = time(0, 0, 0), time(23, 59, 59)

Change = Mapping[str, Any]
"""What makes a part of a request: new values by dotted path."""
_UNCHANGED: list[Change] = [{}]


def split_report(
    report_type: str,
    attributes: Attributes | str,
    *,
    max_days: int | None = None,
    max_ids: int | None = None,
    allow_non_additive: bool = False,
) -> list[dict[str, Any]]:
    """Cut a request into requests that Criteo accepts, by days, then by ids; a legal one comes back as it is.

    :param report_type: an id of the catalogue.
    :param attributes: the request's attributes: a dict, or the JSON text of one. Dates are dates, datetimes or
        ISO 8601 text, and stay of their kind.
    :param max_days: days that a part may span, where that is to be less than Criteo allows.
    :param max_ids: ids that each list of a part may have, likewise.
    :param allow_non_additive: cut also where several parts may have a row of the same thing.
    :raises InvalidInputError: it cannot be cut into parts that are right; the message has the cause and what to add.
    """
    _require_positive("max_days", max_days)
    _require_positive("max_ids", max_ids)
    request = _Request.of(report_type, attributes)
    day_cut = request.day_cut(max_days, allow_non_additive)
    parts = [request.part(*changes) for changes in product(day_cut, *request.id_cuts(max_ids, allow_non_additive))]
    request.warn_beyond_lookback(datetime.now(timezone.utc).date())
    calls = CALLS_PER_REPORT * len(parts)
    log.info(
        "%s: %s, at least %d calls, %s of a quota of %d calls a minute",
        report_type,
        _counted(len(parts), "request"),
        calls,
        _counted(math.ceil(calls / REPORTING_CALLS_PER_MINUTE), "minute"),
        REPORTING_CALLS_PER_MINUTE,
    )
    return parts


def halves(report_type: str, attributes: Attributes | str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Cut a request whose file is at the row cap in two, by days, else by ids; None where it must not be cut.

    :param report_type: an id of the catalogue.
    :param attributes: the request's attributes, as for :func:`split_report`.
    :raises InvalidInputError: the attributes or their dates are none.
    """
    request = _Request.of(report_type, attributes)
    for cut in request.halvings():
        if len(cut) == 2:
            return request.part(cut[0]), request.part(cut[1])
    return None


def why_whole(report_type: str, attributes: Attributes | str) -> str:
    """Why :func:`halves` does not cut a request, and what would change that.

    :param report_type: an id of the catalogue.
    :param attributes: the request's attributes, as for :func:`split_report`.
    """
    return "; ".join(_Request.of(report_type, attributes).reasons_against_halves())


@dataclass(frozen=True)
class _Span:
    """The days of a request, both ends included, as ordinals of the calendar; a Monday is 1 more than a multiple of 7."""

    start: Any
    end: Any
    first: int
    last: int
    inner_end: Any
    """A value of the kind that the ends of the parts inside are."""

    @property
    def days(self) -> int:
        return self.last - self.first + 1

    def of_moments(self) -> _Span:
        """The same with dates as moments: a bare day has not ended."""
        is_bare_day = isinstance(self.end, str) and not isinstance(named_date(self.end), datetime)
        return replace(self, inner_end=f"{self.end.strip()}T00:00:00Z") if is_bare_day else self

    def cut(self, size: int, unit: int) -> list[Change]:
        """Parts of so many days; with weeks as the unit all but the first begin on a Monday."""
        begin = self._begin(unit)
        return [self._part(day, day + size - 1) for day in range(begin, self.last + 1, size)]

    def halved(self, unit: int) -> list[Change]:
        units = math.ceil((self.last - self._begin(unit) + 1) / unit)
        return self.cut(math.ceil(units / 2) * unit, unit)

    def _begin(self, unit: int) -> int:
        return _monday(self.first) if unit == _WEEK else self.first

    def _part(self, first: int, last: int) -> Change:
        # The ends of the whole are the user's own, with their time of day.
        return {
            "startDate": self.start if first <= self.first else moved(self.start, date.fromordinal(first), _DAY_STARTS),
            "endDate": self.end if last >= self.last else moved(self.inner_end, date.fromordinal(last), _DAY_ENDS),
        }


@dataclass(frozen=True)
class _Request:
    report_type: str
    attributes: dict[str, Any]
    limits: Limits

    @classmethod
    def of(cls, report_type: str, attributes: Attributes | str) -> _Request:
        row = get_report_type(report_type)
        return cls(row.id, parse_attributes(attributes), limits_of(row.id))

    def part(self, *changes: Change) -> dict[str, Any]:
        part = self.attributes.copy()
        for change in changes:
            for path, value in change.items():
                part = _replaced(part, path, value)
        return part

    def day_cut(self, max_days: int | None, allow_non_additive: bool) -> list[Change]:
        """The dates of the parts.

        :raises InvalidInputError: the days have to be cut and must not be.
        """
        most = _least(self.limits.max_days, max_days)
        span = self._span(max_days, needed=most is not None)
        if span is None or most is None or span.days <= most:
            return _UNCHANGED
        unit = self._unit or (1 if allow_non_additive else None)
        if unit is None:
            raise self._refusal(
                self._dates, "day", span.days, most, max_days, next(iter(self.limits.day_dimensions), None)
            )
        if most < unit:
            raise InvalidInputError(f"max_days={max_days}: the rows are of whole weeks; allowed: {_WEEK} or more")
        return span.cut(most // unit * unit, unit)

    def id_cuts(self, max_ids: int | None, allow_non_additive: bool) -> Iterator[list[Change]]:
        """The ids of the parts, for each list that is too long.

        :raises InvalidInputError: a list has to be cut and must not be.
        """
        if max_ids is not None and self.limits.ids is None:
            raise InvalidInputError(
                f"max_ids={max_ids}: which attributes of report type {self.report_type!r} are ids is not known; "
                "leave max_ids out"
            )
        for limit in self.limits.ids or ():
            ids, most = self._ids(limit), _least(limit.max, max_ids)
            if most is None or len(ids) <= most:
                continue
            if not (allow_non_additive or self._has(limit.dimension)):
                raise self._refusal(limit.path, "id", len(ids), most, max_ids, limit.dimension)
            yield _id_cut(limit.path, ids, most)

    def halvings(self) -> Iterator[list[Change]]:
        """The cuts in two, of the days and of each list of ids, as far as they may be cut."""
        span, unit = self._span(), self._unit
        if span and unit:
            yield span.halved(unit)
        for limit in self.limits.ids or ():
            if self._has(limit.dimension):
                ids = _unique(self._ids(limit))
                yield _id_cut(limit.path, ids, math.ceil(len(ids) / 2) or 1)

    def reasons_against_halves(self) -> Iterator[str]:
        """What stands against a cut between days, and against one between the ids of each list."""
        dimension = next(iter(self.limits.day_dimensions), None)
        if self._unit is not None:
            yield f"{self._dates} is one {'week' if self._unit == _WEEK else 'day'}, or none that is known"
        else:
            yield (
                f"no dimension tells the day, add {dimension}" if dimension else f"{self.report_type} rows have no day"
            )
        for limit in self.limits.ids or ():
            if len(_unique(self._ids(limit))) > 1:
                remedy = f", add {limit.dimension}" if limit.dimension else ""
                yield f"no dimension tells the ids of {limit.path}{remedy}"
        if not any(len(self._ids(limit)) > 1 for limit in self.limits.ids or ()):
            yield "no list of several ids is asked for"

    def warn_beyond_lookback(self, today: date) -> None:
        """Warn of a start that Criteo's data does not reach, as far as that is documented."""
        start = named_date(self.attributes.get("startDate"))
        if start is not None and start.toordinal() < self.limits.earliest(today).toordinal():
            log.warning(
                "startDate=%s: the data of %s reaches back %s; Criteo may refuse the request or leave days out",
                self.attributes["startDate"],
                self.report_type,
                self.limits.lookback,
            )

    @property
    def _unit(self) -> int | None:
        """The days that have to stay together; None where a row may be of any."""
        if self.limits.rows == "weeks":
            return _WEEK
        if self.limits.rows == "log" or self._has(*self.limits.day_dimensions):
            return 1
        return _WEEK if self._has(*self.limits.week_dimensions) else None

    def _has(self, *dimensions: str | None) -> bool:
        names = {name.lower() for name in self.limits.dimensions(self.attributes)}
        return any(dimension.lower() in names for dimension in dimensions if dimension)

    @property
    def _row(self) -> ReportType:
        return get_report_type(self.report_type)

    def _span(self, max_days: int | None = None, *, needed: bool = False) -> _Span | None:
        start, end = (self.attributes.get(name) for name in ("startDate", "endDate"))
        first, last = named_date(start), named_date(end)
        if first is None or last is None:
            if max_days is None and (start is None or end is None or not needed):
                return None
            raise InvalidInputError(
                f"{self._dates}: to count the days, both have to be dates, datetimes or ISO 8601 text such as "
                "'2026-10-01' or '2026-10-01T00:00:00Z'; where they are templates, call split_report in a @task"
            )
        if self._row.dates is DateKind.MOMENTS and _zone(first) != _zone(last):
            if max_days is None:
                return None
            raise InvalidInputError(f"{self._dates}: to count the days, both have to be in the same time zone")
        first, last = first_and_last_day(first, last, self._row, in_weeks=self.limits.rows == "weeks")
        span = _Span(start, end, first.toordinal(), last.toordinal(), end)
        return span.of_moments() if self._row.dates is DateKind.MOMENTS else span

    def _ids(self, limit: IdLimit) -> Sequence[Any]:
        value = _value_at(self.attributes, limit.path)
        # With `id` beside them, `ids` is Criteo's to refuse.
        other = limit.path == "ids" and self.attributes.get("id") is not None
        return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and not other else ()

    @property
    def _dates(self) -> str:
        return ", ".join(f"{name}={self.attributes.get(name)!r}" for name in ("startDate", "endDate"))

    def _refusal(
        self, field: str, what: str, count: int, most: int, own: int | None, dimension: str | None
    ) -> InvalidInputError:
        sole = [name for name in names_in(self.attributes.get("metrics")) if additivity(name) not in (None, "sum")]
        unadded = f", which {', '.join(sole[:_SHOWN_METRICS])} cannot be" if sole else ""
        remedy = f"add the dimension {dimension}" if dimension else f"{self.report_type} has none that does"
        apart = " a task, named by extra_columns" if what == "day" and not dimension else ""
        return InvalidInputError(
            f"{field}: {count} {what}s, {f'max_{what}s={own} is' if own == most else f'at most {most} are'} allowed, "
            f"and no dimension tells the {what}, so that rows of the parts would have to be added up{unadded}; "
            f"{remedy}, ask for at most {most} {what}s{apart}, or set allow_non_additive=True to have the rows of each part"
        )


def _require_positive(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise InvalidInputError(f"{name}={value!r}; allowed: a whole number of at least 1, or None")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count > 1 else ''}"


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _monday(ordinal: int) -> int:
    return ordinal - (ordinal - 1) % _WEEK


def _zone(value: date) -> str | None:
    return str(value.tzinfo) if isinstance(value, datetime) else None


def _id_cut(path: str, ids: Sequence[Any], size: int) -> list[Change]:
    once, kind = _unique(ids), tuple if isinstance(ids, tuple) else list
    return [{path: kind(once[index : index + size])} for index in range(0, len(once), size)]


def _unique(ids: Sequence[Any]) -> list[Any]:
    """The ids without those that are named again, which would be in two parts."""
    return list({str(id_): id_ for id_ in ids}.values())


def _value_at(attributes: Any, path: str) -> Any:
    for name in path.split("."):
        attributes = attributes.get(name) if isinstance(attributes, Mapping) else None
    return attributes


def _replaced(attributes: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    return {**attributes, name: _replaced(attributes[name], rest, value) if rest else value}
