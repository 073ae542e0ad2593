"""Attachments are kept with their turn, once; sentences and retries take them over."""

import sqlite3

from store import open_store
from store.copying import contents
from store.records import NewAttachment
from tests.store.samples import CHAT, a_chat, a_turn, an_inbound

HELD = 9000


def media(*names):
    return tuple(NewAttachment("file", "callback", f"u-{name}", "k", name, 1000) for name in names)


async def arrive(store, message, text="", *, names=(), sender="zhangsan", chat=CHAT, **fields):
    fields = {"joins": True} | fields
    turn = a_turn(message, chat=chat, text=text, media=media(*names), sender=sender, **fields)
    return await store.inbox.accept(
        an_inbound(message, chat=chat, sender=sender), a_chat(chat), turn
    )


async def names_of(store, message):
    return [one.name for one in await store.attachments.of(message)]


async def test_they_are_kept_with_the_message_and_a_repeat_adds_none(store):
    for _ in range(2):
        await arrive(store, "m1", "look", names=("a", "b"))
    first, second = await store.attachments.of("m1")
    assert (first.name, first.ordinal, first.url, first.key) == ("a", 0, "u-a", "k")
    assert (second.state, second.source, second.received_at) == ("due", "m1", 1000)
    assert [one.id for one in await store.attachments.due()] == [first.id, second.id]
    assert "u-a" not in repr(first)


async def test_a_message_that_was_refused_first_gets_none_later(store):
    await store.inbox.accept(an_inbound("m1", kind="refused"), a_chat(), None)
    accepted = await arrive(store, "m1", "look", names=("a",))
    assert accepted.repeated
    assert await store.attachments.of("m1") == []


async def test_a_sentence_takes_over_the_files_that_its_sender_sent_alone(store):
    await arrive(store, "f1", names=("a",), not_before=HELD)
    accepted = await arrive(store, "f2", names=("b",), not_before=HELD)
    assert [turn.n for turn in accepted.joined] == [1]
    accepted = await arrive(store, "m1", "compare", names=("c",))
    (joined,) = accepted.joined
    assert (joined.n, joined.state) == (2, "dropped")
    assert await names_of(store, "m1") == ["a", "b", "c"]
    assert await names_of(store, "f1") == await names_of(store, "f2") == []
    (edge,) = await store.turns.history(1)
    assert (edge.edge, edge.facts) == ("dropped", '{"joined":"f2"}')
    again = await arrive(store, "m1", "compare", names=("c",))
    assert (again.repeated, again.joined) == (True, ())


async def test_nothing_is_taken_from_another_person_chat_or_turn(store):
    await arrive(store, "other", names=("a",), not_before=HELD, sender="lisi")
    await arrive(store, "elsewhere", names=("b",), not_before=HELD, chat="wecom:group:x")
    await arrive(store, "asked", "with words", names=("c",))
    await arrive(store, "forced", names=("d",), not_before=HELD)
    await store.turns.force((await store.turns.by_message("forced")).n)
    assert (await arrive(store, "m1", "look")).joined == ()
    assert await store.attachments.of("m1") == []


async def test_a_file_that_runs_already_is_left_to_its_turn(store):
    await arrive(store, "f1", names=("a",), not_before=HELD)
    assert await store.turns.claim(CHAT, HELD - 1) is None
    assert (await store.turns.claim(CHAT, HELD)).message == "f1"
    assert (await arrive(store, "m1", "look")).joined == ()
    assert await names_of(store, "f1") == ["a"]


async def test_a_forced_file_waits_no_longer(store):
    await arrive(store, "f1", names=("a",), not_before=HELD)
    assert await store.turns.force(1)
    assert (await store.turns.claim(CHAT, 1000)).n == 1


async def test_a_clock_that_was_set_back_does_not_hold_a_file_for_hours(store):
    await arrive(store, "f1", names=("a",), not_before=HELD)
    assert (await store.turns.claim(CHAT, 999)).n == 1


async def test_a_turn_that_takes_nothing_over_leaves_the_file_alone(store):
    await arrive(store, "f1", names=("a",), not_before=HELD)
    assert (await arrive(store, "m1", "init", joins=False)).joined == ()
    assert await names_of(store, "f1") == ["a"]


async def test_a_retry_has_what_the_first_try_had_wherever_it_stands_now(store):
    await arrive(store, "m1", "look", names=("a", "b"))
    kept, failed = await store.attachments.of("m1")
    assert await store.attachments.kept(kept.id, blob="x", size=3, mime="text/plain", name="a.txt")
    await store.attachments.placed(kept.id, "inbox/a.txt")
    assert await store.attachments.failed(failed.id, "gone")
    retry = a_turn("m2", retry_of=1, media=media("c"))
    assert await store.turns.add(retry)
    assert await store.turns.add(retry) is None
    found = {one.name: one for one in await store.attachments.of("m2")}
    assert set(found) == {"a.txt", "b", "c"}
    assert (found["a.txt"].state, found["a.txt"].path) == ("kept", "inbox/a.txt")
    assert (found["b"].state, found["b"].cause) == ("failed", "gone")
    assert found["c"].state == "due"


async def test_what_is_settled_is_settled(store):
    await arrive(store, "m1", "look", names=("a",))
    (one,) = await store.attachments.of("m1")
    assert await store.attachments.failed(one.id, "gone")
    assert not await store.attachments.failed(one.id, "busy")
    assert not await store.attachments.kept(one.id, blob="x", size=1, mime="", name="")
    await store.attachments.placed(one.id, "inbox/a")
    (one,) = await store.attachments.of("m1")
    assert (one.state, one.cause, one.path) == ("failed", "gone", "")


async def test_a_copy_names_the_blobs_of_attachments_and_may_be_older_than_their_table(url, path):
    async with await open_store(url) as store:
        await arrive(store, "m1", "look", names=("a",))
        (one,) = await store.attachments.of("m1")
        await store.attachments.kept(one.id, blob="x", size=1, mime="", name="a")
        assert await store.files.blobs_in_use() == {"x"}
    assert contents(path).blobs == {"x"}
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE attachments")
    database.close()
    assert contents(path).blobs == frozenset()
