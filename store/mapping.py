"""Which sessions chats are in and which turns run, read beside the running service."""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from store.connection import readable
from store.database import Row

PATIENCE_S = 30.0
# The newest epoch first: what a chat is in now stands before what it was in.
MAPPED = """
    SELECT chat, session, directory, opened_at FROM sessions WHERE session <> ''
    ORDER BY opened_at DESC, epoch DESC, chat
"""
RUNNING = "SELECT n, chat FROM turns WHERE state = 'running' AND prompt_state <> 'none' ORDER BY n"


@dataclass(frozen=True, slots=True)
class Mapped:
    """A session of a chat; ``opened_at`` in Unix milliseconds."""

    chat: str
    session: str
    directory: str
    opened_at: int


def mapped(database: Path) -> list[Mapped]:
    """Return every session that a chat is or was in, each once, newest first."""
    found: dict[str, Mapped] = {}
    for row in _rows(database, MAPPED):
        found.setdefault(row[1], Mapped(*row))
    return list(found.values())


def at_work(database: Path) -> list[tuple[int, str]]:
    """Return number and chat of the turns that OpenCode has, as far as the store knows."""
    return [(n, chat) for n, chat in _rows(database, RUNNING)]


def _rows(database: Path, sql: str) -> list[Row]:
    """Read from a database that others may write; one that is not there has nothing."""
    if not database.exists():
        return []
    address = f"{database.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=PATIENCE_S, isolation_level=None)
    with contextlib.closing(connection):
        connection.text_factory = readable
        return connection.execute(sql).fetchall()
