"""The memory of the process: how much it is, and how what the C library holds free is joined.

Cut ever finer, the library's heap would ask the system for more. glibc keeps small freed pieces
apart from their neighbours until it is told to join them, and has a heap for each few threads,
whose end it hardly ever gives back.
https://man7.org/linux/man-pages/man3/malloc_trim.3.html
https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

import asyncio
import ctypes
import sys

import psutil

EVERY_S = 60.0
M_ARENA_MAX = -8  # of mallopt


def resident_bytes() -> int:
    """Return how much of the process lies in the machine's memory."""
    return int(psutil.Process().memory_info().rss)


def blocks() -> int:
    """Return how many blocks Python has in use; the number falls as soon as memory is freed."""
    return sys.getallocatedblocks()


def share_one(library: object) -> bool:
    """Let all threads share one heap; False where the C library cannot. Before a thread starts.

    They hardly ever ask for memory at the same time: most of the service is one thread.
    """
    mallopt = getattr(library, "mallopt", None)
    return mallopt is not None and bool(mallopt(M_ARENA_MAX, 1))


def tidy(library: object) -> bool:
    """Join free pieces and give whole pages back; False where the C library has no such call."""
    trim = getattr(library, "malloc_trim", None)
    if trim is None:
        return False
    trim(ctypes.c_size_t(0))
    return True


async def keep_tidy() -> None:
    """Tidy the heap once a minute, for as long as the service lives; it takes some milliseconds."""
    library = ctypes.CDLL(None)
    while True:
        if not await asyncio.to_thread(tidy, library):
            return
        await asyncio.sleep(EVERY_S)
