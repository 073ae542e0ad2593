"""Store: the database, what waits in it, its backup, and the disk that it is on."""

import asyncio
import os
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from bot.doctor.findings import Check, Finding, check
from bot.doctor.machine import holder
from bot.doctor.reading import DAY_MS, MINUTE_MS, age, read, size, there
from bot.doctor.scene import Scene
from bot.doctor.units import START
from bot.texts import doctor as titles
from store import looking
from store.errors import StoreDamaged, StoreError
from store.records import OWED_STATES
from store.sqlite import BACKUPS, RESTORING, SUSPECT
from store.wal import lost_commits

LOG_BYTES = 256_000_000  # the service cuts it back to 64 MB whenever nobody reads
LATE_MS = 5 * MINUTE_MS  # over the limit of a turn, or over the pause between two tries
SENDING_MS = 2 * MINUTE_MS
ADDRESS_MS = 50 * MINUTE_MS  # so long a message's address is good for an answer, at least
BACKUP_MS = 7 * DAY_MS
YOUNG_MS = DAY_MS  # a database of less than a day needs no backup yet
DISK_LOW_BYTES = 500_000_000
DISK_OUT_BYTES = 50_000_000
WHOLE_LIMIT_S = 600.0
QUICK_LIMIT_S = 60.0
BACK_UP = "python -m bot backup"
RESTORE = "python -m bot restore FILE, with the newest backup"
MAKE_SPACE = "make space on the disk; nothing else is needed"


@check("store.file", titles.STORE_FILE)
async def file(scene: Scene) -> Iterable[Finding]:
    """Say where the database is and how large, and whether a restore was cut off."""
    database = scene.database
    if _beside(database, RESTORING).exists():
        said = f"{database}: a restore was begun and not finished; the service does not start"
        return [file.error(said, "python -m bot restore FILE, with the same file: it goes on")]
    if not database.exists():
        said = f"{database} is not there: the service never started with these settings"
        return [file.warning(said, START)]
    return [file.fine(f"{database}, {size(database.stat().st_size)}")]


@check("store.integrity", titles.STORE_INTEGRITY, limit_s=2 * WHOLE_LIMIT_S)
async def integrity(scene: Scene) -> Iterable[Finding]:
    """Have SQLite look at every page, and with --deep at every index; look for a broken log."""
    if not there(scene.database):
        return []
    return [await looked_at(scene, WHOLE_LIMIT_S if scene.deep else QUICK_LIMIT_S)]


async def looked_at(scene: Scene, limit_s: float) -> Finding:
    """Look for damage, for so long."""
    try:
        wrong = await asyncio.to_thread(_damage, scene, limit_s)
    except TimeoutError:
        said = f"not all of it was seen within {limit_s:.0f} s"
        mend = "stop the service, back it up (the backup reads every row), start it again"
        deeper = "python -m bot doctor --deep, which takes its time"
        return integrity.warning(said, mend if scene.deep else deeper)
    except StoreDamaged as exc:
        return integrity.error(f"{scene.database} is damaged ({exc})", RESTORE)
    except StoreError as exc:
        mend = "run doctor as the user of the service"
        return integrity.error(f"{scene.database} cannot be read ({exc})", mend)
    if wrong:
        return integrity.error(f"{scene.database} is damaged ({wrong})", RESTORE)
    if there(_beside(scene.database, SUSPECT)):
        said = "nothing is wrong now, but the disk failed under the service before"
        return integrity.warning(said, "look at the disk, then start the service again")
    return integrity.fine("every page and index is well" if scene.deep else "every page is well")


def _damage(scene: Scene, limit_s: float) -> str:
    """Return what is wrong; what a start would refuse is looked for where no service writes."""
    if not scene.database.stat().st_size:
        return "it is empty"
    looked = partial(looking.damage, whole=scene.deep, limit_s=limit_s)
    found = looking.look(scene.database, looked)
    if found or scene.live is not None or _is_held(scene):
        return found
    lost = lost_commits(scene.database)
    return f"its log is broken in the middle, {lost} commits behind that are lost" if lost else ""


def _is_held(scene: Scene) -> bool:
    return holder(scene.lock) is not None


@check("store.schema", titles.STORE_SCHEMA)
async def schema(scene: Scene) -> Iterable[Finding]:
    """Compare the database's schema with the one that this code knows."""
    found, newest = await read(scene, looking.schema), looking.newest_schema()
    if found is None:
        return []
    reached, _ = found
    if not reached:
        said = "it is not a database of this service"
        return [schema.error(said, "set store.url (BOT_DATABASE_URL) to the right file")]
    if reached > newest:
        said = f"the database has schema {reached}, this version knows up to {newest}"
        mend = "start the newer version that wrote it, or restore a backup from before"
        return [schema.error(said, mend)]
    later = "" if reached == newest else f"; the next start brings it to {newest}"
    return [schema.fine(f"schema {reached}{later}")]


@check("store.log", titles.STORE_LOG)
async def log(scene: Scene) -> Iterable[Finding]:
    """See how far the write-ahead log has grown."""
    try:
        found = _beside(scene.database, "-wal").stat().st_size
    except OSError:
        return [log.fine("there is none")] if there(scene.database) else []
    if found > LOG_BYTES:
        said = f"{size(found)}: somebody has been reading the database for long"
        return [log.warning(said, "end other programs that have it open, else restart the service")]
    return [log.fine(size(found))]


@check("store.turns", titles.STORE_TURNS)
async def turns(scene: Scene) -> Iterable[Finding]:
    """Look for turns that run longer than any may, or wait for nothing."""
    found = await read(scene, looking.unfinished)
    if found is None:
        return []
    if not found:
        return [turns.fine("none")]
    limit_ms = int(scene.settings.turn.timeout * 1000) + LATE_MS
    stuck = [turn for turn in found if not turn.behind and scene.now - _since(turn) > limit_ms]
    oldest = min(found, key=_since)
    said = (
        f"{len(found)}, the oldest #{oldest.n} {oldest.state} for {age(scene.now - _since(oldest))}"
    )
    if not stuck:
        return [turns.fine(said)]
    mend = "/status and /stop in its chat" if scene.live is not None else START
    return [turns.error(f"{said}; turn.timeout is over for {len(stuck)}", mend)]


def _since(turn: looking.Waiting) -> int:
    return turn.started_at if turn.started_at is not None else turn.created_at


@check("store.outbox", titles.STORE_OUTBOX)
async def outbox(scene: Scene) -> Iterable[Finding]:
    """Look for answers that could leave and do not."""
    found = await read(scene, looking.deliveries)
    held = await read(
        scene,
        partial(looking.held_up, address_from=scene.now - ADDRESS_MS, before=scene.now - LATE_MS),
    )
    if found is None or held is None:
        return []
    waiting = [kind for state, kind in found.items() if state in OWED_STATES]
    if not waiting:
        return [outbox.fine("nothing waits")]
    count, oldest_at = sum(kind.count for kind in waiting), min(one.oldest_at for one in waiting)
    said = f"{count}, the oldest for {age(scene.now - oldest_at)}"
    sending = found.get("sending")
    if held or (sending is not None and scene.now - sending.oldest_change > SENDING_MS):
        mend = "see whether WeCom's API is reached; then /admin/outbox" if scene.live else START
        return [outbox.error(f"{said}; {max(1, held)} could leave and do not", mend)]
    return [outbox.fine(f"{said}; they wait for their chat's next message")]


@check("store.doubts", titles.STORE_DOUBTS)
async def doubts(scene: Scene) -> Iterable[Finding]:
    """Count the answers of which nobody knows whether they arrived."""
    found = await read(scene, looking.deliveries)
    if found is None:
        return []
    unknown = found.get("unknown")
    if unknown is None:
        return [doubts.fine("none")]
    ago = scene.now - unknown.newest_change
    said = f"{unknown.count}, the newest {age(ago)} ago"
    if ago > DAY_MS:
        return [doubts.fine(f"{said}; their chats were told")]
    return [doubts.warning(said, "/result n in its chat shows it; /admin/outbox sends it again")]


@check("store.backup", titles.STORE_BACKUP)
async def backup(scene: Scene) -> Iterable[Finding]:
    """See how old the newest backup in the data folder is."""
    found = await read(scene, looking.schema)
    if found is None:
        return []
    folder = scene.data_dir / BACKUPS
    newest = await asyncio.to_thread(_newest, folder)
    if newest is not None:
        ago = scene.now - int(newest * 1000)
        said = f"the newest in {folder} is {age(ago)} old"
        return [backup.warning(said, BACK_UP) if ago > BACKUP_MS else backup.fine(said)]
    said = f"none in {folder} (what is kept elsewhere is not seen)"
    made_at = found[1]
    if made_at and scene.now - made_at < YOUNG_MS:
        return [backup.fine(f"{said}; the database is {age(scene.now - made_at)} old")]
    return [backup.warning(said, BACK_UP)]


def _newest(folder: Path) -> float | None:
    """Return when the newest backup was written, in Unix seconds."""
    return max((one.stat().st_mtime for one in folder.glob("*.tar.gz")), default=None)


@check("store.disk", titles.STORE_DISK)
async def disk(scene: Scene) -> Iterable[Finding]:
    """See how much room is left where the service and its workspaces write."""
    return await asyncio.to_thread(_rooms, scene)


def _rooms(scene: Scene) -> list[Finding]:
    seen: dict[int, Path] = {}
    for place in (scene.data_dir, scene.database.parent, scene.settings.workspaces.root):
        folder = next(one for one in (place, *place.parents) if there(one))
        seen.setdefault(folder.stat().st_dev, folder)
    return [_room(place) for place in seen.values()]


def _room(place: Path) -> Finding:
    usage, nodes = shutil.disk_usage(place), os.statvfs(place)
    said = f"{size(usage.free)} of {size(usage.total)} free at {place}"
    if nodes.f_files and not nodes.f_favail:
        return disk.error(f"{said}, but no file more can be made (inodes)", MAKE_SPACE)
    if usage.free < DISK_OUT_BYTES:
        return disk.error(said, MAKE_SPACE)
    if usage.free < DISK_LOW_BYTES:
        return disk.warning(said, "make space on the disk before it is full")
    return disk.fine(said)


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


CHECKS: tuple[Check, ...] = (
    *(file, integrity, schema, log),
    *(turns, outbox, doubts),
    *(backup, disk),
)
