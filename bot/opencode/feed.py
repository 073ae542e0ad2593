"""The one subscription to what OpenCode does, handed out by session."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

import aiohttp
import structlog

from bot.clock import Clock, now_ms
from bot.errors import OpenCodeUnavailable
from bot.opencode.events import (
    Disposed,
    Event,
    Heartbeat,
    PartDelta,
    PartUpdated,
    SessionCreated,
    parse,
)
from bot.opencode.fields import text
from bot.opencode.model import Session, ToolPart
from bot.opencode.stream import Splitter

log = structlog.get_logger()

PATH = "/global/event"
BEATS = 3.1  # so many without a byte, once one was heard, and the connection is dead
RETRY_S = 0.2  # before the first attempt to connect again; doubles from one to the next
RETRY_LIMIT_S = 5.0
QUEUE_LIMIT = 4096  # items a follower may lag behind
BUFFER = 256 * 1024  # bytes


def delays() -> Iterator[float]:
    """Yield how long to wait before each further attempt, spread out, in seconds."""
    delay_s = RETRY_S
    while True:
        yield delay_s * random.uniform(0.5, 1)  # noqa: S311  # spreads load, hides nothing
        delay_s = min(delay_s * 2, RETRY_LIMIT_S)


@dataclass(frozen=True, slots=True)
class Gap:
    """Events were missed: read the truth from the server."""

    why: Literal["reconnected", "overflow", "disposed"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for the greeting, the next heartbeat, anything from one that beats not.

    The server greets at once, but never whoever asks in the moment its port opens. It greets
    before it listens to itself: what happens within some milliseconds after its first frame
    reaches nobody (1.18.33: 5 of 60 events at once, 2 of 60 after 2 ms), so we let it settle.
    """

    greeting_s: float = 3.0
    beat_s: float = 10.0
    quiet_s: float = 45.0
    settle_s: float = 0.25


PATIENCE = Patience()


async def at_once() -> None:
    """Wait for no server."""


Index = dict[str, list["Following"]]


class Following:
    """A follower's end of the feed: the events of a session and of its sub-agents, in order.

    A follower that lags too far behind loses what waits for it, and gets one ``Gap`` instead.
    When the server puts its state of ``directory`` away, turns and all, that is a gap, too.
    """

    def __init__(self, session: str, directory: str = "", index: Index | None = None) -> None:
        self.session = session
        self.directory = directory
        self.sessions: set[str] = set()
        self.overflows = 0
        self._index: Index = {} if index is None else index
        self._queue: deque[Event | Gap] = deque()
        self._arrived = asyncio.Event()
        self.adopt(session)

    def adopt(self, session: str) -> None:
        """Follow a sub-agent's session, too."""
        if session not in self.sessions:
            self.sessions.add(session)
            self._index.setdefault(session, []).append(self)

    def leave(self) -> None:
        """Follow nothing any more."""
        for session in self.sessions:
            followers = self._index[session]
            followers.remove(self)
            if not followers:
                del self._index[session]
        self.sessions.clear()

    def put(self, item: Event | Gap) -> None:
        """Take in what the feed hands over."""
        if len(self._queue) >= QUEUE_LIMIT:
            self.overflows += 1
            self._queue.clear()
            self._queue.append(Gap("overflow"))
            log.warning("feed.overflowed", session=self.session)
        self._queue.append(item)
        self._arrived.set()

    async def next(self, timeout_s: float) -> Event | Gap | None:
        """Return what came next, or None when nothing did in time."""
        if not self._queue and timeout_s > 0:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
        return self._queue.popleft() if self._queue else None


class Feed:
    """Holds the subscription, and connects again whenever it breaks or falls silent.

    What happened while it was down is lost: OpenCode repeats nothing. Every follower finds a
    ``Gap`` among its events as soon as nothing can be missed any more. Before each attempt the
    server's ``ready`` is waited for.
    """

    def __init__(
        self,
        url: str,
        username: str,
        password: str,
        *,
        ready: Callable[[], Awaitable[object]] = at_once,
        clock: Clock = now_ms,
        patience: Patience = PATIENCE,
        delays: Callable[[], Iterator[float]] = delays,
    ) -> None:
        self.connections = 0
        self.events = 0
        self.duplicates = 0
        self.beats = 0
        self.last_event_at = 0
        self._url = url.rstrip("/") + PATH
        self._headers = {"accept": "text/event-stream", "accept-encoding": "identity"}
        if password:
            self._headers["authorization"] = aiohttp.encode_basic_auth(username, password)
        self._ready = ready
        self._clock = clock
        self._patience = patience
        self._delays = delays
        self._index: Index = {}
        self._followers: list[Following] = []
        self._splitter = Splitter()
        self._connected = asyncio.Event()
        self._settling: asyncio.TimerHandle | None = None
        self._beating = False
        self._told = False
        self._unreadable = 0

    @property
    def connected(self) -> bool:
        """Whether events come in."""
        return self._connected.is_set()

    @property
    def reconnects(self) -> int:
        """How often the subscription had to be made again."""
        return max(0, self.connections - 1)

    @property
    def skipped(self) -> int:
        """How many frames were unreadable or too long."""
        return self._unreadable + self._splitter.dropped

    async def wait_connected(self) -> None:
        """Return once events come in; the caller sets the limit."""
        await self._connected.wait()

    def expect_end(self) -> None:
        """Take in that the server is about to be ended: losing it is no news."""
        self._told = True

    @contextlib.contextmanager
    def follow(self, session: str, directory: str = "") -> Iterator[Following]:
        """Follow a session from now on. Begin before what you want to see happens."""
        following = Following(session, directory, self._index)
        self._followers.append(following)
        try:
            yield following
        finally:
            self._followers.remove(following)
            following.leave()

    async def run(self) -> None:
        """Keep the subscription for as long as the service lives."""
        timeout = aiohttp.ClientTimeout(total=None)  # `_subscribe` has the limits
        async with aiohttp.ClientSession(timeout=timeout, read_bufsize=BUFFER) as http:
            pauses = self._delays()
            while True:
                self._beating = False
                await self._ready()
                try:
                    await self._subscribe(http)
                finally:
                    self._down()
                if self._beating:  # it lived: this is no server that hangs up at once
                    pauses = self._delays()
                await asyncio.sleep(next(pauses))

    async def _subscribe(self, http: aiohttp.ClientSession) -> None:
        """Read the stream until it breaks, ends or falls silent."""
        try:
            async with asyncio.timeout(self._patience.greeting_s) as silence:
                async with http.get(self._url, headers=self._headers) as response:
                    _must_be_events(response)
                    await self._read(response, silence)
            self._lost("ended")
        except aiohttp.ClientConnectorError:
            self._lost("refused")
        except TimeoutError:
            self._lost("silent")
        except OpenCodeUnavailable as exc:
            self._lost(str(exc))
        except (aiohttp.ClientError, OSError) as exc:
            self._lost("broken", type(exc).__name__)

    async def _read(self, response: aiohttp.ClientResponse, silence: asyncio.Timeout) -> None:
        loop, patience = asyncio.get_running_loop(), self._patience
        self._splitter.restart()
        async for piece in response.content.iter_any():
            for frame in self._splitter.feed(piece):
                self._take(frame)
            limit_s = BEATS * patience.beat_s if self._beating else patience.quiet_s
            silence.reschedule(loop.time() + limit_s)

    def _take(self, frame: bytes) -> None:
        try:
            event = parse(frame)
        except ValueError:
            self._unreadable += 1
            log.debug("event.skipped", bytes=len(frame))
            return
        if event is None:
            self.duplicates += 1
            return
        if self._settling is None:
            loop = asyncio.get_running_loop()
            self._settling = loop.call_later(self._patience.settle_s, self._up)
        self.events += 1
        self.last_event_at = self._clock()
        self._hand_out(event)

    def _hand_out(self, event: Event) -> None:
        match event:
            case PartDelta():
                pass
            case Heartbeat():
                self._beating = True
                self.beats += 1
            case SessionCreated(info=Session(id=child, parent=parent)):
                self._adopt(parent, child)
            case PartUpdated(session=parent, part=ToolPart(tool="task", metadata=metadata)):
                self._adopt(parent, text(metadata, "sessionId"))
            case Disposed(directory=directory):
                self._tell(directory, Gap("disposed"))
        for follower in self._index.get(event.session, ()):
            follower.put(event)

    def _adopt(self, parent: str, child: str) -> None:
        """Let those who follow a session follow its sub-agent's, too."""
        if child:
            for follower in tuple(self._index.get(parent, ())):
                follower.adopt(child)

    def _tell(self, directory: str, gap: Gap) -> None:
        """Tell those who work in a directory, all without one, that they missed something."""
        for follower in self._followers:
            if directory in ("", follower.directory):
                follower.put(gap)

    def _up(self) -> None:
        self.connections += 1
        self._told = False
        self._connected.set()
        log.info("feed.connected", connections=self.connections)
        self._tell("", Gap("reconnected"))

    def _down(self) -> None:
        self._connected.clear()
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    def _lost(self, reason: str, error: str = "") -> None:
        """Say it once; the attempts that follow are for a developer."""
        coming_up = not self.connections and reason in ("refused", "silent")
        report = log.debug if self._told else (log.info if coming_up else log.warning)
        self._told = True
        report("feed.lost", reason=reason, error=error)


def _must_be_events(response: aiohttp.ClientResponse) -> None:
    """Refuse what is no event stream; an unknown path is answered 200 with a web page."""
    if response.status != HTTPStatus.OK:
        raise OpenCodeUnavailable(f"status {response.status}")
    if response.content_type != "text/event-stream":
        raise OpenCodeUnavailable("no events")
