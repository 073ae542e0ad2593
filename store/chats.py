"""Chats, and what was chosen in them."""

from store.database import Database, Statement
from store.records import ChatRecord
from store.rows import columns, reader

# ruff: noqa: S608 - only constants are put together

COLUMNS = columns(ChatRecord)
GET = f"SELECT {COLUMNS} FROM chats WHERE key = $1"
ALL = f"SELECT {COLUMNS} FROM chats ORDER BY contact_at DESC"
LAST_CONTACTS = "SELECT kind, MAX(contact_at) FROM chats GROUP BY kind"
CHOOSE = """
    UPDATE chats SET
        language = COALESCE($2, language),
        detail = COALESCE($3, detail),
        agent = COALESCE($4, agent),
        model = COALESCE($5, model)
    WHERE key = $1
"""

_chat = reader(ChatRecord)


class Chats:
    """Every chat that ever wrote."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> ChatRecord | None:
        """Return the chat, or None when it never wrote."""
        row = await self._database.fetch_one(GET, key)
        return _chat(row) if row else None

    async def choose(
        self,
        key: str,
        *,
        language: str | None = None,
        detail: str | None = None,
        agent: str | None = None,
        model: str | None = None,
    ) -> None:
        """Keep what was chosen; None leaves a choice alone, '' takes it back."""
        await self._database.write(Statement(CHOOSE, key, language, detail, agent, model))

    async def last_contacts(self) -> list[tuple[str, int]]:
        """Return of each kind of chat when one of them wrote last."""
        rows = await self._database.fetch_all(LAST_CONTACTS)
        return [(str(kind), int(at)) for kind, at in rows]

    async def all(self) -> list[ChatRecord]:
        """Return every chat, the one that wrote last first."""
        return [_chat(row) for row in await self._database.fetch_all(ALL)]
