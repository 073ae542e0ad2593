"""How often something may be done: so many a minute, so many an hour, over sliding windows."""

from collections import defaultdict, deque

from bot.clock import Clock
from bot.sandbox.cipher import Refused

A_MINUTE = 30
AN_HOUR = 1000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


class Quota:
    """Counts what each chat, or each bot, was sent."""

    def __init__(self, clock: Clock, refusal: str = "frequency") -> None:
        self._clock = clock
        self._refusal = refusal
        self._sent: defaultdict[str, deque[int]] = defaultdict(deque)

    def check(self, who: str) -> None:
        """Raise ``Refused`` when the next one would be too many."""
        now, sent = self._clock(), self._sent[who]
        while sent and sent[0] <= now - HOUR_MS:
            sent.popleft()
        latest = sum(1 for at in reversed(sent) if at > now - MINUTE_MS)
        if latest >= A_MINUTE or len(sent) >= AN_HOUR:
            raise Refused(self._refusal, f"{latest} in a minute, {len(sent)} in an hour")

    def count(self, who: str) -> None:
        """Note that one was taken."""
        self._sent[who].append(self._clock())
