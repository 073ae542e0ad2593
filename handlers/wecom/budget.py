"""How much may still be said in a chat: WeCom's limits per minute and per hour, with a reserve."""

from collections import deque
from dataclasses import dataclass

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
MARGIN_MS = 2_000  # WeCom counts when a message comes to it, we when it leaves


@dataclass(frozen=True, slots=True)
class Limits:
    """What one conversation may take, and how much of that is kept for final answers."""

    per_minute: int = 30
    per_hour: int = 1000
    minute_reserve: int = 6
    hour_reserve: int = 100


class Budget:
    """Counts what left for each chat, in sliding windows. ``now`` is in milliseconds, of any clock.

    Ask ``wait_ms`` and then, in the same step, say ``spend``: nothing is counted by asking.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._spent: dict[str, deque[int]] = {}
        self._rests: dict[str, int] = {}
        self._tidied_at = 0

    def __len__(self) -> int:
        return len(self._spent.keys() | self._rests.keys())

    def wait_ms(self, chat: str, now: int, *, final: bool = False) -> int:
        """Return how long a message must wait, 0 when it may leave now.

        Only a ``final`` may use the reserve.
        """
        spent = self._settled(chat, now)
        minute = self._limits.per_minute - (0 if final else self._limits.minute_reserve)
        hour = self._limits.per_hour - (0 if final else self._limits.hour_reserve)
        return max(
            0,
            self._rests.get(chat, now) - now,
            _wait_ms(spent, minute, MINUTE_MS + MARGIN_MS, now),
            _wait_ms(spent, hour, HOUR_MS + MARGIN_MS, now),
        )

    def spend(self, chat: str, now: int) -> None:
        """Count a message that leaves, also one that was not allowed to."""
        self._tidy(now)
        self._settled(chat, now)
        if chat not in self._spent:
            self._spent[chat] = deque(maxlen=self._limits.per_hour)
        self._spent[chat].append(now)

    def rest(self, chat: str, until: int) -> None:
        """Let nothing leave for a chat before ``until``: WeCom said that it was too much."""
        self._rests[chat] = max(until, self._rests.get(chat, until))

    def left(self, chat: str, now: int) -> int:
        """Return how many messages may leave for a chat at once, the reserve among them."""
        spent = self._settled(chat, now)
        if self._rests.get(chat, now) > now:
            return 0
        within_minute = sum(1 for at in spent if at + MINUTE_MS + MARGIN_MS > now)
        within_hour = sum(1 for at in spent if at + HOUR_MS + MARGIN_MS > now)
        minute = self._limits.per_minute - within_minute
        return max(0, min(minute, self._limits.per_hour - within_hour))

    def _settled(self, chat: str, now: int) -> deque[int]:
        """Return what was spent; what lies in the future, as the clock was set back, is of now."""
        spent = self._spent.get(chat, deque())
        if spent and spent[-1] > now:
            spent = deque((min(at, now) for at in spent), maxlen=self._limits.per_hour)
            self._spent[chat] = spent
        return spent

    def _tidy(self, now: int) -> None:
        """Forget chats in which nothing counts any more; a look once an hour is enough."""
        if 0 <= now - self._tidied_at < HOUR_MS:
            return
        self._tidied_at = now
        old = now - HOUR_MS - MARGIN_MS
        self._spent = {chat: spent for chat, spent in self._spent.items() if spent[-1] > old}
        self._rests = {chat: until for chat, until in self._rests.items() if until > now}


def _wait_ms(spent: deque[int], limit: int, window_ms: int, now: int) -> int:
    """Return when the message that was sent ``limit`` messages ago leaves the window."""
    return spent[-limit] + window_ms - now if len(spent) >= limit else 0
