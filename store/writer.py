"""The one writer of a SQLite database: what comes at one moment shares a commit."""

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

import structlog

from store.connection import (
    REFUSED,
    Connection,
    as_ours,
    concerns_all,
    roll_back,
    rows_of,
    translated,
)
from store.crashpoints import crashpoint
from store.database import Queries, Row, Statement, Value
from store.errors import StoreBroken, StoreError, StoreFull

log = structlog.get_logger()

T = TypeVar("T")

BATCH = 1024


class Call:
    """One ``write``: its statements, who waits for them, and what became of them."""

    __slots__ = ("error", "future", "rows", "statements")

    def __init__(
        self, statements: tuple[Statement, ...], future: asyncio.Future[list[list[Row]]]
    ) -> None:
        self.statements = statements
        self.future = future
        self.rows: list[list[Row]] = []
        self.error: BaseException | None = None


class Writer:
    """Has the writing connection. At most one batch or transaction is under way at a time.

    Runs on callbacks alone: no caller's cancellation can reach a batch that others wait for.
    """

    def __init__(self, connection: Connection, on_broken: Callable[[StoreBroken], None]) -> None:
        self._connection = connection
        self._on_broken = on_broken
        self._waiting: deque[Call] = deque()
        self._turns: deque[asyncio.Future[None]] = deque()
        self._held = False
        self._closing = False
        self._broken: StoreBroken | None = None
        self._idle: asyncio.Future[None] | None = None
        self.full = False

    @property
    def backlog(self) -> int:
        """How many writes wait."""
        return len(self._waiting) + len(self._turns)

    @property
    def broken(self) -> StoreBroken | None:
        """The failure of the disk after which nothing is written any more."""
        return self._broken

    async def write(self, *statements: Statement) -> list[list[Row]]:
        """Run the statements, all or none, and return their rows once they are on the disk."""
        self._check_usable()
        loop = asyncio.get_running_loop()
        call = Call(statements, loop.create_future())
        self._waiting.append(call)
        if not self._held:
            self._held = True
            loop.call_soon(self._hand_over)  # after all that this turn of the loop brings
        # Cancelled here, the write may still be kept; nobody is told.
        return await call.future

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Queries]:
        """Keep the writer for a while; commits at the end, rolls back on any exception."""
        await self._take()
        try:
            await translated(self._connection.put(_begin))
            yield Transaction(self._connection)
        except BaseException:
            _ = self._finish(roll_back)  # not awaited: it happens, whoever is cancelled
            raise
        await translated(self._finish(_commit))

    async def close(self) -> None:
        """Take nothing new, and wait until all that waits is written."""
        self._closing = True
        if self._held:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    def _check_usable(self) -> None:
        if self._closing:
            raise StoreError("The store is closed.")
        if self._broken is not None:
            raise StoreBroken(str(self._broken)) from self._broken

    async def _take(self) -> None:
        self._check_usable()
        if not self._held:
            self._held = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # granted and cancelled in the same moment
                self._release()
            raise

    def _release(self) -> None:
        """Give the writer to whoever is next: a transaction before the shared writes."""
        if self._broken is not None:
            self._refuse_all(self._broken)
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        if self._waiting:
            self._hand_over()
            return
        self._held = False
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _hand_over(self) -> None:
        """Give the thread one batch of what waits."""
        batch: list[Call] = []
        while self._waiting and len(batch) < BATCH:
            call = self._waiting.popleft()
            if not call.future.done():  # else its caller was cancelled: nothing was begun
                batch.append(call)
        if not batch:
            self._release()
            return
        done = self._connection.put(partial(commit_batch, batch))
        done.add_done_callback(partial(self._settle, batch))

    def _settle(self, batch: list[Call], done: asyncio.Future[None]) -> None:
        failure = done.exception()
        self.note(failure)
        for call in batch:
            error = failure or call.error
            if call.future.done():
                continue
            if error is None:
                call.future.set_result(call.rows)
            else:
                call.future.set_exception(as_ours(error))
        self._release()

    def _refuse_all(self, broken: StoreBroken) -> None:
        for turn in self._turns:
            if not turn.done():
                turn.set_exception(broken)
        for call in self._waiting:
            if not call.future.done():
                call.future.set_exception(broken)
        self._turns.clear()
        self._waiting.clear()

    def note(self, failure: BaseException | None) -> None:
        """Remember how the disk behaved: full, well again, or broken for good."""
        ours = as_ours(failure) if failure is not None else None
        if isinstance(ours, StoreBroken) and self._broken is None:
            self._broken = ours
            log.error("store.broken", error=str(ours))
            self._on_broken(ours)
        full = isinstance(ours, StoreFull)
        if full and not self.full:
            log.error("store.filled", error=str(ours))
        if self.full and failure is None:
            log.info("store.recovered")
        self.full = full or (self.full and failure is not None)

    def _finish(self, job: Callable[[sqlite3.Connection], None]) -> asyncio.Future[None]:
        """End a transaction by ``job``; the writer is free after it, whoever waits for it or not."""
        done = self._connection.put(job)
        done.add_done_callback(self._finished)
        return done

    def _finished(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled():
            self.note(done.exception())
        self._release()


class Transaction:
    """Statements on the writing connection, between its BEGIN and its end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return await translated(self._connection.put(job))

    async def write(self, *statements: Statement) -> list[list[Row]]:
        """Run the statements; a failure that is let out of the transaction undoes all of it."""
        return await self._run(lambda connection: _run(connection, statements))

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        """Return the first row as this transaction sees it, or None."""
        rows = await self.fetch_all(sql, *args)
        return rows[0] if rows else None

    async def fetch_all(self, sql: str, *args: Value) -> list[Row]:
        """Return every row as this transaction sees it."""
        return await self._run(lambda connection: rows_of(connection, sql, args))


def commit_batch(batch: list[Call], connection: sqlite3.Connection) -> None:
    """Run every call and commit them together; in the thread.

    At first without savepoints, which cost a third of the time: if one call then fails, all is
    undone and done again with a savepoint each, so that it fails alone.
    """
    try:
        _all_or_none(batch, _run_call, connection)
    except REFUSED as exc:
        if concerns_all(exc):
            raise
        _all_or_none(batch, _attempt, connection)


def _all_or_none(
    batch: list[Call],
    run: Callable[[Call, sqlite3.Connection], None],
    connection: sqlite3.Connection,
) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        for call in batch:
            run(call, connection)
        crashpoint("C03")
        connection.execute("COMMIT")
        crashpoint("C12")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # what failed first is what matters
            roll_back(connection)
        raise


def _run_call(call: Call, connection: sqlite3.Connection) -> None:
    call.rows = _run(connection, call.statements)


def _attempt(call: Call, connection: sqlite3.Connection) -> None:
    connection.execute("SAVEPOINT call")
    try:
        _run_call(call, connection)
    except REFUSED as exc:
        if concerns_all(exc):
            raise
        connection.execute("ROLLBACK TO call")
        call.error = exc
    connection.execute("RELEASE call")


def _run(connection: sqlite3.Connection, statements: tuple[Statement, ...]) -> list[list[Row]]:
    return [rows_of(connection, statement.sql, statement.args) for statement in statements]


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")


def _commit(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            roll_back(connection)
        raise
