"""Criteo's specifications as the tests read them: straight from its files, with nothing of the package between."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema

JSON = "application/json"
VERSIONS = ("2026-01", "2026-07", "2027-01", "preview", "experimental")

Schema = dict[str, Any]


def anonymous(path: str) -> str:
    """A path without the names of its parameters, which differ between Criteo's files and its pages."""
    return re.sub(r"\{[^}]*\}", "{}", path)


class Specification:
    """Any OpenAPI 3.0 document.

    :param document: parsed.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.schemas: dict[str, Schema] = document["components"]["schemas"]
        self.operations: dict[tuple[str, str], dict[str, Any]] = {
            (method, anonymous(path)): operation
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def resolved(self, schema: Schema) -> Schema:
        """The schema that a reference names, or the schema itself."""
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def inlined(self, schema: Any) -> Any:
        """The schema with every reference replaced by what it names."""
        if isinstance(schema, dict):
            if "$ref" in schema:
                return self.inlined(self.resolved(schema))
            return {key: self.inlined(value) for key, value in schema.items()}
        return [self.inlined(item) for item in schema] if isinstance(schema, list) else schema

    def request_schema(self, method: str, path: str) -> Schema | None:
        """The inlined schema of an operation's JSON body."""
        content = self.operations[method, anonymous(path)].get("requestBody", {}).get("content", {})
        return self.inlined(content[JSON]["schema"]) if JSON in content else None

    def replies(self, method: str, path: str) -> dict[str, dict[str, Schema]]:
        """The inlined schemas of an operation's successes, by status and media type; none for XML."""
        return {
            status: {
                media_type: self.inlined(described.get("schema", {}))
                for media_type, described in reply.get("content", {}).items()
                if "xml" not in media_type
            }
            for status, reply in self.operations[method, anonymous(path)]["responses"].items()
            if status.startswith("2")
        }

    def attributes(self, path: str) -> Schema:
        """The inlined schema of a create's attributes."""
        body = self.request_schema("post", path)
        assert body is not None
        attributes: Schema = body["properties"]["data"]["properties"]["attributes"]
        return attributes


class Specifications:
    """All of Criteo's specifications of one folder, and what it documents beside them.

    :param folder: with ``openapi/{service}_{version}.json`` and ``report-types.json``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def report_types(self) -> dict[str, dict[str, Any]]:
        """What is documented of each report type, by id."""
        return {row["id"]: row for row in json.loads((self._folder / "report-types.json").read_text("utf-8"))}

    @cached_property
    def versions(self) -> dict[str, Specification]:
        """One specification per version, both services in it."""
        return {version: self._merged(version) for version in VERSIONS}

    def _merged(self, version: str) -> Specification:
        merged: dict[str, Any] = {"paths": {}, "components": {"schemas": {}}}
        for service in ("marketingsolutions", "retailmedia"):
            document = json.loads((self._folder / "openapi" / f"{service}_{version}.json").read_text("utf-8"))
            # Both services have a CommonProblem of their own.
            renamed = json.loads(json.dumps(document).replace('"#/components/schemas/', f'"#/components/{service}/'))
            merged["paths"] |= renamed["paths"]
            schemas = renamed["components"]["schemas"]
            merged["components"]["schemas"] |= {f"{service}/{name}": schema for name, schema in schemas.items()}
        return _TwoServices(merged)


class _TwoServices(Specification):
    def resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].removeprefix("#/components/")]
        return schema


def strict(schema: Any) -> Any:
    """An inlined OpenAPI schema as a JSON schema that admits no field it does not name."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {
        key: {name: strict(value) for name, value in item.items()} if key == "properties" else strict(item)
        for key, item in schema.items()
        if key not in ("nullable", "readOnly", "description", "example")
    }
    if "properties" in schema:
        converted.setdefault("additionalProperties", False)
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        converted["type"] = [schema["type"], "null"]
        if "enum" in schema:
            converted["enum"] = [*schema["enum"], None]
    return converted


_FORMATS = jsonschema.FormatChecker(formats=())


# Criteo's files say date-time where its pages want YYYY-MM-DD (section 7 of its Retail Media pages); both are dates.
@_FORMATS.checks("date-time")
@_FORMATS.checks("date")
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or bool(
        re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?", value)
    )


def violations(value: Any, schema: Schema) -> list[str]:
    """What in a value is not as an inlined OpenAPI schema says."""
    validator = jsonschema.Draft202012Validator(strict(schema), format_checker=_FORMATS)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
