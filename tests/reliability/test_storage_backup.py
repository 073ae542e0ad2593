"""S7: a backup is made while messages come in, put back elsewhere, and goes on without repeats."""

import asyncio
import contextlib
import fcntl
import itertools
import os
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.background import Background
from bot.backup import Places, back_up, restore
from bot.errors import BackupError
from bot.snapshot.blobs import Blobs
from store import open_store
from store.copying import contents
from store.database import Statement
from store.errors import StoreDamaged, StoreInUse
from store.migrate import TABLE, known_migrations
from store.records import FileVersion
from tests.fakes.edge import until
from tests.fakes.opencode_turns import say
from tests.reliability.processes import over
from tests.store.samples import CHAT, a_delivery, accept, an_ask, end

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 12, tzinfo=UTC)
RATE_S = 1 / 200
MEANWHILE = 100


@pytest.fixture
def elsewhere(tmp_path):
    return Places(tmp_path / "other", tmp_path / "other" / "db" / "bot.db")


def url_of(places):
    return f"sqlite:///{places.database}"


def keep_blob(places, content):
    source = places.data_dir / "source"
    source.write_bytes(content)
    with source.open("rb") as file:
        blob, size = Blobs(places.blobs).keep(file.fileno(), 1_000_000)
    source.unlink()
    return blob, size


async def name_blob(store, path, blob, size):
    sync = await store.files.begin("/w", 1000)
    await store.files.put("/w", [FileVersion(path, sync, blob, size, 1)])


@pytest.fixture
async def filled(places):
    """A data folder with a turn of every kind, a copy of a file, and the keys; return the blob."""
    async with await open_store(url_of(places)) as store:
        for n in range(1, 6):
            await accept(store, f"m{n}", chat=CHAT if n < 5 else "wecom:direct:lisi")
        await store.turns.claim(CHAT, 1500)
        await end(store, 2, delivery=a_delivery(2))
        await end(store, 3, delivery=a_delivery(3))
        await store.database.write(
            Statement("UPDATE deliveries SET state = 'sending' WHERE id = 2")
        )
        await store.asks.add(an_ask())
        blob, size = keep_blob(places, b"as the turn left it")
        await name_blob(store, "a.txt", blob, size)
    (places.data_dir / "link.key").write_bytes(b"k" * 32)
    (places.data_dir / "service.id").write_text("service-of-tests")
    return blob


def written(places, file=None):
    said = []
    return back_up(places, file, now=NOW, say=said.append), said


def put_back(places, file, now=LATER):
    said = []
    restore(places, file, now=now, say=said.append)
    return said


def rows(places, sql):
    with contextlib.closing(sqlite3.connect(places.database)) as database:
        return database.execute(sql).fetchall()


# While the service runs.


async def test_s7_a_backup_under_load_has_all_that_was_acknowledged_before_it(
    run, make_bot, fake, tmp_path
):
    bot = await make_bot(fake)
    await bot.ready()
    assert "OK" in await (await bot.wecom.say("zhangsan", "before")).done()
    numbers, acknowledged = itertools.count(), []

    async def load():
        for n in numbers:
            await accept(bot.store, f"m{n}", chat=f"wecom:direct:p{n % 40}")
            acknowledged.append(f"m{n}")
            await asyncio.sleep(RATE_S)

    async with Background() as background:
        background.start(load(), name="load")
        await until(lambda: len(acknowledged) >= MEANWHILE)
        surely = set(acknowledged)
        code, said = await over(await run("backup", str(tmp_path / "b.tar.gz"), **bot.environ))
        assert (code, "is whole" in said) == (0, True), said
        then = len(acknowledged)
        await until(lambda: len(acknowledged) >= then + MEANWHILE)  # nobody was held up
    await bot.stop()
    there = {"BOT_DATA_DIR": str(tmp_path / "there")}
    environ = bot.environ | there
    code, said = await over(await run("restore", str(tmp_path / "b.tar.gz"), **environ))
    assert code == 0, said
    with contextlib.closing(sqlite3.connect(tmp_path / "there/bot.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = {message for (message,) in database.execute("SELECT message FROM inbound")}
    assert surely <= kept
    assert kept - {f"m{n}" for n in range(next(numbers))} != set(), "what came over the callback"
    prompts = len(fake.prompts)
    bot.environ = environ
    await bot.start()
    await bot.ready()
    assert "OK" in await (await bot.wecom.say("wangwu", "after")).done()
    assert [prompt.text for prompt in fake.prompts[prompts:]] == ["after"], "nothing runs again"


async def test_s7_people_are_told_of_what_was_not_over_and_may_run_it_again(
    make_bot, fake, tmp_path, places
):
    bot = await make_bot(fake, BOT_TURN_GRACE="0.2s")
    await bot.ready()
    go = asyncio.Event()
    fake.script(say("begun", go, "the first answer"))
    await bot.wecom.say("zhangsan", "run me")
    await until(lambda: len(fake.prompts) == 1)
    file, _ = await asyncio.to_thread(written, places)
    go.set()
    await until(lambda: bot.turns.ended["answered"] == 1)  # which the backup does not know
    await bot.stop()
    said = await asyncio.to_thread(put_back, places, file, datetime.now(UTC))
    assert any("their chats are told to /retry: #1." in line for line in said)
    await bot.start()
    await bot.ready()
    told = await (await bot.wecom.say("zhangsan", "/status")).done()
    assert "restored from a backup: #1" in told
    assert "/retry 1" in told
    assert len(fake.prompts) == 1, "it was not run again by itself"
    fake.script(say("the second answer"))
    again = await bot.wecom.say("zhangsan", "/retry 1")
    assert "the second answer" in await again.done()
    assert [prompt.text for prompt in fake.prompts] == ["run me"] * 2


# What is in it.


async def test_s7_a_backup_holds_the_database_the_keys_and_the_copies_of_files(
    places, filled, elsewhere
):
    file, said = written(places)
    assert file == places.data_dir / "backups/bot-20260301-120000.tar.gz"
    assert file.stat().st_mode & 0o777 == 0o600
    assert said[0] == (
        f"The database (schema {len(known_migrations())}): 5 inbound, 5 turns, 2 deliveries, 2 chats, 0 sessions, "
        "1 asks, 0 changes."
    )
    assert said[1] == "The copies of files: 1."
    assert f"is whole: {file}" in said[2]
    assert sorted(path.name for path in places.data_dir.iterdir() if path.is_dir()) == [
        "backups",
        "blobs",
    ]
    lines = put_back(elsewhere, file)
    assert "There was no database here." in lines[1]
    assert not any("before" in line for line in lines[2:-1])
    blob = elsewhere.blobs / filled[:2] / filled
    assert blob.read_bytes() == b"as the turn left it"
    assert (elsewhere.data_dir / "link.key").read_bytes() == b"k" * 32
    assert (elsewhere.data_dir / "service.id").read_text() == "service-of-tests"
    for path in (blob, elsewhere.database, elsewhere.data_dir / "link.key"):
        assert path.stat().st_mode & 0o777 == 0o600


async def test_s7_what_may_have_happened_since_is_not_done_again(places, filled, elsewhere):
    file, _ = written(places)
    put_back(elsewhere, file)
    turns = rows(elsewhere, "SELECT n, state, outcome, footer FROM turns ORDER BY n")
    assert [turn[:3] for turn in turns] == [
        (1, "failed", "restored"),
        (2, "done", "answered"),
        (3, "done", "answered"),
        (4, "failed", "restored"),
        (5, "failed", "restored"),
    ]
    deliveries = rows(elsewhere, "SELECT turn, state, cause FROM deliveries ORDER BY turn")
    assert deliveries == [
        (1, "due", ""),
        (2, "unknown", "restored"),
        (3, "unknown", "restored"),
        (4, "due", ""),
        (5, "due", ""),
    ]
    (told,) = rows(elsewhere, "SELECT body, footer FROM deliveries WHERE turn = 1")
    assert "/retry 1" in told[0]
    edges = "SELECT turn, edge FROM edges WHERE facts LIKE '%restored%' ORDER BY turn"
    assert rows(elsewhere, edges) == [
        (1, "final_stored"),
        (2, "doubted"),
        (3, "doubted"),
        (4, "final_stored"),
        (5, "final_stored"),
    ]
    assert rows(elsewhere, "SELECT DISTINCT reply_url_state FROM inbound") == [("used",)]
    assert rows(elsewhere, "SELECT state FROM asks") == [("gone",)]
    async with await open_store(url_of(elsewhere)) as store:
        assert await store.turns.unfinished() == []
        assert (await accept(store, "m1")).repeated
        assert (await accept(store, "m99")).turn.n > 10_000, "numbers are not given twice"


async def test_s7_what_a_turn_had_written_so_far_is_kept(places, elsewhere):
    async with await open_store(url_of(places)) as store:
        await accept(store, "m1", language="en")
        turn = await store.turns.claim(CHAT, 1500)
        await store.turns.save_answers([(turn, "half of it")])
    file, _ = written(places)
    put_back(elsewhere, file)
    ((answer, footer),) = rows(elsewhere, "SELECT answer, footer FROM turns")
    assert answer == "half of it"
    assert "restored from a backup" in footer
    assert rows(elsewhere, "SELECT body, footer FROM deliveries") == [(answer, footer)]


async def test_s7_numbers_go_on_above_those_of_the_database_that_is_replaced(places, filled):
    file, _ = written(places)
    async with await open_store(url_of(places)) as store:
        for n in range(100, 120):
            await accept(store, f"m{n}", at=int(NOW.timestamp() * 1000) + 1)
    lines = put_back(places, file)
    assert "Lost: all that was accepted since, 20 messages, 20 turns." in lines
    ((seq,),) = rows(places, "SELECT seq FROM sqlite_sequence WHERE name = 'turns'")
    assert seq == 10_025


async def test_s7_an_older_schema_is_restored_and_brought_up_to_date(places, elsewhere):
    places.data_dir.mkdir()
    with contextlib.closing(sqlite3.connect(places.database)) as database:
        first = next(one for one in known_migrations() if one.version == 1)
        database.execute(TABLE)
        database.executescript(first.sql)
        database.execute("INSERT INTO schema_versions VALUES (1, 'first', 0)")
        database.execute(
            "INSERT INTO turns (chat, epoch, message, sender, kind, text, language, state, "
            "created_at) VALUES ('c', 0, 'm', 's', 'prompt', 't', 'zh', 'running', 0)"
        )
        database.commit()
    file, _ = written(places)
    put_back(elsewhere, file)
    async with await open_store(url_of(elsewhere)) as store:
        assert (await store.turns.get(1)).outcome == "restored"


# Copies of files come and go meanwhile.


async def test_s7_a_copy_that_goes_with_its_row_meanwhile_is_not_missed(
    places, filled, elsewhere, monkeypatch
):
    link, gone = os.link, []

    def swept(source, target):
        if not gone:  # retention comes between the database and its copies
            gone.append(source)
            with contextlib.closing(sqlite3.connect(places.database)) as database:
                database.execute("DELETE FROM versions")
                database.commit()
            source.unlink()
        link(source, target)

    monkeypatch.setattr("os.link", swept)
    file, said = written(places)
    assert said[1] == "The copies of files: 0."
    assert not any("lost" in line for line in said)
    put_back(elsewhere, file)
    assert rows(elsewhere, "SELECT COUNT(*) FROM versions") == [(0,)]


async def test_s7_copies_that_are_lost_or_rotten_are_said_and_the_rest_is_kept(
    places, filled, elsewhere
):
    async with await open_store(url_of(places)) as store:
        rotten, size = keep_blob(places, b"rotten")
        await name_blob(store, "b.txt", rotten, size)
        await name_blob(store, "c.txt", "f" * 64, 1)
    (places.blobs / rotten[:2] / rotten).write_bytes(b"r0tten")
    file, said = written(places)
    assert said[1] == "The copies of files: 1."
    assert "2 copies of files are lost or damaged" in said[2]
    put_back(elsewhere, file)
    assert [path.name for path in elsewhere.blobs.glob("??/*")] == [filled]


# What cannot be done is said.


def test_s7_without_a_database_there_is_nothing_to_back_up(places):
    with pytest.raises(BackupError, match="There is no database"):
        written(places)


async def test_s7_a_file_that_is_there_is_not_written_over(places, filled, tmp_path):
    file = tmp_path / "mine.tar.gz"
    file.write_text("mine")
    with pytest.raises(BackupError, match="is there already"):
        written(places, file)
    assert file.read_text() == "mine"


async def test_s7_a_place_that_is_not_there_is_said(places, filled, tmp_path):
    with pytest.raises(BackupError, match="cannot be written"):
        written(places, tmp_path / "nowhere" / "b.tar.gz")


async def test_s7_a_damaged_database_is_not_backed_up(places, filled):
    raw = bytearray(places.database.read_bytes())
    raw[:16] = b"SQLite tamrof 3\0"
    places.database.write_bytes(raw)
    with pytest.raises(StoreDamaged, match=r"data/bot\.db is damaged"):
        written(places)
    assert list(places.backups.iterdir()) == []


async def test_s7_two_backups_at_once_are_one(places, filled):
    with (places.data_dir / "backup.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="Another backup"):
            written(places)
    written(places)


@pytest.mark.parametrize("doing", ["backup", "restore"])
async def test_s7_without_room_nothing_is_begun(places, filled, monkeypatch, doing):
    file, _ = written(places, places.data_dir.parent / "b.tar.gz")
    monkeypatch.setattr("bot.backup.places.SPARE_BYTES", 1 << 60)
    with pytest.raises(BackupError, match=r"needs about .* MB are free"):
        written(places) if doing == "backup" else put_back(places, file)
    assert not list(places.data_dir.glob("*.new"))


async def test_s7_a_backup_that_is_not_as_it_was_written_gets_no_name(
    places, filled, monkeypatch, tmp_path
):
    judged = []

    def other(path, *name):
        judged.append(path)
        found = contents(path, *name)
        return found if len(judged) == 1 else replace(found, rows={})

    monkeypatch.setattr("bot.backup.making.contents", other)
    with pytest.raises(BackupError, match="not the one that was copied"):
        written(places)
    assert list(places.backups.iterdir()) == []


async def test_s7_a_data_folder_in_use_is_not_restored(places, filled):
    file, _ = written(places)
    async with await open_store(url_of(places)):
        with pytest.raises(StoreInUse, match=f"process {os.getpid()}"):
            put_back(places, file)
    assert rows(places, "SELECT COUNT(*) FROM turns WHERE outcome = 'restored'") == [(0,)]
