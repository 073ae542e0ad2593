"""What both kinds of OpenCode server have in common: a state that others can wait for."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Literal

import structlog

from bot.background import Background
from bot.clock import Clock
from bot.opencode.capabilities import Capabilities
from bot.opencode.hold import Gate
from bot.opencode.probe import Address, warning_about
from bot.opencode.server_trust import Trust

log = structlog.get_logger()

State = Literal["starting", "ready", "down", "held"]

STOP_S = 3.0  # for the end of a server of ours, and of all that it started


class Server(ABC):
    """Where the client connects.

    ``warning``: its version is one that we have not been tested with; ``refused``: a sentence
    that says why it cannot be used as it is, and the mend; ``capabilities``: what this release
    can do, once it was asked; ``since``: when ``state`` changed;
    ``gate``: what an upgrade holds back.
    """

    managed: bool

    def __init__(self, background: Background, clock: Clock, gate: Gate) -> None:
        self.gate = gate
        self.state: State = "starting"
        self.version = ""
        self.capabilities = Capabilities()
        self.warning: str | None = None
        self.refused: str | None = None
        self.restarts = 0
        self.since = clock()
        self._background = background
        self._clock = clock
        self._is_ready = asyncio.Event()
        self._trust = Trust()
        self._stopping = asyncio.Event()

    @property
    @abstractmethod
    def address(self) -> Address:
        """Return its URL and how to log in; stays the same for as long as the service runs."""

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """Return the process of a managed server while it runs."""

    @abstractmethod
    async def start(self) -> None:
        """Begin to bring it up, or to look for it, in the background."""

    @abstractmethod
    async def stop(self, limit_s: float = STOP_S) -> None:
        """End what is ours, within ``limit_s``: what does not end by itself is killed."""

    @abstractmethod
    async def recycle(self) -> bool:
        """End the server and start it anew on its data; False when it did not come, or is not ours."""

    def suspect(self) -> None:
        """Take in that a turn's call failed: until one succeeded, one turn at a time may try."""
        self._trust.lost()

    def trust(self) -> None:
        """Take in that a turn's call succeeded: all may go on."""
        self._trust.won()

    def may_call(self) -> bool:
        """Tell whether a turn may use it now; in times of doubt the try then belongs to that turn."""
        return self._is_ready.is_set() and self._trust.lent()

    async def admit(self, limit_s: float) -> bool:
        """Wait until a turn may use it, at most about ``limit_s``; tell whether it may."""
        if not await self.wait_ready(limit_s):
            return False
        if not self.may_call():
            await self._trust.wait(limit_s)
            return self.may_call()
        return True

    async def wait_ready(self, limit_s: float | None = None) -> bool:
        """Wait until the server can be used, at most ``limit_s`` if given; tell whether it can."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._is_ready.wait()
        return self._is_ready.is_set()

    def _ready(self, version: str) -> None:
        self.version, self.warning, self.refused = version, warning_about(version), None
        if self.state != "ready":
            self.since = self._clock()
            self._trust.renewed()
            log.info("opencode.ready", version=version, managed=self.managed, pid=self.pid)
            if self.warning:
                log.warning("opencode.unproved", version=version)
            if lacking := self.capabilities.lacking:
                log.info("opencode.lacking", version=version, lacking=list(lacking))
        self.state = "ready"
        self._is_ready.set()

    def _down(self, refused: str | None = None) -> None:
        if refused and refused != self.refused:
            log.error("opencode.refused", reason=refused)
        if self.state != "down":
            self.since = self._clock()
        self.state, self.refused = "down", refused
        self._is_ready.clear()

    def _hold_back(self) -> None:
        """Take note that the server is down because somebody wants it to be."""
        if self.state != "held":
            self.since = self._clock()
            log.info("opencode.held")
        self.state, self.refused = "held", None
        self._is_ready.clear()

    async def _pause(self, limit_s: float) -> None:
        """Wait, but not for longer than the service runs."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._stopping.wait()
