"""The sandbox serves every report type of the catalogue as its specification says."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
from datetime import datetime, timedelta, timezone

import jsonschema
import pytest
import requests

from airflow_provider_criteo.api.models import JobState
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.sandbox.criteo_api import CriteoApi
from airflow_provider_criteo.sandbox.oauth import Grant
from airflow_provider_criteo.sandbox.settings import Settings
from tests.support import sandbox_openapi
from tests.support.report_types import ATTRIBUTES, day

EVERY_VERSION = [(row.id, version) for row in REPORT_TYPES.values() for version in row.versions]
A_DAY_AGO = f"{datetime.now(timezone.utc) - timedelta(hours=24, minutes=5):%Y-%m-%dT%H:%M:%SZ}"


def _json_schema(node):
    """An OpenAPI 3.0 schema as JSON Schema: only ``nullable`` differs, as far as Criteo goes."""
    if isinstance(node, list):
        return [_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    converted = {key: _json_schema(value) for key, value in node.items()}
    if node.get("nullable") is True:
        return {"anyOf": [{"type": "null"}, converted]}
    return converted


@pytest.fixture(scope="module")
def openapi():
    return sandbox_openapi.openapi()


def _validate(openapi, operation, reply):
    schema = operation["responses"][str(reply.status_code)]["content"]["application/json"]["schema"]
    document = {**_json_schema(schema), "components": _json_schema(openapi["components"])}
    jsonschema.validate(reply.json(), document)


@pytest.mark.parametrize(("report_type", "version"), EVERY_VERSION)
def test_every_report_goes_from_create_to_file(caller, openapi, report_type, version):
    row = REPORT_TYPES[report_type]
    operations = {
        (method, _anonymous(path)): operation
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }
    created = caller.create(report_type, version=version)
    _validate(openapi, operations["post", _anonymous(row.create_path.replace("{version}", version))], created)
    report_id = caller.sandbox.jobs()[-1]["report_id"]
    status = caller.send("GET", row.status_url(version, report_id))
    _validate(openapi, operations["get", _anonymous(row.status_path.replace("{version}", version))], status)
    file = caller.send("GET", row.output_url(version, report_id))
    assert (file.status_code, len(file.content) > 20) == (200, True)
    assert JobState.of_word(status.json()["data"]["attributes"]["status"]).value == "done"


def _anonymous(path):
    return "/".join("{}" if piece.startswith("{") else piece for piece in path.split("/"))


@pytest.mark.parametrize(
    ("report_type", "status", "place", "words"),
    [
        ("mpo-realtime", 200, "exportId", ["Pending", "Done", "Failure", "Expired", "Unknown"]),
        ("statistics", 202, None, ["Pending", "Done", "Failure", "Expired", "Unknown"]),
        ("rm-campaigns", 200, None, ["pending", "success", "failure", "expired", "Unknown"]),
        ("rm-partner-billing", 201, None, ["pending", "success", "failed", "expired", "Unknown"]),
        ("rm-catalog", 200, None, ["pending", "success", "failure", "expired", "unknown"]),
    ],
)
def test_each_family_has_its_own_words_and_places(caller, sandbox, report_type, status, place, words):
    seen = []
    sandbox.configure(cache=False)
    for outcome in ("", "Done", "Failure", "Expired", "Unknown"):
        sandbox.configure(pending_seconds=0 if outcome else 60, outcome=outcome or "Done")
        created = caller.create(report_type)
        assert created.status_code == status
        data = created.json()["data"]
        report_id = data["attributes"][place] if place else data["id"]
        seen.append(caller.status(report_id, report_type).json()["data"]["attributes"]["status"])
    assert seen == words


def test_ids_that_must_be_quoted(caller):
    report_id = caller.made("statistics")
    assert {"/", "+", "="} <= set(report_id)
    assert caller.status(report_id, "statistics").json()["data"]["id"] == report_id


def test_a_row_added_while_it_runs_is_served(caller, monkeypatch, openapi):
    row = dataclasses.replace(
        REPORT_TYPES["products"],
        id="new-report",
        create_path="/{version}/marketing-solutions/new/export",
        status_path="/{version}/marketing-solutions/new/{reportId}/status",
        output_path="/{version}/marketing-solutions/new/{reportId}",
    )
    monkeypatch.setitem(REPORT_TYPES, "new-report", row)
    reply = caller.create("new-report", {"anything": [1]})
    report_id = reply.json()["data"]["attributes"]["exportId"]
    assert caller.status(report_id, "new-report").json()["data"]["attributes"]["status"] == "Done"
    assert caller.download(report_id, "new-report").ok
    fresh = requests.get(f"{caller.sandbox.url}/_sandbox/jobs", timeout=5).json()
    assert fresh[0]["report_type"] == "new-report"


@pytest.mark.parametrize(
    ("report_type", "attributes", "code", "names"),
    [
        ("mpo-realtime", {"advertiserIds": ["1"], "fileFormat": "xml"}, "json-serialization-error", "'Csv', 'Json'"),
        ("mpo-realtime", {"advertiserIds": ["1"], "lookbackWindow": 59}, "invalid-lookbackwindow", "lookbackWindow"),
        ("mpo-realtime", {"advertiserIds": ["1"], "dimensions": ["hour", "minute"]}, "invalid-dimensioncombination", ""),
        ("mpo-realtime", {"advertiserIds": ["1"], "startDate": "2020-01-01"}, "invalid-time-interval", "startDate"),
        ("mpo-realtime", {"advertiserIds": ["1"], "startDate": A_DAY_AGO}, "invalid-time-interval", "startDate"),
        ("mpo-products", {"advertiserIds": list("123456"), "startDate": day(3), "fileFormat": "csv"}, "invalid-query", "at most 5"),
        ("products", {"startDate": day(3)}, "invalid-query", "advertiserIds"),
        ("statistics", {}, "required-field", "dimensions"),
        ("statistics", {"advertiserIds": "1"}, "invalid", "advertiserIds"),
        ("rm-campaigns", {"startDate": day(1), "endDate": day(3)}, "start-after-end-date", "startDate"),
        ("rm-campaigns", {"startDate": day(200), "endDate": day(3)}, "invalid-timespan", "100"),
        ("rm-campaigns", {"startDate": day(3), "endDate": day(2), "ids": ["1"] * 51}, "exceeded-ids-cap", "ids"),
        ("rm-campaigns", {"startDate": day(3), "endDate": day(2), "ids": ["1"], "id": "1"}, "invalid", "exclude"),
        ("rm-campaigns", {"startDate": "yesterday", "endDate": day(2)}, "invalid-date-format", "startDate"),
        ("rm-partner-billing", {"startDate": f"{day(3)}T00:00:00Z", "endDate": day(2)}, "model-validation-error", ""),
        ("rm-share-of-voice", {}, "attribute-required", "accountId"),
    ],
)  # fmt: skip
def test_wrong_attributes_get_criteos_codes(caller, report_type, attributes, code, names):
    reply = caller.create(report_type, attributes)
    problems = reply.json()["errors"]
    assert reply.status_code == 400
    assert code in {problem["code"] for problem in problems}
    assert any(names in problem["detail"] for problem in problems)
    assert set(problems[0]) == {
        "code", "detail", "instance", "source", "stackTrace", "title", "traceId", "traceIdentifier", "type",
    }  # fmt: skip
    assert caller.sandbox.jobs() == []


def test_enum_values_in_either_casing(caller):
    for dimension in ("advertiserId", "AdvertiserId"):
        assert caller.create(attributes={"advertiserIds": ["1"], "dimensions": [dimension]}).ok


def test_filters_need_exactly_one(caller):
    base = {"startDate": day(3), "endDate": day(2), "dimensions": ["date"], "metrics": ["clicks"]}
    for filters, status in (
        ({}, 400),
        ({"accountIds": ["1"]}, 200),
        ({"accountIds": ["1"], "campaignIds": ["1"]}, 400),
    ):
        assert caller.create("rm-performance", {**base, "filters": filters}).status_code == status


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 400), (b'{"data":null}', 400), (b"\xff", 400)])
def test_bodies_that_are_no_requests(caller, body, status):
    reply = caller.create(json=None, data=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == status
    assert caller.create(json=None, data="{}", headers={"Content-Type": "text/plain"}).status_code == 415


@pytest.mark.parametrize(
    ("report_type", "lost", "expired_file", "early"),
    [
        ("mpo-realtime", (403, "export-not-found"), (403, "export-alreadyexpired"), "export-not-ready"),
        ("products", (403, "export-not-found"), (403, "export-not-found"), "export-not-ready"),
        ("statistics", (404, "report-not-found"), (410, "report-expired"), "report-not-ready"),
        ("rm-campaigns", (410, "report-not-found"), (410, "report-expired"), "report-not-ready"),
        ("rm-catalog", (404, "catalog-not-found"), (204, None), "catalog-not-ready"),
        ("rm-share-of-voice", (404, "insight-not-found"), (410, "insight-expired"), "insight-not-ready"),
    ],
)
def test_lost_expired_and_early(caller, sandbox, report_type, lost, expired_file, early):
    def told(reply):
        return reply.status_code, reply.json()["errors"][0]["code"] if reply.content else None

    sandbox.configure(cache=False, pending_seconds=60)
    report_id = caller.made(report_type)
    assert told(caller.download(report_id, report_type)) == (400, early)
    sandbox.finish(report_id, "Expired")
    assert told(caller.download(report_id, report_type)) == expired_file
    sandbox.forget(report_id)
    assert told(caller.status(report_id, report_type)) == lost
    assert told(caller.download(report_id, report_type)) == lost


def test_insights_that_failed_are_gone_for_the_status_call_too(caller, sandbox):
    sandbox.configure(outcome="Invalidated")
    report_id = caller.made("rm-share-of-voice")
    reply = caller.status(report_id, "rm-share-of-voice")
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (410, "insight-invalidated")


def test_a_job_of_one_type_is_not_anothers(caller):
    report_id = caller.made("mpo-realtime")
    assert caller.status(report_id, "mpo-products").ok  # one status route for both, as Criteo has it
    assert caller.download(report_id, "mpo-products").status_code == 403
    assert caller.status(report_id, "rm-campaigns").status_code == 410


def test_the_same_request_gives_the_same_job(caller, sandbox):
    first, second = caller.create().json(), caller.create().json()
    assert first["data"]["attributes"]["exportId"] == second["data"]["attributes"]["exportId"]
    sandbox.configure(cache=False)
    assert caller.create().json()["data"]["attributes"]["exportId"] != first["data"]["attributes"]["exportId"]


@pytest.mark.parametrize(
    ("report_type", "hours", "same"),
    [
        ("rm-performance", 23, True),
        ("rm-performance", 25, False),
        ("rm-share-of-voice", 2, False),
        ("statistics", 2, False),
    ],
)
def test_a_report_of_the_past_is_cached_for_longer_in_retail_media(caller, sandbox, report_type, hours, same):
    report_id = caller.made(report_type)
    sandbox._app.api.jobs.get(report_id).created_at -= hours * 3600
    caller.create(report_type)
    assert len(sandbox.jobs()) == (1 if same else 2)


def test_files_expire(caller, sandbox):
    sandbox.configure(cache=False)
    kept = caller.made()
    sandbox.configure(retention_seconds=0)
    gone = caller.made()
    words = [caller.status(id_).json()["data"]["attributes"]["status"] for id_ in (kept, gone)]
    assert words == ["Done", "Expired"]


def test_retired_unknown_and_unserved_versions(caller, sandbox):
    sandbox.configure(retired_versions=["preview"])
    reply = caller.create(version="preview")
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (410, "endpoint-deprecated")
    assert caller.create(version="experimental").ok
    assert caller.create(version="2020-01").status_code == 404
    assert caller.create(version="2026-07").status_code == 404
    assert caller.send("DELETE", "/2026-07/retail-media/reports/revenue").headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path", ["/preview/advertisers/me", "/2026-07/advertisers/me", "/2026-07/retail-media/accounts"]
)
def test_accounts(caller, sandbox, path):
    assert len(caller.send("GET", path).json()["data"]) == 2
    sandbox.configure(consent=False)
    assert caller.send("GET", path).json()["data"] == []
    sandbox.fault("accounts", "http-503")
    assert caller.send("GET", path).status_code == 503


def test_retail_media_accounts_come_in_pages(caller, sandbox):
    sandbox.configure(account_ids=[str(number) for number in range(60)])
    path = "/2026-07/retail-media/accounts"
    pages = [caller.send("GET", f"{path}?pageIndex={index}").json() for index in range(4)]
    assert [len(page["data"]) for page in pages] == [25, 25, 10, 0]
    assert pages[2]["metadata"]["currentPageIndex"] == 2
    assert {page["metadata"]["totalItemsAcrossAllPages"] for page in pages} == {60}
    assert {page["metadata"]["totalPages"] for page in pages} == {3}
    limited = caller.send("GET", f"{path}?limitToId=7&limitToId=61").json()
    assert [account["id"] for account in limited["data"]] == ["7"]
    assert caller.send("GET", f"{path}?pageIndex=x").status_code == 400


def test_csv_rows_are_those_asked_for(caller, sandbox):
    sandbox.configure(file_rows=5)
    attributes = {
        "advertiserIds": ["11", "22"],
        "startDate": day(3),
        "endDate": day(2),
        "fileFormat": "csv",
        "dimensions": ["advertiserId", "productId"],
        "metrics": ["clicks", "cost"],
    }
    report_id = caller.made("mpo-products", attributes)
    file = caller.download(report_id, "mpo-products")
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert file.headers["content-type"] == "text/csv"
    assert [row["advertiserId"] for row in rows] == ["11", "22", "11", "22", "11"]
    assert list(rows[0]) == ["advertiserId", "productId", "clicks", "cost"]
    assert all(float(row["cost"]) >= 0 for row in rows)
    assert file.content == caller.download(report_id, "mpo-products").content


def test_dates_and_ids_of_filters_are_honoured(caller):
    attributes = {
        "startDate": day(3),
        "endDate": day(1),
        "filters": {"campaignIds": ["7"]},
        "dimensions": ["date", "campaignId"],
        "metrics": ["clicks"],
        "format": "json",
    }
    rows = caller.download(caller.made("rm-performance", attributes), "rm-performance").json()
    assert {row["date"] for row in rows} == {day(3), day(2), day(1)}
    assert {row["campaignId"] for row in rows} == {"7"}


def test_each_format_of_a_report(caller, sandbox):
    sandbox.configure(file_rows=10)
    base = {"startDate": day(3), "endDate": day(1), "id": "1"}
    bodies = {
        format_: caller.download(caller.made("rm-campaigns", {**base, "format": format_}), "rm-campaigns")
        for format_ in ("json", "json-compact", "json-newline", "csv")
    }
    assert len(bodies["json"].json()) == 10
    assert bodies["json-compact"].json()["rows"] == len(bodies["json-compact"].json()["data"]) == 10
    assert [len(json.loads(line)) for line in bodies["json-newline"].text.splitlines()] == [5] * 10
    assert len(bodies["csv"].text.splitlines()) == 11


def test_an_empty_file_is_still_of_its_format(caller, sandbox):
    sandbox.configure(file_rows=0)
    assert caller.download(caller.made("statistics"), "statistics").json()["data"]["data"] == []
    assert len(caller.download(caller.made()).text.splitlines()) == 1


@pytest.mark.parametrize("rows", [1, 999, 1000, 1001, 25_000])
def test_counts_sizes_and_checksums_are_true(caller, sandbox, rows):
    sandbox.configure(file_rows=rows)
    report_id = caller.made("rm-campaigns", {"startDate": day(3), "endDate": day(3), "format": "json"})
    told = caller.status(report_id, "rm-campaigns").json()["data"]["attributes"]
    file = caller.download(report_id, "rm-campaigns")
    assert told["rowCount"] == len(file.json()) == rows
    assert told["fileSizeBytes"] == len(file.content) == int(file.headers["content-length"])
    assert told["md5CheckSum"] == hashlib.md5(file.content).hexdigest()


def test_large_files_stream(caller, sandbox):
    sandbox.configure(file_bytes=50_000_000)
    with caller.download(caller.made(), stream=True) as reply:
        size = sum(map(len, reply.iter_content(1 << 20)))
    assert 50_000_000 <= size == int(reply.headers["content-length"]) < 50_001_000


def test_files_are_compressed_for_clients_that_accept_it(caller, sandbox):
    sandbox.configure(gzip=True, file_rows=3000)
    report_id = caller.made()
    squeezed = caller.download(report_id)
    plain = caller.download(report_id, headers={"Accept-Encoding": "identity"})
    assert squeezed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert squeezed.content == plain.content


ODD = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "x",
    "\x00",
    "0001-01-01",
    "9999-12-31T23:59:59+14:00",
    [],
    [None],
    [[]],
    {},
    {"a": 1},
)


@pytest.mark.parametrize("report_type", REPORT_TYPES)
def test_no_body_is_too_odd_for_an_answer(report_type):
    """Every attribute with every odd value: each is accepted or refused with problems, none is an accident."""
    api = CriteoApi("client", "secret")
    settings = Settings(rate_limit=None, pending_seconds=0, cache=False, file_rows=1)
    row = REPORT_TYPES[report_type]
    path = row.create_url(row.version(None), "7")
    changes = [{name: value} for name in row.attributes for value in ODD]
    bodies = [{"data": {"type": "R", "attributes": {**ATTRIBUTES[report_type], **change}}} for change in changes]
    bodies += [{"data": value} for value in ODD] + [{"data": {"attributes": value}} for value in ODD] + list(ODD)
    seen = set()
    for body in bodies:
        call = api.understand("POST", path)
        call.grant = Grant("client", "client_credentials", 0)
        call.headers = {"content-type": "application/json"}
        call.body = json.dumps(body).encode()
        reply = api.act(call, settings)
        seen.add(reply.status)
        if reply.status == 400:
            assert json.loads(reply.body)["errors"]
        else:
            assert api.jobs.get(call.report_id).file.size > 0
    assert seen <= {200, 201, 202, 400}
    assert 400 in seen


def test_a_start_is_refused_where_criteo_s_pages_say_so_alone(caller):
    days = {"startDate": "2020-01-01", "endDate": "2020-01-01"}
    statistics = {"advertiserIds": ["1"], **days, "dimensions": ["Day"], "metrics": ["Clicks"], "currency": "EUR"}
    performance = {**days, "filters": {"accountIds": ["1"]}, "dimensions": ["date"], "metrics": ["clicks"]}
    assert caller.create("statistics", statistics).status_code == 202
    assert caller.create("rm-performance", performance).status_code == 400
