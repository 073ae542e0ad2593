"""``python -m bot opencode status | upgrade | rollback``: one at a time, and cut off it goes on."""

import argparse
import asyncio
import contextlib
import fcntl
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import IO

from bot.background import Background
from bot.clock import now_ms
from bot.errors import UpgradeError
from bot.opencode.environment import Folders
from bot.opencode.files import hand_over
from bot.opencode.hold import lift_hold, read_hold
from bot.opencode.probe import NEWEST
from bot.upgrade import prepare, status
from bot.upgrade.engine import LOCK, Engine
from bot.upgrade.journal import Journal, load
from bot.upgrade.managed import ManagedEngine
from bot.upgrade.move import FAILURES, NAMED, AtWork, Move, turns, words_of
from bot.upgrade.unit import UnitEngine
from config.logs import set_up
from config.settings import Settings
from store.crashpoints import arm

FINE, FAILED = 0, 1
LOOKED_AT = 0o644  # the lock: the service sees by it whether the command lives
TRIES, PAUSE_S = 10, 0.05
READABLE = 0o022  # a release that root installs is for the server's user; private files say so


def run(options: argparse.Namespace, settings: Settings, file: Path | None) -> int:  # noqa: ARG001
    """Carry out one of the three; return 0, or 1 when it failed or all was put back."""
    arm(os.environ)
    set_up(secrets=settings.secrets(), level="critical")
    logging.disable(logging.ERROR)  # of libraries; what matters is said in words
    folders = Folders.under(settings.server.data_dir)
    try:
        if options.action == "status":
            return asyncio.run(_status(options, settings))
        with _alone(folders):
            try:
                return asyncio.run(_move(options, settings))
            except KeyboardInterrupt:
                return asyncio.run(_interrupted(options, settings))
    except (*FAILURES, KeyboardInterrupt) as exc:  # the latter: once more, on the way back
        sys.stderr.write(f"opencode-wecom: {words_of(exc) or 'Interrupted.'}\n")
        if read_hold(folders.hold) is not None:
            sys.stderr.write(
                "New turns are still held back. Mend that and do it again to go on, or "
                "`python -m bot opencode rollback` to go back.\n"
            )
        return FAILED


async def _status(options: argparse.Namespace, settings: Settings) -> int:
    async with Background() as background:
        await status.tell(_engine(options, settings, background), settings, now_ms(), say)
    return FINE


async def _move(options: argparse.Namespace, settings: Settings) -> int:
    async with _opened(options, settings) as (engine, move):
        journal = load(engine.folders.journal)
        if journal is None or journal.over or _is_lifted(options, engine, journal):
            journal = await _begun(options, settings, engine)
            if journal is None:
                return FINE
        else:
            journal = _resumed(options, journal)
        return _ended(options, await move.go(journal))


async def _interrupted(options: argparse.Namespace, settings: Settings) -> int:
    """Go back after Ctrl-C, if there is anything to go back from."""
    async with _opened(options, settings) as (engine, move):
        journal = load(engine.folders.journal)
        if journal is None or journal.over:
            return FAILED
        say("Interrupted.")
        journal = journal.but(back=True, why=journal.why or "interrupted by the operator")
        await move.back(journal.keep(engine.folders.journal))
    return FAILED


@contextlib.asynccontextmanager
async def _opened(
    options: argparse.Namespace, settings: Settings
) -> AsyncIterator[tuple[Engine, Move]]:
    async with Background() as background:
        engine = _engine(options, settings, background)
        try:
            yield engine, Move(engine, settings, now_ms, say, _asker(options), options.drain_for)
        finally:
            await engine.close()


def _engine(options: argparse.Namespace, settings: Settings, background: Background) -> Engine:
    if settings.opencode.url is None:
        return ManagedEngine(settings, os.environ, background)
    os.umask(READABLE)
    return UnitEngine(settings, options.unit)


async def _begun(options: argparse.Namespace, settings: Settings, engine: Engine) -> Journal | None:
    if options.action == "upgrade":
        target = options.to or NEWEST
        return await prepare.upgrade_to(target, engine, settings, now_ms, say, force=options.force)
    if read_hold(engine.folders.hold) is not None:  # without a journal: somebody removed that
        lift_hold(engine.folders.hold)
        say("A hold without an upgrade was lifted.")
        return None
    journal = await prepare.back_from(engine, settings, now_ms, say)
    if not await _agreed(options, "Go back?"):
        raise UpgradeError("Nothing was changed.")
    return journal.keep(engine.folders.journal)


def _is_lifted(options: argparse.Namespace, engine: Engine, journal: Journal) -> bool:
    """Tell whether an upgrade that is to be rolled back was at its end, with turns running again.

    What came since then is lost with a rollback: that has to be said and asked first.
    """
    ended = journal.command == "upgrade" and journal.step == "check" and not journal.back
    return ended and options.action == "rollback" and read_hold(engine.folders.hold) is None


def _resumed(options: argparse.Namespace, journal: Journal) -> Journal:
    """Take up a move that was cut off: on, or back where that is asked for."""
    words = f"{journal.command} from {journal.origin} to {journal.target}"
    if options.action == "rollback" and journal.command == "upgrade":
        say(f"An unfinished {words} is undone.")
        return journal.but(back=True, why=journal.why or "rolled back by the operator")
    if options.action == "upgrade" and (options.to or journal.target) != journal.target:
        raise UpgradeError(
            f"An {words} is unfinished. Do that again to finish it, or `opencode rollback`."
        )
    say(f"An unfinished {words} goes on.")
    return journal


def _ended(options: argparse.Namespace, journal: Journal) -> int:
    if journal.outcome == "done":
        say(f"Done: OpenCode {journal.target}. New turns run again.")
        if journal.command == "upgrade":
            say("The way back, which loses what comes from now on: python -m bot opencode rollback")
        else:
            say(f"What was replaced is kept in {journal.backup}.")
        return FINE
    say(f"OpenCode {journal.origin} runs as before. New turns run again.")
    if options.action == "rollback" and journal.command == "upgrade":
        return FINE
    say(f"Why: {journal.why}")
    return FAILED


def _asker(options: argparse.Namespace) -> Callable[[AtWork], Awaitable[bool]]:
    async def may_interrupt(running: AtWork) -> bool:
        for n, chat in running[:NAMED]:
            say(f"  #{n} in {chat} would be interrupted")
        if len(running) > NAMED:
            say(f"  and {len(running) - NAMED} more")
        return await _agreed(options, f"Interrupt {turns(running)}?")

    return may_interrupt


async def _agreed(options: argparse.Namespace, question: str) -> bool:
    """Ask at the terminal; without one, and told not to ask, only --yes agrees."""
    if options.yes:
        return True
    if options.non_interactive or not sys.stdin.isatty():
        say(f"{question} Nobody is there to say so; --yes does.")
        return False
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    typed, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(sys.stdin, typed.set)  # reading right away, Ctrl-C would not be heard
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline().strip().casefold() in {"y", "yes"}


@contextlib.contextmanager
def _alone(folders: Folders) -> Iterator[None]:
    if not folders.root.exists():
        folders.root.mkdir(parents=True, mode=0o700)
        hand_over(folders.root, folders.root.parent)
    with (folders.root / LOCK).open("ab") as file:
        os.fchmod(file.fileno(), LOOKED_AT)
        _take(file)
        yield


def _take(file: IO[bytes]) -> None:
    """Take the lock; whoever only looks whether it is taken has it for a moment."""
    for _ in range(TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(PAUSE_S)
    raise UpgradeError("Another upgrade or rollback is under way. Wait for its end.")


def say(line: str) -> None:
    """Write a line for the operator."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
