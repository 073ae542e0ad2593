"""Which files a turn changed, and their content as the turn left it."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import structlog

from bot.clock import Clock
from bot.errors import UserError
from bot.messages import Medium, Sendable
from bot.snapshot import GONE, UNSURE, Limits, Look, Snapshot, same_content
from bot.snapshot.beneath import Beneath, names_of
from bot.snapshot.blobs import Blobs
from bot.snapshot.manifest import Manifest, Move, change_of
from bot.snapshot.places import found, inside
from bot.snapshot.secret_paths import withheld
from bot.snapshot.taking import look, take, take_open
from bot.texts import Language, Text
from bot.texts import files as texts
from store import Store
from store.records import FileChange, FileVersion, TurnRecord

log = structlog.get_logger()

# Between the looks after a turn: four of them within five seconds.
LOOK_DELAYS_S = (0.3, 1.2, 3.4)
LOOK_WINDOW_MS = 5_000
# A running turn's workspace is looked at again at most this often, however many watch.
GLANCE_MS = 3_000
ETAG_CHARS = 32
NOTHING_SEEN = Look((), (), frozenset(), frozenset(), 0)

Obstacle = Literal["", "secret", "large", "unkept"]
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Looked:
    """What a turn changed: its sync, the files, and the claimed paths that are not there."""

    sync: int
    changes: tuple[FileChange, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file. Whoever asked for it closes it."""

    descriptor: int
    size: int
    etag: str

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


class Files:
    """Mirrors workspaces around turns and serves what was mirrored.

    A workspace is named by its absolute, resolved path, as ``turns.directory`` has it.
    """

    def __init__(
        self,
        store: Store,
        data_dir: Path,
        limits: Limits,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._sleep = sleep
        self._blobs = Blobs(data_dir / "blobs")
        self._snapshot = Snapshot(self._blobs, limits)
        self._manifest = Manifest(self._blobs, limits)
        self._locks: dict[str, asyncio.Lock] = {}
        self._glances: dict[int, tuple[int, tuple[FileChange, ...]]] = {}

    @property
    def limits(self) -> Limits:
        """How much is mirrored and served."""
        return self._limits

    async def before(self, turn: int, workspace: Path) -> int:
        """Look at the workspace as the turn finds it; return the sync, kept with the turn too."""
        known = await self._store.files.latest(str(workspace))
        sync = await self._store.files.begin(str(workspace), self._clock())
        look = await self._look(workspace, known, sync, first=not known)
        await self._store.turns.set_syncs(turn, before=sync)
        log.debug("workspace.mirrored", sync=sync, files=len(look.present), copied=look.copied)
        return sync

    async def after(
        self,
        turn: int,
        workspace: Path,
        *,
        since: int,
        claimed: Sequence[str],
        touched: Sequence[str],
    ) -> Looked:
        """Look until nothing new comes (5 s, 4 looks at most); keep and return what changed.

        ``claimed`` are paths of the answer, ``touched`` those that tools wrote: both are looked
        at even when git ignores them. Repeating it after a crash is harmless.
        """
        known = dict(await self._store.files.latest(str(workspace)))
        at_first = dict(known)
        sync = await self._store.files.begin(str(workspace), self._clock())
        asked = {
            path for path in (inside(each, workspace) for each in (*claimed, *touched)) if path
        }
        look, missing = await self._look_on(workspace, known, sync, asked, claimed)
        started_at_ns = await self._started_at_ns(turn)
        moves = [
            move
            for move in await self._moves(workspace, since, at_first, known)
            if _of_the_turn(move, look.listed, started_at_ns)
        ]
        changes = await in_thread(self._manifest.changes, turn, moves)
        await self._store.files.save_changes(turn, changes)
        await self._store.turns.set_syncs(turn, after=sync)
        self._glances.pop(turn, None)
        log.debug("turn.files_found", sync=sync, changed=len(changes), missing=len(missing))
        return Looked(sync, changes, missing)

    async def changes(self, turn: int) -> tuple[FileChange, ...]:
        """Return what the turn changed; while it runs, what it changed so far, without counts."""
        record = await self._store.turns.get(turn)
        if record is None:
            return ()
        if not _runs(record):
            return tuple(await self._store.files.changes(turn))
        return await self._so_far(record)

    async def open(self, turn: int, path: str) -> Opened | None:
        """Open a file as the turn left it (while it runs: as it is now); None when there is none.

        A secret, a link, a file above the limit or outside the workspace is none.
        """
        record = await self._store.turns.get(turn)
        if record is None or not record.directory or names_of(path) is None or withheld(path):
            return None
        if _runs(record):
            return await in_thread(self._open_now, Path(record.directory), path, None)
        version = await self._store.files.at(record.directory, path, record.sync_after)
        if version is None or version.size == GONE:
            return None
        if version.blob:
            return await in_thread(self._open_copy, version)
        return await in_thread(self._open_now, Path(record.directory), path, version)

    async def diff(self, turn: int, path: str, language: Language = "zh") -> str:
        """Return a unified diff of one file, or a sentence that says why there is none."""
        record = await self._store.turns.get(turn)
        if record is not None and _runs(record):
            return texts.DIFF_LATER.say(language, n=turn)
        for change in await self._store.files.changes(turn):
            if change.path == path:
                compared = await self.compare(change)
                return compared if isinstance(compared, str) else compared.say(language, path=path)
        return texts.DIFF_UNCHANGED.say(language, n=turn, path=path)

    async def compare(self, change: FileChange) -> str | Text:
        """Return the unified diff of a change, or the sentence why there is none."""
        return await in_thread(self._manifest.compare, change)

    def obstacle(self, change: FileChange) -> Obstacle:
        """Tell why a changed file is not served, or not for sure; empty when it is."""
        if withheld(change.path):
            return "secret"
        if change.size > self._limits.max_bytes:
            return "large"
        return "" if change.blob or change.kind == "deleted" else "unkept"

    async def sendable(self, workspace: Path, path: str) -> Sendable:
        """Look at a file of a workspace that is to be sent. Raises ``UserError``."""
        relative, kind, size = await in_thread(look, workspace, path)

        async def read() -> Medium:
            return (await self.take(workspace, relative))[1]

        return Sendable(relative, kind, size, read)

    async def take(self, workspace: Path, path: str) -> tuple[str, Medium]:
        """Read a file of a workspace to send it, with its path there. Raises ``UserError``."""
        return await in_thread(take, workspace, path)

    async def left_by(self, turn: int, path: str) -> Medium:
        """Read a file to send it: as a turn left it, or as it is now if no copy was kept.

        Raises ``UserError``.
        """
        opened = await self.open(turn, path)
        if opened is not None:
            return await in_thread(take_open, path, opened.descriptor)
        record = await self._store.turns.get(turn)
        if record is None or not record.directory:
            raise UserError(texts.SEND_NONE, path=path)
        return (await self.take(Path(record.directory), path))[1]

    async def sweep(self, in_use: Collection[str]) -> int:
        """Remove the copies that no version and no change names any more; return how many."""
        removed = await in_thread(self._blobs.sweep, in_use, self._clock() / 1000)
        log.debug("blobs.swept", removed=removed)
        return removed

    def _lock(self, workspace: str) -> asyncio.Lock:
        return self._locks.setdefault(workspace, asyncio.Lock())

    async def _look(
        self,
        workspace: Path,
        known: Mapping[str, FileVersion],
        sync: int,
        *,
        asked: Collection[str] = (),
        first: bool = False,
    ) -> Look:
        async with self._lock(str(workspace)):
            try:
                look = await in_thread(
                    self._snapshot.look, workspace, known, sync, extra=asked, first=first
                )
            except OSError as exc:  # the folder is gone, or a link: nothing is seen, nothing lost
                reason = errno.errorcode.get(exc.errno or 0, "")
                log.warning("workspace.unreadable", error=reason)
                return NOTHING_SEEN
            await self._store.files.put(str(workspace), look.versions)
        return look

    async def _look_on(
        self,
        workspace: Path,
        known: dict[str, FileVersion],
        sync: int,
        asked: Collection[str],
        claimed: Sequence[str],
    ) -> tuple[Look, tuple[str, ...]]:
        """Look again while something new is found or a claimed file is missing."""
        began, delays = self._clock(), iter(LOOK_DELAYS_S)
        while True:
            look = await self._look(workspace, known, sync, asked=asked)
            known.update({version.path: version for version in look.versions})
            missing = await in_thread(_missing, claimed, workspace, look.present)
            delay = next(delays, LOOK_WINDOW_MS / 1000)
            over = self._clock() - began + delay * 1000 >= LOOK_WINDOW_MS
            if over or not (look.fresh or missing):
                return look, missing
            await self._sleep(delay)

    async def _moves(
        self,
        workspace: Path,
        since: int,
        at_first: Mapping[str, FileVersion],
        known: Mapping[str, FileVersion],
    ) -> list[Move]:
        """Pair what the sync ``since`` saw with what is there now, where they differ."""
        moves: list[Move] = []
        for now in known.values():
            if now.sync <= since:
                continue
            was = at_first.get(now.path)
            if was is not None and was.sync > since:  # another chat's turn in the same folder
                was = await self._store.files.at(str(workspace), now.path, since)
            if not same_content(was, now):
                moves.append((was, now))
        return sorted(moves, key=lambda move: move[1].path)

    async def _started_at_ns(self, turn: int) -> int:
        record = await self._store.turns.get(turn)
        return (record.started_at or 0) * 1_000_000 if record else 0

    async def _so_far(self, record: TurnRecord) -> tuple[FileChange, ...]:
        """Look, or give what was seen a moment ago."""
        async with self._lock(record.directory):
            at, changes = self._glances.get(record.n, (0, ()))
            if self._clock() - at < GLANCE_MS:
                return changes
            changes = await self._glance(record)
            self._glances[record.n] = (self._clock(), changes)
            return changes

    async def _glance(self, record: TurnRecord) -> tuple[FileChange, ...]:
        known = await self._store.files.latest(record.directory)
        try:
            found_now = await in_thread(self._snapshot.glance, Path(record.directory), known)
        except OSError:
            return ()
        changes = (change_of(record.n, known.get(now.path), now) for now in found_now)
        return tuple(sorted(changes, key=lambda change: change.path))

    def _open_copy(self, version: FileVersion) -> Opened | None:
        descriptor = self._blobs.open(version.blob)
        if descriptor is None:
            return None
        return Opened(descriptor, version.size, version.blob[:ETAG_CHARS])

    def _open_now(self, root: Path, path: str, expected: FileVersion | None) -> Opened | None:
        """Open a file of the workspace itself, if it is still the ``expected`` one."""
        try:
            with Beneath(root) as tree:
                descriptor = tree.open(path)
        except OSError:
            return None
        if descriptor is None:
            return None
        info = os.fstat(descriptor)
        opened = Opened(descriptor, info.st_size, f"{info.st_mtime_ns:x}-{info.st_size:x}")
        stamp = (info.st_size, info.st_mtime_ns)
        changed = expected is not None and stamp != (expected.size, expected.mtime_ns)
        if changed or info.st_size > self._limits.max_bytes:
            opened.close()
            return None
        return opened


async def in_thread(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do blocking work on files away from the event loop.

    Cancelled, it goes on to its end in its thread; all that it leaves are copies without a name.
    """
    return await asyncio.to_thread(work, *args, **kwargs)


def _runs(record: TurnRecord) -> bool:
    return record.state == "running" and not record.sync_after


def _missing(claimed: Sequence[str], workspace: Path, present: Collection[str]) -> tuple[str, ...]:
    return tuple(claim for claim in claimed if found(claim, workspace, present) is None)


def _of_the_turn(move: Move, listed: Collection[str], started_at_ns: int) -> bool:
    """Tell whether the turn made the change: a file that git ignores may be old and first seen."""
    was, now = move
    first_seen = was is None and now.path not in listed
    return not first_seen or now.mtime_ns == UNSURE or now.mtime_ns >= started_at_ns
