"""Whether calls are worth making: after one that failed, one turn tries for all the others."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

PAUSES_S = (1.0, 2.0, 5.0)  # before each further try
TRY_S = 5.0  # a try that has told nothing by then is no reason for the others to wait


class Trust:
    """Given until a call fails; then lent to one try at a time, until a try succeeds."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._given = asyncio.Event()
        self._given.set()
        self._trying = False
        self._next_at = 0.0
        self._pauses: Iterator[float] = iter(())

    def lost(self) -> None:
        """Take in that a call failed. Calls that were under way with it, and fail too, count once."""
        if self._given.is_set():
            self._given.clear()
            self._pauses = iter(PAUSES_S)
        elif not self._trying:
            return
        self._trying = False
        self._next_at = self._timer() + next(self._pauses, PAUSES_S[-1])

    def won(self) -> None:
        """Take in that a call succeeded."""
        self._given.set()

    def renewed(self) -> None:
        """Take in that the server came anew: whoever tries next need not wait."""
        self._next_at = self._timer()

    def lent(self) -> bool:
        """Tell whether to call now; to one who is told so in times of doubt, the try belongs."""
        if self._given.is_set():
            return True
        if self._timer() < self._next_at:
            return False
        self._trying, self._next_at = True, self._timer() + TRY_S
        return True

    async def wait(self, limit_s: float) -> None:
        """Wait until it is given, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._given.wait()
