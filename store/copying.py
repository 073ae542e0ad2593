"""Copies of the database file: made beside the running service, judged, and made fit to go on from."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from store.connection import readable
from store.errors import SchemaTooNew, StoreDamaged
from store.files import ATTACHED, BLOBS
from store.migrate import APPLIED, known_migrations

# ruff: noqa: S608 - only constants are put together

PATIENCE_S = 30.0
RESTORED = "restored"  # the outcome of a turn that a restored backup knows as unfinished
# People have seen the numbers that were given after the backup: they are not given again.
NUMBERS_LEFT_OUT = 10_000
NUMBERED = ("turns", "deliveries")
COUNTED = ("inbound", "turns", "deliveries", "chats", "sessions", "asks", "changes")
TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table'"
COPY = "VACUUM INTO ?"
UNFINISHED = """
    SELECT n, chat, message, language, answer FROM turns
    WHERE state IN ('queued', 'running') ORDER BY n
"""
IN_DOUBT = (
    "INSERT OR IGNORE INTO doubts SELECT session, :at FROM turns WHERE n = :n AND session <> ''"
)
TELL = """
    INSERT INTO deliveries (
        chat, turn, message, body, footer, more, state, cause, created_at, changed_at
    )
    VALUES (:chat, :n, :message, :body, :footer, '', 'due', '', :at, :at)
    ON CONFLICT (turn) DO NOTHING
"""
GIVE_UP = """
    UPDATE turns SET state = 'failed', outcome = :outcome, footer = :footer, ended_at = :at
    WHERE n = :n
"""
RECORD = """
    INSERT INTO edges (turn, edge, fence, facts, at)
    SELECT n, 'final_stored', fence, '{"outcome":"restored"}', :at FROM turns WHERE n = :n
"""
# A notice that failed is shown at the next contact: it, too, may have been.
MAY_BE_SHOWN = "(state IN ('due', 'sending') OR (state = 'failed' AND turn IS NULL))"
RECORD_DOUBT = f"""
    INSERT INTO edges (turn, edge, fence, facts, at)
    SELECT n, 'doubted', fence, '{{"cause":"restored"}}', :at FROM turns
    WHERE n IN (SELECT turn FROM deliveries WHERE {MAY_BE_SHOWN})
"""
DOUBT = f"""
    UPDATE deliveries SET state = 'unknown', cause = 'restored', changed_at = :at
    WHERE {MAY_BE_SHOWN}
"""
# An address is good for one answer, and may have carried it since.
SPEND = "UPDATE inbound SET reply_url_state = 'used' WHERE reply_url_state = 'fresh'"
CLOSE = "UPDATE asks SET state = 'gone', decided_at = :at WHERE state = 'open'"
BEGIN_NUMBERS = """
    INSERT INTO sqlite_sequence (name, seq)
    SELECT :name, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name)
"""
SKIP = "UPDATE sqlite_sequence SET seq = MAX(seq, :seq) + :skip WHERE name = :name"
GIVEN = "SELECT seq FROM sqlite_sequence WHERE name = ?"
QUICK = "PRAGMA quick_check(1)"
# What SQLite says of damage may hold some of it, which is no text then.
DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
LATER = """
    SELECT (SELECT COUNT(*) FROM inbound WHERE received_at > :at),
        (SELECT COUNT(*) FROM turns WHERE created_at > :at)
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a copy holds: the schema, rows by table, the blobs that its rows name."""

    schema: int
    rows: dict[str, int]
    blobs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A turn that a copy knows as unfinished."""

    n: int
    chat: str
    message: str
    language: str
    answer: str


@dataclass(frozen=True, slots=True)
class Later:
    """What the database that is replaced has and the backup has not.

    ``numbers``: the last number given in each of the tables of ``NUMBERED``.
    """

    messages: int
    turns: int
    numbers: dict[str, int]


@dataclass(frozen=True, slots=True)
class Settled:
    """What was ended or put in doubt in a restored copy; ``goes_on``: the next new turn's number."""

    turns: tuple[int, ...]
    deliveries: int
    goes_on: int


def snapshot(database: Path, copy: Path) -> None:
    """Write the database as it is at this moment into a new file, whoever writes on meanwhile.

    One reading transaction of a read-only connection: in WAL mode it waits for no writer and
    no writer waits for it, it needs no lock of ours, and at its end it checkpoints nothing.
    Unlike a copy page by page it reads every row on the way, and leaves out what was deleted.
    Raises ``StoreDamaged`` with a sentence when it is the database that is at fault.
    """
    try:
        with _reading(database) as connection:
            connection.execute(COPY, (str(copy),))
    except DAMAGE as exc:
        if damage := _damage(database):
            raise StoreDamaged(f"The database {database} is damaged ({damage}).") from exc
        raise


def _damage(database: Path) -> str:
    """Return what is wrong with a database; empty when nothing is found, or nobody may look now."""
    try:
        with _reading(database) as connection:
            found = str(connection.execute(QUICK).fetchone()[0])
    except sqlite3.OperationalError:
        return ""
    except DAMAGE as exc:
        return str(exc)
    return "" if found == "ok" else found


def contents(database: Path, name: str = "The database in it") -> Contents:
    """Check every page of a copy that nobody has open, and return what is in it.

    Raises ``StoreDamaged`` or ``SchemaTooNew`` with a sentence that begins with ``name``.
    """
    try:
        with _reading(database) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreDamaged(f"{name} is damaged ({found}).")
            return _contents(connection, name)
    except DAMAGE as exc:
        raise StoreDamaged(f"{name} is damaged ({exc}).") from exc


def _contents(connection: sqlite3.Connection, name: str) -> Contents:
    tables = {name for (name,) in connection.execute(TABLES)}
    if not {"schema_versions", *COUNTED} <= tables:
        raise StoreDamaged(f"{name} is not one of this service.")
    row = connection.execute(APPLIED).fetchone()
    schema, newest = (row[0] if row else 0), known_migrations()[-1].version
    if schema > newest:
        raise SchemaTooNew(
            f"{name} has schema {schema}, this version of the service knows schemas "
            f"up to {newest}. Restore it with the newer version that wrote it."
        )
    rows = {
        table: connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        for table in COUNTED
    }
    # A copy may be older than the table.
    named = f"{BLOBS} UNION {ATTACHED}" if "attachments" in tables else BLOBS
    blobs = frozenset(blob for (blob,) in connection.execute(named))
    return Contents(schema, rows, blobs)


def later_than(database: Path, at: int) -> Later | None:
    """Return what came into a database after a time; None when it cannot be read."""
    try:
        with _reading(database) as connection:
            messages, turns = connection.execute(LATER, {"at": at}).fetchone()
            numbers = {
                name: row[0]
                for name in NUMBERED
                if (row := connection.execute(GIVEN, (name,)).fetchone())
                and isinstance(row[0], int)
            }
            return Later(messages, turns, numbers)
    except (sqlite3.Error, UnicodeDecodeError):
        return None


def settle(
    database: Path, say: Callable[[Unfinished], str], later: Later | None, *, at: int
) -> Settled:
    """Make a restored copy fit to go on from: nothing may run or be shown a second time.

    It does not know what happened after it was made. So turns that were unfinished are ended,
    and ``say`` makes what their chats are told; answers that were on their way are in doubt;
    approvals are gone; single-use addresses are spent; numbers go on above those that may
    have been given.
    """
    with _writing(database) as connection:
        tables = {name for (name,) in connection.execute(TABLES)}
        if "edges" in tables:
            connection.execute(RECORD_DOUBT, {"at": at})
        doubted = connection.execute(DOUBT, {"at": at}).rowcount
        unfinished = [Unfinished(*row) for row in connection.execute(UNFINISHED)]
        for turn in unfinished:
            sentence = say(turn)
            body, footer = (turn.answer, sentence) if turn.answer else (sentence, "")
            facts = {"n": turn.n, "at": at, "body": body, "footer": footer, "outcome": RESTORED}
            connection.execute(TELL, {"chat": turn.chat, "message": turn.message} | facts)
            connection.execute(GIVE_UP, facts)
            if {"edges", "doubts"} <= tables:
                connection.execute(RECORD, facts)
                connection.execute(IN_DOUBT, facts)
        connection.execute(SPEND)
        connection.execute(CLOSE, {"at": at})
        for name in NUMBERED:
            seq = later.numbers.get(name, 0) if later else 0
            connection.execute(BEGIN_NUMBERS, {"name": name})
            connection.execute(SKIP, {"name": name, "seq": seq, "skip": NUMBERS_LEFT_OUT})
        goes_on = connection.execute(GIVEN, ("turns",)).fetchone()[0] + 1
    return Settled(tuple(turn.n for turn in unfinished), doubted, goes_on)


@contextlib.contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading alone; one that is not there is not made."""
    address = f"{database.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=PATIENCE_S, isolation_level=None)
    with contextlib.closing(connection):
        connection.text_factory = readable
        yield connection


@contextlib.contextmanager
def _writing(database: Path) -> Iterator[sqlite3.Connection]:
    """Change a database that nobody else has open, in one transaction, without a log beside it."""
    connection = sqlite3.connect(database, isolation_level=None)
    with contextlib.closing(connection):
        connection.text_factory = readable  # one damaged answer must not close the way back
        connection.create_function("now_ms", 0, lambda: time.time_ns() // 1_000_000)
        connection.execute("PRAGMA journal_mode = MEMORY")  # cut off, the copy is made anew
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
