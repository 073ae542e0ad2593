"""The service's own copies of files, each named by the SHA-256 of its content."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

PIECE_BYTES = 1 << 20
DRAFTS = "drafts"
# A blob younger than this may belong to a look that has not reached the store yet.
SWEEP_AGE_S = 3600.0


class Blobs:
    """A folder of immutable files. Everything here blocks: call it from a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, source: int, limit: int) -> tuple[str, int] | None:
        """Copy an open file; return its name and size, or None when it has more than ``limit``.

        What was hashed is what is stored, whatever happens to the file meanwhile.
        """
        piece = os.read(source, PIECE_BYTES)
        if (
            len(piece) < PIECE_BYTES and len(piece) <= limit
        ):  # all of it: is there nothing to write?
            blob = hashlib.sha256(piece).hexdigest()
            if self._renewed(blob):
                return blob, len(piece)
        digest, size = hashlib.sha256(), 0
        with self._draft() as draft:
            with draft.open("wb") as copy:
                while piece:
                    size += len(piece)
                    if size > limit:
                        return None
                    digest.update(piece)
                    copy.write(piece)
                    piece = os.read(source, PIECE_BYTES)
            self._settle(draft, digest.hexdigest())
        return digest.hexdigest(), size

    def open(self, blob: str) -> int | None:
        """Open a copy for reading; None when it is gone. The caller closes it."""
        try:
            return os.open(self._path(blob), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None

    def sweep(self, in_use: Collection[str], now_s: float) -> int:
        """Remove the copies that nobody uses any more, and forgotten drafts; return how many."""
        removed = 0
        for path in self._folder.glob("*/*"):
            if path.name not in in_use and now_s - path.stat().st_mtime > SWEEP_AGE_S:
                path.unlink()
                removed += 1
        return removed

    def _path(self, blob: str) -> Path:
        return self._folder / blob[:2] / blob

    @contextlib.contextmanager
    def _draft(self) -> Iterator[Path]:
        folder = self._folder / DRAFTS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=folder)  # mode 0600
        os.close(number)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _settle(self, draft: Path, blob: str) -> None:
        if not self._renewed(blob):
            path = self._path(blob)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            draft.replace(path)

    def _renewed(self, blob: str) -> bool:
        """Make a copy that is there young again, so that no sweep takes it now."""
        try:
            os.utime(self._path(blob))
        except FileNotFoundError:
            return False
        return True
