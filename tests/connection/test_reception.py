"""What WeCom brings is taken in once, in order, and never lost without a word."""

import asyncio

import orjson
import pytest

from bot.cards import NoticeCard, Update
from bot.errors import StoreError
from bot.messages import Attachment, Medium
from bot.texts import delivery as texts
from handlers.wecom.connection import frames
from handlers.wecom.connection.channel import CONNECTION
from handlers.wecom.connection.hearing import DEAF_MS, DIRECT, Hearing
from tests.connection.stage import until

TEXT = {"msgtype": "text", "text": {"content": "/hello"}}
CARD = NoticeCard("Decided", "", "", (), "https://example.com/x", task="ask@12345678")


async def test_a_repeat_of_a_message_starts_nothing(stage, wecom):
    await stage.say("hello", "M1")
    wecom.begin("zhangsan", {"msgtype": "text", "text": {"content": "hello"}}, msgid="M1")
    await until(lambda: stage.edge.counts["repeat"] == 1)
    assert len(stage.desk.accepted) == 1


async def test_a_repeat_after_a_restart_starts_nothing(stage, wecom):
    await stage.say("/hello", "C1")
    await stage.say("question", "M1")
    await stage.crash()
    for msgid in ("C1", "M1"):
        wecom.begin("zhangsan", TEXT, msgid=msgid)
    await until(lambda: stage.edge.counts["repeat"] == 2)
    assert stage.desk.accepted == []


async def test_messages_of_a_conversation_are_accepted_in_their_order(stage, wecom):
    words = [f"/{number}" for number in range(30)]
    talks = [
        wecom.begin(
            f"member{number}",
            {"msgtype": "text", "text": {"content": f"@Open Code {text}"}},
            group="wrG",
            at=False,
        )
        for number, text in enumerate(words)
    ]
    for talk in talks:
        await wecom.answered(talk)
    assert [message.text for message, _ in stage.desk.accepted] == words


async def test_a_slow_message_does_not_hold_up_the_next_for_long(stage):
    slow = asyncio.Event()
    works = stage.desk.accept

    async def accept(message, stream, *, may_stay_open):
        if message.text == "/slow":
            await slow.wait()
        return await works(message, stream, may_stay_open=may_stay_open)

    stage.desk.accept = accept
    async with asyncio.TaskGroup() as group:
        first = group.create_task(stage.say("/slow", "C1"))
        await asyncio.sleep(0)
        talk = await stage.say("/stop", "C2")
        assert talk.bubble.content == "done /stop"
        slow.set()
    assert first.result().bubble.content == "done /slow"


async def test_what_is_deeper_than_any_message_is_left_alone(stage):
    deep = []
    for _ in range(300):
        deep = [deep]
    told = frames.Told(frames.MESSAGE, "R", {"msgid": "M1", "deep": deep})
    await stage.edge.parts.reception.told(told)
    assert stage.edge.counts["refused json"] == 1


async def test_a_full_store_is_tried_again(stage):
    stage.desk.failures = [StoreError("full"), StoreError("full")]
    talk = await stage.say("/hello")
    assert await stage.finished(talk) == "done /hello"


async def test_a_message_that_cannot_be_kept_is_told_so(stage):
    stage.desk.failures = [StoreError("full")] * 3
    talk = await stage.say("/hello")
    assert await stage.finished(talk) == texts.NOT_KEPT.zh
    assert stage.edge.counts["unkept"] == 1


async def test_whoever_opens_the_chat_is_greeted(stage, wecom):
    stage.desk.welcome = "welcome!"
    assert await wecom.enter("zhangsan") == "welcome!"
    assert stage.desk.events[0].kind == "enter_chat"
    assert stage.codes == []


async def test_a_pressed_card_gets_its_new_face(stage, wecom):
    stage.desk.update = Update(CARD)
    facts = {"card_type": "button_interaction", "event_key": "allow", "task_id": CARD.task}
    reply = await wecom.event("zhangsan", "template_card_event", facts)
    assert reply.card["task_id"] == CARD.task
    assert stage.desk.clicks[0].click.key == "allow"
    assert stage.codes == []


async def test_a_message_of_an_unknown_kind_is_told_so(stage, wecom):
    talk = wecom.begin("zhangsan", {"msgtype": "hologram", "hologram": {}}, msgid="H1")
    await wecom.book.until(lambda: talk.finished, 20)
    assert talk.bubble.content == texts.UNSUPPORTED.zh


async def test_other_events_are_only_recorded(stage, wecom):
    await wecom.event("zhangsan", "feedback_event", {"id": "F", "type": 1})
    await until(lambda: stage.edge.counts["event"] == 1)
    assert stage.desk.events[0].kind == "feedback_event"


async def test_a_medium_comes_with_a_key_of_its_own(stage, wecom):
    talk = await wecom.upload("zhangsan", "image", "a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    assert talk.bubble is not None
    message, _ = stage.desk.accepted[0]
    (attachment,) = message.attachments
    assert isinstance(attachment, Attachment)
    assert attachment.key
    assert attachment.url.startswith(wecom.base_url)


async def test_a_card_is_shown_in_answer_to_its_message(stage, wecom):
    talk = await stage.say("hello", "M1")
    reply = await stage.reply("M1")
    await reply.ask("may I?", [CARD])
    assert wecom.transcript("zhangsan")[-1].card["task_id"] == CARD.task
    assert talk.bubble.state == "open"
    assert stage.codes == []


async def test_a_card_that_wecom_refuses_leaves_as_words_where_no_bubble_shows_them(stage, wecom):
    await stage.say("hello", "M1")
    reply = await stage.reply("M1")
    wecom.gateway.faults.next("aibot_respond_msg", 846605)
    reply.update("x")
    await until(lambda: stage.edge.parts.bubbles.find("M1").dead)
    await reply.ask("may I?", [CARD])
    await until(lambda: wecom.transcript("zhangsan")[-1].content == "may I?")


@pytest.mark.parametrize(
    ("kind", "content", "shown"),
    [
        ("image", b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "image"),
        ("image", b"no picture at all", "file"),
        ("file", b"a text\n", "file"),
    ],
)
async def test_a_file_is_sent_as_a_message_of_its_own(stage, wecom, kind, content, shown):
    await stage.say("/hello", "C1")
    tape = wecom.gateway.record()
    medium = Medium("a.bin", kind, content)
    assert await stage.edge.replies.send_medium("wecom:direct:zhangsan", medium) == "sent"
    assert wecom.transcript("zhangsan")[-1].medium == "a.bin"
    sent = [frame for who, frame in tape if who == "client" and frame["cmd"] == "aibot_send_msg"]
    assert sent[0]["body"]["msgtype"] == shown
    assert stage.codes == []


async def test_a_file_that_is_too_large_is_refused(stage):
    await stage.say("/hello", "C1")
    medium = Medium("a.bin", "file", b"\0" * (20 * 1024 * 1024 + 1))
    assert await stage.edge.replies.send_medium("wecom:direct:zhangsan", medium) == "refused"


async def test_a_file_whose_message_got_no_answer_is_in_doubt(stage, wecom):
    await stage.say("/hello", "C1")
    wecom.gateway.faults.next("aibot_send_msg", "drop", 93006)
    medium = Medium("a.bin", "file", b"a text\n")
    chat = "wecom:direct:zhangsan"
    assert await stage.edge.replies.send_medium(chat, medium) == "doubtful"
    assert await stage.edge.replies.send_medium(chat, medium) == "refused"
    assert await stage.edge.replies.send_medium("wecom:direct:nobody", medium) == "refused"


async def test_nothing_that_is_said_stands_in_the_facts(stage):
    await stage.say("a secret word", "M1")
    told = orjson.dumps(stage.edge.facts).decode()
    assert "secret" not in told
    assert stage.edge.name == CONNECTION
    assert stage.edge.routes == []


def test_a_quiet_group_alone_is_no_trouble():
    hearing = Hearing()
    for _ in range(DIRECT):
        hearing.hear(group=False, at=DEAF_MS)
    assert not hearing.deaf(10 * DEAF_MS)  # no group ever spoke
    hearing.hear(group=True, at=DEAF_MS)
    assert not hearing.deaf(10 * DEAF_MS)  # nobody else speaks, either
    for _ in range(DIRECT):
        hearing.hear(group=False, at=2 * DEAF_MS)
    assert not hearing.deaf(DEAF_MS + 1)  # not for long enough
    assert hearing.deaf(10 * DEAF_MS)
