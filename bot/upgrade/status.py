"""``opencode status``: what runs, what is chosen, what there is, and how the last upgrade ended."""

import asyncio
import shlex
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bot.backup.places import MEGABYTE
from bot.errors import StartError, UpgradeError
from bot.opencode.hold import read_hold, told
from bot.opencode.probe import NEWEST, OLDEST, proved
from bot.opencode.releases import installed, number_of
from bot.upgrade.engine import Engine
from bot.upgrade.journal import Journal, load
from bot.upgrade.prepare import must_be_importable
from bot.upgrade.saving import size
from config.settings import Settings
from store import SQLITE
from store.mapping import mapped
from store.sqlite import BACKUPS


async def tell(engine: Engine, settings: Settings, now: int, say: Callable[[str], None]) -> None:
    """Say how OpenCode stands; changes nothing."""
    version = await engine.current()
    service = await engine.service.told()
    for name, words in await asyncio.to_thread(
        lambda: list(_facts(engine, settings, version, service is not None))
    ):
        say(f"{name:<12}{words}")
    hold = read_hold(engine.folders.hold)
    say(f"{'hold':<12}{told(hold, now) if hold is not None else 'none'}")
    journal = load(engine.folders.journal)
    say(f"{'last':<12}{_last(journal)}")
    say(f"{'upgrade':<12}{_would(engine, version, journal)}")


def _facts(
    engine: Engine,
    settings: Settings,
    version: str,
    up: bool,  # noqa: FBT001  # a fact, no switch
) -> Iterator[tuple[str, str]]:
    yield "server", engine.words
    yield "service", f"runs at {engine.service.url}" if up else "does not run"
    yield "version", version or "none"
    yield "chosen", engine.chosen() or "whatever is on the PATH"
    yield "proved", f"{OLDEST} to {NEWEST}"
    yield "installed", ", ".join(installed(engine.releases)) or f"none in {engine.releases}"
    yield "data", f"{size(engine.data):,} bytes in {engine.data}"
    sessions = mapped(Path(settings.store.url.removeprefix(SQLITE)))
    yield "mapped", f"{len(sessions)} sessions of {len({one.chat for one in sessions})} chats"
    release = engine.release()
    if release.previous:
        yield "way back", f"to {release.previous}, with the data in {release.backup}"
    yield "disk", _disk(engine, settings)
    if idle := _idle(engine, settings, version):
        yield "not needed", f"{_megabytes(idle)}; to remove it: rm -r {shlex.join(map(str, idle))}"


def _disk(engine: Engine, settings: Settings) -> str:
    """Say how much room is taken by what upgrades leave, which nothing removes by itself."""
    releases = [engine.releases / version for version in installed(engine.releases)]
    backups = _backups(settings)
    return (
        f"{len(releases)} releases with {_megabytes(releases)}, "
        f"{len(backups)} backups of upgrades with {_megabytes(backups)}"
    )


def _idle(engine: Engine, settings: Settings, version: str) -> list[Path]:
    """Return releases and backups that neither what runs nor the way back needs."""
    journal, release = load(engine.folders.journal), engine.release()
    if journal is not None and not journal.over:
        return []  # each of them may be needed yet
    used = {version, release.version, release.previous, NEWEST}
    old = [each for each in installed(engine.releases) if each not in used]
    kept = {release.backup, journal.backup if journal is not None else ""}
    backups = [each for each in _backups(settings) if str(each) not in kept]
    return [*(engine.releases / each for each in old), *backups]


def _backups(settings: Settings) -> list[Path]:
    """Return the backups that upgrades have made, and what is left of unfinished ones."""
    folder = (settings.server.data_dir / BACKUPS).absolute()
    return sorted([*folder.glob("opencode-*-*-*"), *folder.glob(".opencode-*.new")])


def _megabytes(folders: Iterable[Path]) -> str:
    facts = (file.lstat() for folder in folders for file in folder.rglob("*"))
    sizes = {(each.st_dev, each.st_ino): each.st_size for each in facts}  # npm links files twice
    return f"{sum(sizes.values()) / MEGABYTE:,.1f} MB"


def _last(journal: Journal | None) -> str:
    if journal is None:
        return "no upgrade so far"
    began = f"{journal.command} {journal.origin} to {journal.target}, {_at(journal.started_at)}"
    if not journal.over:
        way = "on its way back, " if journal.back else ""
        return f"{began}: unfinished ({way}at {journal.home if journal.back else journal.step})"
    ended = f"{began}: {journal.outcome} at {_at(journal.ended_at)}"
    return f"{ended} ({journal.why})" if journal.why else ended


def _at(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _would(engine: Engine, version: str, journal: Journal | None) -> str:
    """Say what `opencode upgrade` would do now."""
    if journal is not None and not journal.over:
        return f"would go on with the {journal.command}; `opencode rollback` goes back"
    try:
        must_be_importable(engine.data, version)
    except (UpgradeError, StartError) as exc:
        return f"would be refused: {exc}"
    if version and number_of(version) >= number_of(NEWEST):
        note = "" if proved(version) else ", though this one is not proved"
        return f"would do nothing: there is no newer proved release{note}"
    present = NEWEST in installed(engine.releases)
    return f"would {'' if present else 'install and '}switch to {NEWEST}"
