"""Downloads into Azure, played by Microsoft's emulator Azurite; ``make test-optional`` installs what this needs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_criteo.exceptions import DestinationError, InvalidInputError, TransientError
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.utils.destination import Destination
from dev.system import accepts_connections, free_port

for _module in ("adlfs", "airflow.providers.microsoft.azure.fs.adls"):
    pytest.importorskip(_module)

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

AZURITE = Path(sys.prefix, "azurite", "node_modules", ".bin", "azurite-blob")
if not AZURITE.exists():
    pytest.skip("Azurite is not installed: make test-optional does it, where there is npm", allow_module_level=True)

Download = Callable[..., Any]
KEY, WRONG_KEY = (base64.b64encode(text).decode() for text in (b"the key of the account", b"of another account"))
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "storage.md"


def connection(url: str, key: str) -> str:
    """A connection of type ``wasb``, as a user of an emulator writes it."""
    text = f"DefaultEndpointsProtocol=http;AccountName=criteo;AccountKey={key};BlobEndpoint={url}/criteo"
    return json.dumps({"conn_type": "wasb", "extra": {"connection_string": text}})


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an emulator with an account ``criteo``."""
    port = free_port()
    options = ["--blobPort", str(port), "--location", str(tmp_path_factory.mktemp("azurite"))]
    # The client for Python speaks newer versions of the API than the emulator lists.
    options += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    server = subprocess.Popen(
        [AZURITE, *options], env=os.environ | {"AZURITE_ACCOUNTS": f"criteo:{KEY}"}, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while not accepts_connections(port):
            assert server.poll() is None, "Azurite ended"
            assert time.monotonic() < deadline, "Azurite did not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def lake(azurite: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ContainerClient]:
    """An empty container ``lake``, to which ``wasb_default`` leads, seen by a client of its own."""
    from azure.storage.blob import BlobServiceClient

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", connection(azurite, KEY))
    with BlobServiceClient(f"{azurite}/criteo", credential=KEY) as client:
        yield client.create_container("lake")
        client.delete_container("lake")


def test_a_report_is_whole_in_the_container(download: Download, sandbox: Sandbox, lake: ContainerClient) -> None:
    sandbox.configure(file_rows=50_000)

    report = download("abfs://lake/criteo/report.csv", destination_conn_id="wasb_default")

    content = lake.download_blob("criteo/report.csv").readall()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (report.size_bytes, report.sha256)
    assert list(lake.list_blob_names()) == ["criteo/report.csv"]


@pytest.mark.parametrize("url", ["abfss://lake/report.csv", "abfs://wasb_default@lake/report.csv"])
def test_other_ways_to_write_the_destination(download: Download, lake: ContainerClient, url: str) -> None:
    download(url, destination_conn_id=None if "@" in url else "wasb_default")

    assert list(lake.list_blob_names()) == ["report.csv"]


def test_an_object_is_replaced_as_a_whole(download: Download, lake: ContainerClient) -> None:
    lake.upload_blob("report.csv", b"x" * 1_000_000)

    report = download("abfs://lake/report.csv", destination_conn_id="wasb_default")

    assert hashlib.sha256(lake.download_blob("report.csv").readall()).hexdigest() == report.sha256


def test_a_cut_download_leaves_the_container_as_it_was(
    download: Download, sandbox: Sandbox, lake: ContainerClient
) -> None:
    lake.upload_blob("report.csv", b"yesterday's")
    sandbox.fault("download", "cut", at=1000, times=50)

    with pytest.raises(TransientError):
        download("abfs://lake/report.csv", destination_conn_id="wasb_default")

    assert lake.download_blob("report.csv").readall() == b"yesterday's"
    assert [blob.name for blob in lake.list_blobs(include=["uncommittedblobs"])] == ["report.csv"]


def test_an_object_that_must_not_be_replaced(download: Download, sandbox: Sandbox, lake: ContainerClient) -> None:
    lake.upload_blob("report.csv", b"precious")

    with pytest.raises(InvalidInputError, match="exists, and overwrite=False"):
        download("abfs://lake/report.csv", destination_conn_id="wasb_default", overwrite=False)

    assert lake.download_blob("report.csv").readall() == b"precious"
    assert sandbox.journal("download") == []


def test_an_object_that_is_not_there_may_be_written_without_overwrite(
    download: Download, lake: ContainerClient
) -> None:
    download("abfs://lake/report.csv", destination_conn_id="wasb_default", overwrite=False)

    assert list(lake.list_blob_names()) == ["report.csv"]


def test_a_container_that_is_not_there(download: Download, lake: ContainerClient) -> None:
    with pytest.raises(DestinationError, match=r"there is no bucket or container 'nowhere'") as raised:
        download("abfs://nowhere/report.csv", destination_conn_id="wasb_default")

    assert KEY not in str(raised.value)


def test_a_key_that_is_refused(
    download: Download, azurite: str, lake: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WASB_REFUSED", connection(azurite, WRONG_KEY))

    with pytest.raises(DestinationError, match=r"could not be written: .*failed to authenticate") as raised:
        download("abfs://lake/report.csv", destination_conn_id="wasb_refused")

    assert "mend the storage or its connection" in str(raised.value)
    assert WRONG_KEY not in str(raised.value)
    assert list(lake.list_blob_names()) == []


def test_a_connection_that_names_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    nameless = {"conn_type": "wasb", "login": "myaccount", "password": KEY}
    monkeypatch.setenv("AIRFLOW_CONN_WASB_NAMELESS", json.dumps(nameless))

    with pytest.raises(DestinationError, match="account_name") as raised:
        Destination("abfs://lake/report.csv", "wasb_nameless").require_writable()

    assert "pip install" not in str(raised.value)
    assert KEY not in str(raised.value)


def test_the_connection_in_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    found = re.search(r"AIRFLOW_CONN_WASB_DEFAULT='(.+)'", DOCUMENTATION.read_text())
    assert found
    monkeypatch.setenv("AIRFLOW_CONN_WASB_DOCUMENTED", found[1])

    storage = ObjectStoragePath("abfs://lake/report.csv", conn_id="wasb_documented").fs

    assert storage.service_client.url == "https://myaccount.blob.core.windows.net/"
    assert storage.service_client.credential.account_key == json.loads(found[1])["password"]


def test_a_managed_identity_needs_no_more_than_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.common.compat.sdk import ObjectStoragePath
    from azure.identity.aio import DefaultAzureCredential

    connection = {"conn_type": "wasb", "extra": {"account_name": "myaccount", "anon": False}}
    monkeypatch.setenv("AIRFLOW_CONN_WASB_IDENTITY", json.dumps(connection))

    storage = ObjectStoragePath("abfs://lake/report.csv", conn_id="wasb_identity").fs

    assert storage.service_client.url == "https://myaccount.blob.core.windows.net/"
    # It asks the machine for its identity, among others.
    assert isinstance(storage.service_client.credential, DefaultAzureCredential)


def test_a_large_upload_does_not_fill_the_memory(lake: ContainerClient) -> None:
    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    before = peak()
    with Destination("abfs://lake/large.csv", "wasb_default").new_file() as file:
        file.truncate(256 * 2**20)

    assert lake.get_blob_client("large.csv").get_blob_properties().size == 256 * 2**20
    assert peak() - before < 100
