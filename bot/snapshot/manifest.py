"""Says what changed between two versions of files, from the copies that were kept."""

import os
from collections.abc import Sequence
from dataclasses import replace

from bot.errors import Error
from bot.snapshot import GONE, Limits, diffs
from bot.snapshot.blobs import Blobs
from bot.snapshot.secret_paths import withheld
from bot.texts import Text
from bot.texts import files as texts
from store.records import ChangeKind, FileChange, FileVersion

# Lines are counted in so many files of a turn; the others are listed without.
COUNTED_FILES = 300

Move = tuple[FileVersion | None, FileVersion]


class Incomparable(Error):
    """Two versions cannot be shown as lines; ``why`` says so to people. Stays in this module."""

    def __init__(self, why: Text) -> None:
        super().__init__(why.en)
        self.why = why


class Manifest:
    """Compares kept copies. Everything here blocks: call it from a thread."""

    def __init__(self, blobs: Blobs, limits: Limits) -> None:
        self._blobs = blobs
        self._limits = limits

    def changes(self, turn: int, moves: Sequence[Move]) -> tuple[FileChange, ...]:
        """Return each move (what was, what is now) as a change, with its lines counted."""
        changes = [change_of(turn, was, now) for was, now in moves]
        counted = [self._counted(change) for change in changes[:COUNTED_FILES]]
        return (*counted, *changes[COUNTED_FILES:])

    def compare(self, change: FileChange) -> str | Text:
        """Return the unified diff of a change, or the sentence why there is none."""
        try:
            before, after = self._both(change)
        except Incomparable as exc:
            return exc.why
        return diffs.unified(change.path, before, after)

    def _counted(self, change: FileChange) -> FileChange:
        try:
            before, after = self._both(change)
        except Incomparable:
            return change
        added, removed = diffs.counts(before or "", after or "")
        return replace(change, added=added, removed=removed)

    def _both(self, change: FileChange) -> tuple[str | None, str | None]:
        """Return the texts before and after; None where there was no file."""
        if withheld(change.path):
            raise Incomparable(texts.DIFF_SECRET)
        if change.size > self._limits.max_bytes:
            raise Incomparable(texts.DIFF_LARGE)
        before = None if change.kind == "added" else self._text(change.before)
        return before, None if change.kind == "deleted" else self._text(change.blob)

    def _text(self, blob: str) -> str:
        opened = self._blobs.open(blob) if blob else None
        if opened is None:
            raise Incomparable(texts.DIFF_UNKEPT)
        with os.fdopen(opened, "rb") as copy:
            content = copy.read(diffs.MAX_BYTES + 1)
        if len(content) > diffs.MAX_BYTES:
            raise Incomparable(texts.DIFF_LARGE)
        text = diffs.decode(content)
        if text is None:
            raise Incomparable(texts.DIFF_BINARY)
        return text


def change_of(turn: int, was: FileVersion | None, now: FileVersion) -> FileChange:
    """Return what happened to a file, its lines not counted."""
    kind: ChangeKind = "modified"
    if was is None or was.size == GONE:
        kind = "added"
    elif now.size == GONE:
        kind = "deleted"
    before = was.blob if was else ""
    return FileChange(turn, now.path, kind, now.blob, before, max(now.size, 0), None, None)
