"""Where a report's file goes: published in one step, never half there."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_criteo.api.exceptions import CriteoError
from airflow_provider_criteo.api.files import atomic_file, sha256_of
from airflow_provider_criteo.api.models import DownloadedReport
from airflow_provider_criteo.exceptions import DestinationError, InvalidInputError

Report = TypeVar("Report", bound=DownloadedReport)

LOCAL_SCHEMES = ("file", "local")
_AZURE = ("abfs", "abfss")
_AZURE_ELSEWHERE = ("adl", "az", "wasb", "wasbs")
"""Schemes that others take for Azure, and ``ObjectStoragePath`` does not."""

_EXTRAS = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gcs"),
    **dict.fromkeys(_AZURE, "azure"),
}
"""The extra of this package that brings what Airflow needs for a scheme."""

_BUCKET_STORES = frozenset(_EXTRAS)
_WHOLE_OBJECT_STORES = frozenset({*_BUCKET_STORES, "memory"})
"""Where an object appears when its upload is complete, and not before."""


class Destination:
    """A file to be written.

    :param destination: an absolute path, or a URL that Airflow's ``ObjectStoragePath`` takes.
    :param conn_id: the Airflow connection of the object storage.
    :param overwrite: whether a file that stands there is replaced.
    :raises InvalidInputError: it names no file.
    """

    def __init__(self, destination: str, conn_id: str | None = None, *, overwrite: bool = True) -> None:
        self.url = check_destination(destination)
        self._conn_id = conn_id
        self._overwrite = overwrite
        self._local = _local_path(self.url)

    def require_writable(self) -> None:
        """Check, before anything is asked of Criteo, that the file may be written, as far as can be seen.

        :raises InvalidInputError: a file stands there and must not be replaced, or a folder does; or what the storage
            needs is not installed.
        :raises DestinationError: the storage cannot be reached, has no such bucket, or does not let us write.
        """
        with self._storage_errors():
            if self._local is not None:
                self._require_writable_folder(self._local)
            else:
                _require_bucket(self._object_path())
            self._require_free()

    def _require_writable_folder(self, path: Path) -> None:
        path = path.resolve()  # what a symbolic link points to is what is replaced
        if path.is_dir():
            raise InvalidInputError(f"destination={self.url!r} is a folder; name a file")
        if path.exists() and not path.is_file():
            raise InvalidInputError(f"destination={self.url!r} is a device, a pipe or a socket; name a file")
        folder = next(parent for parent in path.parents if parent.exists())
        if not folder.is_dir():
            raise NotADirectoryError(f"{str(folder)!r} is a file")
        with tempfile.TemporaryFile(dir=folder):
            pass  # what permissions say is not all: root, read-only and network file systems

    def _require_free(self) -> None:
        if not self._overwrite and (self._local or self._object_path()).exists():
            raise self._exists()

    def sha256(self) -> str | None:
        """Of the file that stands there, hexadecimal; None where there is none.

        :raises DestinationError: the storage cannot be reached.
        """
        with self._storage_errors():
            path = self._local or self._object_path()
            if not path.exists():
                return None
            with path.open("rb") as file:
                return sha256_of(file)

    def _exists(self) -> InvalidInputError:
        return InvalidInputError(f"destination={self.url!r} exists, and overwrite=False")

    @contextmanager
    def new_file(self) -> Iterator[IO[bytes]]:
        """A file to write: it takes its place when the block ends well, and is gone when not.

        :raises DestinationError: the storage refuses, or is full.
        """
        of_the_block: list[Exception] = []
        with self._storage_errors(of_the_block), self._opened() as file:
            try:
                yield file
            except Exception as error:
                if not isinstance(error, OSError):
                    of_the_block.append(error)
                raise

    def publish(self, write: Callable[[IO[bytes]], Report], before_publish: Callable[[Report], None]) -> Report:
        """Write a report's file, which takes its place when it is whole.

        :param write: writes it, and tells what it is.
        :param before_publish: told of the file when it is whole, and not yet in its place.
        :raises DestinationError: the storage refuses, or is full.
        """
        with self.new_file() as file:
            report = replace(write(file), url=self.url)
            before_publish(report)
        return report

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        if self._local is not None:
            try:
                with atomic_file(self._local, overwrite=self._overwrite) as file:
                    yield file
            except FileExistsError:
                raise self._exists() from None
            return
        path = self._object_path()
        with tempfile.NamedTemporaryFile(prefix="criteo-") as spool:
            yield spool
            spool.flush()
            # Not all object stores have a way to do the two in one step.
            self._require_free()
            _upload(path, spool.name)

    def _object_path(self) -> Any:
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        try:
            path = ObjectStoragePath(self.url, conn_id=self._conn_id)
            path.fs  # noqa: B018 - made when first asked for
        except (ImportError, ValueError) as error:
            if isinstance(error, ValueError) and "filesystem" not in str(error):
                raise  # the storage is installed, and cannot use its connection
            raise InvalidInputError(f"destination={self.url!r}: {error}{_what_to_install(self.url)}") from error
        return path

    @contextmanager
    def _storage_errors(self, others: Sequence[Exception] = ()) -> Iterator[None]:
        """Raise what the storage raises as a ``DestinationError``.

        :param others: errors that are not the storage's.
        """
        try:
            yield
        except CriteoError:
            raise
        except Exception as error:
            if error in others:
                raise
            raise DestinationError(
                f"destination={self.url!r} could not be written: {type(error).__name__}: {error}\n"
                "  Nothing was left there, and the report is still at Criteo.\n"
                "  What to do: mend the storage or its connection, and let the task retry."
            ) from error


def check_destination(destination: object) -> str:
    """The destination as text.

    :raises InvalidInputError: it names no file: empty, relative, a folder, or without a key.
    """
    allowed = "allowed: an absolute path, or a URL such as s3://bucket/key.csv"
    # An ObjectStoragePath is no os.PathLike; its text has its connection before an @.
    is_path = isinstance(destination, (str, os.PathLike)) or hasattr(destination, "storage_options")
    text = str(destination).strip() if is_path else ""
    if not text:
        raise InvalidInputError(f"destination={destination!r} names no file; {allowed}")
    if text.endswith("/"):
        raise InvalidInputError(f"destination={text!r} is a folder; {allowed}")
    if "://" not in text:
        if not os.path.isabs(text):
            raise InvalidInputError(f"destination={text!r} is relative to a worker's folder; {allowed}")
        return text
    parts = urlsplit(text)
    if parts.scheme in LOCAL_SCHEMES:
        if parts.netloc not in ("", "localhost"):
            raise InvalidInputError(f"destination={text!r} is relative; a local URL has three slashes: file:///path")
    elif parts.scheme in ("http", "https"):
        raise InvalidInputError(f"destination={text!r} cannot be written over {parts.scheme}; {allowed}")
    elif parts.scheme in _AZURE_ELSEWHERE or (parts.scheme in _AZURE and "." in (parts.hostname or "")):
        # What others write before an @, the container, is a connection to Airflow.
        raise InvalidInputError(f"destination={text!r}: Azure is abfs://container/key, the account in its connection")
    elif not parts.netloc or (not parts.path.strip("/") and parts.scheme in _BUCKET_STORES):
        raise InvalidInputError(f"destination={text!r} has no key in the bucket; {allowed}")
    return text


def _local_path(url: str) -> Path | None:
    """The path that ``ObjectStoragePath`` makes of it: as it stands, whatever signs are in it."""
    scheme, found, rest = url.partition("://")
    if not found:
        return Path(url)
    return Path(rest.removeprefix("localhost")) if scheme.lower() in LOCAL_SCHEMES else None


def _require_bucket(path: Any) -> None:
    bucket = path.path.lstrip("/").partition("/")[0]
    if path.protocol in _BUCKET_STORES and not path.fs.exists(bucket):
        raise FileNotFoundError(
            f"there is no bucket or container {bucket!r}, or the connection may not see it: on S3, s3:ListBucket"
        )


def _what_to_install(url: str) -> str:
    extra = _EXTRAS.get(urlsplit(url).scheme)
    return f"\n  What to do: pip install 'airflow-provider-criteo[{extra}]' on every worker." if extra else ""


def _upload(path: Any, source: str) -> None:
    storage, key = path.fs, path.path
    if path.protocol in _WHOLE_OBJECT_STORES:
        # Left to itself, adlfs takes the whole file into memory.
        options = {"max_concurrency": 4} if path.protocol in _AZURE else {}
        storage.put_file(source, key, **options)
        return
    hidden = f"{key}.{uuid.uuid4().hex}.part"
    storage.makedirs(storage._parent(key), exist_ok=True)
    try:
        storage.put_file(source, hidden)
        storage.mv(hidden, key)
    except BaseException:
        if storage.exists(hidden):
            storage.rm_file(hidden)
        raise
