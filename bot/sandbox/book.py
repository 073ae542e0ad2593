"""What stands in the stand-in's chats, as the person sees it, and who waits for it to change."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from bot.clock import Clock
from bot.sandbox.cipher import Refused

PATIENCE_S = 30.0

ItemKind = Literal["said", "bubble", "late", "welcome", "violation"]
ItemState = Literal[
    "sending", "delivered", "undelivered", "unanswered", "open", "finished", "expired"
]


@dataclass(slots=True, eq=False)
class Item:
    """One thing in a chat. ``who`` is a member's id, or empty for the bot.

    ``reason`` says why something stands as it does, as a code; ``cards`` are those that single
    members see in the place of ``card``; ``revision`` grows with each change, across all items
    of a book.
    """

    id: int
    chat: str
    kind: ItemKind
    who: str
    content: str
    at: int
    state: ItemState = "finished"
    reason: str = ""
    quote: str = ""
    medium: str = ""
    images: tuple[str, ...] = ()
    card: dict[str, object] | None = None
    cards: dict[str, dict[str, object]] = field(default_factory=dict)
    feedback: str = ""
    thumbs: int = 0
    stream: str = ""
    history: list[str] = field(default_factory=list)
    revision: int = 0

    @property
    def finished(self) -> bool:
        """Whether the service finished it (and not the clock)."""
        return self.state == "finished"

    def card_of(self, member: str) -> dict[str, object] | None:
        """Return the card as a member sees it."""
        return self.cards.get(member, self.card)


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that the service did and that WeCom would refuse."""

    code: str
    detail: str
    chat: str
    msgid: str
    at: int


class Book:
    """Every item of every chat, in order, with a revision that grows."""

    def __init__(self, clock: Clock) -> None:
        self.items: list[Item] = []
        self.violations: list[Violation] = []
        self.revision = 0
        self.on_change: Callable[[], None] | None = None
        self._clock = clock
        self._changed = asyncio.Event()

    def add(self, chat: str, kind: ItemKind, who: str, content: str) -> Item:
        """Put a new item at the end of a chat."""
        item = Item(len(self.items) + 1, chat, kind, who, content, self._clock())
        self.items.append(item)
        self.touch(item)
        return item

    def refuse(self, refusal: Refused, chat: str = "", msgid: str = "") -> None:
        """Keep what WeCom would have refused, where everybody sees it."""
        item = self.add(chat, "violation", "", refusal.detail)
        item.reason = refusal.code
        self.violations.append(Violation(refusal.code, refusal.detail, chat, msgid, item.at))

    def touch(self, item: Item) -> None:
        """Say that an item has changed."""
        self.revision += 1
        item.revision = self.revision
        self.changed()

    def changed(self) -> None:
        """Wake everybody who waits."""
        self._changed.set()
        self._changed = asyncio.Event()
        if self.on_change is not None:
            self.on_change()

    def since(self, revision: int) -> list[Item]:
        """Return what is newer than a revision, in the order of the chats."""
        return [item for item in self.items if item.revision > revision]

    def of(self, chat: str) -> list[Item]:
        """Return one chat from its beginning."""
        return [item for item in self.items if item.chat == chat]

    async def shows(self, chat: str, words: str, timeout_s: float = PATIENCE_S) -> Item:
        """Wait until the bot says ``words`` somewhere in a chat; return what holds them."""

        def found() -> list[Item]:
            return [item for item in self.of(chat) if not item.who and words in item.content]

        await self.until(lambda: bool(found()), timeout_s)
        return found()[-1]

    async def until(self, true: Callable[[], bool], timeout_s: float) -> None:
        """Wait until ``true()``, looking after each change."""
        async with asyncio.timeout(timeout_s):
            while not true():
                await self._changed.wait()
