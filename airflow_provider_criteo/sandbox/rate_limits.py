"""The reporting quota: so many calls a window, told by Criteo's headers.

Source: https://developers.criteo.com/criteo-apis/docs/rate-limits.
"""

from __future__ import annotations

import math
import time

from airflow_provider_criteo.sandbox.families import HOUR
from airflow_provider_criteo.sandbox.replies import refusal
from airflow_provider_criteo.sandbox.settings import Settings


class Quota:
    """Counts the report calls of every application."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, ...], tuple[float, int]] = {}
        """When each began, and the calls counted since."""

    def charge(self, client_id: str, grant_type: str, settings: Settings) -> dict[str, str]:
        """Count a report call; gives the headers for its answer.

        :raises Refusal: 429, the quota is used up; such a call is not counted.
        """
        limit = settings.rate_limit
        if limit is not None and grant_type != "client_credentials":
            limit = settings.rate_limit_per_account
        return self._count((client_id, grant_type), limit, settings.rate_window, settings)

    def charge_create(self, client_id: str, report_type: str, settings: Settings) -> None:
        """Count a create against the hourly quota of its report type.

        :raises Refusal: 429.
        """
        self._count((client_id, "create", report_type), settings.create_limit_per_hour, HOUR, settings)

    def _count(self, key: tuple[str, ...], limit: int | None, length: float, settings: Settings) -> dict[str, str]:
        if limit is None:
            return {}
        now = time.time()
        start, calls = self._windows.get(key, (now, 0))
        if not start <= now < start + length:
            start, calls = now, 0
        refused = calls >= limit
        calls += not refused
        self._windows[key] = start, calls
        headers = {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(limit - calls),
            "x-ratelimit-reset": str(math.ceil(start + length)),
        }
        if refused:
            told = dict(headers) if settings.rate_headers != "never" else {}
            if settings.retry_after:
                told["retry-after"] = str(math.ceil(start + length - now))
            raise refusal(429, detail=f"{limit} calls per {length:g} s", **told)
        return headers if settings.rate_headers == "always" else {}
