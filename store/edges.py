"""How a turn and its delivery are moved: a guarded UPDATE, and a row that tells of it, in one commit."""

import functools
import re
from dataclasses import dataclass
from typing import Literal

import orjson

from store.database import Database, Row, Statement, Value
from store.records import EdgeRecord
from store.rows import columns, reader

# ruff: noqa: S608 - only constants are put together

Edge = Literal[
    "claimed",
    "taken_up",
    "session_known",
    "prompt_sent",
    "accepted",
    "forgotten",
    "answered",
    "halted",
    "forced",
    "dropped",
    "final_stored",
    "sending",
    "shown",
    "unsent",
    "doubted",
    "failed",
    "retried",
]

PARAMETER = re.compile(r"\$(\d+)")
OF_TURN = {
    "turns": "SELECT n, '{edge}', {fence}, $2, now_ms() FROM turns WHERE {when}",
    "deliveries": """
        SELECT deliveries.turn, '{edge}', turns.fence, $2, now_ms()
        FROM deliveries JOIN turns ON turns.n = deliveries.turn WHERE {when}
    """,
}
ADD = "INSERT INTO edges (turn, edge, fence, facts, at)"
HISTORY = f"SELECT {columns(EdgeRecord)} FROM edges WHERE turn = $1 ORDER BY id"

_edge = reader(EdgeRecord)


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a turn or a delivery, decided by the database.

    ``when`` says from which state it may be made, ``changes`` what it sets; both may use
    the arguments of ``statements`` from ``$3`` on, ``$1`` is the row's key. ``returns``
    are the columns of the moved row that are wanted back, ``fence`` is the number that
    the turn has after the move.
    """

    edge: Edge
    table: Literal["turns", "deliveries"]
    when: str
    changes: str
    returns: str = ""
    fence: str = "fence"

    def statements(self, key: Value, facts: dict[str, object], *args: Value) -> list[Statement]:
        """Return the write: the row of history first, for the state that the UPDATE then leaves."""
        given = (key, orjson.dumps(facts).decode(), *args)
        return [_statement(self._told(), given), _statement(self._moved(), given)]

    def _told(self) -> str:
        source = OF_TURN[self.table].format(edge=self.edge, when=self.when, fence=self.fence)
        return f"{ADD} {source}"

    def _moved(self) -> str:
        key = "n" if self.table == "turns" else "id"
        return (
            f"UPDATE {self.table} SET {self.changes} WHERE {self.when} "
            f"RETURNING {self.returns or key}"
        )


def _statement(sql: str, given: tuple[Value, ...]) -> Statement:
    return Statement(sql, *given[: _highest(sql)])


@functools.cache
def _highest(sql: str) -> int:
    """Return the number of the last parameter: a statement takes no more values than that."""
    return max((int(number) for number in PARAMETER.findall(sql)), default=0)


async def moved(
    database: Database, move: Move, key: Value, facts: dict[str, object], *args: Value
) -> list[Row]:
    """Make a move; the rows that it moved, none when the state did not allow it."""
    return (await database.write(*move.statements(key, facts, *args)))[-1]


async def history(database: Database, n: int) -> list[EdgeRecord]:
    """Return every edge that a turn and its delivery passed, in order."""
    return [_edge(row) for row in await database.fetch_all(HISTORY, n)]
