"""Reading the service's database for checks: what cannot be read now is told by one check alone."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from bot.doctor.scene import Scene
from store.errors import StoreError
from store.looking import look

T = TypeVar("T")

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def there(path: Path) -> bool:
    """Tell whether something is there; what must not be looked at is not."""
    try:
        return path.exists()
    except OSError:
        return False


async def read(scene: Scene, from_it: Callable[[sqlite3.Connection], T]) -> T | None:
    """Return what is read, None where there is no database, or none that can be read."""
    if not there(scene.database):
        return None
    try:
        return await asyncio.to_thread(look, scene.database, from_it)
    except StoreError:  # `store.integrity` says why
        return None


def age(ms: int) -> str:
    """Return a span of time as people say it."""
    if ms < MINUTE_MS:
        return f"{max(0, ms) // 1000} s"
    if ms < HOUR_MS:
        return f"{ms // MINUTE_MS} min"
    if ms < 2 * DAY_MS:
        return f"{ms // HOUR_MS} h"
    return f"{ms // DAY_MS} days"


def few(names: Sequence[str], most: int) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def size(count: float) -> str:
    """Return a number of bytes as people say it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004 - as disks are sold
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
