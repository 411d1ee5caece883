"""Attributes of any class that holds names and values, with templates in them, are rendered as a dict is."""

from __future__ import annotations

from collections import ChainMap
from datetime import date
from enum import Enum
from types import MappingProxyType
from typing import Any

import pytest

from airflow_provider_criteo.operators.report_job import CreateReportJobOperator
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator


class Dimension(str, Enum):
    DAY = "Day"


@pytest.mark.parametrize("operator", [CreateReportJobOperator, ReportToObjectStorageOperator])
@pytest.mark.parametrize("mapping", [dict, ChainMap, MappingProxyType])
def test_templates_are_rendered_in_any_mapping_and_enums_are_their_values(mapping: Any, operator: Any) -> None:
    more = {"destination": "/reports/report.json"} if operator is ReportToObjectStorageOperator else {}
    attributes = {"dimensions": (Dimension.DAY,), "startDate": "{{ ds }}", "endDate": date(2026, 11, 24)}
    task = operator(
        task_id="create",
        report_type="statistics",
        attributes=mapping({**attributes, "filters": mapping({"ids": ["{{ ds }}"]})}),
        **more,
    )
    task.render_template_fields({"ds": "2026-11-24"})
    assert task.attributes == {
        "dimensions": ["Day"],
        "startDate": "2026-11-24",
        "endDate": date(2026, 11, 24),
        "filters": {"ids": ["2026-11-24"]},
    }
