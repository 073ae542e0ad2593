"""Lanes: in a chat turns run one by one in order, between chats nothing waits."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import structlog

from bot.background import Background, restart_delays
from bot.clock import Clock
from bot.errors import StoreError, TurnLost
from bot.messages import Answer, Outlets, ReplyStream
from bot.opencode.hold import Gate
from bot.texts import engine as texts
from bot.texts import media as media_texts
from bot.turns.run import Runner
from bot.turns.running import Halt, Running, Stopped, Why
from config.version import VERSION
from store import Store
from store.crashpoints import crashpoint
from store.records import TurnRecord

log = structlog.get_logger()

LOOK_AGAIN_MS = 60_000  # at least so long to find out what became of a resumed turn
STOP_WAIT_S = 2.5
FLUSH_S = 0.5
CLOSE_TICK_S = 0.05  # between two looks at what still runs at the end
INTERRUPT_S = 1.5  # for turns to say their last words, once they are interrupted
RENEW_S = 5.0  # a third of a lease


class Turns:
    """Every running turn of the process, by chat. Busy is what stands here, never a flag."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        outlets: Outlets,
        background: Background,
        clock: Clock,
        gate: Gate,
        *,
        limit_ms: int,
    ) -> None:
        self._store = store
        self._runner = runner
        self._outlets = outlets
        self._background = background
        self._clock = clock
        self._gate = gate
        self._limit_ms = limit_ms
        self._lanes: dict[str, bool] = {}  # chat -> something came since its lane last looked
        self._arriving: Counter[str] = Counter()
        self._running: dict[str, Running] = {}
        self._holding: set[str] = set()
        self._closing = False

    def __len__(self) -> int:
        return len(self._running)

    @property
    def ended(self) -> Counter[str]:
        """How many turns ended since the start, by outcome."""
        return self._runner.ended

    @property
    def closing(self) -> bool:
        """Whether no further turn starts: what comes now waits for the next start."""
        return self._closing

    @property
    def stuck(self) -> int:
        """How many turns run on although they were asked to end long ago."""
        return sum(running.stuck for running in self._running.values())

    @property
    def lanes(self) -> set[str]:
        """The chats that have a lane."""
        return set(self._lanes)

    def all_running(self) -> list[Running]:
        """Return what runs now, oldest first."""
        return sorted(self._running.values(), key=lambda running: running.started_at)

    def running(self, chat: str) -> Running | None:
        """Return the turn that runs in a chat."""
        return self._running.get(chat)

    def busy(self, chat: str) -> bool:
        """Tell whether a new turn of the chat would have to wait."""
        return self._gate.shut or chat in self._lanes or self._arriving[chat] > 0

    @contextlib.contextmanager
    def arriving(self, chat: str) -> Iterator[bool]:
        """Take the chat's place for a turn that is being kept; yields whether it has to wait.

        Between looking whether a chat is busy and keeping the turn lies a commit, in which
        a second message may look, too.
        """
        busy = self.busy(chat)
        self._arriving[chat] += 1
        try:
            yield busy
        finally:
            self._arriving[chat] -= 1
            if not self._arriving[chat]:
                del self._arriving[chat]

    def bringing(self, chat: str) -> int | None:
        """Return the turn of the chat whose answer is on its way right now."""
        running = self._running.get(chat)
        return running.record.n if running is not None and running.over.is_set() else None

    def live(self, n: int) -> str | None:
        """Return the progress of a running turn as Markdown; None when it does not run."""
        for running in self._running.values():
            if running.record.n == n:
                return running.shown
        return None

    def wake(self, chat: str) -> None:
        """Look at the chat's queue: something was added or moved."""
        if self._closing:
            return
        fresh = chat not in self._lanes
        self._lanes[chat] = True
        if fresh:
            self._background.start(self._lane(chat), name=f"lane {chat}")

    def hold(self, chat: str) -> None:
        """Take in that a file is about to be kept that waits for a sentence."""
        self._holding.add(chat)

    def holds(self, chat: str) -> bool:
        """Tell whether a file may wait for a sentence in a chat; to ask the store costs each message."""
        return chat in self._holding

    def wake_for(self, turn: TurnRecord) -> None:
        """Look at a chat's queue for a turn that waits in it, once its time has come."""
        if turn.state == "queued" and turn.not_before > self._clock():
            self._background.start(self._wake_later(turn), name=f"wait of #{turn.n}")
        else:
            self.wake(turn.chat)

    async def _wake_later(self, turn: TurnRecord) -> None:
        while (left_ms := turn.not_before - self._clock()) > 0:  # noqa: ASYNC110  # a clock rings no bell
            await asyncio.sleep(left_ms / 1000)
        self.wake(turn.chat)

    def joined(self, turns: Sequence[TurnRecord], into: int) -> None:
        """Say in the bubbles of files that were sent alone with which turn they go now."""
        for turn in turns:
            log.info("turn.joined", turn=turn.n, into=into)
            job = self._close_bubble(turn, media_texts.JOINED.say(turn.language, n=into))
            self._background.start(job, name=f"bubble of #{turn.n}")

    async def stop(self, chat: str, *, by: str, why: Why = "stop") -> Stopped | None:
        """End the running turn; None when nothing runs. Waits a little for its end."""
        running = self._running.get(chat)
        if running is None:
            return None
        self._halt(running, why, by)
        await self._store.turns.halt(running.record.n, by)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_WAIT_S):
                await running.over.wait()
        return Stopped(running.record.n, running.over.is_set())

    async def leave(self, chat: str, *, by: str) -> Stopped | None:
        """End the running turn after one more try, with OpenCode's word or without.

        Without it the session is in doubt: the next turn stops it before anything else.
        """
        if (running := self._running.get(chat)) is not None:
            running.left = True
        return await self.stop(chat, by=by)

    def interrupt(self, *, by: str, why: Why = "recycle") -> list[Running]:
        """End every turn that OpenCode may have: it is about to be started anew.

        Those that it does not have yet wait for it, and run then.
        """
        prompted = self._prompted()
        for running in prompted:
            self._halt(running, why, by)
        return prompted

    async def make_way(self) -> None:
        """End every turn that OpenCode may have, and wait a little: an upgrade is about to end it."""
        self.interrupt(by="", why="upgrade")
        await self._wait_for(self._prompted, STOP_WAIT_S, asyncio.Event())

    def _halt(self, running: Running, why: Why, by: str) -> None:
        """Wish for a person that a turn ends."""
        running.ask_to_end(Halt(why, by, self._clock()))
        record = running.record
        log.info("turn.halted", chat=record.chat, turn=record.n, why=why, by=by)

    async def drop(self, turn: TurnRecord, *, by: str) -> bool:
        """Take a turn out of its queue, and finish its bubble; False when it does not wait."""
        dropped = await self._store.turns.drop(turn.n, by, self._clock())
        if dropped:
            log.info("turn.dropped", turn=turn.n, by=by)
            await self._close_bubble(turn, texts.DROPPED.say(turn.language, n=turn.n))
        return dropped

    async def drop_all(self, chat: str, *, by: str) -> list[int]:
        """Take every turn out of a queue; return their numbers."""
        queued = await self._store.turns.queued(chat)
        return [turn.n for turn in queued if await self.drop(turn, by=by)]

    async def _close_bubble(self, turn: TurnRecord, words: str) -> None:
        """Finish the bubble that was left open for a turn which will not run."""
        if turn.bubble:
            await self._reply(turn).finish(Answer(words))

    async def recover(self) -> None:
        """Take up every unfinished turn of the store: running ones first, then the queues."""
        unfinished = await self.wake_all()
        log.info(
            "turns.recovered",
            running=sum(turn.state == "running" for turn in unfinished),
            queued=sum(turn.state == "queued" for turn in unfinished),
        )

    async def wake_all(self) -> list[TurnRecord]:
        """Look at every chat that has an unfinished turn; return those turns."""
        unfinished = await self._store.turns.unfinished()
        for turn in unfinished:
            if turn.not_before:
                self.hold(turn.chat)
            self.wake_for(turn)
        return unfinished

    async def flush(self) -> None:
        """Keep the text of running turns every half second: the server has it only at a part's end.

        Every few seconds hold on to them, too: a turn whose lease runs out may be taken over.
        """
        renewed = 0.0
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush_once()
            if self._running and time.monotonic() - renewed > RENEW_S:
                renewed = time.monotonic()
                await self._store.turns.renew()

    async def flush_once(self) -> None:
        """Write the text of every running turn that has grown, in one commit."""
        grown = []
        for running in self._running.values():
            text = running.text
            if text != running.kept:
                grown.append((running, text))
        if grown:
            crashpoint("C11")
        await self._store.turns.save_answers([(each.record, text) for each, text in grown])
        for running, text in grown:
            running.kept = text

    async def close(
        self,
        *,
        grace_s: float,
        interrupt: bool,
        hurry: asyncio.Event | None = None,
        interrupt_s: float = INTERRUPT_S,
    ) -> None:
        """Start no further turn; give running ones their grace; then interrupt or leave them.

        ``interrupt``: the server goes down with us, so what still runs ends as interrupted.
        Otherwise it stays as it is in the store and is attached to again at the next start,
        as a turn does that OpenCode has not got yet. ``hurry``: set to cut the grace short.
        """
        self._closing = True
        crashpoint("C25")
        await self._wait_for(self._at_work, grace_s, hurry or asyncio.Event())
        if interrupt:
            await self._wait_for(self._interrupted, interrupt_s, asyncio.Event())
        crashpoint("C25")
        with contextlib.suppress(StoreError):  # OpenCode has the text, or we have had it
            await self.flush_once()
        log.info("turns.drained", left=len(self._running))

    def _at_work(self) -> list[Running]:
        """Return what gets on: OpenCode has it, or is about to get it."""
        return [each for each in self._running.values() if each.prompted or not each.note]

    def _interrupted(self) -> list[Running]:
        """Wish for the end of all that OpenCode has by now, and return it."""
        prompted = self._prompted()
        for running in prompted:
            running.ask_to_end(Halt("restart", "", self._clock()))
        return prompted

    def _prompted(self) -> list[Running]:
        return [running for running in self.all_running() if running.prompted]

    async def _wait_for(
        self, still: Callable[[], list[Running]], limit_s: float, hurry: asyncio.Event
    ) -> None:
        """Wait until nothing is left of what changes while we wait."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while still() and not hurry.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(CLOSE_TICK_S):
                            await hurry.wait()

    async def _lane(self, chat: str, failed: Iterator[float] | None = None) -> None:
        """Run what stands in a chat's lane; ``failed``: the pauses after failures so far."""
        clean = False
        try:
            stale = await self._store.turns.take_up(chat, version=VERSION)
            if stale is not None:
                await self._run(stale, resumed=True, restarted=failed is None)
            while self._lanes[chat] and not self._closing:
                self._lanes[chat] = False
                await self._drain(chat)
            clean = True
        finally:
            if clean or self._closing or self._background.closing:
                del self._lanes[chat]
            else:
                later = self._later(chat, failed or restart_delays())
                self._background.start(later, name=f"lane {chat} after a failure")

    async def _later(self, chat: str, pauses: Iterator[float]) -> None:
        """Go on with a lane whose turn broke: its other turns must not wait for a message."""
        await asyncio.sleep(next(pauses))
        self._lanes[chat] = True
        await self._lane(chat, pauses)

    async def _drain(self, chat: str) -> None:
        while not self._closing and not self._gate.shut:
            crashpoint("C05")
            turn = await self._store.turns.claim(chat, self._clock(), version=VERSION)
            if turn is None:
                return
            crashpoint("C06")
            await self._run(turn, resumed=False)

    def _deadline(self, turn: TurnRecord, now: int) -> int:
        """Return when the turn is ended. What was prompted may have finished while we were down."""
        if turn.prompt_state == "none":
            return now + self._limit_ms
        return max((turn.started_at or now) + self._limit_ms, now + LOOK_AGAIN_MS)

    def _reply(self, turn: TurnRecord) -> ReplyStream:
        return self._outlets.of(turn.channel).reply_to(
            turn.n,
            turn.message,
            turn.chat,
            bubble=turn.bubble,
            received_at=turn.created_at,
            language=turn.language,
        )

    async def _run(self, turn: TurnRecord, *, resumed: bool, restarted: bool = False) -> None:
        chat = await self._store.chats.get(turn.chat)
        assert chat is not None, "a turn's chat is stored with it"
        reply = self._reply(turn)
        now = self._clock()
        started_at = turn.started_at or now
        deadline = self._deadline(turn, now)
        running = Running(turn, chat, started_at, deadline, resumed, reply)
        if restarted:
            running.tell(texts.RESUMED, n=turn.n)
        if turn.stopped_by:
            running.ask_to_end(Halt("stop", turn.stopped_by, now))
        self._running[turn.chat] = running
        facts = {"chat": turn.chat, "turn": turn.n, "message": turn.message}
        with structlog.contextvars.bound_contextvars(**facts):
            log.info("turn.resumed" if resumed else "turn.started", waited_ms=now - turn.created_at)
            try:
                await self._runner.run(running)
            except TurnLost as exc:
                log.warning("turn.lost", error=str(exc))
            finally:
                running.over.set()
                del self._running[turn.chat]
