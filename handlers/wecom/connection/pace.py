"""How fast things go on the long connection."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from handlers.wecom.budget import Limits

HOUR_MS = 3_600_000
DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Pace:
    """Spans of time on the long connection. Tests shorten them.

    A kicked or a refused connection is tried again after ``slow_s``, twice that the next time, and
    so on: two services that hold the same bot must not throw each other out in turns.
    """

    open_s: float = 10.0  # for the WebSocket to be there
    ack_s: float = 5.0  # for WeCom to answer a frame
    ping_every_s: float = 30.0
    missed_pings: int = 2  # then it is dead
    back_off_s: float = 1.0  # before the first new try, doubled up to
    longest_s: float = 30.0
    steady_s: float = 60.0  # up for so long, the next loss is a first one again
    slow_s: float = 300.0
    slowest_s: float = 3600.0
    update_every_s: float = 2.5  # between two updates in one conversation
    rest_s: float = 45.0  # when WeCom says that it was too much
    patience_s: float = 5.0  # for room in the budget, before a final is put off
    handle_ms: int = 24 * HOUR_MS - 600_000  # WeCom takes answers to a message for a day
    reply_s: float = 4.5  # WeCom takes a greeting, or a card's new face, for 5 s
    accept_again_s: tuple[float, ...] = (0.5, 2.0, 5.0)  # the store could not keep a message
    turnstile_s: float = 1.0  # a message waits so long for the one before it in its conversation
    upload_s: float = 1500.0  # WeCom keeps an upload open for 30 minutes
    limits: Limits = DEFAULT

    def delays(self) -> Iterator[float]:
        """Yield how long to wait before each new try, in seconds."""
        yield from _growing(self.back_off_s, self.longest_s, low=0.5)

    def slow_delays(self) -> Iterator[float]:
        """Yield the same for a connection that was kicked or refused."""
        yield from _growing(self.slow_s, self.slowest_s, low=1.0)


STEADY = Pace()


def _growing(first_s: float, longest_s: float, *, low: float) -> Iterator[float]:
    delay_s = first_s
    while True:
        # Spreads many that were cut off together; hides nothing.
        yield delay_s * random.uniform(low, low + 0.5)  # noqa: S311
        delay_s = min(delay_s * 2, longest_s)
