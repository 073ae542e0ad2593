"""Where a final stood when the service went down decides how it leaves afterwards."""

import asyncio

import pytest

from bot.errors import StoreError
from handlers.wecom.bubbles import ended
from store.records import NewDelivery
from tests.fakes.edge import MINUTE, SHOWN, Edge, asked, finished, until


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        yield edge


async def test_a_final_that_was_claimed_and_not_shown_is_shown_at_the_next_poll(edge):
    stream, _ = await asked(edge)
    delivery = await edge.end("M1")
    await edge.store.deliveries.claim(delivery.id, via="bubble")
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
    await edge.store.deliveries.post(delivery.id, "M1")
    await edge.crash()
    shown = await edge.poll(stream)
    assert shown["finish"] is True
    assert "the answer" not in shown["content"]


async def test_a_final_without_an_address_is_offered_in_a_bubble_that_a_repeat_opened(edge):
    stream, _ = await asked(edge, url=False)
    await edge.end("M1")
    await edge.crash()
    await edge.say("hello", "M1", url=False)
    await edge.edge.recover()
    assert (await edge.poll_to_the_end(stream))["content"] == SHOWN


async def on_its_way(edge, *, came=False):
    """Let an answer be on its way when the service is killed; ``came``: WeCom has it."""
    await asked(edge, text="later")
    delivery = await edge.end("M1")
    address = await edge.store.deliveries.post(delivery.id, "M1")
    if came:
        await edge.session.post(address, json={"markdown": {"content": SHOWN}})
        edge.late.script = [40058]
    return delivery


async def recovered(edge):
    await edge.crash()
    await edge.edge.recover()
    await edge.retry()
    return await edge.delivery("M1")


async def test_c18_what_was_claimed_and_never_left_is_sent_after_the_restart(edge):
    await on_its_way(edge)
    assert (await recovered(edge)).state == "sent"
    assert (edge.late.codes, edge.late.texts) == (["M1"], [SHOWN])


async def test_c19_c20_what_may_have_come_is_repeated_once_and_then_in_doubt(edge):
    await on_its_way(edge, came=True)
    delivery = await recovered(edge)
    assert (delivery.state, delivery.attempts) == ("unknown", 2)
    assert delivery.cause == "the service was cut off, then errcode 40058"
    assert edge.late.codes == ["M1", "M1"]
    await recovered(edge)
    assert edge.late.codes == ["M1", "M1"]


async def test_a_repeat_that_a_second_crash_cut_off_is_not_made_again(edge):
    delivery = await on_its_way(edge)
    assert await edge.store.deliveries.repeat(delivery.id, "the service was cut off")
    assert (await recovered(edge)).state == "unknown"
    assert edge.late.posts == []


async def test_what_two_find_cut_off_is_repeated_by_one(edge):
    await on_its_way(edge)
    delivery, posts = await edge.delivery("M1"), edge.way_out._posts
    posts.take_up([delivery])
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(posts.resume(delivery.chat))
    assert edge.late.codes == ["M1"]
    assert (await edge.delivery("M1")).state == "sent"


async def test_an_address_that_grew_old_meanwhile_is_not_called_again(edge):
    await on_its_way(edge)
    edge.clock.now += 55 * MINUTE
    assert (await recovered(edge)).state == "unknown"
    assert edge.late.posts == []


async def without_a_network(edge):
    """Start again before the network is up; return the port of WeCom's own end."""
    await on_its_way(edge)
    await edge.crash()
    port = edge.api.port
    await edge.api.close()
    await edge.edge.recover()
    await edge.retry()
    return port


async def test_what_was_cut_off_is_repeated_when_the_network_comes_up_after_the_start(edge):
    port = await without_a_network(edge)
    held = await edge.delivery("M1")
    assert (held.state, held.cause) == ("sending", "")
    await edge.open_api(port)
    edge.clock.now = held.next_at - 1
    await edge.retry()
    assert edge.late.posts == []
    edge.clock.now = held.next_at
    await edge.retry()
    assert (edge.late.codes, (await edge.delivery("M1")).state) == (["M1"], "sent")


async def test_each_wait_for_the_network_is_longer_than_the_last(edge):
    await without_a_network(edge)
    waits = []
    for _ in range(3):
        held = await edge.delivery("M1")
        waits.append(held.next_at - edge.clock.now)
        edge.clock.now = held.next_at
        await edge.retry()
    assert waits == sorted(waits)
    assert waits[0] < waits[2] / 2


async def test_a_repeat_that_could_not_leave_is_given_up_with_its_address(edge):
    await without_a_network(edge)
    edge.clock.now += 55 * MINUTE
    await edge.retry()
    delivery = await edge.delivery("M1")
    assert (delivery.state, delivery.cause) == ("unknown", "the service was cut off")


async def test_a_repeat_that_wecom_held_back_is_made_once_after_a_further_restart(edge):
    await on_its_way(edge)
    edge.late.script = [45009]
    assert (await recovered(edge)).state == "sending"
    assert (await recovered(edge)).state == "sending"
    assert edge.late.codes == ["M1"]
    edge.clock.now += 80_000
    await edge.retry()
    assert (await edge.delivery("M1")).state == "sent"
    await recovered(edge)
    assert edge.late.codes == ["M1", "M1"]


async def test_what_is_younger_waits_for_a_repeat_that_could_not_leave(edge):
    await edge.open_api(await without_a_network(edge))
    await asked(edge, "M2", text="later")
    await edge.end("M2")
    await edge.retry()
    assert edge.late.posts == []
    edge.clock.now += 10_000
    await edge.retry()
    assert edge.late.codes == ["M1", "M2"]


async def test_what_was_on_its_way_comes_before_what_is_younger(edge):
    await on_its_way(edge)
    await asked(edge, "M2", text="later")
    younger = await edge.end("M2")
    await edge.crash()
    await edge.edge.replies.deliver(younger.id)
    assert edge.late.posts == []
    await edge.edge.recover()
    await edge.retry()
    assert edge.late.codes == ["M1", "M2"]


async def test_a_repeat_that_cannot_be_marked_is_made_when_the_store_is_well_again(edge):
    await on_its_way(edge)
    await edge.crash()
    works = edge.store.deliveries.repeat

    async def busy(*args):
        raise StoreError("busy")

    edge.store.deliveries.repeat = busy
    await edge.edge.recover()
    await edge.retry()
    assert edge.late.posts == []
    edge.store.deliveries.repeat = works
    await edge.retry()
    assert (await edge.delivery("M1")).state == "sent"


async def test_the_bubble_of_an_answer_in_doubt_does_not_claim_that_it_was_shown(edge):
    stream, _ = await asked(edge)
    delivery = await edge.end("M1")
    await edge.store.deliveries.post(delivery.id, "M1")
    await edge.store.deliveries.settle(delivery.id, "unknown", "ReadTimeout")
    await edge.crash()
    assert (await edge.poll(stream))["content"] == ended(1, "zh")


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
                await edge.store.deliveries.claim(notice.id, via="contact")
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


async def test_a_final_that_a_poll_took_and_nobody_can_have_seen_is_in_doubt(edge):
    await asked(edge)
    delivery = await edge.end("M1")
    await edge.store.deliveries.claim(delivery.id, via="bubble")
    await edge.crash()
    await edge.edge.recover()
    assert (await edge.delivery("M1")).state == "sent"  # its next poll may come yet
    edge.clock.now += 7 * MINUTE
    await edge.crash()
    await edge.edge.recover()
    assert (await edge.delivery("M1")).state == "unknown"
    assert [edge.edge for edge in await edge.store.turns.history(1)][-1] == "doubted"


async def test_a_final_whose_bubble_was_finished_stays_shown_after_a_restart(edge):
    stream, _ = await asked(edge)
    await edge.end("M1")
    await edge.crash()
    assert (await edge.poll(stream))["finish"] is True
    edge.clock.now += 7 * MINUTE
    await edge.crash()
    await edge.edge.recover()
    assert (await edge.delivery("M1")).state == "sent"
