"""Files that go with an answer: each is a delivery of its own, read when its turn to leave comes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bot.errors import UserError
from bot.messages import Medium
from bot.render import path_of
from bot.texts import Text
from bot.texts import files as files_texts
from bot.texts import media as texts
from handlers.wecom.outcome import Outcome
from store import Store
from store.records import Delivery

Take = Callable[[Path, str], Awaitable[tuple[str, Medium]]]
"""Reads a file of a workspace, with its path there. Raises ``UserError``."""


async def nothing(_workspace: Path, path: str) -> tuple[str, Medium]:
    """Take no file: there are no workspaces."""
    raise UserError(files_texts.SEND_NONE, path=path)


@dataclass(frozen=True, slots=True)
class Parcels:
    """What the deliveries hold that are files."""

    store: Store
    take: Take

    async def open(self, delivery: Delivery) -> Medium | str:
        """Return the file as it is now, or the words that it has gone. Raises ``StoreError``."""
        turn = await self.store.turns.by_message(delivery.message)
        try:
            if turn is not None:
                return (await self.take(Path(turn.directory), delivery.file))[1]
        except UserError:  # it was there when the answer was made
            pass
        return await words_of(self.store, delivery, texts.GONE)


async def told(store: Store, delivery: Delivery, outcome: Outcome) -> str:
    """Return what a chat is told when a file may not be there; empty for whatever is no file."""
    if not delivery.file:
        return ""
    doubtful = outcome.kind == "doubtful"
    return await words_of(store, delivery, texts.DOUBTFUL if doubtful else texts.REFUSED)


async def words_of(store: Store, delivery: Delivery, text: Text) -> str:
    """Say something of a file, in the language of its turn."""
    turn = await store.turns.by_message(delivery.message)
    language, n = (turn.language, turn.n) if turn else ("zh", 0)
    return text.say(language, names=path_of(delivery.file), n=n)
