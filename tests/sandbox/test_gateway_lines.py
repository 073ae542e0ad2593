"""Connections to the gateway: who may speak, who is dismissed, what is lost."""

import json

import pytest

from bot.sandbox.timing import Timing
from tests.sandbox.client import SECRET, Closed, connected, stream, text
from tests.standin import codes
from tests.wecom_fixtures import BOT_ID, BOT_NAME

SUBSCRIPTION = {"bot_id": BOT_ID, "secret": SECRET}


async def test_who_subscribes_is_told_what_people_say(wecom, client):
    talk = wecom.begin("zhangsan", text("hello"))
    frame = await client.told()
    assert frame["cmd"] == "aibot_msg_callback"
    assert frame["body"] == {
        "msgid": talk.msgid,
        "aibotid": BOT_ID,
        "chattype": "single",
        "from": {"userid": "zhangsan"},
        "msgtype": "text",
        "text": {"content": "hello"},
    }
    assert frame["headers"]["req_id"]
    assert (talk.said.state, codes(wecom)) == ("delivered", [])


async def test_a_group_is_heard_when_the_bot_is_mentioned(wecom, client):
    unheard = wecom.begin("zhangsan", text("lunch?"), group="wrX", at=False)
    wecom.begin("zhangsan", text("hello"), group="wrX")
    frame = await client.told()
    assert (frame["body"]["chatid"], frame["body"]["chattype"]) == ("wrX", "group")
    assert frame["body"]["text"]["content"] == f"@{BOT_NAME} hello"
    assert unheard.why == "not_mentioned"


@pytest.mark.parametrize("wrong", [{"secret": "another"}, {"bot": "aibY"}])
async def test_a_wrong_secret_or_bot_is_refused_and_the_connection_closed(wecom, connect, wrong):
    client = await connect()
    assert await client.subscribe(**wrong) == 853000
    with pytest.raises(Closed):
        await client.answer()
    assert codes(wecom) == ["bad_secret"]
    assert not wecom.gateway.connected


async def test_nothing_is_taken_before_the_subscription(wecom, connect):
    client = await connect()
    assert await client.code("ping") == 846609
    with pytest.raises(Closed):
        await client.answer()
    assert codes(wecom) == ["not_subscribed"]


async def test_a_second_subscription_dismisses_the_first_client(wecom, client, connect):
    other = await connect()
    assert await other.subscribe() == 0
    frame = await client.told()
    assert frame["cmd"] == "aibot_event_callback"
    assert frame["body"]["event"] == {"eventtype": "disconnected_event"}
    assert "from" not in frame["body"]
    with pytest.raises(Closed):
        await client.told()
    wecom.begin("zhangsan", text("hello"))
    assert (await other.told())["body"]["text"]["content"] == "hello"
    assert wecom.gateway.subscribed == 2
    assert codes(wecom) == []


async def test_it_can_be_told_to_kick(wecom, client):
    wecom.gateway.kick()
    assert (await client.told())["body"]["event"]["eventtype"] == "disconnected_event"
    assert not wecom.gateway.connected


async def test_a_ping_is_answered_and_counted(wecom, client):
    assert await client.ask("ping", req_id="ping_1") == {
        "headers": {"req_id": "ping_1"},
        "errcode": 0,
        "errmsg": "ok",
    }
    assert wecom.gateway.pings == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("{", "frame_not_json"),
        ("[]", "frame_shape"),
        ('{"headers":{"req_id":"a"}}', "cmd"),
        ('{"cmd":"ping"}', "frame_shape"),
        ('{"cmd":"ping","headers":{"req_id":7}}', "req_id_shape"),
        ('{"cmd":"ping","headers":[]}', "frame_shape"),
        ('{"cmd":"ping","headers":{"req_id":"a"},"body":[]}', "frame_shape"),
        ('{"cmd":"aibot_fly","headers":{"req_id":"a"}}', "cmd"),
        ('{"cmd":"aibot_msg_callback","headers":{"req_id":"a"}}', "cmd"),
        (json.dumps({"cmd": "aibot_subscribe", "headers": {"req_id": "a"}}), "cmd"),
        (b'{"cmd":"ping","headers":{"req_id":"a"}}', "frame_binary"),
    ],
)
async def test_what_is_no_frame_is_a_violation(wecom, client, data, code):
    assert (await client.raw(data))["errcode"] == 860104
    assert codes(wecom) == [code]
    assert await client.code("ping") == 0


async def test_a_frame_that_is_too_large_ends_the_connection(wecom, client):
    await client.send("ping", {"much": "x" * 1_048_576})
    with pytest.raises(Closed):
        await client.answer()
    await wecom.book.until(lambda: codes(wecom), 10)
    assert codes(wecom) == ["frame_too_large"]


async def test_each_request_has_an_id_of_its_own(wecom, client, heard):
    _, req_id = heard
    assert await client.code("ping", req_id="p1") == 0
    assert await client.code("ping", req_id="p1") == 860104
    assert await client.code("ping", req_id=req_id) == 860104
    assert codes(wecom) == ["req_id_reused", "req_id_reused"]


async def test_a_frame_waits_for_the_answer_to_the_one_before(wecom, client, heard):
    _, req_id = heard
    await client.send("aibot_respond_msg", stream("1"), req_id)
    await client.send("aibot_respond_msg", stream("2"), req_id)
    answers = [(await client.answer())["errcode"] for _ in range(2)]
    assert answers == [0, 860104]
    assert codes(wecom) == ["unacknowledged"]
    assert await client.code("aibot_respond_msg", stream("3"), req_id) == 0


async def test_what_is_said_while_nobody_is_connected_is_lost(wecom, connect):
    lost = await wecom.say("zhangsan", "hello")
    client = await connect()
    await client.subscribe()
    wecom.begin("zhangsan", text("again"))
    assert (await client.told())["body"]["text"]["content"] == "again"
    assert (lost.said.state, lost.why, lost.delivered) == ("undelivered", "not_connected", False)
    assert wecom.gateway.lost == 1


async def test_a_cut_connection_is_no_connection(wecom, client):
    wecom.gateway.cut()
    with pytest.raises(Closed):
        await client.answer()
    assert not wecom.gateway.connected


async def test_groups_can_be_mute_while_direct_chats_speak(wecom, client):
    wecom.gateway.faults.mute_groups = True
    lost = wecom.begin("zhangsan", text("hello"), group="wrX")
    wecom.begin("zhangsan", text("direct"))
    assert (await client.told())["body"]["text"]["content"] == "direct"
    assert lost.why == "muted"


async def test_a_frozen_connection_is_silent_both_ways(wecom, client, connect):
    wecom.gateway.freeze()
    await client.send("ping")
    lost = await wecom.say("zhangsan", "hello")
    assert (lost.why, wecom.gateway.pings) == ("half_open", 0)
    other = await connect()
    assert await other.subscribe() == 0
    assert await other.code("ping") == 0
    with pytest.raises(Closed):
        await client.told()


async def test_it_can_be_away(wecom, connect):
    wecom.gateway.faults.away = True
    with pytest.raises(Exception, match="503"):
        await connect()
    wecom.gateway.faults.away = False
    assert await (await connect()).subscribe() == 0


async def test_a_message_that_is_never_answered_is_over_in_the_end(make_standin):
    wecom = await make_standin(channel="connection", secret=SECRET, timing=Timing(answer_s=0.05))
    async with connected(wecom.gateway_url) as client:
        await client.subscribe()
        talk = await wecom.say("zhangsan", "hello")
    assert (talk.said.state, talk.answered, talk.over, talk.bubble) == (
        "delivered",
        False,
        True,
        None,
    )


async def test_every_frame_is_on_the_tape(wecom, client):
    tape = wecom.gateway.record()
    await client.ask("ping", req_id="p1")
    assert list(tape) == [
        ("client", {"cmd": "ping", "headers": {"req_id": "p1"}}),
        ("server", {"headers": {"req_id": "p1"}, "errcode": 0, "errmsg": "ok"}),
    ]


async def test_the_next_frames_of_a_command_can_be_refused_dropped_lost_or_cut_off(wecom, client):
    ask = wecom.gateway.faults
    ask.next("ping", 45009, 45009, "drop", "lose")
    assert [await client.code("ping") for _ in range(2)] == [45009, 45009]
    await client.send("ping", req_id="dropped")
    await client.send("ping", req_id="lost")
    assert (await client.ask("ping"))["errcode"] == 0
    assert wecom.gateway.pings == 2
    ask.next("ping", "cut")
    await client.send("ping")
    with pytest.raises(Closed):
        await client.answer()
    assert wecom.gateway.pings == 3
    assert codes(wecom) == []


async def test_slow_answers_hold_up_nothing_else(wecom, client):
    wecom.gateway.faults.slow_s = 3600
    await client.send("ping", req_id="slow")
    await wecom.book.until(lambda: wecom.gateway.pings, 10)
    wecom.gateway.faults.slow_s = 0
    assert await client.code("ping") == 0
    wecom.begin("zhangsan", text("hello"))
    assert (await client.told())["body"]["text"]["content"] == "hello"
