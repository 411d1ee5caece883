"""What the provider reports of itself: metrics through Airflow's Stats, files through Airflow's lineage.

Metrics: ``criteo.polls``, ``criteo.rate_limited``, ``criteo.download_bytes`` (counters) and
``criteo.wait_seconds`` (gauge-like timer of a finished wait).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_criteo.api.exceptions import RateLimitError

log = logging.getLogger(__name__)


def count(name: str, amount: int = 1) -> None:
    """Add to a counter; never fails."""
    try:
        from airflow.providers.common.compat.sdk import Stats

        Stats.incr(f"criteo.{name}", amount)
    except Exception:
        log.debug("No metric %s", name, exc_info=True)


@contextmanager
def counted_poll() -> Iterator[None]:
    """Count a poll, and whether Criteo refused it for the quota."""
    count("polls")
    try:
        yield
    except RateLimitError:
        count("rate_limited")
        raise


def waited(seconds: float) -> None:
    """Tell how long a job was waited for; never fails."""
    try:
        from airflow.providers.common.compat.sdk import Stats

        Stats.timing("criteo.wait_seconds", seconds * 1000)
    except Exception:
        log.debug("No metric wait_seconds", exc_info=True)


def file_written(hook: Any, url: str) -> None:
    """Tell Airflow's lineage of a file; never fails."""
    try:
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        uri = url if "://" in url else f"file://{url}"
        get_hook_lineage_collector().add_output_asset(context=hook, uri=uri)
    except Exception:
        log.debug("No lineage", exc_info=True)
