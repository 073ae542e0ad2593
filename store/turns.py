"""Turns: what waits in each chat's lane, what runs, how it ended."""

from collections.abc import Sequence

from store.database import Database, Row, Statement, Value
from store.deliveries import KEEP_FOR_TURN
from store.records import NewDelivery, NewTurn, TurnRecord, TurnState
from store.rows import columns, reader

# ruff: noqa: S608 - only constants are put together

PURGED_AT_ONCE = 200
TURN_COLUMNS = columns(TurnRecord)
ADD = f"""
    INSERT INTO turns (
        message, chat, sender, kind, text, quote, attachments, language,
        forced, bubble, retry_of, created_at, epoch, state
    )
    VALUES (
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
        (SELECT epoch FROM chats WHERE key = $2), 'queued'
    )
    ON CONFLICT (message) DO NOTHING
    RETURNING {TURN_COLUMNS}
"""
GET = f"SELECT {TURN_COLUMNS} FROM turns WHERE n = $1"
BY_MESSAGE = f"SELECT {TURN_COLUMNS} FROM turns WHERE message = $1"
IN_CHAT = f"SELECT {TURN_COLUMNS} FROM turns WHERE n = $2 AND chat = $1"
RECENT = f"SELECT {TURN_COLUMNS} FROM turns WHERE chat = $1 ORDER BY n DESC LIMIT $2"
QUEUED = f"""
    SELECT {TURN_COLUMNS} FROM turns WHERE chat = $1 AND state = 'queued' ORDER BY forced DESC, n
"""
LAST_PROMPT = "SELECT prompt FROM turns WHERE prompt <> '' ORDER BY prompt DESC LIMIT 1"
RUNNING = f"SELECT {TURN_COLUMNS} FROM turns WHERE chat = $1 AND state = 'running'"
UNFINISHED = f"SELECT {TURN_COLUMNS} FROM turns WHERE state IN ('queued', 'running') ORDER BY n"
CLAIM = f"""
    UPDATE turns SET state = 'running', started_at = $2
    WHERE n = (
        SELECT n FROM turns WHERE chat = $1 AND state = 'queued' ORDER BY forced DESC, n LIMIT 1
    ) AND NOT EXISTS (
        SELECT 1 FROM turns AS other WHERE other.chat = $1 AND other.state = 'running'
    )
    RETURNING {TURN_COLUMNS}
"""
SET_SESSION = "UPDATE turns SET session = $2, directory = $3 WHERE n = $1"
SET_CHOICE = "UPDATE turns SET agent = $2, model = $3 WHERE n = $1"
SENDING = """
    UPDATE turns SET prompt = $2, prompt_state = 'sending', prompts = prompts + 1 WHERE n = $1
"""
ACCEPTED = "UPDATE turns SET prompt_state = 'accepted' WHERE n = $1 AND prompt_state = 'sending'"
FORGOTTEN = "UPDATE turns SET prompt = '', prompt_state = 'none' WHERE n = $1"
SET_SYNCS = """
    UPDATE turns SET sync_before = COALESCE($2, sync_before), sync_after = COALESCE($3, sync_after)
    WHERE n = $1
"""
SAVE_ANSWER = "UPDATE turns SET answer = $2 WHERE n = $1 AND state = 'running'"
FORCE = "UPDATE turns SET forced = 1 WHERE n = $1 AND state = 'queued' RETURNING n"
DROP = """
    UPDATE turns SET state = 'dropped', stopped_by = $2, ended_at = $3
    WHERE n = $1 AND state = 'queued'
    RETURNING n
"""
DROP_ALL = """
    UPDATE turns SET state = 'dropped', stopped_by = $2, ended_at = $3
    WHERE chat = $1 AND state = 'queued'
    RETURNING n
"""
HALT = "UPDATE turns SET stopped_by = $2 WHERE n = $1 AND state = 'running'"
CLOSE_BUBBLE = "UPDATE turns SET bubble = 0 WHERE n = $1"
END = """
    UPDATE turns SET
        state = $2, outcome = $3, reason = $4, stopped_by = $5, answer = $6, footer = $7,
        ended_at = $8
    WHERE n = $1 AND state IN ('queued', 'running')
    RETURNING n
"""
COUNTS = "SELECT state, COUNT(n) FROM turns GROUP BY state"
OLD = """
    SELECT n FROM turns
    WHERE state NOT IN ('queued', 'running') AND ended_at < $1 ORDER BY n LIMIT $2
"""
PURGE = (
    "DELETE FROM changes WHERE turn = $1",
    "DELETE FROM asks WHERE turn = $1",
    "DELETE FROM deliveries WHERE turn = $1",
    "DELETE FROM turns WHERE n = $1",
)

turn_of_row = reader(TurnRecord)


def turn_values(turn: NewTurn) -> tuple[Value, ...]:
    """Return what ``ADD`` takes."""
    return (
        turn.message,
        turn.chat,
        turn.sender,
        turn.kind,
        turn.text,
        turn.quote,
        turn.attachments,
        turn.language,
        int(turn.forced),
        int(turn.bubble),
        turn.retry_of,
        turn.created_at,
    )


class Turns:
    """Every turn. A turn moves ``queued → running → done | failed | stopped``, or ``dropped``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, turn: NewTurn) -> TurnRecord | None:
        """Let a turn wait in the lane of a known chat; None: its message has one already."""
        return _first(await self._database.write(Statement(ADD, *turn_values(turn))))

    async def get(self, n: int) -> TurnRecord | None:
        """Return a turn by its number."""
        return _turn(await self._database.fetch_one(GET, n))

    async def current(self, n: int) -> TurnRecord:
        """Return a turn that must be there, as it stands now."""
        turn = await self.get(n)
        assert turn is not None, "a turn that runs is never deleted"
        return turn

    async def by_message(self, message: str) -> TurnRecord | None:
        """Return the turn of an inbound message."""
        return _turn(await self._database.fetch_one(BY_MESSAGE, message))

    async def in_chat(self, chat: str, n: int) -> TurnRecord | None:
        """Return a turn by its number, if it is one of this chat."""
        return _turn(await self._database.fetch_one(IN_CHAT, chat, n))

    async def recent(self, chat: str, limit: int) -> list[TurnRecord]:
        """Return the last turns of a chat, newest first."""
        return await self._all(RECENT, chat, limit)

    async def queued(self, chat: str) -> list[TurnRecord]:
        """Return what waits in a chat's lane, in the order in which it will run."""
        return await self._all(QUEUED, chat)

    async def running(self, chat: str) -> TurnRecord | None:
        """Return the turn that runs in a chat."""
        return _turn(await self._database.fetch_one(RUNNING, chat))

    async def unfinished(self) -> list[TurnRecord]:
        """Return every turn that waits or runs, oldest first."""
        return await self._all(UNFINISHED)

    async def last_prompt(self) -> str:
        """Return the newest id of a prompt, which is the largest; empty before the first."""
        row = await self._database.fetch_one(LAST_PROMPT)
        return str(row[0]) if row else ""

    async def claim(self, chat: str, at: int) -> TurnRecord | None:
        """Let the next turn of a chat run, if none does."""
        return _first(await self._database.write(Statement(CLAIM, chat, at)))

    async def set_session(self, n: int, session: str, directory: str) -> None:
        """Keep which session the turn runs in."""
        await self._database.write(Statement(SET_SESSION, n, session, directory))

    async def set_choice(self, n: int, agent: str, model: str) -> None:
        """Keep which agent and model the turn runs with."""
        await self._database.write(Statement(SET_CHOICE, n, agent, model))

    async def prompt_sending(self, n: int, prompt: str) -> None:
        """Keep the prompt's id before it leaves: from now on it may be on the server."""
        await self._database.write(Statement(SENDING, n, prompt))

    async def prompt_accepted(self, n: int) -> None:
        """Keep that the server has the prompt."""
        await self._database.write(Statement(ACCEPTED, n))

    async def prompt_forgotten(self, n: int) -> None:
        """Keep that the server does not have the prompt, which may so be sent anew."""
        await self._database.write(Statement(FORGOTTEN, n))

    async def set_syncs(
        self, n: int, *, before: int | None = None, after: int | None = None
    ) -> None:
        """Keep the looks at the workspace before and after the turn; None leaves one alone."""
        await self._database.write(Statement(SET_SYNCS, n, before, after))

    async def save_answers(self, rows: Sequence[tuple[int, str]]) -> None:
        """Keep how far the answers of running turns have grown, in one write."""
        if rows:
            await self._database.write(*(Statement(SAVE_ANSWER, n, text) for n, text in rows))

    async def force(self, n: int) -> bool:
        """Let a waiting turn run before the others; False when it does not wait."""
        return bool((await self._database.write(Statement(FORCE, n)))[0])

    async def drop(self, n: int, by: str, at: int) -> bool:
        """Take a waiting turn out of the lane; False when it does not wait."""
        return bool((await self._database.write(Statement(DROP, n, by, at)))[0])

    async def drop_all(self, chat: str, by: str, at: int) -> list[int]:
        """Empty a chat's lane; return the numbers of what waited."""
        rows = await self._database.write(Statement(DROP_ALL, chat, by, at))
        return sorted(int(row[0]) for row in rows[0])

    async def halt(self, n: int, by: str) -> None:
        """Keep that a person wants a running turn to end; a restart must not forget it."""
        await self._database.write(Statement(HALT, n, by))

    async def close_bubble(self, n: int) -> None:
        """Keep that the bubble of the turn's message is no longer open for it."""
        await self._database.write(Statement(CLOSE_BUBBLE, n))

    async def end(  # noqa: PLR0913 - the end of a turn is one write of all that it leaves
        self,
        n: int,
        *,
        state: TurnState,
        outcome: str,
        reason: str,
        stopped_by: str,
        answer: str,
        footer: str,
        at: int,
        delivery: NewDelivery | None,
    ) -> bool:
        """End a turn, and keep what must reach its chat, in one write; False when it had ended."""
        end = Statement(END, n, state, outcome, reason, stopped_by, answer, footer, at)
        # The delivery first: it is made only for a turn that has not ended.
        first = [] if delivery is None else [_delivery(n, delivery)]
        rows = await self._database.write(*first, end)
        return bool(rows[-1])

    async def counts(self) -> dict[str, int]:
        """Return how many turns are in each state."""
        rows = await self._database.fetch_all(COUNTS)
        return {str(state): int(count) for state, count in rows}

    async def purge(self, before: int) -> int:
        """Delete turns that ended earlier, with all that belongs to them; return how many."""
        purged = 0
        while True:
            old = await self._database.fetch_all(OLD, before, PURGED_AT_ONCE)
            if old:
                await self._database.write(
                    *(Statement(sql, int(row[0])) for row in old for sql in PURGE)
                )
            purged += len(old)
            if len(old) < PURGED_AT_ONCE:
                return purged

    async def _all(self, sql: str, *args: Value) -> list[TurnRecord]:
        return [turn_of_row(row) for row in await self._database.fetch_all(sql, *args)]


def _turn(row: Row | None) -> TurnRecord | None:
    return turn_of_row(row) if row else None


def _first(rows: list[list[Row]]) -> TurnRecord | None:
    return turn_of_row(rows[0][0]) if rows[0] else None


def _delivery(n: int, new: NewDelivery) -> Statement:
    return Statement(
        KEEP_FOR_TURN, n, new.chat, new.message, new.body, new.footer, new.more, new.at
    )
