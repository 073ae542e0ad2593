"""Holds the connection: subscribes, beats, connects anew for ever, and never fights for the bot.

https://developer.work.weixin.qq.com/document/path/101463
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import structlog
from aiohttp import (
    ClientError,
    ClientSession,
    ClientWebSocketResponse,
    ClientWSTimeout,
    WSMsgType,
)

from bot.clock import Clock
from bot.errors import BadEnvelope
from handlers.wecom.connection import frames
from handlers.wecom.connection.calls import Calls, Unanswered, Unsent
from handlers.wecom.connection.frames import Ack, Request, Told
from handlers.wecom.connection.pace import Pace

log = structlog.get_logger()

DAY_MS = 86_400_000
FRAME_BYTES = 4 * 1024 * 1024
CLOSE_S = 0.2  # for WeCom to say good-bye
TELL_EVERY_MS = 60_000

State = Literal["down", "connecting", "subscribing", "up", "kicked", "refused", "closed"]
SLOW: dict[str, State] = {"kicked": "kicked", "refused": "refused"}


class Caller(Protocol):
    """Whoever can ask WeCom something over the connection."""

    @property
    def up(self) -> bool:
        """Whether WeCom takes anything now."""

    async def call(self, request: Request) -> Ack:
        """Send a frame and return its answer. Raises ``Unsent`` or ``Unanswered``."""

    def renew(self, why: str) -> None:
        """Drop the connection and open another: WeCom does not know this one."""


@dataclass(frozen=True, slots=True)
class End:
    """How one connection ended; ``cause`` is a word or a code for the log."""

    kind: Literal["lost", "kicked", "refused"]
    cause: str


@dataclass(slots=True, eq=False)
class Line:
    """One WebSocket, from its opening to its end."""

    socket: ClientWebSocketResponse
    calls: Calls
    end: End | None = None
    missed: int = 0
    let_in_at: float | None = None  # by the clock of the loop
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def close(self, end: End) -> None:
        """End it, for the reason that is given first."""
        self.end = self.end or end
        await self.socket.close()


class Connection:
    """The one connection of the bot, with what is known of it. ``told`` takes what WeCom brings.

    Two services that hold one bot throw each other out. So whoever was thrown out says so, and
    stays out for minutes: somebody has to end the other one, and may ask for a new try.
    """

    def __init__(
        self,
        url: str,
        bot_id: str,
        secret: str,
        told: Callable[[Told], Awaitable[None]],
        clock: Clock,
        pace: Pace,
    ) -> None:
        self._url = url
        self._bot_id = bot_id
        self._secret = secret
        self._told = told
        self._clock = clock
        self._pace = pace
        self._line: Line | None = None
        self._wished = asyncio.Event()
        self._closing = False
        self._malformed_at = 0
        self._kicks: deque[int] = deque(maxlen=1000)
        self.listeners: list[Callable[[], None]] = []
        self.counts: Counter[str] = Counter()
        self.state: State = "down"
        self.since = clock()
        self.cause = ""
        self.ping_ms: int | None = None

    @property
    def up(self) -> bool:
        """Whether WeCom takes anything now."""
        return self.state == "up"

    @property
    def kicks(self) -> int:
        """How often another connection of the bot took this one's place, in the last day."""
        since = self._clock() - DAY_MS
        return sum(1 for at in self._kicks if at > since)

    async def call(self, request: Request) -> Ack:
        """Send a frame and return its answer. Raises ``Unsent`` or ``Unanswered``."""
        if self._line is None or not self.up:
            raise Unsent("not connected")
        return await self._line.calls.call(request)

    def renew(self, why: str) -> None:
        """Drop the connection and open another."""
        if self._line is not None and self.up:
            self._line.end = self._line.end or End("lost", why)
            self._line.over.set()
            self._move("down", why)

    def reconnect(self) -> State:
        """Connect anew at once, by somebody's wish; return how it stood."""
        before = self.state
        self.renew("by wish")
        self._wished.set()
        return before

    async def run(self) -> None:
        """Hold the connection for as long as the service lives."""
        delays, slow = self._pace.delays(), self._pace.slow_delays()
        async with ClientSession(trust_env=False) as http:
            while not self._is_closing():  # also after a pause: it must not subscribe once more
                end, up_s = await self._once(http)
                if up_s >= self._pace.steady_s:
                    delays = self._pace.delays()
                if up_s >= self._pace.slowest_s:
                    slow = self._pace.slow_delays()
                if not await self._pause(end, next(slow if end.kind in SLOW else delays)):
                    break
        self._move("closed")

    async def close(self) -> None:
        """Let go of the connection, for good."""
        self._closing = True
        self._wished.set()
        line = self._line
        self._move("closed")
        if line is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await line.close(End("lost", "closing"))

    def _is_closing(self) -> bool:
        return self._closing

    async def _once(self, http: ClientSession) -> tuple[End, float]:
        """Connect and stay so; return how it ended, and for how many seconds it was up."""
        self._wished.clear()
        self._move("connecting")
        try:
            async with asyncio.timeout(self._pace.open_s):
                socket = await http.ws_connect(
                    self._url, max_msg_size=FRAME_BYTES, timeout=ClientWSTimeout(ws_close=CLOSE_S)
                )
        except (ClientError, OSError, TimeoutError) as exc:
            return End("lost", type(exc).__name__), 0.0
        if self._is_closing():  # or it would throw out whoever has come in our place
            await socket.close()
            return End("lost", "closing"), 0.0
        calls = Calls(_sender(socket), self._pace.ack_s)
        line = self._line = Line(socket, calls)
        try:
            await self._hold(line)
        finally:
            calls.end()
            self._line = None
            with contextlib.suppress(ClientError, OSError):
                await socket.close()
        now = asyncio.get_running_loop().time()
        up_s = 0.0 if line.let_in_at is None else now - line.let_in_at
        return line.end or End("lost", f"closed {socket.close_code}"), up_s

    async def _hold(self, line: Line) -> None:
        """Read until the socket is closed, by whichever side."""
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(self._beat(line))
            watching = group.create_task(self._watch(line))
            await self._read(line)
            watching.cancel()
            line.calls.end()
            if line.let_in_at is None:  # WeCom says no, and hangs up in the same breath
                await beating
            self._move("down")  # nothing can leave any more; why is told in a moment
            beating.cancel()

    async def _watch(self, line: Line) -> None:
        """Close the socket once another one is wanted."""
        await line.over.wait()
        await line.socket.close()

    async def _read(self, line: Line) -> None:
        async for message in line.socket:
            if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                continue
            try:
                frame = frames.parse(message.data)
            except BadEnvelope as exc:
                self._malformed(exc)
                continue
            if isinstance(frame, Ack):
                if not line.calls.answered(frame):
                    self.counts["unexpected"] += 1
                if line.let_in_at is None:
                    await asyncio.sleep(0)  # so that we are up before a message comes behind it
            elif frame.event == frames.DISCONNECTED:
                await line.close(End("kicked", "another connection"))
                return
            else:
                await self._told(frame)

    async def _beat(self, line: Line) -> None:
        """Subscribe, then show every half minute that both sides live."""
        if not await self._subscribed(line):
            return
        while line.missed < self._pace.missed_pings:
            await asyncio.sleep(self._pace.ping_every_s)
            begun = asyncio.get_running_loop().time()
            try:
                ack = await line.calls.call(frames.ping(self._clock()))
            except (Unanswered, Unsent):
                line.missed += 1
                continue
            line.missed = 0
            self.ping_ms = round((asyncio.get_running_loop().time() - begun) * 1000)
            if ack.reaction == "subscribe":
                await line.close(End("lost", f"errcode {ack.code}"))
                return
        await line.close(End("lost", "pings unanswered"))

    async def _subscribed(self, line: Line) -> bool:
        self._move("subscribing")
        request = frames.subscribe(self._bot_id, self._secret, self._clock())
        try:
            ack = await line.calls.call(request)
        except (Unanswered, Unsent) as exc:
            await line.close(End("lost", str(exc)))
            return False
        if ack.reaction != "done":
            passing = ack.reaction in {"again", "wait"}
            await line.close(End("lost" if passing else "refused", f"errcode {ack.code}"))
            return False
        line.let_in_at = asyncio.get_running_loop().time()
        self.counts["opened"] += 1
        self._move("up")
        log.info("connection.opened", opened=self.counts["opened"])
        for listener in self.listeners:
            listener()
        return True

    async def _pause(self, end: End, delay_s: float) -> bool:
        """Say how it ended, and wait: until the time has come, or somebody wishes it.

        Tell whether it goes on then.
        """
        if self._closing:
            return False
        self._move(SLOW.get(end.kind, "down"), end.cause)
        self.counts[end.kind] += 1
        facts = {"cause": end.cause, "retry_s": round(delay_s, 1)}
        if end.kind == "kicked":
            self._kicks.append(self._clock())
            log.error("connection.kicked", **facts, kicks=self.kicks)
        elif end.kind == "refused":
            log.error("connection.refused", **facts)
        else:
            log.warning("connection.lost", **facts)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._wished.wait()
        return self.state != "closed"

    def _move(self, state: State, cause: str = "") -> None:
        stays = state in {"connecting", "subscribing"} and self.state in SLOW  # until it is let in
        if stays or (self._closing and state != "closed"):
            return
        self.state, self.since, self.cause = state, self._clock(), cause

    def _malformed(self, exc: BadEnvelope) -> None:
        self.counts[f"refused {exc}"] += 1
        now = self._clock()
        if now - self._malformed_at >= TELL_EVERY_MS:
            self._malformed_at = now
            log.warning("connection.malformed", reason=str(exc))


def _sender(socket: ClientWebSocketResponse) -> Callable[[bytes], Awaitable[None]]:
    async def send(frame: bytes) -> None:
        if socket.closed:
            raise Unsent("the socket is closed")
        try:
            await socket.send_frame(frame, WSMsgType.TEXT)
        except (ClientError, OSError) as exc:
            raise Unanswered(type(exc).__name__) from exc

    return send
