"""Criteo's own Python SDKs against the sandbox: it takes what they send, and they understand what it answers.

The SDKs turn answers into models that admit no other field, type or word. The provider does not use them: ``make
test-sdk`` installs them, and without them these tests are skipped.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from airflow_provider_criteo.api.report_type import ReportType
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.api.specification import attributes_schema, resolved
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.sandbox.prose import PROSE
from airflow_provider_criteo.sandbox.routes import ACCOUNT_PATHS
from tests.support.report_types import ATTRIBUTES

SDKS = {
    "criteo_api_marketingsolutions_preview": "preview",
    "criteo_api_retailmedia_preview": "preview",
    "criteo_api_retailmedia_v2026_01": "2026-01",
    "criteo_api_retailmedia_v2026_07": "2026-07",
    "criteo_api_retailmedia_v2027_01": "2027-01",
}
INSTALLED = [module for module in SDKS if find_spec(module)]
if not INSTALLED:
    pytest.skip("none of Criteo's SDKs is installed", allow_module_level=True)

SERVED = [
    pytest.param(module, row, id=f"{row.id}-{SDKS[module]}")
    for module in INSTALLED
    for row in REPORT_TYPES.values()
    if SDKS[module] in row.versions and ("/retail-media/" in row.create_path) == ("retailmedia" in module)
]
WITH_ACCOUNTS = [module for module in INSTALLED if module != "criteo_api_retailmedia_preview"]


class Sdk:
    """One SDK, logged in to a sandbox: with its refresh token, unless another login of the SDK's is named."""

    def __init__(self, module: str, sandbox: Sandbox, login: str = "RefreshToken", *secrets: str) -> None:
        self.version = SDKS[module]
        with_login = getattr(import_module(f"{module}.api_client_builder").ApiClientBuilder, f"With{login}")
        secrets = secrets or (sandbox.client_secret, sandbox.refresh_token)
        self.client = with_login(sandbox.client_id, *secrets, sandbox.url)
        self.exceptions = import_module(f"{module}.exceptions")
        self._convert = import_module(f"{module}.model_utils").validate_and_convert_types
        apis = [api(self.client) for api in vars(import_module(f"{module}.apis")).values() if isinstance(api, type)]
        self._operations = {
            (operation.settings["http_method"], anonymous(operation.settings["endpoint_path"])): (api, operation)
            for api in apis
            for operation in vars(api).values()
            if hasattr(operation, "settings")
        }

    def _at(self, path: str) -> str:
        return anonymous(path.replace("{version}", self.version))

    def operation(self, method: str, path: str) -> Any:
        return self._operations[method, self._at(path)][1]

    def call(self, method: str, path: str, *in_path: str, body: Any = None, **options: Any) -> Any:
        """Make a call as a user of the SDK does."""
        api, operation = self._operations[method, self._at(path)]
        places = operation.location_map.items()
        options |= dict(zip((name for name, place in places if place == "path"), in_path, strict=True))
        if body is not None:
            options |= {name: body for name, place in places if place == "body"}
        return getattr(api, operation.settings["operation_id"])(**options)

    def accounts(self) -> list[str]:
        path = next(path for path in ACCOUNT_PATHS if ("GET", self._at(path)) in self._operations)
        return [account["id"] for account in self.call("GET", path).to_dict()["data"]]

    def attributes_model(self, row: ReportType) -> Any:
        operation = self.operation("POST", row.create_path)
        (types,) = (operation.openapi_types[name] for name, at in operation.location_map.items() if at == "body")
        return types[0].openapi_types["data"][0].openapi_types["attributes"][0], types

    def create(self, row: ReportType, **changes: Any) -> Any:
        """Create a report; changes are made behind the model's back, None takes an attribute away."""
        model, types = self.attributes_model(row)
        kinds = {model.attribute_map[name]: kinds for name, kinds in model.openapi_types.items()}
        attributes = {
            name: f"{value}T00:00:00Z" if datetime in kinds[name] else value
            for name, value in ATTRIBUTES[row.id].items()
        }
        wanted = copy.deepcopy({"data": {"type": row.resource_type or "Report", "attributes": attributes}})
        body = self._convert(wanted, types, ["body"], True, True, configuration=self.client.configuration)
        # The SDK has timestamps alone where Criteo's page wants days.
        prose = PROSE.get(row.create_path, {}).get("properties", {})
        days = {name: ATTRIBUTES[row.id][name] for name, schema in prose.items() if schema.get("format") == "date"}
        raw = body.data.attributes._data_store
        python_names = {name: python_name for python_name, name in model.attribute_map.items()}
        for name, value in {**days, **changes}.items():
            raw[python_names[name]] = value
            if value is None:
                del raw[python_names[name]]
        return self.call("POST", row.create_path, *["7"] * row.needs_account_id, body=body)

    def status(self, row: ReportType, report_id: str) -> Any:
        return self.call("GET", row.status_path, report_id)


def anonymous(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def report_id_of(answer: Any) -> str:
    data = answer.to_dict()["data"]
    return data.get("id") or data["attributes"]["export_id"]


def word_of(answer: Any) -> str:
    return answer.to_dict()["data"]["attributes"]["status"].lower()


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(pending_seconds=3600, rate_limit=None, rate_limit_per_account=None) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    server.reset()
    return server


@pytest.mark.parametrize(("module", "row"), SERVED)
def test_a_report_is_made_and_read(module: str, row: ReportType, sandbox: Sandbox) -> None:
    sdk = Sdk(module, sandbox)
    output = sdk.operation("GET", row.output_path).settings["response_type"][0]
    models_json = hasattr(output, "openapi_types") and row.format_attribute
    created = sdk.create(row, **{row.format_attribute: "json"} if models_json and row.format_attribute else {})
    report_id = report_id_of(created)
    assert word_of(created) == word_of(sdk.status(row, report_id)) == "pending"
    sandbox.finish(report_id)
    assert word_of(sdk.status(row, report_id)) in ("done", "success")
    # This one is a file, whatever its model says.
    is_raw = output.__name__ == "FileStreamResultResponse"
    file = sdk.call("GET", row.output_path, report_id, _preload_content=not is_raw)
    assert file.data if is_raw else file.to_dict()["data"] if hasattr(file, "to_dict") else file.read()


@pytest.mark.parametrize("outcome", ["Failure", "Expired"])
@pytest.mark.parametrize(("module", "row"), SERVED)
def test_the_end_of_a_report_has_a_word_of_the_sdk(
    module: str, row: ReportType, outcome: str, sandbox: Sandbox
) -> None:
    sdk = Sdk(module, sandbox)
    report_id = report_id_of(sdk.create(row))
    sandbox.finish(report_id, outcome, message="too much data")
    if "/insights/" in row.status_path:
        with pytest.raises(sdk.exceptions.ApiException) as gone:
            sdk.status(row, report_id)
        assert gone.value.status == 410
    else:
        assert word_of(sdk.status(row, report_id))[:4] == outcome.lower()[:4]


def test_the_sdk_would_notice_another_word(sandbox: Sandbox) -> None:
    sandbox.configure(casing="upper")
    sdk = Sdk(INSTALLED[0], sandbox)
    row = next(param.values[1] for param in SERVED if param.values[0] == INSTALLED[0])
    with pytest.raises(sdk.exceptions.ApiValueError, match="PENDING"):
        sdk.create(row)


@pytest.mark.parametrize(("module", "row"), SERVED)
def test_errors_arrive_as_exceptions_with_problems(module: str, row: ReportType, sandbox: Sandbox) -> None:
    sdk = Sdk(module, sandbox)
    report_id = report_id_of(sdk.create(row))

    def refused(call: Callable[[], Any]) -> tuple[int, str]:
        with pytest.raises(sdk.exceptions.ApiException) as raised:
            call()
        (problem,) = json.loads(raised.value.body)["errors"]
        return raised.value.status, problem["code"]

    if "metrics" in ATTRIBUTES[row.id]:
        assert refused(lambda: sdk.create(row, metrics=["nonsense"]))[0] == 400
    for name in row.required:
        assert refused(lambda name=name: sdk.create(row, **{name: None}))[0] == 400
    assert refused(lambda: sdk.status(row, "1"))[0] in row.lost_job_statuses or "/retail-media/" not in row.create_path
    assert refused(lambda: sdk.call("GET", row.output_path, report_id)) == (400, mark_of(row) + "-not-ready")
    sandbox.fault("status", "http-503")
    assert refused(lambda: sdk.status(row, report_id)) == (503, "service-unavailable")
    sandbox.configure(consent=False)
    assert refused(lambda: sdk.status(row, report_id)) == (403, "insufficient-permissions")
    sandbox.configure(rate_limit=0, rate_limit_per_account=0)
    assert refused(lambda: sdk.status(row, report_id))[0] == 429
    sandbox.revoke_tokens("authorization-token-expired")
    assert refused(lambda: sdk.status(row, report_id)) == (401, "authorization-token-expired")


def mark_of(row: ReportType) -> str:
    pieces = {"/insights/": "insight", "/catalogs/": "catalog", "/marketing-solutions/": "export"}
    return next((word for piece, word in pieces.items() if piece in row.status_path), "report")


@pytest.mark.parametrize(("module", "row"), SERVED)
def test_the_sandbox_knows_the_attributes_of_the_sdk(module: str, row: ReportType, sandbox: Sandbox) -> None:
    def unknown(model: Any, schema: Any, within: str = "") -> Iterator[str]:
        properties = resolved(schema)["properties"]
        for name, sent_as in model.attribute_map.items():
            if sent_as not in properties:
                yield f"{within}{sent_as}"
                continue
            inner = resolved(properties[sent_as])
            value = resolved(inner["items"]) if inner.get("type") == "array" else inner
            words = {word for word in model.allowed_values.get((name,), {}).values() if word is not None}
            yield from (f"{within}{sent_as}={word}" for word in sorted(words - set(value.get("enum", words))))
            is_nullable = type(None) in model.openapi_types[name] and sent_as not in row.required
            if is_nullable and not inner.get("nullable"):
                yield f"{within}{sent_as}=null"
            kind = model.openapi_types[name][0]
            kind = kind[0] if isinstance(kind, list) else kind
            if hasattr(kind, "attribute_map"):
                yield from unknown(kind, value, f"{within}{sent_as}.")

    schema = attributes_schema(row.create_path, SDKS[module])
    assert list(unknown(Sdk(module, sandbox).attributes_model(row)[0], schema)) == []


@pytest.mark.parametrize("module", WITH_ACCOUNTS)
def test_accounts(module: str, sandbox: Sandbox) -> None:
    assert Sdk(module, sandbox).accounts()
    sandbox.configure(consent=False)
    assert Sdk(module, sandbox).accounts() == []


@pytest.mark.parametrize("module", WITH_ACCOUNTS)
def test_client_credentials(module: str, sandbox: Sandbox) -> None:
    sdk = Sdk(module, sandbox, "ClientCredentials", sandbox.client_secret)
    # It wants a refresh token in every answer; Criteo documents none for this grant. The access token it has kept.
    with pytest.raises(KeyError, match="refresh_token"):
        sdk.accounts()
    assert sdk.accounts()
    sdk = Sdk(module, sandbox, "ClientCredentials", "wrong")
    with pytest.raises(sdk.exceptions.UnauthorizedException) as refused:
        sdk.accounts()
    assert json.loads(refused.value.body)["error"] == "invalid_client"


@pytest.mark.parametrize("module", WITH_ACCOUNTS)
def test_authorization_code_and_rotating_refresh_tokens(module: str, sandbox: Sandbox) -> None:
    sandbox.configure(expires_in=-16, token_lifetime=900, rotate_refresh_token=True)  # the SDK adds 15 s
    sdk = Sdk(
        module, sandbox, "AuthorizationCode", sandbox.client_secret, sandbox.authorization_code(), "https://localhost"
    )
    refresh_tokens = {(sdk.accounts()[0], sdk.client.get_refresh_token()) for _ in range(3)}
    assert len(refresh_tokens) == 3
    assert len(sandbox.journal("token")) == 3
