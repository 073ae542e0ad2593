"""The server that the service starts itself: the service obeys, or this command does in its place."""

import asyncio
import contextlib
import os
import pwd
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from bot.background import Background
from bot.errors import OpenCodeError, OpenCodeUnavailable, StartError, UpgradeError
from bot.opencode.binaries import RUNTIME, look, version_of
from bot.opencode.environment import Folders
from bot.opencode.hold import HoldState
from bot.opencode.identity import HOST, Identity, lock
from bot.opencode.probe import Address, Probe
from bot.opencode.releases import Release, chosen_program, install
from bot.opencode.server import ManagedServer
from bot.opencode.server_managed import USERNAME
from bot.upgrade.engine import LOOK_S, OBEY_S, READY_S, Engine
from bot.upgrade.service import RunningService, Told
from config.settings import Settings

Met = Callable[[Told], bool]


class ManagedEngine(Engine):
    """A server of ours. While the service is down the command runs it, under the same lock."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        background: Background,
        runtime: Path = RUNTIME,
    ) -> None:
        folders = Folders.under(settings.server.data_dir)
        super().__init__(folders, RunningService(settings))
        _must_be_ours(settings.server.data_dir)
        self.data = folders.xdg("data") / "opencode"
        self.configs = (folders.xdg("config") / "opencode", folders.home / ".opencode")
        self.releases, self.record = folders.releases, folders.release
        self.environ = environ
        self.words = "started by the service itself"
        self._settings = settings
        self._background = background
        self._runtime = runtime
        self._own: ManagedServer | None = None

    @property
    def address(self) -> Address:
        """Return where it is: its port and password stay the same over restarts."""
        identity = Identity.load(self.folders.identity)
        if identity is None:
            raise UpgradeError("The server was never started: there is nothing to upgrade.")
        return Address(f"http://{HOST}:{identity.port}", USERNAME, identity.password)

    def choose(self, release: Release) -> None:
        """Write down which release counts from the next start on."""
        release.keep(self.record)

    def chosen(self) -> str:
        """Return the chosen release."""
        return self.release().version

    async def current(self) -> str:
        """Ask the server, else the program that would be started."""
        with contextlib.suppress(UpgradeError, OpenCodeUnavailable, OpenCodeError):
            async with Probe(self.address) as probe:
                return await probe.version()
        try:
            found = look(self.environ, self._runtime, chosen_program(self.record))
        except StartError:
            return ""
        self.folders.home.mkdir(parents=True, exist_ok=True)
        programs = await asyncio.to_thread(found.choose, self.folders.home)
        return await asyncio.to_thread(version_of, programs.opencode, self.folders.home)

    async def resort(self, release: Release, version: str) -> Release:
        """Take one of ours where the PATH has another version by now."""
        if release.version:
            return release
        found = await asyncio.to_thread(self._unchosen)
        if found == version:
            return release
        await asyncio.to_thread(install, version, self.releases)
        return Release(version)

    def _unchosen(self) -> str:
        """Return the version that there is without a choice of ours; empty for none."""
        with contextlib.suppress(StartError):
            found = look(self.environ, self._runtime)
            return version_of(found.choose(self.folders.home).opencode, self.folders.home)
        return ""

    async def end(self) -> None:
        """Return when the server is ended, by the service or by this command."""
        await self.obeyed("held")

    async def begin(self) -> str:
        """Return once the server is up; the hold that lets it start is set already."""
        told = await self._wait(_is_ready, READY_S, "OpenCode did not come up")
        return told.version

    async def awake(self) -> None:
        """Wait for the server: while the service is down this command has just begun to start it."""
        with contextlib.suppress(UpgradeError):
            await self._wait(_is_ready, READY_S, "OpenCode did not come up")

    async def obeyed(self, state: HoldState) -> None:
        """Wait for the service, or for the server that this command runs in its place."""

        def obeys(told: Told) -> bool:
            ours = told.owner == os.getpid() and told.hold == state
            return ours and (state == "frozen" or told.state == "held")

        await self._wait(obeys, OBEY_S, "The service does not obey the hold")

    async def at_work(self) -> Told | None:
        """Return what the service says; None while this command stands in for it."""
        return None if self._own is not None else await self.service.told()

    async def close(self) -> None:
        """End the server that this command runs: the service starts it again with itself."""
        if self._own is not None:
            await self._own.stop()
            self._own = None

    async def _wait(self, met: Met, limit_s: float, what: str) -> Told:
        told: Told | None = None
        deadline = asyncio.get_running_loop().time() + limit_s
        while asyncio.get_running_loop().time() < deadline:
            told = await self._attended()
            if told is not None and met(told):
                return told
            if told is not None and told.refused and met is _is_ready:
                raise UpgradeError(told.refused)
            await asyncio.sleep(LOOK_S)
        state = told.state if told is not None else "nobody answers"
        raise UpgradeError(f"{what} within {limit_s:.0f} s ({state}).")

    async def _attended(self) -> Told | None:
        """Ask who attends to the server; where the service is down this command does."""
        if self._own is None:
            told = await self.service.told()
            if told is not None or not self._is_free():
                return told
            self._own = ManagedServer(
                self._settings, self._background, environ=self.environ, runtime=self._runtime
            )
            await self._own.start()
            self._background.keep(_followed(self._own), name="hold")
        return _said(self._own)

    def _is_free(self) -> bool:
        """Tell whether no service works on the data folder."""
        self.folders.make()
        try:
            held = lock(self.folders.lock)
        except StartError:
            return False
        os.close(held)
        return True


def _must_be_ours(folder: Path) -> None:
    """Refuse to work as another user than the service: it could not read what we would write."""
    if folder.exists() and folder.stat().st_uid != os.geteuid():
        user = pwd.getpwuid(folder.stat().st_uid).pw_name
        raise UpgradeError(f"{folder} belongs to {user}; run this as {user}: sudo -u {user} …")


def _is_ready(told: Told) -> bool:
    return told.state == "ready"


def _followed(server: ManagedServer) -> Callable[[], Awaitable[None]]:
    """Return the job by which a server obeys the hold, where there are no turns."""

    async def nothing() -> None:
        """There is nobody to tell."""

    return lambda: server.gate.follow(nothing, nothing)


def _said(server: ManagedServer) -> Told:
    hold = server.gate.hold
    return Told(
        state=server.state,
        version=server.version,
        refused=server.refused or "",
        hold=hold.state if hold is not None else "",
        owner=hold.owner.pid if hold is not None else 0,
        at_work=(),
    )
