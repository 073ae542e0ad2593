"""What is upgraded: an OpenCode server that can be ended, given another release, and started."""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from bot.errors import OpenCodeError, OpenCodeUnavailable, UpgradeError, facts_of
from bot.opencode.environment import Folders
from bot.opencode.hold import Hold, HoldState, lift_hold, owner_here, put_hold, read_hold
from bot.opencode.probe import Address, Probe
from bot.opencode.releases import Release
from bot.upgrade.service import RunningService, Told

LOCK = "upgrade.lock"  # in OpenCode's folder; a command has it for as long as it lives
LOOK_S = 0.25
OBEY_S = 30.0
READY_S = 90.0


class Engine(ABC):
    """One OpenCode server, and what is known of it on the disk.

    ``words`` say which one it is; ``data``: the folder of its database; ``configs``: of its configuration; ``releases``: of its
    releases; ``record``: the file that says which of them is chosen; ``environ``: what a server
    on the same configuration is started with.
    """

    words: str
    data: Path
    configs: tuple[Path, ...]
    releases: Path
    record: Path
    environ: Mapping[str, str]

    def __init__(self, folders: Folders, service: RunningService) -> None:
        self.folders = folders
        self.service = service

    @property
    @abstractmethod
    def address(self) -> Address:
        """Return where the server is, and how to log in."""

    @abstractmethod
    def choose(self, release: Release) -> None:
        """Let a release be the one that the next start takes."""

    @abstractmethod
    def chosen(self) -> str:
        """Return the version of the chosen release; empty when the PATH decides."""

    @abstractmethod
    async def current(self) -> str:
        """Return the version that runs, or would be started; empty when there is none."""

    @abstractmethod
    async def end(self) -> None:
        """End the server; returns when it is over. Raises ``UpgradeError``."""

    @abstractmethod
    async def begin(self) -> str:
        """Start the server, and return its version once it can be used. Raises ``UpgradeError``."""

    @abstractmethod
    async def awake(self) -> None:
        """Give a server that may be starting its time; whether it came is seen by who asks it."""

    @abstractmethod
    async def obeyed(self, state: HoldState) -> None:
        """Return when whoever starts turns keeps to the hold. Raises ``UpgradeError``."""

    @abstractmethod
    async def resort(self, release: Release, version: str) -> Release:
        """Return a choice that surely starts ``version``, installed if need be: ``release`` if it does."""

    @abstractmethod
    async def close(self) -> None:
        """End what this command itself has started."""

    async def at_work(self) -> Told | None:
        """Return what the service says; None when it is down."""
        return await self.service.told()

    async def _obeyed_by_service(self, state: HoldState, limit_s: float) -> None:
        """Wait until the service keeps to our hold; one that is down does."""
        deadline = asyncio.get_running_loop().time() + limit_s
        while asyncio.get_running_loop().time() < deadline:
            told = await self.service.told()
            if told is None or (told.hold == state and told.owner == os.getpid()):
                return
            await asyncio.sleep(LOOK_S)
        raise UpgradeError(f"The service does not obey the hold within {limit_s:.0f} s.")

    def release(self) -> Release:
        """Return what is known of the chosen release, and of the one before."""
        return Release.load(self.record)

    def hold(self, state: HoldState, why: str, pid: int, now: int) -> None:
        """Hold new turns back in the name of a process; ``since`` stays that of an earlier hold."""
        known = read_hold(self.folders.hold)
        since = known.since if known is not None else now
        owner = owner_here(pid, self.folders.root / LOCK)
        put_hold(self.folders.hold, Hold(state, why, since, owner))

    def lift(self) -> None:
        """Let all go on."""
        lift_hold(self.folders.hold)


async def answering(address: Address, limit_s: float) -> str:
    """Wait until a server answers; return its version. Raises ``UpgradeError``."""
    reason = "no answer"
    deadline = asyncio.get_running_loop().time() + limit_s
    while asyncio.get_running_loop().time() < deadline:
        try:
            async with Probe(address) as probe:
                version = await probe.version(1.0)
                missing = await probe.lacks(None)
        except (OpenCodeUnavailable, OpenCodeError) as exc:
            reason = facts_of(exc)
        else:
            if missing:
                raise UpgradeError(f"OpenCode {version} does not answer {', '.join(missing)}.")
            return version
        await asyncio.sleep(LOOK_S)
    raise UpgradeError(f"OpenCode at {address.url} cannot be used: {reason}.")
