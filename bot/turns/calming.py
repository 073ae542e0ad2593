"""Make sure that a session rests before it gets a prompt, and that nothing in it still asks."""

import asyncio
import contextlib

import structlog

from bot.opencode.model import at_work
from bot.texts import engine as texts
from bot.turns.parts import Parts
from bot.turns.progress import Progress
from bot.turns.running import Halt, Running

log = structlog.get_logger()

AGAIN_S = 2.0  # between two tries to stop what an older turn left at work


class Calmer:
    """Prepares a session: OpenCode would merge a prompt into whatever still runs there."""

    def __init__(self, parts: Parts, progress: Progress) -> None:
        self._client = parts.client
        self._store = parts.store
        self._asks = parts.asks
        self._clock = parts.clock
        self._progress = progress

    async def calm(self, running: Running) -> bool:
        """Return True once the session rests; False when a halt came first. Raises PeerError."""
        session = running.record.session
        if await self._store.sessions.doubted(session):
            if not await self._stopped(running):
                return False
            await self._store.sessions.trust(session)
        await self._asks.sweep(session, running.directory)
        return True

    async def _stopped(self, running: Running) -> bool:
        """Stop what a turn that ended without OpenCode's word may have left, until the status says so."""
        while running.halt is None:
            await self._client.abort(running.record.session)
            if not await self._works(running):
                running.note = ""
                return True
            if not running.note:
                log.warning("session.unstopped", session=running.record.session)
            running.note = texts.STILL_BUSY.say(running.language, n=running.record.n)
            self._progress.show(running)
            await self._pause(running)
        return False

    async def _works(self, running: Running) -> bool:
        return at_work(await self._client.status(running.directory), running.record.session)

    async def _pause(self, running: Running) -> None:
        now = self._clock()
        if now >= running.deadline:
            running.ask_to_end(Halt("timeout", "", now))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_S):
                await running.halted.wait()
