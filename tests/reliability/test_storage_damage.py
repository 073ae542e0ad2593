"""S4: a database that is damaged is refused with the way back, and never silently begun anew."""

import asyncio
import contextlib
import os
import shutil
import sqlite3

import pytest

from store import open_store
from store.errors import StoreDamaged, StoreError, StoreUnusable
from store.wal import _valid_frames, lost_commits
from tests.reliability.processes import over
from tests.service_fixtures import environment, free_port
from tests.store.samples import accept

MESSAGES = 60
PAGE = 4096
FRAME = PAGE + 24
HEADER = 32
ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "bot.db"


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


@pytest.fixture
async def filled(url):
    """A database that was closed well, all of it in one file."""
    async with await open_store(url) as store:
        for n in range(MESSAGES):
            await accept(store, f"m{n}", text="x" * 500)


@pytest.fixture
async def crashed(path, tmp_path):
    """A database as a crash leaves it: what was written last is in the log alone."""
    live = tmp_path / "live"
    async with await open_store(f"sqlite:///{live}/bot.db") as store:
        for n in range(MESSAGES):
            await accept(store, f"m{n}")
        path.parent.mkdir()
        for name in ("bot.db", "bot.db-wal"):
            shutil.copy(live / name, path.parent / name)
    return path.with_name("bot.db-wal")


def spoil(file, at, content):
    with file.open("r+b") as handle:
        handle.seek(at)
        handle.write(content)


async def kept(url):
    async with await open_store(url) as store:
        return [n for n in range(MESSAGES) if await store.inbox.find(f"m{n}") is not None]


def flip_the_header(path):
    spoil(path, 0, b"SQLite tamrof 3\0")


def flip_the_number_of_pages(path):
    spoil(path, 36, (5).to_bytes(4, "big"))


def flip_pages(path):
    for page in range(3, path.stat().st_size // PAGE):
        spoil(path, page * PAGE, os.urandom(16))


def flip_last_pages(path):
    for page in range(path.stat().st_size // PAGE - 12, path.stat().st_size // PAGE):
        spoil(path, page * PAGE, os.urandom(16))


def cut_pages_off(path):
    os.truncate(path, path.stat().st_size // PAGE // 2 * PAGE)


def empty_it(path):
    os.truncate(path, 0)


def put_another_file_there(path):
    path.write_bytes(b"no database at all, but long enough " * 1000)


def put_the_database_of_another_program_there(path):
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")


SPOILT = [
    flip_the_header,
    flip_the_number_of_pages,
    flip_pages,
    cut_pages_off,
    empty_it,
    put_another_file_there,
    put_the_database_of_another_program_there,
]


@pytest.mark.parametrize("damage", SPOILT)
async def test_s4_a_damaged_database_is_refused_and_left_as_it_is(url, path, filled, damage):
    damage(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreDamaged):
            await open_store(url)
    assert path.read_bytes() == before


async def test_s4_the_service_says_how_to_go_back_to_the_newest_backup(
    path, filled, make_standin, tmp_path, run, fake
):
    environ = environment(tmp_path, await make_standin(), port=free_port(), opencode=fake)
    flip_pages(path)
    code, said = await over(await run("run", **environ))
    assert (code, "Traceback" in said) == (1, False)
    assert "is damaged" in said
    assert "python -m bot restore FILE (none was found in " in said
    (path.parent / "backups").mkdir()
    for name in ("bot-20260101-000000.tar.gz", "bot-20260201-000000.tar.gz"):
        (path.parent / "backups" / name).touch()
    code, said = await over(await run("run", **environ))
    assert (code, "Traceback" in said) == (1, False)
    assert "the newest found is" in said
    assert "bot-20260201-000000.tar.gz" in said


async def test_s4_the_newest_backup_is_found_though_the_database_is_elsewhere(
    path, filled, make_standin, tmp_path, run, fake
):
    elsewhere = tmp_path / "elsewhere" / "bot.db"
    elsewhere.parent.mkdir()
    path.rename(elsewhere)
    flip_pages(elsewhere)
    (path.parent / "backups").mkdir()
    (path.parent / "backups" / "bot-20260201-000000.tar.gz").touch()
    environ = environment(tmp_path, await make_standin(), port=free_port(), opencode=fake)
    environ |= {"BOT_DATABASE_URL": f"sqlite:///{elsewhere}"}
    code, said = await over(await run("run", **environ))
    assert code == 1
    assert f"the newest found is {path.parent}/backups/bot-20260201-000000.tar.gz" in said


async def test_s4_the_newest_backup_is_the_one_made_last_whatever_its_name(url, path, filled):
    flip_pages(path)
    backups = path.parent / "backups"
    backups.mkdir()
    (backups / "zoo.tar.gz").touch()
    os.utime(backups / "zoo.tar.gz", (1_700_000_000, 1_700_000_000))
    copied = backups / "bot-20230101-000000.tar.gz"  # touched last, made first
    copied.touch()
    with pytest.raises(StoreDamaged, match=r"the newest found is .*zoo"):
        await open_store(url)
    (backups / "bot-20260201-000000.tar.gz").touch()
    with pytest.raises(StoreDamaged, match=r"the newest found is .*20260201"):
        await open_store(url)


# What the log holds.


async def test_s4_a_log_that_ends_in_the_middle_of_a_commit_is_no_damage(url, crashed):
    os.truncate(crashed, crashed.stat().st_size - 100)
    assert await kept(url) == list(range(MESSAGES - 1))


async def test_s4_a_torn_last_commit_is_no_damage(url, crashed):
    spoil(crashed, crashed.stat().st_size - 100, os.urandom(100))
    assert await kept(url) == list(range(MESSAGES - 1))


@pytest.mark.parametrize("place", ["its header", "its salts", "its first frame", "its middle"])
async def test_s4_a_log_that_is_broken_before_its_end_is_refused(url, path, crashed, place):
    frames = (crashed.stat().st_size - HEADER) // FRAME
    at = {
        "its header": 8,
        "its salts": 18,
        "its first frame": HEADER + 100,
        "its middle": HEADER + frames // 2 * FRAME + 1000,
    }
    spoil(crashed, at[place], b"\x55\xaa\x55\xaa")
    spoilt = crashed.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreDamaged, match="log is broken in the middle"):
            await open_store(url)
    assert crashed.read_bytes() == spoilt, "what may still be read of it is not thrown away"


async def test_s4_a_log_whose_database_is_gone_is_refused(url, path, crashed):
    path.unlink()
    with pytest.raises(StoreDamaged, match="it is gone"):
        await open_store(url)
    assert not path.exists()


async def test_s4_a_log_beside_what_is_no_database_is_refused(url, path, crashed):
    os.truncate(crashed, HEADER + 100)  # else the log has what the file should have
    flip_the_header(path)
    with pytest.raises(StoreDamaged):
        await open_store(url)


@pytest.mark.parametrize("size", [0, HEADER - 1, HEADER, HEADER + 100])
async def test_s4_a_log_that_was_hardly_begun_is_no_damage(path, crashed, size):
    os.truncate(crashed, size)
    assert lost_commits(path) == 0


async def test_s4_what_an_older_run_left_behind_in_the_log_is_no_damage(url, path, tmp_path):
    async with await open_store(f"sqlite:///{tmp_path}/live/bot.db") as store:
        for n in range(MESSAGES):
            await accept(store, f"m{n}")
        await store.database._writer._connection.put(
            lambda sqlite: sqlite.execute("PRAGMA wal_checkpoint").fetchone()
        )
        await accept(store, "last")  # from the beginning of the log again
        shutil.copytree(tmp_path / "live", path.parent)
    path.with_name("bot.db-shm").unlink()
    path.with_name("bot.db.lock").unlink()
    assert await kept(url) == list(range(MESSAGES))


def test_s4_pages_may_have_any_size(tmp_path):
    for size in (512, 65_536):
        live, copy = tmp_path / f"{size}", tmp_path / f"{size}-copy"
        live.mkdir()
        with contextlib.closing(sqlite3.connect(live / "bot.db", isolation_level=None)) as database:
            database.execute(f"PRAGMA page_size = {size}")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE t (x)")
            for n in range(9):
                database.execute("INSERT INTO t VALUES (?)", (n,))
            shutil.copytree(live, copy)
        (copy / "bot.db-shm").unlink()
        assert lost_commits(copy / "bot.db") == 0
        spoil(copy / "bot.db-wal", HEADER + 24, b"\x55\xaa")
        (copy / "bot.db-shm").unlink()
        assert lost_commits(copy / "bot.db") == 10


def stopped_in_a_commit(live, path, rows):
    """Leave a database as a power cut does: what was written last lacks its first frame."""
    path.parent.mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(live, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("INSERT INTO t VALUES (randomblob(100))")
        whole = HEADER + _valid_frames(live) * FRAME
        database.execute("BEGIN")
        for _ in range(rows):
            database.execute("INSERT INTO t VALUES (randomblob(3000))")
        database.execute("COMMIT")
        for end in ("", "-wal"):
            shutil.copy(f"{live}{end}", f"{path}{end}")
    spoil(path.with_name(path.name + "-wal"), whole, bytes(FRAME))


@pytest.fixture
def cut_twice(path, tmp_path):
    """A sound database after two power cuts, each in a commit, in one run of the log."""
    live = tmp_path / "live" / "bot.db"
    live.parent.mkdir()
    with contextlib.closing(sqlite3.connect(live)) as database:
        database.execute("CREATE TABLE t (x)")
    stopped_in_a_commit(live, path, 12)
    assert lost_commits(path) == 0
    stopped_in_a_commit(path, tmp_path / "twice" / "bot.db", 4)
    return tmp_path / "twice" / "bot.db"


def test_s4_two_power_cuts_in_one_run_of_the_log_are_no_damage(cut_twice):
    assert lost_commits(cut_twice) == 0
    with contextlib.closing(sqlite3.connect(cut_twice)) as database:
        assert database.execute("SELECT COUNT(*) FROM t").fetchone() == (2,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_s4_a_start_empties_the_log_so_that_torn_ends_never_gather(url, crashed):
    spoil(crashed, crashed.stat().st_size - 100, os.urandom(100))
    async with await open_store(url) as store:
        assert store.health()["wal_bytes"] == 0
    assert await kept(url) == list(range(MESSAGES - 1))


# What is found only while it runs.


async def test_s4_after_a_failure_the_next_start_looks_at_all_of_a_large_database(
    url, path, filled, monkeypatch
):
    monkeypatch.setattr("store.sqlite.CHECKED_BYTES", -1)
    monkeypatch.setattr("store.sqlite.QUICK", ENDLESS)
    flip_last_pages(path)
    async with await open_store(url) as store:  # too large to look at first
        with pytest.raises(StoreError):
            await kept_in(store)
        assert store.health()["broken"]
    suspect = path.with_name("bot.db.suspect")
    assert suspect.exists()
    for _ in range(2):
        with pytest.raises(StoreDamaged):
            await open_store(url)
    assert suspect.exists()


async def test_s4_a_large_database_is_looked_at_while_it_runs_and_damage_ends_the_service(
    url, path, filled, monkeypatch
):
    monkeypatch.setattr("store.sqlite.CHECKED_BYTES", -1)
    flip_last_pages(path)
    broken = asyncio.get_running_loop().create_future()
    async with await open_store(url, on_broken=broken.set_result) as store:
        async with asyncio.timeout(30):
            said = str(await broken)
        assert "is damaged" in said
        assert "python -m bot restore FILE" in said
        assert store.health()["broken"]
    assert path.with_name("bot.db.suspect").exists()
    with pytest.raises(StoreDamaged):
        await open_store(url)


async def test_s4_a_close_does_not_wait_for_the_look_at_a_large_database(
    url, path, filled, monkeypatch
):
    monkeypatch.setattr("store.sqlite.CHECKED_BYTES", -1)
    monkeypatch.setattr("store.sqlite.QUICK", ENDLESS)
    broken = []
    async with asyncio.timeout(30):
        async with await open_store(url, on_broken=broken.append) as store:
            assert await store.inbox.find("m1") is not None
    assert broken == []


async def kept_in(store):
    return [await store.inbox.find(f"m{n}") for n in range(MESSAGES)]


async def test_s4_a_database_that_is_sound_after_all_is_no_longer_suspect(
    url, path, filled, monkeypatch
):
    monkeypatch.setattr("store.sqlite.CHECKED_BYTES", -1)
    suspect = path.with_name("bot.db.suspect")
    suspect.touch()
    assert await kept(url) == list(range(MESSAGES))
    assert not suspect.exists()


async def test_s4_a_restore_that_was_cut_off_is_to_be_finished_first(url, path, filled):
    path.with_name("bot.db.restoring").write_text("{}")
    with pytest.raises(StoreUnusable, match="python -m bot restore FILE"):
        await open_store(url)
    path.unlink()
    with pytest.raises(StoreUnusable, match="was cut off"):
        await open_store(url)
    assert not path.exists()


async def test_s4_a_first_start_that_was_cut_off_leaves_no_empty_database(url, path):
    path.parent.mkdir()
    path.with_name("bot.db.made").write_bytes(b"half")
    assert await kept(url) == []
    assert not path.with_name("bot.db.made").exists()
