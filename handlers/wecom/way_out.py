"""The ways a final answer leaves over the callback: the open bubble, else a late answer, once."""

import asyncio
import contextlib

import structlog

from bot.clock import Clock
from bot.errors import StoreError
from bot.texts import Language
from bot.texts import delivery as texts
from handlers.wecom.bubbles import Bubble, Bubbles, Final
from handlers.wecom.late import LateAnswers, Outcome
from handlers.wecom.markdown import answer_text
from handlers.wecom.polls import answer_of
from handlers.wecom.timing import Timing
from store import Store
from store.crashpoints import crashpoint
from store.records import Delivery, InboundRecord, NewDelivery

log = structlog.get_logger()

WATCH_S = 20.0  # between two looks at late answers that are about to expire


class WayOut:
    """Brings deliveries. The store decides who may: a delivery is claimed before it leaves."""

    def __init__(
        self, store: Store, bubbles: Bubbles, late: LateAnswers, clock: Clock, timing: Timing
    ) -> None:
        self._store = store
        self._bubbles = bubbles
        self._late = late
        self._clock = clock
        self._timing = timing

    async def bring(self, delivery: Delivery, language: Language) -> None:
        """Bring a delivery that is due, or leave it due where no way is open."""
        try:
            bubble = await self._open_bubble(delivery, language)
            if bubble is not None and await self._by_poll(bubble, delivery):
                return
            await self._by_late_answer(delivery, bubble)
        except StoreError as exc:
            self._postpone(delivery, exc)

    async def notice(self, chat: str, message: str, markdown: str) -> None:
        """Say something as a message of its own; without a way it waits for the next contact."""
        delivery = await self._store.deliveries.add(
            NewDelivery(
                chat=chat,
                turn=None,
                message=message,
                body=markdown,
                footer="",
                more="",
                at=self._clock(),
            )
        )
        try:
            await self._by_late_answer(delivery, None)
        except StoreError as exc:
            self._postpone(delivery, exc)

    async def watch(self) -> None:
        """See to it, for as long as the service lives, that no unfinished turn's way out runs dry."""
        while True:
            await asyncio.sleep(WATCH_S)
            for turn in await self._store.turns.unfinished():
                if self._clock() - turn.created_at >= self._timing.last_words_ms:
                    await self.last_words(turn.n, turn.message, turn.language)

    async def last_words(self, turn: int, message: str, language: Language) -> None:
        """Spend a message's late answer, which is about to expire, on where the final will wait."""
        record = await self._store.inbox.find(message)
        if record is None or not self._usable(record):
            return
        url = await self._store.inbox.take_url(message)
        if url is None:
            return
        outcome = await self._late.post(url, texts.WILL_WAIT.say(language, n=turn))
        log.info("turn.outlived", turn=turn, outcome=outcome.kind, cause=outcome.cause)

    async def _open_bubble(self, delivery: Delivery, language: Language) -> Bubble | None:
        """Return the bubble of the delivery's message while WeCom may still ask for it."""
        record = await self._store.inbox.find(delivery.message)
        if record is None or record.stream is None:
            return None
        if self._clock() - record.received_at >= self._timing.window_ms:
            return None
        bubble = self._bubbles.expect(record.message, record.received_at, language)
        await self._bubbles.load(bubble)
        return None if bubble.finished else bubble

    async def _by_poll(self, bubble: Bubble, delivery: Delivery) -> bool:
        """Offer the final in the bubble; True when WeCom came for it in time."""
        final = Final(delivery.id, delivery.turn, answer_of(delivery))
        bubble.final = final
        silent_ms = self._clock() - bubble.polled_at
        if silent_ms > self._timing.patience_s * 1000:
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timing.patience_s):
                await final.taken.wait()
        return final.taken.is_set()

    async def _by_late_answer(self, delivery: Delivery, bubble: Bubble | None) -> None:
        sources = await self._sources(delivery)
        if not sources:
            log.info("delivery.waiting", delivery=delivery.id, turn=delivery.turn)
            return
        deliveries = self._store.deliveries
        if not await deliveries.claim(delivery.id, via="url", to="sending"):
            return  # a poll, the chat's next contact or /result was first
        if bubble is not None:
            self._bubbles.finish(bubble, separately(delivery.turn, bubble.language))
        outcome = await self._post(delivery, sources)
        if outcome.kind == "sent":
            await deliveries.settle(delivery.id, "sent", via="url", at=self._clock())
        elif outcome.kind == "doubtful":
            await deliveries.settle(
                delivery.id, "unknown", via="url", cause=outcome.cause, at=self._clock()
            )
        else:
            await deliveries.release(delivery.id, outcome.cause)
        self._tell(delivery, outcome)

    async def _sources(self, delivery: Delivery) -> list[InboundRecord]:
        """Return the messages whose late answer may carry it: its own, then later commands."""
        own = await self._store.inbox.find(delivery.message)
        since = self._clock() - self._timing.late_ms
        if own is not None:
            since = max(since, own.received_at)
        later = await self._store.inbox.fresh_urls(delivery.chat, since)
        others = [one for one in later if one.message != delivery.message]
        return [one for one in ([own] if own else []) + others if self._usable(one)]

    async def _post(self, delivery: Delivery, sources: list[InboundRecord]) -> Outcome:
        """Post to the first address that is not refused at once; each is spent before it is used."""
        outcome = Outcome("unsent", "no address left")
        for source in sources:
            url = await self._store.inbox.take_url(source.message)
            if url is None:
                continue
            crashpoint("C18")
            outcome = await self._late.post(url, answer_text(answer_of(delivery)))
            crashpoint("C20")
            if outcome.kind in {"sent", "doubtful"}:
                break
        return outcome

    def _usable(self, record: InboundRecord) -> bool:
        fresh = record.reply_url_state == "fresh"
        young = self._clock() - record.received_at < self._timing.late_ms
        return fresh and young and self._late.allows(record.reply_url)

    def _postpone(self, delivery: Delivery, exc: StoreError) -> None:
        """Leave it to the chat's next contact, or to the next start."""
        log.warning(
            "delivery.postponed",
            delivery=delivery.id,
            turn=delivery.turn,
            error=type(exc).__name__,
        )

    def _tell(self, delivery: Delivery, outcome: Outcome) -> None:
        facts = {"delivery": delivery.id, "turn": delivery.turn, "via": "url"}
        if outcome.kind == "sent":
            log.info("delivery.sent", **facts)
        elif outcome.kind == "doubtful":
            log.warning("delivery.doubted", **facts, cause=outcome.cause)
        else:
            log.warning("delivery.refused", **facts, cause=outcome.cause)


def separately(turn: int | None, language: Language) -> str:
    """Return the last word of a bubble whose final leaves as a message of its own."""
    if turn is None:
        return texts.NOTICE_COMES_SEPARATELY.say(language)
    return texts.COMES_SEPARATELY.say(language, n=turn)
