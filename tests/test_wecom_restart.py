"""Where a final stood when the service went down decides how it leaves afterwards."""

import asyncio

import pytest

from store.records import NewDelivery
from tests.fakes.edge import SHOWN, Edge, asked, finished, until


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        yield edge


async def test_a_final_that_was_claimed_and_not_shown_is_shown_at_the_next_poll(edge):
    stream, _ = await asked(edge)
    delivery = await edge.end("M1")
    await edge.store.deliveries.claim(delivery.id, via="bubble", to="sent")
    await edge.crash()
    shown = await edge.poll(stream)
    assert (shown["content"], shown["finish"]) == (SHOWN, True)


async def test_a_final_that_was_kept_and_not_brought_leaves_with_the_next_poll(edge):
    stream, _ = await asked(edge)
    await edge.end("M1")
    await edge.crash()
    assert (await edge.poll(stream))["content"] == SHOWN
    assert (await edge.delivery("M1")).via == "bubble"


async def test_a_kept_delivery_is_brought_by_the_bubble_that_is_still_open(edge):
    stream, _ = await asked(edge)
    delivery = await edge.end("M1")
    await edge.crash()
    async with asyncio.TaskGroup() as group:
        group.create_task(edge.edge.replies.deliver(delivery.id))
        shown = await edge.poll_to_the_end(stream)
    assert shown["content"] == SHOWN
    assert edge.late.posts == []


async def test_a_kept_delivery_is_brought_by_the_address_when_nobody_polls(edge):
    await asked(edge)
    delivery = await edge.end("M1")
    await edge.crash()
    await edge.edge.replies.deliver(delivery.id)
    assert edge.late.texts == [SHOWN]
    await edge.edge.replies.deliver(delivery.id)
    await edge.edge.replies.deliver(10_000)
    assert len(edge.late.posts) == 1


async def test_a_delivery_on_its_way_by_address_is_not_shown_in_the_bubble_as_well(edge):
    stream, _ = await asked(edge)
    delivery = await edge.end("M1")
    await edge.store.deliveries.claim(delivery.id, via="url", to="sending")
    await edge.crash()
    shown = await edge.poll(stream)
    assert shown["finish"] is True
    assert "the answer" not in shown["content"]


async def test_a_turn_that_ended_without_an_answer_ends_its_bubble(edge):
    stream, _ = await asked(edge)
    turn = await edge.turn("M1")
    await edge.store.turns.drop(turn.n, by="zhangsan", at=edge.clock.now)
    await edge.crash()
    shown = await edge.poll(stream)
    assert shown["finish"] is True
    assert "#1" in shown["content"]


async def test_two_polls_of_a_forgotten_bubble_make_one(edge):
    stream, _ = await asked(edge)
    await edge.restart()
    async with asyncio.TaskGroup() as group:
        polls = [group.create_task(edge.poll(stream)) for _ in range(4)]
    assert len({str(poll.result()) for poll in polls}) == 1
    assert edge.edge.open_bubbles == 1


async def test_a_notice_of_a_purged_message_still_finds_a_way(edge):
    await edge.say("/status", "C1")
    notice = await edge.store.deliveries.add(
        NewDelivery("wecom:direct:zhangsan", None, "purged", "late news", "", "", edge.clock.now)
    )
    await edge.edge.replies.deliver(notice.id)
    assert (edge.late.codes, edge.late.texts) == (["C1"], ["late news"])


async def test_a_commands_late_outcome_is_brought_by_its_own_address(edge):
    await edge.say("/slow", "C1")
    notice = await edge.store.deliveries.add(
        NewDelivery("wecom:direct:zhangsan", None, "C1", "done after all", "", "", edge.clock.now)
    )
    await edge.edge.replies.deliver(notice.id)
    assert (edge.late.codes, edge.late.texts) == (["C1"], ["done after all"])


async def test_a_notice_in_an_open_bubble_is_closed_without_a_turns_number(edge):
    for taken, way in ((False, "url"), (True, "contact")):
        msgid = f"M-{way}"
        stream, _ = await asked(edge, msgid)
        notice = await edge.store.deliveries.add(
            NewDelivery("wecom:direct:zhangsan", None, msgid, "news", "", "", edge.clock.now)
        )
        async with asyncio.TaskGroup() as group:
            job = group.create_task(edge.edge.replies.deliver(notice.id))
            if taken:
                bubble = edge.edge._bubbles.find(stream)
                await until(lambda bubble=bubble: bubble.final)
                await edge.store.deliveries.claim(notice.id, via="contact", to="sent")
                shown = await edge.poll_to_the_end(stream)
            else:
                await job
                shown = await edge.poll(stream)
        assert shown["finish"] is True
        assert "#" not in shown["content"]


async def test_a_delivery_that_was_purged_under_a_poll_ends_the_bubble(edge):
    stream, reply = await asked(edge, url=False)
    await finished(edge, reply)

    async def gone(delivery):
        return None

    edge.store.deliveries.get = gone
    shown = await edge.poll(stream)
    assert (shown["finish"], "/result 1" in shown["content"]) == (True, True)
