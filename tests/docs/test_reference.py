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
