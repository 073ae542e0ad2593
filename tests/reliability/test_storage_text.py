"""S4: damaged bytes in texts and names: said in a sentence, and never in the way of a restore."""

import contextlib
import sqlite3
from datetime import UTC, datetime

import pytest

from bot.backup import back_up, restore
from store import open_store
from store.errors import StoreDamaged
from tests.store.samples import accept

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 12, tzinfo=UTC)
WORDS = "secret words of people"


@pytest.fixture
def url(places):
    return f"sqlite:///{places.database}"


@pytest.fixture
async def filled(url):
    async with await open_store(url) as store:
        for n in range(3):
            await accept(store, f"m{n}")


def made(places, tmp_path):
    return back_up(places, tmp_path / "b.tar.gz", now=NOW, say=lambda _: None)


def put_back(places, file):
    said = []
    restore(places, file, now=LATER, say=said.append)
    return said


def flip(places, old, new):
    """Flip bits of a name or a text in the file, wherever it is."""
    raw = places.database.read_bytes()
    assert old in raw
    places.database.write_bytes(raw.replace(old, new))


def spoil_an_answer(places):
    with contextlib.closing(sqlite3.connect(places.database)) as database:
        damaged = WORDS.encode() + b"\xff!"
        database.execute("UPDATE turns SET answer = CAST(? AS TEXT) WHERE n = 1", (damaged,))
        database.commit()


DAMAGES = [
    (b"CREATE TABLE turns", b"CREATE TABLE tu\xffns"),
    (b"CREATE TABLE turns", b"CREATE TAB\xffE turns"),
    (b"CREATE TABLE inbound", b"\xff\xfeEATE TABLE inbound"),
]


@pytest.mark.parametrize(("old", "new"), DAMAGES)
async def test_s4_a_damaged_name_in_the_schema_is_damage_and_not_a_fault_of_ours(
    places, url, filled, old, new
):
    flip(places, old, new)
    with pytest.raises(StoreDamaged, match=r"The database .*bot\.db is damaged"):
        await open_store(url)


@pytest.mark.parametrize(("old", "new"), DAMAGES)
async def test_s7_what_is_replaced_never_closes_the_way_back_however_it_is_damaged(
    places, filled, tmp_path, old, new
):
    file = made(places, tmp_path)
    flip(places, old, new)
    said = put_back(places, file)
    assert any("the database that is replaced cannot be read" in line for line in said)


@pytest.mark.parametrize(("old", "new"), [*DAMAGES, (b"SQLite format 3", b"SQLite tamrof 3")])
async def test_s7_a_backup_of_a_damaged_database_names_the_database(
    places, filled, tmp_path, old, new
):
    flip(places, old, new)
    with pytest.raises(StoreDamaged, match=r"data/bot\.db is damaged") as raised:
        made(places, tmp_path)
    assert ".backing-up" not in str(raised.value)


async def test_s7_a_backup_with_a_damaged_answer_is_put_back_with_what_is_left_of_it(
    places, url, filled, tmp_path
):
    spoil_an_answer(places)
    said = put_back(places, made(places, tmp_path))
    assert WORDS not in "".join(said)
    assert any(
        line == "Unfinished when the backup was made; ended now, and their chats are told to "
        "/retry: #1, #2, #3."
        for line in said
    )
    assert any(line.startswith("New tasks are numbered from #10004 on") for line in said)
    async with await open_store(url) as store:
        assert (await store.turns.get(1)).answer.startswith(WORDS)
        assert (await accept(store, "new")).turn.n == 10_004
