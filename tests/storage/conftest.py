"""A Criteo sandbox with a report that is done, and an S3 server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_criteo.hooks.criteo import CriteoHook
from airflow_provider_criteo.sandbox import Sandbox


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
def download(sandbox: Sandbox) -> Callable[..., Any]:
    """Create a report that is done at once, and download it."""
    sandbox.configure(pending_seconds=0)
    hook = CriteoHook()
    job = hook.create_report_job("mpo-realtime", {"advertiserIds": ["123"], "lookbackWindow": 60})

    def download(destination: str, **options: Any) -> Any:
        return hook.download_report(job.report_id, destination, **options)

    return download


class S3:
    """What stands in the buckets, seen by a client of its own."""

    def __init__(self, url: str) -> None:
        import boto3

        self.url = url
        self.client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="id", aws_secret_access_key="secret", region_name="us-east-1"
        )

    def connection(self) -> str:
        """A connection of type ``aws``, as a user of an S3 of their own writes it."""
        extra = {"endpoint_url": self.url, "region_name": "us-east-1"}
        return json.dumps({"conn_type": "aws", "login": "id", "password": "secret", "extra": extra})

    def keys(self, bucket: str) -> list[str]:
        """The objects of a bucket."""
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def read(self, bucket: str, key: str) -> bytes:
        """An object's content."""
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def unfinished(self, bucket: str) -> list[dict[str, Any]]:
        """Uploads that were begun and not ended."""
        return self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])


@pytest.fixture(scope="session")
def _s3() -> Iterator[S3]:
    pytest.importorskip("s3fs")
    pytest.importorskip("airflow.providers.amazon.aws.fs.s3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()


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
