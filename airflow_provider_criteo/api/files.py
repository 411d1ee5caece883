"""A local file that nobody sees until it is whole."""

from __future__ import annotations

import errno
import io
import os
import uuid
from pathlib import Path
from typing import IO, Any, cast

_BYTES_BETWEEN_WRITEBACKS = 16 * 1024 * 1024


class _WrittenBackEarly(io.FileIO):
    """Has the disk write while more is received, so that ``fsync`` finds little left to do.

    Unbuffered, for large writes; each is made whole.
    """

    _pending = 0

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[super().write(rest) :]
        self._pending += len(data)
        if self._pending >= _BYTES_BETWEEN_WRITEBACKS and hasattr(os, "posix_fadvise"):
            # Linux starts to write dirty pages at this advice, and keeps those that are not yet written.
            os.posix_fadvise(self.fileno(), self.tell() - self._pending, self._pending, os.POSIX_FADV_DONTNEED)
            self._pending = 0
        return len(data)


class UnnamedFile:
    """A file in a folder, without a name there until ``publish`` gives it one in one step.

    On Linux it has no name at all before, so that not even a killed process leaves anything behind; elsewhere, and
    on file systems that cannot do that, it has a hidden one that is removed.

    :param folder: an existing folder on the destination's file system.
    :raises OSError: the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._hidden: Path | None = None
        self._folder = folder
        self.handle = cast("IO[bytes]", self._open())

    def _open(self) -> io.FileIO:
        if hasattr(os, "O_TMPFILE"):
            try:
                return _WrittenBackEarly(os.open(self._folder, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b")
            except OSError:  # not every file system has it
                pass
        self._hidden = self._new_name()
        return _WrittenBackEarly(os.open(self._hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666), "w+b")

    def _new_name(self) -> Path:
        return self._folder / f".criteo-{uuid.uuid4().hex}.part"

    def publish(self, path: Path, *, overwrite: bool = True) -> None:
        """Put the whole file in the path's place.

        :param overwrite: whether a file that stands there is replaced.
        :raises FileExistsError: it is not to be.
        :raises OSError: it cannot be; whatever stood there still does.
        """
        self.handle.flush()
        os.fsync(self.handle.fileno())
        if self._hidden is None:
            hidden = self._new_name()
            descriptor = self.handle.fileno()
            # Only with a dir_fd does Python follow the link, as open(2) asks for O_TMPFILE; the path is absolute.
            os.link(f"/proc/self/fd/{descriptor}", hidden, src_dir_fd=descriptor, follow_symlinks=True)
            self._hidden = hidden
        if not overwrite:
            try:
                os.link(self._hidden, path)
                return
            except FileExistsError:
                raise
            except OSError:  # not every file system has hard links
                if os.path.lexists(path):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.replace(self._hidden, path)
        self._hidden = None

    def __enter__(self) -> UnnamedFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.handle.close()
        if self._hidden is not None:
            self._hidden.unlink(missing_ok=True)
