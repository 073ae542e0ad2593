"""A database is opened by one process, brought up to date whole, or refused with a sentence."""

import asyncio
import os
import sqlite3
import subprocess
import sys

import pytest

from store import open_store
from store.database import Statement
from store.errors import SchemaTooNew, StoreDamaged, StoreError, StoreInUse, StoreUnusable
from store.migrate import Migration, known_migrations, migrate
from tests.store.samples import accept

HOLD = """
import asyncio, sys
from store import open_store

async def hold():
    async with await open_store(sys.argv[1]):
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(hold())
"""


async def opened(url):
    async with await open_store(url) as store:
        return store.schema


async def test_a_new_database_gets_every_table_and_belongs_to_us_alone(url, path):
    assert await opened(url) == len(known_migrations())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_it_is_durable_by_its_settings(store):
    writer = store.database._writer._connection
    pragma = {
        name: await writer.put(
            lambda sqlite, name=name: sqlite.execute(f"PRAGMA {name}").fetchone()
        )
        for name in ("journal_mode", "synchronous", "fullfsync")
    }
    assert pragma == {"journal_mode": ("wal",), "synchronous": (2,), "fullfsync": (1,)}


async def test_what_was_kept_is_there_when_it_is_opened_again(url):
    async with await open_store(url) as store:
        await accept(store, "m1")
    async with await open_store(url) as store:
        assert (await accept(store, "m1")).repeated


async def test_a_second_process_is_refused_and_told_the_pid_of_the_first(url, path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    first = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD, url, **pipes)
    async with asyncio.timeout(30):
        while await first.stdout.readline() != b"open\n":
            assert not first.stdout.at_eof()
    with pytest.raises(StoreInUse, match=f"process {first.pid}") as refused:
        await open_store(url)
    assert str(path) in str(refused.value)
    await first.communicate(b"")
    assert await opened(url) >= 1


async def test_the_same_process_cannot_open_it_twice_either(store, url):
    with pytest.raises(StoreInUse, match=str(os.getpid())):
        await open_store(url)


async def test_a_newer_database_is_refused_with_a_sentence(url):
    async with await open_store(url) as store:
        await store.database.write(
            Statement("INSERT INTO schema_versions VALUES ($1, $2, $3)", 9999, "future", 1)
        )
    with pytest.raises(SchemaTooNew, match="schema 9999"):
        await open_store(url)
    with pytest.raises(SchemaTooNew):  # and the lock was given back
        await open_store(url)


async def test_a_file_that_is_no_database_is_refused_and_left_alone(url, path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all, but long enough " * 100)
    with pytest.raises(StoreDamaged, match="is damaged"):
        await open_store(url)
    assert path.read_bytes().startswith(b"no database")


async def test_a_damaged_database_is_refused_with_the_mend(url, path):
    async with await open_store(url) as store:
        for n in range(200):
            await accept(store, f"m{n}", text="x" * 500)
    raw = bytearray(path.read_bytes())
    for page in range(3, len(raw) // 4096):
        raw[page * 4096 : page * 4096 + 16] = os.urandom(16)
    path.write_bytes(raw)
    with pytest.raises(StoreDamaged, match="Restore a backup"):
        await open_store(url)


async def test_a_database_that_contradicts_itself_is_refused(url, path):
    await opened(url)
    with path.open("r+b") as file:
        file.seek(36)  # how many free pages there are, says the header
        file.write((5).to_bytes(4, "big"))
    with pytest.raises(StoreDamaged, match="is damaged"):
        await open_store(url)


async def test_a_large_database_does_not_delay_the_start_by_a_check(url, monkeypatch):
    monkeypatch.setattr("store.sqlite.CHECKED_BYTES", -1)
    assert await opened(url) == await opened(url)


async def test_the_database_of_another_program_is_refused(url, path):
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(StoreDamaged, match="not one of this service"):
        await open_store(url)


async def test_a_torn_end_of_the_write_ahead_log_costs_nothing_before_it(url, path, tmp_path):
    copy = tmp_path / "copy"
    async with await open_store(url) as store:
        for n in range(20):
            await accept(store, f"m{n}")
        copy.mkdir()
        for name in ("bot.db", "bot.db-wal"):
            (copy / name).write_bytes((path.parent / name).read_bytes())
    with (copy / "bot.db-wal").open("r+b") as wal:
        wal.seek(-2000, os.SEEK_END)
        wal.write(os.urandom(2000))
    async with await open_store(f"sqlite:///{copy}/bot.db") as store:
        kept = [await store.inbox.find(f"m{n}") for n in range(20)]
    assert all(kept[:19])


@pytest.mark.parametrize("url", ["postgresql://localhost/bot", "sqlite://bot.db"])
async def test_another_kind_of_database_is_refused(url):
    with pytest.raises(StoreUnusable):
        await open_store(url)


async def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnusable, match="cannot be opened"):
        await open_store(f"sqlite:///{tmp_path}/file/bot.db")


async def test_a_folder_in_the_place_of_the_database_is_said(path, url):
    path.mkdir(parents=True)
    with pytest.raises(StoreUnusable):
        await open_store(url)


async def test_a_file_system_without_a_log_is_refused(url, monkeypatch):
    monkeypatch.setattr("store.sqlite.WAL", "PRAGMA journal_mode = DELETE")
    with pytest.raises(StoreUnusable, match="write-ahead log"):
        await open_store(url)


async def test_an_old_sqlite_is_refused(url, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 0))
    with pytest.raises(StoreUnusable, match="is needed"):
        await open_store(url)


async def test_migrations_are_applied_once_in_order(store):
    more = [
        Migration(98, "second", "CREATE TABLE b (x);"),
        Migration(97, "first", "CREATE TABLE a (x);"),
    ]
    migrations = sorted([*known_migrations(), *more], key=lambda migration: migration.version)
    assert await migrate(store.database, migrations) == 98
    assert await migrate(store.database, migrations) == 98
    rows = await store.database.fetch_all("SELECT name FROM schema_versions ORDER BY version")
    assert [row[0] for row in rows][-2:] == ["first", "second"]


async def test_a_migration_is_applied_whole_or_not_at_all(store):
    broken = Migration(99, "broken", "CREATE TABLE half (x);\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(StoreError):
        await migrate(store.database, [*known_migrations(), broken])
    assert await store.database.fetch_all("SELECT 1 FROM sqlite_schema WHERE name = 'half'") == []
    row = await store.database.fetch_one("SELECT MAX(version) FROM schema_versions")
    assert row[0] == len(known_migrations())


def test_a_migration_is_cut_at_the_end_of_each_statement():
    sql = "-- why;\nCREATE TABLE a (\n  x TEXT -- with; a mark\n);\nINSERT INTO a VALUES (';');\n"
    statements = [statement.sql for statement in Migration(1, "x", sql).statements()]
    assert len(statements) == 2
    assert statements[1] == "INSERT INTO a VALUES (';');\n"


def test_migrations_are_numbered_without_a_gap():
    assert [m.version for m in known_migrations()] == list(range(1, len(known_migrations()) + 1))


async def test_health_says_where_it_is_and_how_it_does(store, path):
    health = store.health()
    assert health["path"] == str(path)
    assert health["schema"] == len(known_migrations())
    assert health["bytes"] > 0
    assert (health["full"], health["broken"], health["backlog"]) == (False, False, 0)


async def test_health_does_not_fail_without_the_file(store, path):
    os.unlink(f"{path}-wal")  # noqa: PTH108 - a blocking Path is refused here
    assert store.health()["wal_bytes"] == 0
