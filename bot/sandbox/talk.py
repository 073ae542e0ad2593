"""One message of a person and everything that became of it."""

import asyncio
from dataclasses import dataclass, field

from bot.sandbox.book import PATIENCE_S, Book, Item
from bot.sandbox.cipher import Refused
from bot.sandbox.payloads import Origin, Payload


@dataclass(slots=True, eq=False)
class Talk:
    """A message, its bubble and its late replies.

    On the long connection it may have several ``bubbles``, by their streams; ``bubble`` is the last,
    and each after the first one is a late reply as well, once it is finished. ``closed`` is set
    once the last is not open any more.
    ``attempts`` says how each try to hand the message over went (``ok`` or why not), ``streams``
    which stream each answer named, ``polls`` how many questions the service answered.
    """

    book: Book
    origin: Origin
    msgid: str
    said: Item
    response_url: str = ""
    quote: Payload | None = None
    content: Payload = field(default_factory=dict)
    bubble: Item | None = None
    bubbles: dict[str, Item] = field(default_factory=dict)
    late: list[Item] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    polls: int = 0
    missed_polls: int = 0
    answered: bool = False
    over: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def chat(self) -> str:
        """The group's id, or the member's in a direct chat."""
        return self.origin.group or self.origin.member

    @property
    def payload(self) -> Payload:
        """The callback's plain text, the same for each repeat."""
        return self.origin.message(
            self.msgid, self.content, response_url=self.response_url, quote=self.quote
        )

    @property
    def delivered(self) -> bool:
        """Whether the bot was given the message at all."""
        return self.said.state != "undelivered"

    @property
    def why(self) -> str:
        """Why the message was not delivered or not answered, as a code."""
        return self.said.reason

    @property
    def stream(self) -> str:
        """The id of the stream that the service answered with."""
        return self.bubble.stream if self.bubble else ""

    @property
    def text(self) -> str:
        """What the bubble shows now."""
        return self.bubble.content if self.bubble else ""

    @property
    def finished(self) -> bool:
        """Whether the service finished the bubble itself."""
        return self.bubble is not None and self.bubble.finished

    def refuse(self, refusal: Refused) -> None:
        """Keep an answer to this message that WeCom would have refused."""
        self.book.refuse(refusal, self.chat, self.msgid)

    async def done(self, timeout_s: float = PATIENCE_S) -> str:
        """Wait until the bubble is closed, or there will be none; return what it shows."""
        await self.book.until(lambda: self.over, timeout_s)
        return self.text

    async def shows(self, words: str, timeout_s: float = PATIENCE_S) -> str:
        """Wait until the bubble shows ``words``; return all that it shows."""
        await self.book.until(lambda: words in self.text, timeout_s)
        return self.text

    async def late_reply(self, timeout_s: float = PATIENCE_S, *, number: int = 1) -> str:
        """Wait for the n-th late reply to this message; return its text."""
        await self.book.until(lambda: len(self.late) >= number, timeout_s)
        return self.late[number - 1].content
