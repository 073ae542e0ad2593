"""Answers that could not be brought yet: shown first at their chat's next contact."""

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from bot.clock import Clock
from bot.fitting import fit
from bot.texts import Language
from bot.texts import engine as texts
from store import Store
from store.records import CALLBACK, Delivery

log = structlog.get_logger()

BUBBLE_BYTES = 20_000  # what a bubble surely holds
# Of that; the rest is for what the person came for, and all of it where that is long.
CONTACT_BYTES = 8_000
EACH_BYTES = 4_000
LEAVING_MS = 3_000  # so young, what needs no address is about to leave by itself
PARAGRAPH = "\n\n"
SEAM = "\n\n━━━━━━━━━\n\n"  # between what had waited and what the person came for


@dataclass(frozen=True, slots=True)
class Contact:
    """A message of the chat that is being answered: its bubble, and what that says by itself."""

    chat: str
    stream: str
    text: str
    finished: bool


def with_prefix(prefix: str, text: str) -> str:
    """Return what a bubble shows that had something waiting for it."""
    return f"{prefix}{SEAM}{text}" if prefix else text


class Outbox:
    """What waits for a chat, in the order in which it came to be."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def at_contact(
        self, contact: Contact, language: Language, *, but: int | None = None
    ) -> str:
        """Take what waits for the chat, as Markdown for the top of the next reply.

        ``but``: a turn whose answer is being brought by another way at this moment.

        What is taken and what the bubble then shows are kept together: a crash before that
        leaves it waiting, and a repeat of the message after it shows it again.
        """
        room = min(CONTACT_BYTES, BUBBLE_BYTES - len(contact.text.encode()))
        offered = await self._offered(contact.chat, language, but, room)
        untold = await self._store.deliveries.untold(contact.chat)
        if not offered and not untold:
            return ""
        notes = [
            (texts.UNKNOWN_DELIVERY if delivery.state == "unknown" else texts.FAILED_DELIVERY).say(
                language, n=delivery.turn
            )
            for delivery in untold
            if delivery.turn is not None
        ]

        def prefix_of(taken: Collection[int]) -> str:
            brought = [text for delivery, text in offered if delivery.id in taken]
            return PARAGRAPH.join([*brought, *notes])

        taken = await self._store.inbox.bring(
            contact.stream,
            [delivery.id for delivery, _ in offered],
            [delivery.id for delivery in untold],
            lambda ids: with_prefix(prefix_of(ids), contact.text),
            finished=contact.finished,
        )
        for delivery, _ in offered:
            if delivery.id in taken:
                log.info("delivery.sent", delivery=delivery.id, via="contact", turn=delivery.turn)
        return prefix_of(taken)

    async def _offered(
        self, chat: str, language: Language, but: int | None, room: int
    ) -> list[tuple[Delivery, str]]:
        """Return what waits and has room on top of one reply, with its text."""
        offered: list[tuple[Delivery, str]] = []
        roomy = room == CONTACT_BYTES  # then the first is shown whatever its size
        for delivery in await self._store.deliveries.waiting(chat):
            if (but is not None and delivery.turn == but) or self._leaves(delivery):
                continue
            text = self._text(delivery, language)
            room -= len(text.encode())
            if room < 0 and (offered or not roomy):
                break
            offered.append((delivery, text))
        return offered

    def _leaves(self, delivery: Delivery) -> bool:
        """Tell whether a delivery is about to be pushed by its channel, which needs nobody for it."""
        untried = delivery.state == "due" and delivery.attempts == 0
        young = self._clock() - delivery.created_at < LEAVING_MS
        return delivery.channel != CALLBACK and untried and young

    def _text(self, delivery: Delivery, language: Language) -> str:
        body = fit(delivery.body, EACH_BYTES)
        more = delivery.more if body != delivery.body else ""
        parts = [part for part in (body, more, delivery.footer) if part]
        if delivery.turn is not None:
            parts.insert(0, texts.WAITING_ANSWER.say(language, n=delivery.turn))
        return PARAGRAPH.join(parts)
