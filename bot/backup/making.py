"""Make a backup while the service runs: the database first, then the copies that its rows name."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from bot.backup import archive
from bot.backup.archive import Manifest, Member
from bot.backup.places import BLOBS, DATABASE, PRIVATE, Places, check_space, stamp
from bot.errors import BackupError
from bot.opencode.files import sync
from config.version import VERSION
from store.copying import Contents, contents, snapshot

WORK = ".backing-up"  # in the data folder: blobs are linked into it, which one disk must hold
LOCK = "backup.lock"
LOOKS = 3  # at the database, while the service removes copies that it no longer names
# The copy of the database, the same unpacked again to be looked at, and the archive.
COPIES = 3


def back_up(
    places: Places, wanted: Path | None, *, now: datetime, say: Callable[[str], None]
) -> Path:
    """Write a backup, look at it, and only then give it its name, which is returned.

    Raises ``BackupError`` and ``StoreDamaged`` with a sentence; nothing is left behind then.
    """
    target = wanted or places.backups / f"bot-{stamp(now)}.tar.gz"
    if not places.database.exists():
        raise BackupError(f"There is no database at {places.database}: nothing to back up.")
    if target.exists():
        raise BackupError(f"{target} is there already. Name another file.")
    try:
        if wanted is None:
            target.parent.mkdir(mode=PRIVATE, exist_ok=True)
        with _alone(places) as work:
            _check_space(places, work, target.parent)
            manifest, files = _gather(places, work, int(now.timestamp() * 1000))
            _write(target, manifest, files, work / "looked-at.db")
    except OSError as exc:
        raise BackupError(f"The backup cannot be written: {exc}.") from exc
    except sqlite3.Error as exc:
        raise BackupError(f"The database {places.database} cannot be copied: {exc}.") from exc
    _tell(manifest, target, say)
    return target


@contextlib.contextmanager
def _alone(places: Places) -> Iterator[Path]:
    """Give one backup at a time an empty folder to work in, gone at the end."""
    work = places.data_dir / WORK
    with (places.data_dir / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise BackupError("Another backup is being made. Wait for its end.") from exc
        shutil.rmtree(work, ignore_errors=True)  # of one that was cut off
        work.mkdir(mode=PRIVATE)
        try:
            yield work
        finally:
            shutil.rmtree(work)


def _check_space(places: Places, work: Path, folder: Path) -> None:
    wal = places.database.with_name(places.database.name + "-wal")
    database = sum(path.stat().st_size for path in (places.database, wal) if path.exists())
    check_space(work, COPIES * database, "The backup")
    blobs = sum(path.stat().st_size for path in places.blobs.glob("??/*"))
    check_space(folder, database + blobs, "The backup")


def _gather(places: Places, work: Path, at: int) -> tuple[Manifest, list[tuple[str, Path]]]:
    """Hold all that belongs into the backup, with its sums."""
    found, missing = _hold(places, work, LOOKS)
    files = [(DATABASE, work / DATABASE)]
    files += [(path.name, path) for path in places.keys if path.exists()]
    sums = {name: archive.digest(path) for name, path in files}
    for blob in sorted(found.blobs - missing):
        path = work / BLOBS / blob[:2] / blob
        member = archive.digest(path)
        if member.sha256 != blob:  # it rotted on the disk: nothing could be restored from it
            missing.add(blob)
            continue
        name = f"{BLOBS}/{blob[:2]}/{blob}"
        files.append((name, path))
        sums[name] = member
    return _manifest(found, missing, sums, at), files


def _hold(places: Places, work: Path, looks: int) -> tuple[Contents, set[str]]:
    """Copy the database and hold every blob that the copy names; return those that are gone.

    A blob is there before the row that names it, and is removed after it. So the database is
    copied first; what is gone by then was removed with its row, as another copy shows. What
    a copy still names after several of them was lost before.
    """
    copy = work / DATABASE
    copy.unlink(missing_ok=True)
    snapshot(places.database, copy)
    found = contents(copy, f"The database {places.database}")
    gone = _link(places.blobs, work / BLOBS, found.blobs)
    return _hold(places, work, looks - 1) if gone and looks > 1 else (found, gone)


def _link(blobs: Path, folder: Path, named: frozenset[str]) -> set[str]:
    """Link blobs into a folder of ours, where no sweep finds them; return those that are gone."""
    gone = set()
    for blob in named:
        home = folder / blob[:2]
        home.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        try:
            os.link(blobs / blob[:2] / blob, home / blob)
        except FileNotFoundError:
            gone.add(blob)
        except FileExistsError:  # held at an earlier look
            continue
    return gone


def _manifest(found: Contents, missing: set[str], sums: dict[str, Member], at: int) -> Manifest:
    return Manifest(
        made_at=at,
        version=VERSION,
        schema=found.schema,
        rows=found.rows,
        missing=tuple(sorted(missing)),
        files=sums,
    )


def _write(
    target: Path, manifest: Manifest, files: list[tuple[str, Path]], looked_at: Path
) -> None:
    """Write the file beside its place, look at what was written, and put it there for good."""
    draft = target.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        with open(draft, "xb", opener=_private) as file:
            archive.write(file, manifest, files)
            file.flush()
            os.fsync(file.fileno())
        archive.read(draft, lambda name: looked_at if name == DATABASE else None)
        if contents(looked_at).rows != manifest.rows:
            raise BackupError("The database in the backup is not the one that was copied.")
        draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)
    sync(target.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, archive.PRIVATE_FILE)


def _tell(manifest: Manifest, target: Path, say: Callable[[str], None]) -> None:
    rows = ", ".join(f"{count} {table}" for table, count in manifest.rows.items())
    say(f"The database (schema {manifest.schema}): {rows}.")
    blobs = sum(name.startswith(BLOBS) for name in manifest.files)
    say(f"The copies of files: {blobs}.")
    if manifest.missing:
        say(
            f"Note: {len(manifest.missing)} copies of files are lost or damaged in the data "
            f"folder itself: {', '.join(blob[:12] for blob in manifest.missing[:5])} …"
        )
    say(f"The backup was read again and is whole: {target} ({target.stat().st_size:,} bytes).")
    say("It holds messages and the key of links: keep it where only you can read it.")
