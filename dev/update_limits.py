"""Make the client's file of limits from what Criteo documents.

    python dev/update_limits.py LIMITS REPORT_TYPES

LIMITS is the JSON of Criteo's documented limits by report type: ``{"max_days": ..., "lookback": ..., "ids": {...}}``;
REPORT_TYPES the JSON list of the report types with their attributes and dimensions. The result says, for every report
type, what a request may ask for at once, and at which dimensions it can be cut.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "airflow_provider_criteo" / "api" / "data" / "limits.json"

_YEAR = 366

LOOKBACK_DAYS = {"24 hours": 1, "1 year": _YEAR, "2 years": 2 * _YEAR, "3 years": 3 * _YEAR}
"""The beginnings of the texts under ``lookback`` that a start date can be compared with; years as long as they get."""

DAY_DIMENSIONS = ("date", "Day")
WEEK_DIMENSIONS = ("week", "Week")

BESIDE: dict[str, dict[str, Any]] = {
    # At most 24 hours: its days are cut in `timezone`, which need not be that of the dates.
    "mpo-realtime": {
        "day_dimensions": [],
        "week_dimensions": [],
        "default_dimensions": ["advertiserId", "campaignId", "sellerId", "productId", "day"],
    },
    "mpo-products": {
        "not_before": "2026-08-28",
        "default_dimensions": ["advertiserId", "adSetId", "sellerId", "productId"],
    },
    # "Hourly logs of each transaction": retail-media/docs/report-types
    "rm-attributed-transactions": {"rows": "log"},
    # Templates by day, where no dimensions are asked for; "capout" disregards dimensions.
    "rm-campaigns": {"default_dimensions": ["date", "campaignId"], "templates_without_dimensions": ["capout"]},
    "rm-line-items": {"default_dimensions": ["date", "lineItemId"], "templates_without_dimensions": ["capout"]},
    "rm-accounts": {"default_dimensions": ["date", "accountId"], "templates_without_dimensions": ["capout"]},
    "rm-digital-shelf-intelligence": {"rows": "weeks"},
}
"""What Criteo's pages say of a report type's rows, and its specifications do not."""

AGAIN: dict[str, int] = {
    **dict.fromkeys(
        (
            *("mpo-products", "products", "statistics", "audience-performance"),
            *("rm-performance", "rm-missed-opportunities", "rm-fillrate", "rm-unfilled-placements", "rm-revenue"),
            *("rm-campaigns", "rm-line-items", "rm-accounts", "rm-offsite"),
        ),
        7,
    ),
    "rm-attributed-transactions": 35,
}
"""How many days before a day are to be asked for again with it, as their figures change.

Retail Media: final after 74 hours, small changes up to 120; Marketing Solutions: adjustments up to 120 hours, omnichannel
metrics up to 207. Attributed transactions stand at the day of the ad, up to 30 days before that of the purchase. In whole
days, with some to spare. mpo-realtime is never final, and the rest is not documented.
"""

MOVED = {
    f"{report_type}.{name}": f"filters.{name}"
    for report_type in ("rm-share-of-voice", "rm-digital-shelf-intelligence")
    for name in ("accountIds", "brandIds")
}
"""Attributes that stand in ``filters`` since 2026-08-31."""

DIMENSION_OF_IDS: dict[str, str | None] = {
    "rm-campaigns.ids": "campaignId",
    "rm-line-items.ids": "lineItemId",
    # Supply accounts, while the dimension accountId is "the supply or demand account".
    "rm-revenue.ids": None,
    # Its metrics are shares of what the filters leave, or of all: that is not documented.
    "rm-share-of-voice.filters.accountIds": None,
    "rm-share-of-voice.filters.brandIds": None,
}
"""The dimensions that tell ids apart, where the attribute's name in the singular is not theirs."""


def dimensions(report_type: dict[str, Any]) -> list[str]:
    """The dimensions that a report type can be asked for, in Criteo's spelling."""
    attributes = {attribute["name"]: attribute for attribute in report_type["request"]["attributes"]}
    return list(attributes.get("dimensions", {}).get("enum", ()))


def dimension_of(report_type: str, path: str, offered: list[str]) -> str | None:
    """The dimension that tells the ids under a path apart; None where there is none."""
    if f"{report_type}.{path}" in DIMENSION_OF_IDS:
        return DIMENSION_OF_IDS[f"{report_type}.{path}"]
    singular = path.rpartition(".")[2].removesuffix("s").lower()
    return next((name for name in offered if name.lower() == singular), None)


def limits(documented: dict[str, Any], report_type: dict[str, Any]) -> dict[str, Any]:
    """What a request of a report type may ask for, and where it can be cut."""
    id_, offered = report_type["id"], dimensions(report_type)
    paths = {MOVED.get(f"{id_}.{path}", path): most for path, most in documented["ids"].items()}
    found = {
        "max_days": documented["max_days"],
        "lookback": documented["lookback"],
        "lookback_days": next(
            (n for text, n in LOOKBACK_DAYS.items() if documented["lookback"].startswith(text)), None
        ),
        "day_dimensions": [name for name in offered if name in DAY_DIMENSIONS],
        "week_dimensions": [name for name in offered if name in WEEK_DIMENSIONS],
        "ids": {path: {"max": most, "dimension": dimension_of(id_, path, offered)} for path, most in paths.items()},
        "days_again": AGAIN.get(id_),
    }
    return {name: value for name, value in {**found, **BESIDE.get(id_, {})}.items() if value not in (None, [])}


def document(documented: dict[str, Any], report_types: list[dict[str, Any]]) -> str:
    """The text of the file."""
    data = {
        "report_types": {row["id"]: limits(documented[row["id"]], row) for row in report_types},
    }
    return json.dumps(data, indent=1) + "\n"


def main(documented: Path, report_types: Path) -> None:
    """Write the file."""
    TARGET.write_text(document(*(json.loads(file.read_text("utf-8")) for file in (documented, report_types))), "utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
