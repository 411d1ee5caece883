"""A local file that nobody sees until it is whole."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import IO


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
        self.handle: IO[bytes] = self._open()

    def _open(self) -> IO[bytes]:
        if hasattr(os, "O_TMPFILE"):
            try:
                return os.fdopen(os.open(self._folder, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b")
            except OSError:  # not every file system has it
                pass
        self._hidden = self._new_name()
        return open(os.open(self._hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666), "w+b")

    def _new_name(self) -> Path:
        return self._folder / f".criteo-{uuid.uuid4().hex}.part"

    def publish(self, path: Path) -> None:
        """Put the whole file in the path's place.

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
        os.replace(self._hidden, path)
        self._hidden = None

    def __enter__(self) -> UnnamedFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.handle.close()
        if self._hidden is not None:
            self._hidden.unlink(missing_ok=True)
