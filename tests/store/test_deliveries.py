"""Deliveries leave once, and the store alone decides who may bring them."""

import asyncio

import pytest

from tests.store.samples import (
    CHAT,
    a_chat,
    a_delivery,
    a_turn,
    accept,
    an_inbound,
    end,
    in_doubt,
    on_its_way,
)


async def state(store, delivery):
    now = await store.deliveries.get(delivery)
    return now.state, now.via, now.cause


async def address(store, message):
    return (await store.inbox.find(message)).reply_url_state


async def test_a_notice_waits_in_line_with_the_answers(store):
    first = await store.deliveries.add(a_delivery(None, body="notice"))
    second = await store.deliveries.add(a_delivery(7))
    await store.deliveries.add(a_delivery(8, chat="c2"))
    assert await store.deliveries.waiting(CHAT) == [first, second]
    assert [d.chat for d in await store.deliveries.all_waiting()] == [CHAT, CHAT, "c2"]
    assert await store.deliveries.get(second.id) == second
    assert await store.deliveries.of_turn(7) == second
    assert await store.deliveries.get(99) is None


async def test_of_many_ways_out_one_is_taken(store):
    due = await store.deliveries.add(a_delivery())
    await accept(store, "m1")
    async with asyncio.TaskGroup() as group:
        jobs = [
            group.create_task(store.deliveries.claim(due.id, via="bubble")),
            group.create_task(store.deliveries.claim(due.id, via="contact")),
            group.create_task(store.deliveries.fetched(due.id)),
            group.create_task(store.deliveries.post(due.id, "m1")),
        ]
    assert [bool(job.result()) for job in jobs].count(True) == 1


async def test_an_address_is_taken_together_with_what_is_posted_to_it(store):
    first = await store.deliveries.add(a_delivery(1))
    other = await store.deliveries.add(a_delivery(2, chat="c2"))
    await accept(store, "m1")
    assert await store.deliveries.post(first.id, "m1") == "https://u"
    assert await store.deliveries.post(first.id, "m1") is None
    assert await store.deliveries.post(other.id, "m1") is None
    sending, due = await store.deliveries.get(first.id), await store.deliveries.get(other.id)
    assert (sending.state, sending.source, sending.attempts) == ("sending", "m1", 1)
    assert (due.state, due.source, due.attempts) == ("due", "", 0)
    assert await address(store, "m1") == "used"


async def test_what_is_not_due_takes_no_address(store):
    gone = await store.deliveries.add(a_delivery())
    await store.deliveries.claim(gone.id, via="contact")
    await accept(store, "m1")
    assert await store.deliveries.post(gone.id, "m1") is None
    assert await address(store, "m1") == "fresh"


async def test_nothing_younger_leaves_while_an_older_one_is_on_its_way(store):
    older = await store.deliveries.add(a_delivery(1))
    younger = await store.deliveries.add(a_delivery(2))
    elsewhere = await store.deliveries.add(a_delivery(3, chat="c2"))
    await on_its_way(store, older.id)
    await accept(store, "m1")
    assert await store.deliveries.post(younger.id, "m1") is None
    assert await address(store, "m1") == "fresh"
    await on_its_way(store, elsewhere.id)
    await store.deliveries.settle(older.id, "sent")
    assert await store.deliveries.post(younger.id, "m1")


async def test_what_never_left_is_due_again_with_its_address_and_later(store):
    due = await store.deliveries.add(a_delivery())
    assert not await store.deliveries.release(due.id, "ConnectError", 9)
    source = await on_its_way(store, due.id)
    assert await store.deliveries.release(due.id, "ConnectError", 9)
    again = await store.deliveries.get(due.id)
    assert (again.state, again.via, again.cause) == ("due", "", "ConnectError")
    assert (again.next_at, again.attempts) == (9, 1)
    assert await address(store, source) == "fresh"
    assert [await store.deliveries.next_at(now) for now in (8, 9)] == [9, None]
    assert await store.deliveries.post(due.id, source) == "https://u"


async def test_a_refusal_spends_the_address_and_the_last_one_ends_it(store):
    due = await store.deliveries.add(a_delivery())
    first = await on_its_way(store, due.id)
    assert await store.deliveries.refuse(due.id, "errcode 1", last=False)
    assert await state(store, due.id) == ("due", "", "errcode 1")
    assert await address(store, first) == "used"
    await on_its_way(store, due.id)
    assert await store.deliveries.refuse(due.id, "errcode 2", last=True)
    failed = await store.deliveries.get(due.id)
    assert (failed.state, failed.cause, failed.refusals) == ("failed", "errcode 2", 2)
    assert not await store.deliveries.refuse(due.id, "errcode 3", last=True)


async def test_a_post_is_repeated_once_and_never_again(store):
    due = await store.deliveries.add(a_delivery())
    assert not await store.deliveries.repeat(due.id, "ReadTimeout")
    await on_its_way(store, due.id)
    assert await store.deliveries.repeat(due.id, "ReadTimeout")
    assert not await store.deliveries.repeat(due.id, "ReadTimeout")
    (sending,) = await store.deliveries.all_sending()
    assert (sending.cause, sending.attempts) == ("ReadTimeout", 2)


@pytest.mark.parametrize("end", ["sent", "unknown", "failed"])
async def test_only_what_is_on_its_way_comes_to_an_end(store, end):
    due = await store.deliveries.add(a_delivery())
    if end != "failed":
        assert not await store.deliveries.settle(due.id, end)
    await on_its_way(store, due.id)
    assert await store.deliveries.settle(due.id, end, "why")
    assert await state(store, due.id) == (end, "url", "why")
    assert not await store.deliveries.settle(due.id, "sent")


async def test_what_is_on_its_way_is_not_to_be_fetched_and_all_else_once(store):
    due = await store.deliveries.add(a_delivery())
    await on_its_way(store, due.id)
    assert not await store.deliveries.fetched(due.id)
    await store.deliveries.settle(due.id, "failed", "errcode 1")
    assert await store.deliveries.fetched(due.id)
    assert not await store.deliveries.fetched(due.id)
    assert (await store.deliveries.get(due.id)).via == "result"


async def test_an_administrators_wish_makes_a_dead_letter_due_as_if_new(store):
    due = await store.deliveries.add(a_delivery())
    assert not await store.deliveries.retry(due.id)
    await on_its_way(store, due.id)
    assert not await store.deliveries.retry(due.id)
    await store.deliveries.refuse(due.id, "errcode 1", last=True)
    await store.inbox.bring("s", [], [due.id], lambda taken: "", finished=True)
    assert await store.deliveries.retry(due.id)
    again = await store.deliveries.get(due.id)
    assert (again.state, again.cause, again.attempts, again.refusals) == ("due", "", 0, 0)
    assert not again.told


async def test_a_chat_is_told_once_of_what_is_in_doubt_or_failed_and_the_cause_stays(store):
    doubtful = await store.deliveries.add(a_delivery(1))
    dead = await store.deliveries.add(a_delivery(2))
    await in_doubt(store, doubtful.id)
    await store.deliveries.settle(dead.id, "failed", "errcode 45002")
    untold = await store.deliveries.untold(CHAT)
    assert [d.id for d in untold] == [doubtful.id, dead.id]
    await store.inbox.bring("s", [], [d.id for d in untold], lambda taken: "", finished=True)
    assert await store.deliveries.untold(CHAT) == []
    assert (await store.deliveries.get(dead.id)).cause == "errcode 45002"
    assert await store.deliveries.counts() == {"unknown": 1, "failed": 1}


async def test_a_notice_that_no_address_took_is_shown_by_the_next_contact(store):
    notice = await store.deliveries.add(a_delivery(None, body="news"))
    await store.deliveries.settle(notice.id, "failed", "errcode 1")
    assert await store.deliveries.untold(CHAT) == []
    assert [d.id for d in await store.deliveries.waiting(CHAT)] == [notice.id]
    taken = await store.inbox.bring("s", [notice.id], [], lambda taken: "", finished=True)
    assert taken == [notice.id]


async def test_a_chat_is_ready_where_an_address_is_left_that_may_be_used(store):
    own = a_delivery(1, chat="own", message="own")
    lent = a_delivery(2, chat="lent", message="lent")
    earlier = a_delivery(3, chat="earlier", message="earlier")
    for new in (own, lent, earlier, a_delivery(4, chat="none", message="purged")):
        await store.deliveries.add(new)
    for chat, url in (("own", "https://u"), ("lent", ""), ("earlier", "")):
        inbound = an_inbound(chat, chat=chat, reply_url=url, at=50)
        await store.inbox.accept(inbound, a_chat(chat), None)
    for chat, at in (("lent", 60), ("earlier", 40)):
        inbound = an_inbound(f"c-{chat}", chat=chat, kind="command", at=at)
        await store.inbox.accept(inbound, None, None)
    assert sorted(await store.deliveries.ready(100, 0)) == ["lent", "own"]
    assert await store.deliveries.ready(100, 50) == ["lent"]
    due = await store.deliveries.of_turn(2)
    await store.deliveries.post(due.id, "c-lent")
    await store.deliveries.release(due.id, "ConnectError", 101)
    assert sorted(await store.deliveries.ready(100, 0)) == ["own"]
    assert sorted(await store.deliveries.ready(101, 0)) == ["lent", "own"]


async def test_what_is_not_sent_can_be_listed_by_state_and_by_chat(store):
    due = await store.deliveries.add(a_delivery(1, at=10))
    sent = await store.deliveries.add(a_delivery(2))
    doubtful = await store.deliveries.add(a_delivery(3, chat="c2", at=7))
    await store.deliveries.claim(sent.id, via="contact")
    await in_doubt(store, doubtful.id)

    async def listed(**of):
        return [d.id for d in await store.deliveries.unsent(**of)]

    assert await listed() == [doubtful.id, due.id]
    assert await listed(state="unknown") == [doubtful.id]
    assert await listed(chat=CHAT) == [due.id]
    assert await listed(state="sent") == []
    assert await store.deliveries.oldest("unknown") == 7
    assert await store.deliveries.oldest("failed") is None


async def test_the_backlog_leaves_out_what_one_chat_is_shown_at_its_next_contact(store):
    await store.deliveries.add(a_delivery(1, at=3))
    dead = await store.deliveries.add(a_delivery(None, at=4))
    await on_its_way(store, dead.id)
    await store.deliveries.settle(dead.id, "failed", "errcode 1")
    await store.deliveries.add(a_delivery(2, chat="wecom:group:g9", at=5))
    await store.deliveries.add(a_delivery(None, chat="wecom:group:g9", at=6))
    assert await store.deliveries.backlog(but=CHAT) == {"due": (2, 5)}
    assert await store.deliveries.backlog(but="") == {"due": (3, 3), "failed": (1, 4)}


async def test_old_notices_are_deleted_and_answers_wait_for_their_turn(store, monkeypatch):
    monkeypatch.setattr("store.deliveries.PURGED_AT_ONCE", 1)
    for turn, at in ((None, 1), (None, 2), (3, 1), (None, 9)):
        await store.deliveries.add(a_delivery(turn, at=at))
    assert await store.deliveries.purge(5) == 2
    assert [d.turn for d in await store.deliveries.all_waiting()] == [3, None]


async def test_an_accepted_message_leaves_no_delivery_behind(store):
    await accept(store)
    assert await store.deliveries.all_waiting() == []


async def with_files(store, *paths, channel="app"):
    """An answer that is due by a channel, and its files."""
    await store.inbox.accept(an_inbound(channel=channel), a_chat(), a_turn(channel=channel))
    files = [a_delivery(None, message="m1", body=f"not sent: {path}", file=path) for path in paths]
    await end(store, 1, delivery=a_delivery(1), files=files)
    return await store.deliveries.due(CHAT, channel)


async def test_the_files_of_an_answer_are_kept_with_it_and_leave_by_its_channel(store):
    answer, *files = await with_files(store, "a.txt", "b.txt")
    assert (answer.turn, answer.file) == (1, "")
    assert [(one.turn, one.file, one.message) for one in files] == [
        (None, "a.txt", "m1"),
        (None, "b.txt", "m1"),
    ]
    again = a_delivery(None, file="c.txt")
    assert not await end(store, 1, delivery=a_delivery(1), files=[again])
    assert len(await store.deliveries.due(CHAT, "app")) == 3


async def test_a_file_waits_for_words_and_no_words_wait_for_a_file(store):
    answer, file = await with_files(store, "a.txt")
    notice = await store.deliveries.add(a_delivery(None, message="m1"))
    assert await store.deliveries.push(answer.id, "app")
    assert await store.deliveries.push(file.id, "app") is None
    await store.deliveries.settle(answer.id, "sent", via="app")
    assert (await store.deliveries.push(file.id, "app")).state == "sending"
    assert (await store.deliveries.push(notice.id, "app")).state == "sending"


async def test_no_words_by_an_address_wait_for_a_file_of_another_channel(store):
    answer, file = await with_files(store, "a.txt")
    await store.deliveries.push(answer.id, "app")
    await store.deliveries.settle(answer.id, "sent", via="app")
    await store.deliveries.push(file.id, "app")
    await accept(store, "m2")
    words = await store.deliveries.add(a_delivery(2, message="m2"))
    assert await store.deliveries.ready(3000, 0) == [CHAT]
    assert await store.deliveries.post(words.id, "m2") == "https://u"


async def test_who_counts_leaves_out_files_that_were_told_of(store):
    answer, file = await with_files(store, "a.txt")
    await store.deliveries.push(answer.id, "app")
    await store.deliveries.settle(answer.id, "sent", via="app")
    assert await store.deliveries.counts() == {"due": 1, "sent": 1}
    await store.deliveries.push(file.id, "app")
    await store.deliveries.settle(file.id, "failed", "why", words="not taken")
    assert await store.deliveries.counts() == {"due": 1, "sent": 1}
    every = await store.deliveries.counts(told_files=True)
    assert every == {"due": 1, "failed": 1, "sent": 1}


async def test_a_contact_shows_no_file_but_where_only_words_can_be_brought(store):
    answer, file = await with_files(store, "a.txt")
    assert await store.deliveries.waiting(CHAT) == [answer]
    await store.deliveries.push(answer.id, "app")
    await store.deliveries.settle(answer.id, "sent", via="app")
    await store.deliveries.move_house("app", "callback")
    (shown,) = await store.deliveries.waiting(CHAT)
    assert (shown.id, shown.body) == (file.id, "not sent: a.txt")


async def test_what_is_told_of_a_file_is_kept_together_with_its_end(store):
    answer, file = await with_files(store, "a.txt")
    await store.deliveries.push(answer.id, "app")
    await store.deliveries.settle(answer.id, "sent", via="app")
    assert not await store.deliveries.settle(file.id, "unknown", "why", words="perhaps")
    assert await store.deliveries.due(CHAT, "app") == [file]
    await store.deliveries.push(file.id, "app")
    assert await store.deliveries.settle(file.id, "failed", "why", words="not taken")
    (notice,) = await store.deliveries.due(CHAT, "app")
    assert (notice.turn, notice.message, notice.body, notice.file) == (None, "m1", "not taken", "")
    assert await store.deliveries.waiting(CHAT) == [notice]
