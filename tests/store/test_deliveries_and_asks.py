"""Deliveries leave once; an ask is decided once."""

import asyncio

from tests.store.samples import CHAT, a_delivery, accept, an_ask


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
    ways = ("bubble", "url", "contact", "result")
    async with asyncio.TaskGroup() as group:
        jobs = [
            group.create_task(store.deliveries.claim(due.id, via=way, to="sent")) for way in ways
        ]
    assert [job.result() for job in jobs].count(True) == 1
    assert (await store.deliveries.get(due.id)).state == "sent"


async def test_what_was_surely_not_sent_is_due_again(store):
    due = await store.deliveries.add(a_delivery())
    assert not await store.deliveries.release(due.id, "refused")
    assert await store.deliveries.claim(due.id, via="url", to="sending")
    assert await store.deliveries.release(due.id, "refused")
    again = await store.deliveries.get(due.id)
    assert (again.state, again.via, again.cause) == ("due", "", "refused")


async def test_a_delivery_that_was_sent_stays_sent(store):
    due = await store.deliveries.add(a_delivery())
    await store.deliveries.claim(due.id, via="url", to="sending")
    assert await store.deliveries.settle(due.id, "sent", at=50)
    assert not await store.deliveries.settle(due.id, "failed", via="result", at=60)
    settled = await store.deliveries.get(due.id)
    assert (settled.state, settled.via, settled.changed_at) == ("sent", "url", 50)


async def test_after_a_crash_what_was_on_its_way_is_unknown_until_the_chat_is_told(store):
    due = await store.deliveries.add(a_delivery(1))
    await store.deliveries.add(a_delivery(2))
    await store.deliveries.claim(due.id, via="url", to="sending")
    assert [d.id for d in await store.deliveries.doubtful()] == [due.id]
    assert [d.id for d in await store.deliveries.unknown(CHAT)] == [due.id]
    await store.inbox.bring("s", [], [due.id], lambda taken: "", finished=True)
    assert await store.deliveries.unknown(CHAT) == []
    assert await store.deliveries.counts() == {"due": 1, "unknown": 1}
    assert await store.deliveries.doubtful() == []


async def test_old_notices_are_deleted_and_answers_wait_for_their_turn(store, monkeypatch):
    monkeypatch.setattr("store.deliveries.PURGED_AT_ONCE", 1)
    for turn, at in ((None, 1), (None, 2), (3, 1), (None, 9)):
        await store.deliveries.add(a_delivery(turn, at=at))
    assert await store.deliveries.purge(5) == 2
    assert [d.turn for d in await store.deliveries.all_waiting()] == [3, None]


async def test_an_ask_is_kept_once(store):
    ask = await store.asks.add(an_ask())
    assert ask.state == "open"
    assert await store.asks.add(an_ask(code="other")) is None
    assert await store.asks.open(CHAT) == [ask]
    assert await store.asks.open_of_turn(1) == [ask]
    assert await store.asks.all_open() == [ask]
    assert await store.asks.open("c2") == []


async def test_the_first_decision_holds_until_it_is_taken_back(store):
    await store.asks.add(an_ask())
    assert await store.asks.decide("per_1", "once", "lisi", 5)
    assert not await store.asks.decide("per_1", "reject", "wangwu", 6)
    decided = await store.asks.by_code(CHAT, "k7")
    assert (decided.state, decided.decision, decided.decided_by) == ("answered", "once", "lisi")
    assert await store.asks.reopen("per_1")
    assert not await store.asks.reopen("per_1")
    again = await store.asks.by_code(CHAT, "k7")
    assert (again.state, again.decision, again.decided_at) == ("open", "", None)


async def test_an_ask_that_is_gone_cannot_be_decided(store):
    await store.asks.add(an_ask())
    assert await store.asks.close("per_1", "gone", 5)
    assert not await store.asks.close("per_1", "expired", 6)
    assert not await store.asks.decide("per_1", "once", "lisi", 7)


async def test_a_code_that_was_used_before_means_the_open_ask(store):
    await store.asks.add(an_ask("per_1", asked_at=5000))
    await store.asks.close("per_1", "gone", 5001)
    await store.asks.add(an_ask("per_2", asked_at=1000))
    assert (await store.asks.by_code(CHAT, "k7")).id == "per_2"
    assert await store.asks.by_code(CHAT, "zz") is None


async def test_only_open_asks_with_an_end_expire(store):
    await store.asks.add(an_ask("per_1", expires_at=10))
    await store.asks.add(an_ask("per_2", expires_at=11))
    await store.asks.add(an_ask("que_1", expires_at=None))
    assert [ask.id for ask in await store.asks.expired(10)] == ["per_1"]


async def test_an_accepted_message_leaves_no_delivery_behind(store):
    await accept(store)
    assert await store.deliveries.all_waiting() == []


async def test_only_granted_permissions_count_as_approved(store):
    assert await store.asks.approved(1) == 0
    for n, decision in enumerate(("allow", "allow", "deny")):
        await store.asks.add(an_ask(f"per_{n}"))
        await store.asks.decide(f"per_{n}", decision, "lisi", 5)
    await store.asks.add(an_ask("per_9"))
    assert await store.asks.approved(1) == 2


async def test_a_ping_tells_that_messages_can_be_kept(store):
    await store.ping(1)
    await store.ping(2)
