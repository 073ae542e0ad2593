"""Which OpenCode session belongs to which epoch of a chat."""

from store.database import Database, Statement
from store.records import SessionRecord
from store.rows import columns, reader

# ruff: noqa: S608 - only constants are put together

COLUMNS = columns(SessionRecord)
OF_EPOCH = f"SELECT {COLUMNS} FROM sessions WHERE chat = $1 AND epoch = $2"
PUT = """
    INSERT INTO sessions (chat, epoch, session, title, directory, opened_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (chat, epoch) DO UPDATE SET
        session = excluded.session, title = excluded.title,
        directory = excluded.directory, opened_at = excluded.opened_at
"""
NEXT_EPOCH = "UPDATE chats SET epoch = epoch + 1 WHERE key = $1 RETURNING epoch"
OPEN_EPOCH = """
    INSERT INTO sessions (chat, epoch, session, title, directory, opened_at)
    SELECT key, epoch, $2, $3, $4, $5 FROM chats WHERE key = $1
"""
KNOWN = f"""
    SELECT {COLUMNS} FROM sessions
    WHERE chat = $1 AND session <> '' AND epoch = (
        SELECT MAX(other.epoch) FROM sessions AS other
        WHERE other.chat = sessions.chat AND other.session = sessions.session
    )
    ORDER BY epoch DESC
"""
RETITLE = "UPDATE sessions SET title = $2 WHERE session = $1 AND session <> ''"
OWNER = """
    SELECT chat FROM sessions WHERE session = $1 AND session <> ''
    ORDER BY opened_at DESC, epoch DESC LIMIT 1
"""

# Of the turn that somebody still holds; without a session there is nothing to doubt.
DOUBT = """
    INSERT INTO doubts (session, since)
    SELECT session, now_ms() FROM turns
    WHERE n = $1 AND state IN ('queued', 'running') AND fence = $2 AND session <> ''
    ON CONFLICT (session) DO NOTHING
"""
DOUBTED = "SELECT since FROM doubts WHERE session = $1"
TRUST = "DELETE FROM doubts WHERE session = $1"
FORGET_DOUBTS = "DELETE FROM doubts WHERE since < $1 RETURNING session"

_session = reader(SessionRecord)


class Sessions:
    """The sessions of every chat, past ones as well."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_epoch(self, chat: str, epoch: int) -> SessionRecord | None:
        """Return what is known of the session of that epoch; it may not be opened yet."""
        row = await self._database.fetch_one(OF_EPOCH, chat, epoch)
        return _session(row) if row else None

    async def put(
        self, chat: str, epoch: int, session: str, title: str, directory: str, at: int
    ) -> None:
        """Say which session that epoch has from now on."""
        await self._database.write(Statement(PUT, chat, epoch, session, title, directory, at))

    async def next_epoch(
        self, chat: str, *, session: str = "", title: str = "", directory: str = "", at: int
    ) -> int:
        """Begin a new epoch of a chat that is known, and return its number."""
        rows = await self._database.write(
            Statement(NEXT_EPOCH, chat), Statement(OPEN_EPOCH, chat, session, title, directory, at)
        )
        return int(rows[0][0][0])

    async def known(self, chat: str) -> list[SessionRecord]:
        """Return the opened sessions of a chat, newest first, each once."""
        return [_session(row) for row in await self._database.fetch_all(KNOWN, chat)]

    async def retitle(self, session: str, title: str) -> None:
        """Give a session another title, in every epoch that it had."""
        await self._database.write(Statement(RETITLE, session, title))

    async def doubted(self, session: str) -> bool:
        """Tell whether a session may still be at work for a turn that ended without OpenCode's word."""
        return await self._database.fetch_one(DOUBTED, session) is not None

    async def trust(self, session: str) -> None:
        """Keep that a session is surely not at work for an older turn any more."""
        await self._database.write(Statement(TRUST, session))

    async def purge(self, before: int) -> int:
        """Delete older doubts; return how many."""
        return len((await self._database.write(Statement(FORGET_DOUBTS, before)))[0])

    async def owner(self, session: str) -> str | None:
        """Return the key of the chat that a session belongs to."""
        row = await self._database.fetch_one(OWNER, session)
        return str(row[0]) if row else None
