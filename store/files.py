"""The mirror of each workspace, and what each turn changed in it."""

from collections.abc import Sequence

from store.database import Database, Statement
from store.records import FileChange, FileVersion
from store.rows import columns, reader

# ruff: noqa: S608 - only constants are put together

VERSION_COLUMNS = columns(FileVersion)
CHANGE_COLUMNS = columns(FileChange)
PUT_AT_ONCE = 500
BEGIN = "INSERT INTO syncs (workspace, at) VALUES ($1, $2) RETURNING id"
LATEST = f"""
    SELECT {VERSION_COLUMNS} FROM versions
    WHERE workspace = $1 AND sync = (
        SELECT MAX(other.sync) FROM versions AS other
        WHERE other.workspace = versions.workspace AND other.path = versions.path
    )
"""
PUT = """
    INSERT INTO versions (workspace, path, sync, blob, size, mtime_ns)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (workspace, path, sync) DO UPDATE SET
        blob = excluded.blob, size = excluded.size, mtime_ns = excluded.mtime_ns
"""
AT = f"""
    SELECT {VERSION_COLUMNS} FROM versions
    WHERE workspace = $1 AND path = $2 AND sync <= $3 ORDER BY sync DESC LIMIT 1
"""
FORGET_CHANGES = "DELETE FROM changes WHERE turn = $1"
SAVE_CHANGE = """
    INSERT INTO changes (turn, path, kind, blob, before, size, added, removed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
CHANGES = f"SELECT {CHANGE_COLUMNS} FROM changes WHERE turn = $1 ORDER BY path"
BLOBS = """
    SELECT blob FROM versions WHERE blob <> ''
    UNION SELECT blob FROM changes WHERE blob <> ''
    UNION SELECT before FROM changes WHERE before <> ''
"""
ATTACHED = "SELECT blob FROM attachments WHERE blob <> ''"
# A version is in force until the next one of its path: it is old when that one is.
OLD_VERSIONS = """
    SELECT versions.workspace, versions.path, versions.sync FROM versions WHERE EXISTS (
        SELECT 1 FROM versions AS later JOIN syncs ON syncs.id = later.sync
        WHERE later.workspace = versions.workspace AND later.path = versions.path
            AND later.sync > versions.sync AND syncs.at < $1
    )
"""
FORGET_VERSION = "DELETE FROM versions WHERE workspace = $1 AND path = $2 AND sync = $3"

_version = reader(FileVersion)
_change = reader(FileChange)


class Files:
    """What was known of the files of each workspace, look by look."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, workspace: str, at: int) -> int:
        """Begin a look at a workspace; return its number, which only grows."""
        rows = await self._database.write(Statement(BEGIN, workspace, at))
        return int(rows[0][0][0])

    async def latest(self, workspace: str) -> dict[str, FileVersion]:
        """Return what is known of every path of a workspace, gone ones as well."""
        rows = await self._database.fetch_all(LATEST, workspace)
        return {version.path: version for version in map(_version, rows)}

    async def put(self, workspace: str, versions: Sequence[FileVersion]) -> None:
        """Keep what paths are from a look on; many go in several writes, so that none is long."""
        for start in range(0, len(versions), PUT_AT_ONCE):
            some = versions[start : start + PUT_AT_ONCE]
            await self._database.write(*(_put(workspace, version) for version in some))

    async def at(self, workspace: str, path: str, sync: int) -> FileVersion | None:
        """Return what a path was at a look, or None when it was not known then."""
        row = await self._database.fetch_one(AT, workspace, path, sync)
        return _version(row) if row else None

    async def save_changes(self, turn: int, changes: Sequence[FileChange]) -> None:
        """Keep what a turn changed, in place of what was kept of it before."""
        statements = [_save(turn, change) for change in changes]
        await self._database.write(Statement(FORGET_CHANGES, turn), *statements)

    async def changes(self, turn: int) -> list[FileChange]:
        """Return what a turn changed, by path."""
        return [_change(row) for row in await self._database.fetch_all(CHANGES, turn)]

    async def blobs_in_use(self) -> set[str]:
        """Return every blob that a version, a change or an attachment still names."""
        rows = await self._database.fetch_all(f"{BLOBS} UNION {ATTACHED}")
        return {str(row[0]) for row in rows}

    async def purge(self, before: int) -> int:
        """Forget versions that were replaced earlier, in small writes; return how many."""
        old = await self._database.fetch_all(OLD_VERSIONS, before)
        for start in range(0, len(old), PUT_AT_ONCE):
            some = old[start : start + PUT_AT_ONCE]
            await self._database.write(*(Statement(FORGET_VERSION, *row) for row in some))
        return len(old)


def _put(workspace: str, version: FileVersion) -> Statement:
    known = (version.path, version.sync, version.blob, version.size, version.mtime_ns)
    return Statement(PUT, workspace, *known)


def _save(turn: int, change: FileChange) -> Statement:
    blobs = (change.blob, change.before, change.size)
    return Statement(
        SAVE_CHANGE, turn, change.path, change.kind, *blobs, change.added, change.removed
    )
