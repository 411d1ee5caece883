"""Make the data file of Criteo's specifications: ``python -m dev.update_specification FOLDER``.

FOLDER has Criteo's OpenAPI files, ``{service}_{version}.json`` each, as ``{host}/{version}/{service}/
open-api-specifications.json`` gives them. The result holds, for every report type and version of the catalogue, the
operations as Criteo specifies them, all versions in one document: a schema that differs between versions has the
version in its name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from airflow_provider_criteo.api.report_type import API_VERSIONS, ReportType
from airflow_provider_criteo.api.reports import rows
from airflow_provider_criteo.api.specification import anonymous
from airflow_provider_criteo.sandbox.routes import ACCOUNT_PATHS

TARGET = Path(__file__).parents[1] / "airflow_provider_criteo" / "api" / "data" / "specification.json"


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


def lines(mapping: dict[str, Any]) -> str:
    """A JSON object, one line a member, so that a change of Criteo's reads well in a diff."""
    members = (
        f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in sorted(mapping.items())
    )
    return "{\n" + ",\n".join(members) + "\n}"


def main(specifications: Path, target: Path = TARGET) -> None:
    """Write the data file."""
    document = Document()
    for version in API_VERSIONS:
        wanted = {("get", anonymous(path.replace("{version}", version))) for path in ACCOUNT_PATHS}
        for row in rows():
            if version in row.versions:
                wanted |= operations_of(row, version)
        for file in sorted(specifications.glob(f"*_{version}.json")):
            document.add(json.loads(file.read_text("utf-8")), wanted, version)
    have = {(method, anonymous(path)) for path, methods in document.paths.items() for method in methods}
    for row in rows():
        for version in row.versions:
            for method, path in sorted(operations_of(row, version) - have):
                print(f"{row.id}: no specification of {version} has {method.upper()} {path}", file=sys.stderr)
    target.parent.mkdir(exist_ok=True)
    target.write_text('{"paths":' + lines(document.paths) + ',\n"schemas":' + lines(document.schemas) + "}\n", "utf-8")
    print(f"{target}: {sum(map(len, document.paths.values()))} operations, {len(document.schemas)} schemas")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
