"""Files that only the service may read, and logs that stay small."""

import contextlib
import os
import re
from pathlib import Path

from bot.opencode.words import unquoted

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


def write_durably(file: Path, content: bytes) -> None:
    """Write a file that only we can read, whole or not at all, on the disk when this returns."""
    fresh = file.with_name(f".{file.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(content)
        sink.flush()
        os.fsync(descriptor)
    hand_over(fresh, file.parent)
    fresh.replace(file)
    sync(file.parent)


def hand_over(path: Path, like: Path) -> None:
    """Let a file of ours belong to whom ``like`` belongs: root may work for the service's user."""
    facts = like.stat()
    if os.geteuid() == 0 and (facts.st_uid, facts.st_gid) != (0, 0):
        os.chown(path, facts.st_uid, facts.st_gid)


def sync(*paths: Path) -> None:
    """Bring files, or what names folders hold, to the disk."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
        text = unquoted(COLOUR.sub("", source.read(10_000).decode(errors="replace")))
    return " ".join(line.strip() for line in text.splitlines()[-LAST_LINES:] if line.strip())
