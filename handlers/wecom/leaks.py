"""The close guarantee: every bubble that was opened is finished, whatever became of its turn."""

import structlog

from bot.clock import Clock
from handlers.wecom.bubbles import Bubble, Bubbles
from handlers.wecom.polls import Polls
from handlers.wecom.timing import Timing
from store import Store
from store.records import OPEN_STATES

log = structlog.get_logger()

QUIET_MS = 60_000  # the bubble of a turn that runs changes more often


class Leaks:
    """Finds open bubbles that nobody will finish any more, and finishes them."""

    def __init__(
        self, store: Store, bubbles: Bubbles, polls: Polls, clock: Clock, timing: Timing
    ) -> None:
        self._store = store
        self._bubbles = bubbles
        self._polls = polls
        self._clock = clock
        self._timing = timing

    async def close(self) -> int:
        """Finish what is left over; return how many. Raises StoreError."""
        left_over = [one for one in self._bubbles.unfinished if await self._finished(one)]
        for bubble in left_over:
            log.warning("bubble.closed", message=bubble.message, age_s=self._age(bubble) // 1000)
        return len(left_over)

    async def _finished(self, bubble: Bubble) -> bool:
        """Finish a bubble if its time is over, or its turn is; tell whether that was so."""
        if bubble.finished:  # while we looked at another
            return False
        limit_ms = self._timing.window_ms if bubble.loaded else self._timing.hand_over_ms
        if self._age(bubble) >= limit_ms:
            await self._bubbles.load(bubble)
            self._bubbles.hand_over(bubble)
            return bubble.finished
        if bubble.final is not None or self._clock() - bubble.changed_at < QUIET_MS:
            return False
        return await self._concluded(bubble)

    async def _concluded(self, bubble: Bubble) -> bool:
        turn = await self._store.turns.by_message(bubble.message)
        if turn is not None and turn.state in OPEN_STATES:
            return False
        delivery = None if turn is None else await self._store.deliveries.of_turn(turn.n)
        await self._bubbles.load(bubble)
        if bubble.finished or bubble.final is not None:  # while we read
            return False
        self._polls.conclude(bubble, turn, delivery)
        return True

    def _age(self, bubble: Bubble) -> int:
        return self._clock() - bubble.received_at
