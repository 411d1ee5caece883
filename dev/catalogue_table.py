"""Write the docs' page of report types from the package's data: ``python -m dev.catalogue_table``."""

from __future__ import annotations

import json
import runpy
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from airflow_provider_criteo.api import specification
from airflow_provider_criteo.api.dictionary import known_type
from airflow_provider_criteo.api.limits import limits_of
from airflow_provider_criteo.api.report_type import VERSION_ENDS, ReportType
from airflow_provider_criteo.api.reports import rows
from airflow_provider_criteo.api.specification import Schema
from airflow_provider_criteo.api.tables.columns import Column, expected_columns

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "catalogue.md"
EXAMPLE = ROOT / "airflow_provider_criteo" / "example_dags" / "example_criteo_catalogue.py"

FOLDED_ABOVE = 50
MARKS = {
    "mpo-realtime": "**Listed clients only.** ",
    **dict.fromkeys(("rm-campaigns", "rm-line-items", "rm-accounts"), "**[Move off it](guides/moving-off.md).** "),
}

HEAD = """\
<!-- Made by python -m dev.catalogue_table; do not edit. -->
# Report types

Of Marketing Solutions:

{marketing_solutions}
Of Retail Media:

{retail_media}
**Dates.** Where they are whole days, `endDate` is the last day that is counted: `startDate` = `endDate` is one day. Where
they are moments, a `datetime` is sent as it is, in UTC, and a `date` as `endDate` is all of that day. Where Criteo does
not document which of the two they are, give dates without a time: the last one is included either way. More:
[Days and moments](guides/create.md#days-and-moments).

**Versions** stand in order of preference: the first that has not ended is called, unless `api_version`, on the connection
or the operator, names another. More: [Criteo's versions](upgrading.md#criteos-versions).

**Columns** and their types are those of a [typed table](guides/tables.md). *Adds up* says whether a metric's values of two
days or two ids may be summed.

**Attributes** are those of the first version, in Criteo's words. At a **row cap** Criteo cuts the file without a word:
[Rows](guides/tables.md#rows).
"""


DAYS_AGAIN = """
### Days to ask for again

Criteo corrects the figures of days that are over. So a [nightly load](guides/account.md#each-night) asks for some days
before its own once more, and overwrites them:

| Days before | `report_type` | Why |
| --- | --- | --- |
"""

WHY_AGAIN = {
    35: "stands at the day of the ad, and a purchase counts up to 30 days later, by the longest of the "
    "[attribution windows](https://developers.criteo.com/retail-media/docs/demand-side-analytics-get-started)",
    7: "attribution is final after 74 hours, small changes come up to 120 hours later (Retail Media: "
    "[overview](https://developers.criteo.com/retail-media/docs/demand-side-analytics-overview); Marketing Solutions: "
    "adjustments up to 120 hours). **9** with omnichannel metrics, which come up to 207 hours later",
    None: "not for billing and never final (`mpo-realtime`); billing of the closed month, once more some days into the next "
    "(`rm-partner-billing`); a state and no days (catalogs); not documented (the others)",
}


def document() -> str:
    """The whole page."""
    marketing_solutions, retail_media = (_choice(scope) for scope in ("MarketingSolutions", "RetailMedia"))
    head = HEAD.format(marketing_solutions=marketing_solutions, retail_media=retail_media)
    return head + _days_again() + "".join(map(_section, rows()))


def _days_again() -> str:
    return DAYS_AGAIN + "".join(
        f"| {days or '-'} | {', '.join(f'`{row.id}`' for row in rows() if limits_of(row.id).days_again == days)} | {why} |\n"
        for days, why in WHY_AGAIN.items()
    )


def _choice(product: str) -> str:
    lines = ["| `report_type` | What it reports | Days at once |", "| --- | --- | --- |"]
    for row in rows():
        if row.scope.startswith(product):
            what = MARKS.get(row.id, "") + row.title
            lines.append(f"| [`{row.id}`](#{row.id}) | {what} | {limits_of(row.id).max_days or ''} |")
    return "\n".join(lines) + "\n"


def _section(row: ReportType) -> str:
    facts = "".join(f"- **{name}:** {value}\n" for name, value in _facts(row) if value)
    attributes = "".join(f"| {' | '.join(cells)} |\n" for cells in _attributes(row))
    return (
        f"\n## {row.id}\n\n{row.title}. [Criteo's page]({row.docs_url})\n\n"
        f"{facts}"
        f"\n```python\n{example_text(row)}```\n"
        + (
            f"\n| Attribute | Values | |\n| --- | --- | --- |\n{attributes}"
            if attributes
            else "\nIt takes no attributes.\n"
        )
        + _columns_table(row)
    )


def _facts(row: ReportType) -> Iterator[tuple[str, str]]:
    limits = limits_of(row.id)
    yield "Versions", ", ".join(map(_version, row.versions))
    yield "Scope", f"`{row.scope}`"
    yield "Dates", row.dates.value
    formats = ", ".join(f"`{name}`" for name in row.formats)
    yield "Formats", f"{formats}, by `{row.format_attribute}`" if row.format_attribute else formats
    yield "Days at once", str(limits.max_days or "")
    again = limits.days_again
    yield "Ask again for", f"the [{again} days before](#days-to-ask-for-again), each night" if again else ""
    yield "Reaches back", "" if limits.lookback == "not documented" else limits.lookback
    yield "Ids at once", ", ".join(f"{ids.max} `{ids.path}`" for ids in limits.ids or () if ids.max)
    yield "Row cap", " or ".join(f"{cap:,}" for cap in row.row_caps) + (" rows" if row.row_caps else "")
    yield "Kept", row.retention
    yield "Note", row.notes


def _version(version: str) -> str:
    return f"`{version}` (until {VERSION_ENDS[version]})" if version in VERSION_ENDS else f"`{version}`"


@cache
def _example() -> Mapping[str, Any]:
    return runpy.run_path(str(EXAMPLE))


def example(row: ReportType) -> dict[str, Any]:
    """A request of it, as the parameters of a create: those of the example DAG."""
    attributes = json.loads(json.dumps(_example()["ATTRIBUTES"][row.id], default=str))
    account = {"account_id": "7"} if row.id in _example()["OF_AN_ACCOUNT"] else {}
    return {"report_type": row.id, **account, "attributes": attributes}


def example_text(row: ReportType) -> str:
    """The same as Python."""
    return "".join(f"{name} = {_python(value)}\n" for name, value in example(row).items())


def _python(value: object) -> str:
    if not isinstance(value, dict) or not value:
        return json.dumps(value)
    return "{\n" + "".join(f"    {json.dumps(name)}: {json.dumps(inner)},\n" for name, inner in value.items()) + "}"


def _attributes(row: ReportType) -> Iterator[tuple[str, ...]]:
    schema = row.attributes_schema()
    for path, field, required in _fields(schema):
        values = (
            ", ".join(f"`{name}`" for name in row.formats) if path == row.format_attribute else _values(path, field)
        )
        yield f"`{path}`", f"**required**; {values}" if required else values, _words(str(field.get("description", "")))


def _fields(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema, bool]]:
    """Each field with its dotted path, an object's own fields in its place, those that are required first."""
    required = specification.resolved(schema).get("required", ())
    for name, reference in sorted(specification.properties(schema).items(), key=lambda item: item[0] not in required):
        field = specification.resolved(reference)
        inner = field if specification.properties(field) else specification.items(field)
        yield f"{prefix}{name}", field, name in required
        if specification.properties(inner):
            yield from _fields(inner, f"{prefix}{name}{'' if inner is field else '[]'}.")


def _values(path: str, field: Schema) -> str:
    listed = field.get("type") == "array"
    of = specification.items(field) if listed else field
    names = of.get("enum", ())
    if path in ("dimensions", "dimension", "metrics") and names:
        return "see the columns"
    what = ", ".join(f"`{name}`" for name in names) or str(of.get("format") or of.get("type", "object"))
    default = f"; `{field['default']}` where not given" if "default" in field else ""
    return f"{'a list of ' if listed else ''}{what}{default}".replace("date-time", "date")


def _words(text: str) -> str:
    return " ".join(text.split()).replace("|", "/").replace("<", "&lt;").replace("*", "\\*")


def _columns_table(row: ReportType) -> str:
    """Folded where it is long."""
    groups = list(_columns(row))
    if not groups:
        return ""
    lines = ["| | Type | Adds up | Columns |", "| --- | --- | --- | --- |"]
    lines += (f"| {' | '.join(cells)} |" for cells in groups)
    count = sum(cells[-1].count("`") // 2 for cells in groups)
    if count > FOLDED_ABOVE:
        lines = [f'??? note "{count} columns"', "", *(f"    {line}" for line in lines)]
    return "\n" + "\n".join(lines) + "\n"


def _columns(row: ReportType) -> Iterator[tuple[str, ...]]:
    """The columns that can be asked for, or that the file always has; those of one type in one line."""
    schema = specification.properties(row.attributes_schema())
    asked = {
        kind: [name for attribute in attributes for name in _enum(schema.get(attribute, {}))]
        for kind, attributes in (("dimension", ("dimensions", "dimension")), ("metric", ("metrics",)))
    }
    if not asked["dimension"]:
        asked["always there"] = expected_columns(row.id, {})
    for kind, names in asked.items():
        alike: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name in names:
            of_type = known_type(name, row.id) or "string"
            alike[of_type, Column(name, of_type, name).additivity or ""].append(name)
        for (of_type, additivity), members in sorted(alike.items()):
            adds_up = {"sum": "yes", "": ""}.get(additivity, f"no ({additivity})")
            yield kind, f"`{of_type}`", adds_up, ", ".join(f"`{name}`" for name in members)


def _enum(schema: Schema) -> list[str]:
    names: list[str] = specification.items(schema).get("enum") or specification.resolved(schema).get("enum", [])
    return names


def main() -> None:
    """Write the page."""
    TARGET.write_text(document(), "utf-8")
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
