"""Answers WeCom's question how a bubble stands: from memory, else from the store, never blank."""

import asyncio

import structlog

from bot.clock import Clock
from bot.errors import StoreError
from bot.messages import Answer
from bot.texts import Language
from bot.texts import delivery as texts
from handlers.wecom.bubbles import Bubble, Bubbles, Final, ended
from handlers.wecom.markdown import visible
from handlers.wecom.timing import Timing
from store import Store
from store.records import OPEN_STATES, Delivery, TurnRecord

log = structlog.get_logger()


class Polls:
    """Brings a bubble up to date before its answer leaves."""

    def __init__(self, store: Store, bubbles: Bubbles, clock: Clock, timing: Timing) -> None:
        self._store = store
        self._bubbles = bubbles
        self._clock = clock
        self._timing = timing

    def at_once(self, stream: str) -> Bubble | None:
        """Return the bubble if memory alone answers; this is the hot path."""
        bubble = self._bubbles.find(stream)
        if bubble is None:
            return None
        bubble.polled_at = self._clock()
        self._bubbles.hand_over(bubble)
        return bubble if bubble.quiet else None

    async def settled(self, stream: str) -> Bubble | None:
        """Return the bubble after the store was asked; None when nobody knows it.

        Raises ``StoreError`` or ``TimeoutError`` when the store does not answer.
        """
        async with asyncio.timeout(self._timing.store_s):
            bubble = self._bubbles.find(stream) or await self._from_store(stream)
            if bubble is None:
                return None
            await self._bubbles.load(bubble)
            self._bubbles.hand_over(bubble)
            if bubble.final is not None:
                await self._hand_out(bubble, bubble.final)
            if bubble.finished and not bubble.kept:
                # Whoever saw the end sees the same after a crash.
                await self._bubbles.save(bubble)
            return bubble

    async def _from_store(self, stream: str) -> Bubble | None:
        record = await self._store.inbox.by_stream(stream)
        if record is None:
            return None
        turn = await self._store.turns.by_message(record.message)
        delivery = None if turn is None else await self._store.deliveries.of_turn(turn.n)
        known = self._bubbles.find(stream)
        if known is not None:  # while we read, its turn was taken up, or another poll came
            return known
        bubble = self._bubbles.restore(record)
        log.info("bubble.restored", message=record.message, finished=record.finished)
        if not record.finished:
            self.conclude(bubble, turn, delivery)
        return bubble

    def conclude(self, bubble: Bubble, turn: TurnRecord | None, delivery: Delivery | None) -> None:
        """End a bubble whose turn is over, or put the final into it that is due."""
        if turn is None:
            lost = texts.LOST_REPLY.say(bubble.language)
            self._bubbles.finish(bubble, bubble.text if visible(bubble.text) else lost)
        elif delivery is not None:
            self._take_up(bubble, delivery)
        elif turn.state not in OPEN_STATES:
            self._bubbles.finish(bubble, ended(turn.n, bubble.language))

    def _take_up(self, bubble: Bubble, delivery: Delivery) -> None:
        """Go on where we stood when the service went down: the final is somewhere on its way."""
        if delivery.state == "due":
            bubble.final = Final(delivery.id, delivery.turn)
        else:
            self._close(bubble, delivery)

    async def _hand_out(self, bubble: Bubble, final: Final) -> None:
        """Mark the final as sent, then show it: only whoever claims it may."""
        final.leaving = True
        try:
            await self._taken(bubble, final)
        finally:
            final.leaving = False

    async def _taken(self, bubble: Bubble, final: Final) -> None:
        try:
            claimed = await self._store.deliveries.claim(final.delivery, via="bubble")
            delivery = await self._store.deliveries.get(final.delivery)
        except StoreError:  # it stays in the bubble for the next poll
            return
        if claimed:
            log.info("delivery.sent", delivery=final.delivery, turn=final.turn, via="bubble")
        if delivery is None:
            self._bubbles.finish(bubble, ended(final.turn, bubble.language))
        else:
            self._close(bubble, delivery)
        final.taken.set()

    def _close(self, bubble: Bubble, delivery: Delivery) -> None:
        if delivery.state == "sent" and delivery.via == "bubble":
            self._bubbles.finish_with(bubble, answer_of(delivery))
        elif delivery.state == "sent":
            self._bubbles.finish(bubble, elsewhere(delivery.turn, bubble.language))
        else:  # being posted, or in doubt, or given up: this bubble must not show it as well
            self._bubbles.finish(bubble, ended(delivery.turn, bubble.language))


def answer_of(delivery: Delivery) -> Answer:
    """Return the answer that a delivery carries."""
    return Answer(delivery.body, delivery.footer, delivery.more)


def elsewhere(turn: int | None, language: Language) -> str:
    """Return the last word of a bubble whose final another message showed."""
    if turn is None:
        return texts.NOTICE_SHOWN_ELSEWHERE.say(language)
    return texts.SHOWN_ELSEWHERE.say(language, n=turn)
