"""The copy of a received file: whole and on the disk before it has a name."""

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bot.media.types import mime_of
from bot.snapshot.blobs import DRAFTS
from store.crashpoints import crashpoint

PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Copy:
    """A file that was received; ``blob`` is the SHA-256 of its content."""

    blob: str
    size: int
    mime: str


class Copies:
    """The folder of copies, which the mirror of workspaces shares. Everything here blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, blob: str) -> Path:
        """Return where a copy lies."""
        return self._folder / blob[:2] / blob

    def begin(self) -> "Draft":
        """Begin a copy; nothing is there before its first piece."""
        return Draft(self)

    def draft(self) -> tuple[Path, IO[bytes]]:
        """Open a file that has no name yet; one that is forgotten is swept."""
        folder = self._folder / DRAFTS
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=folder)  # mode 0600
        return Path(name), os.fdopen(number, "wb")

    def settle(self, draft: Path, blob: str) -> None:
        """Give a whole file its name; both are on the disk when this returns."""
        path = self.path(blob)
        path.parent.mkdir(mode=PRIVATE, exist_ok=True)
        draft.replace(path)
        for folder in (path.parent, self._folder):
            _sync(folder)


class Draft:
    """A file under way. ``write`` and ``settle`` block: call them from a thread, one after the other.

    Whoever is cancelled lets go of it while such a thread may be at work: then that one cleans up.
    """

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._digest = hashlib.sha256()
        self._opened: tuple[Path, IO[bytes]] | None = None
        self._discarded = False
        self._lock = threading.Lock()
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Add a piece."""
        with self._at_work():
            if self._opened is None:
                self._opened = self._copies.draft()
            self._digest.update(piece)
            self._opened[1].write(piece)
            self.size += len(piece)

    def settle(self) -> Copy:
        """Make the copy of what was written, which is at least one piece."""
        with self._at_work():
            assert self._opened is not None, "nothing was written"
            path, file = self._opened
            file.flush()
            os.fsync(file.fileno())
            crashpoint("C21")
            blob = self._digest.hexdigest()
            self._copies.settle(path, blob)
        return Copy(blob, self.size, mime_of(self._copies.path(blob)))

    def discard(self) -> None:
        """Let go of it, without waiting; what was not settled is gone."""
        self._discarded = True
        if self._lock.acquire(blocking=False):
            try:
                self._close()
            finally:
                self._lock.release()

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        finally:
            if self._discarded:  # meanwhile, or before
                self.discard()

    def _close(self) -> None:
        if self._opened is not None:
            (path, file), self._opened = self._opened, None
            with contextlib.suppress(OSError):  # a full disk says so again at the close
                file.close()
            path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
