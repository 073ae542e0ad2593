"""The wall clock, as an argument: Unix milliseconds."""

import time
from collections.abc import Callable

Clock = Callable[[], int]


def now_ms() -> int:
    """Return the time of the machine in Unix milliseconds."""
    return time.time_ns() // 1_000_000
