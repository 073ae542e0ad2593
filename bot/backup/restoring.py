"""Put a backup back: looked at whole, made fit to go on from, then moved in step by step.

Until the plan is on the disk nothing of the data folder was touched. From then on the service
does not start until every step of the plan is done, and a repeat of the command does them.
"""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from bot.backup import archive
from bot.backup.archive import Manifest, Unpacked
from bot.backup.places import (
    BLOBS,
    DATABASE,
    PRIVATE,
    Places,
    check_space,
    folders_in,
    stamp,
)
from bot.errors import BackupError
from bot.opencode.files import sync
from bot.texts import LANGUAGES
from bot.texts.restoring import RESTORED
from store.copying import Later, Settled, Unfinished, contents, later_than, settle
from store.lock import Lock
from store.sqlite import SUSPECT

STAGED = ".new"
ASIDE = "before-restore-"
NAMED = 20  # of the turns that are ended
# What belongs to a database and must go and come with it.
BESIDE = ("-wal", "-shm", SUSPECT)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """A restore that is being put in place: of which backup, and where the old things go."""

    identity: str
    aside: str


def restore(places: Places, file: Path, *, now: datetime, say: Say) -> None:
    """Put a backup in the place of what is there, which is moved aside and never deleted.

    Cut off at any moment, it is finished by doing it again. Raises ``BackupError`` and
    ``StoreUnusable`` with a sentence.
    """
    try:
        with _alone(places):
            if _finished_earlier(places, file, say):
                return
            with _cleared(places):
                identity = _stage(places, file, now, say)
            plan = Plan(identity, _aside(places, now))
            _commit(places, plan)
            _put_in_place(places, plan)
            _tell_moved(places, plan, say)
    except OSError as exc:
        raise BackupError(
            f"The backup cannot be restored: {exc}. Mend that and do it again."
        ) from exc


@contextlib.contextmanager
def _alone(places: Places) -> Iterator[None]:
    """Keep the service out; refuse while it runs."""
    for folder in (places.data_dir, places.database.parent):
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    lock = Lock(places.database.with_name(places.database.name + ".lock"))
    lock.take()
    try:
        yield
    finally:
        lock.free()


def _finished_earlier(places: Places, file: Path, say: Say) -> bool:
    """Finish a restore that was cut off; tell whether it was one of the same backup."""
    if not places.restoring.exists():
        return False
    plan = Plan(**orjson.loads(places.restoring.read_bytes()))
    _put_in_place(places, plan)
    say("A restore that was cut off is finished.")
    _tell_moved(places, plan, say)
    return archive.read(file, lambda _: None).identity == plan.identity


def _staged(target: Path) -> Path:
    return target.with_name(target.name + STAGED)


def _targets(places: Places) -> tuple[Path, ...]:
    return (*places.keys, places.blobs, places.database)


@contextlib.contextmanager
def _cleared(places: Places) -> Iterator[None]:
    """Begin without what another restore has unpacked, and leave nothing behind on a failure."""
    _clear(places)
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as exc:
        _clear(places)
        raise BackupError(f"The database in the backup cannot be used: {exc}.") from exc
    except BaseException:
        _clear(places)
        raise


def _stage(places: Places, file: Path, now: datetime, say: Say) -> str:
    """Unpack a backup beside what it will replace, look at all of it, and make it fit."""
    unpacked = _unpack(places, file)
    database, at = _staged(places.database), int(now.timestamp() * 1000)
    known = {name.rpartition("/")[2] for name in unpacked.manifest.files}
    if contents(database).blobs - known - set(unpacked.manifest.missing):
        raise BackupError(f"{file} is not a whole backup: a copy of a file is not in it.")
    before = places.database.exists()
    later = later_than(places.database, unpacked.manifest.made_at) if before else None
    settled = settle(database, _told, later, at=at)
    _tell_backup(unpacked.manifest, say)
    if before:
        _tell_lost(later, say)
    else:
        say("There was no database here.")
    _tell_settled(settled, say)
    return unpacked.identity


def _unpack(places: Places, file: Path) -> Unpacked:
    _staged(places.blobs).mkdir(mode=PRIVATE)

    def begin(manifest: Manifest) -> None:
        for folder in {places.data_dir, places.database.parent}:
            check_space(folder, manifest.size, "The backup, unpacked,")

    def put(name: str) -> Path:
        if name.startswith(f"{BLOBS}/"):
            return _staged(places.blobs) / name.partition("/")[2]
        return _staged(places.target(name))

    return archive.read(file, put, begin)


def _clear(places: Places) -> None:
    """Remove what a restore has unpacked that came to nothing."""
    for target in _targets(places):
        staged = _staged(target)
        if staged.is_dir():
            shutil.rmtree(staged)
        else:
            staged.unlink(missing_ok=True)


def _told(turn: Unfinished) -> str:
    return RESTORED.say(LANGUAGES.get(turn.language, "zh"), n=turn.n)


def _aside(places: Places, now: datetime) -> str:
    name = ASIDE + stamp(now)
    while any((target.parent / name).exists() for target in _targets(places)):
        name += "-again"
    return name


def _commit(places: Places, plan: Plan) -> None:
    """Bring all that was unpacked to the disk, then the plan: from here on it only goes forward."""
    for target in _targets(places):
        staged = _staged(target)
        if staged.is_dir():
            sync(*(path for path in staged.rglob("*") if path.is_file()), *folders_in(staged))
        elif staged.exists():
            sync(staged)
        sync(target.parent)
    draft = _staged(places.restoring)
    draft.write_bytes(orjson.dumps(asdict(plan)))
    sync(draft)
    draft.replace(places.restoring)
    sync(places.restoring.parent)


def _put_in_place(places: Places, plan: Plan) -> None:
    """Move the old things away and the new ones in; what was done before is left as it is."""
    for target in _targets(places):
        staged = _staged(target)
        if not staged.exists():
            continue
        _move_aside(target, target.parent / plan.aside)
        staged.rename(target)
        sync(target.parent)
    places.restoring.unlink()
    sync(places.restoring.parent)


def _move_aside(target: Path, aside: Path) -> None:
    for old in (target, *(target.with_name(target.name + end) for end in BESIDE)):
        if old.exists():
            aside.mkdir(mode=PRIVATE, exist_ok=True)
            old.rename(aside / old.name)
            sync(aside, target.parent)


def _tell_backup(manifest: Manifest, say: Say) -> None:
    made_at = datetime.fromtimestamp(manifest.made_at / 1000, UTC)
    rows = ", ".join(f"{count} {table}" for table, count in manifest.rows.items())
    say(f"The backup is whole: made {made_at:%Y-%m-%d %H:%M:%S} UTC by {manifest.version}, {rows}.")


def _tell_lost(later: Later | None, say: Say) -> None:
    if later is None:
        say("Lost: all that was accepted since; the database that is replaced cannot be read.")
    else:
        say(f"Lost: all that was accepted since, {later.messages} messages, {later.turns} turns.")


def _tell_settled(settled: Settled, say: Say) -> None:
    if settled.turns:
        named = ", ".join(f"#{n}" for n in settled.turns[:NAMED])
        more = len(settled.turns) - NAMED
        rest = f" and {more} more" if more > 0 else ""
        say(
            "Unfinished when the backup was made; ended now, and their chats are told to /retry: "
            f"{named}{rest}."
        )
    if settled.deliveries:
        say(
            f"On their way when it was made, perhaps shown since: {settled.deliveries} answers. "
            "They are not sent again; their chats are told of /result."
        )
    say(
        f"New tasks are numbered from #{settled.goes_on} on: the numbers between may have been "
        "given since the backup."
    )


def _tell_moved(places: Places, plan: Plan, say: Say) -> None:
    folders = {target.parent / plan.aside for target in _targets(places)}
    there = sorted(str(folder) for folder in folders if folder.exists())
    if there:
        say(f"What was there before is in {', '.join(there)}; remove it when you are sure.")
    say(f"{DATABASE} and what belongs to it are in place. Start the service.")
