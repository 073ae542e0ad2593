"""A move to another release, step by step; whatever fails, all goes back to how it was."""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot.clock import Clock
from bot.errors import (
    BackupError,
    OpenCodeError,
    PeerError,
    StartError,
    StoreError,
    UpgradeError,
    facts_of,
)
from bot.opencode.hold import HoldState
from bot.opencode.releases import Release
from bot.upgrade.canary import Canary
from bot.upgrade.engine import Engine
from bot.upgrade.journal import BACK, STEPS, UNTOUCHED, Journal, Outcome, Step
from bot.upgrade.saving import DATA, forget_draft, put_back, save
from bot.upgrade.sessions import at_service, client_of, compared, counted
from config.settings import Settings
from store import SQLITE
from store.crashpoints import crashpoint
from store.mapping import at_work, mapped

LOOK_S = 0.5
CALM_LOOKS = 2  # a turn that was just claimed is seen by the second
NAMED = 20
FROZEN: frozenset[Step] = frozenset({"freeze", "drain", "start", "check"})
# A machine that is started anew meanwhile starts a unit, whatever we hold back.
TOUCHING: frozenset[Step] = frozenset({"restore", "switch", "start", "check"})
# What may fail on the way and means: go back.
FAILURES = (UpgradeError, BackupError, StartError, StoreError, PeerError, OSError, sqlite3.Error)

Say = Callable[[str], None]
AtWork = list[tuple[int, str]]


class Move:
    """Carries out one journal. ``may_interrupt`` asks a person; ``drain_s`` is the time to drain."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        clock: Clock,
        say: Say,
        may_interrupt: Callable[[AtWork], Awaitable[bool]],
        drain_s: float,
    ) -> None:
        self._engine = engine
        self._database = Path(settings.store.url.removeprefix(SQLITE))
        self._clock = clock
        self._say = say
        self._may_interrupt = may_interrupt
        self._drain_s = drain_s
        self._canary = Canary(engine, settings, say)
        self._actions: dict[Step, Callable[[Journal], Awaitable[Journal]]] = {
            "freeze": self._freeze,
            "drain": self._drain,
            "hold": self._hold,
            "save": self._save,
            "try": self._try,
            "restore": self._restore,
            "switch": self._switch,
            "start": self._start,
            "check": self._check,
        }

    async def go(self, journal: Journal) -> Journal:
        """Bring a move to its end from wherever it is; return the journal of that end.

        Raises one of ``FAILURES`` when even the way back fails: all stays held back then.
        """
        if journal.back:
            return await self.back(journal)
        for step in STEPS[STEPS.index(journal.step) :]:
            if step == "restore" and not journal.restores:
                continue
            touched = journal.touched or step in TOUCHING
            journal = self._kept(journal.but(step=step, touched=touched))
            try:
                journal = self._kept(await self._done(step, journal))
            except FAILURES as exc:
                why = words_of(exc)
                self._say(f"FAILED: {why}")
                return await self.back(self._kept(journal.but(back=True, why=why)))
            crashpoint(f"upgrade.{step}")
        return self._over(journal, "done")

    async def back(self, journal: Journal) -> Journal:
        """Go back to the release and the data of before."""
        if STEPS.index(journal.step) >= STEPS.index("hold"):
            self._say(f"Going back to OpenCode {journal.origin} …")
            steps = BACK if journal.touched else UNTOUCHED
            for step in steps[steps.index(journal.home) if journal.home in steps else 0 :]:
                journal = self._kept(journal.but(home=step))
                journal = self._kept(await self._done(step, journal))
                crashpoint(f"upgrade.back.{step}")
        return self._over(journal, "undone")

    async def _done(self, step: Step, journal: Journal) -> Journal:
        """Hold back what the step needs held back, then do it."""
        state: HoldState = "frozen" if step in FROZEN else "held"
        self._engine.hold(state, journal.why_held, os.getpid(), self._clock())
        await (self._engine.end() if state == "held" else self._engine.obeyed("frozen"))
        done = await self._actions[step](journal)
        if state == "held":
            await self._engine.end()  # it must not have run meanwhile
        return done

    def _kept(self, journal: Journal) -> Journal:
        return journal.keep(self._engine.folders.journal)

    def _over(self, journal: Journal, outcome: Outcome) -> Journal:
        """Let all go on, and only then call it done: cut off in between, it is looked at again."""
        self._canary.clear()
        forget_draft(Path(journal.backup))
        self._engine.lift()
        crashpoint("upgrade.lift")
        return self._kept(journal.but(outcome=outcome, ended_at=self._clock()))

    async def _freeze(self, journal: Journal) -> Journal:
        self._say("New turns are held back: messages are kept, and people are told so.")
        return journal

    async def _drain(self, journal: Journal) -> Journal:
        running = await self._drained()
        if running and not await self._may_interrupt(running):
            raise UpgradeError(f"Still running: {turns(running)}. Nothing was to be interrupted.")
        return journal.but(counts=await self._counts())

    async def _drained(self) -> AtWork:
        """Wait for the end of what runs, at most the time for that; return what still does."""
        deadline = asyncio.get_running_loop().time() + self._drain_s
        told, calm = False, 0
        while True:
            running = await self._at_work()
            calm = 0 if running else calm + 1
            if calm == CALM_LOOKS or asyncio.get_running_loop().time() > deadline:
                return running
            if running and not told:
                self._say(f"Waiting for {turns(running)}, {self._drain_s:.0f} s at most …")
                told = True
            await asyncio.sleep(LOOK_S)

    async def _at_work(self) -> AtWork:
        told = await self._engine.at_work()
        if told is not None:
            return [(n, chat) for n, chat, _ in told.at_work]
        return await asyncio.to_thread(at_work, self._database)

    async def _counts(self) -> dict[str, int] | None:
        """Read what chats have on the server now; None when it does not answer."""
        try:
            sessions = await asyncio.to_thread(mapped, self._database)
            await self._engine.awake()
            async with client_of(self._engine.address) as client:
                found = await counted(client, sessions)
        except (PeerError, UpgradeError) as exc:
            self._say(
                f"Note: the server does not answer ({words_of(exc)}); what it has is not known."
            )
            return None
        self._say(f"Chats have {len(found)} sessions on the server.")
        return found

    async def _hold(self, journal: Journal) -> Journal:
        self._say("OpenCode is ended.")
        return journal

    async def _save(self, journal: Journal) -> Journal:
        facts = (journal.origin, journal.target, journal.started_at)
        saved = await asyncio.to_thread(
            save,
            Path(journal.backup),
            self._engine.data,
            self._engine.configs,
            self._database,
            facts,
        )
        size = sum(member.bytes for member in saved.files.values())
        self._say(
            f"Backup: {journal.backup} ({len(saved.files)} files, {size:,} bytes, read again)."
        )
        return journal

    async def _try(self, journal: Journal) -> Journal:
        self._say(f"Trying OpenCode {journal.target} …")
        sessions = await asyncio.to_thread(mapped, self._database)
        await asyncio.to_thread(self._canary.clear)
        source, counts = self._engine.data, journal.counts
        if journal.restores:  # older data: what came since is not in it
            source, counts = Path(journal.restores) / DATA, None
        else:
            await self._canary.prove(journal.target)
        await self._canary.open(journal.target, source, sessions, counts)
        await asyncio.to_thread(self._canary.clear)
        return journal

    async def _restore(self, journal: Journal) -> Journal:
        folder = Path(journal.backup if journal.back else journal.restores)
        await asyncio.to_thread(put_back, folder, self._engine.data)
        self._say(f"The data of {folder.name} are put back.")
        return journal

    async def _switch(self, journal: Journal) -> Journal:
        release = journal.before if journal.back else journal.after
        self._engine.choose(Release.of(release))
        return journal

    async def _start(self, journal: Journal) -> Journal:
        version = await self._engine.begin()
        if version != journal.goal:
            raise UpgradeError(f"OpenCode {version} came up and not {journal.goal}.")
        self._say(f"OpenCode {version} runs.")
        return journal

    async def _check(self, journal: Journal) -> Journal:
        sessions = await asyncio.to_thread(mapped, self._database)
        address = self._engine.address
        async with client_of(address) as client:
            found = await counted(client, sessions)
        if journal.back or not journal.restores:
            compared(journal.counts, found)
        await at_service(address, sessions)
        self._say(
            f"Verified: {len(found)} of {len(sessions)} sessions of chats, permissions, questions "
            "and the event stream."
        )
        return journal


def words_of(exc: BaseException) -> str:
    """Return what a terminal may say of a failure: never OpenCode's words, which may hold a key."""
    return facts_of(exc) if isinstance(exc, OpenCodeError) else str(exc)


def turns(running: AtWork) -> str:
    """Return how many turns there are, in words."""
    return "1 turn" if len(running) == 1 else f"{len(running)} turns"
