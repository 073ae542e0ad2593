"""What must survive a restart: repositories over one database."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from store.asks import Asks
from store.attachments import Attachments
from store.chats import Chats
from store.database import Database, Statement
from store.deliveries import Deliveries
from store.errors import StoreBroken, StoreUnusable
from store.files import Files
from store.inbox import Inbox
from store.migrate import known_migrations, migrate
from store.sessions import Sessions
from store.sqlite import open_sqlite
from store.strangers import Strangers
from store.turns import Turns

log = structlog.get_logger()

SQLITE = "sqlite:///"
PING = """
    INSERT INTO pings (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at
"""


class Store:
    """The repositories over one open database. ``open_store`` makes it."""

    def __init__(self, database: Database, schema: int) -> None:
        self.database = database
        self.schema = schema
        self.chats = Chats(database)
        self.inbox = Inbox(database)
        self.sessions = Sessions(database)
        self.turns = Turns(database, owner=f"{os.getpid()}-{secrets.token_hex(4)}")
        self.deliveries = Deliveries(database)
        self.asks = Asks(database)
        self.strangers = Strangers(database)
        self.files = Files(database)
        self.attachments = Attachments(database)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def health(self) -> dict[str, str | int | bool]:
        """Return what an operator wants to know of the database; reads no table."""
        return {"schema": self.schema, **self.database.health()}

    async def ping(self, at: int) -> None:
        """Write and sync one small row: messages can be kept. Raises ``StoreError``."""
        await self.database.write(Statement(PING, at))

    async def purge(self, before: int) -> int:
        """Delete what is older than the retention allows, in small writes; return how many rows."""
        return (
            await self.turns.purge(before)
            + await self.inbox.purge(before)
            + await self.deliveries.purge(before)
            + await self.files.purge(before)
            + await self.strangers.purge(before)
            + await self.sessions.purge(before)
        )

    async def close(self) -> None:
        """Write what waits, then let go of the database."""
        await self.database.close()


def _nobody(_broken: StoreBroken) -> None:
    """Leave it to the writes, which all fail from then on."""


async def open_store(
    url: str,
    *,
    on_broken: Callable[[StoreBroken], None] = _nobody,
    backups: Path | None = None,
) -> Store:
    """Open the database that ``url`` names, brought to the schema of this version.

    ``on_broken`` is called once when the disk has failed, or the database is found damaged: the
    process must end then. ``backups`` is where they are kept, if not beside the database.
    Raises ``StoreUnusable`` with a sentence for the operator.
    """
    if not url.startswith(SQLITE):
        raise StoreUnusable(f"The database URL must begin with {SQLITE}.")
    database = await open_sqlite(Path(url.removeprefix(SQLITE)), on_broken, backups)
    try:
        schema = await migrate(database, known_migrations())
    except BaseException:
        await database.close()
        raise
    log.info("store.opened", schema=schema)
    return Store(database, schema)
