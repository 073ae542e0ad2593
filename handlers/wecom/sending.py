"""Files that go with a final answer, each a message of its own behind it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from bot.clock import Clock
from bot.errors import StoreError, UserError
from bot.messages import Medium, Sendable, Sent
from bot.render import path_of
from bot.texts import Language, Text
from bot.texts import engine as texts
from bot.texts import media as media_texts
from handlers.wecom.pushes import Pushes
from store import Store
from store.records import OWED_STATES

log = structlog.get_logger()

Became = Sent | Literal["gone"]
TOLD: dict[Became, Text] = {
    "gone": media_texts.GONE,
    "unsent": media_texts.UNSENT,
    "refused": media_texts.REFUSED,
    "doubtful": media_texts.DOUBTFUL,
}
WAIT_MS = 600_000  # for the answer; files of one that waits for longer are told of
LOOK_S = 1.0  # between two looks whether it is there


async def at_once(_chat: str) -> None:
    """Wait for nothing."""


@dataclass(frozen=True, slots=True)
class FilesBehind:
    """Sends the files of answers; ``send`` brings one to a chat (its key) once there is ``room``."""

    store: Store
    pushes: Pushes
    clock: Clock
    send: Callable[[str, Medium], Awaitable[Sent]]
    room: Callable[[str], Awaitable[None]] = at_once

    async def follow(
        self, turn: int, chat: str, message: str, files: Sequence[Sendable], language: Language
    ) -> None:
        """Send files once the answer of their turn is there; tell of those that did not arrive.

        It is done once: what an end of the service cuts off is not sent after its next start.
        """
        there = await self._answered(turn, chat)
        became: dict[Became, list[str]] = {}
        for one in files:
            what = await self._sent(chat, one) if there else "unsent"
            became.setdefault(what, []).append(path_of(one.path))
        comma = texts.COMMA.say(language)
        lines = [
            text.say(language, names=comma.join(became[what]), n=turn)
            for what, text in TOLD.items()
            if what in became
        ]
        if lines:
            await self.pushes.notice(chat, message, "\n".join(lines))

    async def _answered(self, turn: int, chat: str) -> bool:
        """Wait for the answer to be there, or for nobody to bring it any more; False: it still waits."""
        until = self.clock() + WAIT_MS
        while self.clock() < until:
            try:
                delivery = await self.store.deliveries.of_turn(turn)
            except StoreError as exc:
                log.warning("deliveries.postponed", chat=chat, error=type(exc).__name__)
            else:
                if delivery is None or delivery.state not in OWED_STATES:
                    return True
            await asyncio.sleep(LOOK_S)
        return False

    async def _sent(self, chat: str, one: Sendable) -> Became:
        try:
            await self.room(chat)
            return await self.send(chat, await one.read())
        except UserError:  # it was there when the answer was made
            return "gone"
        except StoreError as exc:  # an outlet reads before it speaks: nothing has left
            log.warning("medium.unsent", kind=one.kind, cause=type(exc).__name__)
            return "unsent"
