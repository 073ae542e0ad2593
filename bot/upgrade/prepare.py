"""What is looked at before anything is held back: may this move be made, and does it have room."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bot.backup.places import MEGABYTE, SPARE_BYTES, stamp
from bot.clock import Clock
from bot.errors import PeerError, UpgradeError
from bot.opencode.probe import NEWEST, OLDEST, proved
from bot.opencode.releases import Release, install, number_of, program_of
from bot.upgrade.engine import Engine
from bot.upgrade.journal import Journal
from bot.upgrade.saving import DATABASE, Saved, size, verified
from bot.upgrade.sessions import Lost, client_of, lost_since
from config.settings import Settings
from store import SQLITE
from store.mapping import mapped
from store.sqlite import BACKUPS

RELEASE_BYTES = 800_000_000  # npm brings several builds of the program
COPIES = 2  # of the data: the backup, and the one that the new release is tried on
JSON_STORAGE = "storage/session"

Say = Callable[[str], None]


async def upgrade_to(
    target: str, engine: Engine, settings: Settings, clock: Clock, say: Say, *, force: bool
) -> Journal | None:
    """Install the release and return the journal of the move; None when it runs already."""
    origin = await engine.current() or await _brought_back(engine, say)
    if not origin:
        raise UpgradeError("There is no OpenCode here to upgrade: start the service once first.")
    if origin == target:
        say(f"OpenCode {target} runs already.")
        return None
    _must_be_wanted(origin, target, force=force)
    must_be_importable(engine.data, origin)
    present = program_of(target, engine.releases).exists()
    copies = COPIES * size(engine.data)
    _must_have_room(settings.server.data_dir, copies)
    if not present:
        place = _existing(engine.releases)
        shared = place.stat().st_dev == settings.server.data_dir.stat().st_dev
        _must_have_room(place, RELEASE_BYTES + (copies if shared else 0))
        say(f"Installing OpenCode {target} …")
        await asyncio.to_thread(install, target, engine.releases)
    say(f"OpenCode {origin} runs; {target} is installed.")
    before = await engine.resort(engine.release(), origin)
    now = clock()
    backup = _folder(settings, origin, target, now)
    after = Release(target, origin, bool(before.version), str(backup), now)
    return Journal("upgrade", origin, target, asdict(before), asdict(after), str(backup), now).keep(
        engine.folders.journal
    )


async def back_from(engine: Engine, settings: Settings, clock: Clock, say: Say) -> Journal:
    """Return the journal of the way back to the release and the data of before the last upgrade."""
    release = engine.release()
    if not release.previous or not release.backup:
        raise UpgradeError("There is nothing to go back to: no upgrade was made, or it was undone.")
    origin = await engine.current() or release.version
    saved = await asyncio.to_thread(verified, Path(release.backup))
    _must_have_room(settings.server.data_dir, COPIES * size(engine.data))
    wanted = Release(release.previous if release.was_chosen else "")
    after = await engine.resort(wanted, release.previous)
    if after.version:  # it may have been removed since, to make room
        await asyncio.to_thread(install, after.version, engine.releases)
    tell_lost(saved, await _lost(engine, settings, saved), say)
    now = clock()
    backup = _folder(settings, origin, release.previous, now)
    return Journal(
        "rollback",
        origin,
        release.previous,
        asdict(release),
        asdict(after),
        str(backup),
        now,
        restores=release.backup,
    )


async def _brought_back(engine: Engine, say: Say) -> str:
    """Install the chosen release whose program is gone; return its version, empty for no choice."""
    version = engine.chosen()
    if version:
        say(f"OpenCode {version} is chosen and is not there any more. Installing it …")
        await asyncio.to_thread(install, version, engine.releases)
    return version


def must_be_importable(data: Path, origin: str) -> None:
    """Refuse data of before 1.2: later releases keep sessions elsewhere and do not take those over."""
    if (data / DATABASE[0]).exists() or not any((data / JSON_STORAGE).glob("*/*.json")):
        return
    raise UpgradeError(
        f"OpenCode {origin} keeps its sessions as JSON files ({data / JSON_STORAGE}); releases from "
        "1.2 on keep them in a database and do not import those: every chat would lose its session. "
        f"To go on without them, end the service, move {data / 'storage'} away and do this again: "
        "each chat then begins a new session that is told of its last tasks."
    )


def _must_be_wanted(origin: str, target: str, *, force: bool) -> None:
    if force:
        return
    if not proved(target):
        raise UpgradeError(
            f"OpenCode {target} is outside the range that this service was proved with ({OLDEST} to "
            f"{NEWEST}). --force goes on all the same; all is put back when it does not hold."
        )
    if number_of(target) < number_of(origin):
        raise UpgradeError(
            f"OpenCode {target} is older than {origin} and may not understand its data. `opencode "
            "rollback` goes back to the release of before with the data of before; --force goes on."
        )


def _must_have_room(folder: Path, wanted: int) -> None:
    wanted += SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise UpgradeError(
            f"This needs about {wanted / MEGABYTE:,.0f} MB in {folder}, where "
            f"{free / MEGABYTE:,.0f} MB are free. Make space first; nothing was changed."
        )


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _folder(settings: Settings, origin: str, target: str, now: int) -> Path:
    at = datetime.fromtimestamp(now / 1000, UTC)
    name = f"opencode-{origin}-{target}-{stamp(at)}"
    return (settings.server.data_dir / BACKUPS / name).absolute()


async def _lost(engine: Engine, settings: Settings, saved: Saved) -> Lost | None:
    """Ask the server what it has that the backup has not; None when it does not answer."""
    database = Path(settings.store.url.removeprefix(SQLITE))
    sessions = await asyncio.to_thread(mapped, database)
    try:
        async with client_of(engine.address) as client:
            return await lost_since(client, sessions, saved.at)
    except (PeerError, UpgradeError):
        return None


def tell_lost(saved: Saved, lost: Lost | None, say: Say) -> None:
    """Say what the way back costs."""
    at = datetime.fromtimestamp(saved.at / 1000, UTC)
    say(
        f"Back to OpenCode {saved.origin} with its data of {at:%Y-%m-%d %H:%M} UTC. Lost with that:"
    )
    if lost is None:
        say(
            "  all sessions and messages since; the server does not answer, so they are not counted"
        )
        return
    say(f"  sessions created since: {lost.created} (chats that are in one: {lost.chats})")
    say(f"  older sessions that lose what was said since: {lost.written}")
    say("A chat whose session is gone gets a new one, which is told of its last tasks.")
