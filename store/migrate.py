"""Brings a database to the schema of this version: numbered files, each applied once and whole."""

import re
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import structlog

from store.crashpoints import crashpoint
from store.database import Database, Statement
from store.errors import SchemaTooNew

log = structlog.get_logger()

FILE = re.compile(r"(\d{4})_(\w+)\.sql")
TABLE = """
    CREATE TABLE IF NOT EXISTS schema_versions (
        version BIGINT PRIMARY KEY,
        name TEXT NOT NULL,
        applied_at BIGINT NOT NULL
    )
"""
APPLIED = "SELECT version FROM schema_versions ORDER BY version DESC LIMIT 1"
APPLY = "INSERT INTO schema_versions (version, name, applied_at) VALUES ($1, $2, $3)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    sql: str

    def statements(self) -> Iterator[Statement]:
        """Yield its statements one by one: all of them must stand in one transaction."""
        pending = ""
        for line in self.sql.splitlines(keepends=True):
            pending += line
            if sqlite3.complete_statement(pending):
                yield Statement(pending)
                pending = ""


def known_migrations() -> list[Migration]:
    """Return the files of this version, in order."""
    found = []
    for file in resources.files("store").joinpath("migrations").iterdir():
        named = FILE.fullmatch(file.name)
        if named is not None:
            found.append(Migration(int(named[1]), named[2], file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.version)


async def migrate(database: Database, migrations: list[Migration]) -> int:
    """Apply what is missing and return the version reached; refuse a newer database."""
    newest = max((migration.version for migration in migrations), default=0)
    await database.write(Statement(TABLE))
    row = await database.fetch_one(APPLIED)
    reached = int(row[0]) if row else 0
    if reached > newest:
        raise SchemaTooNew(
            f"The database has schema {reached}, this version of the service knows schemas up to "
            f"{newest}. Start the newer version that wrote it, or restore a backup from before."
        )
    for migration in migrations:
        if migration.version > reached:
            await _apply(database, migration)
    return newest


async def _apply(database: Database, migration: Migration) -> None:
    at = time.time_ns() // 1_000_000
    async with database.transaction() as tx:
        for statement in migration.statements():
            crashpoint("C23")
            await tx.write(statement)
        crashpoint("C23")
        await tx.write(Statement(APPLY, migration.version, migration.name, at))
    log.info("store.migrated", version=migration.version, name=migration.name)
