"""aiosqlite's connection with one more way in: a whole job for its thread, in one hop."""

import asyncio
import functools
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiosqlite
import structlog

from store.database import Row, Value
from store.errors import StoreBroken, StoreError, StoreFull

log = structlog.get_logger()

T = TypeVar("T")

BUSY_S = 2.0
CACHED_STATEMENTS = 256
FETCHED_AT_ONCE = 64
PRIMARY = 0xFF  # of SQLite's extended codes, the byte that names the kind
IOERR_SHMSIZE = sqlite3.SQLITE_IOERR | 19 << 8  # the disk is full where the index of the WAL grows
BROKEN = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,  # a file system that failed is often mounted anew like this
}
PLACEHOLDER = re.compile(r"\$(\d+)")
READS = re.compile(r"(?is)\s*(SELECT|WITH)\b(?!.*\b(INSERT|UPDATE|DELETE)\b)")
NO_TEXT = "Could not decode to UTF-8"  # how Python begins; it goes on with the whole text
TEXT_DAMAGED = "a stored text is damaged"
TOLD_EVERY_S = 60.0
REFUSED = (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, TypeError)


class Connection(aiosqlite.Connection):
    """One SQLite connection and the thread that owns it."""

    def __init__(self, path: Path) -> None:
        def connector() -> sqlite3.Connection:
            connection = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, cached_statements=CACHED_STATEMENTS
            )
            connection.create_function("now_ms", 0, _now_ms)
            return connection

        super().__init__(connector, FETCHED_AT_ONCE)
        self._thread.daemon = True  # a process that has to end now must not wait for it

    def put(self, job: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Queue ``job`` for the thread; jobs run in the order they came, whoever still waits."""
        if not self._running:
            raise StoreError("The store is closed.")
        connection = self._conn
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((future, lambda: job(connection)))
        return future

    def interrupt_now(self) -> None:
        """Have the job that the thread is at fail; nothing happens where it is at none."""
        if self._connection is not None:
            self._connection.interrupt()

    async def gone(self) -> None:
        """Wait for the end of the thread; aiosqlite lets go of one that could not open its file."""
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)


def _now_ms() -> int:
    """Return what SQL calls ``now_ms()``: the database's clock, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def rows_of(connection: sqlite3.Connection, sql: str, args: tuple[Value, ...]) -> list[Row]:
    """Run one statement and return its rows; where a text is damaged, what is left of it."""
    try:
        return connection.execute(sqlite_sql(sql), args).fetchall()
    except sqlite3.OperationalError as exc:
        if not quotes_text(exc):
            raise
    # Not while that error is handled: it would go along with the next, and into the log.
    _Damage.tell()
    if not READS.match(sql):  # a change is not made twice; undone, it fails alone
        raise sqlite3.OperationalError(TEXT_DAMAGED)
    connection.text_factory = readable
    try:
        return connection.execute(sqlite_sql(sql), args).fetchall()
    finally:
        connection.text_factory = str


def readable(text: bytes) -> str:
    """Return a text with a mark wherever it is none."""
    return text.decode(errors="replace")


def quotes_text(exc: BaseException) -> bool:
    """Tell whether the words of ``exc`` hold a text that was to be read: people's own."""
    return str(exc).startswith(NO_TEXT)


class _Damage:
    """When it was last said that a text is damaged."""

    at = -TOLD_EVERY_S

    @classmethod
    def tell(cls) -> None:
        """Say it, but not for every row that is looked at again and again."""
        now = time.monotonic()
        if now - cls.at >= TOLD_EVERY_S:
            cls.at = now
            log.error("store.text_damaged")


@functools.cache
def sqlite_sql(sql: str) -> str:
    """Return ``sql`` with SQLite's ``?1`` for the ``$1`` that it would take for a name."""
    return PLACEHOLDER.sub(r"?\1", sql)


def roll_back(connection: sqlite3.Connection) -> None:
    """Undo the open transaction, if SQLite has not done so by itself."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def concerns_all(exc: BaseException) -> bool:
    """Tell whether ``exc`` is about the whole file, not about the statement that it came from."""
    kind = getattr(exc, "sqlite_errorcode", 0) & PRIMARY
    return kind in BROKEN or kind in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY}


def as_ours(exc: BaseException) -> StoreError:
    """Return our error for one of SQLite's; its words name columns, never values."""
    if isinstance(exc, StoreError):
        return exc
    if quotes_text(exc):
        return StoreError(TEXT_DAMAGED)
    code = getattr(exc, "sqlite_errorcode", 0)
    kind = StoreError
    if code & PRIMARY == sqlite3.SQLITE_FULL or code == IOERR_SHMSIZE:
        kind = StoreFull
    elif code & PRIMARY in BROKEN:
        kind = StoreBroken
    name = getattr(exc, "sqlite_errorname", type(exc).__name__)
    ours = kind(f"{name}: {exc}" if isinstance(exc, sqlite3.Error) else name)
    ours.__cause__ = exc
    return ours


async def translated(future: asyncio.Future[T]) -> T:
    """Wait for a job, and raise our error for SQLite's."""
    try:
        return await future
    except REFUSED as exc:
        ours = as_ours(exc)
    raise ours
