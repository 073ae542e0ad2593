"""People who wrote without being admitted."""

from store.database import Database, Statement

TELL = """
    INSERT INTO strangers (sender, told_at) VALUES ($1, $2)
    ON CONFLICT (sender) DO NOTHING
    RETURNING sender
"""


class Strangers:
    """Who was told that an administrator must list them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tell(self, sender: str, at: int) -> bool:
        """Note that they are told now; False when they were told before."""
        rows = await self._database.write(Statement(TELL, sender, at))
        return bool(rows[0])
