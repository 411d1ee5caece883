"""What importing the package, and parsing a DAG file, costs and does. Each check is a process of its own."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from package_parts import PUBLIC, classes_of, load, modules

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "airflow_provider_criteo" / "example_dags").glob("*.py"))
# A bare Airflow loads none of them; a DAG file is parsed again and again.
HEAVY = ("requests", "urllib3", "aiohttp", "pandas", "boto3", "botocore", "s3fs", "google.cloud", "adlfs", "fastapi")


def run(code: str, *arguments: str, home: Path) -> str:
    """Run Python; its last line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    environment |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, cwd=home
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


IMPORT = """
import importlib, json, sys, warnings
import airflow.providers.common.compat.sdk as sdk
sdk.BaseSensorOperator, sdk.BaseOperator, sdk.BaseHook, sdk.conf
caught = []
def show(message, category, filename, lineno, *_):
    caught.append(f"{category.__name__}: {message} ({filename}:{lineno})")
warnings.simplefilter("always")
warnings.showwarning = show
before = set(sys.modules)
import airflow_provider_criteo.sensors.report_job
import airflow_provider_criteo.operators.report_job
import airflow_provider_criteo.transfers.report_to_object_storage
import airflow_provider_criteo.triggers.report_job
light = sorted(set(sys.modules) - before)
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for attribute in dir(module):
        getattr(module, attribute)
print(json.dumps({"light": light, "warnings": [text for text in caught if "airflow_provider_criteo" in text]}))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What importing sensor and operators, and then every module, did."""
    return json.loads(run(IMPORT, *modules(), home=tmp_path_factory.mktemp("home")))


def test_every_module_imports_without_a_deprecation(imported: dict[str, Any]) -> None:
    assert imported["warnings"] == []


def test_importing_sensor_and_operators_stays_light(imported: dict[str, Any]) -> None:
    assert [name for name in imported["light"] if name.startswith(HEAVY)] == []
    assert "airflow_provider_criteo.sensors.report_job" in imported["light"]
    for not_to_parse in ("api.client", "api.tables", "hooks.criteo", "utils.report_table", "triggers.poller"):
        assert f"airflow_provider_criteo.{not_to_parse}" not in imported["light"]


def taken_from_airflow() -> list[tuple[str, str, str]]:
    """Module of the package, module of Airflow, name: of every import that is not for type checkers alone, nor tried, nor looked for."""
    found = []

    def visit(node: ast.AST, module: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Try) or (
                isinstance(child, ast.If) and re.search("TYPE_CHECKING|hasattr", ast.unparse(child.test))
            ):
                continue
            if isinstance(child, ast.ImportFrom) and (child.module or "").startswith("airflow."):
                found.extend((module, child.module or "", alias.name) for alias in child.names)
            visit(child, module)

    for module in modules():
        file = importlib.util.find_spec(module).origin
        visit(ast.parse(Path(file).read_text()), module)
    return found


def test_this_airflow_has_every_name_that_the_package_takes_from_it() -> None:
    # Most are imported inside a function, so that importing the package does not show that one is missing.
    missing = [
        taken
        for taken in taken_from_airflow()
        if "openlineage" not in taken[1] and not hasattr(importlib.import_module(taken[1]), taken[2])
    ]

    assert len(taken_from_airflow()) > 20
    assert missing == []


def test_public_classes_belong_to_the_package() -> None:
    for name in PUBLIC:
        cls = load(name)
        module = name.rpartition(".")[0]
        assert isinstance(cls, type)
        assert cls.__module__ == module
        assert cls in classes_of(sys.modules[module])
        assert cls.__doc__


PARSE = """
import importlib.util, json, sys, time, warnings
import airflow.providers.common.compat.sdk as sdk
from airflow import DAG
from airflow.models.connection import Connection
sdk.BaseSensorOperator, sdk.BaseOperator, sdk.task, DAG
looked_up, caught = [], []
def refuse(*arguments, **keywords):
    looked_up.append(str(arguments))
    raise AssertionError("a connection was looked up while the DAG file was parsed")
sdk.BaseHook.get_connection = classmethod(refuse)
Connection.get_connection_from_secrets = classmethod(refuse)
if sdk.Connection is not Connection:
    sdk.Connection.get = classmethod(refuse)
warnings.simplefilter("always")
def show(message, category, filename, *_):
    caught.append(f"{category.__name__}: {message} ({filename})")
warnings.showwarning = show
parsed = {}
for file in sys.argv[1:]:
    caught.clear()
    spec = importlib.util.spec_from_file_location("example", file)
    module = importlib.util.module_from_spec(spec)
    cpu = time.process_time()
    spec.loader.exec_module(module)
    parsed[file] = {"seconds": time.process_time() - cpu, "warnings": list(caught), "looked_up": list(looked_up)}
print(json.dumps(parsed))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What parsing each example did."""
    return json.loads(run(PARSE, *map(str, EXAMPLES), home=tmp_path_factory.mktemp("home")))


@pytest.mark.parametrize("file", EXAMPLES, ids=[file.stem for file in EXAMPLES])
def test_an_example_dag_is_parsed_fast_without_a_look_up_or_a_warning(file: Path, parsed: dict[str, Any]) -> None:
    result = parsed[str(file)]

    assert result["looked_up"] == []
    assert [text for text in result["warnings"] if "criteo" in text] == []
    assert result["seconds"] < 1


def test_there_is_an_example_for_every_way_of_working() -> None:
    assert {file.stem.removeprefix("example_criteo_") for file in EXAMPLES} >= {
        "report",
        "one_task",
        "many_advertisers",
        "backfill",
        "retail_media",
        "existing_job",
        "to_s3",
        "on_failure",
    }


COMMAND = """
import sys
from airflow.__main__ import main
for what in ("list", "hooks"):
    sys.argv = ["airflow", "providers", what, "--output", "json"]
    main()
"""


def test_the_airflow_command_shows_the_provider(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND],
        env=environment | {"AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    for text in (
        "airflow-provider-criteo",
        version("airflow-provider-criteo"),
        "airflow_provider_criteo.hooks.criteo.CriteoHook",
    ):
        assert text in done.stdout
    assert "criteo" not in done.stderr.lower(), done.stderr
