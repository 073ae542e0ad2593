"""Run every benchmark, one after the other, and print what it says."""

import os
import platform
import sys
import time

import structlog
import uvloop

from tests.bench import (
    callback,
    connection,
    crashpoints,
    events,
    growth,
    memory,
    signatures,
    store,
)

BENCHMARKS = {
    "Signatures: wrong at the first byte against wrong at the last": signatures.bench,
    "Crash points, while they are off": crashpoints.bench,
    "Store: group commit against a commit a message": store.bench,
    "Growth: a message kept with a million before it": growth.bench,
    "Callbacks and polls against a bare aiohttp handler": callback.bench,
    "Connection: messages, updates and uploads, against WeCom's own SDK": connection.bench,
    "Events: frames folded, against httpx line by line": events.bench,
    "Memory: the idle service, and a running turn": memory.bench,
}


def main():
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    sys.stdout.write(
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
    )
    wanted = sys.argv[1:]
    for title, bench in BENCHMARKS.items():
        if wanted and not any(word in title.lower() for word in wanted):
            continue
        began = time.monotonic()
        sys.stdout.write(f"\n{title}\n")
        for line in uvloop.run(bench()):
            sys.stdout.write(f"  {line}\n")
        sys.stdout.write(f"  ({time.monotonic() - began:.0f} s)\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
