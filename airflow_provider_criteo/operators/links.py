"""Links that the task's page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_criteo.api.reports import DEFAULT_REPORT_TYPE, DOCS, REPORT_TYPES

if TYPE_CHECKING:
    from airflow.models import BaseOperator
    from airflow.models.taskinstancekey import TaskInstanceKey


class ReportTypeDocumentationLink(BaseOperatorLink):
    """Criteo's documentation of the task's report type."""

    name = "Criteo documentation"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # type: ignore[override] # its path differs by version
        """The page of the report type, or of all where it is not known."""
        row = REPORT_TYPES.get(getattr(operator, "report_type", DEFAULT_REPORT_TYPE))
        return row.docs_url if row else DOCS
