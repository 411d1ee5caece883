"""A real Airflow and a Criteo sandbox for it: one of each for all tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack
from tests.support.s3_server import S3, s3_server

ROOT = Path(__file__).parents[2]

# Every character that a form has to encode.
SECRET = "a+b/c=d&e%f"


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[Sandbox]:
    with Sandbox(client_secret=SECRET, rate_limit=None, cache=False) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_sandbox: Sandbox) -> Sandbox:
    """A fresh Criteo, to which the connection ``criteo_default`` leads: no quota, every create makes a job."""
    _sandbox.reset()
    return _sandbox


@pytest.fixture(scope="session")
def dags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DAGs of the tests and the examples."""
    folder = tmp_path_factory.mktemp("dags")
    shutil.copytree(Path(__file__).parent / "dags", folder / "tests")
    shutil.copytree(ROOT / "airflow_provider_criteo" / "example_dags", folder / "examples")
    return folder


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reports are downloaded to."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """An S3 server with a bucket ``lake``, to which ``aws_default`` leads."""
    with s3_server() as server:
        server.client.create_bucket(Bucket="lake")
        yield server


@pytest.fixture(scope="session")
def criteo_env(_sandbox: Sandbox, lake: Path, s3: S3) -> dict[str, str]:
    """What a stack needs to work with the sandbox and the S3 server."""
    return {
        "AIRFLOW_CONN_CRITEO_DEFAULT": _sandbox.connection(),
        "AIRFLOW_CONN_CRITEO_WRONG": _sandbox.connection().replace(SECRET, "wr+ong/se=cr&et%"),
        "AIRFLOW_CONN_AWS_DEFAULT": s3.connection(),
        "CRITEO_LAKE": f"file://{lake}",
        "CRITEO_BUCKET": "s3://lake/criteo",
    }


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, dags_folder: Path, criteo_env: dict[str, str]
) -> Iterator[AirflowStack]:
    """A running Airflow; it logs all it can."""
    home = tmp_path_factory.mktemp("airflow")
    with AirflowStack(home, dags_folder, database="postgres", env=criteo_env, log_level="DEBUG") as stack:
        yield stack
