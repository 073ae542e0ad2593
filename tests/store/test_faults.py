"""Full disks, dying disks and dying processes lose nothing that was acknowledged."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from store import open_store
from store.connection import as_ours
from store.database import Statement
from store.errors import StoreError, StoreFull
from tests.reliability.processes import faulty_disk
from tests.small_disk import small_disk
from tests.store.samples import CHAT, accept

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
KILLS = 3
ACKNOWLEDGED = 300
TMPFS_BYTES = 1_000_000


def check_integrity(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def child(job, url, **environ):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.store.children",
        job,
        url,
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def test_a_killed_process_loses_nothing_that_it_acknowledged(url, path):
    acknowledged = set()
    for _ in range(KILLS):
        writer = await child("write", url)
        seen = 0
        async with asyncio.timeout(60):
            while seen < ACKNOWLEDGED:
                line = (await writer.stdout.readline()).decode()
                assert line, (await writer.stderr.read()).decode()
                if line.startswith("m"):
                    acknowledged.add(line.strip())
                    seen += 1
        writer.kill()
        rest, _ = await writer.communicate()
        whole_lines = rest.decode().splitlines(keepends=True)
        acknowledged |= {line.strip() for line in whole_lines if line.endswith("\n")}
    async with await open_store(url) as store:
        for message in acknowledged:
            assert await store.inbox.find(message) is not None, message
            assert await store.turns.by_message(message) is not None, message
        turns = await store.turns.unfinished()
    assert len({turn.message for turn in turns}) == len(turns)
    check_integrity(path)


async def limit_pages(store, pages):
    """Let SQLite itself say that there is no space: this many pages and no more."""
    connection = store.database._writer._connection
    if pages is None:
        pages = 1_000_000
    else:
        (used,) = await connection.put(
            lambda sqlite: sqlite.execute("PRAGMA page_count").fetchone()
        )
        pages += used
    await connection.put(
        lambda sqlite: sqlite.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    )


async def test_a_full_database_refuses_and_is_well_again_once_there_is_space(store, path):
    await accept(store, "before")
    await limit_pages(store, 1)
    with pytest.raises(StoreFull):
        await accept(store, "large", text="x" * 100_000)
    assert store.health()["full"]
    assert await store.inbox.find("large") is None
    assert await store.turns.by_message("large") is None
    await limit_pages(store, None)
    assert not (await accept(store, "large", text="x" * 100_000)).repeated
    assert not store.health()["full"]
    check_integrity(path)


async def test_all_who_shared_a_full_commit_are_refused(store):
    await accept(store, "before")
    await limit_pages(store, 1)
    async with asyncio.TaskGroup() as group:
        jobs = [
            group.create_task(_outcome(accept(store, f"m{n}", text="x" * 30_000))) for n in range(4)
        ]
    assert {job.result() for job in jobs} == {"StoreFull"}
    assert [turn.message for turn in await store.turns.unfinished()] == ["before"]


async def test_a_full_disk_is_one_also_beside_a_write_that_is_wrong(store):
    await accept(store, "before")
    await limit_pages(store, 1)
    async with asyncio.TaskGroup() as group:
        wrong = group.create_task(_outcome(store.database.write(Statement("NO SQL"))))
        large = group.create_task(_outcome(accept(store, "m1", text="x" * 100_000)))
    assert (wrong.result(), large.result()) == ("StoreFull", "StoreFull")


async def _outcome(write):
    try:
        await write
    except StoreError as exc:
        return type(exc).__name__
    return "kept"


async def test_a_full_transaction_is_rolled_back_and_said(store):
    await accept(store, "before")
    await limit_pages(store, 0)

    async def large():
        async with store.database.transaction() as tx:
            await tx.fetch_all("UPDATE turns SET text = $1 RETURNING n", "x" * 100_000)

    with pytest.raises(StoreFull):
        await large()
    assert (await store.turns.by_message("before")).text != "x" * 100_000


@pytest.fixture
def disk(tmp_path):
    """A file system of one megabyte."""
    with small_disk(tmp_path / "small", f"size={TMPFS_BYTES}") as folder:
        yield folder


async def test_a_full_disk_refuses_messages_and_takes_them_again_when_there_is_space(disk):
    path = disk / "bot.db"
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * (TMPFS_BYTES // 2))
    async with await open_store(f"sqlite:///{path}") as store:
        kept = await _fill(store)
        assert store.health()["full"]
        assert (await store.inbox.find(kept[-1])).message == kept[-1]  # reads go on
        assert await store.inbox.find(f"m{len(kept)}") is None
        ballast.unlink()
        assert not (await accept(store, f"m{len(kept)}", text="x" * 2000)).repeated
        assert not store.health()["full"]
        assert len(await store.turns.unfinished()) == len(kept) + 1
    check_integrity(path)


async def _fill(store):
    kept = []
    with contextlib.suppress(StoreFull):
        while len(kept) < 10_000:
            await accept(store, f"m{len(kept)}", text="x" * 2000)
            kept.append(f"m{len(kept)}")
    assert 0 < len(kept) < 10_000
    return kept


REFUSALS = [
    "first StoreBroken told=1",
    "second StoreBroken told=1",
    "third StoreBroken told=1",
    "transaction StoreBroken",
    "read kept",
    "health broken=True",
]


async def _refusals(job, url, **environ):
    dying = await child(job, url, **environ)
    async with asyncio.timeout(60):
        said, errors = await dying.communicate()
    assert dying.returncode == 0, errors.decode()
    return [line for line in said.decode().splitlines() if "store." not in line]


async def test_after_a_failed_write_nothing_is_written_any_more(url, path):
    assert await _refusals("writes-fail", url) == REFUSALS
    async with await open_store(url) as store:
        assert await store.inbox.find("kept") is not None
    check_integrity(path)


async def test_after_a_failed_sync_nothing_is_written_any_more(url, path):
    path.parent.mkdir()
    environ, _ = await faulty_disk(path.parent)
    said = await _refusals("syncs-fail", url, **environ)
    assert said == REFUSALS
    async with await open_store(url) as store:
        assert await store.inbox.find("kept") is not None
    check_integrity(path)


async def test_who_waits_when_the_disk_breaks_is_refused_as_well(store):
    gate = store.database._writer
    await gate._take()
    async with asyncio.TaskGroup() as group:
        write = group.create_task(_outcome(accept(store, "m1")))
        turn = group.create_task(_outcome(_transaction(store)))
        gone = group.create_task(_outcome(accept(store, "m2")))
        also_gone = group.create_task(_outcome(_transaction(store)))
        await asyncio.sleep(0)
        gone.cancel()
        also_gone.cancel()
        broken = sqlite3.OperationalError("disk I/O error")
        broken.sqlite_errorcode = sqlite3.SQLITE_IOERR
        gate.note(broken)
        gate._release()
    assert (write.result(), turn.result()) == ("StoreBroken", "StoreBroken")
    assert await store.turns.by_message("m1") is None


async def _transaction(store):
    async with store.database.transaction():
        pass


async def test_a_read_that_finds_the_file_destroyed_stops_the_writes(store, path):
    await accept(store)
    await store.database._writer._connection.put(
        lambda sqlite: sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    )
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    assert await _outcome(store.inbox.find("m1")) == "StoreBroken"
    assert store.health()["broken"]
    assert await _outcome(store.chats.choose(CHAT, agent="x")) == "StoreBroken"


async def test_a_database_that_another_program_holds_is_an_error_and_not_the_end(store, path):
    await accept(store, "m1")
    await store.database._writer._connection.put(
        lambda sqlite: sqlite.execute("PRAGMA busy_timeout = 1").fetchone()
    )
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert await _outcome(accept(store, "m2")) == "StoreError"
        assert await store.inbox.find("m1") is not None
        other.execute("ROLLBACK")
    assert await _outcome(accept(store, "m2")) == "kept"


# A text of which one byte is damaged: SQLite's own checks find nothing wrong.


async def spoilt_text(store, n, *, words="secret words of people"):
    """Flip a byte of an answer, as a disk does."""
    await store.database.write(
        Statement("UPDATE turns SET answer = CAST($2 AS TEXT) WHERE n = $1", n, _flipped(words))
    )


def _flipped(words):
    return words.encode() + b"\xff!"


async def test_a_damaged_text_is_read_as_far_as_it_is_one_and_said_without_its_words(
    store, path, monkeypatch
):
    monkeypatch.setattr("store.connection._Damage.at", -1e9)
    await accept(store, "m1")
    await accept(store, "m2")
    await spoilt_text(store, 1)
    with capture_logs() as logged:
        for _ in range(3):
            assert (
                await store.turns.get(1)
            ).answer == "secret words of people\N{REPLACEMENT CHARACTER}!"
        assert [turn.message for turn in await store.turns.unfinished()] == ["m1", "m2"]
        async with store.database.transaction() as queries:
            assert await queries.fetch_one("SELECT answer FROM turns WHERE n = 1")
    assert logged == [{"event": "store.text_damaged", "log_level": "error"}]
    check_integrity(path)
    assert not store.health()["broken"]


async def test_a_change_that_returns_a_damaged_text_fails_alone_and_without_its_words(store):
    await accept(store, "m1")
    await spoilt_text(store, 1)
    change = Statement("UPDATE turns SET fence = fence + 7 WHERE n = 1 RETURNING answer")
    before = (await store.turns.get(1)).fence
    async with asyncio.TaskGroup() as group:  # they share a commit
        kept = group.create_task(_outcome(accept(store, "m2")))
        with pytest.raises(StoreError) as failed:
            await store.database.write(change)
    assert kept.result() == "kept"
    assert "secret" not in "".join(traceback.format_exception(failed.value))
    assert (await store.turns.get(1)).fence == before


def test_the_error_for_a_damaged_text_never_carries_it():
    quoting = sqlite3.OperationalError(
        "Could not decode to UTF-8 column 'answer' with text 'secret words'"
    )
    ours = as_ours(quoting)
    assert "secret" not in "".join(traceback.format_exception(ours))
