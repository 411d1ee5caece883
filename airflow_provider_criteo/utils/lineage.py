"""What the download tells OpenLineage: the Criteo report it read, the files it wrote, a table's columns."""

from __future__ import annotations

from typing import Any


def openlineage(operator: Any) -> Any:
    """The lineage of a download that went well.

    :param operator: with ``report_file``, ``report_type``, as ``download_report_file`` leaves it.
    """
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
    if not found or scheme in ("file", "local"):
        return "file", rest.removeprefix("localhost") or url
    scheme = {"gcs": "gs", "s3a": "s3", "s3n": "s3"}.get(scheme, scheme)
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket.rpartition('@')[2]}", key.lstrip("/")  # before an @ is an Airflow connection
