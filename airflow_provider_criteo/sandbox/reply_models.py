"""What an answer about a report job looks like: after Criteo's specification of the call."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from airflow_provider_criteo.api.specification import JSON_TYPE, operation, properties, resolved

_USUAL = {
    "retail-media": ("/{version}/retail-media/reports/{reportId}/status", "2026-07"),
    "marketing-solutions": ("/{version}/marketing-solutions/report-jobs/{reportId}", "experimental"),
}
"""The status calls after which those answer that are in no specification."""


@dataclass(frozen=True)
class ReplyModel:
    """What a specification says of an answer.

    :param status: the HTTP status of success.
    :param type: ``data.type``.
    :param has_id: whether the resource has an id of its own.
    :param attributes: names of its attributes.
    :param words: the status words.
    """

    status: int
    type: str
    has_id: bool
    attributes: tuple[str, ...]
    words: tuple[str, ...]


@lru_cache(maxsize=1024)
def reply_model(method: str, path: str, version: str) -> ReplyModel:
    """What the answer to a create or a status call looks like."""
    found = operation(method, path, version)
    if found is None:
        service = "retail-media" if "/retail-media/" in path else "marketing-solutions"
        return reply_model("get", *_USUAL[service])
    status, response = next(iter(found[1]["responses"].items()))
    resource = properties(properties(response["content"][JSON_TYPE]["schema"])["data"])
    attributes = properties(resource["attributes"])
    return ReplyModel(
        status=int(status),
        type=re.sub(r"^External|V\d$", "", resource["attributes"]["$ref"].rsplit("/", 1)[1].split("_")[0]),
        has_id="id" in resource,
        attributes=tuple(attributes),
        words=tuple(resolved(attributes["status"]).get("enum", ())),
    )
