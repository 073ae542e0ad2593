"""The ledger: every edge is a row in the commit of the change it tells of, and the fence decides who may move."""

import asyncio

import orjson
import pytest

from store import open_store
from store.crashpoints import arm, crashpoint, on_sent
from store.database import Statement
from store.errors import TurnLost
from tests.store.samples import CHAT, a_delivery, accept, end, on_its_way

SLEEPER = "UPDATE turns SET owner = 'another process', lease_until = now_ms() + $1"


async def edges(store, n=1):
    return [edge.edge for edge in await store.turns.history(n)]


async def held(store, message="m1"):
    """A turn that is claimed."""
    await accept(store, message)
    return await store.turns.claim(CHAT, 5, version="1.0")


async def prompted(store):
    turn = await held(store)
    turn = await store.turns.set_session(turn, "ses_1", "/w", agent="build", model="p/m")
    turn = await store.turns.prompt_sending(turn, "msg_1")
    return await store.turns.prompt_accepted(turn, opencode="1.18.33")


async def test_a_turns_whole_life_can_be_read(store):
    turn = await prompted(store)
    await store.turns.answered(turn, "answered", steps=2)
    await end(store, 1, delivery=a_delivery())
    delivery = await store.deliveries.of_turn(1)
    await store.deliveries.claim(delivery.id, via="bubble")
    assert await edges(store) == [
        "claimed", "session_known", "prompt_sent", "accepted", "answered", "final_stored", "shown",
    ]  # fmt: skip
    history = await store.turns.history(1)
    facts = [orjson.loads(edge.facts) for edge in history]
    assert facts[0] == {"version": "1.0"}
    assert facts[1] == {"session": "ses_1", "agent": "build", "model": "p/m"}
    assert facts[3] == {"opencode": "1.18.33"}
    assert facts[4] == {"outcome": "answered", "steps": 2}
    assert facts[6] == {"via": "bubble"}
    assert {edge.fence for edge in history} == {1}
    assert [edge.at for edge in history] == sorted(edge.at for edge in history)
    assert (await store.turns.get(1)).stored_at <= history[0].at


async def test_what_is_sent_by_an_address_is_told_step_by_step(store):
    await held(store)
    await end(store, 1, delivery=a_delivery())
    delivery = await store.deliveries.of_turn(1)
    source = await on_its_way(store, delivery.id)
    await store.deliveries.release(delivery.id, "ConnectError", 0)
    await store.deliveries.post(delivery.id, source)
    await store.deliveries.settle(delivery.id, "unknown", "ReadTimeout")
    await store.deliveries.fetched(delivery.id)
    assert (await edges(store))[2:] == ["sending", "unsent", "sending", "doubted", "shown"]


async def test_a_move_that_the_state_does_not_allow_leaves_no_trace(store):
    turn = await prompted(store)
    await store.turns.prompt_accepted(turn)
    assert not await store.turns.drop(1, "lisi", 5)
    assert not await store.turns.force(1)
    assert (await edges(store)).count("accepted") == 1
    assert not {"dropped", "forced"} & set(await edges(store))


async def test_what_people_do_to_a_turn_is_told_with_their_name(store):
    await held(store)
    await accept(store, "m2")
    await accept(store, "m3")
    await store.turns.halt(1, "lisi")
    await store.turns.force(3)
    await store.turns.drop_all(CHAT, "lead", 9)
    assert [(e.edge, orjson.loads(e.facts)) for e in await store.turns.history(1)][-1] == (
        "halted",
        {"by": "lisi"},
    )
    assert await edges(store, 2) == ["dropped"]
    assert await edges(store, 3) == ["forced", "dropped"]


async def test_a_restart_takes_a_running_turn_up_with_a_higher_fence(store, path):
    turn = await held(store)
    await store.close()
    async with await open_store(f"sqlite:///{path}") as again:
        taken = await again.turns.take_up(CHAT, version="1.1")
        assert (taken.n, taken.fence, taken.state) == (1, turn.fence + 1, "running")
        assert taken.owner != turn.owner
        assert await edges(again) == ["claimed", "taken_up"]


async def test_nothing_is_taken_up_where_nothing_runs(store):
    await accept(store)
    assert await store.turns.take_up(CHAT) is None
    assert await edges(store) == []


async def test_whoever_lost_a_turn_can_move_it_no_more(store):
    turn = await prompted(store)
    taken = await store.turns.take_up(CHAT)
    with pytest.raises(TurnLost):
        await store.turns.set_session(turn, "ses_2", "/w")
    with pytest.raises(TurnLost):
        await store.turns.prompt_forgotten(turn, "swallowed")
    with pytest.raises(TurnLost):
        await store.turns.answered(turn, "answered")
    await store.turns.save_answers([(turn, "of a ghost")])
    old = await store.turns.end(
        turn, state="done", outcome="answered", reason="", stopped_by="", answer="of a ghost",
        footer="", at=9, delivery=a_delivery(),
    )  # fmt: skip
    now = await store.turns.get(1)
    assert not old
    assert (now.state, now.session, now.answer, now.fence) == (
        "running", "ses_1", "", taken.fence,
    )  # fmt: skip
    assert await store.deliveries.of_turn(1) is None


async def test_who_slept_while_the_prompt_was_on_its_way_never_gets_the_new_owners_fence(store):
    turn = await held(store)
    turn = await store.turns.set_session(turn, "ses_1", "/w")
    turn = await store.turns.prompt_sending(turn, "msg_1")
    taken = await store.turns.take_up(CHAT)
    with pytest.raises(TurnLost):
        await store.turns.prompt_accepted(turn)
    assert (await store.turns.get(1)).prompt_state == "sending"
    assert (await store.turns.prompt_accepted(taken)).fence == taken.fence
    with pytest.raises(TurnLost):
        await store.turns.prompt_accepted(turn)  # accepted, but by somebody else


async def test_each_move_of_a_worker_returns_the_turn_as_it_left_it(store):
    turn = await held(store)
    for made, state in [
        (lambda: store.turns.set_session(turn, "ses_1", "/w"), "none"),
        (lambda: store.turns.prompt_sending(turn, "msg_1"), "sending"),
        (lambda: store.turns.prompt_accepted(turn), "accepted"),
        (lambda: store.turns.prompt_accepted(turn), "accepted"),
        (lambda: store.turns.prompt_forgotten(turn, "swallowed"), "none"),
    ]:
        after = await made()
        assert after == await store.turns.get(1)
        assert (after.prompt_state, after.fence) == (state, turn.fence)


async def test_an_end_that_the_fence_refuses_leaves_no_doubt_about_the_session(store):
    turn = await prompted(store)
    await store.turns.take_up(CHAT)
    assert not await unheard_end(store, turn)
    assert not await store.sessions.doubted("ses_1")


class Shared:
    """A database that other processes have open, too."""

    exclusive = False

    def __init__(self, database):
        self._database = database

    def __getattr__(self, name):
        return getattr(self._database, name)


async def test_where_others_may_live_a_turn_is_taken_up_only_after_its_lease(store):
    await held(store)
    store.turns._database = Shared(store.database)
    await store.database.write(Statement(SLEEPER, 60_000))
    assert await store.turns.take_up(CHAT) is None
    await store.database.write(Statement(SLEEPER, -1))
    assert (await store.turns.take_up(CHAT)).n == 1


async def test_a_lease_is_renewed_for_what_is_ours_alone(store):
    await held(store)
    await store.database.write(Statement("UPDATE turns SET lease_until = 1"))
    await store.turns.renew()
    assert (await store.turns.get(1)).lease_until > 1
    await store.database.write(Statement(SLEEPER, 7))
    before = (await store.turns.get(1)).lease_until
    await store.turns.renew()
    assert (await store.turns.get(1)).lease_until == before


async def test_of_many_who_take_a_turn_up_the_last_holds_it(store):
    await held(store)
    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(store.turns.take_up(CHAT)) for _ in range(10)]
    fences = sorted(job.result().fence for job in jobs)
    assert fences == list(range(2, 12))
    assert (await store.turns.get(1)).fence == 11


async def unheard_end(store, turn):
    return await store.turns.end(
        turn, state="failed", outcome="interrupted", reason="", stopped_by="", answer="",
        footer="", at=9, delivery=None, unheard=True,
    )  # fmt: skip


async def test_doubt_about_a_session_lives_as_long_as_nobody_clears_it(store, path):
    turn = await prompted(store)
    assert await unheard_end(store, turn)
    assert await store.sessions.doubted("ses_1")
    await store.close()
    async with await open_store(f"sqlite:///{path}") as again:
        assert await again.sessions.doubted("ses_1")
        await again.sessions.trust("ses_1")
        assert not await again.sessions.doubted("ses_1")


async def test_crash_points_are_nothing_until_a_drill_arms_one():
    crashpoint("C01")
    assert on_sent("C09") == {}
    arm({})
    crashpoint("C01")


def test_a_crash_point_that_cannot_be_read_is_refused():
    with pytest.raises(ValueError, match="soon"):
        arm({"TEST_CRASHPOINT": "C01:soon"})
