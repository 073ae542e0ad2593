"""Sends the frames of bubbles: the newest text alone, seldom enough, and the last word for sure."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from bot.background import Background
from bot.clock import Clock
from bot.errors import StoreError
from bot.texts import delivery as texts
from handlers.wecom.connection import frames
from handlers.wecom.connection.bubble import Bubble, further
from handlers.wecom.connection.speaker import Heard, Speaker
from handlers.wecom.markdown import compose, visible
from handlers.wecom.outcome import Outcome
from handlers.wecom.timing import Timing
from store import Store
from store.crashpoints import crashpoint

log = structlog.get_logger()

TRIES = 2  # of a last word whose answer got lost: said again, it replaces itself
FAILURES = 3  # refusals in a row: then nothing is shown in that bubble any more
AGAIN_S = 1.0  # after a refusal
ARRIVED = frozenset({"done", "unanswered"})  # surely, or perhaps
LONG_MS = 600_000  # a turn that lasts so long is shown half as often

Notice = Callable[[str, str, str], Awaitable[None]]


class Pump:
    """``notice`` keeps a last word that its bubble cannot show: chat, message, Markdown."""

    def __init__(
        self,
        store: Store,
        key: bytes,
        speaker: Speaker,
        notice: Notice,
        background: Background,
        clock: Clock,
        timing: Timing,
    ) -> None:
        self._store = store
        self._key = key
        self._speaker = speaker
        self._notice = notice
        self._background = background
        self._clock = clock
        self._timing = timing
        self._next_at: dict[str, float] = {}
        self._ending = 0

    @property
    def ending(self) -> int:
        """How many last words are on their way."""
        return self._ending

    def start(self, bubble: Bubble) -> None:
        """See to it that a bubble shows what it is to show."""
        bubble.wake()
        if not bubble.pumping and self._speaker.up and self._wait_s(bubble) is not None:
            bubble.pumping = True
            self._background.start(self._run(bubble), name=f"bubble of {bubble.message}")

    async def conclude(self, bubble: Bubble, content: str) -> Outcome:
        """Finish the open stream with a final answer; ``refused``: a push has to bring it."""
        async with bubble.lock:
            if not bubble.open:
                return Outcome("refused", "no open stream")
            if self._expired(bubble):
                await self.close(bubble, "")
                return Outcome("refused", "expired")
            if bubble.parting:
                return await self._parted(bubble)
            crashpoint("C18s")
            outcome = await self._say_last(bubble, content)
            crashpoint("C20s")
            if outcome.kind in {"sent", "refused", "barred"}:
                await self.close(bubble, content if outcome.kind == "sent" else "")
            return outcome

    async def hand_over(self, bubble: Bubble) -> None:
        """Finish the open stream while its turn goes on: the next text opens another one."""
        async with bubble.lock:
            if bubble.open and bubble.last is None and bubble.final is None:
                await self._hand_over(bubble)

    async def close(self, bubble: Bubble, content: str) -> None:
        """Take note that a bubble is over, and of what it shows."""
        bubble.finished = True
        bubble.changed_at = self._clock()
        await self._keep(bubble, content, finished=True)

    async def _run(self, bubble: Bubble) -> None:
        try:
            while self._speaker.up and (wait_s := self._wait_s(bubble)) is not None:
                if wait_s <= 0:
                    await self._step(bubble)
                    continue
                bubble.woken.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await bubble.woken.wait()
        finally:
            bubble.pumping = False

    async def _step(self, bubble: Bubble) -> None:
        async with bubble.lock:  # a final may have come in between
            if bubble.ends:
                await self._end(bubble)
            elif self._is_old(bubble):
                await self._hand_over(bubble)
            elif bubble.changes:
                await self._update(bubble)

    def _wait_s(self, bubble: Bubble) -> float | None:
        """Return how long the next frame must wait; None when there is none to send."""
        now = asyncio.get_running_loop().time()
        rest_s = bubble.not_before - now
        if bubble.ends or self._is_old(bubble):
            return rest_s
        if not bubble.changes:
            return None
        if bubble.stream and not bubble.opened_at:
            return rest_s  # the first sign of life
        next_at = self._next_at.get(bubble.conversation.key, 0.0)
        return max(rest_s, next_at - now, self._speaker.wait_s(bubble.conversation))

    def _is_old(self, bubble: Bubble) -> bool:
        """Tell whether WeCom will soon take no more for the open stream."""
        age_ms = self._clock() - bubble.opened_at
        old = age_ms >= self._timing.hand_over_ms or bool(bubble.parting)
        return bubble.open and bubble.final is None and old

    async def _update(self, bubble: Bubble) -> None:
        if not bubble.stream:
            bubble.begin(further(self._key, bubble.message, self._clock()))
            await self._reopen(bubble)
        content, first = bubble.content, not bubble.opened_at
        if first:
            bubble.opened_at = self._clock()
        request = frames.stream(bubble.handle, bubble.stream, content, finished=False)
        heard = await self._speaker.say(bubble.conversation, request, final=first)
        bubble.brought = bubble.brought or heard.kind in ARRIVED
        now = asyncio.get_running_loop().time()
        self._next_at[bubble.conversation.key] = now + self._every_s(bubble)
        if heard.kind == "done":
            bubble.shown, bubble.failures = content, 0
        elif heard.kind in {"unsent", "wait"}:
            bubble.opened_at = 0 if first else bubble.opened_at
            bubble.not_before = now + AGAIN_S
        else:
            self._refused(bubble, heard)

    def _every_s(self, bubble: Bubble) -> float:
        """Return the time between two updates: who works for long must get by with an hour's room."""
        every_s = self._timing.pace.update_every_s
        return every_s * 2 if self._clock() - bubble.received_at >= LONG_MS else every_s

    def _refused(self, bubble: Bubble, heard: Heard) -> None:
        bubble.shown = None
        bubble.not_before = asyncio.get_running_loop().time() + AGAIN_S
        if heard.kind == "unanswered":
            return
        bubble.failures += 1
        if heard.kind == "expired":
            bubble.begin("")
        bubble.dead = heard.kind in {"elsewhere", "barred"} or bubble.failures >= FAILURES

    async def _hand_over(self, bubble: Bubble) -> None:
        if self._expired(bubble):
            bubble.begin("")
            return
        words = texts.HANDED_OVER.say(bubble.language)
        text = f"{words}\n\n{bubble.text}" if visible(bubble.text) else words
        content = bubble.parting or compose(bubble.prefix, text)
        # Kept before it is said: after a restart these very words may be said again, and no others.
        if not await self._keep(bubble, content, finished=False):
            bubble.not_before = asyncio.get_running_loop().time() + AGAIN_S
            return
        outcome = await self._say_last(bubble, content)
        # What may have arrived counts as arrived: said again with newer words it would be refused.
        if outcome.kind in {"unsent", "limited"} and not bubble.doubted:
            bubble.not_before = asyncio.get_running_loop().time() + AGAIN_S
            return
        age_s = (self._clock() - bubble.opened_at) // 1000
        log.info("bubble.handed_over", message=bubble.message, age_s=age_s)
        await self._keep(bubble, content, finished=True)
        bubble.prefix = ""
        bubble.begin("")

    async def _parted(self, bubble: Bubble) -> Outcome:
        """Leave a stream that the last run may have left already; a push has to bring the final."""
        doubted = bubble.doubted
        await self._hand_over(bubble)
        bubble.doubted = doubted
        return Outcome("refused", "handed over before")

    async def _end(self, bubble: Bubble) -> None:
        """Say a last word that no delivery stands for."""
        content = bubble.last or ""
        if bubble.parting and not bubble.owed:
            content = bubble.parting
        if self._expired(bubble) and not bubble.owed:
            await self.close(bubble, content)
            return
        outcome = Outcome("refused", "no open stream")  # it was left while the last word came
        self._ending += 1
        try:
            if bubble.stream:
                await self._keep(bubble, content, finished=False)
                outcome = await self._say_last(bubble, content)
        finally:
            self._ending -= 1
        if outcome.kind in {"unsent", "limited"} and not (bubble.doubted and self._expired(bubble)):
            bubble.not_before = asyncio.get_running_loop().time() + AGAIN_S
            return
        if outcome.kind != "sent" and bubble.owed and not bubble.doubted:
            try:
                await self._notice(bubble.chat, bubble.message, content)
            except StoreError:  # said again in a moment
                bubble.not_before = asyncio.get_running_loop().time() + AGAIN_S
                return
        await self.close(bubble, content)

    async def _say_last(self, bubble: Bubble, content: str) -> Outcome:
        bubble.opened_at = bubble.opened_at or self._clock()
        request = frames.stream(bubble.handle, bubble.stream, content, finished=True)
        heard = Heard("unsent")
        for _ in range(TRIES):
            heard = await self._speaker.say(bubble.conversation, request)
            bubble.brought = bubble.brought or heard.kind in ARRIVED
            if heard.kind != "unanswered":
                break
            bubble.doubted = True
        if heard.kind == "unanswered":  # the very same frame may be sent at any later time
            return Outcome("unsent", heard.cause)
        return heard.outcome

    def _expired(self, bubble: Bubble) -> bool:
        """Tell whether WeCom takes nothing more for the open stream."""
        return bubble.opened_at > 0 and self._clock() - bubble.opened_at >= self._timing.window_ms

    async def _keep(self, bubble: Bubble, content: str, *, finished: bool) -> bool:
        try:
            await self._store.inbox.show([(bubble.stream, content, finished)])
        except StoreError as exc:  # a restart would say it again, in the same place
            log.warning("bubbles.unsaved", error=type(exc).__name__, bubbles=1)
            return False
        return True

    async def _reopen(self, bubble: Bubble) -> None:
        try:
            await self._store.inbox.reopen(bubble.message, bubble.stream)
        except StoreError as exc:
            log.warning("bubbles.unsaved", error=type(exc).__name__, bubbles=1)
