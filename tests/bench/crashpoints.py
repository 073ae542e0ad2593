"""What a crash point costs while no drill has armed one: a look at an empty list."""

import time

from store.crashpoints import crashpoint

COUNT = 1_000_000
A_MESSAGE = 5  # points that one accepted message passes until its answer has left


def _bare(_name):
    """Do nothing, as a function."""


async def bench():
    """Return the figures as lines: a point that is off, beside a call of an empty function."""
    off, bare = min(_timed(crashpoint) for _ in range(5)), min(_timed(_bare) for _ in range(5))
    return [
        f"a point that is off      {off:>6.0f} ns",
        f"an empty function called {bare:>6.0f} ns",
        f"a message passes {A_MESSAGE}: {A_MESSAGE * off / 1000:.2f} µs",
    ]


def _timed(call):
    begun = time.perf_counter_ns()
    for _ in range(COUNT):
        call("C01")
    return (time.perf_counter_ns() - begun) / COUNT
