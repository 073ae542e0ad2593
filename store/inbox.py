"""What people sent, kept before it is answered."""

from collections.abc import Callable, Collection, Sequence

from store.attachments import taking_over, with_turn
from store.database import Database, Statement
from store.delivery_sql import SHOWN, TOLD
from store.errors import StoreError
from store.records import Accepted, InboundRecord, NewChat, NewInbound, NewTurn
from store.rows import columns, reader
from store.turns import TURN_COLUMNS, turn_of_row, turn_values

# ruff: noqa: S608 - only constants are put together

PURGED_AT_ONCE = 500
CONTACT: dict[str, object] = {"via": "contact"}
COLUMNS = columns(InboundRecord)
# The first two look whether the message is new, the third makes it known: in this order one
# write is enough, and a repeat changes nothing, whatever it is taken for the second time.
KEEP_CHAT = """
    INSERT INTO chats (key, platform, kind, id, member, last_language, created_at, contact_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $7
    WHERE NOT EXISTS (SELECT 1 FROM inbound WHERE message = $8)
    ON CONFLICT (key) DO UPDATE SET
        last_language = CASE
            WHEN excluded.last_language = '' THEN chats.last_language
            ELSE excluded.last_language
        END,
        contact_at = excluded.contact_at
"""
KEEP_TURN = """
    INSERT INTO turns (
        message, chat, sender, kind, text, quote, attachments, language,
        forced, bubble, retry_of, created_at, channel, not_before, epoch, state, stored_at
    )
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
        (SELECT epoch FROM chats WHERE key = $2), 'queued', now_ms()
    WHERE NOT EXISTS (SELECT 1 FROM inbound WHERE inbound.message = $1)
    ON CONFLICT (message) DO NOTHING
    RETURNING n, epoch, stored_at
"""
KEEP = """
    INSERT INTO inbound (
        message, chat, sender, kind, name, body, stream, shown, finished,
        reply_url, reply_url_state, received_at, channel, handle
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT (message) DO NOTHING
    RETURNING message
"""
FIND = f"SELECT {COLUMNS} FROM inbound WHERE message = $1"
BY_STREAM = f"SELECT {COLUMNS} FROM inbound WHERE stream = $1"
TURN_OF = f"SELECT {TURN_COLUMNS} FROM turns WHERE message = $1"
SHOW = "UPDATE inbound SET shown = $2, finished = $3 WHERE stream = $1 AND finished = 0"
# A further bubble of a message takes the place of the one before it.
REOPEN = "UPDATE inbound SET stream = $2, shown = '', finished = 0 WHERE message = $1"
UNFINISHED = f"""
    SELECT {COLUMNS} FROM inbound
    WHERE channel = $1 AND received_at >= $2 AND finished = 0 ORDER BY received_at
"""
TAKE_URL = """
    UPDATE inbound SET reply_url_state = 'used'
    WHERE message = $1 AND reply_url_state = 'fresh'
    RETURNING reply_url
"""
GIVE_BACK_URL = """
    UPDATE inbound SET reply_url_state = 'fresh' WHERE message = $1 AND reply_url_state = 'used'
"""
FRESH_URLS = f"""
    SELECT {COLUMNS} FROM inbound
    WHERE chat = $1 AND received_at >= $2 AND kind IN ('command', 'refused', 'event') AND reply_url_state = 'fresh'
    ORDER BY received_at DESC
"""
PURGE = """
    DELETE FROM inbound WHERE message IN (
        SELECT message FROM inbound WHERE received_at < $1 ORDER BY received_at LIMIT $2
    )
    RETURNING message
"""

_inbound = reader(InboundRecord)


class Inbox:
    """Everything that a platform sent and that was acknowledged."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(
        self, inbound: NewInbound, chat: NewChat | None, turn: NewTurn | None
    ) -> Accepted:
        """Keep a message, its chat and its turn in one write; a repeat gets what was kept first.

        A turn needs a chat, the one given or one that is known; without it nothing is kept.
        """
        kept = inbound.kept()
        first = accept_statements(kept, chat, turn)
        rows = await self._database.write(*first, *_beside(turn))
        *_, made, known = [[], *rows[: len(first)]]
        if not known:
            return await self._repeated(inbound.message)
        if turn is None:
            return Accepted(repeated=False, inbound=kept, turn=None)
        record = turn.queued(*made[0]) if made else None
        joined = tuple(turn_of_row(row) for row in rows[-1]) if turn.joins else ()
        return Accepted(repeated=False, inbound=kept, turn=record, joined=joined)

    async def _repeated(self, message: str) -> Accepted:
        inbound = await self.find(message)
        if inbound is None:  # purged between the two looks
            raise StoreError("A message was there and is gone.")
        row = await self._database.fetch_one(TURN_OF, message)
        return Accepted(repeated=True, inbound=inbound, turn=turn_of_row(row) if row else None)

    async def find(self, message: str) -> InboundRecord | None:
        """Return what was kept of a message."""
        row = await self._database.fetch_one(FIND, message)
        return _inbound(row) if row else None

    async def by_stream(self, stream: str) -> InboundRecord | None:
        """Return the message that a bubble belongs to."""
        row = await self._database.fetch_one(BY_STREAM, stream)
        return _inbound(row) if row else None

    async def show(self, rows: Sequence[tuple[str, str, bool]]) -> None:
        """Keep what bubbles show: stream, text, whether that is its last word, which never changes."""
        if rows:
            await self._database.write(
                *(Statement(SHOW, stream, shown, int(finished)) for stream, shown, finished in rows)
            )

    async def reopen(self, message: str, stream: str) -> None:
        """Keep that a message is answered in another bubble from now on."""
        await self._database.write(Statement(REOPEN, message, stream))

    async def unfinished(self, channel: str, since: int) -> list[InboundRecord]:
        """Return what came by a channel since then and was not shown its last word, oldest first."""
        rows = await self._database.fetch_all(UNFINISHED, channel, since)
        return [_inbound(row) for row in rows]

    async def bring(
        self,
        stream: str,
        due: Sequence[int],
        told: Sequence[int],
        shown: Callable[[Collection[int]], str],
        *,
        finished: bool,
    ) -> list[int]:
        """Take deliveries that are due together with what their bubble shows then.

        ``shown`` makes that from the ids that were still to be had, which are returned;
        ``told`` are deliveries in doubt, or failed, that the chat learns of by it.
        """
        async with self._database.transaction() as database:
            taken = []
            for delivery in due:
                rows = await database.write(*SHOWN.statements(delivery, CONTACT, "contact"))
                taken += [delivery] if rows[-1] else []
            notes = [Statement(TOLD, delivery) for delivery in told]
            await database.write(*notes, Statement(SHOW, stream, shown(taken), int(finished)))
        return taken

    async def take_url(self, message: str) -> str | None:
        """Return the single-use address of a message, to the first who asks."""
        rows = await self._database.write(Statement(TAKE_URL, message))
        return str(rows[0][0][0]) if rows[0] else None

    async def give_back_url(self, message: str) -> None:
        """Undo ``take_url`` for an address that was certainly not used."""
        await self._database.write(Statement(GIVE_BACK_URL, message))

    async def fresh_urls(self, chat: str, since: int) -> list[InboundRecord]:
        """Return the commands of a chat whose address is not used, newest first."""
        rows = await self._database.fetch_all(FRESH_URLS, chat, since)
        return [_inbound(row) for row in rows]

    async def purge(self, before: int) -> int:
        """Delete what was received earlier, in small writes; return how many messages."""
        purged = 0
        while True:
            rows = await self._database.write(Statement(PURGE, before, PURGED_AT_ONCE))
            purged += len(rows[0])
            if len(rows[0]) < PURGED_AT_ONCE:
                return purged


def accept_statements(
    inbound: InboundRecord, chat: NewChat | None, turn: NewTurn | None
) -> list[Statement]:
    """Return the one write that keeps a message with its chat and its turn."""
    statements = [_keep_chat(chat, inbound.message)] if chat is not None else []
    if turn is not None:
        statements.append(Statement(KEEP_TURN, *turn_values(turn)))
    return [*statements, _keep(inbound)]


def _beside(turn: NewTurn | None) -> list[Statement]:
    """Return what the write of a message with a turn holds behind these."""
    if turn is None:
        return []
    return [*with_turn(turn), *(taking_over(turn) if turn.joins else ())]


def _keep_chat(chat: NewChat, message: str) -> Statement:
    named = (chat.key, chat.platform, chat.kind, chat.id, chat.member)
    return Statement(KEEP_CHAT, *named, chat.last_language, chat.at, message)


def _keep(row: InboundRecord) -> Statement:
    named = (row.message, row.chat, row.sender, row.kind, row.name, row.body)
    bubble = (row.stream, row.shown, int(row.finished))
    address = (row.reply_url, row.reply_url_state)
    return Statement(KEEP, *named, *bubble, *address, row.received_at, row.channel, row.handle)
