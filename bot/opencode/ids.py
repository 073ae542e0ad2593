"""Ids for prompts, in the server's own ascending format, so that we know them beforehand.

``msg_`` + 12 hex digits + 14 letters and digits. The digits are the low 48 bits of
``milliseconds * 4096 + counter``; they start again from zero every 795 days, and then the ids
compare as smaller once, the server's own as well.
"""

import secrets
import string

from bot.clock import Clock, now_ms

PREFIX = "msg_"
DIGITS = 12
TAIL = 14
BITS = 4 * DIGITS
PER_MS = 0x1000
_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase


class MessageIds:
    """Gives every prompt an id above the one before; ``last`` is the newest that was ever given.

    A clock that stands still or was set back does not matter: the ids go on from the last.
    """

    def __init__(self, clock: Clock = now_ms, *, last: str = "") -> None:
        self._clock = clock
        self._last = _stamp(last)

    def next(self) -> str:
        """Return a new id."""
        stamp = (self._clock() * PER_MS + 1) % (1 << BITS)
        if self._last is not None and not _above(stamp, self._last):
            stamp = (self._last + 1) % (1 << BITS)
        self._last = stamp
        tail = "".join(secrets.choice(_LETTERS) for _ in range(TAIL))
        return f"{PREFIX}{stamp:0{DIGITS}x}{tail}"


def _stamp(identifier: str) -> int | None:
    """Return what stands in an id for its time, None when it is not of this format."""
    digits = identifier.removeprefix(PREFIX)[:DIGITS]
    if not identifier.startswith(PREFIX) or len(digits) < DIGITS:
        return None
    try:
        return int(digits, 16)
    except ValueError:
        return None


def _above(stamp: int, last: int) -> bool:
    """Compare on a circle: what is less than half of it ahead comes after."""
    return 0 < (stamp - last) % (1 << BITS) < 1 << (BITS - 1)
