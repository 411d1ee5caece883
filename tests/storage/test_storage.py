"""Where a report's file may go: the whole file is there, or nothing of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_criteo.exceptions import DestinationError, InvalidInputError, TransientError
from airflow_provider_criteo.sandbox import Sandbox

Download = Callable[..., Any]
CUT = {"at": 1000, "times": 50}


# Local disk


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_whole_file_on_the_local_disk(download: Download, tmp_path: Path, prefix: str) -> None:
    file = tmp_path / "new folder" / "report.csv"

    report = download(f"{prefix}{file}")

    content = file.read_bytes()
    assert content.count(b"\n") == report.row_count + 1
    assert (report.size_bytes, report.sha256) == (len(content), sha256(content).hexdigest())
    assert report.url == f"{prefix}{file}"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("name", ["report?day=1.csv", "report#1.csv", "100%25.csv", "a b.csv"])
def test_a_local_url_is_the_path_that_airflow_makes_of_it(download: Download, tmp_path: Path, name: str) -> None:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    report = download(f"file://{tmp_path}/{name}")

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert ObjectStoragePath(report.url).exists()


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_local_file_that_comes_during_the_download_is_not_replaced(
    download: Download, sandbox: Sandbox, tmp_path: Path, prefix: str
) -> None:
    file = tmp_path / "report.csv"
    sandbox.hold("download", "before")
    with ThreadPoolExecutor(1) as thread:
        downloading = thread.submit(download, f"{prefix}{file}", overwrite=False)
        sandbox.wait_held("download")
        file.write_text("another's")
        sandbox.release("download")
        with pytest.raises(InvalidInputError, match="overwrite=False"):
            downloading.result()

    assert file.read_text() == "another's"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_system_without_hard_links(download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)

    download(str(tmp_path / "report.csv"), overwrite=False)

    with pytest.raises(InvalidInputError, match="overwrite=False"):
        download(str(tmp_path / "report.csv"), overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["report.csv"]


def test_a_local_file_that_must_not_be_replaced(download: Download, sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "report.csv"
    file.write_text("precious")

    with pytest.raises(InvalidInputError, match="overwrite=False"):
        download(str(file), overwrite=False)

    assert file.read_text() == "precious"
    assert sandbox.journal("download") == []


def test_a_cut_download_leaves_the_local_file_as_it_was(download: Download, sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "report.csv"
    file.write_text("yesterday's")
    sandbox.fault("download", "cut", **CUT)

    with pytest.raises(TransientError):
        download(str(file))

    assert file.read_text() == "yesterday's"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_cannot_be_made(download: Download, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(DestinationError, match="could not be written"):
        download(str(tmp_path / "file" / "report.csv"))

    assert (tmp_path / "file").read_text() == "no folder"


@pytest.mark.parametrize("kind", ["a pipe", "a link to a pipe", "a link to nowhere", "no text"])
def test_a_path_that_cannot_be_a_file_is_told_before_a_job_is_made(kind: str, sandbox: Sandbox, tmp_path: Path) -> None:
    from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to({"a link to a pipe": pipe, "a link to nowhere": "/proc/nowhere/report.csv"}.get(kind, link))
    destination = {"a pipe": str(pipe), "no text": f"{tmp_path}/a\0b"}.get(kind, str(link))
    task = ReportToObjectStorageOperator(
        task_id="report", attributes={"advertiserIds": ["1"], "lookbackWindow": 60}, destination=destination
    )
    with pytest.raises((DestinationError, InvalidInputError), match="destination="):
        task.execute({})
    assert not sandbox.journal()
    assert sorted(tmp_path.iterdir()) == [link, pipe]
    assert pipe.is_fifo()


# S3


def test_a_whole_object_in_s3(download: Download, s3: Any, tmp_path: Path) -> None:
    on_disk = download(str(tmp_path / "same.csv"))

    report = download("s3://lake/criteo/2026-11-23/report.csv", destination_conn_id="aws_default")

    content = s3.read("lake", "criteo/2026-11-23/report.csv")
    assert (report.size_bytes, report.sha256) == (len(content), sha256(content).hexdigest())
    assert report.sha256 == on_disk.sha256
    assert report.url == "s3://lake/criteo/2026-11-23/report.csv"
    assert s3.keys("lake") == ["criteo/2026-11-23/report.csv"]


def test_an_object_is_replaced_as_a_whole(download: Download, s3: Any) -> None:
    s3.client.put_object(Bucket="lake", Key="report.csv", Body=b"x" * 1_000_000)

    report = download("s3://lake/report.csv", destination_conn_id="aws_default")

    assert len(s3.read("lake", "report.csv")) == report.size_bytes
    assert s3.keys("lake") == ["report.csv"]


def test_an_object_that_must_not_be_replaced(download: Download, sandbox: Sandbox, s3: Any) -> None:
    s3.client.put_object(Bucket="lake", Key="report.csv", Body=b"precious")

    with pytest.raises(InvalidInputError, match="overwrite=False"):
        download("s3://lake/report.csv", destination_conn_id="aws_default", overwrite=False)

    assert s3.read("lake", "report.csv") == b"precious"
    assert sandbox.journal("download") == []


def test_an_object_that_is_not_there_may_be_written_without_overwrite(download: Download, s3: Any) -> None:
    download("s3://lake/report.csv", destination_conn_id="aws_default", overwrite=False)

    assert s3.keys("lake") == ["report.csv"]


def test_a_bucket_that_is_not_there_is_told_before_a_job_is_made(sandbox: Sandbox, s3: Any) -> None:
    from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator

    task = ReportToObjectStorageOperator(
        task_id="report",
        attributes={"advertiserIds": ["1"], "lookbackWindow": 60},
        destination="s3://no-such-bucket/report.csv",
        destination_conn_id="aws_default",
    )
    with pytest.raises(DestinationError, match="there is no bucket or container 'no-such-bucket'"):
        task.execute({})
    assert not sandbox.journal()


def test_a_bucket_that_is_not_there(download: Download, s3: Any) -> None:
    with pytest.raises(DestinationError, match="could not be written") as raised:
        download("s3://no-such-bucket/report.csv", destination_conn_id="aws_default")

    assert "no-such-bucket" in str(raised.value)
    assert [bucket["Name"] for bucket in s3.client.list_buckets()["Buckets"]] == ["lake"]
    assert s3.keys("lake") == []


def test_a_cut_download_leaves_nothing_in_the_bucket(download: Download, sandbox: Sandbox, s3: Any) -> None:
    sandbox.fault("download", "cut", **CUT)

    with pytest.raises(TransientError):
        download("s3://lake/report.csv", destination_conn_id="aws_default")

    assert s3.keys("lake") == []
    assert s3.unfinished("lake") == []


def test_a_storage_that_does_not_answer(
    download: Download, sandbox: Sandbox, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_NOWHERE", s3.connection().replace(s3.url, "http://127.0.0.1:9"))

    with pytest.raises(DestinationError, match="could not be written") as raised:
        download("s3://lake/report.csv", destination_conn_id="aws_nowhere")

    assert "secret" not in str(raised.value)


# What is not installed


EXTRAS = {"s3://lake/r.csv": "s3", "gs://lake/r.csv": "gcs", "abfs://lake/r.csv": "azure"}


@pytest.fixture(scope="module")
def said_without_storages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of each destination in a process of its own, which finds none of the packages."""
    code = """
import json, sys
sys.modules.update(dict.fromkeys(("s3fs", "gcsfs", "adlfs")))
from airflow_provider_criteo.utils.destination import Destination
said = {}
for destination in sys.argv[1:]:
    try:
        Destination(destination).require_writable()
    except Exception as error:
        said[destination] = f"{type(error).__name__} {error}"
print(json.dumps(said))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *EXTRAS],
        capture_output=True,
        text=True,
        env={"AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize(("destination", "extra"), EXTRAS.items())
def test_a_storage_that_is_not_installed_names_the_extra_to_install(
    destination: str, extra: str, said_without_storages: dict[str, str]
) -> None:
    assert said_without_storages[destination].startswith("InvalidInputError")
    assert f"pip install 'airflow-provider-criteo[{extra}]'" in said_without_storages[destination]


def test_a_scheme_that_no_one_knows(tmp_path: Path) -> None:
    from airflow_provider_criteo.utils.destination import Destination

    with pytest.raises(InvalidInputError, match="smb"):
        Destination("smb://server/share/r.csv").require_writable()


# Any other that fsspec can write


def test_any_other_storage_gets_the_file_under_a_hidden_name_first(download: Download, tmp_path: Path) -> None:
    from fsspec.implementations.local import LocalFileSystem

    moved: list[tuple[list[str], int]] = []

    class Share(LocalFileSystem):  # type: ignore[misc] # has no types
        protocol = ("sftp",)

        def mv(self, source: str, target: str, **options: Any) -> None:
            moved.append(([path.name for path in tmp_path.iterdir()], Path(source).stat().st_size))
            if len(moved) == 1:
                raise OSError("the connection was lost")
            super().mv(source, target, **options)

    pytest.importorskip("airflow.sdk.io").attach("sftp", fs=Share())
    with pytest.raises(DestinationError, match="the connection was lost"):
        download(f"sftp://server{tmp_path}/report.csv")
    assert not list(tmp_path.iterdir())
    report = download(f"sftp://server{tmp_path}/report.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["report.csv"]
    (there, size) = moved[1]
    assert "report.csv" not in there
    assert size == report.size_bytes
