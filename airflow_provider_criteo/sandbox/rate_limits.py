"""The reporting quota: so many calls a window, told by Criteo's headers.

Source: https://developers.criteo.com/criteo-apis/docs/rate-limits.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from email.utils import formatdate

from airflow_provider_criteo.sandbox.replies import refusal
from airflow_provider_criteo.sandbox.settings import Settings

HOUR = 3600.0


@dataclass
class Window:
    """Calls counted from a moment on."""

    start: float
    calls: int = 0


class Quota:
    """Counts the report calls of every application."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, ...], Window] = {}

    def charge(self, client_id: str, grant_type: str, settings: Settings) -> dict[str, str]:
        """Count a report call; gives the headers for its answer.

        :raises Refusal: 429, the quota is used up; such a call is not counted.
        """
        limit = self._limit(grant_type, settings)
        if limit is None:
            return {}
        window, length = self._window((client_id, grant_type), settings.rate_window)
        return self._count(window, limit, length, settings)

    def charge_create(self, client_id: str, report_type: str, settings: Settings) -> None:
        """Count a create against the hourly quota of its report type.

        :raises Refusal: 429.
        """
        limit = settings.create_limit_per_hour
        if limit is not None:
            window, length = self._window((client_id, "create", report_type), HOUR)
            self._count(window, limit, length, settings)

    @staticmethod
    def _limit(grant_type: str, settings: Settings) -> int | None:
        if grant_type == "client_credentials":
            return settings.rate_limit
        return None if settings.rate_limit is None else settings.rate_limit_per_account

    def _window(self, key: tuple[str, ...], length: float) -> tuple[Window, float]:
        now = time.time()
        window = self._windows.get(key)
        if window is None or not window.start <= now < window.start + length:
            window = self._windows[key] = Window(now)
        return window, length

    @staticmethod
    def _count(window: Window, limit: int, length: float, settings: Settings) -> dict[str, str]:
        reset = window.start + length
        refused = window.calls >= limit
        window.calls += not refused
        headers = {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(limit - window.calls),
            "x-ratelimit-reset": str(math.ceil(reset)),
        }
        if refused:
            told = dict(headers) if settings.rate_headers != "never" else {}
            if settings.retry_after:
                told["retry-after"] = str(math.ceil(reset - time.time()))
            raise refusal(429, detail=f"{limit} calls per {length:g} s", **told)
        return headers if settings.rate_headers == "always" else {}


def http_date(moment: float) -> str:
    """A moment as HTTP writes it."""
    return formatdate(moment, usegmt=True)
