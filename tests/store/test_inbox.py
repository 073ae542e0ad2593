"""Messages are kept with their chat and turn before they are answered, each once."""

import asyncio

import pytest

from store.errors import StoreError
from store.strangers import DAY_MS
from tests.store.samples import CHAT, a_chat, a_turn, accept, an_inbound


async def test_a_message_its_chat_and_its_turn_are_kept_together(store):
    accepted = await accept(store, "m1")
    assert not accepted.repeated
    assert await store.inbox.find("m1") == accepted.inbound
    assert await store.turns.by_message("m1") == accepted.turn
    assert (await store.chats.get(CHAT)).contact_at == 1000


async def test_what_accept_returns_is_what_the_tables_hold(store):
    new = an_inbound("m1", shown="收到", finished=True, name="x", body="b", reply_url="")
    turn = a_turn("m1", forced=True, bubble=False, retry_of=3, quote="q")
    accepted = await store.inbox.accept(new, a_chat(), turn)
    assert await store.inbox.find("m1") == accepted.inbound
    assert await store.turns.get(accepted.turn.n) == accepted.turn
    assert accepted.inbound.reply_url_state == "none"


async def test_a_repeat_gets_what_was_kept_first_and_changes_nothing(store):
    first = await accept(store, "m1", at=1000)
    again = await accept(store, "m1", at=5000, text="something else")
    assert again.repeated
    assert (again.inbound, again.turn) == (first.inbound, first.turn)
    assert (await store.chats.get(CHAT)).contact_at == 1000


async def test_a_repeated_command_does_not_become_a_prompt(store):
    await store.inbox.accept(an_inbound("m1", kind="refused"), a_chat(), None)
    again = await accept(store, "m1")
    assert again.repeated
    assert again.turn is None
    assert await store.turns.unfinished() == []


async def test_fifty_copies_of_one_message_at_once_are_one_row(store):
    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(accept(store, "m1")) for _ in range(50)]
    results = [job.result() for job in jobs]
    assert sum(not accepted.repeated for accepted in results) == 1
    assert len({accepted.turn.n for accepted in results}) == 1
    assert len(await store.turns.unfinished()) == 1


async def test_a_turn_takes_the_epoch_of_its_chat(store):
    await accept(store, "m1")
    await store.sessions.next_epoch(CHAT, at=1)
    assert (await accept(store, "m2")).turn.epoch == 1


async def test_a_turn_in_an_unknown_chat_is_refused_whole(store):
    with pytest.raises(StoreError):
        await store.inbox.accept(an_inbound("m1"), None, a_turn("m1"))
    assert await store.inbox.find("m1") is None


async def test_an_event_needs_neither_chat_nor_bubble(store):
    event = an_inbound("e1", chat="", kind="event", stream=None)
    assert not (await store.inbox.accept(event, None, None)).repeated
    another = an_inbound("e2", chat="", kind="event", stream=None)
    assert not (await store.inbox.accept(another, None, None)).repeated
    assert (await store.inbox.accept(event, None, None)).repeated


async def test_a_message_without_words_leaves_the_chats_language_alone(store):
    await accept(store, "m1")
    await store.inbox.accept(an_inbound("m2"), a_chat(language=""), None)
    assert (await store.chats.get(CHAT)).last_language == "zh"
    await store.inbox.accept(an_inbound("m3"), a_chat(language="en"), None)
    assert (await store.chats.get(CHAT)).last_language == "en"


async def test_a_bubble_is_found_by_its_stream(store):
    await accept(store, "m1")
    assert (await store.inbox.by_stream("stream-m1")).message == "m1"
    assert await store.inbox.by_stream("stream-m2") is None


async def test_the_last_word_of_a_bubble_never_changes(store):
    await accept(store, "m1")
    await accept(store, "m2")
    await store.inbox.show([("stream-m1", "half", False), ("stream-m2", "whole", True)])
    await store.inbox.show([("stream-m1", "more", False), ("stream-m2", "other", True)])
    await store.inbox.show([])
    assert (await store.inbox.find("m1")).shown == "more"
    assert (await store.inbox.find("m2")).shown == "whole"
    assert (await store.inbox.find("m2")).finished


async def test_a_reply_url_is_given_to_the_first_who_asks(store):
    await accept(store, "m1")
    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(store.inbox.take_url("m1")) for _ in range(10)]
    assert sorted(str(job.result()) for job in jobs) == ["None"] * 9 + ["https://u"]
    assert (await store.inbox.find("m1")).reply_url_state == "used"


async def test_fresh_urls_are_those_of_the_chats_late_commands_newest_first(store):
    for message, kind, at in (
        ("old", "command", 10),
        ("c1", "command", 50),
        ("p1", "prompt", 60),
        ("c2", "command", 70),
        ("used", "command", 80),
    ):
        await store.inbox.accept(an_inbound(message, kind=kind, at=at), a_chat(), None)
    await store.inbox.accept(an_inbound("none", kind="command", reply_url=""), a_chat(), None)
    await store.inbox.accept(an_inbound("other", chat="c2", kind="command"), a_chat("c2"), None)
    await store.inbox.take_url("used")
    fresh = await store.inbox.fresh_urls(CHAT, 50)
    assert [record.message for record in fresh] == ["c2", "c1"]


async def test_old_messages_are_deleted_and_the_others_stay(store, monkeypatch):
    monkeypatch.setattr("store.inbox.PURGED_AT_ONCE", 2)
    for n in range(5):
        await accept(store, f"m{n}", at=n)
    assert await store.inbox.purge(4) == 4
    assert await store.inbox.find("m4") is not None


async def test_a_message_that_is_purged_between_two_looks_is_an_error(store, monkeypatch):
    await accept(store, "m1")

    async def gone(_message):
        return None

    monkeypatch.setattr(store.inbox, "find", gone)
    with pytest.raises(StoreError):
        await accept(store, "m1")


async def test_a_stranger_is_told_once_a_chat_and_day(store):
    assert await store.strangers.tell("wangwu", "team", 1)
    assert not await store.strangers.tell("wangwu", "team", DAY_MS)
    assert await store.strangers.tell("wangwu", "wangwu", 2)
    assert await store.strangers.tell("zhaoliu", "team", 2)
    assert await store.strangers.tell("wangwu", "team", DAY_MS + 1)
    assert not await store.strangers.tell("wangwu", "team", 2 * DAY_MS)


async def test_whoever_was_told_long_ago_is_forgotten(store):
    await store.strangers.tell("wangwu", "team", 1)
    await store.strangers.tell("zhaoliu", "team", 9)
    assert await store.strangers.purge(5) == 1
    assert await store.strangers.tell("wangwu", "team", 9)
    assert not await store.strangers.tell("zhaoliu", "team", 10)
