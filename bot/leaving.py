"""The end of the service: of its turns, of OpenCode, of everybody who is connected, within a limit."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiohttp import web

from bot.assembly import Service
from bot.opencode.server import STOP_S
from bot.turns.lanes import INTERRUPT_S

log = structlog.get_logger()

LINGER_S = 1.0  # after the last turn: WeCom polls about once a second and should see its last words
REQUESTS_S = 5.0  # for requests that are being answered
REST_S = 5.0  # of the whole end, beside the grace of the turns
# What is kept of that for the stages behind the turns. Who is early leaves them more.
SERVER_S = 1.5  # for OpenCode and for posts under way
HANG_UP_S = 0.5  # for requests and their connections
CLOSE_S = 1.5  # for all that is closed after them: jobs have 1 s, then come the files
FAULT_S = 0.2  # for each stage after a fault, when nothing can be kept
LOOK_S = 0.02


class Limit:
    """The last resort: a process that has not ended by itself in time is ended.

    What is on the disk is whole then, as after a kill, and is taken up by the next start.
    """

    def __init__(self, limit_s: float) -> None:
        self.exit_code = 1
        timer = threading.Timer(limit_s, self._reached)
        timer.daemon = True
        timer.start()

    def _reached(self) -> None:  # pragma: no cover - whoever gets here writes no coverage any more
        log.error("service.overdue")
        os._exit(self.exit_code)


class Ended(asyncio.Event):
    """Set when the service is to end. ``hurry``: told once more, it gives nobody time any more.

    From then on the process has ``limit_s``, if given, whether it has started by then or not.
    """

    def __init__(self, limit_s: float | None = None) -> None:
        super().__init__()
        self.hurry = asyncio.Event()
        self.at: float | None = None
        self._limit_s = limit_s
        self._limit: Limit | None = None

    def set(self) -> None:
        """Begin the end, by somebody's wish or by a fault."""
        if not self.is_set():
            self.at = time.monotonic()
            self._limit = Limit(self._limit_s) if self._limit_s is not None else None
        super().set()

    def tell(self) -> None:
        """Tell the service to end."""
        (self.hurry if self.is_set() else self).set()

    def well(self) -> None:
        """Take note that all is closed: whatever holds the process up now does not matter."""
        if self._limit is not None:
            self._limit.exit_code = 0


def told_to_end(limit_s: float | None = None) -> Ended:
    """Return an event that is set when the process is told to end, while it still starts, too."""
    ended = Ended(limit_s)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.tell)
    return ended


@dataclass(frozen=True, slots=True)
class Stages:
    """How long each stage of the end may take: what is left, but for the stages behind it."""

    ends_at: float
    fault: bool = False
    now: Callable[[], float] = time.monotonic

    def grace_s(self, wished_s: float) -> float:
        """For turns, to end by themselves."""
        kept = INTERRUPT_S + SERVER_S + HANG_UP_S + CLOSE_S
        return min(wished_s, self._left(kept))

    def interrupt_s(self, grace_s: float) -> float:
        """For turns, once they are interrupted, after all of their grace."""
        return min(INTERRUPT_S, self._left(grace_s + SERVER_S + HANG_UP_S + CLOSE_S))

    def server_s(self) -> float:
        """For a server of ours, to end with all that it started."""
        return min(FAULT_S if self.fault else STOP_S, self.posts_s())

    def posts_s(self) -> float:
        """For posts that are under way."""
        return self._left(HANG_UP_S + CLOSE_S)

    def requests_s(self) -> float:
        """For requests that are being answered, and their connections."""
        return min(FAULT_S if self.fault else REQUESTS_S, self._left(CLOSE_S))

    def _left(self, kept_s: float) -> float:
        return max(0.0, self.ends_at - self.now() - kept_s)


class Leaving:
    """How the service takes its leave: of its turns, of OpenCode, of everybody who is connected.

    All of it takes at most ``turn.grace`` and ``REST_S``.
    """

    def __init__(self, service: Service, ended: Ended, notice_s: float) -> None:
        self.service = service
        self._ended = ended
        self._hurry = ended.hurry
        self._notice_s = notice_s
        self.stages = self._stages()
        self.door: asyncio.Server | None = None

    def _stages(self) -> Stages:
        begun = time.monotonic() if self._ended.at is None else self._ended.at
        ends_at = begun + self.service.settings.turn.grace + REST_S
        return Stages(ends_at, fault=self.service.failure is not None)

    async def drain(self) -> None:
        """Let running turns end while callbacks are still answered, so that their words are seen."""
        service = self.service
        service.closing = True
        if service.failure is not None:  # nothing can be kept any more, so nothing may be said
            self._hurry.set()
        self.stages = self._stages()
        server = service.services.server
        waited = len(service.services.turns) > 0
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pause(self._notice_s))
            await self._end_turns()
        if service.services.feed is not None:
            service.services.feed.expect_end()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pause(min(LINGER_S, self.stages.posts_s()) if waited else 0.0))
            group.create_task(self._last_posts())
            await server.stop(self.stages.server_s())

    async def _end_turns(self) -> None:
        service = self.service
        grace_s = self.stages.grace_s(service.settings.turn.grace)
        await service.services.turns.close(
            grace_s=grace_s,
            interrupt=service.services.server.managed and service.failure is None,
            interrupt_s=self.stages.interrupt_s(grace_s),
            hurry=self._hurry,
        )

    async def _last_posts(self) -> None:
        """Leave answers that are being posted their time; others are posted by the next start."""
        ends = time.monotonic() + self.stages.posts_s()
        edge = self.service.edge
        while edge is not None and edge.posting and time.monotonic() < ends:
            await self._pause(LOOK_S)
            if self._hurry.is_set():
                return

    async def hang_up(self, runner: web.AppRunner) -> None:
        """Take no new connection, finish what comes over the others, then close them."""
        await self._shut_door(runner)
        await self._last_requests(runner)
        server = runner.server
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.stages.requests_s()):
                await runner.cleanup()
        if server is not None:
            await server.shutdown(LOOK_S)  # what is left, or was handed over meanwhile

    async def _shut_door(self, runner: web.AppRunner) -> None:
        """Take every connection that is established; closing alone would reset those in the backlog."""
        if self.door is None or runner.server is None:
            return
        for one in self.door.sockets:  # a connection that is just being taken would else leak
            asyncio.get_running_loop().remove_reader(one.fileno())
        await asyncio.sleep(LOOK_S)
        doors = [socket.socket(fileno=os.dup(one.fileno())) for one in self.door.sockets]
        self.door.close()
        taken = [visitor for door in doors for visitor in _last_visitors(door)]
        for visitor in taken:
            await asyncio.get_running_loop().connect_accepted_socket(runner.server, visitor)

    async def _last_requests(self, runner: web.AppRunner) -> None:
        """Leave time for requests that were on their way when the last connection was taken."""
        ends = time.monotonic() + min(self._notice_s, self.stages.requests_s()) / 2
        while runner.server is not None and runner.server.connections and time.monotonic() < ends:
            await self._pause(LOOK_S)
            if self._hurry.is_set():
                return

    async def _pause(self, limit_s: float) -> None:
        """Wait, unless there is a hurry."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._hurry.wait()


def _last_visitors(door: socket.socket) -> list[socket.socket]:
    """Return the connections that nobody has taken yet, and take no other: no await in here."""
    visitors = []
    with door:
        door.settimeout(0)
        door.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                visitor, _ = door.accept()
                visitor.settimeout(0)
                visitors.append(visitor)
    return visitors
