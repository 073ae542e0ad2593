"""The seam between the repositories and a database engine."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

Value = str | int | float | bytes | None
Row = Sequence[Any]  # in the order of the columns that were asked for; the schema knows their types


class Statement:
    """One SQL statement with ``$1`` and the values that stand for it."""

    __slots__ = ("args", "sql")

    def __init__(self, sql: str, *args: Value) -> None:
        self.sql = sql
        self.args = args  # never part of a repr: they hold what people wrote


class Queries(Protocol):
    """What can be asked of a database, and of a transaction in it."""

    async def write(self, *statements: Statement) -> list[list[Row]]:
        """Run the statements, all or none; return the rows of each."""

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        """Return the first row, or None."""

    async def fetch_all(self, sql: str, *args: Value) -> list[Row]:
        """Return every row."""


class Database(Queries, Protocol):
    """A database. Writes of one moment share a commit, and return once it is on the disk.

    A caller that is cancelled while its write waits does not know whether it was kept.
    ``now_ms()`` in SQL is the database's own clock, in Unix milliseconds.
    """

    @property
    def exclusive(self) -> bool:
        """Whether no other process can have it open: who held a turn before us is dead."""

    def transaction(self) -> AbstractAsyncContextManager[Queries]:
        """Have the writer to oneself, to read between writes; no network ``await`` inside."""

    @property
    def backlog(self) -> int:
        """How many writes wait for their turn."""

    def health(self) -> dict[str, str | int | bool]:
        """Return what an operator wants to know."""

    async def close(self) -> None:
        """Finish what was begun, then let go of the database."""
