"""Run one turn: session, choice, files before, prompt, follow, files after, answer."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import structlog

from bot.errors import (
    OpenCodeError,
    PeerError,
    SessionGone,
    StoreError,
    UserError,
    facts_of,
)
from bot.opencode.feed import Following
from bot.render import reasons
from bot.sessions import OpenedSession
from bot.texts import engine as texts
from bot.turns.calming import Calmer
from bot.turns.enclosing import Encloser
from bot.turns.ending import FINE, Ender, Ending
from bot.turns.following import Follower, unheard
from bot.turns.parts import Parts
from bot.turns.progress import Progress
from bot.turns.prompting import Prompter
from bot.turns.reading import report
from bot.turns.running import Halt, Running, as_failure
from bot.turns.silence import Follow, follow_nothing
from bot.verdict import Over
from store.crashpoints import crashpoint

log = structlog.get_logger()

READY_TICK_S = 0.5  # between two looks at a wish to end, while we wait for OpenCode
RETRY_S = 1.0  # between two tries to reach it
MAX_FAILURES = 3  # of OpenCode's own making, before a turn that it does not have yet is given up
SERVER_ERROR = 500
FILE_REASONS = frozenset({"image", "request", "overflow"})
MAX_PROMPTS = 2  # a swallowed prompt is sent once more


@dataclass(slots=True)
class _Tries:
    """The tries to bring a turn under way; ``recap`` is what the model is told of a lost session."""

    recap: str = ""
    failures: int = 0

    def end(self, running: Running, exc: PeerError) -> Ending | None:
        """Return the end that a failed try means; None when it is worth another one."""
        if running.halt is not None and not running.prompted:
            return _unreached(running)
        if running.prompted:
            if isinstance(exc, SessionGone):
                log.info("session.gone", session=running.record.session)
                return _ended(running, Over("interrupted", running.text))
            return _unreached(running) if running.halt else None
        if not isinstance(exc, OpenCodeError) or isinstance(exc, SessionGone):
            return None
        self.failures += 1
        if exc.status >= SERVER_ERROR and self.failures < MAX_FAILURES:
            return None
        # Its words may hold what is nobody's business: neither chat nor log gets them.
        log.warning("turn.refused", status=exc.status, name=exc.name)
        return Ending.of(Over("failed", error=as_failure(exc)))


class Runner:
    """Takes a claimed turn to its end, whatever happens on the way."""

    def __init__(
        self,
        parts: Parts,
        calmer: Calmer,
        encloser: Encloser,
        prompter: Prompter,
        follower: Follower,
        progress: Progress,
        ender: Ender,
    ) -> None:
        self._store = parts.store
        self._server = parts.server
        self._client = parts.client
        self._asks = parts.asks
        self._sessions = parts.sessions
        self._choices = parts.choices
        self._files = parts.files
        self._clock = parts.clock
        self._follow: Follow = parts.feed.follow if parts.feed is not None else follow_nothing
        self._calmer = calmer
        self._encloser = encloser
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
            crashpoint("C15")
            await self._ender.end(running, ending)

    @contextlib.asynccontextmanager
    async def _ended_anyway(self, running: Running) -> AsyncIterator[None]:
        """End the turn as failed when our own code does.

        A cancelled one is left for a restart, and one that could not be kept for its lane.
        """
        try:
            yield
        except (asyncio.CancelledError, StoreError):
            raise
        except BaseException:
            running.unheard = running.prompted
            await self._ender.give_up(running)
            raise

    async def _work(self, running: Running) -> Ending:
        tries = _Tries()
        while True:
            try:
                if not await self._ready(running):
                    return _unreached(running)
                tries.recap = await self._open(running) or tries.recap
                return await self._prompt_and_follow(running, tries.recap)
            except PeerError as exc:
                ending = tries.end(running, exc)
                if ending is not None:
                    return ending
                await self._wait(running, exc)
            except UserError as exc:
                return Ending.failed("refused", exc.text.say(running.language, **exc.facts))

    async def _ready(self, running: Running) -> bool:
        """Wait until OpenCode is there, and show that we do; False when a halt came first."""
        while not await self._admitted(running):
            self._look_at_the_clock(running)
            if running.halt is not None:
                return False
            text = texts.UPGRADING if self._server.gate.shut else texts.OPENCODE_DOWN
            running.note = text.say(running.language, n=running.record.n)
            self._progress.show(running)
        running.note = ""
        return True

    async def _admitted(self, running: Running) -> bool:
        """Tell whether the turn may go on; while there is a hold only what OpenCode has may."""
        if running.prompted or await self._server.gate.wait_open(READY_TICK_S):
            return await self._server.admit(READY_TICK_S)
        return False

    async def _wait(self, running: Running, exc: PeerError) -> None:
        """Show that OpenCode is not there, and wait a little before it is tried again."""
        running.resumed = running.prompted
        log.info("opencode.unreachable", error=facts_of(exc))
        report(exc, self._server)
        running.note = texts.OPENCODE_DOWN.say(running.language, n=running.record.n)
        self._progress.show(running)
        self._look_at_the_clock(running)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await running.halted.wait()

    def _look_at_the_clock(self, running: Running) -> None:
        now = self._clock()
        if now >= running.deadline:
            running.ask_to_end(Halt("timeout", "", now))

    async def _open(self, running: Running) -> str:
        """Bring the turn to its session; return the recap of a lost one.

        A turn that was prompted goes on where it was, or nowhere. Raises SessionGone.
        """
        if running.prompted:
            await self._client.session(running.record.session)
            running.directory = running.record.directory
            await self._encloser.remind(running)
            return ""
        opened = await self._sessions.open_for(running.record, running.chat)
        if opened.note is not None:
            running.tell(opened.note)
        await self._prepare(running, opened)
        running.directory = running.record.directory
        return opened.recap

    async def _prepare(self, running: Running, opened: OpenedSession) -> None:
        choice = await self._choices.resolve(running.chat, opened.directory)
        running.record = await self._store.turns.set_session(
            running.record,
            opened.session,
            str(opened.directory),
            agent=choice.agent,
            model=choice.model,
        )
        await self._encloser.enclose(running, opened.directory)
        if not running.record.sync_before:
            sync = await self._files.before(running.record.n, opened.directory)
            running.record = replace(running.record, sync_before=sync)

    async def _prompt_and_follow(self, running: Running, recap: str) -> Ending:
        with self._follow(running.record.session, running.directory) as following:
            if not running.prompted and not await self._calmer.calm(running):
                return _unreached(running)
            if not await self._prompter.send(running, recap):
                return _unreached(running)
            self._server.trust()
            over = await self._until_over(running, following, recap)
        await self._store.turns.answered(
            running.record,
            over.outcome,
            error=over.error.name if over.error else "",
            reason=reasons.kind(over.error) if over.error else "",
            steps=len(over.messages),
            tokens=over.tokens,
        )
        await self._asks.clear(running.record)
        if over.outcome not in FINE and not running.unheard:
            await self._no_ghosts(running)
        return _ended(running, over)

    async def _no_ghosts(self, running: Running) -> None:
        """End what the server still lists for a turn that broke off; the next turn tries it, too."""
        try:
            await self._asks.sweep(running.record.session, running.directory)
        except PeerError as exc:
            log.info("opencode.unreachable", error=facts_of(exc))

    async def _until_over(self, running: Running, following: Following, recap: str) -> Over:
        while True:
            verdict = await self._follower.follow(running, following)
            if isinstance(verdict, Over):
                if _for_its_files(running, verdict) and await self._prompter.without_files(
                    running, recap
                ):
                    continue
                return verdict
            if running.record.prompts >= MAX_PROMPTS or running.halt is not None:
                return Over("empty")
            if not await self._prompter.again(running, recap):
                return Over("empty")


def _for_its_files(running: Running, over: Over) -> bool:
    """Tell whether a turn most likely failed because a file could not be taken; nothing was done yet."""
    if over.outcome != "failed" or not running.files or running.halt is not None:
        return False
    return reasons.kind(over.error) in FILE_REASONS and not (over.text or over.finished_tools)


def _ended(running: Running, over: Over) -> Ending:
    """Return the end that the server told, or ours where somebody wished for one."""
    return Ending.halted(running, running.halt, over) if running.halt else Ending.of(over)


def _unreached(running: Running) -> Ending:
    """Return the end of a halted turn whose prompt never left, or that OpenCode is away with."""
    halt = running.halt
    assert halt is not None, "nothing else ends a turn here"
    if running.prompted:
        return Ending.halted(running, halt, unheard(running))
    if halt.why == "timeout":
        sentence = texts.OUT_OF_TIME_WAITING.say(running.language, n=running.record.n)
        return Ending.failed("timeout", sentence)
    return Ending.halted(running, halt, None)
