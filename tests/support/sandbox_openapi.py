"""What the sandbox answers, as an OpenAPI document: Criteo's operations, with the errors that Criteo's pages tell of."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_criteo.api import reports, specification
from airflow_provider_criteo.api.report_type import API_VERSIONS, ReportType
from airflow_provider_criteo.api.specification import JSON_TYPE, operation
from airflow_provider_criteo.sandbox.routes import ACCOUNT_PATHS

ERROR_STATUSES = ("400", "401", "403", "404", "405", "410", "415", "429")


def openapi() -> dict[str, Any]:
    """Every operation that the sandbox serves."""
    paths: dict[str, dict[str, Any]] = {}
    for row in reports.rows():
        for version in row.versions:
            for method, template in (("post", row.create_path), ("get", row.status_path), ("get", row.output_path)):
                path, described = operation(method, template, version) or _generic(row, method, template, version)
                paths.setdefault(path, {})[method] = _with_errors(
                    described, download=template == row.output_path, row=row
                )
    for template in ACCOUNT_PATHS:
        for version in API_VERSIONS:
            found = operation("get", template, version)
            if found:
                paths.setdefault(found[0], {})["get"] = _with_errors(found[1])
    paths["/oauth2/token"] = {"post": _TOKEN_OPERATION}
    return {
        "openapi": "3.0.1",
        "info": {"title": "Criteo API sandbox", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": {
                **specification.document()["schemas"],
                "ProblemEnvelope": _PROBLEM_ENVELOPE,
                "OAuthError": _OAUTH_ERROR,
            },
            "securitySchemes": {
                "oauth": {
                    "type": "oauth2",
                    "flows": {"clientCredentials": {"tokenUrl": "/oauth2/token", "scopes": {}}},
                }
            },
        },
        "security": [{"oauth": []}],
    }


def _with_errors(described: dict[str, Any], *, download: bool = False, row: ReportType | None = None) -> dict[str, Any]:
    responses = dict(described["responses"])
    if download and "200" in responses and row is not None and "csv" in row.formats:
        content = {"text/csv": {"schema": _BINARY}, **responses["200"].get("content", {})}
        responses["200"] = {**responses["200"], "content": content}
    envelope = {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemEnvelope"}}}
    responses.update({status: {"description": "Problems", "content": envelope} for status in ERROR_STATUSES})
    return {**described, "responses": responses}


def _generic(row: ReportType, method: str, template: str, version: str) -> tuple[str, dict[str, Any]]:
    path = template.replace("{version}", version)
    described: dict[str, Any] = {
        "description": row.title,
        "parameters": [
            {"in": "path", "name": name, "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"\{(\w+)\}", path)
        ],
        "responses": {"200": {"description": "Success"}},
    }
    if method == "post":
        described["requestBody"] = {"required": True, "content": {JSON_TYPE: {"schema": {"type": "object"}}}}
    return path, described


_BINARY = {"type": "string", "format": "binary"}
_PROBLEM_ENVELOPE = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "data": {"type": "object", "nullable": True},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/CommonProblem"}},
        "warnings": {"type": "array", "nullable": True, "items": {"$ref": "#/components/schemas/CommonProblem"}},
    },
}
_OAUTH_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {name: {"type": "string"} for name in ("error", "error_description", "error_uri")},
}
_TOKEN_REPLY = {
    "type": "object",
    "required": ["access_token", "token_type", "expires_in"],
    "properties": {
        "access_token": {"type": "string"},
        "token_type": {"type": "string"},
        "expires_in": {"type": "integer"},
        "refresh_token": {"type": "string"},
    },
}
_OAUTH_PROBLEM = {
    "description": "RFC 6749, section 5.2",
    "content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/OAuthError"}}},
}
_TOKEN_OPERATION = {
    "description": "https://developers.criteo.com/criteo-apis/docs/authentication",
    "security": [],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type", "client_id", "client_secret"],
                    "properties": {
                        name: {"type": "string"}
                        for name in (
                            "grant_type",
                            "client_id",
                            "client_secret",
                            "refresh_token",
                            "code",
                            "redirect_uri",
                            "code_verifier",
                        )
                    },
                }
            }
        },
    },
    "responses": {
        "200": {"description": "A token", "content": {JSON_TYPE: {"schema": _TOKEN_REPLY}}},
        "400": _OAUTH_PROBLEM,
        "401": _OAUTH_PROBLEM,
        "405": _OAUTH_PROBLEM,
    },
}
