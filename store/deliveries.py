"""Deliveries: what must reach a chat, and how far it got."""

from typing import Literal

from store.database import Database, Row, Statement, Value
from store.edges import Move, moved
from store.records import Delivery, NewDelivery
from store.rows import columns, reader

# ruff: noqa: S608 - only constants are put together

Settled = Literal["sent", "unknown", "failed"]
PURGED_AT_ONCE = 500
COLUMNS = columns(Delivery)
ADD = f"""
    INSERT INTO deliveries (
        chat, turn, message, body, footer, more, state, created_at, changed_at
    )
    VALUES ($1, $2, $3, $4, $5, $6, 'due', $7, $7)
    RETURNING {COLUMNS}
"""
KEEP_FOR_TURN = """
    INSERT INTO deliveries (
        chat, turn, message, body, footer, more, state, created_at, changed_at
    )
    SELECT $2, n, $3, $4, $5, $6, 'due', $7, $7 FROM turns
    WHERE n = $1 AND state IN ('queued', 'running') AND fence = $8
    ON CONFLICT (turn) DO NOTHING
"""
GET = f"SELECT {COLUMNS} FROM deliveries WHERE id = $1"
OF_TURN = f"SELECT {COLUMNS} FROM deliveries WHERE turn = $1"
WAITING = f"SELECT {COLUMNS} FROM deliveries WHERE chat = $1 AND state = 'due' ORDER BY id"
ALL_WAITING = f"SELECT {COLUMNS} FROM deliveries WHERE state = 'due' ORDER BY id"
UNKNOWN = f"""
    SELECT {COLUMNS} FROM deliveries
    WHERE chat = $1 AND state = 'unknown' AND cause <> 'told' ORDER BY id
"""
IS = "deliveries.id = $1 AND deliveries.state"
SHOWN = Move(
    "shown",
    "deliveries",
    when=f"{IS} = 'due'",
    changes="state = 'sent', via = $3, changed_at = now_ms()",
)
SENDING = Move(
    "sending",
    "deliveries",
    when=f"{IS} = 'due'",
    changes="state = 'sending', via = $3, changed_at = now_ms()",
)
SENT = Move(
    "shown",
    "deliveries",
    when=f"{IS} IN ('due', 'sending', 'unknown')",
    changes="state = 'sent', via = COALESCE($3, via), cause = $4, changed_at = $5",
)
DOUBTED = Move(
    "doubted",
    "deliveries",
    when=f"{IS} IN ('due', 'sending', 'unknown')",
    changes="state = 'unknown', via = COALESCE($3, via), cause = $4, changed_at = $5",
)
FAILED = Move(
    "failed",
    "deliveries",
    when=f"{IS} IN ('due', 'sending', 'unknown')",
    changes="state = 'failed', via = COALESCE($3, via), cause = $4, changed_at = $5",
)
RELEASED = Move(
    "unsent",
    "deliveries",
    when=f"{IS} = 'sending'",
    changes="state = 'due', via = '', cause = $3, changed_at = now_ms()",
)
CUT_OFF = Move(
    "doubted",
    "deliveries",
    when="deliveries.state = 'sending' AND $1 = 0",
    changes="state = 'unknown', changed_at = now_ms()",
    returns=COLUMNS,
)
SETTLED: dict[Settled, Move] = {"sent": SENT, "unknown": DOUBTED, "failed": FAILED}
TOLD = "UPDATE deliveries SET cause = 'told' WHERE id = $1 AND state = 'unknown'"
COUNTS = "SELECT state, COUNT(id) FROM deliveries GROUP BY state"
PURGE_NOTICES = """
    DELETE FROM deliveries WHERE id IN (
        SELECT id FROM deliveries WHERE turn IS NULL AND created_at < $1 ORDER BY id LIMIT $2
    )
    RETURNING id
"""

_delivery = reader(Delivery)


class Deliveries:
    """Final answers and notices: ``due → sending → sent | failed | unknown``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, new: NewDelivery) -> Delivery:
        """Keep something that must reach a chat."""
        values = (new.chat, new.turn, new.message, new.body, new.footer, new.more, new.at)
        rows = await self._database.write(Statement(ADD, *values))
        return _delivery(rows[0][0])

    async def get(self, delivery: int) -> Delivery | None:
        """Return a delivery by its id."""
        return _one(await self._database.fetch_one(GET, delivery))

    async def of_turn(self, n: int) -> Delivery | None:
        """Return the final answer of a turn."""
        return _one(await self._database.fetch_one(OF_TURN, n))

    async def waiting(self, chat: str) -> list[Delivery]:
        """Return what is due in a chat, oldest first."""
        return await self._all(WAITING, chat)

    async def all_waiting(self) -> list[Delivery]:
        """Return what is due anywhere, oldest first."""
        return await self._all(ALL_WAITING)

    async def unknown(self, chat: str) -> list[Delivery]:
        """Return what may or may not have reached a chat, and was not told to it yet."""
        return await self._all(UNKNOWN, chat)

    async def claim(self, delivery: int, *, via: str, to: Literal["sending", "sent"]) -> bool:
        """Take what is due, before it leaves; the first one wins."""
        move = SENDING if to == "sending" else SHOWN
        return bool(await moved(self._database, move, delivery, {"via": via}, via))

    async def settle(
        self,
        delivery: int,
        state: Settled,
        *,
        via: str | None = None,
        cause: str = "",
        at: int,
    ) -> bool:
        """Keep how it ended; what was sent or has failed for good does not change any more."""
        facts: dict[str, object] = {"via": via} if not cause else {"via": via, "cause": cause}
        rows = await moved(self._database, SETTLED[state], delivery, facts, via, cause, at)
        return bool(rows)

    async def release(self, delivery: int, cause: str) -> bool:
        """Give back what was surely not sent: it is due again."""
        return bool(await moved(self._database, RELEASED, delivery, {"cause": cause}, cause))

    async def doubtful(self) -> list[Delivery]:
        """At a start: what was on its way is unknown from now on; return it."""
        rows = await moved(self._database, CUT_OFF, 0, {"cause": "the service was cut off"})
        return [_delivery(row) for row in rows]

    async def counts(self) -> dict[str, int]:
        """Return how many deliveries are in each state."""
        rows = await self._database.fetch_all(COUNTS)
        return {str(state): int(count) for state, count in rows}

    async def purge(self, before: int) -> int:
        """Delete notices made earlier; finals are deleted with their turns."""
        purged = 0
        while True:
            rows = await self._database.write(Statement(PURGE_NOTICES, before, PURGED_AT_ONCE))
            purged += len(rows[0])
            if len(rows[0]) < PURGED_AT_ONCE:
                return purged

    async def _all(self, sql: str, *args: Value) -> list[Delivery]:
        return [_delivery(row) for row in await self._database.fetch_all(sql, *args)]


def _one(row: Row | None) -> Delivery | None:
    return _delivery(row) if row else None
