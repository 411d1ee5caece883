"""Make the sandbox's data file from Criteo's OpenAPI specifications.

    python dev/update_sandbox_data.py SPECIFICATIONS DOCUMENTED

SPECIFICATIONS is a folder of Criteo's files, ``{service}_{version}.json`` each; DOCUMENTED is a JSON list of the
report types that no specification has yet, in the form ``{"create": {"path": ...}, "request": {"schema": ...,
"attributes": [...]}}``. The result holds, for every report type and version of the catalogue, the operations as
Criteo specifies them, all versions in one document: a schema that differs between versions has the version in its name.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from airflow_provider_criteo.api.reports import API_VERSIONS, ReportType, rows

TARGET = Path(__file__).parents[1] / "airflow_provider_criteo" / "sandbox" / "data" / "specification.json"

ACCOUNT_PATHS = ("/{version}/advertisers/me", "/{version}/retail-media/accounts")

_STATS = "/{version}/marketing-solutions/marketplace-performance-outcomes/stats"
_REPORTS = "/{version}/retail-media/reports"
_THREE_YEARS = 3 * 366
_RETAIL_MEDIA = {"range_days": 100, "past_days": _THREE_YEARS}
_ONE_FILTER = {"exactly_one": ["filters.accountIds", "filters.campaignIds", "filters.lineItemIds"]}
_ONE_ID = {"at_most_one": [["id", "ids"]]}

PROSE: dict[str, dict[str, Any]] = {
    f"{_STATS}/realtime-reports/export": {
        "required": ["advertiserIds"],
        "between": {"lookbackWindow": [60, 1440]},
        "past_hours": {"startDate": 24},
        "at_most_one": [["lookbackWindow", "startDate"], ["lookbackWindow", "endDate"]],
        "one_dimension_of": ["productId", "hour", "minute"],
    },
    f"{_STATS}/product-reports/export": {
        "max_items": {"advertiserIds": 5, "campaignIds": 10, "adSetIds": 10},
        "min_items": {"advertiserIds": 1},
        "past_days": 366,
        "not_before": "2026-08-28",
        "unique": ["dimensions"],
    },
    "/{version}/marketing-solutions/report/products/export": {
        "max_items": {"advertiserIds": 5, "campaignIds": 500, "sellerIds": 500},
        "enum": {"fileFormat": ["csv", "json"]},
    },
    f"{_REPORTS}/performance": {**_RETAIL_MEDIA, **_ONE_FILTER},
    f"{_REPORTS}/attributed-transactions": {**_RETAIL_MEDIA, **_ONE_FILTER},
    f"{_REPORTS}/missed-opportunities": {
        **_RETAIL_MEDIA,
        "at_least_one": _ONE_FILTER["exactly_one"],
        "max_items": {"filters.accountIds": 5, "filters.campaignIds": 50, "filters.lineItemIds": 50},
        "whole_days": ["startDate", "endDate"],
    },
    f"{_REPORTS}/fillrate": _RETAIL_MEDIA,
    f"{_REPORTS}/unfilled-placements": _RETAIL_MEDIA,
    f"{_REPORTS}/revenue": {**_RETAIL_MEDIA, **_ONE_ID, "max_items": {"ids": 50}},
    f"{_REPORTS}/campaigns": {**_RETAIL_MEDIA, **_ONE_ID, "max_items": {"ids": 50}},
    f"{_REPORTS}/line-items": {**_RETAIL_MEDIA, **_ONE_ID, "max_items": {"ids": 50}},
    f"{_REPORTS}/accounts": {**_RETAIL_MEDIA, "range_days": 31, "max_items": {"accountIds": 5}},
    f"{_REPORTS}/offsite": _RETAIL_MEDIA,
    "/{version}/retail-media/billing/partner-report": {"range_days": 31},
    "/{version}/retail-media/accounts/{accountId}/brand-catalog-export": {"past_hours": {"modifiedAfter": 18}},
    "/{version}/retail-media/accounts/{accountId}/seller-catalog-export": {"past_hours": {"modifiedAfter": 18}},
    "/{version}/retail-media/insights/share-of-voice": {"range_days": 100},
    "/{version}/retail-media/insights/digital-shelf-intelligence": {"range_days": 100},
}
"""What Criteo's pages say of a create's attributes and its specifications do not."""


def anonymous(path: str) -> str:
    """A path without the names of its parameters, which differ between Criteo's files and pages."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def references(node: Any) -> set[str]:
    """The names of the schemas that a piece of a specification refers to."""
    if isinstance(node, dict):
        found = {node["$ref"].rsplit("/", 1)[1]} if isinstance(node.get("$ref"), str) else set()
        return found.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(item) for item in node))
    return set()


def renamed(node: Any, names: dict[str, str]) -> Any:
    """A piece of a specification with other names of schemas."""
    if isinstance(node, dict):
        return {
            key: f"#/components/schemas/{names[value.rsplit('/', 1)[1]]}" if key == "$ref" else renamed(value, names)
            for key, value in node.items()
        }
    return [renamed(item, names) for item in node] if isinstance(node, list) else node


class Document:
    """All versions' operations in one, as far as the catalogue has them."""

    def __init__(self) -> None:
        self.paths: dict[str, dict[str, Any]] = {}
        self.schemas: dict[str, Any] = {}
        self._meaning: dict[str, str] = {}

    def add(self, specification: dict[str, Any], wanted: set[tuple[str, str]], version: str) -> None:
        """Take the wanted operations of a specification, and the schemas they need."""
        operations = {
            (path, method): operation
            for path, methods in specification["paths"].items()
            for method, operation in methods.items()
            if (method, anonymous(path)) in wanted
        }
        schemas = specification["components"]["schemas"]
        names = self._names(schemas, references(list(operations.values())), version)
        for (path, method), operation in operations.items():
            kept = {
                key: operation[key]
                for key in (
                    "operationId",
                    "summary",
                    "description",
                    "parameters",
                    "requestBody",
                    "responses",
                    "security",
                )
                if key in operation
            }
            for content in [kept.get("requestBody", {}), *kept["responses"].values()]:
                for media_type in [name for name in content.get("content", {}) if "xml" in name]:
                    del content["content"][media_type]
            self.paths.setdefault(path, {})[method] = renamed(kept, names)

    def _names(self, schemas: dict[str, Any], needed: set[str], version: str) -> dict[str, str]:
        closure: set[str] = set()
        while needed - closure:
            closure |= needed
            needed = references([schemas[name] for name in needed])
        expanded = {name: json.dumps(self._expanded(schemas, name), sort_keys=True) for name in closure}
        names = {}
        for name in sorted(closure):
            candidate = name
            if self._meaning.get(name, expanded[name]) != expanded[name]:
                candidate = f"{name}_{version}"
            if self._meaning.get(candidate, expanded[name]) != expanded[name]:
                raise SystemExit(f"two schemas would be named {candidate}")
            self._meaning[candidate] = expanded[name]
            names[name] = candidate
        for name in closure:
            self.schemas[names[name]] = renamed(schemas[name], names)
        return names

    def _expanded(self, schemas: dict[str, Any], name: str) -> Any:
        def expand(node: Any, within: tuple[str, ...]) -> Any:
            if isinstance(node, dict) and "$ref" in node:
                target = node["$ref"].rsplit("/", 1)[1]
                return target if target in within else expand(schemas[target], (*within, target))
            if isinstance(node, dict):
                return {key: expand(value, within) for key, value in node.items()}
            return [expand(item, within) for item in node] if isinstance(node, list) else node

        return expand(schemas[name], (name,))


def operations_of(row: ReportType, version: str) -> set[tuple[str, str]]:
    """The operations of a report type in a version."""
    return {
        ("post", anonymous(row.create_path.replace("{version}", version))),
        ("get", anonymous(row.status_path.replace("{version}", version))),
        ("get", anonymous(row.output_path.replace("{version}", version))),
    }


def attribute_schema(attribute: dict[str, Any]) -> dict[str, Any]:
    """A schema out of a documented attribute."""
    array = re.fullmatch(r"array\[(\w+)\]", attribute["type"])
    schema: dict[str, Any] = {"type": "array", "items": {"type": array[1]}} if array else {"type": attribute["type"]}
    (schema["items"] if array else schema).update(
        {key: attribute[key] for key in ("enum", "format") if key in attribute}
    )
    schema.update({key: attribute[key] for key in ("default", "maxItems", "minItems") if key in attribute})
    if array and not attribute["required"]:
        schema["nullable"] = True
    return schema


def add_documented(document: Document, row: ReportType, documented: dict[str, Any], version: str) -> None:
    """Operations that stand in Criteo's pages alone; their replies are those of the status call they share."""
    name = documented["request"]["schema"]
    attributes = documented["request"]["attributes"]
    document.schemas[name] = {
        "type": "object",
        "additionalProperties": False,
        "description": f"From {row.docs_url}: in none of Criteo's specifications yet.",
        "required": sorted(attribute["name"] for attribute in attributes if attribute["required"]),
        "properties": {attribute["name"]: attribute_schema(attribute) for attribute in attributes},
    }
    document.schemas[f"{name}Resource"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "attributes": {"$ref": f"#/components/schemas/{name}"},
            "type": {"type": "string", "nullable": True},
        },
    }
    document.schemas[f"{name}Request"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"data": {"$ref": f"#/components/schemas/{name}Resource"}},
    }
    security = [{"oauth": [row.scope]}]
    reply = {"application/json": {"schema": {"$ref": "#/components/schemas/ExportStatusModelResponse"}}}
    file = {
        media_type: {"schema": {"type": "string", "format": "binary"}}
        for media_type in ("application/json", "text/csv")
    }
    document.paths.setdefault(row.create_path.replace("{version}", version), {})["post"] = {
        "operationId": f"Create{name}",
        "description": row.title,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}Request"}}},
        },
        "responses": {"200": {"description": "Success", "content": reply}},
        "security": security,
    }
    document.paths.setdefault(row.output_path.replace("{version}", version), {})["get"] = {
        "operationId": f"Download{name}",
        "description": row.title,
        "parameters": [{"in": "path", "name": "reportId", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": {"description": "Success", "content": file}},
        "security": security,
    }


def lines(mapping: dict[str, Any]) -> str:
    """A JSON object, one line a member, so that a change of Criteo's reads well in a diff."""
    members = (
        f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in sorted(mapping.items())
    )
    return "{\n" + ",\n".join(members) + "\n}"


def main(specifications: Path, documented_file: Path) -> None:
    """Write the data file."""
    document = Document()
    for version in API_VERSIONS:
        wanted = {("get", anonymous(path.replace("{version}", version))) for path in ACCOUNT_PATHS}
        for row in rows():
            if version in row.versions:
                wanted |= operations_of(row, version)
        for file in sorted(specifications.glob(f"*_{version}.json")):
            document.add(json.loads(file.read_text()), wanted, version)
    documented = {entry["create"]["path"]: entry for entry in json.loads(documented_file.read_text())}
    have = {(method, anonymous(path)) for path, methods in document.paths.items() for method in methods}
    for row in rows():
        for version in row.versions:
            if not operations_of(row, version) <= have:
                add_documented(document, row, documented[row.create_path], version)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(
        '{"paths":'
        + lines(document.paths)
        + ',\n"schemas":'
        + lines(document.schemas)
        + ',\n"prose":'
        + lines(PROSE)
        + "}\n"
    )
    print(f"{TARGET}: {sum(map(len, document.paths.values()))} operations, {len(document.schemas)} schemas")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
