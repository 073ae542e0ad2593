"""People who wrote without being admitted."""

from store.database import Database, Statement

TELL = """
    INSERT INTO strangers (sender, chat, told_at) VALUES ($1, $2, $3)
    ON CONFLICT (sender, chat) DO UPDATE SET told_at = excluded.told_at
    WHERE strangers.told_at <= $4
    RETURNING sender
"""
PURGE = "DELETE FROM strangers WHERE told_at < $1 RETURNING sender"
DAY_MS = 24 * 60 * 60 * 1_000


class Strangers:
    """Who was told that an administrator must list them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tell(self, sender: str, chat: str, at: int) -> bool:
        """Note that they are told now; False when they were told in this chat within a day."""
        rows = await self._database.write(Statement(TELL, sender, chat, at, at - DAY_MS))
        return bool(rows[0])

    async def purge(self, before: int) -> int:
        """Forget who was told before then; return how many."""
        rows = await self._database.write(Statement(PURGE, before))
        return len(rows[0])
