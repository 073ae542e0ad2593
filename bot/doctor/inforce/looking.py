"""Everything that decides about agent and model, looked at once: the table under *What is in force*."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from bot.doctor import units
from bot.doctor.inforce.choice import A_NEW_CHAT, Asked, Decided, Whose, decided, whose
from bot.doctor.inforce.own import Own, own
from bot.doctor.inforce.plugins import Plugin, plugins
from bot.doctor.inforce.sources import NO_GIT, Source, sources
from bot.doctor.inforce.told import REFUSES, Told, ask
from bot.doctor.inforce.world import World, world_of
from bot.doctor.scene import Scene
from bot.doctor.units import as_started
from bot.errors import StartError

LIMIT_S = 60.0  # the first call for a folder loads plugins
RESTART = f"restart the service: {units.RESTART}"
RESTART_OTHER = "restart OpenCode: systemctl restart {unit}"
UNIT = "opencode"  # what ours is called, where the process does not say


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force for one chat or project; ``silence`` says why the server itself told nothing."""

    whose: Whose
    world: World
    told: Told | None
    silence: str
    sources: tuple[Source, ...]
    own: tuple[Own, ...]
    plugins: tuple[Plugin, ...]
    decided: Decided
    restart: str  # what makes the server read its configuration anew

    @property
    def refused(self) -> bool:
        """Whether the server is there and refuses to tell, as it does with a broken configuration."""
        return REFUSES in self.silence


async def look_in_force(scene: Scene, asked: Asked = A_NEW_CHAT) -> InForce:
    """Look at everything; raises ``StartError`` when there is no such chat or project."""
    return await look_for(scene, await whose(scene, asked))


async def seen_in_force(scene: Scene, asked: Asked = A_NEW_CHAT) -> InForce | None:
    """Look for a report; None where that fails or takes too long, which the checks of it tell.

    Raises ``StartError`` when there is no such chat or project.
    """
    try:
        async with asyncio.timeout(LIMIT_S):
            return await look_in_force(scene, asked)
    except StartError:
        raise
    except Exception:  # noqa: BLE001 - the report must not be lost with its last table
        return None


async def look_for(scene: Scene, who: Whose) -> InForce:
    """Look at everything that decides for one chat in its folder."""
    who = replace(who, directory=who.directory.resolve())  # as the server does
    told, silence = await _told(scene, who.directory)
    world = await asyncio.to_thread(world_of, scene, told)
    worktree = (
        told.worktree if told is not None else await asyncio.to_thread(_worktree, who.directory)
    )
    found = await asyncio.to_thread(sources, world, who.directory, worktree)
    [restart] = await as_started(scene, restart_of(world))
    there = await asyncio.to_thread(plugins, world, who.directory, found, told, restart)
    ours = await asyncio.to_thread(own, scene)
    if told is None:
        result = Decided({"error": silence})
    else:
        result = await decided(scene, who, found)
    return InForce(who, world, told, silence, found, ours, there, result, restart)


def restart_of(world: World) -> str:
    """Return what makes the server read its configuration anew."""
    if world.managed:
        return RESTART
    return RESTART_OTHER.format(unit=world.seen.unit if world.seen and world.seen.unit else UNIT)


async def _told(scene: Scene, directory: Path) -> tuple[Told | None, str]:
    if scene.address is None:
        return None, "OpenCode was never started here"
    answer = await ask(scene.address, directory)
    return (None, answer) if isinstance(answer, str) else (answer, "")


def _worktree(directory: Path) -> str:
    """Find the repository around a folder, as the server does."""
    folders = (directory, *directory.parents)
    return next((str(folder) for folder in folders if (folder / ".git").exists()), NO_GIT)
