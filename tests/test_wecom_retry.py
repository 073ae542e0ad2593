"""What is due is tried again: later each time, in order within a chat, no chat behind another."""

import asyncio
from dataclasses import replace

import pytest

from bot.errors import StoreFull
from bot.messages import Answer
from handlers.wecom.outcome import Outcome
from handlers.wecom.posts import DELAYS_S, delay_ms
from tests.fakes.edge import FAST, SHOWN, Edge, asked, finished, until

LIMITED = 45009


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        yield edge


async def test_what_never_left_us_leaves_when_the_network_is_back(edge):
    _, reply = await asked(edge, text="later")
    port = edge.api.port
    await edge.api.close()
    delivery = await finished(edge, reply)
    await edge.open_api(port)
    edge.clock.now = delivery.next_at - 1
    await edge.retry()
    assert edge.late.posts == []
    edge.clock.now = delivery.next_at
    await edge.retry()
    assert (edge.late.codes, edge.late.texts) == (["M1"], [SHOWN])
    assert (await edge.delivery("M1")).state == "sent"


@pytest.mark.parametrize("tried", range(8))
def test_each_wait_is_longer_than_the_last_and_a_little_by_chance(tried):
    seconds = DELAYS_S[min(tried, 5)]
    waits = {delay_ms(tried, Outcome("unsent")) for _ in range(50)}
    assert min(waits) >= seconds * 1000
    assert max(waits) <= seconds * 1250
    assert len(waits) > 1
    assert delay_ms(tried, Outcome("limited")) >= 60_000


async def test_how_long_to_wait_survives_a_restart(edge):
    edge.late.script = [LIMITED]
    _, reply = await asked(edge, text="later")
    delivery = await finished(edge, reply)
    await edge.crash()
    await edge.edge.recover()
    await edge.retry()
    assert len(edge.late.posts) == 1
    assert (await edge.delivery("M1")).next_at == delivery.next_at


async def test_l1_a_chat_that_wecom_holds_back_keeps_its_order_and_holds_up_no_other(edge):
    edge.late.script = [LIMITED]
    _, first = await asked(edge, "M1", text="later")
    _, second = await asked(edge, "M2", text="later")
    _, other = await asked(edge, "G1", text="later", group="wrX")
    limited = await finished(edge, first, "M1")
    assert (limited.state, limited.cause) == ("due", "errcode 45009")
    assert (await finished(edge, second, "M2")).state == "due"
    assert (await finished(edge, other, "G1")).state == "sent"
    edge.clock.now += 80_000
    await edge.retry()
    assert edge.late.codes == ["M1", "G1", "M1", "M2"]


async def test_one_without_an_address_holds_nobody_up(edge):
    _, first = await asked(edge, "M1", text="later", url=False)
    _, second = await asked(edge, "M2", text="later")
    await finished(edge, first, "M1")
    assert (await finished(edge, second, "M2")).state == "sent"
    assert (await edge.delivery("M1")).state == "due"


async def test_an_address_that_a_later_command_brought_is_used_without_being_asked(edge):
    _, reply = await asked(edge, "M1", text="later", url=False)
    await finished(edge, reply)
    await edge.retry()
    assert edge.late.posts == []
    await edge.say("/status", "C1")
    await edge.retry()
    assert (edge.late.codes, edge.late.texts) == (["C1"], [SHOWN])


async def test_of_two_that_could_use_one_address_the_older_gets_it(edge):
    for msgid in ("M1", "M2"):
        _, reply = await asked(edge, msgid, text="later", url=False)
        await finished(edge, reply, msgid)
    await edge.say("/status", "C1")
    await edge.retry()
    assert [(await edge.delivery(one)).state for one in ("M1", "M2")] == ["sent", "due"]


async def test_a_final_that_waits_in_its_bubble_holds_back_what_is_younger(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path, timing=replace(FAST, patience_s=20)) as edge:
        stream, first = await asked(edge, "M1")
        _, second = await asked(edge, "M2", text="later")
        await edge.end("M1")
        async with asyncio.TaskGroup() as group:
            group.create_task(first.finish(Answer("")))
            await until(lambda: edge.edge._bubbles.find(stream).final)
            assert (await finished(edge, second, "M2")).state == "due"
            assert (await edge.poll_to_the_end(stream))["content"] == SHOWN
        await edge.settled()
        assert edge.late.codes == ["M2"]


async def test_a_final_that_two_bring_at_once_is_taken_by_one_poll(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path, timing=replace(FAST, patience_s=20)) as edge:
        stream, reply = await asked(edge)
        await edge.end("M1")
        async with asyncio.TaskGroup() as group:
            group.create_task(reply.finish(Answer("")))
            await until(lambda: edge.edge._bubbles.find(stream).final)
            group.create_task(edge.retry())
            await until(lambda: edge.way_out._busy)
            assert (await edge.poll_to_the_end(stream))["content"] == SHOWN
        assert edge.late.posts == []


async def test_a_chat_whose_peer_is_silent_holds_up_no_other(edge):
    let_go = asyncio.Event()

    async def silent(request):
        await let_go.wait()
        return await edge.late.receive(request)

    for msgid, group in (("M1", ""), ("G1", "wrX")):
        await asked(edge, msgid, text="later", group=group)
        await edge.end(msgid)
    edge.late.script = [silent]
    await edge.way_out.retry_once()
    await until(lambda: len(edge.late.posts) == 2)
    await until(lambda: len(edge.way_out._busy) == 1)
    await edge.way_out.retry_once()  # a chat that is being worked on is not begun anew
    assert len(edge.late.posts) == 2
    let_go.set()
    await until(lambda: not edge.way_out._busy)
    assert {(await edge.delivery(one)).state for one in ("M1", "G1")} == {"sent"}


async def test_the_retry_looks_again_when_the_time_has_come(edge, monkeypatch):
    monkeypatch.setattr("handlers.wecom.posts.DELAYS_S", (0.02,))
    await edge.edge.recover()
    _, reply = await asked(edge, text="later")
    port = edge.api.port
    await edge.api.close()
    await finished(edge, reply)
    await edge.open_api(port)
    edge.clock.now += 1_000
    edge.way_out._posts.woken.set()
    await edge.late.came.wait()
    assert edge.late.texts == [SHOWN]


# Slow posts


async def test_a_chat_goes_on_with_its_next_turn_while_wecom_keeps_its_answer_waiting(edge):
    let_go = asyncio.Event()

    async def silent(request):
        await let_go.wait()
        return await edge.late.receive(request)

    edge.late.script = [silent]
    _, reply = await asked(edge, text="later")
    await edge.end("M1")
    await reply.finish(Answer(""))
    await reply.notify("🔐 a7k")
    await edge.late.came.wait()
    assert (await edge.delivery("M1")).state == "sending"
    let_go.set()
    await edge.settled()
    assert (await edge.delivery("M1")).state == "sent"


async def test_a_doubt_that_waits_for_its_repeat_keeps_no_other_chat_from_posting(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("handlers.wecom.posts.AT_ONCE", 1)
    async with asyncio.timeout(30), Edge(tmp_path, timing=replace(FAST, again_after_s=100)) as edge:
        edge.late.script = [-1]
        _, doubted = await asked(edge, "M1", text="later")
        await edge.end("M1")
        await doubted.finish(Answer(""))
        await edge.late.came.wait()
        _, other = await asked(edge, "G1", text="later", group="wrX")
        await edge.end("G1")
        await other.finish(Answer(""))
        await until(lambda: len(edge.late.posts) == 2)
        assert edge.late.codes == ["M1", "G1"]
        assert (await edge.delivery("M1")).state == "sending"


async def test_a_repeat_that_could_not_leave_is_made_later_without_a_restart(edge):
    edge.late.script = [-1, LIMITED]
    _, reply = await asked(edge, text="later")
    assert (await finished(edge, reply)).state == "sending"
    edge.clock.now += 80_000
    await edge.retry()
    assert (await edge.delivery("M1")).state == "sent"
    assert edge.late.codes == ["M1"] * 3


async def test_told_to_end_a_post_under_way_is_repeated_at_the_next_start(edge):
    never = asyncio.Event()

    async def silent(request):
        await never.wait()

    edge.late.script = [silent]
    _, reply = await asked(edge, text="later")
    await edge.end("M1")
    await reply.finish(Answer(""))
    await edge.late.came.wait()
    await edge.restart()
    never.set()
    delivery = await edge.delivery("M1")
    assert (delivery.state, delivery.cause) == ("sending", "")
    await edge.edge.recover()
    await edge.retry()
    assert (await edge.delivery("M1")).state == "sent"
    assert edge.late.codes == ["M1", "M1"]


# A store that cannot write


def full(*args, **facts):
    raise StoreFull("no space")


async def test_s1_a_disk_that_is_full_while_an_answer_is_brought_costs_only_time(edge):
    _, reply = await asked(edge, text="later")
    works = edge.store.deliveries.post
    edge.store.deliveries.post = full
    assert (await finished(edge, reply)).state == "due"
    await edge.retry()
    assert edge.late.posts == []
    edge.store.deliveries.post = works
    await edge.retry()
    assert edge.late.texts == [SHOWN]


async def test_s1_what_became_of_a_post_is_written_down_when_there_is_space_again(edge):
    _, first = await asked(edge, "M1", text="later")
    _, second = await asked(edge, "M2", text="later")
    works = edge.store.deliveries.settle
    edge.store.deliveries.settle = full
    assert (await finished(edge, first, "M1")).state == "sending"
    assert (await finished(edge, second, "M2")).state == "due"
    await edge.retry()
    edge.store.deliveries.settle = works
    await edge.retry()
    assert [(await edge.delivery(one)).state for one in ("M1", "M2")] == ["sent", "sent"]
    assert edge.late.codes == ["M1", "M2"]


async def test_without_its_mark_on_the_disk_a_repeat_does_not_leave(edge):
    edge.late.script = [-1, 0]
    _, reply = await asked(edge, text="later")
    edge.store.deliveries.repeat = full
    assert (await finished(edge, reply)).state == "unknown"
    assert len(edge.late.posts) == 1
