"""A Criteo sandbox with a report that is done, and an S3 server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_criteo.hooks.criteo import CriteoHook
from airflow_provider_criteo.sandbox import Sandbox
from tests.support.s3_server import S3, s3_server
from tests.support.virtual_time import VirtualTime


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[Sandbox]:
    with Sandbox(rate_limit=None, cache=False) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A fresh Criteo, to which ``criteo_default`` leads."""
    _sandbox.reset()
    monkeypatch.setenv("AIRFLOW_CONN_CRITEO_DEFAULT", _sandbox.connection())
    return _sandbox


@pytest.fixture
def download(sandbox: Sandbox, time: VirtualTime) -> Callable[..., Any]:
    """Create a report that is done at once, and download it."""
    sandbox.configure(pending_seconds=0)
    hook = CriteoHook()
    job = hook.create_report_job("mpo-realtime", {"advertiserIds": ["123"], "lookbackWindow": 60})

    def download(destination: str, **options: Any) -> Any:
        return hook.download_report(job.report_id, destination, **options)

    return download


@pytest.fixture(scope="session")
def _s3() -> Iterator[S3]:
    for module in ("s3fs", "airflow.providers.amazon.aws.fs.s3", "moto.server"):
        pytest.importorskip(module)
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(_s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """An S3 server with an empty bucket ``lake``, to which ``aws_default`` leads."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", _s3.connection())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    _s3.client.create_bucket(Bucket="lake")
    yield _s3
    for key in _s3.keys("lake"):
        _s3.client.delete_object(Bucket="lake", Key=key)
    _s3.client.delete_bucket(Bucket="lake")
