"""Prove one OpenCode program: run the scenes against it, each by itself, and say what was seen."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.contract import (
    scenes_answers,
    scenes_asks,
    scenes_ends,
    scenes_known,
    scenes_restarts,
)
from bot.contract.program import Program
from bot.contract.room import Room, opened
from bot.contract.stage import SOON_S, NotHeld, Scene, Stage
from bot.errors import Error, facts_of
from bot.sandbox.model import ScriptedModel
from store.errors import StoreError

SCENES: tuple[Scene, ...] = (
    *scenes_answers.SCENES,
    *scenes_asks.SCENES,
    *scenes_ends.SCENES,
    *scenes_known.SCENES,
    *scenes_restarts.SCENES,
)
START = "start"
SCENE_LIMIT_S = 300.0
AT_ONCE = 4
"""So many conversations run side by side; a server has more than one chat in life, too."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a behaviour was there; ``words`` say what was seen, empty where it held."""

    scene: str
    held: bool
    words: str
    seconds: float = 0.0


def chosen(names: Sequence[str] | None, *, short: bool) -> tuple[Scene, ...]:
    """Return the scenes of these names, or the short form, or all. Raises ValueError for others."""
    known = {scene.name: scene for scene in SCENES}
    if names is not None:
        if unknown := sorted(set(names) - set(known)):
            raise ValueError(f"no scene is called {', '.join(unknown)}")
        return tuple(known[name] for name in names)
    return tuple(scene for scene in SCENES if scene.short or not short)


async def prove(
    program: Path,
    room: Path,
    *,
    scenes: Sequence[str] | None = None,
    short: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Run the scenes against a program, in folders below ``room``; the first outcome is its start.

    Everything that is started is ended. ``say`` gets a line a scene as it ends.
    """
    playing = chosen(scenes, short=short)
    model = ScriptedModel()
    url = await model.start()
    try:
        server = Program(program, room / "opencode", url)
        try:
            return await _proved(server, model, room, playing, say)
        finally:
            await server.end()
    finally:
        model.reset()
        await model.stop()


async def _proved(
    server: Program,
    model: ScriptedModel,
    folder: Path,
    scenes: Sequence[Scene],
    say: Callable[[str], None],
) -> list[Outcome]:
    outcomes: list[Outcome] = []

    def note(outcome: Outcome) -> None:
        outcomes.append(outcome)
        say(line(outcome))

    async with contextlib.AsyncExitStack() as stack:
        began = time.monotonic()
        try:
            await server.start()
            room = await stack.enter_async_context(opened(folder / "service", server.address))
        except (Error, StoreError, OSError) as exc:
            note(Outcome(START, held=False, words=str(exc), seconds=time.monotonic() - began))
            return outcomes
        note(Outcome(START, held=True, words="", seconds=time.monotonic() - began))
        company = Company(server, model, room, folder)
        # The longest first: nobody waits for it alone in the end.
        await company.together([scene for scene in reversed(scenes) if not scene.alone], note)
        for scene in scenes:
            if scene.alone:
                note(await company.play(scene))
    order = [START, *(scene.name for scene in scenes)]
    return sorted(outcomes, key=lambda one: order.index(one.scene))


@dataclass(frozen=True, slots=True)
class Company:
    """All that scenes share."""

    server: Program
    model: ScriptedModel
    room: Room
    folder: Path
    patience_s: float = SOON_S

    async def together(self, scenes: Sequence[Scene], note: Callable[[Outcome], None]) -> None:
        """Play scenes side by side, so many at a time."""
        free = asyncio.Semaphore(AT_ONCE)

        async def one(scene: Scene) -> None:
            async with free:
                note(await self.play(scene))

        async with asyncio.TaskGroup() as group:
            for scene in scenes:
                group.create_task(one(scene))

    async def play(self, scene: Scene) -> Outcome:
        """Play one scene; whatever goes wrong in it is its outcome and no other's."""
        began = time.monotonic()
        word = f"scene-{scene.name}-"
        stage = Stage(
            self.server, self.model, self.room, word, self.folder, patience_s=self.patience_s
        )
        words = ""
        try:
            async with asyncio.timeout(SCENE_LIMIT_S):
                await scene.play(stage)
        except NotHeld as exc:
            words = str(exc)
        except TimeoutError:
            words = f"it was not over within {SCENE_LIMIT_S:.0f} s"
        except (Error, StoreError, OSError) as exc:
            words = facts_of(exc)
        return Outcome(scene.name, not words, words, time.monotonic() - began)


def line(outcome: Outcome) -> str:
    """Return an outcome as a line for a terminal."""
    mark = "ok  " if outcome.held else "FAIL"
    words = f"  {outcome.words}" if outcome.words else ""
    return f"{mark} {outcome.scene:<24} {outcome.seconds:5.1f} s{words}"
