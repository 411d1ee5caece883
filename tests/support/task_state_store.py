"""Airflow's task state store, without Airflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class Store:
    """JSON values by key, kept over the tries of a task.

    :param values: what an earlier try left.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values: dict[str, str] = dict(values or {})

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any) -> None:
        self.values[key] = json.dumps(value)
