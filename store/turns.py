"""Turns: what waits in each chat's lane, what runs, how it ended."""

from collections.abc import Sequence
from typing import NoReturn

from store.attachments import with_turn
from store.database import Database, Row, Statement, Value
from store.delivery_sql import KEEP_FOR_TURN
from store.edges import Move, history, moved
from store.errors import TurnLost
from store.records import EdgeRecord, NewDelivery, NewTurn, TurnRecord, TurnState
from store.rows import columns, reader
from store.sessions import DOUBT

# ruff: noqa: S608 - only constants are put together

LEASE_MS = 15_000
PURGED_AT_ONCE = 200
TURN_COLUMNS = columns(TurnRecord)
ADD = f"""
    INSERT INTO turns (
        message, chat, sender, kind, text, quote, attachments, language,
        forced, bubble, retry_of, created_at, channel, not_before, epoch, state, stored_at
    )
    VALUES (
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
        (SELECT epoch FROM chats WHERE key = $2), 'queued', now_ms()
    )
    ON CONFLICT (message) DO NOTHING
    RETURNING {TURN_COLUMNS}
"""
GET = f"SELECT {TURN_COLUMNS} FROM turns WHERE n = $1"
BY_MESSAGE = f"SELECT {TURN_COLUMNS} FROM turns WHERE message = $1"
IN_CHAT = f"SELECT {TURN_COLUMNS} FROM turns WHERE n = $2 AND chat = $1"
RECENT = f"SELECT {TURN_COLUMNS} FROM turns WHERE chat = $1 ORDER BY n DESC LIMIT $2"
NEWEST = f"SELECT {TURN_COLUMNS} FROM turns ORDER BY n DESC LIMIT $1"
QUEUED = f"""
    SELECT {TURN_COLUMNS} FROM turns WHERE chat = $1 AND state = 'queued' ORDER BY forced DESC, n
"""
LAST_PROMPT = "SELECT prompt FROM turns WHERE prompt <> '' ORDER BY prompt DESC LIMIT 1"
RUNNING = f"SELECT {TURN_COLUMNS} FROM turns WHERE chat = $1 AND state = 'running'"
UNFINISHED = f"SELECT {TURN_COLUMNS} FROM turns WHERE state IN ('queued', 'running') ORDER BY n"
RENEW = f"""
    UPDATE turns SET lease_until = now_ms() + {LEASE_MS} WHERE state = 'running' AND owner = $1
"""
# Whoever works on a turn shows the fence number that it had when the turn was claimed.
HELD = "n = $1 AND state = 'running' AND fence = $3"
STILL_HELD = f"SELECT {TURN_COLUMNS} FROM turns WHERE n = $1 AND state = 'running' AND fence = $2"
OWNED = f"fence = fence + 1, owner = $3, lease_until = now_ms() + {LEASE_MS}"
CLAIM = Move(
    "claimed",
    "turns",
    when="""
        n = (
            SELECT n FROM turns
            WHERE chat = $1 AND state = 'queued' AND (not_before <= $4 OR created_at > $4)
            ORDER BY forced DESC, n LIMIT 1
        )
        AND NOT EXISTS (SELECT 1 FROM turns AS other WHERE other.chat = $1 AND other.state = 'running')
    """,
    changes=f"state = 'running', started_at = $4, {OWNED}",
    returns=TURN_COLUMNS,
    fence="fence + 1",
)
# `$4` = 1: nobody else can be alive who holds it.
TAKE_UP = Move(
    "taken_up",
    "turns",
    when="""
        chat = $1 AND state = 'running' AND (owner = $3 OR $4 = 1 OR lease_until < now_ms())
    """,
    changes=OWNED,
    returns=TURN_COLUMNS,
    fence="fence + 1",
)
SESSION_KNOWN = Move(
    "session_known",
    "turns",
    when=HELD,
    changes="session = $4, directory = $5, agent = $6, model = $7",
    returns=TURN_COLUMNS,
)
SENDING = Move(
    "prompt_sent",
    "turns",
    when=f"{HELD} AND prompt_state = 'none'",
    changes="prompt = $4, prompt_state = 'sending', prompts = prompts + 1",
    returns=TURN_COLUMNS,
)
ACCEPTED = Move(
    "accepted",
    "turns",
    when=f"{HELD} AND prompt_state = 'sending'",
    changes="prompt_state = 'accepted'",
    returns=TURN_COLUMNS,
)
FORGOTTEN = Move(
    "forgotten",
    "turns",
    when=f"{HELD} AND prompt_state <> 'none'",
    changes="prompt = '', prompt_state = 'none'",
    returns=TURN_COLUMNS,
)
ANSWERED = Move("answered", "turns", when=HELD, changes="outcome = $4", returns=TURN_COLUMNS)
HALT = Move("halted", "turns", when="n = $1 AND state = 'running'", changes="stopped_by = $3")
FORCE = Move(
    "forced", "turns", when="n = $1 AND state = 'queued'", changes="forced = 1, not_before = 0"
)
DROP = Move(
    "dropped",
    "turns",
    when="n = $1 AND state = 'queued'",
    changes="state = 'dropped', stopped_by = $3, ended_at = $4",
)
DROP_ALL = Move(
    "dropped",
    "turns",
    when="chat = $1 AND state = 'queued'",
    changes="state = 'dropped', stopped_by = $3, ended_at = $4",
)
END = Move(
    "final_stored",
    "turns",
    when="n = $1 AND state IN ('queued', 'running') AND fence = $3",
    changes="""
        state = $4, outcome = $5, reason = $6, stopped_by = $7, answer = $8, footer = $9,
        ended_at = $10
    """,
)
SET_SYNCS = """
    UPDATE turns SET sync_before = COALESCE($2, sync_before), sync_after = COALESCE($3, sync_after)
    WHERE n = $1
"""
SAVE_ANSWER = "UPDATE turns SET answer = $3 WHERE n = $1 AND fence = $2 AND state = 'running'"
COUNTS = "SELECT state, COUNT(n) FROM turns GROUP BY state"
OLD = """
    SELECT n FROM turns
    WHERE state NOT IN ('queued', 'running') AND ended_at < $1 ORDER BY n LIMIT $2
"""
PURGE = (
    "DELETE FROM changes WHERE turn = $1",
    "DELETE FROM edges WHERE turn = $1",
    "DELETE FROM asks WHERE turn = $1",
    "DELETE FROM attachments WHERE message = (SELECT message FROM turns WHERE n = $1)",
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
        turn.channel,
        turn.not_before,
    )


class Turns:
    """Every turn. A turn moves ``queued → running → done | failed | stopped``, or ``dropped``.

    What a worker does to its turn returns it as it then stands, and never with the fence of
    somebody else who holds it by now: that raises ``TurnLost``.
    """

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    async def add(self, turn: NewTurn) -> TurnRecord | None:
        """Let a turn wait in the lane of a known chat; None: its message has one already."""
        add = Statement(ADD, *turn_values(turn))
        return _first(await self._database.write(add, *with_turn(turn)))

    async def get(self, n: int) -> TurnRecord | None:
        """Return a turn by its number."""
        return _turn(await self._database.fetch_one(GET, n))

    async def by_message(self, message: str) -> TurnRecord | None:
        """Return the turn of an inbound message."""
        return _turn(await self._database.fetch_one(BY_MESSAGE, message))

    async def in_chat(self, chat: str, n: int) -> TurnRecord | None:
        """Return a turn by its number, if it is one of this chat."""
        return _turn(await self._database.fetch_one(IN_CHAT, chat, n))

    async def recent(self, chat: str, limit: int) -> list[TurnRecord]:
        """Return the last turns of a chat, newest first."""
        return await self._all(RECENT, chat, limit)

    async def newest(self, limit: int) -> list[TurnRecord]:
        """Return the last turns of all chats, newest first."""
        return await self._all(NEWEST, limit)

    async def queued(self, chat: str) -> list[TurnRecord]:
        """Return what waits in a chat's lane, in the order in which it will run."""
        return await self._all(QUEUED, chat)

    async def running(self, chat: str) -> TurnRecord | None:
        """Return the turn that runs in a chat."""
        return _turn(await self._database.fetch_one(RUNNING, chat))

    async def unfinished(self) -> list[TurnRecord]:
        """Return every turn that waits or runs, oldest first."""
        return await self._all(UNFINISHED)

    async def history(self, n: int) -> list[EdgeRecord]:
        """Return every edge that a turn and its delivery passed since it was stored, in order."""
        return await history(self._database, n)

    async def last_prompt(self) -> str:
        """Return the newest id of a prompt, which is the largest; empty before the first."""
        row = await self._database.fetch_one(LAST_PROMPT)
        return str(row[0]) if row else ""

    async def claim(self, chat: str, at: int, **facts: object) -> TurnRecord | None:
        """Let the next turn of a chat run, if none does, and hold it."""
        return _first_of(await moved(self._database, CLAIM, chat, facts, self._owner, at))

    async def take_up(self, chat: str, **facts: object) -> TurnRecord | None:
        """Hold the turn that ran in a chat when its former owner ended.

        None when nothing runs there, or when somebody else holds it and may be alive.
        """
        alone = int(self._database.exclusive)
        return _first_of(await moved(self._database, TAKE_UP, chat, facts, self._owner, alone))

    async def renew(self) -> None:
        """Hold on to every turn that this process works on."""
        await self._database.write(Statement(RENEW, self._owner))

    async def set_session(
        self, turn: TurnRecord, session: str, directory: str, *, agent: str = "", model: str = ""
    ) -> TurnRecord:
        """Keep which session the turn runs in, and with which agent and model."""
        facts: dict[str, object] = {"session": session, "agent": agent, "model": model}
        return await self._held(SESSION_KNOWN, turn, facts, session, directory, agent, model)

    async def prompt_sending(self, turn: TurnRecord, prompt: str) -> TurnRecord:
        """Keep the prompt's id before it leaves: from now on it may be on the server."""
        return await self._held(SENDING, turn, {"prompt": prompt}, prompt)

    async def prompt_accepted(self, turn: TurnRecord, **facts: object) -> TurnRecord:
        """Keep that the server has the prompt; nothing changes where that is known."""
        accepted = await self._try(ACCEPTED, turn, facts)
        if accepted is None:
            accepted = _turn(await self._database.fetch_one(STILL_HELD, turn.n, turn.fence))
        return accepted or _lost(turn)

    async def prompt_forgotten(self, turn: TurnRecord, cause: str) -> TurnRecord:
        """Keep that the server does not have the prompt, which may so be sent anew."""
        return await self._held(FORGOTTEN, turn, {"cause": cause})

    async def answered(self, turn: TurnRecord, outcome: str, **facts: object) -> None:
        """Keep that the server said the turn is over."""
        await self._held(ANSWERED, turn, {"outcome": outcome} | facts, outcome)

    async def set_syncs(
        self, n: int, *, before: int | None = None, after: int | None = None
    ) -> None:
        """Keep the looks at the workspace before and after the turn; None leaves one alone."""
        await self._database.write(Statement(SET_SYNCS, n, before, after))

    async def save_answers(self, rows: Sequence[tuple[TurnRecord, str]]) -> None:
        """Keep how far the answers of running turns have grown, in one write."""
        if rows:
            await self._database.write(
                *(Statement(SAVE_ANSWER, turn.n, turn.fence, text) for turn, text in rows)
            )

    async def force(self, n: int) -> bool:
        """Let a waiting turn run before the others; False when it does not wait."""
        return bool(await moved(self._database, FORCE, n, {}))

    async def drop(self, n: int, by: str, at: int) -> bool:
        """Take a waiting turn out of the lane; False when it does not wait."""
        return bool(await moved(self._database, DROP, n, {"by": by}, by, at))

    async def drop_all(self, chat: str, by: str, at: int) -> list[int]:
        """Empty a chat's lane; return the numbers of what waited."""
        rows = await moved(self._database, DROP_ALL, chat, {"by": by}, by, at)
        return sorted(int(row[0]) for row in rows)

    async def halt(self, n: int, by: str) -> None:
        """Keep that a person wants a running turn to end; a restart must not forget it."""
        await moved(self._database, HALT, n, {"by": by}, by)

    async def end(  # noqa: PLR0913 - the end of a turn is one write of all that it leaves
        self,
        turn: TurnRecord,
        *,
        state: TurnState,
        outcome: str,
        reason: str,
        stopped_by: str,
        answer: str,
        footer: str,
        at: int,
        delivery: NewDelivery | None,
        files: Sequence[NewDelivery] = (),
        unheard: bool = False,
    ) -> bool:
        """End a turn, and keep what must reach its chat, in one write.

        ``unheard``: without OpenCode's word, so that its session may still be at work.
        False when it had ended, or when somebody else holds it by now.
        """
        facts: dict[str, object] = {"state": state, "outcome": outcome, "chars": len(answer)}
        values = (turn.fence, state, outcome, reason, stopped_by, answer, footer, at)
        # What belongs to it first: it is made only for a turn that has not ended.
        first = [_delivery(turn, one) for one in (delivery, *files) if one is not None]
        if unheard:
            first.append(Statement(DOUBT, turn.n, turn.fence))
        end = END.statements(turn.n, facts, *values)
        return bool((await self._database.write(*first, *end))[-1])

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

    async def _held(
        self, move: Move, turn: TurnRecord, facts: dict[str, object], *args: Value
    ) -> TurnRecord:
        """Make a move of a turn that is ours. Raises ``TurnLost`` when it is not any more."""
        return await self._try(move, turn, facts, *args) or _lost(turn)

    async def _try(
        self, move: Move, turn: TurnRecord, facts: dict[str, object], *args: Value
    ) -> TurnRecord | None:
        return _first_of(await moved(self._database, move, turn.n, facts, turn.fence, *args))

    async def _all(self, sql: str, *args: Value) -> list[TurnRecord]:
        return [turn_of_row(row) for row in await self._database.fetch_all(sql, *args)]


def _turn(row: Row | None) -> TurnRecord | None:
    return turn_of_row(row) if row else None


def _lost(turn: TurnRecord) -> NoReturn:
    raise TurnLost(f"turn {turn.n} is not held with fence {turn.fence}")


def _first(rows: list[list[Row]]) -> TurnRecord | None:
    return _first_of(rows[0])


def _first_of(rows: list[Row]) -> TurnRecord | None:
    return turn_of_row(rows[0]) if rows else None


def _delivery(turn: TurnRecord, new: NewDelivery) -> Statement:
    values = (new.chat, new.message, new.body, new.footer, new.more, new.file, new.at)
    return Statement(KEEP_FOR_TURN, turn.n, *values, turn.fence)
