"""What the provider reports of itself: metrics through Airflow's Stats, files through Airflow's lineage and OpenLineage.

Metrics: ``criteo.polls``, ``criteo.rate_limited``, ``criteo.download_bytes`` (counters) and
``criteo.wait_seconds`` (gauge-like timer of a finished wait).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_criteo.api.exceptions import RateLimitError
from airflow_provider_criteo.utils.destination import LOCAL_SCHEMES

log = logging.getLogger(__name__)


@contextmanager
def _never_failing(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.debug("No %s", what, exc_info=True)


def count(name: str, amount: int = 1) -> None:
    """Add to a counter; never fails."""
    with _never_failing(f"metric {name}"):
        from airflow.providers.common.compat.sdk import Stats

        Stats.incr(f"criteo.{name}", amount)


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
    with _never_failing("metric wait_seconds"):
        from airflow.providers.common.compat.sdk import Stats

        Stats.timing("criteo.wait_seconds", seconds * 1000)


def file_written(hook: Any, url: str) -> None:
    """Tell Airflow's lineage of a file; never fails."""
    with _never_failing("lineage"):
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        uri = url if "://" in url else f"file://{url}"
        get_hook_lineage_collector().add_output_asset(context=hook, uri=uri)


def openlineage(operator: Any) -> Any:
    """What OpenLineage is told of a download that went well: the report it read, the files it wrote, a table's columns.

    :param operator: with ``report_file``, ``report_type``, as ``WritesReportFile`` leaves them.
    """
    # Not at the top: they need the OpenLineage provider.
    from airflow.providers.common.compat.openlineage.facet import (
        Dataset,
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage

    report = getattr(operator, "report_file", None)
    if not report:
        return OperatorLineage()
    fields = [
        SchemaDatasetFacetFields(name=column["name"], type=column["type"]) for column in report.get("columns", ())
    ]
    facets = {"schema": SchemaDatasetFacet(fields=fields)} if fields else {}
    names = [_dataset_name(file["url"]) for file in report.get("files") or [report]]
    return OperatorLineage(
        inputs=[Dataset(namespace="criteo", name=f"{operator.report_type}/{report['report_id']}")],
        outputs=[Dataset(namespace=namespace, name=name, facets=facets) for namespace, name in names],
    )


def _dataset_name(url: str) -> tuple[str, str]:
    """Namespace and name as https://openlineage.io/docs/spec/naming has them: files by path, objects by key."""
    scheme, found, rest = url.partition("://")
    if not found or scheme in LOCAL_SCHEMES:
        return "file", rest.removeprefix("localhost") or url
    scheme = {"gcs": "gs", "s3a": "s3", "s3n": "s3"}.get(scheme, scheme)
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket.rpartition('@')[2]}", key.lstrip("/")  # before an @ is an Airflow connection
