"""What one request may ask for, by report type: Criteo's documented limits, and where a request can be cut.

The data file is made by ``dev/update_limits.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from airflow_provider_criteo.api import data
from airflow_provider_criteo.api.attributes import dimensions_of


@dataclass(frozen=True)
class IdLimit:
    """A list of ids among the attributes.

    :param path: where it stands, dotted: ``"filters.accountIds"``.
    :param max: how many ids a request may have; None where Criteo documents none.
    :param dimension: the dimension that tells whose a row is; None where the report type has none.
    """

    path: str
    max: int | None
    dimension: str | None


@dataclass(frozen=True)
class Limits:
    """The limits of a report type; without arguments, those of one that nothing is known of.

    :param max_days: days that a request may span.
    :param lookback: how far back Criteo's data reaches, in words.
    :param lookback_days: the same in days.
    :param not_before: the first day that Criteo has data of.
    :param rows: what a row is: ``"totals"`` of the range by the dimensions, ``"weeks"``, or an entry of a ``"log"``.
    :param day_dimensions: the dimensions by which each row is of one day.
    :param week_dimensions: the dimensions by which each row is of one week, Monday to Sunday.
    :param default_dimensions: those of a request that names none.
    :param templates_without_dimensions: values of ``reportType`` with which Criteo disregards dimensions.
    :param ids: the lists of ids; None where they are not known.
    :param days_again: how many days before a day are to be asked for again with it, as their figures change.
    """

    max_days: int | None = None
    lookback: str = ""
    lookback_days: int | None = None
    not_before: date = date.min
    rows: str = "totals"
    day_dimensions: tuple[str, ...] = ("date", "Day")
    week_dimensions: tuple[str, ...] = ()
    default_dimensions: tuple[str, ...] = ()
    templates_without_dimensions: tuple[str, ...] = ()
    ids: tuple[IdLimit, ...] | None = None
    days_again: int | None = None

    @classmethod
    def from_json(cls, limits: Mapping[str, Any]) -> Limits:
        """The limits as the data file has them."""
        lists = {name: tuple(value) for name, value in limits.items() if isinstance(value, list)}
        return cls(
            **{
                "day_dimensions": (),
                **limits,
                **lists,
                "not_before": date.fromisoformat(limits.get("not_before", "0001-01-01")),
                "ids": tuple(IdLimit(path, **limit) for path, limit in limits["ids"].items()),
            }
        )

    def dimensions(self, attributes: Mapping[str, Any]) -> list[str]:
        """The dimensions that tell the rows of a request apart: those asked for, else those that come unasked.

        :param attributes: of the request.
        """
        if attributes.get("reportType") in self.templates_without_dimensions:
            return []
        return dimensions_of(attributes) or list(self.default_dimensions)

    def earliest(self, today: date) -> date:
        """The first day that can be asked for today."""
        if self.lookback_days is None:
            return self.not_before
        return max(self.not_before, today - timedelta(days=self.lookback_days))


def limits_of(report_type: str) -> Limits:
    """The limits of a report type; those of a row of a user's own are not known."""
    known = data.read("limits")["report_types"].get(report_type)
    return Limits.from_json(known) if known is not None else Limits()
