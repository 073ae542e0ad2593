"""Chats keep their choices; their sessions are counted in epochs."""

import dataclasses

from store.records import SessionRecord
from tests.store.samples import CHAT, accept


async def test_a_choice_is_kept_and_taken_back(store):
    await accept(store)
    await store.chats.choose(CHAT, agent="build", model="p/m", language="en", detail="full")
    await store.chats.choose(CHAT, model="")
    chat = await store.chats.get(CHAT)
    assert (chat.agent, chat.model, chat.language, chat.detail) == ("build", "", "en", "full")


async def test_the_chat_that_wrote_last_is_listed_first(store):
    await accept(store, "m1", chat="c:a:1", at=10)
    await accept(store, "m2", chat="c:a:2", at=20)
    assert [chat.key for chat in await store.chats.all()] == ["c:a:2", "c:a:1"]
    assert await store.chats.get("c:a:3") is None


async def test_an_epoch_has_one_session_and_the_last_word_on_it(store):
    assert await store.sessions.of_epoch(CHAT, 0) is None
    await store.sessions.put(CHAT, 0, "", "t", "/w", 5)
    await store.sessions.put(CHAT, 0, "ses_1", "t", "/w", 6)
    assert await store.sessions.of_epoch(CHAT, 0) == SessionRecord(CHAT, 0, "ses_1", "t", "/w", 6)


async def test_a_new_epoch_begins_with_the_session_that_it_is_given(store):
    await accept(store)
    epoch = await store.sessions.next_epoch(CHAT, session="ses_9", title="t", directory="/w", at=7)
    assert (epoch, (await store.chats.get(CHAT)).epoch) == (1, 1)
    assert await store.sessions.of_epoch(CHAT, 1) == SessionRecord(CHAT, 1, "ses_9", "t", "/w", 7)


async def test_known_sessions_are_the_opened_ones_newest_first_each_once(store):
    await accept(store)
    for session in ("ses_1", "", "ses_2", "ses_1"):
        await store.sessions.next_epoch(CHAT, session=session, at=1)
    assert [(s.session, s.epoch) for s in await store.sessions.known(CHAT)] == [
        ("ses_1", 4),
        ("ses_2", 3),
    ]


async def test_a_title_goes_with_the_session_through_its_epochs(store):
    await accept(store)
    for session in ("ses_1", "ses_2", "ses_1"):
        await store.sessions.next_epoch(CHAT, session=session, at=1)
    await store.sessions.retitle("ses_1", "new")
    titles = [(await store.sessions.of_epoch(CHAT, epoch)).title for epoch in (1, 2, 3)]
    assert titles == ["new", "", "new"]


async def test_a_session_knows_its_chat(store):
    await accept(store)
    await store.sessions.next_epoch(CHAT, session="ses_1", at=1)
    assert await store.sessions.owner("ses_1") == CHAT
    assert await store.sessions.owner("ses_2") is None


async def test_records_cannot_be_changed(store):
    chat = (await accept(store)).inbound
    with_a_change = dataclasses.replace(chat, shown="x")
    assert chat.shown == ""
    assert with_a_change.shown == "x"
