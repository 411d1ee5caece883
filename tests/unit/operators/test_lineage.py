"""What OpenLineage is told of a download."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("airflow.providers.openlineage.extractors")

from airflow_provider_criteo.utils.lineage import openlineage


@pytest.mark.parametrize(
    ("url", "namespace", "name"),
    [
        ("/lake/report.csv", "file", "/lake/report.csv"),
        ("file:///lake/report.csv", "file", "/lake/report.csv"),
        ("s3://lake/criteo/report.csv", "s3://lake", "criteo/report.csv"),
        ("s3a://aws_default@lake/report.csv", "s3://lake", "report.csv"),
        ("gcs://lake/report.csv", "gs://lake", "report.csv"),
    ],
)
def test_the_report_goes_in_and_the_file_comes_out(url: str, namespace: str, name: str) -> None:
    report_file = {"url": url, "report_id": "a/b=="}
    lineage = openlineage(SimpleNamespace(report_file=report_file, report_type="products"))
    assert [(dataset.namespace, dataset.name) for dataset in lineage.inputs] == [("criteo", "products/a/b==")]
    assert [(dataset.namespace, dataset.name) for dataset in lineage.outputs] == [(namespace, name)]


def test_a_download_that_failed_has_no_lineage() -> None:
    assert openlineage(SimpleNamespace(report_file=None, report_type="products")).outputs == []
