"""SQLite behind the seam: one writer that shares commits, one reader that never waits for it."""

import asyncio
import contextlib
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from store.connection import PRIMARY, Connection, as_ours, quotes_text, rows_of, translated
from store.database import Queries, Row, Statement, Value
from store.errors import StoreBroken, StoreDamaged, StoreUnusable
from store.lock import Lock
from store.wal import lost_commits
from store.writer import Writer

OLDEST_SQLITE = (3, 35, 0)  # the first with RETURNING
CHECKED_BYTES = 64_000_000  # a larger one is looked at while it is used already: that takes seconds
QUICK = "PRAGMA quick_check(1)"
ALL = "PRAGMA integrity_check(1)"
LOOK_AGAIN_S = 0.05
BACKUPS = "backups"  # in the data folder, where the newest one is looked for
RESTORING = ".restoring"  # beside the database: a restore was begun and not finished
BACKUP = re.compile(r"-(\d{8}-\d{6})\.tar\.gz")  # when one was made, unless another name was given
SUSPECT = ".suspect"  # beside the database: it failed, the next start looks at all of it
DRAFT = ".made"
MADE_BY_US = "PRAGMA application_id = 0x6f637762"  # any write would do: a database is never empty
WAL = "PRAGMA journal_mode = WAL"
EMPTY_LOG = "PRAGMA wal_checkpoint(TRUNCATE)"
SETTINGS = """
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_size_limit = 67108864;
"""


class SqliteDatabase:
    """One SQLite file, open. ``open_sqlite`` makes it."""

    def __init__(
        self, path: Path, lock: Lock, writer: Connection, reader: Connection, gate: Writer
    ) -> None:
        self._path = path
        self._lock = lock
        self._connections = (reader, writer)
        self._reader = reader
        self._writer = gate
        self._looker = Connection(path)
        self._look: asyncio.Future[str] | None = None

    @property
    def exclusive(self) -> bool:
        """The lock beside the file lets nobody else in."""
        return True

    @property
    def backlog(self) -> int:
        """How many writes wait for their turn."""
        return self._writer.backlog

    async def write(self, *statements: Statement) -> list[list[Row]]:
        """Run the statements, all or none; shares a commit with what else comes now."""
        return await self._writer.write(*statements)

    def transaction(self) -> AbstractAsyncContextManager[Queries]:
        """Have the writer to oneself."""
        return self._writer.transaction()

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        """Return the first row of what is committed, or None."""
        rows = await self.fetch_all(sql, *args)
        return rows[0] if rows else None

    async def fetch_all(self, sql: str, *args: Value) -> list[Row]:
        """Return every row of what is committed."""
        try:
            return await translated(self._reader.put(lambda sqlite: rows_of(sqlite, sql, args)))
        except StoreBroken as exc:
            self._writer.note(exc)
            raise

    def health(self) -> dict[str, str | int | bool]:
        """Return the file, its size and that of its write-ahead log, and how the disk behaves."""
        wal = self._path.with_name(self._path.name + "-wal")
        return {
            "path": str(self._path),
            "bytes": _size(self._path),
            "wal_bytes": _size(wal),
            "backlog": self.backlog,
            "full": self._writer.full,
            "broken": self._writer.broken is not None,
        }

    async def look_at_all(self, say: Callable[[str], str]) -> None:
        """Begin to look at all of the file while it is used; damage breaks it, as ``say`` says it."""
        await _open(self._looker, self._path, _prepare_reader)
        self._look = self._looker.put(lambda sqlite: str(sqlite.execute(QUICK).fetchone()[0]))
        self._look.add_done_callback(partial(self._looked, say))

    def _looked(self, say: Callable[[str], str], look: asyncio.Future[str]) -> None:
        exc = look.exception()
        if exc is not None:  # most often the end of the service, which cuts it short
            if isinstance(as_ours(exc), StoreBroken):
                self._writer.note(exc)
        elif look.result() != "ok":
            self._writer.note(StoreBroken(say(look.result())))

    async def close(self) -> None:
        """Write what waits, close the connections and free the lock."""
        await self._writer.close()
        while self._look is not None and not self._look.done():
            self._looker.interrupt_now()
            await asyncio.wait({self._look}, timeout=LOOK_AGAIN_S)
        await _close(self._looker, *self._connections)
        self._lock.free()


async def open_sqlite(
    path: Path, on_broken: Callable[[StoreBroken], None], backups: Path | None = None
) -> SqliteDatabase:
    """Open the file, or make it. Raises ``StoreUnusable`` with a sentence when it must not be used.

    ``backups`` is the folder in which the newest backup is looked for, to be named in that sentence.
    """
    way_back = partial(_way_back, backups or path.parent / BACKUPS)
    unchecked = _check(path) is None
    try:
        database = await _opened(path, on_broken)
    except StoreDamaged as exc:
        raise StoreDamaged(f"{exc} {way_back()}") from exc
    if unchecked:
        try:
            await database.look_at_all(lambda found: f"{_damaged(path, found)} {way_back()}")
        except BaseException:
            await database.close()
            raise
    return database


async def _opened(path: Path, on_broken: Callable[[StoreBroken], None]) -> SqliteDatabase:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise StoreUnusable(f"Python's SQLite is {sqlite3.sqlite_version}; {oldest} is needed.")
    lock = Lock(path.with_name(path.name + ".lock"))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.take()
        _look_at(path)
        _make(path)
    except StoreUnusable:
        lock.free()
        raise
    except OSError as exc:
        lock.free()
        raise StoreUnusable(f"The database {path} cannot be opened: {exc.strerror}.") from exc
    writer, reader = Connection(path), Connection(path)
    try:
        await asyncio.to_thread(_look_at_log, path)
        await _open(writer, path, partial(_prepare_writer, path))
        await _open(reader, path, _prepare_reader)
    except BaseException:
        await _close(reader, writer)
        lock.free()
        raise

    def suspected(broken: StoreBroken) -> None:
        with contextlib.suppress(OSError):
            _beside(path, SUSPECT).touch(mode=0o600)
        on_broken(broken)

    return SqliteDatabase(path, lock, writer, reader, Writer(writer, suspected))


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _look_at(path: Path) -> None:
    """Refuse what SQLite would take for a new database, and begin with an empty one."""
    if _beside(path, RESTORING).exists():
        raise StoreUnusable(
            f"A restore of the database {path} was cut off. Do it again, it goes on where it "
            "was: python -m bot restore FILE."
        )
    if path.is_file() and not _size(path):
        raise _damaged(path, "it is empty")
    if not path.exists() and _size(_beside(path, "-wal")):
        raise _damaged(path, "it is gone, its write-ahead log is there")


def _look_at_log(path: Path) -> None:
    """Refuse a log that SQLite would silently take the first part of."""
    try:
        lost = lost_commits(path)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
        raise _unusable(path, exc) from exc
    if lost:
        what = f"its write-ahead log is broken in the middle, {lost} commits behind that are lost"
        raise _damaged(path, what)


def _make(path: Path) -> None:
    """Make the file for us alone, whole or not at all; what SQLite puts beside it gets its mode."""
    if path.exists():
        return
    draft = _beside(path, DRAFT)
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as sqlite:
        sqlite.execute("PRAGMA synchronous = FULL")
        sqlite.execute(MADE_BY_US)
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name of a new file is durable only with its folder
    finally:
        os.close(folder)


async def _open(
    connection: Connection, path: Path, prepare: Callable[[sqlite3.Connection], None]
) -> None:
    try:
        _ = await connection
        await connection.put(prepare)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
        raise _unusable(path, exc) from exc


def _unusable(path: Path, exc: sqlite3.DatabaseError | UnicodeDecodeError) -> StoreUnusable:
    if isinstance(exc, UnicodeDecodeError) or quotes_text(exc):
        return _damaged(path, "names in it are no text")
    if exc.sqlite_errorcode & PRIMARY in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return _damaged(path, str(exc))
    return StoreUnusable(f"The database {path} cannot be opened: {exc}.")


def _damaged(path: Path, what: str) -> StoreDamaged:
    return StoreDamaged(f"The database {path} is damaged ({what}).")


def _way_back(backups: Path) -> str:
    """Return the sentence on what to do about a database that is damaged."""
    newest = max(backups.glob("*.tar.gz"), key=_made_at, default=None)
    found = f"the newest found is {newest}" if newest else f"none was found in {backups}"
    return (
        f"Restore a backup by python -m bot restore FILE ({found}), or move it and the files "
        "beside it away to begin with an empty one."
    )


def _made_at(backup: Path) -> float:
    named = BACKUP.search(backup.name)
    with contextlib.suppress(ValueError):  # no time at all, but somebody's own digits
        if named:
            return datetime.strptime(named[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).timestamp()
    try:
        return backup.stat().st_mtime
    except OSError:
        return 0.0


def _prepare_writer(path: Path, sqlite: sqlite3.Connection) -> None:
    check = _check(path)
    if check is not None:
        found = sqlite.execute(check).fetchone()[0]
        if found != "ok":
            raise _damaged(path, found)
        _beside(path, SUSPECT).unlink(missing_ok=True)
    tables = {name for (name,) in sqlite.execute("SELECT name FROM sqlite_schema")}
    if tables and "schema_versions" not in tables:
        raise StoreDamaged(f"The database {path} is not one of this service.")
    mode = sqlite.execute(WAL).fetchone()[0]
    if mode != "wal":
        raise StoreUnusable(f"The file system of {path} cannot hold a write-ahead log ({mode}).")
    sqlite.executescript(SETTINGS)
    with contextlib.suppress(sqlite3.OperationalError):  # no space, or held by others: later then
        sqlite.execute(EMPTY_LOG).fetchone()  # so that torn ends of several crashes never gather


def _check(path: Path) -> str | None:
    """Return how a database is looked at before it is used; a large one would take seconds."""
    if _beside(path, SUSPECT).exists():
        return ALL
    return QUICK if _size(path) <= CHECKED_BYTES else None


def _prepare_reader(sqlite: sqlite3.Connection) -> None:
    sqlite.execute("PRAGMA query_only = ON")


async def _close(*connections: Connection) -> None:
    for connection in connections:
        with contextlib.suppress(sqlite3.Error):  # all that was promised is on the disk by now
            await connection.close()
        await connection.gone()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
