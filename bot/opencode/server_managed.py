"""Our own ``opencode serve`` on loopback: started, watched, restarted, taken over and ended."""

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from bot.background import Background, restart_delays
from bot.clock import Clock, now_ms
from bot.errors import OpenCodeError, OpenCodeUnavailable, StartError
from bot.opencode import process
from bot.opencode.binaries import RUNTIME, Candidates, Programs, look
from bot.opencode.environment import Folders, Launch, Wishes, furnish, plan
from bot.opencode.files import bound, last_words, size
from bot.opencode.hold import Gate
from bot.opencode.identity import HOST, Identity, Record, lock, take_up
from bot.opencode.probe import PORT_OPENS_S, Address, Probe, refusal_of
from bot.opencode.process import Process
from bot.opencode.releases import chosen_program
from bot.opencode.server_base import STOP_S, Server
from config.settings import Settings

log = structlog.get_logger()

USERNAME = "opencode"
START_LIMIT_S = 60.0
LOOK_S = 0.2
STEADY_MS = 60_000  # a server that lived so long starts anew without waiting long
JOB_LIMIT_S = 0.5  # for the job to notice that we stop; it never starts a server after that
LOG_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a running server is asked whether it still answers, and how long it may not."""

    every_s: float = 10.0
    answer_s: float = 10.0
    misses: int = 3


@dataclass(frozen=True, slots=True)
class Farewell:
    """How long an ending server has: to abort its turns, to end itself, and what it left as well."""

    dispose_s: float = 5.0
    term_s: float = 3.0
    leftover_s: float = 1.0

    @classmethod
    def within(cls, limit_s: float) -> Self:
        """Share a span of time: what does not end by itself in one half of its time is killed."""
        return cls(dispose_s=limit_s / 4, term_s=limit_s / 4, leftover_s=limit_s / 8)


PATIENCE = Patience()
RESTART = Farewell()


class ManagedServer(Server):
    """A server that we start ourselves, on folders under the data directory.

    One job brings it up, watches it and cleans up behind it; ``stop`` ends what that job left.
    """

    managed = True

    def __init__(
        self,
        settings: Settings,
        background: Background,
        clock: Clock = now_ms,
        *,
        environ: Mapping[str, str] = os.environ,
        runtime: Path = RUNTIME,
        patience: Patience = PATIENCE,
    ) -> None:
        folders = Folders.under(settings.server.data_dir)
        super().__init__(background, clock, Gate(folders.hold))
        rules = [rule.model_dump() for rule in settings.opencode.permission]
        self._wishes = Wishes(rules, project_config=bool(settings.projects))
        self._folders = folders
        self._environ = environ
        self._runtime = runtime
        self._programs: Programs | None = None
        self._patience = patience
        self._identity = Identity(0, "", "")
        self._process: Process | None = None
        self._code: int | None = None  # how the last one ended; negative: by that signal
        self._held: int | None = None
        self._logged = 0
        self._recycling = False
        self._over = asyncio.Event()
        self._over.set()

    @property
    def address(self) -> Address:
        """Return its URL and how to log in; known once ``start`` has returned."""
        url = f"http://{HOST}:{self._identity.port}"
        return Address(url, USERNAME, self._identity.password)

    @property
    def pid(self) -> int | None:
        """Return its process while it runs."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Begin to bring it up, or to take over the one that a killed service left running.

        Raises ``StartError`` when that can never succeed.
        """
        if self._look().ripgrep is None:
            log.warning("ripgrep.missing")
        self._folders.make()
        self._held = lock(self._folders.lock)
        self._identity, left = take_up(self._folders)
        self.gate.read()
        self._over.clear()
        self._background.start(self._run(left), name="opencode.server")

    async def stop(self, limit_s: float = STOP_S) -> None:
        """End the server, its turns and every command that they started; again does nothing."""
        if self._held is None:
            self._down()
            return
        ends = time.monotonic() + limit_s
        self._stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(JOB_LIMIT_S, limit_s / 4)):
                await self._over.wait()
        await self._end(Farewell.within(max(0.0, ends - time.monotonic())))
        self._down()
        held, self._held = self._held, None
        if held is not None:
            os.close(held)

    async def recycle(self) -> bool:
        """End the server and start it anew, with the user's configuration of now; tell whether it came."""
        if self.gate.held:
            return False
        self.state = "starting"
        self._is_ready.clear()
        self._recycling = True
        return await self.wait_ready(START_LIMIT_S)

    def _look(self) -> Candidates:
        return look(self._environ, self._runtime, chosen_program(self._folders.release))

    async def _run(self, left: Record | None) -> None:
        try:
            delays = restart_delays()
            while not self._stopping.is_set():
                if self.gate.held:
                    await self._stay_down(left)
                    left = None
                    continue
                came_up, self._recycling = self._clock(), False
                await self._guarded(left)
                left = None
                if self._stopping.is_set():
                    return
                await self._end(RESTART)
                self.restarts += 1
                if self._recycling or self._is_held():
                    continue
                self._down(self.refused)
                steady = self._clock() - came_up > STEADY_MS
                delays = restart_delays() if steady else delays
                await self._pause(next(delays))
        finally:
            self._over.set()

    def _is_held(self) -> bool:  # asked again: mypy takes a property for unchanged since
        return self.gate.held

    async def _stay_down(self, left: Record | None) -> None:
        """End what runs on, and start nothing until the hold is over; another release may be chosen."""
        await asyncio.to_thread(self._make_room, left)
        self._folders.record.unlink(missing_ok=True)
        self._programs = None
        self._hold_back()
        while self.gate.held and not self._stopping.is_set():
            await self._pause(LOOK_S)

    async def _guarded(self, left: Record | None) -> None:
        """Live one life of the server; however it ends, say so."""
        try:
            await self._live(left)
        except (StartError, OpenCodeError) as exc:
            self._down(f"OpenCode cannot work as it is set up: {_words(exc)}")
        except (OpenCodeUnavailable, OSError) as exc:
            log.warning("opencode.failed", error=str(exc), output=str(self._folders.log))
            self._down()

    async def _live(self, left: Record | None) -> None:
        if self._programs is None:
            self._programs = await asyncio.to_thread(self._look().choose, self._folders.home)
        launch = plan(
            self._folders,
            self._programs,
            self._environ,
            self._wishes,
            self.address,
            self._identity.mark,
        )
        if left is not None and await self._adopts(left, launch):
            self._process = left.process
        else:
            await asyncio.to_thread(self._make_room, left)
            await asyncio.to_thread(furnish, self._folders, self._environ, launch)
            self._spawn(launch)
        async with Probe(self.address) as probe:
            await self._serve(probe)

    async def _serve(self, probe: Probe) -> None:
        version = await self._answers(probe)
        if version is None:
            return
        missing = await probe.lacks(self._folders.empty)
        if refused := refusal_of(version, missing):
            raise StartError(refused)
        self.capabilities = await probe.capabilities(version, self._folders.empty)
        self._recycling = False
        self._ready(version)
        await self._watch(probe)

    async def _adopts(self, left: Record, launch: Launch) -> bool:
        """Tell whether the server that was left running is the one that we would start."""
        if left.fingerprint != launch.fingerprint:
            return False
        try:
            async with Probe(self.address) as probe:
                await probe.version()
        except (OpenCodeError, OpenCodeUnavailable):
            return False
        log.info("opencode.adopted", pid=left.process.pid)
        return True

    def _make_room(self, left: Record | None) -> None:
        """End what a killed service left behind: never two servers on the same data."""
        kin = process.family(left.process.pid) if left is not None else []
        if left is not None:
            process.end_group(left.process, RESTART.term_s)
        kin += process.marked(self._identity.variable)
        ended = process.end(kin, RESTART.leftover_s)
        if left is not None or ended:
            log.warning("opencode.cleared", processes=ended + (left is not None))

    def _spawn(self, launch: Launch) -> None:
        # No await between the look and the record: a stop finds either nothing or the process.
        if self._stopping.is_set():
            return
        self._logged = size(launch.log)
        self._code = None
        self._process = process.spawn(launch.argv, launch.environ, launch.folder, launch.log)
        Record(self._process, launch.fingerprint).keep(self._folders.record)
        log.info("opencode.started", pid=self._process.pid, port=self._identity.port)

    async def _answers(self, probe: Probe) -> str | None:
        """Return the server's version as soon as it answers; None when we are to stop."""
        deadline = self._clock() + START_LIMIT_S * 1_000
        while not self._stopping.is_set() and not self.gate.held:
            if not self._lives:
                words = last_words(self._folders.log, self._logged)
                raise StartError(words or "it ended while it was starting, without a word")
            with contextlib.suppress(OpenCodeUnavailable):
                return await probe.version(PORT_OPENS_S)
            if self._clock() > deadline:
                raise OpenCodeUnavailable("the server does not answer")
            await asyncio.sleep(LOOK_S)
        return None

    async def _watch(self, probe: Probe) -> None:
        """Return when the server is over or is to end; raises when it does not answer any more."""
        misses = 0
        while misses < self._patience.misses:
            if await self._ends_within(self._patience.every_s):
                return
            try:
                await probe.version(self._patience.answer_s)
                misses = 0
            except OpenCodeUnavailable:
                misses += 1
            await asyncio.to_thread(bound, self._folders.log, LOG_BYTES)
        raise OpenCodeUnavailable("the server does not answer any more")

    async def _ends_within(self, limit_s: float) -> bool:
        deadline = asyncio.get_running_loop().time() + limit_s
        while asyncio.get_running_loop().time() < deadline:
            if self._recycling or self._stopping.is_set() or self.gate.held:
                return True
            if not self._lives:
                output = str(self._folders.log)
                log.error("opencode.died", pid=self.pid, code=self._code, output=output)
                return True
            await asyncio.sleep(LOOK_S)
        return False

    @property
    def _lives(self) -> bool:
        if self._process is None:
            return False
        lives = self._process.alive  # looked at first: who is over then surely has a code
        code = process.reap(self._process.pid)
        self._code = self._code if code is None else code
        return lives

    async def _end(self, limits: Farewell) -> None:
        """End the server and its family; every turn is aborted first, if it listens at all."""
        if self._lives and self.state != "down" and limits.dispose_s > 0:
            async with Probe(self.address) as probe:
                await probe.dispose(limits.dispose_s)
        ended, self._process = self._process, None
        await asyncio.to_thread(self._finish, ended, limits)

    def _finish(self, ended: Process | None, limits: Farewell) -> None:
        kin = process.family(ended.pid) if ended is not None else []
        if ended is not None:
            process.end_group(ended, limits.term_s)
        kin += process.marked(self._identity.variable)
        count = process.end(kin, limits.leftover_s)
        self._folders.record.unlink(missing_ok=True)
        if ended is not None:
            log.info("opencode.ended", pid=ended.pid, leftovers=count)


def _words(exc: Exception) -> str:
    return exc.message or str(exc) if isinstance(exc, OpenCodeError) else str(exc)
