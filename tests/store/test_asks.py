"""An ask is decided once."""

from tests.store.samples import CHAT, an_ask


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
