"""S9: the database grows with what is kept, not with what came through; each message is found at once.

A million messages are the benchmark `growth`.
"""

import asyncio
import importlib
import pkgutil
import re

import pytest

import store as package
from store import open_store
from store.database import Statement
from tests.store.samples import accept

CYCLES = 10
EACH = 5_000
CHATS = 1_000
AT_ONCE = 500
DAY_MS = 86_400_000
PARAMETER = re.compile(r"\$(\d+)")
END = "UPDATE turns SET state = 'done', answer = text, ended_at = $1 WHERE state = 'queued'"
BRING = """
    INSERT INTO deliveries (chat, turn, message, body, state, created_at, changed_at)
    SELECT chat, n, message, text, 'sent', $1, $1 FROM turns WHERE state = 'queued'
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bot.db"


async def one_day(store, day):
    """Take in a day's messages and answer them."""
    first, at = day * EACH, day * DAY_MS + DAY_MS
    for start in range(first, first + EACH, AT_ONCE):
        async with asyncio.TaskGroup() as group:
            for n in range(start, start + AT_ONCE):
                chat = f"wecom:direct:p{n % CHATS}"
                group.create_task(accept(store, f"m{n}", chat=chat, text="x" * 300, at=at))
    await store.database.write(Statement(BRING, at), Statement(END, at))
    return at


async def test_s9_what_was_forgotten_makes_room_for_what_comes(path):
    sizes = []
    async with await open_store(f"sqlite:///{path}") as store:
        for day in range(CYCLES):
            at = await one_day(store, day)
            await store.purge(at - DAY_MS)
            await store.database.fetch_all("SELECT 1")
            sizes.append(store.health()["bytes"])
        counts = await store.turns.counts()
        assert counts == {"done": 2 * EACH}, "two days are kept"
        assert await store.inbox.find("m0") is None
        assert await store.inbox.find(f"m{CYCLES * EACH - 1}") is not None
    assert max(sizes[4:]) <= 1.1 * sizes[3], sizes
    assert path.stat().st_size <= 1.1 * sizes[3]


# What is asked for each message, poll or answer must not read through all that is kept.

KEPT = ("inbound", "turns", "deliveries", "edges", "chats", "sessions", "versions", "changes")
SCANNED = re.compile(rf"SCAN (?:{'|'.join(KEPT)})\b(?! USING (?:COVERING )?INDEX)")
# Asked at the start, once an hour, or by an operator; some end after the newest few.
RARE = {
    "store.chats.ALL",
    "store.chats.LAST_CONTACTS",
    *(
        f"store.{module}.{name}"
        for module in ("deliveries", "delivery_sql")
        for name in ("COUNTS", "MOVE_HOUSE", "MOVE_MESSAGES", "MOVE_TURNS", "UNSENT", "UNSENT_ALL")
    ),
    "store.files.BLOBS",
    "store.files.OLD_VERSIONS",
    "store.looking.CONTACTS",
    "store.looking.PEOPLE",
    "store.mapping.MAPPED",
    "store.turns.COUNTS",
    "store.turns.OLD",
    "store.turns.LAST_PROMPT",
    "store.turns.NEWEST",
}


def statements():
    """Yield every statement of the repositories by the name of its constant."""
    for module in pkgutil.iter_modules(package.__path__):
        if module.name in {"copying", "migrate", "sqlite", "writer", "wal"}:
            continue
        found = vars(importlib.import_module(f"store.{module.name}"))
        for name, sql in found.items():
            whole = isinstance(sql, str) and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)\b", sql)
            if name.isupper() and whole:
                yield f"store.{module.name}.{name}", sql


async def test_s9_no_statement_reads_through_all_that_is_kept(path):
    scans = {}
    async with await open_store(f"sqlite:///{path}") as store:
        for name, sql in statements():
            last = max((int(number) for number in PARAMETER.findall(sql)), default=0)
            try:
                plan = await store.database.fetch_all(f"EXPLAIN QUERY PLAN {sql}", *[None] * last)
            except package.errors.StoreError:
                continue  # a part of a statement
            steps = [row[3] for row in plan]
            if any(SCANNED.match(step) for step in steps):
                scans[name] = steps
    assert {name: steps for name, steps in scans.items() if name not in RARE} == {}
