"""Which connection form a picture shows: ``connection-form-*.sha256`` stands beside each picture of it."""

from __future__ import annotations

import hashlib
import json

from airflow_provider_criteo.get_provider_info import get_provider_info


def form_checksum() -> str:
    """Of all that Airflow builds the form from."""
    (connection_type,) = get_provider_info()["connection-types"]
    form = {part: connection_type[part] for part in ("conn-fields", "ui-field-behaviour")}
    return hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest() + "\n"
