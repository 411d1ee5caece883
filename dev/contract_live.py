"""Compare Criteo's published specifications with those that the package was made from: ``make contract-live``.

    python -m dev.contract_live [--host URL] [--save FOLDER]

Prints what differs in the operations of the catalogue, a line each, and exports that the catalogue does not have.
Exit code 1: a request that was right is not any more, or an answer that was read is not (the lines say BREAKING).
2: a specification could not be read. 0 otherwise. ``make refresh FOLDER=...`` takes the saved files over.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import requests

from airflow_provider_criteo.api import specification
from airflow_provider_criteo.api.models import STATUS_WORDS
from airflow_provider_criteo.api.report_type import API_VERSIONS, VERSION_ENDS
from airflow_provider_criteo.api.reports import rows
from airflow_provider_criteo.api.specification import JSON_TYPE, Schema, anonymous

HOST = "https://api.criteo.com"
SERVICES = ("marketingsolutions", "retailmedia")
TIMEOUT = 60

_BOUNDS = (
    (" items", "minItems", "maxItems"),
    (" characters", "minLength", "maxLength"),
    ("", "minimum", "maximum"),
)
"""Of a field: what is counted, and the names of its least and its most."""

Operations = dict[tuple[str, str], dict[str, Any]]
"""By method and path, the names of its parameters left out."""
Fields = dict[str, Schema]
"""By their path in a body, each with whether it is ``required``."""


@dataclass(frozen=True)
class Difference:
    """Something that Criteo publishes otherwise.

    :param where: the report type, or the path, and the version.
    :param what: is new, gone or changed.
    :param is_breaking: whether calls that were right may fail now.
    """

    where: str
    what: str
    is_breaking: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {'BREAKING: ' if self.is_breaking else ''}{self.what}"


class UnreadableError(Exception):
    """A specification that could not be had, or is none."""


def published(host: str, version: str, service: str) -> dict[str, Any]:
    """Criteo's specification of one version of one service.

    :raises UnreadableError: it could not be had, or is no OpenAPI document.
    """
    url = f"{host.rstrip('/')}/{version}/{service}/open-api-specifications.json"
    try:
        reply = requests.get(url, timeout=TIMEOUT)
        reply.raise_for_status()
        document = reply.json()
    except (requests.RequestException, ValueError) as error:
        raise UnreadableError(f"{url} could not be read: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict) or not document["paths"]:
        raise UnreadableError(f"{url} is no OpenAPI document")
    return document


class Specification:
    """An OpenAPI 3.0 document, its references followed."""

    def __init__(self, paths: dict[str, Any], schemas: dict[str, Any]) -> None:
        self._schemas = schemas
        self.operations: Operations = {
            (method, anonymous(path)): operation
            for path, methods in paths.items()
            for method, operation in methods.items()
            if method in ("get", "post")
        }

    def resolved(self, schema: Schema) -> Schema:
        """The schema that a reference names, alone or within ``allOf``, or the schema itself."""
        while "$ref" in schema:
            schema = self._schemas.get(schema["$ref"].rsplit("/", 1)[1], {})
        if "allOf" not in schema:
            return schema
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            merged = {**self.resolved(part), **merged}
        return merged

    def body(self, operation: dict[str, Any]) -> Fields:
        """The fields of the JSON that an operation takes, by their path."""
        content = operation.get("requestBody", {}).get("content", {})
        return dict(self._fields(content.get(JSON_TYPE, {}).get("schema", {})))

    def reply(self, operation: dict[str, Any]) -> Fields:
        """The fields of the JSON that an operation answers with when all is well."""
        for status, reply in operation.get("responses", {}).items():
            if status.startswith("2"):
                return dict(self._fields(reply.get("content", {}).get(JSON_TYPE, {}).get("schema", {})))
        return {}

    def _fields(self, schema: Schema, path: str = "", within: tuple[int, ...] = ()) -> Iterator[tuple[str, Schema]]:
        schema = self.resolved(schema)
        if id(schema) in within:
            return
        within = (*within, id(schema))
        if "items" in schema:
            yield f"{path}[]", {**self.resolved(schema["items"]), "required": False}
            yield from self._fields(schema["items"], f"{path}[]", within)
        for name, field in schema.get("properties", {}).items():
            below = f"{path}.{name}" if path else name
            yield below, {**self.resolved(field), "required": name in schema.get("required", ())}
            yield from self._fields(field, below, within)


def differences(version: str, ours: Specification, theirs: Specification) -> Iterator[Difference]:
    """What differs in the operations that both could have; what theirs has beyond the catalogue's exports aside."""
    files = {anonymous(row.output_path.replace("{version}", version)) for row in rows()}
    for (method, path), operation in ours.operations.items():
        where = f"{_name_of(path)}, {version}, {method.upper()}"
        other = theirs.operations.get((method, path))
        if other is None:
            yield Difference(where, f"the operation is gone: {path}", True)
            continue
        yield from _operation_differences(where, operation, other)
        yield from _body_differences(where, ours.body(operation), theirs.body(other))
        if path not in files:
            yield from _reply_differences(where, ours.reply(operation), theirs.reply(other))


def _name_of(path: str) -> str:
    ids = [
        row.id
        for row in rows()
        if _without_version(path) in map(_without_version, (row.create_path, row.status_path, row.output_path))
    ]
    return ids[0] if len(ids) == 1 else path


def _without_version(path: str) -> str:
    return anonymous(path).split("/", 2)[2]


def _operation_differences(where: str, ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[Difference]:
    if _scopes(ours) != _scopes(theirs):
        yield Difference(where, f"scope {_listed(_scopes(ours))} is now {_listed(_scopes(theirs))}", True)
    if theirs.get("deprecated") and not ours.get("deprecated"):
        yield Difference(where, "is deprecated now")
    known = {parameter.get("name") for parameter in ours.get("parameters", ())}
    for parameter in theirs.get("parameters", ()):
        if parameter.get("in") != "path" and parameter.get("name") not in known:
            kind = "required " if parameter.get("required") else ""
            yield Difference(where, f"new {kind}parameter {parameter.get('name')}", bool(kind))
    # The client takes any 2xx.
    mine, others = _successes(ours), _successes(theirs)
    if mine != others:
        yield Difference(where, f"success is now {_listed(others)}, was {_listed(mine)}", not others)


def _scopes(operation: dict[str, Any]) -> set[str]:
    return {scope for security in operation.get("security", ()) for scopes in security.values() for scope in scopes}


def _successes(operation: dict[str, Any]) -> set[str]:
    """HTTP statuses and media types; none for XML, which the data leaves out."""
    return {
        f"{status} {media_type}".strip()
        for status, reply in operation.get("responses", {}).items()
        if status.startswith("2")
        for media_type in [name for name in reply.get("content", {}) if "xml" not in name] or [""]
    }


def _body_differences(where: str, ours: Fields, theirs: Fields) -> Iterator[Difference]:
    for path in _outermost(ours, theirs):
        yield Difference(where, f"{path} is gone", True)
    for path in _outermost(theirs, ours):
        must = theirs[path]["required"]
        yield Difference(where, f"new {'required ' if must else ''}{path}", must)
    for path in ours.keys() & theirs.keys():
        mine, others = ours[path], theirs[path]
        if mine["required"] != others["required"]:
            now = "now" if others["required"] else "no longer"
            yield Difference(where, f"{path} is {now} required", others["required"])
        if mine.get("nullable", False) != others.get("nullable", False):
            now = "now" if others.get("nullable") else "no longer"
            yield Difference(where, f"{path} may {now} be null", not others.get("nullable"))
        yield from _kind_differences(where, path, mine, others)
        yield from _bound_differences(where, path, mine, others)
        new, gone = _new_and_gone(mine, others)
        if new:
            yield Difference(where, f"{path}: new: {_listed(new)}", "enum" not in mine)
        if gone:
            yield Difference(where, f"{path}: gone: {_listed(gone)}", "enum" in others)


def _bound_differences(where: str, path: str, ours: Schema, theirs: Schema) -> Iterator[Difference]:
    for unit, least, most in _BOUNDS:
        mine, others = ours.get(most, math.inf), theirs.get(most, math.inf)
        if mine != others:
            yield Difference(where, f"{path}: at most {theirs.get(most, 'any number')}{unit}", others < mine)
        mine, others = ours.get(least, -math.inf), theirs.get(least, -math.inf)
        if mine != others:
            yield Difference(where, f"{path}: at least {theirs.get(least, 'any number')}{unit}", others > max(mine, 0))
    if ours.get("pattern") != theirs.get("pattern"):
        yield Difference(where, f"{path}: the pattern is now {theirs.get('pattern', 'none')}", "pattern" in theirs)


def _reply_differences(where: str, ours: Fields, theirs: Fields) -> Iterator[Difference]:
    for path in _outermost(ours, theirs):
        yield Difference(where, f"the answer's {path} is gone", path.startswith("data"))
    for path in _outermost(theirs, ours):
        yield Difference(where, f"new in the answer: {path}")
    for path in ours.keys() & theirs.keys():
        yield from _kind_differences(where, f"the answer's {path}", ours[path], theirs[path])
        new, gone = _new_and_gone(ours[path], theirs[path])
        if new:
            is_unread = path.endswith(".status") and any(word.lower() not in STATUS_WORDS for word in new)
            yield Difference(where, f"the answer's {path}: new: {_listed(new)}", is_unread)
        if gone:
            yield Difference(where, f"the answer's {path}: gone: {_listed(gone)}")


def _outermost(fields: Fields, others: Fields) -> Iterator[str]:
    """The fields that the others do not have, but not what is within them."""
    for path in fields:
        parent = path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]
        if path not in others and (not parent or parent in others):
            yield path


def _kind_differences(where: str, path: str, ours: Schema, theirs: Schema) -> Iterator[Difference]:
    for fact in ("type", "format"):
        if ours.get(fact) != theirs.get(fact):
            yield Difference(where, f"{path}: {fact} is now {theirs.get(fact)}, was {ours.get(fact)}", True)
    if ours.get("default") != theirs.get("default"):
        yield Difference(where, f"{path}: the default is now {theirs.get('default')}, was {ours.get('default')}")


def _new_and_gone(ours: Schema, theirs: Schema) -> tuple[set[str], set[str]]:
    mine, others = (set(map(str, field.get("enum", ()))) for field in (ours, theirs))
    return others - mine, mine - others


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def new_exports(version: str, ours: Specification, theirs: Specification) -> Iterator[Difference]:
    """Operations that answer like the create of a job, and that the catalogue does not have in this version."""
    for (method, path), operation in theirs.operations.items():
        if method == "post" and (method, path) not in ours.operations:
            status = theirs.reply(operation).get("data.attributes.status", {})
            if "pending" in {str(word).lower() for word in status.get("enum", ())}:
                yield Difference(f"{path}, {version}", "an export that the catalogue does not have")


def compared(host: str, today: date, folder: Path | None = None) -> tuple[list[Difference], list[str]]:
    """What differs in all versions that have not ended, and which specifications could not be read.

    :param folder: to keep the specifications in.
    """
    found: list[Difference] = []
    unreadable: list[str] = []
    for version in API_VERSIONS:
        if today > VERSION_ENDS.get(version, today):
            print(f"{version} has ended on {VERSION_ENDS[version]}: not read")
            continue
        for service in SERVICES:
            try:
                theirs = published(host, version, service)
                found += _differences_of(theirs, version, service)
            except UnreadableError as error:
                unreadable.append(str(error))
                continue
            if folder:
                (folder / f"{service}_{version}.json").write_text(json.dumps(theirs), "utf-8")
    return found, unreadable


def _differences_of(published: dict[str, Any], version: str, service: str) -> list[Difference]:
    document = specification.document()
    mine = {path: methods for path, methods in document["paths"].items() if _is_of(path, version, service)}
    try:
        ours = Specification(mine, document["schemas"])
        theirs = Specification(published["paths"], published["components"]["schemas"])
        return [*differences(version, ours, theirs), *new_exports(version, ours, theirs)]
    except (AttributeError, KeyError, TypeError) as error:
        raise UnreadableError(f"{service}, {version}: not what an OpenAPI document looks like: {error!r}") from error


def _is_of(path: str, version: str, service: str) -> bool:
    return path.startswith(f"/{version}/") and ("/retail-media/" in path) == (service == "retailmedia")


def main(arguments: list[str] | None = None, today: date | None = None) -> int:
    """Print what differs; the exit code."""
    parser = argparse.ArgumentParser(description="Compare Criteo's published specifications with the package's data.")
    parser.add_argument("--host", default=HOST, help="scheme, host and port")
    parser.add_argument("--save", type=Path, help="a folder for the specifications that were read")
    options = parser.parse_args(arguments)
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
    found, unreadable = compared(options.host, today or date.today(), options.save)
    for difference in sorted(found, key=str):
        print(difference)
    for problem in unreadable:
        print(problem, file=sys.stderr)
    breaking = sum(difference.is_breaking for difference in found)
    print(f"{len(found)} differences, {breaking} of them breaking; {len(unreadable)} specifications could not be read")
    return 1 if breaking else 2 if unreadable else 0


if __name__ == "__main__":
    sys.exit(main())
