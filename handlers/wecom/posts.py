"""Posts what is due to the single-use addresses that its chat has brought: in order, each once."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

import structlog

from bot.cards import Card
from bot.clock import Clock
from bot.errors import StoreError
from bot.texts import Language
from bot.texts import delivery as texts
from handlers.wecom.bubbles import Bubbles
from handlers.wecom.late import LateAnswers
from handlers.wecom.markdown import answer_text
from handlers.wecom.outcome import Outcome
from handlers.wecom.polls import answer_of
from handlers.wecom.timing import Timing
from store import Store
from store.crashpoints import crashpoint
from store.records import Delivery, InboundRecord

log = structlog.get_logger()

AT_ONCE = 16  # posts, of all chats together
CARDS = 200  # remembered; one waits for seconds
REFUSALS = 3  # by as many addresses: then it is given up
DELAYS_S = (2, 5, 15, 30, 60, 300)  # before it is tried again, by how often it was tried
LIMITED_S = 60  # at least, when WeCom says that it was called too often
CUT_OFF = Outcome("doubtful", "the service was cut off")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A delivery that may have arrived, whose one repeat has not left yet: it may from ``at`` on."""

    delivery: int
    chat: str
    cause: str
    at: int


class Posts:
    """The one place that uses up addresses for deliveries. In a chat they leave one by one.

    The store decides who may: a delivery is taken together with its address before it leaves.
    """

    def __init__(
        self, store: Store, bubbles: Bubbles, late: LateAnswers, clock: Clock, timing: Timing
    ) -> None:
        self._store = store
        self._bubbles = bubbles
        self._late = late
        self._clock = clock
        self._timing = timing
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._held: Counter[int] = Counter()
        self._unkept: dict[int, tuple[Delivery, Outcome]] = {}
        self._doubts: dict[int, Doubt] = {}
        self._cards: dict[int, Card] = {}  # of a delivery, how it looks best; the newest last
        self.woken = asyncio.Event()  # set when something is to be tried again later

    @contextlib.contextmanager
    def held(self, delivery: int) -> Iterator[None]:
        """Keep a delivery, and the younger ones of its chat, from leaving: a poll may take it."""
        self._held[delivery] += 1
        try:
            yield
        finally:
            self._held[delivery] -= 1
            if not self._held[delivery]:
                del self._held[delivery]

    def draw(self, delivery: int, card: Card) -> None:
        """Let a delivery leave as a card; not for long, and not after a restart: it has its words."""
        self._cards[delivery] = card
        if len(self._cards) > CARDS:
            del self._cards[next(iter(self._cards))]

    async def flush(self, chat: str) -> None:
        """Post what is due in a chat, oldest first, until one of them must wait."""
        async with self._line(chat):
            while (found := await self._next(chat)) is not None:
                if not await self._leave(*found):
                    return  # a poll, the chat's next contact or /result was first

    def take_up(self, cut_off: Iterable[Delivery]) -> None:
        """Take over what the last run left on its way."""
        for one in cut_off:
            self._doubts[one.id] = Doubt(one.id, one.chat, CUT_OFF.cause, one.next_at)

    def doubts(self, now: int) -> list[str]:
        """Return the chats in which a repeat may leave now."""
        return [one.chat for one in self._doubts.values() if one.at <= now]

    def next_at(self, now: int) -> int | None:
        """Return when the next repeat may leave, of those that may not yet."""
        return min((one.at for one in self._doubts.values() if one.at > now), default=None)

    async def resume(self, chat: str) -> None:
        """Make the repeats of a chat whose time has come. Raises ``StoreError``."""
        async with self._line(chat):
            now = self._clock()
            for doubt in [one for one in self._doubts.values() if one.chat == chat]:
                if doubt.at <= now:
                    await self._resume(doubt)

    async def keep_again(self) -> None:
        """Write down what became of posts while the store could not."""
        for delivery, outcome in list(self._unkept.values()):
            await self._keep(delivery, outcome)

    async def usable(self, chat: str, message: str) -> list[InboundRecord]:
        """Return whose address may still be used for a message: its own, then later commands'."""
        own = await self._store.inbox.find(message)
        since = self._clock() - self._timing.late_ms
        if own is not None:
            since = max(since, own.received_at)
        later = await self._store.inbox.fresh_urls(chat, since)
        others = [one for one in later if one.message != message]
        every = [one for one in ([own] if own else []) + others if self._young(one)]
        return [one for one in every if one.reply_url_state == "fresh"]

    async def spend(self, source: InboundRecord, markdown: str) -> Outcome | None:
        """Use an address up for a few words of no lasting worth; None when it was taken before."""
        address = await self._store.inbox.take_url(source.message)
        if address is None:
            return None
        outcome = await self._late.post(address, markdown)
        if outcome.kind == "unsent":
            await self._store.inbox.give_back_url(source.message)
        return outcome

    def _line(self, chat: str) -> asyncio.Lock:
        return self._lines.setdefault(chat, asyncio.Lock())

    def _young(self, record: InboundRecord) -> bool:
        young = self._clock() - record.received_at < self._timing.late_ms
        return young and self._late.allows(record.reply_url)

    async def _next(self, chat: str) -> tuple[Delivery, InboundRecord] | None:
        """Return the oldest that could leave, and by whose address; None when it may not yet.

        One without an address holds nobody up: it waits for the chat's next contact.
        """
        for delivery in await self._store.deliveries.due(chat):
            sources = await self.usable(chat, delivery.message)
            if sources:
                may = delivery.next_at <= self._clock() and delivery.id not in self._held
                return (delivery, sources[0]) if may else None
        return None

    def _end_bubble(self, delivery: Delivery) -> None:
        """Close the bubble in which the delivery waited for a poll."""
        bubble = self._bubbles.find(self._bubbles.stream_of(delivery.message))
        final = bubble.final if bubble is not None else None
        if bubble is not None and final is not None and final.delivery == delivery.id:
            self._bubbles.finish(bubble, separately(delivery.turn, bubble.language))

    async def _leave(self, delivery: Delivery, source: InboundRecord) -> bool:
        """Take a delivery and post it; False when it is not to be had any more."""
        async with self._at_once:
            address = await self._store.deliveries.post(delivery.id, source.message)
            if address is None:
                return False
            self._end_bubble(delivery)
            outcome = await self._once(delivery, address)
        if outcome.kind == "doubtful":
            outcome = await self._again(delivery, address, outcome)
        await self._keep(delivery, outcome)
        return True

    async def _again(self, delivery: Delivery, address: str, first: Outcome) -> Outcome:
        """Repeat a post in doubt after a moment, in which others may post."""
        await asyncio.sleep(self._timing.again_after_s)
        try:
            return await self._repeated(delivery, address, first)
        except StoreError:  # without its mark the repeat must not leave
            return first

    async def _resume(self, doubt: Doubt) -> None:
        """Make a repeat, unless it was made before a restart, or its address is too old."""
        delivery = await self._store.deliveries.get(doubt.delivery)
        if delivery is None or delivery.state != "sending":
            del self._doubts[doubt.delivery]
            return
        source = await self._store.inbox.find(delivery.source)
        outcome = Outcome("doubtful", doubt.cause)
        if source is not None and self._young(source) and not delivery.cause:
            outcome = await self._repeated(delivery, source.reply_url, outcome)
        del self._doubts[doubt.delivery]
        await self._keep(delivery, outcome)

    async def _repeated(self, delivery: Delivery, address: str, first: Outcome) -> Outcome:
        """Post once more to an address that takes one answer only; there is one such repeat.

        One that did not leave, or is not wanted now, was none. Whatever else it comes to but
        success leaves a doubt a doubt. Raises ``StoreError``.
        """
        async with self._at_once:
            if not await self._store.deliveries.repeat(delivery.id, first.cause):
                return first
            facts = {"delivery": delivery.id, "turn": delivery.turn}
            log.info("delivery.repeated", **facts, cause=first.cause)
            second = await self._once(delivery, address)
        if second.kind == "sent":
            return second
        if second.kind in {"unsent", "limited"}:
            return replace(second, doubt=first.cause)
        return Outcome("doubtful", f"{first.cause}, then {second.cause}")

    async def _once(self, delivery: Delivery, address: str) -> Outcome:
        crashpoint("C18")
        card = self._cards.pop(delivery.id, None)
        outcome = await self._late.post_card(address, card) if card else None
        if outcome is None or outcome.kind in {"refused", "barred"}:  # then not as a card
            outcome = await self._late.post(address, answer_text(answer_of(delivery)))
        elif card is not None and outcome.kind in {"unsent", "limited"}:
            self.draw(delivery.id, card)
        crashpoint("C20")
        return outcome

    async def _keep(self, delivery: Delivery, outcome: Outcome) -> None:
        """Write down what became of a post; later, when the store cannot now."""
        try:
            await self._write(delivery, outcome)
        except StoreError as exc:
            if delivery.id not in self._unkept:
                postponed(delivery, exc)
            self._unkept[delivery.id] = (delivery, outcome)
            return
        self._unkept.pop(delivery.id, None)
        tell(delivery, outcome)

    async def _write(self, delivery: Delivery, outcome: Outcome) -> None:
        deliveries, cause = self._store.deliveries, outcome.cause
        match outcome.kind:
            case "sent":
                await deliveries.settle(delivery.id, "sent")
            case "doubtful":
                await deliveries.settle(delivery.id, "unknown", cause)
            case "barred":
                await deliveries.settle(delivery.id, "failed", cause)
            case "refused":
                await deliveries.refuse(delivery.id, cause, last=given_up(delivery, outcome))
            case _:  # it never left, or is not wanted now
                await self._postpone(delivery, outcome)
                self.woken.set()

    async def _postpone(self, delivery: Delivery, outcome: Outcome) -> None:
        at = self._clock() + delay_ms(delivery.attempts, outcome)
        if outcome.doubt:
            await self._store.deliveries.postpone(delivery.id, outcome.cause, at)
            self._doubts[delivery.id] = Doubt(delivery.id, delivery.chat, outcome.doubt, at)
        else:
            await self._store.deliveries.release(delivery.id, outcome.cause, at)


def delay_ms(attempts: int, outcome: Outcome) -> int:
    """Return how long to wait before the next try, given how many there were before this one."""
    delay_s = DELAYS_S[min(attempts, len(DELAYS_S) - 1)]
    if outcome.kind == "limited":
        delay_s = max(delay_s, LIMITED_S)
    # Spreads the load of many chats that a lost network has brought into step; hides nothing.
    return int(delay_s * 1000 * random.uniform(1.0, 1.25))  # noqa: S311


def given_up(delivery: Delivery, outcome: Outcome) -> bool:
    """Tell whether a post was the last try."""
    refused = outcome.kind == "refused" and delivery.refusals + 1 >= REFUSALS
    return refused or outcome.kind == "barred"


def tell(delivery: Delivery, outcome: Outcome, via: str = "url") -> None:
    """Log what became of a post or a push."""
    facts = {"delivery": delivery.id, "turn": delivery.turn, "via": via}
    if outcome.kind == "sent":
        log.info("delivery.sent", **facts)
    elif given_up(delivery, outcome):
        log.error("delivery.failed", **facts, cause=outcome.cause)
    elif outcome.kind == "doubtful":
        log.warning("delivery.doubted", **facts, cause=outcome.cause)
    elif outcome.kind == "refused":
        log.warning("delivery.refused", **facts, cause=outcome.cause)
    else:
        log.warning("delivery.unsent", **facts, cause=outcome.cause)


def postponed(delivery: Delivery, exc: StoreError) -> None:
    """Log that the store failed on the way; it is looked at again."""
    log.warning(
        "delivery.postponed", delivery=delivery.id, turn=delivery.turn, error=type(exc).__name__
    )


def separately(turn: int | None, language: Language) -> str:
    """Return the last word of a bubble whose final leaves as a message of its own."""
    if turn is None:
        return texts.NOTICE_COMES_SEPARATELY.say(language)
    return texts.COMES_SEPARATELY.say(language, n=turn)
