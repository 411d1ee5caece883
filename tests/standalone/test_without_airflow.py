"""``airflow_provider_criteo.api`` alone: in an environment that has no Airflow, against a sandbox of its own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text("utf-8")
(NEEDED,) = (line.split() for line in re.findall(r"^pip install ([\w ]+)$", PAGE, re.MULTILINE))
"""All that the page says to install beside the package."""
SCRIPTS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def python(pytestconfig: pytest.Config) -> Path:
    """A Python with what the api package needs and nothing else; kept between runs."""
    name = hashlib.sha256("|".join((*NEEDED, sys.version, str(ROOT))).encode()).hexdigest()[:12]
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir(f"without-airflow-{name}")
    python = folder / "bin" / "python"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            make_environment(folder, python)
    return python


def make_environment(folder: Path, python: Path) -> None:
    uv = shutil.which("uv")
    make = [uv, "venv", "--quiet", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    install = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    subprocess.run([*make, "--clear", folder], check=True, timeout=600)
    subprocess.run([*install, "--quiet", *NEEDED], check=True, timeout=600)
    (folder / "complete").touch()


@pytest.fixture
def environment() -> dict[str, str]:
    """The package's sources on the path."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def sandbox_environment(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """And a sandbox process to talk to."""
    arguments = ["--port", "0", "--pending-seconds", "0", "--client-secret", "a+b/c=d&e%f"]
    sandbox = subprocess.Popen(
        [sys.executable, "-m", "airflow_provider_criteo.sandbox", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert sandbox.stdout is not None
        said = ""
        for line in sandbox.stdout:
            said += line
            if line.startswith("export "):
                break
        told = dict(re.findall(r"^(Criteo sandbox|client id|client secret) +(\S+)$", said, re.MULTILINE))
        yield {
            **environment,
            "CRITEO_URL": told["Criteo sandbox"],
            "CRITEO_CLIENT_ID": told["client id"],
            "CRITEO_CLIENT_SECRET": told["client secret"],
        }
    finally:
        sandbox.terminate()
        sandbox.wait(30)


def run(python: Path, code: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-c", code], env=environment, cwd=folder, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=["report", "catalogue", "error"])
def test_a_documented_script_runs(
    script: str, python: Path, sandbox_environment: dict[str, str], tmp_path: Path
) -> None:
    done = run(python, script.replace("/tmp/criteo", str(tmp_path)), sandbox_environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_documented_report_is_whole(python: Path, sandbox_environment: dict[str, str], tmp_path: Path) -> None:
    done = run(python, SCRIPTS[0].replace("/tmp/criteo", str(tmp_path)), sandbox_environment, tmp_path)
    file = tmp_path / "report.csv"
    rows = file.read_text().splitlines()
    assert done.stdout == f"{file} {file.stat().st_size} {len(rows) - 1}\n"
    assert len(rows) == 11


def test_the_first_example_has_ten_lines() -> None:
    assert len([line for line in SCRIPTS[0].splitlines() if line.strip()]) <= 10


def test_there_is_no_airflow(python: Path, environment: dict[str, str], tmp_path: Path) -> None:
    done = run(python, "import airflow", environment, tmp_path)
    assert done.returncode == 1
    assert "No module named 'airflow'" in done.stderr


def test_no_module_of_the_api_needs_more(python: Path, environment: dict[str, str], tmp_path: Path) -> None:
    modules = sorted(path.stem for path in (ROOT / "airflow_provider_criteo" / "api").glob("*.py"))
    assert "client" in modules
    names = [f"airflow_provider_criteo.api{'' if name == '__init__' else f'.{name}'}" for name in modules]
    done = run(python, "\n".join(f"import {name}" for name in names), environment, tmp_path)
    assert done.returncode == 0, done.stderr
