"""What runs in a process of its own, because it has to die or because its disk has to fail."""

import asyncio
import itertools
import resource
import sys
from pathlib import Path

from store import open_store
from store.errors import StoreBroken, StoreError
from tests.store.samples import accept

TASKS = 16


async def write_until_killed(url):
    """Accept messages from many tasks, and say each one that was acknowledged."""
    numbers = itertools.count()
    store = await open_store(url)
    say = sys.stdout.write

    async def write():
        while True:
            message = f"m{next(numbers)}"
            await accept(store, message, chat=f"wecom:direct:{message[-1]}")
            say(message + "\n")
            sys.stdout.flush()

    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(write())


async def meet_a_dying_disk(url, spoil):
    """Accept one message, spoil the disk, and say how each later write is refused."""
    broken = []
    store = await open_store(url, on_broken=broken.append)
    await accept(store, "kept")
    spoil(url)
    for message in ("first", "second", "third"):
        try:
            await accept(store, message)
        except StoreError as exc:
            sys.stdout.write(f"{message} {type(exc).__name__} told={len(broken)}\n")
    try:
        async with store.database.transaction():
            pass
    except StoreBroken:
        sys.stdout.write("transaction StoreBroken\n")
    sys.stdout.write(f"read {(await store.inbox.find('kept')).message}\n")
    sys.stdout.write(f"health broken={store.health()['broken']}\n")
    await store.close()


def syncs_fail(url):
    """Let the preloaded library refuse every sync from now on."""
    Path(url.removeprefix("sqlite:///")).with_name("fault").touch()


def writes_fail(url):
    """Let no file grow beyond what it has: the system answers EFBIG, SQLite calls it an I/O error."""
    wal = Path(url.removeprefix("sqlite:///") + "-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, resource.RLIM_INFINITY))


if __name__ == "__main__":
    jobs = {
        "write": write_until_killed,
        "syncs-fail": lambda url: meet_a_dying_disk(url, syncs_fail),
        "writes-fail": lambda url: meet_a_dying_disk(url, writes_fail),
    }
    asyncio.run(jobs[sys.argv[1]](sys.argv[2]))
