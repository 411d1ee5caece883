"""What the package is made of."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import airflow_provider_criteo

PACKAGE = Path(airflow_provider_criteo.__file__).parent


def modules() -> list[str]:
    """Every module of the package but those whose extra may not be installed: the sandbox's, and the tables'."""
    extras = (".sandbox",) if find_spec("pyarrow") else (".sandbox", ".tables")
    found = pkgutil.walk_packages([str(PACKAGE)], "airflow_provider_criteo.")
    return [module.name for module in found if not any(extra in module.name for extra in extras)]


def load(name: str) -> Any:
    """What a dotted name stands for."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def classes_of(module: ModuleType) -> list[type]:
    """The public classes that a module defines."""
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


OPERATORS = (
    "airflow_provider_criteo.operators.report_job.CreateReportJobOperator",
    "airflow_provider_criteo.operators.report_job.DownloadReportOperator",
    "airflow_provider_criteo.sensors.report_job.ReportJobStatusSensor",
    "airflow_provider_criteo.transfers.report_to_object_storage.ReportToObjectStorageOperator",
)
PUBLIC = (
    *OPERATORS,
    "airflow_provider_criteo.hooks.criteo.CriteoHook",
    "airflow_provider_criteo.triggers.report_job.ReportJobTrigger",
    "airflow_provider_criteo.triggers.quota_turn.QuotaTurnTrigger",
)
