"""Looks at a workspace and mirrors what changed into the service's own storage.

A file is read when its size or its time of change is another one than at the look before.
"""

import errno
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from bot.snapshot.beneath import Beneath
from bot.snapshot.blobs import Blobs
from bot.snapshot.listing import files_beneath
from bot.snapshot.secret_paths import withheld
from store.records import FileVersion

log = structlog.get_logger()

GONE = -1
NOTHING = -1
# File systems tick (ext4: 4 ms): a file written this shortly before it is read can change again
# under the same time. Its time is kept as UNSURE, so that the next look reads it once more.
TICK_NS = 50_000_000
UNSURE = 0
PAGES = (".html", ".htm", ".xhtml")
PAGE_FILES = 2_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is mirrored, in bytes.

    A first look at a workspace of more than ``first_bytes`` keeps sizes and times only; each
    later one copies what changed, up to ``look_bytes``. No file above ``max_bytes`` is copied.
    """

    max_bytes: int = 50 << 20
    first_bytes: int = 64 << 20
    look_bytes: int = 512 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    ``versions`` are to be kept, ``fresh`` are those with another content than before.
    ``present`` is every file seen, ``listed`` those that nobody had to ask for, and ``copied``
    says how many were read.
    """

    versions: tuple[FileVersion, ...]
    fresh: tuple[FileVersion, ...]
    present: frozenset[str]
    listed: frozenset[str]
    copied: int


class Snapshot:
    """Looks at workspaces. Everything here blocks: call it from a thread."""

    def __init__(
        self, blobs: Blobs, limits: Limits, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._blobs = blobs
        self._limits = limits
        self._clock_ns = clock_ns

    def look(
        self,
        root: Path,
        known: Mapping[str, FileVersion],
        sync: int,
        *,
        extra: Collection[str] = (),
        first: bool = False,
    ) -> Look:
        """Mirror what differs from ``known``, and the ``extra`` paths whether ignored or not."""
        with Beneath(root) as tree:
            listed = files_beneath(tree, root)
            seen = _with_unlisted(tree, root, listed, known, extra)
            wanted = [path for path in seen if path in extra or _differs(known, path, seen[path])]
            wanted.sort(key=lambda path: path not in extra)
            allowed = self._allowed_at_first(seen) if first else self._limits.look_bytes
            now = [
                *self._mirrored(
                    tree, [_unread(path, seen[path], sync) for path in wanted], allowed
                ),
                *(FileVersion(path, sync, "", GONE, 0) for path in _gone(known, seen)),
            ]
        fresh = tuple(each for each in now if not same_content(known.get(each.path), each))
        return Look(
            versions=fresh + tuple(_refreshed(known, now)),
            fresh=fresh,
            present=frozenset(seen),
            listed=frozenset(listed),
            copied=sum(bool(each.blob) for each in now),
        )

    def glance(self, root: Path, known: Mapping[str, FileVersion]) -> list[FileVersion]:
        """Return what differs from ``known`` by size or time, without reading any file."""
        with Beneath(root) as tree:
            seen = _with_unlisted(tree, root, files_beneath(tree, root), known, ())
        now = [
            _unread(path, info)
            for path, info in seen.items()
            if _differs(known, path, info) and not _may_be_same(known.get(path), info)
        ]
        return now + [FileVersion(path, 0, "", GONE, 0) for path in _gone(known, seen)]

    def _allowed_at_first(self, seen: Mapping[str, os.stat_result]) -> int:
        everything = sum(info.st_size for info in seen.values())
        return self._limits.look_bytes if everything <= self._limits.first_bytes else NOTHING

    def _mirrored(
        self, tree: Beneath, files: Iterable[FileVersion], allowed: int
    ) -> Iterator[FileVersion]:
        for unread in files:
            version = unread
            if unread.size <= allowed:
                try:
                    version = self._copied(tree, unread)
                except OSError as exc:  # most of all a full disk, which is full for the rest too
                    log.warning("blob.failed", error=errno.errorcode.get(exc.errno or 0, ""))
                    allowed = NOTHING
            if version.blob:
                allowed -= version.size
            yield version

    def _copied(self, tree: Beneath, version: FileVersion) -> FileVersion:
        """Copy a file unless it is a secret, too large, linked from elsewhere, or gone by now."""
        if withheld(version.path) or version.size > self._limits.max_bytes:
            return version
        opened = tree.open(version.path)
        if opened is None:
            return version
        try:
            before = os.fstat(opened)
            kept = self._blobs.keep(opened, self._limits.max_bytes)
            after = os.fstat(opened)
        finally:
            os.close(opened)
        if kept is None:
            return version
        blob, size = kept
        steady = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        ticking = abs(self._clock_ns() - after.st_mtime_ns) < TICK_NS
        mtime_ns = after.st_mtime_ns if steady and not ticking else UNSURE
        return replace(version, blob=blob, size=size, mtime_ns=mtime_ns)


def _with_unlisted(
    tree: Beneath,
    root: Path,
    listed: Mapping[str, os.stat_result],
    known: Mapping[str, FileVersion],
    extra: Collection[str],
) -> dict[str, os.stat_result]:
    """Add what is known or asked for though git ignores it, and the folder of such a page."""
    seen = dict(listed)
    for path in (*extra, *(path for path, version in known.items() if version.size != GONE)):
        info = None if path in seen else tree.stat(path)
        if info is not None and stat.S_ISREG(info.st_mode):
            seen[path] = info
    for page in extra:
        folder = page.rpartition("/")[0]
        if folder and page in seen and page not in listed and page.lower().endswith(PAGES):
            seen = files_beneath(tree, root, folder, limit=PAGE_FILES) | seen
    return seen


def _unread(path: str, info: os.stat_result, sync: int = 0) -> FileVersion:
    return FileVersion(path, sync, "", info.st_size, info.st_mtime_ns)


def _differs(known: Mapping[str, FileVersion], path: str, info: os.stat_result) -> bool:
    version = known.get(path)
    return version is None or (version.size, version.mtime_ns) != (info.st_size, info.st_mtime_ns)


def _may_be_same(version: FileVersion | None, info: os.stat_result) -> bool:
    return version is not None and (version.size, version.mtime_ns) == (info.st_size, UNSURE)


def _gone(known: Mapping[str, FileVersion], seen: Collection[str]) -> list[str]:
    return [path for path, was in known.items() if was.size != GONE and path not in seen]


def _refreshed(
    known: Mapping[str, FileVersion], now: Iterable[FileVersion]
) -> Iterator[FileVersion]:
    """Yield the known versions whose time, or copy, is known better now."""
    for each in now:
        was = known.get(each.path)
        if was is not None and each.blob and same_content(was, each):
            yield replace(each, sync=was.sync)


def same_content(was: FileVersion | None, now: FileVersion | None) -> bool:
    """Tell whether two versions of a path are alike; without copies the time of change decides."""
    if was is None or now is None or GONE in {was.size, now.size}:
        return not _exists(was) and not _exists(now)
    if was.blob and now.blob:
        return was.blob == now.blob
    return (was.size, was.mtime_ns) == (now.size, now.mtime_ns)


def _exists(version: FileVersion | None) -> bool:
    return version is not None and version.size != GONE
