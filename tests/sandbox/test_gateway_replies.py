"""Streams, messages, welcomes, cards and pushes, as the gateway takes them."""

import base64
import hashlib

import pytest

from tests.sandbox.client import SECRET, connected, markdown, stream, text
from tests.standin import PNG, codes

CARD = {
    "card_type": "button_interaction",
    "main_title": {"title": "Allow?"},
    "button_list": [{"text": "Yes", "key": "yes"}],
    "task_id": "T1",
}
DONE = {
    "card_type": "text_notice",
    "main_title": {"title": "Done"},
    "card_action": {"type": 1, "url": "https://example.com"},
    "task_id": "T1",
}
PICTURE = {
    "msgtype": "image",
    "image": {"base64": base64.b64encode(PNG).decode(), "md5": hashlib.md5(PNG).hexdigest()},
}
RESPOND, PUSH = "aibot_respond_msg", "aibot_send_msg"
WELCOME, UPDATE = "aibot_respond_welcome_msg", "aibot_respond_update_msg"


def card(card):
    return {"msgtype": "template_card", "template_card": card}


def push(chat, body, kind=None):
    return {"chatid": chat} | ({} if kind is None else {"chat_type": kind}) | body


# Streams


async def test_a_stream_grows_until_it_is_finished(wecom, client, heard):
    talk, req_id = heard
    for content in ("1", "12", "12"):
        assert await client.code(RESPOND, stream(content), req_id) == 0
    assert (talk.text, talk.answered, talk.over) == ("12", True, False)
    assert await client.code(RESPOND, stream("123", finish=True), req_id) == 0
    assert await talk.done() == "123"
    assert (talk.finished, talk.bubble.history) == (True, ["1", "12", "123"])
    assert codes(wecom) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (stream("x" * 20_481), "content_too_long"),
        (stream("界" * 6827), "content_too_long"),
        (stream("x", name=""), "stream_id"),
        (stream("x", finish="yes"), "finish"),
        (stream("x", msg_item=[{"msgtype": "image"}]), "items_before_finish"),
        (stream("x", finish=True, msg_item=[PICTURE]), "items_on_connection"),
        (stream("x", feedback={"id": "f" * 257}), "feedback_too_long"),
        ({"msgtype": "stream"}, "shape"),
        ({"msgtype": "text", "text": {"content": "x"}}, "msgtype"),
        (stream("x") | {"msgtype": "stream_with_template_card"}, "msgtype"),
        (markdown(" "), "blank"),
        (markdown("x" * 20_481), "content_too_long"),
        ({"msgtype": "file", "file": {"media_id": "M"}}, "media_id"),
        ({"msgtype": "file"}, "shape"),
        ({"msgtype": "video", "video": {"media_id": "M", "title": "t" * 65}}, "shape"),
        ({"msgtype": "video", "video": {"media_id": "M", "description": "d" * 513}}, "shape"),
        ({"msgtype": "video", "video": {"media_id": "M", "title": "t" * 64}}, "media_id"),
        ({}, "msgtype"),
    ],
)
async def test_a_reply_that_wecom_does_not_take_is_a_violation(wecom, client, heard, body, code):
    talk, req_id = heard
    assert await client.code(RESPOND, body, req_id) == 860104
    assert codes(wecom) == [code]
    assert (wecom.violations[0].chat, wecom.violations[0].msgid) == ("zhangsan", talk.msgid)
    assert (talk.bubble, talk.late) == (None, [])


async def test_an_answer_that_nobody_can_see_is_a_violation(wecom, client, heard):
    _, req_id = heard
    assert await client.code(RESPOND, stream("<think>x</think>", finish=True), req_id) == 0
    assert codes(wecom) == ["blank_final"]


async def test_a_finished_stream_stays_but_its_last_frame_may_come_again(wecom, client, heard):
    talk, req_id = heard
    final = stream("done", finish=True)
    assert [await client.code(RESPOND, final, req_id) for _ in range(2)] == [0, 0]
    assert codes(wecom) == []
    assert await client.code(RESPOND, stream("more", finish=True), req_id) == 860104
    assert await client.code(RESPOND, stream("done"), req_id) == 860104
    assert codes(wecom) == ["after_finish"] * 2
    assert talk.text == "done"


async def test_a_second_stream_of_a_message_is_a_second_bubble(wecom, client, heard):
    talk, req_id = heard
    await client.code(RESPOND, stream("goes on below", finish=True), req_id)
    await client.code(RESPOND, stream("more", name="S2"), req_id)
    assert not talk.over
    await client.code(RESPOND, stream("done", name="S2", finish=True), req_id)
    assert await talk.done() == "done"
    assert [item.content for item in wecom.transcript("zhangsan")[1:]] == ["goes on below", "done"]
    assert list(talk.bubbles) == ["S1", "S2"]
    assert await talk.late_reply() == "done"


async def test_a_stream_lives_six_minutes_from_its_first_frame(wecom, client, heard, hands):
    talk, req_id = heard
    await client.code(RESPOND, stream("1"), req_id)
    hands.after(359)
    assert await client.code(RESPOND, stream("2"), req_id) == 0
    hands.after(1)
    assert await client.code(RESPOND, stream("3", finish=True), req_id) == 846608
    assert (talk.bubble.state, talk.text) == ("expired", "2")
    assert codes(wecom) == ["stream_expired"]
    assert await client.code(RESPOND, stream("3", name="S2", finish=True), req_id) == 0


async def test_an_older_stream_that_ends_leaves_the_newer_one_open(wecom, client, heard):
    talk, req_id = heard
    await client.code(RESPOND, stream("1"), req_id)
    await client.code(RESPOND, stream("2", name="S2"), req_id)
    await client.code(RESPOND, stream("1", finish=True), req_id)
    assert (talk.over, talk.text) == (False, "2")
    await client.code(RESPOND, stream("22", name="S2", finish=True), req_id)
    assert await talk.done() == "22"


async def test_a_stream_that_is_told_to_end_early_is_nobodys_fault(wecom, client, heard):
    talk, req_id = heard
    await client.code(RESPOND, stream("1"), req_id)
    wecom.gateway.expire(talk.bubble)
    assert await client.code(RESPOND, stream("2", finish=True), req_id) == 846608
    assert (talk.bubble.state, codes(wecom)) == ("expired", [])


async def test_a_message_that_wecom_has_forgotten_takes_no_reply_which_is_nobodys_fault(
    wecom, client, heard
):
    talk, req_id = heard
    await client.code(RESPOND, stream("1"), req_id)
    wecom.gateway.forget(talk)
    assert await client.code(RESPOND, stream("2", finish=True), req_id) == 846605
    assert await client.code(RESPOND, stream("3", name="S2"), req_id) == 846605
    assert (talk.bubble.state, talk.text, codes(wecom)) == ("expired", "1", [])


async def test_an_open_stream_ends_by_itself(make_standin, wecom, connect):
    short = type(wecom.timing)(stream_life_s=0.05)
    wecom = await make_standin(channel="connection", secret=SECRET, timing=short)
    async with connected(wecom.gateway_url) as client:
        await client.subscribe()
        talk = wecom.begin("zhangsan", text("hello"))
        req_id = (await client.told())["headers"]["req_id"]
        await client.code(RESPOND, stream("1"), req_id)
        assert await talk.done() == "1"
    assert talk.bubble.state == "expired"


# The id that a reply names


async def test_a_reply_names_a_message(wecom, client):
    wecom.begin("zhangsan", text("hello"))
    await client.told()
    assert await client.code(RESPOND, stream("x"), "made-up") == 846605
    assert codes(wecom) == ["req_id_unknown"]
    assert await client.code(RESPOND, stream("x"), "0123abcd.from-before") == 846605
    assert codes(wecom) == ["req_id_unknown"]


async def test_the_id_of_an_event_is_good_for_no_reply(wecom, client):
    await wecom.event("zhangsan", "feedback_event", {"id": "F", "type": 1})
    req_id = (await client.told())["headers"]["req_id"]
    assert await client.code(RESPOND, stream("x"), req_id) == 846605
    assert codes(wecom) == ["req_id_kind"]


async def test_a_message_may_be_replied_to_for_a_day_by_any_connection(
    wecom, client, heard, hands, connect
):
    talk, req_id = heard
    other = await connect()
    await other.subscribe()
    hands.after(86_399)
    assert await other.code(RESPOND, stream("1", finish=True), req_id) == 0
    hands.after(1)
    assert await other.code(RESPOND, stream("2", name="S2"), req_id) == 846605
    assert (talk.text, codes(wecom)) == ("1", ["req_id_expired"])


# How often


async def test_a_chat_takes_thirty_a_minute_updates_and_pushes_together(
    wecom, client, heard, hands
):
    talk, req_id = heard
    for n in range(15):
        assert await client.code(RESPOND, stream(f"{n}"), req_id) == 0
        assert await client.code(PUSH, push("zhangsan", markdown(f"{n}"))) == 0
    assert await client.code(PUSH, push("zhangsan", markdown("31"))) == 846607
    assert await client.code(RESPOND, stream("31"), req_id) == 846607
    assert codes(wecom) == ["frequency"] * 2
    hands.after(60)
    assert await client.code(RESPOND, stream("done", finish=True), req_id) == 0
    assert (talk.text, len(talk.late)) == ("done", 15)


async def test_a_chat_takes_a_thousand_an_hour(wecom, client, heard, hands):
    for _ in range(999):
        hands.after(3)
        wecom.gateway.replies.quota.count("zhangsan")
    hands.after(3)
    assert await client.code(PUSH, push("zhangsan", markdown("the last"))) == 0
    assert await client.code(PUSH, push("zhangsan", markdown("over"))) == 846607
    hands.after(603)
    assert await client.code(PUSH, push("zhangsan", markdown("again"))) == 0


# Pushes


async def test_a_push_comes_to_who_has_written(wecom, client, heard):
    talk, _ = heard
    assert await client.code(PUSH, push("zhangsan", markdown("**news**"), 1)) == 0
    assert await talk.late_reply() == "**news**"
    assert codes(wecom) == []


@pytest.mark.parametrize(
    ("body", "errcode", "code"),
    [
        (push("lisi", markdown("x"), 1), 846607, "never_wrote"),
        (push("lisi", markdown("x")), 93006, "chat_unknown"),
        (push("wrx", markdown("x"), 2), 93006, "chat_unknown"),
        (push("Zhangsan", markdown("x"), 1), 93006, "chat_unknown"),
        (push("zhangsan", markdown("x"), 2), 93006, "chat_unknown"),
        (push("zhangsan", markdown("x"), 3), 860104, "chat_type"),
        (push("zhangsan", markdown("x"), True), 860104, "chat_type"),
        (push("", markdown("x")), 860104, "shape"),
        (push("zhangsan", stream("x"), 1), 860104, "msgtype"),
        (push("zhangsan", text("x"), 1), 860104, "msgtype"),
        (push("wrX", card(DONE), 2), 860104, "msgtype"),
        (push("zhangsan", markdown("x" * 20_481), 1), 860104, "content_too_long"),
    ],
)
async def test_a_push_that_wecom_does_not_take_is_a_violation(
    wecom, client, heard, body, errcode, code
):
    wecom.begin("zhangsan", text("hello"), group="wrX")
    assert await client.code(PUSH, body) == errcode
    assert codes(wecom) == [code]


async def test_a_push_is_for_the_oldest_message_without_an_end(wecom, client, heard):
    first, req_id = heard
    await client.code(RESPOND, stream("working"), req_id)
    wecom.begin("zhangsan", text("and this"))
    await client.code(PUSH, push("zhangsan", markdown("here it is"), 1))
    assert await first.late_reply() == "here it is"


async def test_a_message_may_be_answered_with_messages_and_cards(wecom, client, heard):
    talk, req_id = heard
    assert await client.code(RESPOND, markdown("one"), req_id) == 0
    assert await client.code(RESPOND, card(CARD), req_id) == 0
    assert await client.code(PUSH, push("zhangsan", card(CARD | {"task_id": "T2"}), 1)) == 0
    assert [(item.content, bool(item.card)) for item in talk.late] == [
        ("one", False),
        ("", True),
        ("", True),
    ]


# Events


async def test_who_enters_is_welcomed_once_and_in_time(wecom, client, hands, bg):
    greeting = bg(wecom.enter("zhangsan"))
    frame = await client.told()
    assert frame["body"]["event"] == {"eventtype": "enter_chat"}
    req_id = frame["headers"]["req_id"]
    assert await client.code(WELCOME, text("hello"), req_id) == 0
    assert await greeting == "hello"
    assert [item.kind for item in wecom.transcript("zhangsan")] == ["welcome"]
    assert await client.code(WELCOME, text("hello"), req_id) == 860104
    hands.after(5)
    assert await client.code(WELCOME, text("hello"), req_id) == 860104
    assert codes(wecom) == ["second_reply", "too_late"]


async def test_a_welcome_answers_nothing_else(wecom, client, heard):
    _, req_id = heard
    assert await client.code(WELCOME, text("hello"), req_id) == 846605
    assert await client.code(WELCOME, text("hello"), "made-up") == 846605
    assert codes(wecom) == ["req_id_kind", "req_id_unknown"]


async def test_a_clicked_card_is_updated(wecom, client, heard, bg):
    talk, req_id = heard
    await client.code(RESPOND, card(CARD), req_id)
    answer = bg(wecom.click("zhangsan", talk.late[0], "yes"))
    frame = await client.told()
    assert frame["body"]["event"]["template_card_event"] == {
        "card_type": "button_interaction",
        "event_key": "yes",
        "task_id": "T1",
    }
    update = {"response_type": "update_template_card", "template_card": DONE}
    assert await client.code(UPDATE, update, frame["headers"]["req_id"]) == 0
    assert (await answer).card == DONE
    assert talk.late[0].card == DONE
    assert codes(wecom) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"template_card": DONE}, "response_type"),
        ({"response_type": "update_template_card"}, "shape"),
        (
            {
                "response_type": "update_template_card",
                "template_card": DONE | {"task_id": "T2"},
            },
            "task_id",
        ),
        (
            {
                "response_type": "update_template_card",
                "template_card": DONE,
                "userids": "zhangsan",
            },
            "userids",
        ),
    ],
)
async def test_an_update_that_fits_no_click_is_a_violation(wecom, client, bg, body, code):
    answer = bg(wecom.event("zhangsan", "template_card_event", {"task_id": "T1"}))
    req_id = (await client.told())["headers"]["req_id"]
    assert await client.code(UPDATE, body, req_id) == 860104
    assert codes(wecom) == [code]
    good = {"response_type": "update_template_card", "template_card": DONE}
    await client.code(UPDATE, good, req_id)
    assert (await answer).card == DONE


async def test_an_event_that_nobody_hears_is_lost(wecom, connect):
    assert await wecom.enter("zhangsan") is None
    assert (wecom.gateway.lost, codes(wecom)) == (1, [])
