"""What goes wrong on the way of a bubble, one thing at a time."""

import asyncio
from dataclasses import replace

from bot.cards import NoticeCard
from bot.errors import StoreError
from bot.messages import Answer
from bot.outbox import SEAM
from bot.texts import delivery as texts
from handlers.wecom import posts
from handlers.wecom.budget import Limits
from handlers.wecom.connection import frames
from handlers.wecom.connection.speaker import Conversation
from store.records import NewDelivery
from tests.connection.stage import ANSWER, BRISK, FAST, MINUTE, SHOWN, Stage, until

CHAT = "wecom:direct:zhangsan"


async def asked(stage, msgid="M1", text="hello"):
    talk = await stage.say(text, msgid)
    return talk, await stage.reply(msgid)


async def ended(stage, reply, msgid="M1"):
    await stage.end(msgid)
    await reply.finish(ANSWER)


def failing(stage, name, times=1):
    """Let a method of the inbox fail so often."""
    works, left = getattr(stage.store.inbox, name), [StoreError("busy")] * times

    async def method(*args):
        if left:
            raise left.pop()
        return await works(*args)

    setattr(stage.store.inbox, name, method)
    return left


async def test_copies_of_a_message_that_come_at_once_start_one_turn(stage):
    talk = await stage.say("hello", "M1", copies=3)
    await until(lambda: stage.edge.counts["repeat"] == 2)
    assert len(stage.desk.accepted) == 1
    assert talk.bubble.content == "开始 #1"


async def test_an_event_that_cannot_be_stored_is_not_answered(stage, wecom):
    failures = [StoreError("busy"), StoreError("busy")]

    async def fails(event):
        raise failures.pop()

    stage.desk.event = stage.desk.click = fails
    wecom.timing = replace(wecom.timing, answer_s=0.2)
    wecom.gateway._timing = wecom.timing
    assert await wecom.enter("zhangsan") is None
    facts = {"card_type": "button_interaction", "event_key": "allow", "task_id": "T1"}
    assert await wecom.event("zhangsan", "template_card_event", facts) is None
    assert failures == []


async def test_an_answer_that_waited_until_another_message_showed_it_closes_its_bubble(
    stage, wecom, clock, monkeypatch
):
    monkeypatch.setattr(posts, "LIMITED_S", 60)  # nobody waits for it
    talk, reply = await asked(stage)
    wecom.gateway.faults.next("aibot_respond_msg", 45009)
    await stage.end("M1")
    await reply.finish(ANSWER)
    await stage.tried("M1", 1)
    delivery = await stage.delivery("M1")
    assert await stage.store.deliveries.claim(delivery.id, via="contact")
    clock.after(5_000)  # before anybody looks for bubbles that were forgotten
    assert await stage.finished(talk) == texts.SHOWN_ELSEWHERE.zh.format(n=1)
    assert stage.codes == []


async def test_a_greeting_that_would_be_too_late_is_not_sent(tmp_path, wecom, clock):
    late = replace(FAST, pace=replace(BRISK, reply_s=0.0))
    wecom.gateway._timing = replace(wecom.timing, answer_s=0.2)
    async with asyncio.timeout(30), Stage(tmp_path, wecom, clock, late) as stage:
        stage.desk.welcome = "welcome!"
        assert await wecom.enter("zhangsan") is None
        assert stage.codes == []


async def test_what_wecom_takes_only_now_does_not_wait_for_room(stage):
    await stage.finished(await stage.say("/hello", "C1"))
    speaker = stage.edge.parts.replies._speaker
    here = Conversation("zhangsan", group=False)
    body = {"msgtype": "markdown", "markdown": {"content": "hello"}}
    now = round(asyncio.get_running_loop().time() * 1000)
    speaker._budget.rest(here.key, now + 200)
    request = frames.send("zhangsan", group=False, body=body, now=stage.clock())
    assert (await speaker.say(here, request, within_s=0.05)).kind == "wait"
    assert (await speaker.say(here, request)).kind == "done"


async def test_a_greeting_does_not_wait_for_room_until_it_is_too_late(tmp_path, wecom, clock):
    brief = replace(FAST, pace=replace(BRISK, reply_s=0.2, patience_s=20))
    wecom.gateway._timing = replace(wecom.timing, answer_s=0.1)
    async with asyncio.timeout(30), Stage(tmp_path, wecom, clock, brief) as stage:
        stage.desk.welcome = "welcome!"
        budget = stage.edge.parts.replies._speaker._budget
        now = round(asyncio.get_running_loop().time() * 1000)
        budget.rest(Conversation("zhangsan", group=False).key, now + 1_000)
        tape = wecom.gateway.record()
        assert await wecom.enter("zhangsan") is None
        await until(lambda: asyncio.get_running_loop().time() * 1000 > now + 1_200)
        said = {frame["cmd"] for who, frame in tape if who == "client"}
        assert "aibot_respond_welcome_msg" not in said


async def test_a_store_that_is_busy_for_a_moment_loses_no_bubble(stage):
    await stage.say("later", "M1")
    stage.edge.parts.bubbles._bubbles.clear()
    left = failing(stage, "find")
    reply = await stage.reply("M1")
    reply.update("it goes on")
    await until(lambda: left == [])
    stage.clock.after(3_000)
    talk = stage.wecom._talks["M1"]
    await until(lambda: talk.bubble.content == "it goes on")


async def test_what_cannot_be_marked_as_shown_is_shown_all_the_same(stage):
    left = failing(stage, "show", times=2)
    reopening = failing(stage, "reopen")
    talk = await stage.say("later", "M1")
    assert await stage.finished(talk) == "已排队 #1"
    (await stage.reply("M1")).update("running")
    await until(lambda: talk.bubble.content == "running")
    assert (left, reopening) == ([], [])


async def test_a_last_word_waits_until_its_notice_can_be_kept(stage, wecom):
    wecom.gateway.faults.next("aibot_respond_msg", 846605, 846605)
    works, left = stage.store.deliveries.add, [StoreError("busy")]

    async def add(new):
        if left:
            raise left.pop()
        return await works(new)

    stage.store.deliveries.add = add
    wecom.begin("zhangsan", {"msgtype": "text", "text": {"content": "/hello"}}, msgid="C1")
    await until(lambda: wecom.transcript("zhangsan")[-1].content == "done /hello")
    assert wecom.transcript("zhangsan")[-1].kind == "late"


async def test_after_a_long_outage_the_turn_goes_on_in_another_stream(stage, wecom, clock):
    talk, reply = await asked(stage)
    wecom.gateway.faults.away = True
    wecom.gateway.cut()
    await until(lambda: not stage.connection.up)
    clock.after(7 * MINUTE)
    reply.update("back")
    wecom.gateway.faults.away = False
    await until(lambda: len(talk.bubbles) == 2 and talk.bubble.content == "back")
    await ended(stage, reply)
    assert await stage.finished(talk) == SHOWN
    assert stage.codes == []


async def test_after_a_long_outage_a_final_is_pushed(stage, wecom, clock):
    _, reply = await asked(stage)
    wecom.gateway.faults.away = True
    wecom.gateway.cut()
    await until(lambda: not stage.connection.up)
    await ended(stage, reply)
    clock.after(7 * MINUTE)
    await until(lambda: stage.edge.parts.bubbles.find("M1").last is not None)
    wecom.gateway.faults.away = False
    await until(lambda: wecom.transcript("zhangsan")[-1].content == SHOWN)
    assert (await stage.delivered("M1")).state == "sent"
    assert stage.codes == []


async def test_a_bubble_whose_final_must_wait_for_long_says_where_to_find_it(stage, wecom, clock):
    talk, reply = await asked(stage)
    wecom.gateway.faults.next("aibot_respond_msg", -1)
    await ended(stage, reply)
    await stage.put_off((await stage.delivery("M1")).id)
    stage.edge.parts.bubbles.find("M1").opened_at -= 5 * MINUTE + 40_000
    assert await stage.finished(talk) == texts.ENDED.zh.format(n=1)
    clock.after(MINUTE)
    stage.edge.parts.pushes.wake()
    await until(lambda: wecom.transcript("zhangsan")[-1].content == SHOWN)
    assert stage.codes == []


async def test_updates_that_nobody_understands_end_in_a_push(stage, wecom):
    _, reply = await asked(stage)
    wecom.gateway.faults.next("aibot_respond_msg", 12345, 12345, 12345)
    reply.update("what")
    await until(lambda: stage.edge.parts.bubbles.find("M1").dead)
    await ended(stage, reply)
    await until(lambda: wecom.transcript("zhangsan")[-1].content == SHOWN)
    assert wecom.transcript("zhangsan")[-1].kind == "late"


async def test_an_update_that_is_too_much_waits(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.faults.next("aibot_respond_msg", 846607)
    reply.update("what")
    await until(lambda: talk.bubble.content == "what")
    assert stage.codes == []


async def test_an_update_that_meets_a_forgotten_connection_is_shown_on_the_next(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.faults.next("aibot_respond_msg", 846609)
    reply.update("what")
    await until(lambda: talk.bubble.content == "what")
    assert stage.connection.counts["opened"] == 2


async def test_an_update_whose_answer_got_lost_is_sent_again(stage, wecom):
    talk, reply = await asked(stage)
    wecom.gateway.faults.next("aibot_respond_msg", "lose")
    reply.update("what")
    await until(lambda: talk.bubble.content == "what")
    assert stage.codes == []


async def test_a_handing_over_that_is_not_taken_now_is_made_in_a_moment(stage, wecom, clock):
    talk, reply = await asked(stage)
    reply.update("half")
    await until(lambda: talk.bubble.content == "half")
    wecom.gateway.faults.next("aibot_respond_msg", -1)
    clock.after(5 * MINUTE)
    await until(lambda: len(talk.bubbles) == 2 and talk.bubble.content == "half")
    assert stage.codes == []


async def test_a_handing_over_whose_answers_got_lost_is_not_said_in_other_words(
    stage, wecom, clock
):
    talk, reply = await asked(stage)
    reply.update("half")
    await until(lambda: talk.bubble.content == "half")
    wecom.gateway.faults.next("aibot_respond_msg", "drop", "drop")
    clock.after(5 * MINUTE)
    reply.update("more")
    await until(lambda: len(talk.bubbles) == 2 and talk.bubble.content == "more")
    await ended(stage, reply)
    assert await stage.finished(talk) == SHOWN
    assert stage.codes == []


async def test_a_turn_that_begins_before_its_message_is_answered_shares_the_bubble(stage):
    works = stage.desk.accept

    async def accept(message, stream, *, may_stay_open):
        opening = await works(message, stream, may_stay_open=may_stay_open)
        reply = await stage.reply(message.id)
        await until(lambda: stage.edge.parts.bubbles.find(message.id).loaded)
        reply.update("at work already")
        return replace(opening, prefix="what had waited")

    stage.desk.accept = accept
    talk = await stage.say("hello", "M1")
    await until(lambda: talk.bubble.content.startswith("what had waited"))
    assert talk.bubble.content.endswith("at work already")
    await ended(stage, await stage.reply("M1"))
    assert (await stage.finished(talk)).endswith(SHOWN)
    assert len(talk.bubbles) == 1
    assert stage.codes == []


async def test_a_turn_that_is_over_before_its_message_is_answered_says_so_once(stage):
    works = stage.desk.accept

    async def accept(message, stream, *, may_stay_open):
        opening = await works(message, stream, may_stay_open=may_stay_open)
        await ended(stage, await stage.reply(message.id))
        await stage.delivered(message.id)
        return opening

    stage.desk.accept = accept
    talk = await stage.say("hello", "M1")
    assert await stage.finished(talk) == SHOWN
    assert await stage.edge.close_leaked() == 0
    assert len(talk.bubbles) == 1
    assert stage.codes == []


async def test_where_there_is_no_room_a_push_waits(tmp_path, wecom, clock):
    small = Limits(per_minute=2, per_hour=10, minute_reserve=0, hour_reserve=0)
    narrow = replace(FAST, pace=replace(BRISK, limits=small))
    async with asyncio.timeout(30), Stage(tmp_path, wecom, clock, narrow) as stage:
        await stage.say("/one", "C1")
        await stage.say("/two", "C2")
        new = NewDelivery(CHAT, None, "C2", "one more thing", "", "", clock())
        delivery = await stage.store.deliveries.add(new)
        await stage.edge.replies.deliver(delivery.id)
        kept = await stage.put_off(delivery.id)
        assert (kept.state, kept.cause) == ("due", "budget")
        assert stage.codes == []


async def test_an_update_waits_for_the_next_minute_and_the_final_does_not(tmp_path, wecom, clock):
    small = Limits(per_minute=3, per_hour=10, minute_reserve=1, hour_reserve=0)
    narrow = replace(FAST, pace=replace(BRISK, limits=small))
    async with asyncio.timeout(30), Stage(tmp_path, wecom, clock, narrow) as stage:
        talk, reply = await asked(stage)
        reply.update("one")
        await until(lambda: talk.bubble.content == "one")
        reply.update("two")
        await ended(stage, reply)
        assert await stage.finished(talk) == SHOWN
        assert "two" not in talk.bubble.history


async def test_a_dropped_turn_without_an_open_bubble_says_nothing(stage, wecom):
    await stage.say("hello", "M1")
    await stage.restart()
    reply = await stage.reply("M1")
    shown = len(wecom.transcript("zhangsan"))
    await reply.finish(Answer("dropped"))
    await stage.say("/hello", "C1")
    assert len(wecom.transcript("zhangsan")) == shown + 2
    assert stage.codes == []


async def test_a_last_word_whose_stream_was_left_while_it_came_is_a_message_of_its_own(
    stage, wecom
):
    talk, _ = await asked(stage)
    bubble = stage.edge.parts.bubbles.find("M1")
    async with bubble.lock:  # as while it is handed over
        stage.edge.parts.bubbles.finish(bubble, "the end", owed=True)
        bubble.begin("")
    await until(lambda: wecom.transcript("zhangsan")[-1].content == "the end")
    assert wecom.transcript("zhangsan")[-1] is not talk.bubble
    assert stage.codes == []


async def test_a_card_of_a_dead_bubble_leaves_as_words(stage, wecom):
    _, reply = await asked(stage)
    stage.edge.parts.bubbles.find("M1").dead = True
    card = NoticeCard("Title", "", "", (), "https://example.com/x", task="ask@1")
    await reply.ask("may I?", [card])
    await until(lambda: wecom.transcript("zhangsan")[-1].content == "may I?")


async def test_what_is_due_in_a_chat_that_is_not_known_is_given_up(stage):
    new = NewDelivery("wecom:direct:nobody", None, "M0", "hello?", "", "", stage.clock())
    delivery = await stage.store.deliveries.add(new)
    await stage.edge.replies.deliver(delivery.id)
    await until(lambda: not stage.edge.posting)
    kept = await stage.store.deliveries.get(delivery.id)
    assert (kept.state, kept.cause) == ("failed", "no such chat")


async def test_a_final_that_the_store_cannot_give_is_brought_later(stage):
    talk, reply = await asked(stage)
    works, left = stage.store.deliveries.push, [StoreError("busy")]

    async def push(*args):
        if left:
            raise left.pop()
        return await works(*args)

    stage.store.deliveries.push = push
    await ended(stage, reply)
    await until(lambda: left == [] and not stage.edge.posting)
    stage.edge.parts.pushes.wake()
    assert await stage.finished(talk) == SHOWN


async def test_what_waited_comes_with_the_final_where_no_bubble_could_bring_it(stage):
    stage.desk.prefix = "what waited"
    stage.gateway.faults.next("aibot_respond_msg", 846605)
    hello = {"msgtype": "text", "text": {"content": "hello"}}
    talk = stage.wecom.begin("zhangsan", hello, msgid="M1")
    await until(lambda: (bubble := stage.edge.parts.bubbles.find("M1")) and bubble.dead)
    reply = await stage.reply("M1")
    await stage.end("M1")
    await reply.finish(ANSWER)
    assert await talk.late_reply() == f"what waited{SEAM}{SHOWN}"


async def test_a_bubble_in_which_nothing_can_be_said_any_more_is_over_with_its_last_word(stage):
    await stage.say("hello", "M1")
    bubble = stage.edge.parts.bubbles.find("M1")
    bubble.dead = True
    stage.edge.parts.bubbles.finish(bubble, "the end")
    assert (bubble.finished, stage.edge.parts.bubbles.open_count) == (True, 0)
