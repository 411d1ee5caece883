"""A local file that nobody sees until it is whole; a file's checksum."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def atomic_file(path: Path, *, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """A hidden file that takes the path's place in one step when the block ends well, and is gone when not.

    A symbolic link stays, and what it points to is replaced. The mode is that of any new file.

    :param path: of the file; its folders are made.
    :param overwrite: whether a file that stands there is replaced.
    :raises FileExistsError: it is not to be.
    :raises OSError: the file cannot be written; whatever stood there still does.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".criteo-{uuid.uuid4().hex}.part")
    try:
        with hidden.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _publish(hidden, path, overwrite=overwrite)
    finally:
        hidden.unlink(missing_ok=True)


def sha256_of(file: IO[bytes]) -> str:
    """The checksum of what is left to read of a file, hexadecimal."""
    digest = hashlib.sha256()
    for chunk in iter(lambda: file.read(1024 * 1024), b""):
        digest.update(chunk)
    return digest.hexdigest()


def _publish(hidden: Path, path: Path, *, overwrite: bool) -> None:
    if not overwrite:
        try:
            return os.link(hidden, path)
        except FileExistsError:
            raise
        except OSError:  # not every file system has hard links
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
    os.replace(hidden, path)
    return None
