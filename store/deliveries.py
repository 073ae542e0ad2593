"""Deliveries: what must reach a chat, and how far it got."""

from typing import Literal

from store.database import Database, Row, Statement, Value
from store.edges import Move, moved
from store.records import Delivery, DeliveryState, NewDelivery
from store.rows import columns, reader

# ruff: noqa: S608 - only constants are put together

Settled = Literal["sent", "unknown", "failed"]
PURGED_AT_ONCE = 500
LISTED = 200
IN_FLIGHT = 1000
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
DUE = f"SELECT {COLUMNS} FROM deliveries WHERE chat = $1 AND state = 'due' ORDER BY id"
# A notice can be fetched by nothing: one that no address took is shown by the next contact.
WAITING = f"""
    SELECT {COLUMNS} FROM deliveries
    WHERE chat = $1 AND (state = 'due' OR (state = 'failed' AND turn IS NULL)) ORDER BY id
"""
ALL_WAITING = f"SELECT {COLUMNS} FROM deliveries WHERE state = 'due' ORDER BY id"
ALL_SENDING = f"SELECT {COLUMNS} FROM deliveries WHERE state = 'sending' ORDER BY id"
UNTOLD = f"""
    SELECT {COLUMNS} FROM deliveries
    WHERE chat = $1 AND (state = 'unknown' OR (state = 'failed' AND turn IS NOT NULL)) AND told = 0
    ORDER BY id
"""
UNSENT = f"SELECT {COLUMNS} FROM deliveries WHERE state <> 'sent'"
NEWEST_UNSENT = f"ORDER BY id DESC LIMIT {LISTED}"
UNSENT_IN = f"{UNSENT} AND state = $1 {NEWEST_UNSENT}"
UNSENT_OF = f"{UNSENT} AND chat = $1 {NEWEST_UNSENT}"
UNSENT_ALL = f"{UNSENT} {NEWEST_UNSENT}"
# Chats whose oldest delivery with an address may be posted now, to that of its own message
# or of a command that came later ($1 = now, $2 = the age at which addresses end).
READY = """
    WITH usable AS (
        SELECT due.chat, due.id, due.next_at FROM deliveries AS due
        LEFT JOIN inbound AS own ON own.message = due.message
        WHERE due.state = 'due' AND (
            (own.reply_url_state = 'fresh' AND own.received_at > $2)
            OR EXISTS (
                SELECT 1 FROM inbound AS later
                WHERE later.chat = due.chat AND later.reply_url_state = 'fresh'
                AND later.kind IN ('command', 'refused') AND later.received_at > $2
                AND later.received_at >= COALESCE(own.received_at, 0)
            )
        )
    )
    SELECT chat FROM usable
    WHERE next_at <= $1
    AND id = (SELECT MIN(id) FROM usable AS first WHERE first.chat = usable.chat)
    AND NOT EXISTS (
        SELECT 1 FROM deliveries AS older WHERE older.chat = usable.chat
        AND older.id < usable.id AND older.state = 'sending'
    )
    ORDER BY id
"""
NEXT_AT = "SELECT MIN(next_at) FROM deliveries WHERE state = 'due' AND next_at > $1"
IS = "deliveries.id = $1 AND deliveries.state"
ENDS = "changed_at = now_ms(), told = 0, cause = $3"
SHOWN = Move(
    "shown",
    "deliveries",
    when=f"({IS} = 'due' OR ({IS} = 'failed' AND deliveries.turn IS NULL))",
    changes="state = 'sent', via = $3, changed_at = now_ms()",
)
FETCHED = Move(
    "shown",
    "deliveries",
    when=f"{IS} IN ('due', 'unknown', 'failed')",
    changes="state = 'sent', via = 'result', changed_at = now_ms()",
)
# An older one on its way must be settled first: it would else arrive behind a younger one.
SENDING = Move(
    "sending",
    "deliveries",
    when=f"""
        {IS} = 'due'
        AND EXISTS (SELECT 1 FROM inbound WHERE message = $3 AND reply_url_state = 'fresh')
        AND NOT EXISTS (
            SELECT 1 FROM deliveries AS older WHERE older.chat = deliveries.chat
            AND older.id < deliveries.id AND older.state = 'sending'
        )
    """,
    changes="""
        state = 'sending', via = 'url', source = $3, cause = '', attempts = attempts + 1,
        changed_at = now_ms()
    """,
)
TAKE_ADDRESS = """
    UPDATE inbound SET reply_url_state = 'used'
    WHERE message = $2 AND reply_url_state = 'fresh'
    AND EXISTS (SELECT 1 FROM deliveries WHERE id = $1 AND state = 'sending' AND source = $2)
    RETURNING reply_url
"""
# A cause while it is sending says that the repeat has begun: there is never a second one.
REPEATING = Move(
    "sending",
    "deliveries",
    when=f"{IS} = 'sending' AND deliveries.cause = ''",
    changes="cause = $3, attempts = attempts + 1, changed_at = now_ms()",
)
# A repeat that did not leave is none: the address is kept, and it may be made again.
POSTPONED = Move(
    "unsent",
    "deliveries",
    when=f"{IS} = 'sending'",
    changes="cause = '', next_at = $3, changed_at = now_ms()",
)
SENT = Move("shown", "deliveries", when=f"{IS} = 'sending'", changes=f"state = 'sent', {ENDS}")
DOUBTED = Move(
    "doubted", "deliveries", when=f"{IS} = 'sending'", changes=f"state = 'unknown', {ENDS}"
)
FAILED = Move(
    "failed", "deliveries", when=f"{IS} IN ('due', 'sending')", changes=f"state = 'failed', {ENDS}"
)
# What was marked as shown by a poll of the last run, whose bubble nobody can have seen finished:
# `$3` = the age at which WeCom asks for a bubble no more. Few can have been on their way.
UNSEEN = Move(
    "doubted",
    "deliveries",
    when=f"""
        deliveries.id > (SELECT COALESCE(MAX(id), 0) FROM deliveries) - {IN_FLIGHT} AND $1 = 0
        AND deliveries.state = 'sent' AND deliveries.via = 'bubble' AND EXISTS (
            SELECT 1 FROM inbound WHERE inbound.message = deliveries.message
            AND inbound.finished = 0 AND inbound.received_at < $3
        )
    """,
    changes="state = 'unknown', cause = 'the service was cut off', told = 0, changed_at = now_ms()",
    returns=COLUMNS,
)
SETTLED: dict[Settled, Move] = {"sent": SENT, "unknown": DOUBTED, "failed": FAILED}
GIVE_BACK = """
    UPDATE inbound SET reply_url_state = 'fresh'
    WHERE message = (SELECT source FROM deliveries WHERE id = $1 AND state = 'sending')
    AND reply_url_state = 'used'
"""
RELEASED = Move(
    "unsent",
    "deliveries",
    when=f"{IS} = 'sending'",
    changes="state = 'due', via = '', cause = $3, next_at = $4, changed_at = now_ms()",
)
REFUSED = Move(
    "unsent",
    "deliveries",
    when=f"{IS} = 'sending'",
    changes="state = 'due', via = '', cause = $3, refusals = refusals + 1, changed_at = now_ms()",
)
RETRIED = Move(
    "retried",
    "deliveries",
    when=f"{IS} IN ('unknown', 'failed')",
    changes="""
        state = 'due', via = '', source = '', cause = '', attempts = 0, refusals = 0, next_at = 0,
        told = 0, changed_at = now_ms()
    """,
)
TOLD = "UPDATE deliveries SET told = 1 WHERE id = $1 AND state IN ('unknown', 'failed')"
OLDEST = "SELECT MIN(created_at) FROM deliveries WHERE state = $1"
SENDING_SINCE = "SELECT MIN(changed_at) FROM deliveries WHERE state = 'sending'"
BACKLOG = """
    SELECT state, COUNT(id), MIN(created_at) FROM deliveries
    WHERE state <> 'sent'
    AND NOT (chat = $1 AND (state = 'due' OR (state = 'failed' AND turn IS NULL)))
    GROUP BY state
"""
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

    async def due(self, chat: str) -> list[Delivery]:
        """Return what is due in a chat, oldest first."""
        return await self._all(DUE, chat)

    async def waiting(self, chat: str) -> list[Delivery]:
        """Return what the next contact of a chat is to be shown, oldest first."""
        return await self._all(WAITING, chat)

    async def all_waiting(self) -> list[Delivery]:
        """Return what is due anywhere, oldest first."""
        return await self._all(ALL_WAITING)

    async def all_sending(self) -> list[Delivery]:
        """Return what is on its way anywhere, oldest first."""
        return await self._all(ALL_SENDING)

    async def untold(self, chat: str) -> list[Delivery]:
        """Return what is in doubt or failed in a chat, and was not told to it yet."""
        return await self._all(UNTOLD, chat)

    async def unseen(self, since: int) -> list[Delivery]:
        """At a start: doubt what a poll took, and no poll can have seen; return it.

        That is so where the bubble of a message received before ``since`` was not finished.
        """
        facts: dict[str, object] = {"cause": "the service was cut off"}
        return [_delivery(row) for row in await moved(self._database, UNSEEN, 0, facts, since)]

    async def unsent(
        self, *, state: DeliveryState | None = None, chat: str | None = None
    ) -> list[Delivery]:
        """Return what is not sent, newest first and at most 200: of a state, else of a chat, else all."""
        if state is not None:
            return await self._all(UNSENT_IN, state)
        return await (self._all(UNSENT_OF, chat) if chat is not None else self._all(UNSENT_ALL))

    async def ready(self, now: int, since: int) -> list[str]:
        """Return the chats where something may be posted now, to an address received after ``since``."""
        return [str(row[0]) for row in await self._database.fetch_all(READY, now, since)]

    async def next_at(self, now: int) -> int | None:
        """Return when the next delivery may be tried again, of those that may not yet."""
        return _number(await self._database.fetch_one(NEXT_AT, now))

    async def claim(self, delivery: int, *, via: str) -> bool:
        """Take what is due, before it is shown; the first one wins."""
        return bool(await moved(self._database, SHOWN, delivery, {"via": via}, via))

    async def fetched(self, delivery: int) -> bool:
        """Take what is not surely sent, for somebody who asked for it; False when it is on its way."""
        return bool(await moved(self._database, FETCHED, delivery, {"via": "result"}))

    async def post(self, delivery: int, source: str) -> str | None:
        """Take what is due together with the address of the message ``source``, before it leaves.

        None when one of the two was taken before, or while an older one of the chat is on its way.
        """
        facts: dict[str, object] = {"via": "url", "source": source}
        statements = SENDING.statements(delivery, facts, source)
        rows = await self._database.write(*statements, Statement(TAKE_ADDRESS, delivery, source))
        return str(rows[-1][0][0]) if rows[-1] else None

    async def repeat(self, delivery: int, cause: str) -> bool:
        """Keep that the address is posted to once more, before that leaves; False the second time."""
        facts: dict[str, object] = {"via": "url", "repeat": True, "cause": cause}
        return bool(await moved(self._database, REPEATING, delivery, facts, cause))

    async def postpone(self, delivery: int, cause: str, next_at: int) -> bool:
        """Keep that a repeat did not leave: it is made again, not before ``next_at``."""
        facts: dict[str, object] = {"via": "url", "repeat": True, "cause": cause}
        return bool(await moved(self._database, POSTPONED, delivery, facts, next_at))

    async def settle(self, delivery: int, state: Settled, cause: str = "") -> bool:
        """Keep how a post ended."""
        facts: dict[str, object] = {"via": "url", "cause": cause} if cause else {"via": "url"}
        return bool(await moved(self._database, SETTLED[state], delivery, facts, cause))

    async def release(self, delivery: int, cause: str, next_at: int) -> bool:
        """Give back what was surely not sent, with its address; it is not tried before ``next_at``."""
        facts: dict[str, object] = {"cause": cause}
        statements = RELEASED.statements(delivery, facts, cause, next_at)
        rows = await self._database.write(Statement(GIVE_BACK, delivery), *statements)
        return bool(rows[-1])

    async def refuse(self, delivery: int, cause: str, *, last: bool) -> bool:
        """Give back what its address did not take, or, at the ``last`` refusal, let it fail."""
        facts: dict[str, object] = {"cause": cause, "refused": True}
        statements = REFUSED.statements(delivery, facts, cause)
        failed = FAILED.statements(delivery, {"cause": cause}, cause) if last else []
        return bool((await self._database.write(*statements, *failed))[-1])

    async def retry(self, delivery: int) -> bool:
        """Let what failed or is in doubt be due again, by somebody's wish."""
        return bool(await moved(self._database, RETRIED, delivery, {}))

    async def oldest(self, state: DeliveryState) -> int | None:
        """Return when the oldest delivery of a state came to be."""
        return _number(await self._database.fetch_one(OLDEST, state))

    async def backlog(self, *, but: str) -> dict[str, tuple[int, int]]:
        """Return of each state how many are not sent and when the oldest came to be.

        What waits for the next contact of the chat ``but`` is left out.
        """
        rows = await self._database.fetch_all(BACKLOG, but)
        return {str(state): (int(count), int(oldest)) for state, count, oldest in rows}

    async def sending_since(self) -> int | None:
        """Return since when the one that is longest on its way has been so."""
        return _number(await self._database.fetch_one(SENDING_SINCE))

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


def _number(row: Row | None) -> int | None:
    return None if row is None or row[0] is None else int(row[0])
