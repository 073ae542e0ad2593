"""Brings what is due by a channel that needs no address: in order, each once."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Protocol
from weakref import WeakValueDictionary

import structlog

from bot.background import Background
from bot.clock import Clock
from bot.errors import StoreError
from handlers.wecom.files import told
from handlers.wecom.outcome import Outcome
from handlers.wecom.posts import delay_ms, postponed, tell
from store import Store
from store.deliveries import Settled
from store.records import Delivery, NewDelivery

log = structlog.get_logger()

RETRY_S = 20.0  # between two looks at what is due, at most
AT_ONCE = 16  # chats
FILES_AT_ONCE = 4
LONGEST_MS = 600_000  # no delivery waits so long: it was told to by a clock that was set back since


class Outlet(Protocol):
    """What a channel can do without having been asked.

    Its outcomes are ``sent``, ``unsent`` (it never left us), ``limited`` (not taken now),
    ``barred`` (never will be) and ``doubtful`` (nobody can tell, and a repeat could show it twice).
    """

    @property
    def up(self) -> bool:
        """Whether anything can leave now; ``Pushes.wake`` says when that has changed."""

    async def load(self, delivery: Delivery) -> Outcome | None:
        """Get a file ready before it is marked as on its way; None once it can leave.

        Nobody sees anything of it by then. Raises ``StoreError``.
        """

    async def push(self, delivery: Delivery) -> Outcome:
        """Bring a delivery, which is marked as on its way; a file that was loaded."""

    async def again(self, delivery: Delivery) -> Outcome:
        """Say what became of one that the last run left on its way; bring it if that is safe."""

    def doubts(self, delivery: Delivery) -> bool:
        """Tell whether something of a delivery that is not brought yet may be there already."""


class Pushes:
    """The one place that pushes deliveries of a channel. In a chat words leave one by one.

    So do files behind them. The store decides who may: a delivery is taken before it leaves.
    """

    def __init__(
        self, store: Store, channel: str, outlet: Outlet, background: Background, clock: Clock
    ) -> None:
        self._store = store
        self._channel = channel
        self._outlet = outlet
        self._background = background
        self._clock = clock
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._files_at_once = asyncio.Semaphore(FILES_AT_ONCE)
        self._unkept: dict[int, tuple[Delivery, Outcome]] = {}
        self._cut_off: list[Delivery] = []
        # Still on their way: they are tried again, and nobody else may show them meanwhile.
        self._doubted: dict[int, Delivery] = {}
        self._busy: set[str] = set()
        self._jobs = 0
        self._woken = asyncio.Event()

    @property
    def posting(self) -> int:
        """How many jobs push something, or are about to."""
        return self._jobs

    def wake(self) -> None:
        """Look again at what is due: the channel can speak, or something is due."""
        self._woken.set()

    def bring(self, chat: str) -> None:
        """Begin to bring what is due in a chat, behind the caller's back."""
        self._jobs += 1
        self._background.start(self._counted(chat), name=f"pushes of {chat}")

    async def notice(self, chat: str, message: str, markdown: str) -> None:
        """Say something as a message of its own; it is kept when this returns. Raises StoreError."""
        now = self._clock()
        await self._store.deliveries.add(
            NewDelivery(
                chat=chat, turn=None, message=message, body=markdown, footer="", more="", at=now
            )
        )
        self.bring(chat)

    async def recover(self) -> None:
        """Take up what the last run left, and what is due, for as long as we live."""
        self._cut_off = await self._store.deliveries.all_sending(self._channel)
        self._background.keep(self._retry, name=f"wecom {self._channel} deliveries")

    async def flush(self, chat: str) -> None:
        """Push the words that are due in a chat, oldest first, until some of them must wait."""
        async with self._line(chat), self._at_once:
            while self._outlet.up and (taken := await self._take(chat)) is not None:
                await self._keep(taken, await self._pushed(taken))

    async def _flush_files(self, chat: str) -> None:
        """Push the files that are due behind them, unless they are on their way already."""
        line = self._line(f"{chat} files")
        if line.locked():
            return
        async with line, self._files_at_once:
            while self._outlet.up and (first := await self._first(chat, file=True)) is not None:
                failed = await self._outlet.load(first)  # an end of the service here costs nothing
                taken = await self._taken(first)
                if taken is None:
                    return
                await self._keep(taken, failed or await self._pushed(taken))
                await self.flush(chat)  # what is to be told of it

    async def retry_once(self) -> None:
        """Begin to bring what may leave now, each chat by itself: none holds up another."""
        for delivery, outcome in list(self._unkept.values()):
            await self._keep(delivery, outcome)
        if not self._outlet.up:
            return
        while self._cut_off:
            await self._take_up(self._cut_off.pop(0))
        waiting = await self._store.deliveries.all_waiting(self._channel)
        for one in (*self._doubted.values(), *waiting):
            if self._may_leave(one) and one.chat not in self._busy:
                self._busy.add(one.chat)
                self.bring(one.chat)

    async def _pushed(self, delivery: Delivery) -> Outcome:
        try:
            return await self._outlet.push(delivery)
        except StoreError as exc:  # an outlet reads before it speaks: nothing has left
            return Outcome("unsent", type(exc).__name__)

    async def _take_up(self, delivery: Delivery) -> None:
        """See what became of one that the last run left; where the store fails, the next look does."""
        try:
            outcome = await self._outlet.again(delivery)
        except StoreError:
            self._cut_off.insert(0, delivery)
            raise
        await self._keep(delivery, outcome)

    async def _counted(self, chat: str) -> None:
        try:
            await self.flush(chat)
            self._busy.discard(chat)  # no words wait for an upload
            await self._flush_files(chat)
        except StoreError as exc:  # the next look tries again
            log.warning("deliveries.postponed", chat=chat, error=type(exc).__name__)
        finally:
            self._jobs -= 1
            self._busy.discard(chat)

    def _line(self, chat: str) -> asyncio.Lock:
        return self._lines.setdefault(chat, asyncio.Lock())

    async def _take(self, chat: str) -> Delivery | None:
        """Return the oldest words, marked as on their way; None when they may not leave yet."""
        first = await self._first(chat, file=False)
        return None if first is None else await self._taken(first)

    async def _first(self, chat: str, *, file: bool) -> Delivery | None:
        """Return the oldest words that are to leave, or the oldest file; None if it may not yet.

        A file also waits for all words that are older.
        """
        doubted = (one for one in self._doubted.values() if one.chat == chat)
        first = next((one for one in doubted if bool(one.file) is file), None)
        if first is None:
            due = await self._store.deliveries.due(chat, self._channel)
            first = next((one for one in due if file or not one.file), None)
        fits = first is not None and bool(first.file) is file and self._may_leave(first)
        return first if fits else None

    async def _taken(self, delivery: Delivery) -> Delivery | None:
        """Mark a delivery as on its way; None when it is not due any more."""
        if delivery.id in self._doubted:  # on its way already
            return self._doubted.pop(delivery.id)
        return await self._store.deliveries.push(delivery.id, self._channel)

    def _may_leave(self, delivery: Delivery) -> bool:
        return not 0 < delivery.next_at - self._clock() <= LONGEST_MS

    async def _retry(self) -> None:
        while True:
            await self.retry_once()
            now = self._clock()
            at = await self._store.deliveries.next_at(now, self._channel)
            times = [one.next_at for one in self._doubted.values()] + ([at] if at else [])
            pause_s = min([RETRY_S, *((one - now) / 1000 for one in times if one > now)])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()
            self._woken.clear()

    async def _keep(self, delivery: Delivery, outcome: Outcome) -> None:
        """Write down what became of a push; later, when the store cannot now."""
        try:
            await self._write(delivery, outcome)
        except StoreError as exc:
            if delivery.id not in self._unkept:
                postponed(delivery, exc)
            self._unkept[delivery.id] = (delivery, outcome)
            return
        self._unkept.pop(delivery.id, None)
        tell(delivery, outcome, self._channel)

    async def _write(self, delivery: Delivery, outcome: Outcome) -> None:
        deliveries, cause, via = self._store.deliveries, outcome.cause, self._channel
        match outcome.kind:
            case "sent":
                await deliveries.settle(delivery.id, "sent", via=via)
            case "doubtful" | "barred" | "refused":
                state: Settled = "unknown" if outcome.kind == "doubtful" else "failed"
                words = await told(self._store, delivery, outcome)
                await deliveries.settle(delivery.id, state, cause, via=via, words=words)
            case _:  # it never left, or is not wanted now
                await self._try_again(delivery, outcome)

    async def _try_again(self, delivery: Delivery, outcome: Outcome) -> None:
        at = self._clock() + delay_ms(delivery.attempts, outcome)
        if not self._outlet.doubts(delivery):
            await self._store.deliveries.release(delivery.id, outcome.cause, at)
            return
        await self._store.deliveries.postpone(delivery.id, outcome.cause, at, via=self._channel)
        self._doubted[delivery.id] = replace(delivery, next_at=at, attempts=delivery.attempts + 1)
