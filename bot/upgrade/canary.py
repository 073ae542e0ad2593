"""A release tried out: by the version contract, and on a copy of the data with the chats' sessions."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.background import Background
from bot.contract import prove
from bot.contract.prove import START
from bot.errors import UpgradeError
from bot.opencode import process
from bot.opencode.environment import Folders
from bot.opencode.identity import Identity
from bot.opencode.releases import Release, program_of
from bot.opencode.server import ManagedServer
from bot.upgrade.engine import Engine
from bot.upgrade.saving import copied_into
from bot.upgrade.sessions import client_of, compared, counted
from config.settings import Settings
from store.mapping import Mapped

READY_S = 90.0
LEFTOVER_S = 3.0
LOOK_S = 0.5


class Canary:
    """A server of its own on a spare port, in a folder of its own that is gone afterwards."""

    def __init__(self, engine: Engine, settings: Settings, say: Callable[[str], None]) -> None:
        self._engine = engine
        self._settings = settings
        self._say = say
        self._room = engine.folders.canary
        self._folders = Folders.under(self._room)

    def clear(self) -> None:
        """End what one that was cut off has left, and remove its folder. Blocks."""
        identity = Identity.load(self._folders.identity)
        if identity is not None:
            process.end(process.marked(identity.variable), LEFTOVER_S)
        shutil.rmtree(self._room, ignore_errors=True)

    async def prove(self, version: str) -> None:
        """Have the release hold the short form of the contract. Raises ``UpgradeError``.

        What does not hold is looked at once more: on a busy machine a scene may take too long.
        """
        program = program_of(version, self._engine.releases)
        outcomes = await prove(program, self._room / "contract", short=True)
        broken = [outcome for outcome in outcomes if not outcome.held]
        scenes = [outcome.scene for outcome in broken]
        if broken and START not in scenes:
            self._say(f"  once more: {', '.join(scenes)} ({broken[0].words})")
            again = await prove(program, self._room / "contract-again", scenes=scenes)
            broken = [outcome for outcome in again if not outcome.held]
        if broken:
            first = broken[0]
            raise UpgradeError(
                f"OpenCode {version} does not keep the contract: {first.scene}: {first.words}"
            )
        self._say(f"  the contract's short form holds ({len(outcomes)} scenes)")

    async def open(
        self, version: str, data: Path, mapped: Sequence[Mapped], before: dict[str, int] | None
    ) -> None:
        """Start the release on a copy of the data and open the chats' sessions."""
        self._folders.root.mkdir(parents=True, exist_ok=True)
        copied_into(self._folders.xdg("data") / "opencode", data)
        self._folders.releases.symlink_to(self._engine.releases)
        Release(version).keep(self._folders.release)
        server = self._settings.server.model_copy(update={"data_dir": self._room})
        settings = self._settings.model_copy(update={"server": server})
        async with Background() as background:
            canary = ManagedServer(settings, background, environ=self._engine.environ)
            await canary.start()
            try:
                await _came_up(canary, version)
                async with client_of(canary.address) as client:
                    found = await counted(client, mapped)
            finally:
                await canary.stop()
        compared(before, found)
        read = [count for count in found.values() if count >= 0]
        self._say(
            f"  on a copy of the data: {len(found)} sessions of chats are there, "
            f"{len(read)} of them read with {sum(read)} messages"
        )


async def _came_up(canary: ManagedServer, version: str) -> None:
    """Wait until the server can be used, and is the one that was meant. Raises ``UpgradeError``."""
    deadline = asyncio.get_running_loop().time() + READY_S
    while not await canary.wait_ready(LOOK_S):
        late = asyncio.get_running_loop().time() > deadline
        if canary.refused or late:
            why = canary.refused or "it does not answer"
            raise UpgradeError(f"OpenCode {version} does not start on the data: {why}")
    if canary.version != version:
        raise UpgradeError(f"What was started is {canary.version}, not {version}.")
