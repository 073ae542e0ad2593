"""What is read of the database beside the running service: sessions of chats, turns at work."""

import pytest

from store import open_store
from store.mapping import Mapped, at_work, mapped
from tests.store.samples import CHAT, accept


@pytest.fixture
async def database(tmp_path):
    path = tmp_path / "bot.db"
    async with await open_store(f"sqlite:///{path}") as store:
        await accept(store)
        yield path, store


async def test_each_session_is_listed_once_and_the_newest_first(database):
    path, store = database
    for epoch, (session, at) in enumerate((("ses_1", 10), ("ses_2", 20), ("", 30), ("ses_1", 10))):
        await store.sessions.put(CHAT, epoch, session, "title", "/srv/work", at)
    assert mapped(path) == [
        Mapped(CHAT, "ses_2", "/srv/work", 20),
        Mapped(CHAT, "ses_1", "/srv/work", 10),
    ]


async def test_only_turns_that_opencode_has_are_at_work(database):
    path, store = database
    turn = await store.turns.claim(CHAT, 2000)
    assert at_work(path) == []
    turn = await store.turns.set_session(turn, "ses_1", "/srv/work", agent="build", model="m")
    await store.turns.prompt_sending(turn, "msg_1")
    assert at_work(path) == [(turn.n, CHAT)]


def test_where_no_database_is_nothing_is_mapped(tmp_path):
    assert mapped(tmp_path / "none.db") == []
    assert at_work(tmp_path / "none.db") == []
