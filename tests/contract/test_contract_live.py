"""``make contract-live``: what Criteo publishes otherwise than the package's data is told, and the exit code says how bad."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Iterator
from datetime import date
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_criteo.api import specification
from airflow_provider_criteo.api.report_type import API_VERSIONS
from airflow_provider_criteo.api.reports import REPORT_TYPES
from dev import contract_live, update_specification

NOVEMBER, NEW_YEAR = date(2026, 11, 25), date(2027, 1, 1)
FILLRATE = REPORT_TYPES["rm-fillrate"].create_path.replace("{version}", "2026-07")
STATUS = REPORT_TYPES["rm-fillrate"].status_path.replace("{version}", "2026-07")

Change = Callable[[dict[str, Any]], object]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


class Criteo:
    """A server of the specifications that the package has, and of changed ones."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        for version in API_VERSIONS:
            for service in contract_live.SERVICES:
                self.write(version, service, self._own(version, service))

    def _own(self, version: str, service: str) -> dict[str, Any]:
        document = json.loads(json.dumps(specification.document()))
        paths = {
            path: methods
            for path, methods in document["paths"].items()
            if path.startswith(f"/{version}/") and ("/retail-media/" in path) == (service == "retailmedia")
        }
        return {"openapi": "3.0.1", "paths": paths, "components": {"schemas": document["schemas"]}}

    def file(self, version: str = "2026-07", service: str = "retailmedia") -> Path:
        return self.folder / version / service / "open-api-specifications.json"

    def write(self, version: str, service: str, document: dict[str, Any]) -> None:
        self.file(version, service).parent.mkdir(parents=True, exist_ok=True)
        self.file(version, service).write_text(json.dumps(document), "utf-8")

    def change(self, change: Change, version: str = "2026-07", service: str = "retailmedia") -> None:
        document = self._own(version, service)
        change(document)
        self.write(version, service, document)


@pytest.fixture
def criteo(tmp_path: Path) -> Iterator[Criteo]:
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Criteo(tmp_path / "served", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def run(
    criteo: Criteo, capsys: pytest.CaptureFixture[str], *more: str, today: date = NOVEMBER
) -> tuple[int, list[str]]:
    code = contract_live.main(["--host", criteo.url, *more], today)
    return code, capsys.readouterr().out.splitlines()


def attributes(document: dict[str, Any], path: str = FILLRATE) -> dict[str, Any]:
    """The attributes' schema of a create, made its own: schemas may be shared with other operations."""
    name = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][name.rsplit("/", 1)[1]]
    for field in ("data", "attributes"):
        schema = document["components"]["schemas"][schema["properties"][field]["$ref"].rsplit("/", 1)[1]]
    return schema


def operation(document: dict[str, Any], path: str = FILLRATE, method: str = "post") -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path][method]
    return found


def set_status_words(document: dict[str, Any], *words: str) -> None:
    """In the answer of the status call."""
    schema = operation(document, STATUS, "get")["responses"]["200"]["content"]["application/json"]["schema"]
    for name in ("data", "attributes"):
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]["properties"][name]
    document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]["properties"]["status"]["enum"].extend(words)


def test_the_same_specifications_differ_in_nothing(criteo: Criteo, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = run(criteo, capsys)
    assert (code, lines) == (0, ["0 differences, 0 of them breaking; 0 specifications could not be read"])


NEW_EXPORT = "/2026-07/retail-media/reports/keyword-bids"

BREAKING: list[tuple[Change, str]] = [
    (lambda d: d["paths"].pop(FILLRATE), "the operation is gone"),
    (lambda d: attributes(d)["properties"].pop("timezone"), "data.attributes.timezone is gone"),
    (lambda d: attributes(d)["required"].append("timezone"), "data.attributes.timezone is now required"),
    (
        lambda d: (attributes(d)["properties"].update(filters={"type": "object"}), attributes(d)["required"].append("filters")),
        "new required data.attributes.filters",
    ),
    (lambda d: attributes(d)["properties"]["timezone"].update(type="integer"), "timezone: type is now integer, was string"),
    (lambda d: attributes(d)["properties"]["startDate"].pop("format"), "startDate: format is now None, was date-time"),
    (lambda d: attributes(d)["properties"]["dimensions"]["items"]["enum"].remove("date"), "dimensions[]: gone: date"),
    (lambda d: attributes(d)["properties"]["timezone"].update(enum=["UTC"]), "timezone: new: UTC"),
    (lambda d: attributes(d)["properties"]["supplyAccountIds"].update(maxItems=5), "supplyAccountIds: at most 5 items"),
    (lambda d: attributes(d)["properties"]["timezone"].update(maxLength=3), "timezone: at most 3 characters"),
    (lambda d: attributes(d)["properties"]["timezone"].update(minLength=4), "timezone: at least 4 characters"),
    (lambda d: attributes(d)["properties"]["timezone"].update(pattern="^UTC$"), "timezone: the pattern is now ^UTC$"),
    (lambda d: attributes(d)["properties"]["timezone"].update(maximum=9), "timezone: at most 9"),
    (lambda d: attributes(d)["properties"]["supplyAccountIds"].update(minItems=1), "supplyAccountIds: at least 1 items"),
    (lambda d: operation(d).update(security=[{"oauth": ["RetailMedia_Other"]}]), "scope RetailMedia_Analytics_Read is now"),
    (
        lambda d: operation(d).update(parameters=[{"in": "header", "name": "Client-Id", "required": True}]),
        "new required parameter Client-Id",
    ),
    (lambda d: set_status_words(d, "queued"), "the answer's data.attributes.status: new: queued"),
]  # fmt: skip

HARMLESS: list[tuple[Change, str]] = [
    (lambda d: attributes(d)["properties"].update(note={"type": "string"}), "new data.attributes.note"),
    (lambda d: attributes(d)["properties"]["metrics"]["items"]["enum"].append("bids"), "metrics[]: new: bids"),
    (lambda d: attributes(d)["required"].remove("metrics"), "data.attributes.metrics is no longer required"),
    (lambda d: attributes(d)["properties"]["timezone"].update(default="CET"), "timezone: the default is now CET, was UTC"),
    (lambda d: operation(d)["responses"].update({"202": operation(d)["responses"].pop("200")}), "success is now 202"),
    (lambda d: operation(d).update(deprecated=True), "is deprecated now"),
    (lambda d: attributes(d)["properties"]["timezone"].update(minLength=0), "timezone: at least 0 characters"),
    (lambda d: set_status_words(d, "Invalidated"), "the answer's data.attributes.status: new: Invalidated"),
    (lambda d: d["paths"].update({NEW_EXPORT: {"post": operation(d)}}), "keyword-bids, 2026-07: an export that the"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), BREAKING, ids=[said for _, said in BREAKING])
def test_a_breaking_change_is_marked_and_ends_with_1(
    change: Change, said: str, criteo: Criteo, capsys: pytest.CaptureFixture[str]
) -> None:
    criteo.change(change)
    code, lines = run(criteo, capsys)
    assert code == 1
    assert [line for line in lines if said in line and "BREAKING: " in line and "2026-07" in line]


@pytest.mark.parametrize(("change", "said"), HARMLESS, ids=[said for _, said in HARMLESS])
def test_a_harmless_change_is_told_and_ends_with_0(
    change: Change, said: str, criteo: Criteo, capsys: pytest.CaptureFixture[str]
) -> None:
    criteo.change(change)
    code, lines = run(criteo, capsys)
    assert code == 0
    assert [line for line in lines if said in line]
    assert not [line for line in lines if "BREAKING: " in line]


def test_what_is_within_something_gone_is_not_told_again(criteo: Criteo, capsys: pytest.CaptureFixture[str]) -> None:
    path = REPORT_TYPES["rm-performance"].create_path.replace("{version}", "2026-07")
    criteo.change(lambda document: attributes(document, path)["properties"].pop("filters"))
    _, lines = run(criteo, capsys)
    assert [line for line in lines if "filters" in line] == [
        "rm-performance, 2026-07, POST: BREAKING: data.attributes.filters is gone"
    ]


@pytest.mark.parametrize(
    "text", ["<html>", "[]", "{}", '{"paths": {}}', '{"paths": {"/2026-07/a": 1}}', '{"paths": 1}']
)
def test_what_is_no_specification_ends_with_2(text: str, criteo: Criteo, capsys: pytest.CaptureFixture[str]) -> None:
    criteo.file().write_text(text, "utf-8")
    assert contract_live.main(["--host", criteo.url], NOVEMBER) == 2
    assert "retailmedia" in capsys.readouterr().err


def test_a_server_that_is_not_there_ends_with_2(criteo: Criteo, capsys: pytest.CaptureFixture[str]) -> None:
    criteo.file().unlink()
    assert contract_live.main(["--host", criteo.url], NOVEMBER) == 2
    assert "could not be read: 404" in capsys.readouterr().err
    assert contract_live.main(["--host", "http://127.0.0.1:1"], NOVEMBER) == 2


def test_a_version_that_has_ended_is_not_asked_for(criteo: Criteo, capsys: pytest.CaptureFixture[str]) -> None:
    criteo.file("preview").unlink()
    code, lines = run(criteo, capsys, today=NEW_YEAR)
    assert code == 0
    assert lines[0] == "preview has ended on 2026-12-31: not read"


def test_the_files_it_saves_refresh_the_data(
    criteo: Criteo, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(criteo, capsys, "--save", str(tmp_path / "saved"))
    update_specification.main(tmp_path / "saved", tmp_path / "specification.json")
    assert json.loads((tmp_path / "specification.json").read_text("utf-8")) == specification.document()
