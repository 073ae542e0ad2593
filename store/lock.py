"""One process a database: a lock beside the file, which the system frees when its holder dies."""

import fcntl
import os
from pathlib import Path

from store.errors import StoreInUse


class Lock:
    """Held from ``take`` to ``free``; the file holds the pid of the last holder and stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> None:
        """Take the lock, or raise ``StoreInUse`` with the pid of whoever has it."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(file, 32, 0).decode(errors="replace").strip()
            os.close(file)
            raise StoreInUse(
                f"The database {self._path.with_suffix('')} is in use by process {pid or 'unknown'}. "
                "Stop that one, or give this one a data folder of its own."
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        self._file = file

    def free(self) -> None:
        """Let another process in."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
