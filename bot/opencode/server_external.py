"""An OpenCode server that somebody else runs: looked for, examined, looked after."""

import asyncio
import contextlib
from http import HTTPStatus
from pathlib import Path

import structlog

from bot.background import Background
from bot.clock import Clock, now_ms
from bot.errors import OpenCodeError, OpenCodeUnavailable, facts_of
from bot.opencode.hold import Gate
from bot.opencode.probe import Address, Probe, refusal_of
from bot.opencode.server_base import STOP_S, Server

log = structlog.get_logger()

LOOK_WHILE_DOWN_S = 3.0
LOOK_WHILE_READY_S = 15.0
LEAST_PAUSE_S = 1.0  # between two looks, however many calls fail


class ExternalServer(Server):
    """A server that somebody else runs. It must see ``shared``, a folder of ours, at its path.

    With None for it, that is not looked at.
    """

    managed = False

    def __init__(
        self,
        url: str,
        username: str,
        password: str,
        background: Background,
        clock: Clock = now_ms,
        *,
        shared: Path | None = None,
        gate: Gate | None = None,
    ) -> None:
        super().__init__(background, clock, gate or Gate())
        self._address = Address(url, username, password)
        self._shared = shared
        self._known = ""
        self._suspected = asyncio.Event()

    @property
    def address(self) -> Address:
        """Return its URL and how to log in."""
        return self._address

    @property
    def pid(self) -> int | None:
        """Return None: its process is not ours."""
        return None

    async def start(self) -> None:
        """Begin to look for it, again and again."""
        self.gate.read()
        self._background.start(self._run(), name="opencode.watch")

    async def stop(self, limit_s: float = STOP_S) -> None:  # noqa: ARG002 - it takes no time
        """Stop looking; the server runs on."""
        self._stopping.set()
        self._suspected.set()

    async def recycle(self) -> bool:
        """Return False: whoever runs it has to start it anew."""
        return False

    def suspect(self) -> None:
        """Look soon as well, and hold all up until then: one look serves all whose calls failed."""
        super().suspect()
        if self.state == "ready" and not self._stopping.is_set():
            self._is_ready.clear()
            self._suspected.set()

    async def _run(self) -> None:
        async with Probe(self._address) as probe:
            while not self._stopping.is_set():
                self._suspected.clear()
                await self._look(probe)
                ready = self.state == "ready"
                await self._rest(LOOK_WHILE_READY_S if ready else LOOK_WHILE_DOWN_S)

    async def _rest(self, limit_s: float) -> None:
        """Wait for the next look; a suspicion makes it come early."""
        least_s = min(limit_s, LEAST_PAUSE_S)
        await self._pause(least_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s - least_s):
                await self._suspected.wait()

    async def _look(self, probe: Probe) -> None:
        try:
            version = await probe.version()
            if version != self._known or self.state != "ready":
                refused = await self._examine(probe, version)
                if refused:
                    self._down(refused)
                    return
            self._known = version
        except OpenCodeUnavailable as exc:
            if self.state != "down":
                log.warning("opencode.lost", error=str(exc))
            self._down()
        except OpenCodeError as exc:
            self._down(self._why(exc))
        except OSError as exc:
            self._down(f"No file can be written in {self._shared}: {exc.strerror}.")
        else:
            self._ready(version)

    async def _examine(self, probe: Probe, version: str) -> str | None:
        refused = refusal_of(version, await probe.lacks(self._shared))
        self.capabilities = await probe.capabilities(version, self._shared)
        if refused or self._shared is None or await probe.shares_disk(self._shared):
            return refused
        return (
            f"OpenCode at {self._address.url} does not see the folder {self._shared}: the service "
            "and the server must have the workspaces on the same disk at the same paths."
        )

    def _why(self, exc: OpenCodeError) -> str:
        if exc.status == HTTPStatus.UNAUTHORIZED:
            return (
                f"OpenCode at {self._address.url} does not accept the user name and password; "
                "set opencode.username and opencode.password to those of the server."
            )
        if exc.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return f"OpenCode at {self._address.url} fails: {facts_of(exc)}"
        return f"OpenCode at {self._address.url} cannot be used: {exc.message or exc}"
