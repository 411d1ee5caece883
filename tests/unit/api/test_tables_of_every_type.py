"""Every report type in every format it offers: the same schema on a full day and on an empty one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_criteo.api.client import CriteoClient
from airflow_provider_criteo.api.reports import REPORT_TYPES
from airflow_provider_criteo.api.tables import read_report
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.report_types import ATTRIBUTES

NAME_NO_COLUMNS = {"rm-revenue", "rm-campaigns", "rm-line-items", "rm-accounts"}
CASES = [(row.id, file_format) for row in REPORT_TYPES.values() for file_format in row.formats]


@pytest.mark.parametrize(("report_type", "file_format"), CASES)
def test_a_full_and_an_empty_report_have_one_schema(
    report_type: str, file_format: str, criteo_sandbox: Sandbox, make_client: Any, tmp_path: Path
) -> None:
    row = REPORT_TYPES[report_type]
    named = {row.format_attribute: file_format} if row.format_attribute else {}
    # An empty JSON file tells no columns: these requests name some, where Criteo does not ask for them.
    columns = {"dimensions": ["date"], "metrics": ["clicks"]} if report_type in NAME_NO_COLUMNS else {}
    attributes = {**ATTRIBUTES[report_type], **named, **columns}
    client: CriteoClient = make_client(criteo_sandbox)

    def schema_of(rows: int) -> Any:
        criteo_sandbox.reset()
        criteo_sandbox.next_job(file_rows=rows)
        account = "1" if row.needs_account_id else None
        job = client.create_report_job(report_type, attributes, account)
        client.download_report(job.report_id, tmp_path / "report", report_type)
        reader = read_report(tmp_path / "report", report_type, attributes)
        assert reader.read_all().num_rows == rows
        return reader.schema

    full, empty = schema_of(3), schema_of(0)
    assert full.names == empty.names
    assert full.types == empty.types
