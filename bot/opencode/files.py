"""Files that only the service may read, and logs that stay small."""

import contextlib
import os
import re
from pathlib import Path

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LAST_LINES = 4


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only we can read, whole or not at all."""
    fresh = file.with_name(f".{file.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as sink:
        os.fchmod(descriptor, 0o600)
        sink.write(content)
    fresh.replace(file)


def bound(log: Path, limit: int) -> None:
    """Keep a log that a server appends to below ``limit`` bytes, and the part before it."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > limit:
            write_private(log.with_suffix(".old.log"), log.read_bytes()[-limit:])
            os.truncate(log, 0)


def size(log: Path) -> int:
    """Return how long a log is by now."""
    with contextlib.suppress(FileNotFoundError):
        return log.stat().st_size
    return 0


def last_words(log: Path, since: int) -> str:
    """Return the last lines that came to a log after it was ``since`` bytes long, in one."""
    with log.open("rb") as source:
        source.seek(since)
        text = COLOUR.sub("", source.read(10_000).decode(errors="replace"))
    return " ".join(line.strip() for line in text.splitlines()[-LAST_LINES:] if line.strip())
