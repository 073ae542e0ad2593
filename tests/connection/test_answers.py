"""A question over the long connection: a bubble that grows, and one final answer."""

import asyncio
from dataclasses import replace

import pytest

from bot.messages import Answer
from bot.texts import delivery as texts
from handlers.wecom.connection.outlet import LIMITS
from handlers.wecom.wire import STREAM_BYTES
from store.database import Statement
from store.records import NewDelivery
from tests.connection.stage import ANSWER, BRISK, FAST, MINUTE, SHOWN, Stage, until


async def asked(stage, msgid="M1", text="hello", **facts):
    """A message whose turn runs: its talk, and the reply stream of the engine."""
    talk = await stage.say(text, msgid, **facts)
    return talk, await stage.reply(msgid)


async def ended(stage, reply, msgid="M1", body="the answer"):
    await stage.end(msgid, body)
    await reply.finish(Answer(body, "✅ done", "/result"))


async def test_a_question_is_answered_in_one_bubble(stage):
    talk, reply = await asked(stage)
    assert talk.bubble.content == "开始 #1"
    reply.update("half of it")
    await until(lambda: talk.bubble.content == "half of it")
    await ended(stage, reply)
    assert await stage.finished(talk) == SHOWN
    assert (await stage.delivered("M1")).via == "connection"
    assert stage.bubbles(talk) == [talk.bubble]
    assert stage.codes == []


async def test_what_has_not_changed_is_not_sent_again(stage, wecom):
    talk, reply = await asked(stage)
    tape = wecom.gateway.record()
    reply.update("one")
    await until(lambda: talk.bubble.content == "one")
    reply.update("one")
    reply.update("two")
    await until(lambda: talk.bubble.content == "two")
    contents = [frame["body"]["stream"]["content"] for frame in streams(tape)]
    assert contents == ["one", "two"]


async def test_only_the_newest_text_is_sent(tmp_path, wecom, clock):
    slow = replace(FAST, pace=replace(BRISK, update_every_s=0.3))
    async with asyncio.timeout(30), Stage(tmp_path, wecom, clock, slow) as stage:
        talk, reply = await asked(stage)
        tape = wecom.gateway.record()
        reply.update("1")
        await until(lambda: talk.bubble.content == "1")
        for number in range(2, 50):
            reply.update(str(number))
            await asyncio.sleep(0)
        await until(lambda: talk.bubble.content == "49")
        assert [frame["body"]["stream"]["content"] for frame in streams(tape)] == ["1", "49"]


async def test_an_answer_that_had_waited_stands_above_all_of_a_bubble(stage):
    stage.desk.prefix = "what had waited"
    talk, reply = await asked(stage)
    assert talk.bubble.content.startswith("what had waited\n\n━")
    await ended(stage, reply)
    shown = await stage.finished(talk)
    assert shown.startswith("what had waited\n\n━")
    assert shown.endswith(SHOWN)


async def test_an_over_long_final_is_cut_and_says_how_to_read_on(stage):
    talk, reply = await asked(stage)
    await ended(stage, reply, body="字" * 20_000)
    shown = await stage.finished(talk)
    assert len(shown.encode()) <= STREAM_BYTES
    assert shown.endswith("/result\n\n✅ done")
    assert stage.codes == []


async def test_a_command_is_answered_in_a_finished_bubble(stage):
    talk = await stage.say("/status", "C1")
    assert await stage.finished(talk) == "done /status"
    await until_row(stage, "C1", finished=True)


async def test_a_queued_question_gets_a_receipt_and_then_a_bubble_of_its_own(stage):
    talk = await stage.say("later please", "M1")
    assert await stage.finished(talk) == "已排队 #1"
    reply = await stage.reply("M1")
    reply.update("now it runs")
    await until(lambda: len(talk.bubbles) == 2 and talk.bubble.content == "now it runs")
    await ended(stage, reply)
    assert await stage.finished(talk) == SHOWN
    assert [one.content for one in stage.bubbles(talk)] == ["已排队 #1", SHOWN]
    assert stage.codes == []


async def test_who_says_nothing_gets_no_bubble(stage, wecom):
    wecom.begin(
        "stranger", {"msgtype": "text", "text": {"content": "refused silently"}}, msgid="S1"
    )
    await until_row(stage, "S1", finished=True)
    assert wecom.transcript("stranger")[-1].kind == "said"


async def test_a_person_has_two_open_bubbles_at_most(stage):
    for number in (1, 2, 3):
        await stage.say("hello", f"M{number}")
    assert [may for _, may in stage.desk.accepted] == [True, True, False]


async def test_a_group_is_answered_in_the_group(stage, wecom):
    talk, reply = await asked(stage, text="hello", group="wrGROUP")
    await ended(stage, reply)
    assert await stage.finished(talk) == SHOWN
    assert wecom.transcript("wrGROUP")[-1] is talk.bubble
    message, _ = stage.desk.accepted[0]
    assert (message.text, message.channel, message.reply_url) == ("hello", "connection", "")
    assert message.handle


async def test_a_notice_is_a_message_of_its_own(stage, wecom):
    await stage.say("/hello", "C1")
    await stage.edge.replies.pushes.notice("wecom:direct:zhangsan", "C1", "by the way")
    await until(lambda: wecom.transcript("zhangsan")[-1].content == "by the way")
    assert stage.codes == []


async def test_an_open_bubble_shows_a_request_by_itself(stage, wecom):
    talk, reply = await asked(stage)
    await reply.notify("may I?")
    reply.update("asking")
    await until(lambda: talk.bubble.content == "asking")
    assert [item.kind for item in wecom.transcript("zhangsan")] == ["said", "bubble"]


async def test_a_dead_bubble_lets_a_request_leave_as_a_message(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.faults.next("aibot_respond_msg", 846605)
    reply.update("more")
    await until(lambda: stage.edge.parts.bubbles.find("M1").dead)
    await reply.notify("may I?")
    await until(lambda: wecom.transcript("zhangsan")[-1].content == "may I?")
    await ended(stage, reply)
    await until(lambda: wecom.transcript("zhangsan")[-1].content == SHOWN)
    assert (await stage.delivered("M1")).state == "sent"
    assert talk.bubble.content == "开始 #1"


async def test_a_dropped_turn_says_so_in_its_bubble(stage):
    talk, reply = await asked(stage)
    await reply.finish(Answer("dropped"))
    assert await stage.finished(talk) == "dropped"


async def test_a_long_turn_goes_on_in_a_second_bubble(stage, clock):
    talk, reply = await asked(stage)
    reply.update("first part")
    await until(lambda: talk.bubble.content == "first part")
    clock.after(5 * MINUTE)
    reply.update("second part")
    await until(lambda: len(talk.bubbles) == 2 and talk.bubble.content == "second part")
    first = stage.bubbles(talk)[0]
    assert first.finished
    assert first.content == f"{texts.HANDED_OVER.zh}\n\nsecond part"
    await ended(stage, reply)
    assert await stage.finished(talk) == SHOWN
    assert stage.codes == []


async def test_a_bubble_is_handed_over_even_when_nothing_changes(stage, clock):
    talk, reply = await asked(stage)
    reply.update("working")
    await until(lambda: talk.bubble.content == "working")
    clock.after(5 * MINUTE)
    await until(lambda: len(talk.bubbles) == 2 and talk.bubble.content == "working")
    assert texts.HANDED_OVER.zh in stage.bubbles(talk)[0].content
    assert stage.codes == []


async def test_a_stream_that_ends_early_is_followed_by_another(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.expire(talk.bubble)
    reply.update("after the end")
    await until(lambda: len(talk.bubbles) == 2 and talk.bubble.content == "after the end")
    await ended(stage, reply)
    assert await stage.finished(talk) == SHOWN
    assert stage.codes == []


async def test_a_final_whose_stream_has_expired_is_pushed(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.expire(talk.bubble)
    await ended(stage, reply)
    await until(lambda: wecom.transcript("zhangsan")[-1].content == SHOWN)
    assert wecom.transcript("zhangsan")[-1].kind == "late"
    assert (await stage.delivered("M1")).state == "sent"
    assert stage.codes == []


async def test_a_final_whose_answer_got_lost_is_said_again_in_the_same_place(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.faults.next("aibot_respond_msg", "drop")
    await ended(stage, reply)
    assert (await stage.delivered("M1")).state == "sent"
    assert talk.bubble.content == SHOWN
    assert wecom.transcript("zhangsan")[-1] is talk.bubble
    assert stage.codes == []


async def test_a_final_that_was_cut_off_is_said_again_after_the_reconnection(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.faults.next("aibot_respond_msg", "cut")
    await ended(stage, reply)
    await stage.tried("M1", 1)
    assert (await stage.delivered("M1")).state == "sent"
    assert await stage.finished(talk) == SHOWN
    assert wecom.transcript("zhangsan")[-1] is talk.bubble
    assert stage.codes == []


async def test_a_final_in_doubt_is_not_pushed_beside_its_bubble(stage, wecom):
    """Its frame may have arrived; and by then the stream is too old to be told again."""
    talk, reply = await asked(stage)
    wecom.gateway.faults.next("aibot_respond_msg", "cut", 846608)
    await ended(stage, reply)
    await stage.tried("M1", 1)
    delivery = await stage.delivered("M1", "unknown")
    assert "846608" in delivery.cause
    assert wecom.transcript("zhangsan")[-1] is talk.bubble


async def test_answers_that_are_late_are_not_mistaken(stage, wecom):
    """WeCom is slower than we wait: a refusal of one frame must not be taken for that of the next."""
    talk, reply = await asked(stage)
    wecom.gateway.faults.slow_s = 0.6
    reply.update("slowly")
    await until(lambda: talk.bubble.content == "slowly")
    await ended(stage, reply)
    assert await stage.finished(talk) == SHOWN
    wecom.gateway.faults.slow_s = 0.0
    assert (await stage.delivered("M1")).state == "sent"
    assert wecom.transcript("zhangsan")[-1] is talk.bubble
    assert stage.codes == []


async def test_a_conversation_that_is_always_limited_is_given_up_at_last(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.expire(talk.bubble)
    wecom.gateway.faults.next("aibot_send_msg", *[846607] * LIMITS)
    await ended(stage, reply)
    for attempts in range(1, LIMITS):
        await stage.tried("M1", attempts, after=10 * MINUTE)
    assert (await stage.delivered("M1", "failed")).attempts == LIMITS


async def test_who_ends_does_not_wait_for_a_wecom_that_is_gone(stage, wecom):
    talk, reply = await asked(stage)
    reply.update("half")
    await until(lambda: talk.bubble.content == "half")
    wecom.gateway.freeze()
    async with asyncio.timeout(20):
        await stage.edge.close()
    assert stage.connection.state == "closed"


async def test_a_push_whose_answer_got_lost_is_never_repeated(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.expire(talk.bubble)
    wecom.gateway.faults.next("aibot_send_msg", "drop")
    await ended(stage, reply)
    await stage.delivered("M1", "unknown")
    late = [item for item in wecom.transcript("zhangsan") if item.kind == "late"]
    assert [item.content for item in late] == [SHOWN]


async def test_a_final_waits_for_the_connection(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.faults.away = True
    wecom.gateway.cut()
    await until(lambda: not stage.connection.up)
    await ended(stage, reply)
    assert (await stage.delivery("M1")).state == "due"
    wecom.gateway.faults.away = False
    assert await stage.finished(talk) == SHOWN
    assert stage.codes == []


@pytest.mark.parametrize("code", [846607, 45009, -1, 846609])
async def test_a_final_that_is_not_taken_now_is_brought_later(stage, wecom, code):
    talk, reply = await asked(stage)
    wecom.gateway.faults.next("aibot_respond_msg", code)
    await stage.end("M1")
    await reply.finish(ANSWER)
    await stage.tried("M1", 1)
    assert await stage.finished(talk) == SHOWN
    assert (await stage.delivered("M1")).attempts == 2
    assert stage.codes == []


async def test_a_chat_that_wecom_does_not_know_is_given_up(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.expire(talk.bubble)
    wecom.gateway.faults.next("aibot_send_msg", 93006)
    await ended(stage, reply)
    assert (await stage.delivered("M1", "failed")).cause == "errcode 93006"


async def test_an_unknown_code_is_tried_three_times(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.expire(talk.bubble)
    wecom.gateway.faults.next("aibot_send_msg", 12345, 12345, 12345)
    await ended(stage, reply)
    await stage.tried("M1", 1)
    await stage.tried("M1", 2)
    assert (await stage.delivered("M1", "failed")).attempts == 3


async def test_an_answer_that_another_message_showed_closes_its_bubble(stage):
    talk, reply = await asked(stage)
    await stage.end("M1")
    delivery = await stage.delivery("M1")
    assert await stage.store.deliveries.claim(delivery.id, via="contact")
    await reply.finish(ANSWER)
    assert "#1" in await stage.finished(talk)
    assert talk.bubble.content == texts.SHOWN_ELSEWHERE.zh.format(n=1)


async def test_a_late_answer_of_a_command_is_brought(stage, wecom):
    await stage.say("/slow", "C1")
    new = NewDelivery("wecom:direct:zhangsan", None, "C1", "the outcome", "", "", stage.clock())
    delivery = await stage.store.deliveries.add(new)
    await stage.edge.replies.deliver(delivery.id)
    await until(lambda: wecom.transcript("zhangsan")[-1].content == "the outcome")


async def test_what_a_channel_was_to_bring_that_is_off_now_leaves_all_the_same(stage, wecom):
    await stage.say("hello", "M1")
    kept = stage.store.database
    async with kept.transaction() as database:
        await database.write(Statement("UPDATE turns SET channel = 'callback'"))
        await database.write(Statement("UPDATE inbound SET channel = 'callback', handle = ''"))
    await stage.crash()
    reply = await stage.reply("M1")
    await ended(stage, reply)
    await until(lambda: wecom.transcript("zhangsan")[-1].content == SHOWN)
    assert (await stage.delivered("M1")).channel == "connection"
    await stage.say("/hello", "C1")
    new = NewDelivery("wecom:direct:zhangsan", None, "M1", "the outcome", "", "", stage.clock())
    notice = await stage.store.deliveries.add(new)
    assert notice.channel == "callback"
    await stage.edge.replies.deliver(notice.id)
    await until(lambda: wecom.transcript("zhangsan")[-1].content == "the outcome")


async def test_updates_leave_room_for_the_final(tmp_path, wecom, clock):
    async with asyncio.timeout(60), Stage(tmp_path, wecom, clock) as stage:
        talk, reply = await asked(stage)
        tape = wecom.gateway.record()
        for number in range(60):
            reply.update(f"step {number}")
            shown = len(streams(tape))
            if shown < 23:
                await until(lambda before=shown: len(streams(tape)) > before)
        await ended(stage, reply)
        assert await stage.finished(talk) == SHOWN
        assert len(streams(tape)) == 24
        assert stage.codes == []


async def test_forgotten_bubbles_are_closed(stage, clock):
    talk, _ = await asked(stage)
    await stage.store.turns.drop(1, "boss", clock())
    assert await stage.edge.close_leaked() == 0
    clock.after(MINUTE)
    assert await stage.edge.close_leaked() == 1
    assert await stage.finished(talk) == texts.ENDED.zh.format(n=1)
    assert await stage.edge.close_leaked() == 0


def streams(tape):
    return [frame for who, frame in tape if who == "client" and frame["cmd"] == "aibot_respond_msg"]


async def until_row(stage, msgid, *, finished):
    async with asyncio.timeout(20):
        while True:
            row = await stage.store.inbox.find(msgid)
            if row is not None and row.finished is finished:
                return row
            await asyncio.sleep(0.01)
