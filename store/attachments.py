"""What came beside words: where it is to be had, then where its copy lies."""

from collections.abc import Iterator, Sequence

from store.database import Database, Row, Statement
from store.edges import Move
from store.records import AttachmentRecord, NewAttachment, NewTurn, TurnRecord
from store.rows import columns, reader

# ruff: noqa: S608 - only constants are put together

COLUMNS = columns(AttachmentRecord)
RETRIED_FROM = 1000  # the ordinals of what a retry takes over, apart from what it brings itself
# Whoever has a turn has its attachments, once: a repeat meets those of the first.
KEEP = """
    INSERT INTO attachments (
        message, source, ordinal, channel, kind, url, key, name, state, received_at
    )
    SELECT $1, $1, $2, $3, $4, $5, $6, $7, 'due', $8
    WHERE EXISTS (SELECT 1 FROM turns WHERE message = $1)
    ON CONFLICT (source, ordinal) DO NOTHING
"""
KEEP_AGAIN = f"""
    INSERT INTO attachments (
        message, source, ordinal, channel, kind, url, key, name,
        mime, size, blob, path, state, cause, received_at
    )
    SELECT $1, $1, {RETRIED_FROM} + ROW_NUMBER() OVER (ORDER BY id), channel, kind, url, key, name,
        mime, size, blob, path, state, cause, received_at
    FROM attachments
    WHERE message = (SELECT message FROM turns WHERE n = $2)
        AND EXISTS (SELECT 1 FROM turns WHERE message = $1)
    ON CONFLICT (source, ordinal) DO NOTHING
"""
# A file that was sent alone and has not begun goes with the next words of its sender.
ALONE = """
    state = 'queued' AND not_before > 0 AND text = '' AND chat = {chat} AND sender = {sender}
    AND EXISTS (
        SELECT 1 FROM turns AS later
        WHERE later.message = $1 AND later.state = 'queued' AND later.n > turns.n
    )
"""
TAKE_OVER = f"""
    UPDATE attachments SET message = $1
    WHERE message IN (
        SELECT turns.message FROM turns WHERE {ALONE.format(chat="$2", sender="$3")}
    )
"""
JOINED = Move(
    "dropped",
    "turns",
    when=ALONE.format(chat="$4", sender="$5"),
    changes="state = 'dropped', ended_at = $3",
    returns=columns(TurnRecord),
)
OF_MESSAGE = f"SELECT {COLUMNS} FROM attachments WHERE message = $1 ORDER BY id"
DUE = f"SELECT {COLUMNS} FROM attachments WHERE state = 'due' ORDER BY id"
KEPT = """
    UPDATE attachments
    SET state = 'kept', blob = $2, size = $3, mime = $4, name = $5, url = '', key = ''
    WHERE id = $1 AND state = 'due' RETURNING id
"""
FAILED = """
    UPDATE attachments SET state = 'failed', cause = $2, url = '', key = ''
    WHERE id = $1 AND state = 'due' RETURNING id
"""
PLACED = "UPDATE attachments SET path = $2 WHERE id = $1 AND state = 'kept'"

_attachment = reader(AttachmentRecord)


class Attachments:
    """Media of messages: ``due → kept | failed``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, message: str) -> list[AttachmentRecord]:
        """Return what goes with the turn of a message, in the order in which it was sent."""
        return _all(await self._database.fetch_all(OF_MESSAGE, message))

    async def due(self) -> list[AttachmentRecord]:
        """Return everything that is still to be fetched, oldest first."""
        return _all(await self._database.fetch_all(DUE))

    async def kept(self, attachment: int, *, blob: str, size: int, mime: str, name: str) -> bool:
        """Keep where its copy lies; False when it was given up meanwhile."""
        return await self._moved(Statement(KEPT, attachment, blob, size, mime, name))

    async def failed(self, attachment: int, cause: str) -> bool:
        """Keep that it cannot be had; False when it is here, or had failed before."""
        return await self._moved(Statement(FAILED, attachment, cause))

    async def placed(self, attachment: int, path: str) -> None:
        """Keep where it lies in the workspace."""
        await self._database.write(Statement(PLACED, attachment, path))

    async def _moved(self, statement: Statement) -> bool:
        return bool((await self._database.write(statement))[0])


def with_turn(turn: NewTurn) -> Iterator[Statement]:
    """Yield what keeps a turn's attachments, in the write and behind the turn itself."""
    for ordinal, one in enumerate(turn.media):
        yield _keep(turn.message, ordinal, one)
    if turn.retry_of is not None:
        yield Statement(KEEP_AGAIN, turn.message, turn.retry_of)


def taking_over(turn: NewTurn) -> list[Statement]:
    """Return what lets a turn take files over that were sent alone; the last returns their turns."""
    facts: dict[str, object] = {"joined": turn.message}
    moved = JOINED.statements(turn.message, facts, turn.created_at, turn.chat, turn.sender)
    return [Statement(TAKE_OVER, turn.message, turn.chat, turn.sender), *moved]


def _keep(message: str, ordinal: int, one: NewAttachment) -> Statement:
    where = (one.channel, one.kind, one.url, one.key, one.name)
    return Statement(KEEP, message, ordinal, *where, one.at)


def _all(rows: Sequence[Row]) -> list[AttachmentRecord]:
    return [_attachment(row) for row in rows]
