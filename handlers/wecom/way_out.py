"""The ways a final answer leaves over the callback: the open bubble, else a late answer, once."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from bot.background import Background
from bot.cards import Card
from bot.clock import Clock
from bot.errors import StoreError
from bot.texts import Language, language_of
from bot.texts import delivery as texts
from handlers.wecom.bubbles import Bubble, Bubbles, Final
from handlers.wecom.posts import Posts, postponed
from handlers.wecom.timing import Timing
from store import Store
from store.records import Delivery, InboundRecord, NewDelivery, TurnRecord

log = structlog.get_logger()

WATCH_S = 20.0  # between two looks at late answers that are about to expire
RETRY_S = 20.0  # between two looks at what is due, at most


class WayOut:
    """Brings deliveries. The store decides who may: a delivery is claimed before it leaves."""

    def __init__(
        self,
        store: Store,
        bubbles: Bubbles,
        posts: Posts,
        background: Background,
        clock: Clock,
        timing: Timing,
    ) -> None:
        self._store = store
        self._bubbles = bubbles
        self._posts = posts
        self._background = background
        self._clock = clock
        self._timing = timing
        self._jobs = 0  # that post, or are about to
        self._first: list[str] = []  # chats in which something was due at the start
        self._busy: set[str] = set()  # chats that the retry is at work on

    @property
    def posting(self) -> int:
        """How many jobs post something, or are about to."""
        return self._jobs

    async def bring(self, delivery: Delivery, language: Language) -> None:
        """Bring a delivery that is due, or leave it due where no way is open."""
        if await self._offered(delivery, language):
            await self._post(delivery)

    async def offer(self, delivery: Delivery, language: Language) -> None:
        """Offer a delivery in its open bubble for a moment; then it is posted behind our back.

        A lane must not wait for WeCom's API: it may be slow for every chat at once.
        """
        if await self._offered(delivery, language):
            self._start(partial(self._post, delivery), name=f"posts of {delivery.chat}")

    async def _offered(self, delivery: Delivery, language: Language) -> bool:
        try:
            await self._offer(delivery, language)
        except StoreError as exc:
            postponed(delivery, exc)
            return False
        return True

    async def _post(self, delivery: Delivery) -> None:
        """Post what may leave in the chat of a delivery, and say what became of that one."""
        try:
            await self._posts.flush(delivery.chat)
            kept = await self._store.deliveries.get(delivery.id)
        except StoreError as exc:
            postponed(delivery, exc)
            return
        if kept is not None and kept.state == "due" and kept.next_at <= self._clock():
            log.info("delivery.waiting", delivery=delivery.id, turn=delivery.turn)

    def _start(self, job: Callable[[], Awaitable[None]], name: str) -> None:
        self._jobs += 1
        self._background.start(self._counted(job), name=name)

    async def _counted(self, job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        finally:
            self._jobs -= 1

    async def notice(
        self, chat: str, message: str, markdown: str, card: Card | None = None
    ) -> None:
        """Say something as a message of its own; without a way it waits for the next contact.

        It is kept when this returns, and posted behind the caller's back; as ``card`` where
        that is given and WeCom takes it.
        """
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
        if card is not None:
            self._posts.draw(delivery.id, card)
        self._start(partial(self._post, delivery), name=f"posts of {chat}")

    async def recover(self) -> None:
        """Take up what the last run left on its way, and what is due, for as long as we live.

        Called before anything of this run can be on its way.
        """
        self._posts.take_up(await self._store.deliveries.all_sending())
        for one in await self._store.deliveries.unseen(self._clock() - self._timing.window_ms):
            log.warning(
                "delivery.doubted", delivery=one.id, turn=one.turn, via=one.via, cause=one.cause
            )
        # Also where no address is left: a bubble may be open, or be opened by a repeat.
        self._first = [one.chat for one in await self._store.deliveries.all_waiting()]
        self._background.keep(self._retry, name="wecom deliveries")

    async def retry_once(self) -> None:
        """Begin to bring what may leave now, each chat by itself: none holds up another."""
        await self._posts.keep_again()
        now = self._clock()
        ready = await self._store.deliveries.ready(now, now - self._timing.late_ms)
        for chat in dict.fromkeys([*self._posts.doubts(now), *self._first, *ready]):
            if chat not in self._busy:
                self._busy.add(chat)
                self._start(partial(self._retry_chat, chat), name=f"deliveries of {chat}")
        self._first = []

    async def watch(self) -> None:
        """See to it, for as long as the service lives, that no unfinished turn's way out runs dry."""
        while True:
            await asyncio.sleep(WATCH_S)
            await self.watch_once()

    async def watch_once(self) -> None:
        """Where the last address left to a turn is about to expire, say where its answer will wait."""
        last: dict[str, tuple[InboundRecord, list[TurnRecord]]] = {}
        for turn in await self._store.turns.unfinished():
            if not self._old(turn.created_at):
                continue
            sources = await self._posts.usable(turn.chat, turn.message)
            youngest = max(sources, key=lambda one: one.received_at, default=None)
            if youngest is not None and self._old(youngest.received_at):
                last.setdefault(youngest.message, (youngest, []))[1].append(turn)
        for source, turns in last.values():
            await self._last_words(source, turns)

    async def _last_words(self, source: InboundRecord, turns: list[TurnRecord]) -> None:
        words = [texts.WILL_WAIT.say(turn.language, n=turn.n) for turn in turns]
        outcome = await self._posts.spend(source, "\n\n".join(words))
        if outcome is None:
            return
        for turn in turns:
            log.info("turn.outlived", turn=turn.n, outcome=outcome.kind, cause=outcome.cause)

    def _old(self, at: int) -> bool:
        return self._clock() - at >= self._timing.last_words_ms

    async def _retry(self) -> None:
        while True:
            await self.retry_once()
            now = self._clock()
            times = (await self._store.deliveries.next_at(now), self._posts.next_at(now))
            pauses = [(at - now) / 1000 for at in times if at is not None]
            pause_s = min([RETRY_S, *pauses])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._posts.woken.wait()
            self._posts.woken.clear()

    async def _retry_chat(self, chat: str) -> None:
        try:
            await self._posts.resume(chat)
            for delivery in await self._store.deliveries.due(chat):
                await self._bring(delivery, language_of(delivery.body) or "zh")
        except StoreError as exc:  # the next look tries again
            log.warning("deliveries.postponed", chat=chat, error=type(exc).__name__)
        finally:
            self._busy.discard(chat)

    async def _bring(self, delivery: Delivery, language: Language) -> None:
        """Offer it in its bubble, then post what may leave. Raises ``StoreError``."""
        await self._offer(delivery, language)
        await self._posts.flush(delivery.chat)

    async def _offer(self, delivery: Delivery, language: Language) -> None:
        with self._posts.held(delivery.id):
            bubble = await self._open_bubble(delivery, language)
            if bubble is not None:
                await self._by_poll(bubble, delivery)

    def waits_for_poll(self, bubble: Bubble) -> bool:
        """Tell whether a bubble is open, and WeCom came for it lately."""
        silent_ms = self._clock() - bubble.polled_at
        return not bubble.finished and silent_ms <= self._timing.patience_s * 1000

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

    async def _by_poll(self, bubble: Bubble, delivery: Delivery) -> None:
        """Offer the final in the bubble until WeCom comes for it, or has not come for too long."""
        final = bubble.final
        if final is None or final.delivery != delivery.id:  # else it is being offered already
            final = bubble.final = Final(delivery.id, delivery.turn)
        if not self.waits_for_poll(bubble):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timing.patience_s):
                await final.taken.wait()
