"""Downloads into Google Cloud Storage, played by an emulator; ``make test-optional`` installs what this needs."""

from __future__ import annotations

import hashlib
import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_criteo.exceptions import InvalidInputError
from airflow_provider_criteo.sandbox import Sandbox
from dev.system import free_port

# Read at its import; else gcsfs asks Google itself what kind of bucket this is, for a minute.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
for _module in ("gcsfs", "airflow.providers.google.cloud.fs.gcs", "gcp_storage_emulator"):
    pytest.importorskip(_module)


@pytest.fixture(scope="module")
def gcs() -> Iterator[str]:
    """The URL of an emulator that has a bucket ``lake``."""
    from gcp_storage_emulator.server import create_server

    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="lake")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def _connection(gcs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"is_anonymous": True, "gcs.endpoint": gcs, "project": "test"}
    connection = {"conn_type": "google_cloud_platform", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(connection))


def test_a_report_is_whole_in_the_bucket(gcs: str, sandbox: Sandbox, download: Callable[..., Any]) -> None:
    sandbox.configure(file_rows=50_000)
    report = download("gs://lake/criteo/report.csv", destination_conn_id="google_cloud_default")
    with urllib.request.urlopen(f"{gcs}/download/storage/v1/b/lake/o/criteo%2Freport.csv?alt=media") as stored:
        content = stored.read()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (report.size_bytes, report.sha256)


def test_an_object_that_stands_there_is_kept_if_asked_for(sandbox: Sandbox, download: Callable[..., Any]) -> None:
    download("gs://lake/criteo/kept.csv", destination_conn_id="google_cloud_default")
    with pytest.raises(InvalidInputError, match="exists, and overwrite=False"):
        download("gs://lake/criteo/kept.csv", destination_conn_id="google_cloud_default", overwrite=False)
