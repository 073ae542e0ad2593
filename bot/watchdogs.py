"""Watchdogs: small looks at what must never be, each told when it begins and when it is over.

They see what no error tells of: something that stands still, stays behind or grows. Two of them
mend what they find: a forgotten lane is woken, a forgotten bubble is closed.
"""

import asyncio
import shutil
import statistics
import subprocess
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from bot.errors import PeerError, StoreError
from bot.metrics import Metrics
from bot.opencode import process
from bot.services import Services

log = structlog.get_logger()

LOOK_S = 10.0  # between two looks
LANE_IDLE_MS = 60_000  # a lane may stand so long with nothing in it
LANE_MISSING_MS = 10_000  # a turn may wait so long without a lane
OUTBOX_MS = 120_000  # an answer that can leave has left by then
ADDRESS_MS = 50 * 60_000  # so long a message's address is good for an answer, at least
LAG_TICK_S = 0.25  # between two looks at the event loop
LAG_WINDOW_S = 60.0
LAG_MAX_S = 1.0  # WeCom waits 5 s for an answer
HOLD_MS = 30 * 60_000  # an upgrade may keep new turns back so long
SERVER_MS = 3 * 60_000  # OpenCode may be away so long
FAILED_MS = 15 * 60_000  # so long an answer that was given up is news
DISK_LOW_BYTES = 500 * 1024**2
MEMORY_BYTES = 4 * 1024**3  # of OpenCode with all that it started

# What a look may meet: a system that tells nothing, or not what we can read, or a peer.
FAILURES = (OSError, subprocess.SubprocessError, PeerError, ValueError)

CloseBubbles = Callable[[], Awaitable[int]]
Troubles = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look saw: ``facts`` in any case, ``well`` unless it is a trouble, and its measure."""

    well: bool
    facts: Mapping[str, object]
    measure: float


@dataclass(slots=True)
class Watchdog:
    """One look, and how it stands: well or not, and since when (Unix milliseconds)."""

    name: str
    look: Callable[[], Awaitable[Sight]]
    since: int
    well: bool = True
    facts: Mapping[str, object] = field(default_factory=dict)
    measure: float = 0.0
    failure: str = ""

    def fail(self, exc: Exception) -> None:
        """Take in that nothing could be seen; what was seen last stands, and the first time is told."""
        if not self.failure:
            log.warning("watchdog.failed", watchdog=self.name, error=repr(exc))
        self.failure = repr(exc)

    def take(self, sight: Sight, now: int) -> bool:
        """Take in what was seen; a change is told. Return whether there was one."""
        self.facts, self.measure, self.failure = sight.facts, sight.measure, ""
        if sight.well is self.well:
            return False
        self.well, self.since = sight.well, now
        if sight.well:
            log.info("watchdog.cleared", watchdog=self.name, facts=dict(sight.facts))
        else:
            log.warning("watchdog.tripped", watchdog=self.name, facts=dict(sight.facts))
        return True


def quiet(_: Watchdog) -> None:
    """Tell nobody."""


def untroubled() -> Mapping[str, str]:
    """Know of no trouble."""
    return {}


class Ages:
    """Since when each of several things has been seen again and again."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def older(self, seen: set[str], now: int, than_ms: int) -> list[str]:
        """Return which of those that are seen now were seen for so long."""
        self._since = {one: self._since.get(one, now) for one in seen}
        return sorted(one for one, since in self._since.items() if now - since >= than_ms)


class Lag:
    """How late the event loop comes to what is due, over the last minute, in seconds."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque([0.0], maxlen=round(LAG_WINDOW_S / LAG_TICK_S))

    async def tick(self) -> None:
        """Sleep for a moment, and see by how much it became longer."""
        loop = asyncio.get_running_loop()
        due = loop.time() + LAG_TICK_S
        await asyncio.sleep(LAG_TICK_S)
        self._seen.append(max(0.0, loop.time() - due))

    @property
    def p50(self) -> float:
        """The median."""
        return statistics.median(self._seen)

    @property
    def max(self) -> float:
        """The longest."""
        return max(self._seen)


class Watchdogs:
    """Looks every few seconds. ``close_bubbles`` closes what nobody will and tells how many.

    ``tell`` is given each watchdog that changed its mind; ``troubles`` names the channels that
    are down, with the reason.
    """

    def __init__(
        self,
        services: Services,
        close_bubbles: CloseBubbles | None,
        *,
        tell: Callable[[Watchdog], None] = quiet,
        troubles: Troubles = untroubled,
    ) -> None:
        self._services = services
        self._close_bubbles = close_bubbles
        self._tell = tell
        self._troubles = troubles
        self._empty, self._missing, self._ready, self._away = Ages(), Ages(), Ages(), Ages()
        self._failed: int | None = None
        self._failed_at = 0
        self.lag = Lag()
        looks = {
            "turns": self._turns,
            "lanes": self._lanes,
            "bubbles": self._bubbles,
            "outbox": self._outbox,
            "loop": self._loop,
            "opencode": self._opencode,
            "hold": self._hold,
            "server": self._server,
            "failures": self._failures,
            "channels": self._channels,
            "disk": self._disk,
        }
        now = services.clock()
        self.all = {name: Watchdog(name, look, now) for name, look in looks.items()}
        self._closed = 0

    async def run(self) -> None:
        """Look for as long as the service lives."""
        ticks = round(LOOK_S / LAG_TICK_S)
        while True:
            for _ in range(ticks):
                await self.lag.tick()
            await self.look()

    async def look(self) -> None:
        """Look at everything once; what the store cannot tell now stays as it was."""
        for watchdog in self.all.values():
            try:
                sight = await watchdog.look()
            except StoreError:
                continue
            except FAILURES as exc:
                watchdog.fail(exc)
                continue
            if watchdog.take(sight, self._services.clock()):
                self._tell(watchdog)

    def report(self) -> dict[str, dict[str, object]]:
        """Return how each of them stands."""
        return {
            name: {"ok": one.well, "since": one.since, **one.facts}
            | ({"failed": one.failure} if one.failure else {})
            for name, one in self.all.items()
        }

    def gauge(self, metrics: Metrics) -> None:
        """Tell Prometheus how they stand, and what they measured."""
        for name, one in self.all.items():
            metrics.tripped.labels(name).set(not one.well)
        metrics.stalled.set(self.all["turns"].measure)
        metrics.lanes_leaked.set(self.all["lanes"].measure)
        metrics.bubbles_closed.value = self._closed
        metrics.outbox_age.set(self.all["outbox"].measure)
        metrics.lag.labels("p50").set(self.lag.p50)
        metrics.lag.labels("max").set(self.lag.max)
        metrics.opencode_memory.set(self.all["opencode"].measure)

    async def _turns(self) -> Sight:
        """Find running turns that give no sign and wait for nobody."""
        now = self._services.clock()
        limit_ms = self._services.settings.turn.stall_after * 1000
        stalled = [
            running.record.n
            for running in self._services.turns.all_running()
            if now - running.alive_at >= limit_ms and not running.asks
        ]
        return Sight(not stalled, {"stalled": stalled}, len(stalled))

    async def _lanes(self) -> Sight:
        """Find lanes that nothing is in, and turns that are in no lane: those are woken."""
        turns, now = self._services.turns, self._services.clock()
        chats = {turn.chat for turn in await self._services.store.turns.unfinished()}
        empty = self._empty.older(turns.lanes - chats, now, LANE_IDLE_MS)
        lost = {chat for chat in chats if not turns.busy(chat)}
        if self._close_bubbles is None or turns.closing:
            lost = set()  # without a platform, or at the end, turns wait for the next start
        missing = self._missing.older(lost, now, LANE_MISSING_MS)
        for chat in missing:
            turns.wake(chat)
        leaked = len(empty) + len(missing)
        return Sight(not leaked, {"empty": empty, "woken": missing}, leaked)

    async def _bubbles(self) -> Sight:
        """Find open bubbles whose time or whose turn is over: they are closed."""
        closed = await self._close_bubbles() if self._close_bubbles is not None else 0
        self._closed += closed
        return Sight(not closed, {"closed": closed}, closed)

    async def _outbox(self) -> Sight:
        """Find answers that could leave and do not; count those that may or may not have left."""
        deliveries, now = self._services.store.deliveries, self._services.clock()
        sending = await deliveries.sending_since()
        due = await deliveries.oldest("due")
        ready = set(await deliveries.ready(now, now - ADDRESS_MS))
        late = self._ready.older(ready, now, OUTBOX_MS)
        stuck = sending is not None and now - sending >= OUTBOX_MS
        counts = await deliveries.counts()
        facts: dict[str, object] = {
            "oldest_due_s": _age_s(due, now),
            "oldest_sending_s": _age_s(sending, now),
            "held_up": late,
            "unknown": counts.get("unknown", 0),
        }
        oldest = min((at for at in (due, sending) if at is not None), default=now)
        return Sight(not stuck and not late, facts, (now - oldest) / 1000)

    async def _loop(self) -> Sight:
        """See whether the event loop was kept busy for longer than anybody may wait."""
        facts = {"p50_ms": round(self.lag.p50 * 1000, 1), "max_ms": round(self.lag.max * 1000, 1)}
        return Sight(self.lag.max < LAG_MAX_S, facts, self.lag.max)

    async def _opencode(self) -> Sight:
        """See how large a managed server is with all that it started; another's is not known."""
        pid = self._services.server.pid
        used = None if pid is None else await asyncio.to_thread(process.resident, pid)
        held = used or 0
        return Sight(held < MEMORY_BYTES, {"memory_bytes": used, "known": used is not None}, held)

    async def _hold(self) -> Sight:
        """Find a hold whose command is over, or that lasts: nobody's message is answered meanwhile."""
        hold, now = self._services.server.gate.hold, self._services.clock()
        if hold is None:
            return Sight(well=True, facts={"state": None, "age_s": None, "owned": None}, measure=0)
        age_ms = max(0, now - hold.since)
        facts = {"state": hold.state, "age_s": age_ms // 1000, "owned": hold.owned}
        return Sight(hold.owned and age_ms < HOLD_MS, facts, age_ms / 1000)

    async def _server(self) -> Sight:
        """See whether OpenCode has been away for long, and by nobody's wish."""
        server, now = self._services.server, self._services.clock()
        wanted = server.state == "ready" or server.gate.hold is not None
        away = self._away.older(set() if wanted else {"opencode"}, now, SERVER_MS)
        return Sight(not away, {"state": server.state, "refused": server.refused or ""}, len(away))

    async def _failures(self) -> Sight:
        """Find answers that were given up since the last look; one stays news for a while."""
        deliveries, now = self._services.store.deliveries, self._services.clock()
        failed = (await deliveries.counts()).get("failed", 0)
        if self._failed is not None and failed > self._failed:
            self._failed_at = now
        self._failed = failed
        fresh = bool(self._failed_at) and now - self._failed_at < FAILED_MS
        newest = await deliveries.unsent(state="failed") if fresh else []
        cause = newest[0].cause if newest else ""
        return Sight(not fresh, {"failed": failed, "cause": cause}, failed)

    async def _channels(self) -> Sight:
        """See whether WeCom lets every channel speak that is on."""
        troubles = dict(self._troubles())
        return Sight(not troubles, troubles, len(troubles))

    async def _disk(self) -> Sight:
        """See how much room is left where the service keeps everything."""
        folder = self._services.settings.server.data_dir
        free = (await asyncio.to_thread(shutil.disk_usage, folder)).free
        return Sight(free >= DISK_LOW_BYTES, {"free_bytes": free}, free)


def _age_s(at: int | None, now: int) -> int | None:
    return None if at is None else max(0, now - at) // 1000
