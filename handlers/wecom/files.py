"""Files that go with an answer: each is a delivery of its own, behind that of the answer."""

from collections.abc import Awaitable, Callable, Mapping

from bot.clock import Clock
from bot.errors import UserError
from bot.messages import Medium
from bot.render import path_of
from bot.texts import Text
from bot.texts import files as files_texts
from bot.texts import media as texts
from handlers.wecom.outcome import Outcome
from store import Store
from store.records import Delivery

Take = Callable[[int, str], Awaitable[Medium]]
"""Reads a file, by its path in the workspace, as a turn (its number) left it. Raises ``UserError``."""
KEPT_MS = 2 * 24 * 3600 * 1000  # what was uploaded; WeCom keeps it for three days


async def nothing(_turn: int, path: str) -> Medium:
    """Take no file: there are no workspaces."""
    raise UserError(files_texts.SEND_NONE, path=path)


class FilesBehind:
    """What the deliveries of a channel say that are files: made ready before they are claimed."""

    def __init__(self, store: Store, take: Take, clock: Clock) -> None:
        self.store = store
        self._take = take
        self._clock = clock
        self._ready: dict[int, tuple[int, Mapping[str, object]]] = {}

    def ready(self, delivery: int) -> Mapping[str, object] | None:
        """Return the message (its type and content) of a file that was uploaded lately, or None."""
        at, body = self._ready.get(delivery, (0, None))
        return body if self._clock() - at < KEPT_MS else None

    def keep(self, delivery: int, body: Mapping[str, object]) -> None:
        """Remember the message of a file, so that a further try need not upload it again."""
        self._ready[delivery] = (self._clock(), body)

    def forget(self, delivery: int) -> None:
        """Let go of a file whose delivery has come to its end."""
        self._ready.pop(delivery, None)

    async def open(self, delivery: Delivery) -> Medium | str:
        """Return the file, or the words that it has gone. Raises ``StoreError``."""
        turn = await self.store.turns.by_message(delivery.message)
        try:
            if turn is not None:
                return await self._take(turn.n, delivery.file)
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
    """Say something of a file, in the language of its turn. Raises ``StoreError``."""
    turn = await store.turns.by_message(delivery.message)
    language, n = (turn.language, turn.n) if turn else ("zh", 0)
    return text.say(language, names=path_of(delivery.file), n=n)
