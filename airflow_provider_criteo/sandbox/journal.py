"""What the sandbox was asked: one record a call."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path
from typing import Any

from airflow_provider_criteo.sandbox.oauth import fingerprint
from airflow_provider_criteo.sandbox.routes import Call

_KEPT = 200_000
_TOLD = ("method", "path", "version", "report_type", "report_id", "account_id")
_SECRET_HEADERS = ("cookie", "proxy-authorization")


class Journal:
    """The record of all calls but those of the control API. Holds no secret and no token.

    :param file: where to write each record, too, as a line of JSON.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.records: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._file = file.open("a", encoding="utf-8") if file else None

    def begin(self, call: Call) -> dict[str, Any]:
        """A record for a call that has just come in; its status is None until there is an answer."""
        headers = {name: value for name, value in call.headers.items() if name not in _SECRET_HEADERS}
        token = None
        if "authorization" in headers:
            scheme, _, secret = headers["authorization"].partition(" ")
            token = fingerprint(secret)
            headers["authorization"] = f"{scheme} {token}"
        record = {
            "time": time.time(),
            "call": call.kind,
            **{name: getattr(call, name) for name in _TOLD},
            "status": None,
            "fault": None,
            "token": token,
            "headers": headers,
        }
        self.records.append(record)
        return record

    def end(self, record: dict[str, Any], call: Call, status: int | None, fault: str | None) -> None:
        """Complete a record, before the answer is sent."""
        record.update(status=status, fault=fault, report_type=call.report_type, report_id=call.report_id)
        if call.kind == "create":
            record["attributes"] = call.attributes
        if self._file:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()

    def of(self, call: str | None = None) -> list[dict[str, Any]]:
        """The records, oldest first; of one kind of call where one is named."""
        return [record for record in self.records if call in (None, record["call"])]

    def clear(self) -> None:
        """Forget the records; the file keeps them."""
        self.records.clear()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
