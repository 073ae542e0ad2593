"""A final answer leaves once: by the open bubble, else by one late answer, else it waits."""

import asyncio
from dataclasses import replace

import pytest

from bot.errors import StoreError
from handlers.wecom.wire import STREAM_BYTES
from store.records import NewDelivery
from tests.fakes.edge import ANSWER, FAST, MINUTE, SHOWN, Edge, asked, finished


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        yield edge


# By the bubble


async def test_the_final_leaves_with_the_next_poll(edge):
    stream, reply = await asked(edge)
    await edge.end("M1")
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(ANSWER))
        shown = await edge.poll_to_the_end(stream)
    assert shown["content"] == SHOWN
    delivery = await edge.delivery("M1")
    assert (delivery.state, delivery.via) == ("sent", "bubble")
    assert edge.late.posts == []


async def test_the_final_is_marked_as_sent_before_its_bytes_go(edge):
    stream, reply = await asked(edge)
    await edge.end("M1")
    states = []
    works = edge.store.inbox.show

    async def show(rows):
        if any(finished for _, _, finished in rows):
            states.append((await edge.delivery("M1")).state)
        await works(rows)

    edge.store.inbox.show = show
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(ANSWER))
        await edge.poll_to_the_end(stream)
    assert set(states) == {"sent"}


async def test_two_polls_at_once_show_the_same_final(edge):
    stream, reply = await asked(edge)
    await edge.end("M1")
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(ANSWER))
        polls = [group.create_task(edge.poll_to_the_end(stream)) for _ in range(3)]
    assert {poll.result()["content"] for poll in polls} == {SHOWN}


async def test_an_over_long_final_is_cut_and_says_how_to_read_on(edge):
    stream, reply = await asked(edge)
    await edge.end("M1", "字" * 20_000)
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(ANSWER))
        shown = await edge.poll_to_the_end(stream)
    assert len(shown["content"].encode()) <= STREAM_BYTES
    assert shown["content"].endswith("/result\n\n✅ done")


async def test_a_final_that_the_store_cannot_mark_waits_for_a_better_poll(edge):
    stream, reply = await asked(edge, url=False)
    await finished(edge, reply)
    works = edge.store.deliveries.claim

    async def busy(*args, **facts):
        raise StoreError("busy")

    edge.store.deliveries.claim = busy
    assert (await edge.poll(stream))["finish"] is False
    edge.store.deliveries.claim = works
    assert (await edge.poll(stream))["content"] == SHOWN


async def test_a_store_that_hangs_holds_no_poll_for_long(tmp_path):
    async with Edge(tmp_path, timing=replace(FAST, store_s=0.05)) as edge:
        stream, reply = await asked(edge, url=False)
        await finished(edge, reply)

        async def hangs(*args, **facts):
            await asyncio.Event().wait()

        edge.store.deliveries.claim = hangs
        body = {"msgid": "P", "msgtype": "stream", "stream": {"id": stream}}
        assert await edge.post(body) == (503, None)


async def test_a_turn_without_a_kept_delivery_still_closes_its_bubble(edge):
    stream, reply = await asked(edge)
    await reply.finish(ANSWER)
    assert (await edge.poll(stream))["content"] == SHOWN
    closed = await edge.reply("M1", bubble=False)
    await closed.finish(ANSWER)
    assert edge.late.posts == []


# By the late answer


async def test_when_nobody_polls_the_final_leaves_by_its_own_address_once(edge):
    stream, reply = await asked(edge)
    delivery = await finished(edge, reply)
    assert (delivery.state, delivery.via) == ("sent", "url")
    assert edge.late.codes == ["M1"]
    assert edge.late.texts == [SHOWN]
    assert edge.edge.open_bubbles == 0
    late = await edge.poll(stream)
    assert late["finish"] is True
    assert "the answer" not in late["content"]
    assert "/result 1" in late["content"]


async def test_a_late_answer_is_plain_markdown_within_the_limit(edge):
    _, reply = await asked(edge)
    await finished(edge, reply, body="字" * 20_000)
    _, body = edge.late.posts[0]
    assert body["msgtype"] == "markdown"
    assert set(body) == {"msgtype", "markdown"}
    assert len(edge.late.texts[0].encode()) <= STREAM_BYTES
    assert edge.late.texts[0].endswith("/result\n\n✅ done")


async def test_a_queued_messages_answer_leaves_by_its_own_address_at_once(edge):
    stream, reply = await asked(edge, text="later please")
    reply.update("no bubble shows this")
    delivery = await finished(edge, reply)
    assert (delivery.state, edge.late.codes) == ("sent", ["M1"])
    assert "#1" in (await edge.poll(stream))["content"]


async def test_after_the_hand_over_nothing_is_pushed_but_the_final(edge):
    _, reply = await asked(edge)
    edge.clock.now += 5 * MINUTE
    for text in ("one", "two", "three"):
        reply.update(text)
    await finished(edge, reply)
    assert edge.late.texts == [SHOWN]


@pytest.fixture
async def patient_edge(tmp_path):
    """Waits for a poll longer than a test may take."""
    async with asyncio.timeout(30), Edge(tmp_path, timing=replace(FAST, patience_s=100)) as edge:
        yield edge


async def test_when_the_polls_stopped_long_ago_nobody_waits_for_one(patient_edge):
    _, reply = await asked(patient_edge)
    patient_edge.clock.now += 101_000
    await finished(patient_edge, reply)
    assert patient_edge.late.texts == [SHOWN]


async def test_beyond_wecoms_six_minutes_no_poll_is_waited_for(patient_edge):
    await asked(patient_edge)
    delivery = await patient_edge.end("M1")
    await patient_edge.crash()
    patient_edge.clock.now += 7 * MINUTE
    await patient_edge.edge.replies.deliver(delivery.id)
    assert patient_edge.late.texts == [SHOWN]


async def test_without_an_address_the_final_stays_in_the_bubble_for_a_late_poll(edge):
    stream, reply = await asked(edge, url=False)
    assert (await finished(edge, reply)).state == "due"
    assert (await edge.poll(stream))["content"] == SHOWN
    assert (await edge.delivery("M1")).via == "bubble"


async def test_a_final_that_waits_comes_before_the_hand_over(edge):
    stream, reply = await asked(edge, url=False)
    await finished(edge, reply)
    edge.clock.now += 5 * MINUTE + 30_000
    assert (await edge.poll(stream))["content"] == SHOWN


async def test_a_notice_that_nobody_polled_for_ends_its_bubble_too(edge):
    stream, _ = await asked(edge, url=False)
    notice = await edge.store.deliveries.add(
        NewDelivery("wecom:direct:zhangsan", None, "M1", "news", "", "", edge.clock.now)
    )
    await edge.edge.replies.deliver(notice.id)
    edge.clock.now += 6 * MINUTE
    shown = await edge.poll(stream)
    assert (shown["finish"], "#" in shown["content"]) == (True, False)


async def test_without_an_address_and_without_a_poll_the_final_waits_for_result(edge):
    stream, reply = await asked(edge, url=False)
    await finished(edge, reply)
    edge.clock.now += 6 * MINUTE
    shown = await edge.poll(stream)
    assert shown["finish"] is True
    assert "/result 1" in shown["content"]
    assert (await edge.delivery("M1")).state == "due"


async def test_what_the_next_contact_showed_is_not_shown_again_by_a_late_poll(edge):
    stream, reply = await asked(edge, url=False)
    delivery = await finished(edge, reply)
    await edge.store.deliveries.claim(delivery.id, via="contact")
    shown = await edge.poll(stream)
    assert shown["finish"] is True
    assert "the answer" not in shown["content"]


async def test_what_was_brought_already_is_not_brought_again(edge):
    _, reply = await asked(edge)
    delivery = await edge.end("M1")
    await edge.store.deliveries.claim(delivery.id, via="result")
    await reply.finish(ANSWER)
    await edge.edge.replies.deliver(delivery.id)
    assert edge.late.posts == []


async def test_an_address_is_good_for_fifty_five_minutes(edge):
    _, reply = await asked(edge, text="later")
    edge.clock.now += 55 * MINUTE
    assert (await finished(edge, reply)).state == "due"
    assert edge.late.posts == []


async def test_a_later_command_of_the_chat_lends_its_address(edge):
    await edge.say("/status", "before")
    _, reply = await asked(edge, text="later", url=False)
    edge.clock.now += 56 * MINUTE
    await edge.say("/status", "others", sender="lisi")
    await edge.say("/status", "C1")
    edge.clock.now += 1
    await edge.say("/status", "C2")
    assert (await finished(edge, reply)).state == "sent"
    assert edge.late.codes == ["C2"]


async def test_an_earlier_command_lends_nothing(edge):
    await edge.say("/status", "C1")
    edge.clock.now += 1
    _, reply = await asked(edge, text="later", url=False)
    assert (await finished(edge, reply)).state == "due"


async def test_another_queued_message_keeps_its_own_address(edge):
    _, reply = await asked(edge, text="later", url=False)
    await edge.say("later, too", "M2")
    assert (await finished(edge, reply)).state == "due"


# What must not wait for the end


async def test_while_the_bubble_is_open_an_ask_is_shown_there(edge):
    _, reply = await asked(edge)
    await reply.notify("🔐 a7k")
    assert edge.late.posts == []
    assert await edge.store.deliveries.all_waiting() == []


async def test_after_the_hand_over_an_ask_takes_the_address_and_the_final_that_of_the_reply(edge):
    _, reply = await asked(edge)
    edge.clock.now += 5 * MINUTE
    reply.update("half of it")
    await reply.notify("🔐 a7k")
    await edge.say("/allow a7k", "C1")
    await finished(edge, reply)
    assert edge.late.codes == ["M1", "C1"]
    assert edge.late.texts == ["🔐 a7k", SHOWN]


async def test_an_ask_without_a_way_waits_for_the_next_contact(edge):
    _, reply = await asked(edge, text="later", url=False)
    await reply.notify("🔐 a7k")
    waiting = await edge.store.deliveries.all_waiting()
    assert [(one.body, one.turn) for one in waiting] == [("🔐 a7k", None)]


async def test_before_the_address_expires_the_person_is_told_where_the_answer_will_wait(edge):
    _, reply = await asked(edge)
    edge.clock.now += 54 * MINUTE - 1
    await edge.way_out.watch_once()
    assert edge.late.posts == []
    edge.clock.now += 1
    for _ in range(2):
        await edge.way_out.watch_once()
    assert len(edge.late.posts) == 1
    assert "/result 1" in edge.late.texts[0]
    edge.clock.now += MINUTE
    assert (await finished(edge, reply)).state == "due"


async def test_the_watch_goes_on_for_as_long_as_the_service_lives(edge, monkeypatch):
    monkeypatch.setattr("handlers.wecom.way_out.WATCH_S", 0.01)
    await asked(edge)
    edge.clock.now += 54 * MINUTE
    async with asyncio.timeout(5):
        watch = asyncio.get_running_loop().create_task(edge.way_out.watch())
        await edge.late.came.wait()
        watch.cancel()
    assert "/result 1" in edge.late.texts[0]
    assert len(edge.late.posts) == 1


async def test_an_address_that_a_later_command_lent_has_the_last_words_not_one_before_it(edge):
    await asked(edge)
    edge.clock.now += 30 * MINUTE
    await edge.say("/allow a7k", "C1")
    edge.clock.now += 24 * MINUTE
    await edge.way_out.watch_once()
    assert edge.late.posts == []
    edge.clock.now += 30 * MINUTE
    await edge.way_out.watch_once()
    assert edge.late.codes == ["C1"]


async def test_turns_that_share_their_last_address_have_one_message_for_all(edge):
    await asked(edge)
    await edge.say("later, too", "M2")
    edge.clock.now += 10 * MINUTE
    await edge.say("/allow a7k", "C1")
    edge.clock.now += 54 * MINUTE
    await edge.way_out.watch_once()
    assert edge.late.codes == ["C1"]
    assert [n for n in (1, 2) if f"/result {n}" in edge.late.texts[0]] == [1, 2]


async def test_there_are_no_last_words_without_a_fresh_address(edge):
    await asked(edge, text="later", url=False)
    await asked(edge, "M2", text="later")
    edge.clock.now += 54 * MINUTE

    async def taken(message):
        return None

    edge.store.inbox.take_url = taken
    await edge.way_out.watch_once()
    assert edge.late.posts == []


async def test_last_words_that_could_not_leave_are_tried_again(edge):
    await asked(edge)
    port = edge.api.port
    edge.clock.now += 54 * MINUTE
    await edge.api.close()
    await edge.way_out.watch_once()
    await edge.open_api(port)
    await edge.way_out.watch_once()
    assert edge.late.codes == ["M1"]


async def test_a_store_in_trouble_leaves_the_answer_due(edge):
    _, reply = await asked(edge, text="later")
    works = edge.store.deliveries.post

    async def busy(*args, **facts):
        raise StoreError("busy")

    edge.store.deliveries.post = busy
    assert (await finished(edge, reply)).state == "due"
    await reply.notify("🔐 a7k")
    edge.store.deliveries.post = works
    assert edge.late.posts == []
    await edge.retry()
    assert edge.late.texts == [SHOWN]


async def test_a_final_that_leaves_with_a_poll_is_not_overtaken_by_the_end_of_its_time(edge):
    stream, reply = await asked(edge, url=False)
    await finished(edge, reply)
    claim, bubbles = edge.store.deliveries.claim, edge.edge._bubbles
    edge.clock.now += 6 * MINUTE - 1

    async def late(*args, **facts):
        taken = await claim(*args, **facts)
        edge.clock.now += 2
        bubbles.hand_over(bubbles.find(stream))
        return taken

    edge.store.deliveries.claim = late
    shown = await edge.poll(stream)
    assert (shown["content"], shown["finish"]) == (SHOWN, True)
