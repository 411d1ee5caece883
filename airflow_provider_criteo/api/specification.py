"""What Criteo's OpenAPI specifications say of the exports: read when first asked for, from ``data/specification.json``.

``python -m dev.update_specification`` makes that file. The client's advice, the sandbox and the documentation read it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from airflow_provider_criteo.api import data

JSON_TYPE = "application/json"

Schema = dict[str, Any]
"""Of OpenAPI 3.0, with references."""


def document() -> dict[str, Any]:
    """The operations of all versions and the schemas they need: ``paths`` and ``schemas``, as in OpenAPI."""
    return data.read("specification")


@cache
def _operations() -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    return {
        (method, anonymous(path)): (path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }


def anonymous(path: str) -> str:
    """A path without the names of its parameters, which differ between Criteo's files and its pages."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def operation(method: str, path: str, version: str) -> tuple[str, dict[str, Any]] | None:
    """Criteo's own path and operation for a path of the catalogue; None where that version's specification has none.

    :param method: lower case.
    :param path: with ``{version}``.
    """
    return _operations().get((method, anonymous(path.replace("{version}", version))))


def resolved(schema: Schema) -> Schema:
    """The schema that a reference names, or the schema itself."""
    while "$ref" in schema:
        schema = document()["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def properties(schema: Schema) -> dict[str, Schema]:
    """The schemas of an object's fields, by name; none where the schema is no object's."""
    fields: dict[str, Schema] = resolved(schema).get("properties", {})
    return fields


def items(schema: Schema) -> Schema:
    """The schema of an array's items; an empty one where the schema is no array's."""
    item: Schema = resolved(schema).get("items", {})
    return resolved(item)


def request_schema(create_path: str, version: str) -> Schema | None:
    """The schema of a create's body; None where that version's specification has no such create."""
    found = operation("post", create_path, version)
    return None if found is None else resolved(found[1]["requestBody"]["content"][JSON_TYPE]["schema"])


@cache
def attributes_schema(create_path: str, version: str) -> Schema:
    """The schema of a create's ``data.attributes``; an empty one where there is none."""
    schema = request_schema(create_path, version) or {}
    for name in ("data", "attributes"):
        schema = resolved(properties(schema).get(name, {}))
    return schema
