"""A turn waits, runs and ends, each step decided by the database."""

import asyncio

from tests.store.samples import CHAT, a_delivery, a_turn, accept, an_ask, end


async def turns(store, count):
    return [(await accept(store, f"m{n}")).turn.n for n in range(1, count + 1)]


async def test_turns_are_numbered_in_the_order_they_come(store):
    assert await turns(store, 3) == [1, 2, 3]


async def test_a_command_can_be_given_a_turn_but_only_one(store):
    await accept(store, "m1")
    turn = await store.turns.add(a_turn("m2", kind="command"))
    assert (turn.message, turn.kind, turn.state) == ("m2", "command", "queued")
    assert await store.turns.add(a_turn("m2")) is None
    assert await store.turns.by_message("m2") == turn
    assert await store.turns.by_message("m3") is None


async def test_a_number_counts_only_in_its_own_chat(store):
    await turns(store, 1)
    assert (await store.turns.in_chat(CHAT, 1)).n == 1
    assert await store.turns.in_chat("wecom:direct:lisi", 1) is None


async def test_one_turn_of_a_chat_runs_at_a_time_in_order_and_forced_first(store):
    await turns(store, 3)
    assert await store.turns.force(3)
    assert [turn.n for turn in await store.turns.queued(CHAT)] == [3, 1, 2]
    first = await store.turns.claim(CHAT, 50)
    assert (first.n, first.state, first.started_at) == (3, "running", 50)
    assert await store.turns.claim(CHAT, 51) is None
    await end(store, 3)
    assert (await store.turns.claim(CHAT, 52)).n == 1
    assert (await store.turns.running(CHAT)).n == 1


async def test_of_many_claims_at_once_one_wins(store):
    await turns(store, 3)
    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(store.turns.claim(CHAT, 1)) for _ in range(20)]
    assert [job.result().n for job in jobs if job.result()] == [1]


async def test_an_empty_lane_has_nothing_to_claim(store):
    assert await store.turns.claim(CHAT, 1) is None
    assert await store.turns.running(CHAT) is None


async def test_what_a_turn_goes_through_is_kept(store):
    await turns(store, 1)
    held = await store.turns.claim(CHAT, 5)
    await store.turns.set_session(held, "ses_1", "/w", agent="build", model="p/m")
    await store.turns.prompt_sending(held, "msg_1")
    sending = await store.turns.get(1)
    await store.turns.prompt_accepted(held)
    await store.turns.set_syncs(1, before=4)
    await store.turns.set_syncs(1, after=6)
    await store.turns.save_answers([(held, "so far")])
    turn = await store.turns.get(1)
    assert (sending.prompt, sending.prompt_state, sending.prompts) == ("msg_1", "sending", 1)
    assert (turn.session, turn.directory, turn.agent, turn.model) == ("ses_1", "/w", "build", "p/m")
    assert (turn.prompt_state, turn.sync_before, turn.sync_after) == ("accepted", 4, 6)
    assert turn.answer == "so far"


async def test_a_prompt_that_was_forgotten_is_counted_when_it_is_sent_again(store):
    await turns(store, 1)
    held = await store.turns.claim(CHAT, 5)
    await store.turns.prompt_sending(held, "msg_1")
    await store.turns.prompt_forgotten(held, "swallowed")
    assert (await store.turns.prompt_accepted(held)).prompt_state == "none"
    await store.turns.prompt_sending(held, "msg_2")
    assert (await store.turns.get(1)).prompts == 2


async def test_a_turn_and_its_delivery_end_in_one_write_and_only_once(store):
    await turns(store, 1)
    await store.turns.claim(CHAT, 5)
    assert await end(store, 1, answer="first", delivery=a_delivery(body="first"))
    assert not await end(store, 1, answer="second", delivery=a_delivery(body="second"))
    turn = await store.turns.get(1)
    assert (turn.state, turn.answer, turn.footer, turn.ended_at) == ("done", "first", "f", 2000)
    assert (await store.deliveries.of_turn(1)).body == "first"


async def test_a_late_flush_does_not_touch_the_answer_of_a_turn_that_ended(store):
    await turns(store, 1)
    held = await store.turns.claim(CHAT, 5)
    await end(store, 1, answer="whole")
    await store.turns.save_answers([(held, "half")])
    await store.turns.save_answers([])
    assert (await store.turns.get(1)).answer == "whole"


async def test_a_turn_may_end_without_a_delivery(store):
    await turns(store, 1)
    assert await end(store, 1, state="failed")
    assert await store.deliveries.of_turn(1) is None


async def test_only_what_waits_can_be_dropped_or_forced(store):
    await turns(store, 3)
    await store.turns.claim(CHAT, 5)
    assert not await store.turns.drop(1, "lisi", 6)
    assert not await store.turns.force(1)
    assert await store.turns.drop(2, "lisi", 6)
    dropped = await store.turns.get(2)
    assert (dropped.state, dropped.stopped_by, dropped.ended_at) == ("dropped", "lisi", 6)


async def test_a_lane_is_emptied_but_for_what_runs(store):
    await turns(store, 3)
    await store.turns.claim(CHAT, 5)
    assert await store.turns.drop_all(CHAT, "lisi", 6) == [2, 3]
    assert [turn.n for turn in await store.turns.unfinished()] == [1]


async def test_the_last_turns_are_listed_newest_first(store):
    await turns(store, 3)
    assert [turn.n for turn in await store.turns.recent(CHAT, 2)] == [3, 2]


async def test_turns_are_counted_by_state(store):
    await turns(store, 3)
    await store.turns.claim(CHAT, 5)
    assert await store.turns.counts() == {"queued": 2, "running": 1}


async def test_old_turns_go_with_all_that_belongs_to_them(store, monkeypatch):
    monkeypatch.setattr("store.turns.PURGED_AT_ONCE", 2)
    await turns(store, 5)
    await store.asks.add(an_ask())
    for n in (1, 2, 3, 4):
        await end(store, n, at=n, delivery=a_delivery(n))
    assert await store.turns.purge(4) == 3
    assert [turn.n for turn in await store.turns.recent(CHAT, 9)] == [5, 4]
    assert await store.deliveries.of_turn(1) is None
    assert await store.asks.by_code(CHAT, "k7") is None
    assert await store.deliveries.of_turn(4) is not None


async def test_a_purge_with_nothing_old_deletes_nothing(store):
    await accept(store, at=5000)
    assert await store.purge(4000) == 0


async def test_a_number_is_never_given_twice(store):
    await turns(store, 2)
    await end(store, 2, at=1)
    await store.turns.purge(5)
    assert (await accept(store, "m9")).turn.n == 3


async def test_the_newest_prompt_is_known_after_a_restart(store):
    assert await store.turns.last_prompt() == ""
    await turns(store, 2)
    await store.turns.force(2)
    await store.turns.prompt_sending(await store.turns.claim(CHAT, 5), "msg_1")
    await end(store, 2)
    await store.turns.prompt_sending(await store.turns.claim(CHAT, 6), "msg_2")
    assert await store.turns.last_prompt() == "msg_2"
