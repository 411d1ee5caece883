"""The Reference has the types and the defaults of what it lists."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

griffe = pytest.importorskip("griffe")

ROOT = Path(__file__).parents[2]
NAMED = [
    name for page in (ROOT / "docs" / "reference").glob("*.md") for name in re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)
]  # fmt: skip


@pytest.fixture(scope="module")
def package() -> Any:
    extensions = griffe.load_extensions(str(ROOT / "dev" / "inherited_parameters.py"))
    return griffe.load("airflow_provider_criteo", search_paths=[ROOT], docstring_parser="sphinx", extensions=extensions)


@pytest.mark.parametrize("name", NAMED)
def test_what_is_said_to_be_required_has_no_default(package: Any, name: str) -> None:
    module, _, attribute = name.rpartition(".")
    documented = package[name.removeprefix("airflow_provider_criteo.")]
    cls = getattr(importlib.import_module(module), attribute)
    if not documented.is_class or not documented.docstring:
        return
    required = {
        parameter.name
        for base in (cls, *cls.__mro__)
        if "__init__" in vars(base) and base.__module__.startswith("airflow_provider_criteo")
        for parameter in inspect.signature(base).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    }
    for section in documented.docstring.parsed:
        if section.kind is griffe.DocstringSectionKind.parameters:
            for parameter in section.value:
                assert parameter.annotation is not None, parameter.name
                assert (parameter.default is None) == (parameter.name in required), parameter.name


@pytest.mark.parametrize(
    ("parameter", "default"),
    [
        ("operators.report_job.CreateReportJobOperator(report_type)", "'mpo-realtime'"),
        ("sensors.report_job.ReportJobStatusSensor(criteo_conn_id)", "'criteo_default'"),
        ("api.report_type.ReportType(dates)", "DateKind.WHOLE_DAYS"),
        ("sandbox.settings.Settings(clients)", "{}"),
    ],
)
def test_a_default_is_a_value_and_not_the_name_of_a_constant(package: Any, parameter: str, default: str) -> None:
    cls, _, name = parameter.rstrip(")").partition("(")
    assert str(package[cls]["__init__"].parameters[name].default) == default
