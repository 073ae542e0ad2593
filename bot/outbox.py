"""Answers that could not be brought yet: shown first at their chat's next contact."""

import structlog

from bot.clock import Clock
from bot.fitting import fit
from bot.texts import Language
from bot.texts import engine as texts
from store import Store
from store.records import Delivery

log = structlog.get_logger()

# Of a bubble's 20,480 bytes; the rest is for what the person came for.
CONTACT_BYTES = 8_000
EACH_BYTES = 4_000
TOLD = "told"


class Outbox:
    """What waits for a chat, in the order in which it came to be."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def at_contact(self, chat: str, language: Language, *, but: int | None = None) -> str:
        """Take what waits for the chat, as Markdown for the top of the next reply.

        ``but``: a turn whose answer is being brought by another way at this moment.

        What is returned is marked as sent before it is shown: at the worst a crash in
        between leaves it to ``/result n``, and nothing is ever shown twice.
        """
        shown: list[str] = []
        room = CONTACT_BYTES
        for delivery in await self._store.deliveries.waiting(chat):
            if but is not None and delivery.turn == but:
                continue
            text = self._text(delivery, language)
            room -= len(text.encode())
            if room < 0 and shown:
                break
            if await self._store.deliveries.claim(delivery.id, via="contact", to="sent"):
                log.info("delivery.sent", delivery=delivery.id, via="contact", turn=delivery.turn)
                shown.append(text)
        for delivery in await self._store.deliveries.unknown(chat):
            await self._store.deliveries.told(delivery.id)
            if delivery.turn is not None:
                shown.append(texts.UNKNOWN_DELIVERY.say(language, n=delivery.turn))
        return "\n\n".join(shown)

    def _text(self, delivery: Delivery, language: Language) -> str:
        body = fit(delivery.body, EACH_BYTES)
        more = delivery.more if body != delivery.body else ""
        parts = [part for part in (body, more, delivery.footer) if part]
        if delivery.turn is not None:
            parts.insert(0, texts.WAITING_ANSWER.say(language, n=delivery.turn))
        return "\n\n".join(parts)
