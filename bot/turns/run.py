"""Run one turn: session, choice, files before, prompt, follow, files after, answer."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

import structlog

from bot.errors import OpenCodeError, OpenCodeUnavailable, SessionGone, UserError
from bot.opencode.feed import Following
from bot.sessions import OpenedSession
from bot.texts import engine as texts
from bot.turns.ending import Ender, Ending
from bot.turns.following import Follower
from bot.turns.parts import Parts
from bot.turns.progress import Progress
from bot.turns.prompting import Prompter
from bot.turns.running import Halt, Running
from bot.turns.silence import Follow, follow_nothing
from bot.verdict import Over, Swallowed

log = structlog.get_logger()

READY_TICK_S = 5.0  # how often a person is shown that we still wait for OpenCode
RETRY_S = 1.0  # between two tries to reach it
MAX_PROMPTS = 2  # a swallowed prompt is sent once more


class Runner:
    """Takes a claimed turn to its end, whatever happens on the way."""

    def __init__(
        self,
        parts: Parts,
        prompter: Prompter,
        follower: Follower,
        progress: Progress,
        ender: Ender,
    ) -> None:
        self._store = parts.store
        self._server = parts.server
        self._sessions = parts.sessions
        self._choices = parts.choices
        self._files = parts.files
        self._clock = parts.clock
        self._follow: Follow = parts.feed.follow if parts.feed is not None else follow_nothing
        self._prompter = prompter
        self._follower = follower
        self._progress = progress
        self._ender = ender

    @property
    def ended(self) -> Counter[str]:
        """How many turns ended since the start, by outcome."""
        return self._ender.ended

    async def run(self, running: Running) -> None:
        """Run or resume the turn; when this returns its end is stored and was handed over."""
        async with self._ended_anyway(running):
            ending = await self._work(running)
            await self._ender.end(running, ending)

    @contextlib.asynccontextmanager
    async def _ended_anyway(self, running: Running) -> AsyncIterator[None]:
        """End the turn as failed when our own code does; a cancelled one is left for a restart."""
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException:
            await self._ender.give_up(running)
            raise

    async def _work(self, running: Running) -> Ending:
        recap = ""
        while True:
            try:
                await self._ready(running)
                if running.halt is not None and running.record.prompt_state == "none":
                    return Ending.halted(running, running.halt, None)
                opened = await self._open(running)
                if opened is None:
                    return Ending.of(Over("interrupted"))
                recap = opened.recap or recap
                return await self._prompt_and_follow(running, recap)
            except SessionGone:
                log.info("session.gone", session=running.record.session)
            except OpenCodeUnavailable as exc:
                log.info("opencode.unreachable", error=str(exc))
                running.note = texts.OPENCODE_DOWN.say(running.language, n=running.record.n)
                self._progress.show(running)
                await self._pause(running)
            except OpenCodeError as exc:
                reason = exc.message or exc.name or str(exc.status)
                return self._refused(running, reason)
            except UserError as exc:
                return self._refused(running, exc.text.say(running.language, **exc.facts))

    def _refused(self, running: Running, reason: str) -> Ending:
        sentence = texts.REJECTED_BY_SERVER.say(running.language, reason=reason)
        return Ending.failed("refused", sentence)

    async def _ready(self, running: Running) -> None:
        """Wait until OpenCode is there; the person sees that we do."""
        while not await self._server.wait_ready(READY_TICK_S if running.note else 0.2):
            if self._clock() >= running.deadline:
                running.ask_to_end(Halt("timeout", "", self._clock()))
            if running.halt is not None:
                return
            running.note = texts.OPENCODE_DOWN.say(running.language, n=running.record.n)
            self._progress.show(running)
        running.note = ""

    async def _pause(self, running: Running) -> None:
        if self._clock() >= running.deadline:
            running.ask_to_end(Halt("timeout", "", self._clock()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await running.halted.wait()

    async def _open(self, running: Running) -> OpenedSession | None:
        """Bring the turn to its session; None when the one that it was prompted in is gone."""
        record = running.record
        opened = await self._sessions.open_for(record, running.chat)
        if opened.note is not None:
            running.tell(opened.note)
        if record.prompt_state != "none" and opened.session != record.session:
            return None
        if record.prompt_state == "none":
            await self._prepare(running, opened)
        running.record = await self._store.turns.current(record.n)
        running.directory = running.record.directory
        return opened

    async def _prepare(self, running: Running, opened: OpenedSession) -> None:
        turns, n = self._store.turns, running.record.n
        choice = await self._choices.resolve(running.chat, opened.directory)
        await turns.set_session(n, opened.session, str(opened.directory))
        await turns.set_choice(n, choice.agent, choice.model)
        if not running.record.sync_before:
            await turns.set_syncs(n, before=await self._files.before(n, opened.directory))

    async def _prompt_and_follow(self, running: Running, recap: str) -> Ending:
        with self._follow(running.record.session, running.directory) as following:
            await self._prompter.send(running, recap)
            running.begin()
            verdict = await self._until_over(running, following, recap)
        if running.halt is not None:
            return Ending.halted(running, running.halt, verdict)
        return Ending.of(verdict)

    async def _until_over(self, running: Running, following: Following, recap: str) -> Over:
        while True:
            verdict = await self._follower.follow(running, following)
            if isinstance(verdict, Over):
                return verdict
            assert isinstance(verdict, Swallowed)
            if running.record.prompts >= MAX_PROMPTS or running.halt is not None:
                return Over("empty")
            running.tell(texts.SWALLOWED, n=running.record.n)
            await self._prompter.again(running, recap)
            running.begin()
