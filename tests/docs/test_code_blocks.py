"""Every code block of README and documentation runs as it stands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.request import Request, urlopen

import duckdb
import pyarrow
import pyarrow.parquet as pq
import pytest
from code_blocks import BLOCKS, LANGUAGES, ROOT, Block, blocks_in

from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.sandbox.app import DEFAULT_SECRET
from airflow_provider_criteo.sandbox.settings import SETTINGS
from dev.matrix.__main__ import PYTHONS

DAGS = [block for block in BLOCKS if block.is_dag and not block.title]
TITLED = [block for block in BLOCKS if block.title]
COMPILED = [block for block in BLOCKS if block.compile_only]
SCRIPTS = [block for block in BLOCKS if block.language == "python" and block not in DAGS + TITLED + COMPILED]
RUNNABLE_DAGS = [block for block in DAGS if not block.compile_only]
SHELL = [block for block in BLOCKS if block.language == "shell"]
COMMANDS = [(block, command) for block in SHELL for command in block.commands()]
AIRFLOW_COMMANDS = [command[1:] for _, command in COMMANDS if command[0] == "airflow"]
SANDBOX_MODULE = "airflow_provider_criteo.sandbox"
LAKE = "/tmp/criteo"


def ids(blocks: list[Block]) -> list[str]:
    return [block.id for block in blocks]


def documented_connections() -> dict[str, str]:
    """Every connection that a page shows, by where it stands."""
    found = {block.id: block.source for block in BLOCKS if block.language == "json"}
    for block, command in COMMANDS:
        for word in command[1:] if command[0] == "export" else ():
            name, _, value = word.partition("=")
            if name.startswith("AIRFLOW_CONN_"):
                found[f"{block.id} {name}"] = value
    return found


CONNECTIONS = documented_connections()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A Criteo whose jobs are done as soon as they are created: no block waits."""
    with Sandbox(pending_seconds=0, done_at_creation=True, rate_limit=None) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def airflow_env(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> dict[str, str]:
    """The environment of a fresh Airflow, its database made."""
    home = tmp_path_factory.mktemp("airflow")
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_CRITEO_DEFAULT": sandbox.connection(),
        "PYTHONWARNINGS": "ignore",
    }
    (home / "dags").mkdir()
    migrated = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"], env=env, capture_output=True, text=True, timeout=900
    )
    assert migrated.returncode == 0, migrated.stderr
    return env


@pytest.fixture(scope="module")
def airflow(airflow_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow makes of DAG blocks, connections and commands, in one process, as its start is what takes long."""
    dags, lake = Path(airflow_env["AIRFLOW__CORE__DAGS_FOLDER"]), tmp_path_factory.mktemp("lake")
    for block in RUNNABLE_DAGS:
        (dags / file_name(block)).write_text(block.source.replace(LAKE, str(lake)))
    asked = tmp_path_factory.mktemp("asked") / "asked.json"
    asked.write_text(
        json.dumps(
            {
                "connections": CONNECTIONS,
                "commands": AIRFLOW_COMMANDS,
                "dags_folder": str(dags),
                "lake": str(lake),
            }
        )
    )
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("airflow_runner.py")), str(asked)],
        env=airflow_env,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    print(run.stdout[-20_000:], run.stderr[-20_000:])
    assert run.returncode == 0, run.stderr[-5_000:]
    results: dict[str, Any] = json.loads(asked.with_suffix(".results").read_text())
    return results


def file_name(block: Block) -> str:
    return re.sub(r"\W", "_", block.id) + ".py"


@pytest.mark.parametrize("block", BLOCKS, ids=ids(BLOCKS))
def test_a_block_names_its_language_and_python_compiles(block: Block) -> None:
    assert block.language in LANGUAGES
    if block.language == "python":
        compile(block.source, block.id, "exec")


def test_only_what_needs_somebody_elses_service_is_not_run() -> None:
    services = {"docs/storage.md", "docs/guides/downstream.md"}
    assert {block.page for block in COMPILED if block.is_dag} == services
    # test_notebook.py runs it.
    assert [block.page for block in COMPILED if not block.is_dag] == ["docs/guides/notebook.md"]


@pytest.mark.parametrize("block", RUNNABLE_DAGS, ids=ids(RUNNABLE_DAGS))
def test_a_dag_block_runs(block: Block, airflow: dict[str, Any]) -> None:
    result = airflow["dags"][file_name(block)]
    assert result["state"] == "success"
    assert bool(result["files"]) == ("destination" in block.source)


def test_the_first_dag_of_the_readme_is_well_typed(tmp_path: Path) -> None:
    first = next(block for block in DAGS if block.page == "README.md")
    (tmp_path / "first_dag.py").write_text(first.source)
    # Without the configuration of this repository, as a user's own DAGs are checked.
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "first_dag.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("block", SCRIPTS, ids=ids(SCRIPTS))
def test_a_script_block_runs(
    block: Block, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from airflow_provider_criteo.api.reports import REPORT_TYPES

    monkeypatch.setenv("CRITEO_CLIENT_ID", sandbox.client_id)
    monkeypatch.setenv("CRITEO_CLIENT_SECRET", sandbox.client_secret)
    monkeypatch.setenv("CRITEO_URL", sandbox.url)
    with mock.patch.dict(REPORT_TYPES):
        exec(compile(block.source.replace(LAKE, str(tmp_path)), block.id, "exec"), {"__name__": "block"})
    if "print(" in block.source:
        assert capsys.readouterr().out.strip()


def test_an_accounts_check_finds_what_is_there_twice(tmp_path: Path) -> None:
    day = date(2026, 11, 1)
    once = pyarrow.table({"date": [day, day], "accountId": ["7", "8"]})
    for name, table in {"day=2026-11-01/part": once, "day=2026-11-01/other": once.slice(1)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(table, tmp_path / f"{name}.parquet")
    (check,) = (block for block in SCRIPTS if block.page == "docs/guides/account.md" and "def twice" in block.source)
    folder = "/tmp/criteo/accounts"
    names: dict[str, Any] = {}
    exec(check.source.replace(folder, str(tmp_path)), names)
    (query,) = re.findall(r"In DuckDB: `([^`]+)`", (ROOT / "docs/guides/account.md").read_text())
    assert names["twice"](str(tmp_path)) == [(day, "8")]
    assert duckdb.sql(query.replace(folder, str(tmp_path))).fetchall() == [(day, "8")]


def test_the_tests_that_the_documentation_shows_pass(airflow_env: dict[str, str], tmp_path: Path) -> None:
    assert {block.title for block in TITLED} == {"conftest.py", "my_dag.py", "test_my_dag.py"}
    for block in TITLED:
        (tmp_path / block.title).write_text(block.source.replace(LAKE, str(tmp_path / "lake")))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), "-p", "no:cacheprovider", str(tmp_path)],
        env={**airflow_env, "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert run.returncode == 0, run.stdout[-10_000:]
    assert "3 passed" in run.stdout


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_connection_is_read_as_it_is_written(name: str, airflow: dict[str, Any]) -> None:
    read = airflow["connections"][name]
    assert isinstance(read, list), read
    if len(read) == 1:
        assert read[0] in ("aws", "google_cloud_platform", "wasb")
        return
    client_id, secret, url = read
    if url.startswith("http://127.0.0.1"):
        assert (client_id, secret, url) == ("criteo-sandbox", DEFAULT_SECRET, "http://127.0.0.1:8000")
    else:
        assert client_id == "my-client-id"
        assert secret in ("my-client-secret", "my+client/secret", "my+client/secret=")
        assert url == "https://api.criteo.com"


@pytest.mark.parametrize(("block", "command"), COMMANDS, ids=[f"{block.id} {' '.join(c[:3])}" for block, c in COMMANDS])
def test_a_command_exists(block: Block, command: list[str], sandbox: Sandbox, airflow: dict[str, Any]) -> None:
    check = {
        "make": check_make,
        "pip": check_pip,
        "python": check_python,
        "export": check_export,
        "curl": lambda words: check_curl(words, sandbox),
        "airflow": lambda words: check_airflow(words, airflow),
    }.get(command[0])
    assert check is not None, f"{block.id}: nobody checks the command {command[0]!r}"
    check(command[1:])


def check_make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert words
    assert set(words) <= set(targets)


def check_pip(words: list[str]) -> None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = {"requests", "pendulum"} | {
        f"apache-airflow-providers-{name}" for name in ("amazon", "google", "microsoft-azure")
    }
    assert words[0] == "install"
    for word in words[1:]:
        if word in ("--no-deps", "--upgrade") or word in known:
            continue
        if word.startswith("apache-airflow=="):
            assert word.removeprefix("apache-airflow==") in PYTHONS
            continue
        name, _, extras = word.rstrip("]").partition("[")
        assert name == project["name"]
        assert set(filter(None, extras.split(","))) <= set(project["optional-dependencies"])


def check_python(words: list[str]) -> None:
    assert words[:2] == ["-m", SANDBOX_MODULE]
    options = {word.removeprefix("--").replace("-", "_") for word in words if word.startswith("--")}
    assert options <= {*SETTINGS, "port", "host", "client_id", "client_secret", "journal"}


def check_export(words: list[str]) -> None:
    # Its value is checked as a connection.
    assert all(word.startswith("AIRFLOW_CONN_") for word in words)


def check_curl(words: list[str], sandbox: Sandbox) -> None:
    (url,) = (word for word in words if word.startswith("http"))
    assert {word for word in words if word.startswith("-")} <= {"-X", "-H", "-d"}
    body = words[words.index("-d") + 1].encode() if "-d" in words else None
    request = Request(url.replace("http://127.0.0.1:8000", sandbox.url), body, method="POST" if body else "GET")
    request.add_header("Content-Type", "application/json")
    with urlopen(request, timeout=10) as response:
        json.load(response)
    sandbox.reset()


def check_airflow(words: list[str], airflow: dict[str, Any]) -> None:
    assert airflow["commands"][AIRFLOW_COMMANDS.index(words)] is None


def test_blocks_are_found_with_what_is_said_of_them() -> None:
    text = (
        "a\n\n<!-- compile only: why -->\n```python title=\"x.py\"\nb = 1\n```\n\n```shell\nmake 'a\nb'\nmake c\n```\n"
    )
    first, second = blocks_in(text, "page.md")
    assert (first.line, first.language, first.title, first.compile_only) == (4, "python", "x.py", True)
    assert (second.line, second.language, second.compile_only) == (8, "shell", False)
    assert second.commands() == [["make", "a\nb"], ["make", "c"]]
