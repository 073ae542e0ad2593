"""Follow a turn from its prompt to its verdict: events first, reading where they fail."""

import asyncio
from dataclasses import dataclass

import structlog

from bot.errors import OpenCodeUnavailable, PeerError, SessionGone, facts_of
from bot.opencode.events import (
    Event,
    PermissionAsked,
    PermissionReplied,
    QuestionAsked,
    QuestionClosed,
    SessionFailed,
    SessionIdle,
    StatusChanged,
)
from bot.opencode.feed import Following, Gap
from bot.opencode.model import PermissionRequest, QuestionRequest
from bot.summary import after_gap, catch_up, fold
from bot.texts import engine as texts
from bot.turns.parts import Parts
from bot.turns.progress import Progress
from bot.turns.reading import Reader, report
from bot.turns.running import Halt, Running
from bot.verdict import Over, Settling, Swallowed, Verdict
from store.crashpoints import crashpoint

log = structlog.get_logger()

TICK_S = 0.5
SOON_MS = 500  # between two looks while an end is near
POLL_MS = 1_500  # between two looks without events
QUIET_MS = 12_000  # without an event for so long: look; a lost idle is found within 15 s
RETRY_MS = 2_000  # after a look that failed
STOP_LIMIT_MS = 20_000  # a server that has not stopped by then is reported
LEFT_LIMIT_MS = 5_000  # for the last try to stop what nobody wants to wait for
LEAST_MS = 1_000  # that a call has, however late it is
GIVE_UP_MS = 60_000  # and one that has not by then is not waited for any longer
QUESTION_RESERVE_MS = 60_000  # so long before the time limit open questions are answered for people
MOVED_MS = 5_000  # so long after a decision it is looked whether the turn went on
WARN_AT = 0.8  # of the time limit
BATCH = 200  # events folded between two looks at the clock


@dataclass(slots=True)
class Pulse:
    """When to look at the truth next; times are Unix milliseconds."""

    heard_at: int  # the last event
    looked_at: int
    wanted_at: int | None = None  # something happened that needs a look
    abort_at: int = 0  # no abort before
    aborted: bool = False  # the server has answered our abort
    absent: bool = False  # our abort found nobody
    left: bool = False  # the last try to stop it was begun
    decided_at: int = 0  # when somebody last decided an ask

    def want(self, at: int) -> None:
        """Look no later than ``at``."""
        self.wanted_at = at if self.wanted_at is None else min(self.wanted_at, at)

    def looking(self, now: int) -> None:
        """Take in that a look begins; one that is due some time after a decision still stands."""
        self.looked_at, self.wanted_at = now, None
        if now < self.decided_at + MOVED_MS:
            self.want(self.decided_at + MOVED_MS)

    def _not_ahead_of(self, now: int) -> None:
        """Forget times that lie ahead: the clock was set back, and nobody waits until it is there."""
        self.heard_at, self.looked_at = min(self.heard_at, now), min(self.looked_at, now)
        self.abort_at = min(self.abort_at, now + RETRY_MS)
        if self.wanted_at is not None:
            self.wanted_at = min(self.wanted_at, now + MOVED_MS)

    def due(self, now: int, rhythm: int) -> bool:
        """Tell whether it is time: something asks for it, or it has been quiet for long."""
        self._not_ahead_of(now)
        wanted = self.wanted_at is not None and now >= self.wanted_at
        return wanted or now - max(self.heard_at, self.looked_at) >= rhythm


class Follower:
    """Follows one turn at a time per session; holds nothing between two turns."""

    def __init__(self, parts: Parts, progress: Progress) -> None:
        self._server = parts.server
        self._client = parts.client
        self._feed = parts.feed
        self._asks = parts.asks
        self._clock = parts.clock
        self._max_steps = parts.settings.turn.max_steps
        self._progress = progress
        self._reader = Reader(parts.client, parts.clock)

    async def follow(self, running: Running, following: Following) -> Over | Swallowed:
        """Return when the turn is over by the server's word, or when the prompt was swallowed."""
        now = self._clock()
        soon = now + SOON_MS if running.resumed else None
        pulse = Pulse(heard_at=now, looked_at=now, wanted_at=soon)
        while True:
            await self._take(running, following, pulse)
            self._limits(running)
            self._decisions(running, pulse)
            await self._halt(running, pulse)
            if not pulse.absent and pulse.due(self._clock(), self._rhythm()):
                verdict = await self._look(running, following, pulse)
                if isinstance(verdict, Over | Swallowed):
                    return verdict
            if self._hopeless(running, pulse):
                return unheard(running)
            self._progress.show(running)

    def _rhythm(self) -> int:
        events = self._feed is not None and self._feed.connected
        return QUIET_MS if events else POLL_MS

    async def _take(self, running: Running, following: Following, pulse: Pulse) -> None:
        """Fold what has come; wait one tick when nothing has."""
        item = await following.next(TICK_S)
        for _ in range(BATCH):
            if item is None:
                break
            if isinstance(item, Gap):
                running.summary = after_gap(running.summary)
                pulse.want(self._clock())
            else:
                await self._event(running, item, pulse)
            item = await following.next(0)

    async def _event(self, running: Running, event: Event, pulse: Pulse) -> None:
        now = pulse.heard_at = self._clock()
        running.summary = fold(running.summary, event, now)
        own = event.session == running.record.session
        match event:
            case PermissionAsked(request=request) | QuestionAsked(request=request):
                await self._asked(running, request)
            case SessionFailed() | SessionIdle() if own:
                pulse.want(now)
            case StatusChanged(status=status) if own:
                if status.kind == "idle":
                    pulse.want(now)
            case PermissionReplied(request=request) | QuestionClosed(request=request):
                await self._asks.settled(request)
                await self._progress.refresh(running)
            case _:
                pass

    async def _asked(self, running: Running, request: PermissionRequest | QuestionRequest) -> None:
        crashpoint("C13")
        new = await self._asks.seen(running.record, request, running.directory)
        if new is not None:
            await self._progress.asked(running, [new])

    def _limits(self, running: Running) -> None:
        now = self._clock()
        if running.summary.steps > self._max_steps:
            running.ask_to_end(Halt("steps", "", now))
        if now >= running.deadline:
            running.ask_to_end(Halt("timeout", "", now))
        elif now >= running.started_at + WARN_AT * (running.deadline - running.started_at):
            self._progress.nearly_out_of_time(running)

    def _decisions(self, running: Running, pulse: Pulse) -> None:
        """See to it that a turn goes on after a decision, also where no event says so."""
        decided_at = self._asks.decided_at(running.record.n)
        if decided_at > pulse.decided_at:
            pulse.decided_at = decided_at
            pulse.want(decided_at + MOVED_MS)

    async def _halt(self, running: Running, pulse: Pulse) -> None:
        """Abort once a halt is wished for. That the server took it proves nothing: a look does."""
        halt = running.halt
        if halt is None:
            return
        now = self._clock()
        lasts_ms = now - halt.at
        if lasts_ms > STOP_LIMIT_MS and not running.stuck:
            running.stuck = True
            log.warning("abort.unconfirmed", why=halt.why, ms=lasts_ms, taken=pulse.aborted)
        note = texts.WILL_NOT_STOP if running.stuck else texts.STOPPING
        running.note = note.say(running.language)
        if running.left and not pulse.left:
            pulse.left, pulse.aborted, pulse.abort_at = True, False, now
        if not pulse.aborted and now >= pulse.abort_at:
            self._progress.show(running)
            await self._abort(running, halt, pulse)

    async def _abort(self, running: Running, halt: Halt, pulse: Pulse) -> None:
        """Ask the server to stop; its reply comes after its clean-up."""
        try:
            if halt.why != "recycle":  # else the server ends, and what runs with it
                async with asyncio.timeout(self._patience_s(running)):
                    await self._client.abort(running.record.session)
        except (PeerError, TimeoutError) as exc:
            log.warning("abort.failed", error=facts_of(exc))
            if running.halt is halt:  # else the server is on its way down by now
                gone = isinstance(exc, OpenCodeUnavailable) and not exc.sent
                pulse.absent = gone or running.left
                pulse.abort_at = self._clock() + RETRY_MS
            return
        pulse.aborted = True
        pulse.want(self._clock())
        await self._asks.clear(running.record)

    def _patience_s(self, running: Running) -> float | None:
        """Return how long a call may take: a server that hangs must not hold a halt's reports up."""
        halt = running.halt
        if halt is None:
            return None
        limit_ms = GIVE_UP_MS if running.stuck else STOP_LIMIT_MS
        left_ms = halt.at + limit_ms - self._clock()
        return max(LEAST_MS, LEFT_LIMIT_MS if running.left else left_ms) / 1000

    def _hopeless(self, running: Running, pulse: Pulse) -> bool:
        """Tell whether a halt has waited long enough for OpenCode's word, or will not get it."""
        halt = running.halt
        if halt is None:
            return False
        return pulse.absent or pulse.left or self._clock() - halt.at > GIVE_UP_MS

    async def _look(self, running: Running, following: Following, pulse: Pulse) -> Verdict | None:
        now = self._clock()
        pulse.looking(now)
        if running.halt is None and not self._server.may_call():
            self._unread(running, pulse)
            return None
        try:
            async with running.unless_halted(self._patience_s(running)):
                verdict, messages = await self._reader.read(running)
                if not isinstance(verdict, Over | Swallowed):
                    await self._reconcile(running, following)
        except SessionGone:
            raise
        except (PeerError, TimeoutError) as exc:
            if isinstance(exc, PeerError):
                log.info("opencode.unreachable", error=facts_of(exc))
                report(exc, self._server)
            self._unread(running, pulse)
            return None
        self._server.trust()
        if running.halt is None:
            running.note = ""
        running.summary = catch_up(running.summary, messages, now)
        if isinstance(verdict, Settling) or pulse.aborted:
            pulse.want(self._clock() + SOON_MS)
        return verdict

    def _unread(self, running: Running, pulse: Pulse) -> None:
        """Look again later: while the server is away nobody asks it but who looks after it."""
        running.note = texts.OPENCODE_LOST.say(running.language, n=running.record.n)
        pulse.want(self._clock() + RETRY_MS)

    async def _reconcile(self, running: Running, following: Following) -> None:
        """Find asks that no event told of, sub-agents' included."""
        for child in await self._client.children(running.record.session):
            following.adopt(child.id)
        sessions = {running.record.session, *following.sessions}
        new = await self._asks.reconcile(running.record, running.directory, sessions)
        if new:
            await self._progress.asked(running, new)
        if running.deadline - self._clock() < QUESTION_RESERVE_MS:
            await self._asks.unanswered(running.record)


def unheard(running: Running) -> Over:
    """Return the end of a turn that OpenCode says nothing about any more: what there was."""
    running.unheard = True
    running.tell(texts.STOP_UNHEARD)
    return Over("interrupted", running.text)
