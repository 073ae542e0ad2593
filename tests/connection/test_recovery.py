"""After a crash or a restart nothing that was said is left without an answer, and nothing is said twice."""

import asyncio

from bot.messages import Chat, InboundMessage
from bot.outbox import SEAM
from bot.texts import delivery as texts
from bot.texts import engine
from handlers.wecom.connection.channel import CONNECTION
from store.records import NewChat, NewInbound
from tests.connection.stage import ANSWER, MINUTE, SHOWN, until


async def away(stage):
    """Let the connection be gone, and stay so."""
    stage.gateway.faults.away = True
    stage.gateway.cut()
    await until(lambda: not stage.connection.up)


async def row_of(stage, msgid):
    return await stage.store.inbox.find(msgid)


async def finished_row(stage, msgid):
    async with asyncio.timeout(20):
        while not (row := await row_of(stage, msgid)).finished:  # noqa: ASYNC110 - the store rings no bell
            await asyncio.sleep(0.01)
    return row


async def heard(stage, msgid):
    """Have WeCom bring a message; return its talk and the id that replies to it must name."""
    tape = stage.gateway.record()
    talk = await stage.say("hello", msgid)
    return talk, next(
        frame["headers"]["req_id"]
        for who, frame in tape
        if who == "server" and frame.get("cmd") == "aibot_msg_callback"
    )


def inbound(
    msgid, handle, at, *, kind, body="", shown="", stream=None, chat="wecom:direct:zhangsan"
):
    return NewInbound(
        message=msgid,
        chat=chat,
        sender="zhangsan",
        kind=kind,
        name="",
        body=body,
        stream=stream or f"{msgid}stream",
        shown=shown,
        finished=False,
        reply_url="",
        received_at=at,
        channel=CONNECTION,
        handle=handle,
    )


async def left_behind(stage, msgid, **facts):
    """A message that the last run kept, and did not answer."""
    await stage.stop()
    await stage.start(connected=False)
    chat = NewChat("wecom:direct:zhangsan", "wecom", "direct", "zhangsan", "", "zh", stage.clock())
    await stage.store.inbox.accept(inbound(msgid, at=stage.clock(), **facts), chat, None)


async def test_a_running_turn_goes_on_in_its_bubble_after_a_crash(stage):
    talk = await stage.say("hello", "M1")
    (await stage.reply("M1")).update("half")
    await until(lambda: talk.bubble.content == "half")
    await stage.crash()
    reply = await stage.reply("M1")
    reply.update("more than half")
    await until(lambda: talk.bubble.content == "more than half")
    await stage.end("M1")
    await reply.finish(ANSWER)
    assert await stage.finished(talk) == SHOWN
    assert len(talk.bubbles) == 1
    assert stage.codes == []


async def test_a_look_that_comes_late_does_not_end_the_bubble_of_a_turn_that_runs(stage):
    talk = await stage.say("hello", "M1")
    await stage.crash()
    reply = await stage.reply("M1")
    bubbles = stage.edge.parts.bubbles
    await bubbles.load(bubbles.find("M1"))
    await bubbles._look(bubbles.find("M1"))  # begun while it was not loaded yet
    reply.update("half")
    await until(lambda: talk.bubble.content == "half")
    assert not talk.bubble.finished
    assert stage.codes == []


async def test_a_second_bubble_is_found_again_after_a_crash(stage, clock):
    talk = await stage.say("later", "M1")
    (await stage.reply("M1")).update("half")
    await until(lambda: len(talk.bubbles) == 2 and talk.bubble.content == "half")
    await stage.crash()
    reply = await stage.reply("M1")
    reply.update("more")
    await until(lambda: talk.bubble.content == "more")
    assert len(talk.bubbles) == 2
    await stage.end("M1")
    await reply.finish(ANSWER)
    assert await stage.finished(talk) == SHOWN
    assert stage.codes == []


async def test_a_restart_finishes_what_is_open_and_the_turn_goes_on_in_another_bubble(stage):
    talk = await stage.say("hello", "M1")
    (await stage.reply("M1")).update("half")
    await until(lambda: talk.bubble.content == "half")
    await stage.restart()
    assert talk.bubble.finished
    assert texts.HANDED_OVER.zh in talk.bubble.content
    reply = await stage.reply("M1")
    reply.update("more")
    await until(lambda: len(talk.bubbles) == 2)
    await stage.end("M1")
    await reply.finish(ANSWER)
    assert await stage.finished(talk) == SHOWN
    assert stage.codes == []


async def test_after_too_long_a_crash_the_turn_gets_another_bubble(stage, clock):
    talk = await stage.say("hello", "M1")
    clock.after(7 * MINUTE)
    await stage.crash()
    reply = await stage.reply("M1")
    reply.update("back again")
    await until(lambda: talk.bubble is not None and talk.bubble.content == "back again")
    assert len(talk.bubbles) == 2
    assert stage.codes == []


async def test_a_final_that_was_due_finishes_its_bubble_after_a_crash(stage):
    talk = await stage.say("hello", "M1")
    await stage.end("M1")
    await stage.crash()
    assert await stage.finished(talk) == SHOWN
    assert (await stage.delivered("M1")).state == "sent"
    assert stage.codes == []


async def test_a_final_that_was_on_its_way_is_said_again_in_its_bubble(stage):
    talk = await stage.say("hello", "M1")
    await stage.end("M1")
    delivery = await stage.delivery("M1")
    assert await stage.store.deliveries.push(delivery.id, CONNECTION)
    await stage.crash()
    assert await stage.finished(talk) == SHOWN
    assert (await stage.delivered("M1")).state == "sent"
    assert stage.codes == []


async def test_a_final_that_was_on_its_way_and_could_not_be_said_again_is_never_pushed(
    stage, clock
):
    talk = await stage.say("hello", "M1")
    await stage.end("M1")
    delivery = await stage.delivery("M1")
    assert await stage.store.deliveries.push(delivery.id, CONNECTION)
    stage.gateway.faults.next("aibot_respond_msg", 846607)
    await stage.crash()
    clock.after((await stage.put_off(delivery.id)).next_at - clock() + 7 * MINUTE)
    stage.edge.parts.pushes.wake()
    assert (await stage.delivered("M1", "unknown")).cause == "unacknowledged, then expired"
    assert talk.late == []


async def test_what_waited_for_a_message_stands_above_its_answer_after_a_crash(stage):
    talk = await stage.say("later", "M1")
    row = await finished_row(stage, "M1")
    await stage.store.inbox.reopen("M1", row.stream)  # as if its receipt had not left
    await stage.store.inbox.show([(row.stream, f"what waited{SEAM}已排队 #1", False)])
    await stage.crash()
    (await stage.reply("M1")).update("half")
    await until(lambda: len(talk.bubbles) == 2)
    assert talk.bubble.content == f"what waited{SEAM}half"


async def test_a_final_that_was_on_its_way_without_a_bubble_is_in_doubt(stage, clock):
    await stage.say("later", "M1")
    await stage.end("M1")
    delivery = await stage.delivery("M1")
    assert await stage.store.deliveries.push(delivery.id, CONNECTION)
    await stage.crash()
    assert (await stage.delivered("M1", "unknown")).cause == "the service was cut off"


async def test_a_final_whose_bubble_was_finished_just_before_the_crash_counts_as_sent(stage):
    talk = await stage.say("hello", "M1")
    await stage.end("M1")
    delivery = await stage.delivery("M1")
    assert await stage.store.deliveries.push(delivery.id, CONNECTION)
    row = await row_of(stage, "M1")
    await stage.store.inbox.show([(row.stream, SHOWN, True)])
    await stage.crash()
    assert (await stage.delivered("M1")).state == "sent"
    assert talk.bubble.content == "开始 #1"


async def test_a_notice_that_was_on_its_way_is_in_doubt(stage):
    await stage.say("/hello", "C1")
    await away(stage)
    await stage.edge.replies.pushes.notice("wecom:direct:zhangsan", "C1", "by the way")
    notice = (await stage.store.deliveries.all_waiting(CONNECTION))[0]
    assert await stage.store.deliveries.push(notice.id, CONNECTION)
    stage.gateway.faults.away = False
    await stage.crash()
    async with asyncio.timeout(20):
        while (await stage.store.deliveries.get(notice.id)).state != "unknown":  # noqa: ASYNC110 - the store rings no bell
            await asyncio.sleep(0.01)


async def test_a_command_that_nobody_carried_out_is_carried_out_after_the_crash(stage):
    talk, handle = await heard(stage, "C0")
    await left_behind(stage, "C1", handle=handle, kind="command", body="/status")
    await stage.crash()
    assert (await finished_row(stage, "C1")).shown == "done /status"
    assert "done /status" in [one.content for one in stage.bubbles(talk)]


async def test_an_old_command_that_nobody_carried_out_is_told_so(stage, clock):
    _, handle = await heard(stage, "C0")
    await left_behind(stage, "C1", handle=handle, kind="command", body="/stop")
    stage.desk.accepted.clear()
    clock.after(10 * MINUTE)
    await stage.crash()
    assert (await finished_row(stage, "C1")).shown == engine.NOT_RUN.zh
    assert stage.desk.accepted == []


async def test_an_answer_whose_frame_may_have_left_is_said_again_to_the_byte(stage):
    talk, handle = await heard(stage, "C0")
    await left_behind(stage, "C1", handle=handle, kind="command", body="/status", shown="as it was")
    await stage.crash()
    await finished_row(stage, "C1")
    assert "as it was" in [one.content for one in stage.bubbles(talk)]
    assert stage.desk.accepted == []


async def test_a_refusal_that_nobody_heard_is_told(stage):
    talk, handle = await heard(stage, "C0")
    await left_behind(stage, "C1", handle=handle, kind="refused")
    await stage.crash()
    assert (await finished_row(stage, "C1")).shown == engine.NOT_RUN.zh
    assert engine.NOT_RUN.zh in [one.content for one in stage.bubbles(talk)]


async def test_a_bubble_of_a_turn_that_is_over_is_closed_after_a_crash(stage):
    talk = await stage.say("hello", "M1")
    await stage.end("M1")
    delivery = await stage.delivery("M1")
    assert await stage.store.deliveries.claim(delivery.id, via="contact")
    await stage.crash()
    assert await stage.finished(talk) == texts.SHOWN_ELSEWHERE.zh.format(n=1)
    await finished_row(stage, "M1")


async def test_an_old_bubble_of_a_turn_that_is_over_is_only_marked(stage, clock):
    talk = await stage.say("hello", "M1")
    await stage.end("M1")
    delivery = await stage.delivery("M1")
    assert await stage.store.deliveries.claim(delivery.id, via="contact")
    clock.after(10 * MINUTE)
    await stage.crash()
    await finished_row(stage, "M1")
    assert talk.bubble.content == "开始 #1"


async def test_an_answer_waits_for_the_connection_to_come_back(stage, wecom):
    talk, handle = await heard(stage, "C0")
    await until(lambda: talk.bubble is not None)
    await away(stage)
    stage.desk.accepted.clear()
    message = stage_message(stage, "C9", handle)
    await stage.edge.parts.reception.again(message, "C9stream")
    assert not (await row_of(stage, "C9")).finished
    stage.gateway.faults.away = False
    assert (await finished_row(stage, "C9")).shown == "done /late"
    assert "done /late" in [one.content for one in stage.bubbles(talk)]


async def test_an_answer_that_its_message_takes_no_more_is_pushed(stage, wecom):
    talk, handle = await heard(stage, "C0")
    await until(lambda: talk.bubble is not None)
    wecom.gateway.faults.next("aibot_respond_msg", 846605)
    await stage.edge.parts.reception.again(stage_message(stage, "C9", handle), "C9stream")
    await until(lambda: wecom.transcript("zhangsan")[-1].content == "done /late")
    assert wecom.transcript("zhangsan")[-1].kind == "late"
    assert (await finished_row(stage, "C9")).finished


async def test_the_last_words_of_groups_are_known_after_a_restart(stage):
    await stage.say("/in the group", group="wrG")
    await stage.restart()
    assert stage.edge.facts["last_group_at"] > 0


def stage_message(stage, msgid, handle):
    return InboundMessage(
        id=msgid,
        chat=Chat("wecom", "direct", "zhangsan"),
        sender="zhangsan",
        text="/late",
        received_at=stage.clock(),
        channel=CONNECTION,
        handle=handle,
    )
