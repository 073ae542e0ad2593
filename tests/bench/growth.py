"""Whether a message is kept as fast with a million before it as with ten thousand."""

import contextlib
import sqlite3
import tempfile
import time
from pathlib import Path

from store import open_store
from tests.store.samples import accept

SMALL, LARGE = 10_000, 1_000_000
CHATS = 10_000
SAMPLES = 2_000
FILL = """
    WITH RECURSIVE numbers (n) AS (
        SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :last
    )
"""
INBOUND = f"""
    {FILL} INSERT INTO inbound (
        message, chat, sender, kind, stream, shown, finished, reply_url_state, received_at
    )
    SELECT 'old-' || n, 'wecom:direct:p' || (n % :chats), 'p', 'prompt', 'stream-old-' || n,
        'the answer of that time', 1, 'used', n FROM numbers
"""
TURNS = f"""
    {FILL} INSERT INTO turns (
        chat, epoch, message, sender, kind, text, language, state, created_at, ended_at
    )
    SELECT 'wecom:direct:p' || (n % :chats), 0, 'old-' || n, 'p', 'prompt',
        'what was asked at that time', 'zh', 'done', n, n FROM numbers
"""


async def bench() -> list[str]:
    """Return the figures as lines; every message is on the disk (FULL) when it counts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bot.db"
        async with await open_store(f"sqlite:///{path}"):
            pass  # the tables
        _fill(path, 0, SMALL)
        few = await _times(path, "few")
        _fill(path, SMALL, LARGE)
        many = await _times(path, "many")
        size = path.stat().st_size / 1e6
    return [
        f"growth: one message after the other, {CHATS:,} chats     p50 ms   p99 ms",
        _line(f"{SMALL:,} messages before it", few),
        _line(f"{LARGE:,} messages before it ({size:,.0f} MB)", many),
        f"  ratio of the p99: {_at(many, 0.99) / _at(few, 0.99):.2f}",
    ]


def _fill(path: Path, first: int, last: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        for sql in (INBOUND, TURNS):
            database.execute(sql, {"first": first, "last": last, "chats": CHATS})
        database.commit()


async def _times(path: Path, name: str) -> list[float]:
    times = []
    async with await open_store(f"sqlite:///{path}") as store:
        for n in range(SAMPLES):
            began = time.perf_counter()
            await accept(store, f"{name}-{n}", chat=f"wecom:direct:p{n * 7919 % CHATS}")
            times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


def _at(times: list[float], part: float) -> float:
    return times[int(len(times) * part)]


def _line(what: str, times: list[float]) -> str:
    return f"  {what:<52} {_at(times, 0.5):>8.2f} {_at(times, 0.99):>8.2f}"
