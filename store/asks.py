"""Asks: OpenCode's permissions and questions that wait for a person."""

from store.database import Database, Row, Statement, Value
from store.records import AskRecord, AskState, NewAsk
from store.rows import columns, reader

# ruff: noqa: S608 - only constants are put together

COLUMNS = columns(AskRecord)
ADD = f"""
    INSERT INTO asks (
        id, code, chat, turn, session, directory, kind, body, state, asked_at, expires_at
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', $9, $10)
    ON CONFLICT (id) DO NOTHING
    RETURNING {COLUMNS}
"""
OPEN = f"SELECT {COLUMNS} FROM asks WHERE chat = $1 AND state = 'open' ORDER BY asked_at, id"
OPEN_OF_TURN = (
    f"SELECT {COLUMNS} FROM asks WHERE turn = $1 AND state = 'open' ORDER BY asked_at, id"
)
OF_TURN = f"SELECT {COLUMNS} FROM asks WHERE turn = $1 ORDER BY asked_at, id"
ALL_OPEN = f"SELECT {COLUMNS} FROM asks WHERE state = 'open' ORDER BY asked_at, id"
GET = f"SELECT {COLUMNS} FROM asks WHERE id = $1"
BY_CODE = f"""
    SELECT {COLUMNS} FROM asks WHERE chat = $1 AND code = $2
    ORDER BY CASE WHEN state = 'open' THEN 0 ELSE 1 END, asked_at DESC LIMIT 1
"""
DECIDE = """
    UPDATE asks SET state = 'answered', decision = $2, decided_by = $3, decided_at = $4
    WHERE id = $1 AND state = 'open'
    RETURNING id
"""
REOPEN = """
    UPDATE asks SET state = 'open', decision = '', decided_by = '', decided_at = NULL
    WHERE id = $1 AND state = 'answered'
    RETURNING id
"""
CLOSE = "UPDATE asks SET state = $2, decided_at = $3 WHERE id = $1 AND state = 'open' RETURNING id"
APPROVED = """
    SELECT COUNT(id) FROM asks
    WHERE turn = $1 AND kind = 'permission' AND state = 'answered' AND decision IN ('allow', 'always')
"""
EXPIRED = f"""
    SELECT {COLUMNS} FROM asks WHERE state = 'open' AND expires_at <= $1 ORDER BY asked_at, id
"""

_ask = reader(AskRecord)


class Asks:
    """Every ask. The first decision wins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, ask: NewAsk) -> AskRecord | None:
        """Keep an ask; None when it is known already."""
        named = (ask.id, ask.code, ask.chat, ask.turn, ask.session, ask.directory)
        values = (*named, ask.kind, ask.body, ask.asked_at, ask.expires_at)
        rows = await self._database.write(Statement(ADD, *values))
        return _ask(rows[0][0]) if rows[0] else None

    async def open(self, chat: str) -> list[AskRecord]:
        """Return what waits in a chat, oldest first."""
        return await self._all(OPEN, chat)

    async def open_of_turn(self, n: int) -> list[AskRecord]:
        """Return what a turn waits for, oldest first."""
        return await self._all(OPEN_OF_TURN, n)

    async def of_turn(self, n: int) -> list[AskRecord]:
        """Return everything that a turn ever waited for, oldest first."""
        return await self._all(OF_TURN, n)

    async def all_open(self) -> list[AskRecord]:
        """Return what waits anywhere, oldest first."""
        return await self._all(ALL_OPEN)

    async def get(self, ask: str) -> AskRecord | None:
        """Return an ask, whatever became of it."""
        row: Row | None = await self._database.fetch_one(GET, ask)
        return _ask(row) if row else None

    async def by_code(self, chat: str, code: str) -> AskRecord | None:
        """Return the ask that people of a chat call by this code: an open one before a past one."""
        row: Row | None = await self._database.fetch_one(BY_CODE, chat, code)
        return _ask(row) if row else None

    async def decide(self, ask: str, decision: str, by: str, at: int) -> bool:
        """Keep a decision; False when the ask is not open."""
        return await self._changed(DECIDE, ask, decision, by, at)

    async def reopen(self, ask: str) -> bool:
        """Take a decision back that could not be handed on."""
        return await self._changed(REOPEN, ask)

    async def close(self, ask: str, state: AskState, at: int) -> bool:
        """End an ask that nobody decided; False when it is not open."""
        return await self._changed(CLOSE, ask, state, at)

    async def approved(self, turn: int) -> int:
        """Return how many permissions people granted to a turn."""
        row = await self._database.fetch_one(APPROVED, turn)
        return int(str(row[0])) if row else 0

    async def expired(self, now: int) -> list[AskRecord]:
        """Return the open asks whose time is over."""
        return await self._all(EXPIRED, now)

    async def _changed(self, sql: str, *args: Value) -> bool:
        return bool((await self._database.write(Statement(sql, *args)))[0])

    async def _all(self, sql: str, *args: Value) -> list[AskRecord]:
        return [_ask(row) for row in await self._database.fetch_all(sql, *args)]
