"""Messages and events over the gateway as stories write them: the same words as for the callback."""

import asyncio

from bot.sandbox.payloads import voice
from tests.sandbox.client import SECRET, connected, markdown, stream
from tests.standin import PNG, codes

RESPOND, PUSH = "aibot_respond_msg", "aibot_send_msg"


async def answer(client, content="ok", *, name="S1", finish=True):
    """Answer the next message that is told; return what was told."""
    frame = await client.told()
    body = stream(content, name=name, finish=finish)
    assert await client.code(RESPOND, body, frame["headers"]["req_id"]) == 0
    return frame


async def test_a_message_is_said_and_answered(wecom, client, bg):
    said = bg(wecom.say("zhangsan", "hello", quote="before"))
    frame = await answer(client, "hi")
    talk = await said
    assert frame["body"]["quote"] == {"msgtype": "text", "text": {"content": "before"}}
    assert (talk.text, talk.finished, talk.attempts, talk.streams) == ("hi", True, ["ok"], ["S1"])


async def test_a_repeat_is_the_same_message_under_another_req_id(wecom, client, bg):
    first = bg(wecom.say("zhangsan", "hello", msgid="m1"))
    one = await answer(client, finish=False)
    talk = await first
    again = bg(wecom.say("zhangsan", "hello", msgid="m1"))
    two = await answer(client, finish=True)
    assert await again is talk
    assert one["body"] == two["body"]
    assert one["headers"] != two["headers"]
    assert list(talk.bubbles) == ["S1"]
    assert codes(wecom) == []


async def test_copies_go_at_once(wecom, client, bg):
    said = bg(wecom.say("zhangsan", "hello", copies=3))
    frames = [await answer(client) for _ in range(3)]
    talk = await said
    assert {frame["body"]["msgid"] for frame in frames} == {talk.msgid}
    assert len({frame["headers"]["req_id"] for frame in frames}) == 3
    assert talk.attempts == ["ok"] * 3


async def test_a_lost_message_may_be_said_again(wecom, connect, bg):
    lost = await wecom.say("zhangsan", "hello", msgid="m1")
    assert lost.said.state == "undelivered"
    client = await connect()
    await client.subscribe()
    again = bg(wecom.say("zhangsan", "hello", msgid="m1"))
    await answer(client, "here")
    talk = await again
    assert (talk is lost, talk.said.state, talk.text) == (True, "delivered", "here")


async def test_a_fourth_message_waits_outside_while_three_are_open(wecom, client):
    for words in ("one", "two", "three"):
        wecom.begin("zhangsan", voice(words))
        await answer(client, finish=False)
    fourth = await wecom.say("zhangsan", "four")
    assert (fourth.delivered, fourth.why) == (False, "too_many_open")


async def test_media_come_with_keys_of_their_own(wecom, client, bg):
    sent = bg(wecom.upload("zhangsan", "image", "a.png", PNG))
    frame = await answer(client)
    talk = await sent
    assert len(frame["body"]["image"]["aeskey"]) == 43
    assert talk.said.medium == "a.png"


async def test_feedback_is_told(wecom, client, bg):
    said = bg(wecom.say("zhangsan", "hello"))
    frame = await client.told()
    body = stream("good?", finish=True, feedback={"id": "F1"})
    await client.code(RESPOND, body, frame["headers"]["req_id"])
    talk = await said
    assert await wecom.feedback("zhangsan", talk.bubble, 1)
    told = (await client.told())["body"]["event"]
    assert told == {"eventtype": "feedback_event", "feedback_event": {"id": "F1", "type": 1}}


async def test_a_chat_is_entered_once_a_day(wecom, client, hands, bg):
    first = bg(wecom.enter("zhangsan"))
    frame = await client.told()
    await client.code(
        "aibot_respond_welcome_msg",
        {"msgtype": "text", "text": {"content": "hello"}},
        frame["headers"]["req_id"],
    )
    assert await first == "hello"
    assert await wecom.enter("zhangsan") is None
    assert client.callbacks.empty()


async def test_a_push_to_a_group_is_in_its_transcript(wecom, client, bg):
    said = bg(wecom.say("zhangsan", "hello", group="wrX"))
    await answer(client)
    await said
    body = {"chatid": "wrX", "chat_type": 2} | markdown("for all")
    assert await client.code(PUSH, body) == 0
    assert [item.kind for item in wecom.transcript("wrX")] == ["said", "bubble", "late"]


async def test_the_handles_of_two_days_ago_are_forgotten(wecom, client, hands, bg):
    said = bg(wecom.say("zhangsan", "hello"))
    old = (await answer(client))["headers"]["req_id"]
    await said
    hands.after(2 * 86_400)
    said = bg(wecom.say("zhangsan", "hello again"))
    await answer(client)
    await said
    assert await client.code(RESPOND, stream("late", name="S9"), old) == 846605
    assert codes(wecom) == ["req_id_unknown"]


async def test_going_down_it_ends_every_connection(make_standin):
    wecom = await make_standin(channel="connection", secret=SECRET)
    async with connected(wecom.gateway_url) as client:
        await client.subscribe()
        await wecom.hang_up(None)
        async with asyncio.timeout(10):
            assert await client.callbacks.get() is None
    assert not wecom.gateway.connected
