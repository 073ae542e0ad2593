"""What can be seen of a database from outside, without changing it, whether the service runs or not."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from store.connection import readable
from store.errors import StoreDamaged, StoreError
from store.migrate import known_migrations

T = TypeVar("T")

PATIENCE_S = 5.0
STEPS_BETWEEN_LOOKS = 1_000  # of SQLite: far below a millisecond
QUICK = "PRAGMA quick_check(1)"
WHOLE = "PRAGMA integrity_check(1)"
REACHED = "SELECT MAX(version), MIN(applied_at) FROM schema_versions"
TABLES = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name"
CONTACTS = "SELECT kind, MAX(contact_at) FROM chats GROUP BY kind"
STRANGERS = "SELECT COUNT(DISTINCT sender) FROM strangers WHERE told_at > ?"
UNFINISHED = """
    SELECT n, state, created_at, started_at,
        EXISTS (
            SELECT 1 FROM turns AS other WHERE other.chat = turns.chat AND other.state = 'running'
        )
    FROM turns WHERE state IN ('queued', 'running') ORDER BY n
"""
DELIVERIES = """
    SELECT state, COUNT(*), MIN(created_at), MAX(changed_at), MIN(changed_at) FROM deliveries
    WHERE state <> 'sent' GROUP BY state
"""
# What could leave by the address of its own message and has not been tried for a while.
HELD_UP = """
    SELECT COUNT(*) FROM deliveries
    JOIN inbound ON inbound.message = deliveries.message
    WHERE deliveries.state = 'due' AND inbound.reply_url_state = 'fresh'
    AND inbound.received_at > ? AND deliveries.changed_at < ? AND deliveries.next_at < ?
"""
LAST_CAUSE = """
    SELECT cause FROM deliveries WHERE state = 'failed' AND cause <> '' ORDER BY id DESC LIMIT 1
"""
CURRENT = """
    SELECT sessions.chat, sessions.session, sessions.directory FROM sessions
    JOIN chats ON chats.key = sessions.chat AND chats.epoch = sessions.epoch
    WHERE sessions.session <> '' ORDER BY chats.contact_at DESC LIMIT ?
"""
ANSWERED = """
    SELECT turns.n, turns.model, edges.facts, edges.at FROM edges
    JOIN turns ON turns.n = edges.turn
    WHERE edges.edge = 'answered' AND edges.at > ? ORDER BY edges.id
"""
KNOWN = "SELECT DISTINCT session FROM sessions WHERE session <> ''"
# Whoever is named anywhere: people and chats, by the platform's ids of them.
PEOPLE = """
    SELECT sender FROM inbound UNION SELECT sender FROM turns UNION SELECT sender FROM strangers
    UNION SELECT id FROM chats UNION SELECT member FROM chats
    UNION SELECT stopped_by FROM turns UNION SELECT decided_by FROM asks
"""
STATES = "SELECT state, COUNT(*) FROM turns GROUP BY state"
DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A turn that is not over; ``behind``: another one of its chat runs now."""

    n: int
    state: str
    created_at: int
    started_at: int | None
    behind: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """The deliveries of one state: how many, since when, and when one came to it first and last."""

    count: int
    oldest_at: int
    newest_change: int
    oldest_change: int


@dataclass(frozen=True, slots=True)
class Place:
    """The session that a chat's next message runs in."""

    chat: str
    session: str
    directory: str


def look(database: Path, read: Callable[[sqlite3.Connection], T]) -> T:
    """Read from a database that is there; nothing of it is changed, and no log is put into it.

    Raises ``StoreDamaged`` where it is none or damaged, ``StoreError`` where it cannot be read.
    """
    try:
        with _reading(database) as connection:
            return read(connection)
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise TimeoutError from exc
        raise StoreError(f"{exc.sqlite_errorname}: {exc}") from exc
    except DAMAGE as exc:
        words = "a stored text is damaged" if isinstance(exc, UnicodeDecodeError) else str(exc)
        raise StoreDamaged(words) from exc


def damage(connection: sqlite3.Connection, *, whole: bool, limit_s: float) -> str:
    """Return what SQLite finds wrong, empty when all is well; ``whole`` compares the indexes, too.

    Within ``look`` it raises ``TimeoutError`` when it takes longer than ``limit_s``.
    """
    ends = time.monotonic() + limit_s
    connection.set_progress_handler(lambda: time.monotonic() > ends, STEPS_BETWEEN_LOOKS)
    found = str(connection.execute(WHOLE if whole else QUICK).fetchone()[0])
    return "" if found == "ok" else found


def schema(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the schema that was reached (0: none of this service's), and when the first was made."""
    if "schema_versions" not in tables(connection):
        return 0, 0
    reached, first_at = connection.execute(REACHED).fetchone()
    return reached or 0, first_at or 0


def newest_schema() -> int:
    """Return the schema that this version of the service brings a database to."""
    return known_migrations()[-1].version


def tables(connection: sqlite3.Connection) -> dict[str, str]:
    """Return how each table was made, by its name."""
    return {name: sql or "" for name, sql in connection.execute(TABLES)}


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many rows each table has."""
    return {
        name: connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - named by the database
        for name in tables(connection)
    }


def contacts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return when a chat of each kind was last heard of; a kind that never was is not in it."""
    return dict(connection.execute(CONTACTS).fetchall())


def strangers(connection: sqlite3.Connection, since: int) -> int:
    """Return how many people wrote without being admitted."""
    return int(connection.execute(STRANGERS, (since,)).fetchone()[0])


def unfinished(connection: sqlite3.Connection) -> list[Waiting]:
    """Return the turns that are not over, oldest first."""
    return [
        Waiting(n, state, created_at, started_at, behind=bool(busy) and state == "queued")
        for n, state, created_at, started_at, busy in connection.execute(UNFINISHED)
    ]


def deliveries(connection: sqlite3.Connection) -> dict[str, Kind]:
    """Return the deliveries that are not sent, by state."""
    return {state: Kind(*facts) for state, *facts in connection.execute(DELIVERIES)}


def held_up(connection: sqlite3.Connection, *, address_from: int, before: int) -> int:
    """Return how many answers have an address from after a time and were last tried before one."""
    row = connection.execute(HELD_UP, (address_from, before, before)).fetchone()
    return int(row[0])


def last_cause(connection: sqlite3.Connection) -> str:
    """Return why the newest answer that failed did."""
    row = connection.execute(LAST_CAUSE).fetchone()
    return str(row[0]) if row else ""


def current(connection: sqlite3.Connection, limit: int) -> list[Place]:
    """Return the opened sessions that chats are in, of those that wrote last first."""
    return [Place(*row) for row in connection.execute(CURRENT, (limit,))]


def answered(connection: sqlite3.Connection, since: int) -> list[tuple[int, str, str, int]]:
    """Return the turns that OpenCode ended: number, model, facts as JSON, when; oldest first."""
    return connection.execute(ANSWERED, (since,)).fetchall()


def known(connection: sqlite3.Connection) -> set[str]:
    """Return every session that a chat ever had."""
    return {session for (session,) in connection.execute(KNOWN)}


def people(connection: sqlite3.Connection) -> set[str]:
    """Return the ids of people and chats that stand in the database."""
    return {str(name) for (name,) in connection.execute(PEOPLE) if name}


def turn_states(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many turns are in each state."""
    return dict(connection.execute(STATES).fetchall())


@contextlib.contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading alone.

    One that was closed properly is taken as it stands, so that nothing is put beside it.
    Otherwise SQLite reads its log along, and makes an index of the log where there is none.
    """
    beside = [database.with_name(database.name + end) for end in ("-wal", "-shm")]
    closed = "" if any(path.exists() for path in beside) else "&immutable=1"
    address = f"{database.absolute().as_uri()}?mode=ro{closed}"
    connection = sqlite3.connect(address, uri=True, timeout=PATIENCE_S, isolation_level=None)
    with contextlib.closing(connection):
        connection.text_factory = readable
        yield connection
