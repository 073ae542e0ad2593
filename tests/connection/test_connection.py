"""The connection: it comes back by itself, it never fights for the bot, and it says how it stands."""

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.background import Background
from bot.clock import now_ms
from handlers.wecom.connection import frames
from handlers.wecom.connection.calls import Unsent
from handlers.wecom.connection.connection import Connection
from tests.connection.stage import BRISK, FAST, SECRET, Stage, until


def facts(stage):
    return stage.edge.facts


async def test_it_subscribes_and_beats(stage, wecom):
    await until(lambda: wecom.gateway.pings >= 2 and facts(stage)["ping_ms"] is not None)
    told = facts(stage)
    assert (told["state"], told["opened"], told["trouble"]) == ("up", 1, "")
    assert wecom.gateway.subscribed == 1
    assert stage.codes == []


async def test_it_comes_back_after_a_cut(stage, wecom):
    await stage.cut()
    await stage.cut()
    assert wecom.gateway.subscribed == 3
    talk = await stage.say("still there?")
    assert talk.bubble.content == "开始 #1"


async def test_a_half_open_connection_is_noticed_by_its_pings(stage, wecom):
    wecom.gateway.freeze()
    await until(lambda: wecom.gateway.subscribed == 2)
    await stage.up()
    assert (await stage.say("hello")).bubble is not None


async def test_it_waits_while_wecom_is_away_and_comes_back(stage, wecom):
    wecom.gateway.faults.away = True
    wecom.gateway.cut()
    await until(lambda: stage.connection.state != "up")
    await until(lambda: stage.connection.counts["lost"] >= 3)
    wecom.gateway.faults.away = False
    await stage.up()


async def test_who_was_kicked_says_so_and_stays_out_for_a_while(tmp_path, wecom, clock):
    patient = replace(FAST, pace=replace(BRISK, slow_s=60.0))
    async with asyncio.timeout(30), Stage(tmp_path, wecom, clock, patient) as stage:
        wecom.gateway.kick()
        await until(lambda: stage.connection.state == "kicked")
        told = facts(stage)
        assert told["kicks_24h"] == 1
        assert "another connection" in told["trouble"]
        lost = await stage.say("is anybody there?")
        assert lost.said.state == "undelivered"
        assert not wecom.gateway.connected
        assert stage.edge.reconnect() == "kicked"
        await stage.up()


async def test_who_was_kicked_comes_back_later_by_itself(stage, wecom):
    wecom.gateway.kick()
    await until(lambda: stage.connection.state == "kicked")
    await stage.up()
    told = facts(stage)
    assert (told["trouble"], told["kicks_24h"], told["opened"]) == ("", 1, 2)


async def test_the_kicks_of_a_day_are_counted(stage, wecom, clock):
    wecom.gateway.kick()
    await until(lambda: stage.connection.counts["opened"] == 2)
    assert facts(stage)["kicks_24h"] == 1
    clock.after(25 * 3_600_000)
    assert facts(stage)["kicks_24h"] == 0


async def test_a_wrong_secret_is_told_and_not_repeated_at_once(stage, wecom):
    wecom.gateway.secret = "changed"
    wecom.gateway.cut()
    await until(lambda: stage.connection.state == "refused")
    told = facts(stage)
    assert told["cause"] == "errcode 853000"
    assert "wecom.bot.secret" in told["trouble"]
    wecom.gateway.secret = SECRET
    await stage.up()
    assert facts(stage)["trouble"] == ""


async def test_a_busy_wecom_at_the_subscription_is_tried_again_soon(stage, wecom):
    wecom.gateway.faults.next("aibot_subscribe", -1, 45009)
    await stage.cut()
    assert stage.connection.counts["refused"] == 0
    assert wecom.gateway.subscribed == 2


async def test_an_unanswered_subscription_is_tried_again(stage, wecom):
    wecom.gateway.faults.next("aibot_subscribe", "drop")
    await stage.cut()
    assert stage.connection.up


async def test_somebody_may_ask_for_a_new_try_at_once(stage, wecom):
    assert stage.edge.reconnect() == "up"
    await until(lambda: wecom.gateway.subscribed == 2)
    await stage.up()


async def test_nothing_leaves_while_it_is_down(stage, wecom):
    wecom.gateway.faults.away = True
    wecom.gateway.cut()
    await until(lambda: not stage.connection.up)
    with pytest.raises(Unsent):
        await stage.connection.call(frames.ping(1))


async def test_a_connection_that_wecom_forgot_is_made_anew(stage, wecom):
    wecom.gateway.faults.next("ping", 846609)
    await until(lambda: wecom.gateway.subscribed == 2)
    await stage.up()


async def test_an_early_word_of_wecom_is_not_lost(stage, wecom):
    """The answer to the subscription and the first message may come in one breath."""
    for round_ in range(5):
        opened = stage.connection.counts["opened"]
        wecom.gateway.cut()
        await until(lambda before=opened: wecom.gateway.subscribed > before)
        talk = wecom.begin("zhangsan", {"msgtype": "text", "text": {"content": "/early"}})
        await wecom.book.until(lambda one=talk: one.finished, 20)
        assert talk.bubble.content == "done /early", round_


async def test_strange_frames_are_counted_and_hurt_nobody(stage, wecom):
    line = wecom.gateway._line
    line.put({"headers": {"req_id": "x" * 300}, "errcode": 0})
    line.put({"headers": {"req_id": "nobody"}, "errcode": 0})
    line.put({"cmd": "aibot_msg_callback", "headers": {"req_id": "R"}, "body": {"msgid": "x"}})
    other = {"msgid": "x", "aibotid": "another", "msgtype": "text", "from": {"userid": "a"}}
    line.put({"cmd": "aibot_msg_callback", "headers": {"req_id": "R"}, "body": other})
    talk = await stage.say("/ok")
    assert await stage.finished(talk) == "done /ok"
    assert stage.connection.counts["unexpected"] == 1
    assert stage.connection.counts["refused frame req_id"] == 1
    assert stage.edge.counts["refused bot id"] == 2


async def test_the_end_of_the_service_closes_it(stage, wecom):
    await stage.edge.close()
    assert facts(stage)["state"] == "closed"
    await until(lambda: not wecom.gateway.connected)


async def test_groups_that_are_heard_no_more_are_a_trouble(stage, clock):
    await stage.say("/in the group", group="wrG")
    clock.after(25 * 3_600_000)
    for _ in range(20):
        stage.edge.parts.reception.hearing.hear(group=False, at=clock())
    assert "groups" in facts(stage)["trouble"]
    async with asyncio.timeout(20):
        await stage.say("/in the group again", group="wrG")
    assert facts(stage)["trouble"] == ""
    assert facts(stage)["last_group_at"] > 0


async def test_a_connection_that_opens_while_we_leave_throws_nobody_out():
    opening, going_on, said = asyncio.Event(), asyncio.Event(), []

    async def slow(request):
        opening.set()
        await going_on.wait()
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        said.extend([message.data async for message in socket])
        return socket

    app = web.Application()
    app.router.add_get("/", slow)
    async with asyncio.timeout(20), TestServer(app) as server, Background() as background:
        url = str(server.make_url("/"))
        connection = Connection(url, "bot", SECRET, None, now_ms, BRISK)
        background.start(connection.run(), name="connection")
        await opening.wait()
        await connection.close()
        going_on.set()
        await until(lambda: not len(background))
    assert (connection.state, connection.counts["opened"], said) == ("closed", 0, [])


async def test_what_was_told_is_kept_before_we_leave(stage, wecom):
    accept = stage.desk.accept

    async def slow(message, stream, **facts):
        await until(lambda: stage.connection.state == "closed")
        return await accept(message, stream, **facts)

    stage.desk.accept = slow
    wecom.begin("zhangsan", {"msgtype": "text", "text": {"content": "hello"}}, msgid="M1")
    await until(lambda: stage.edge.parts.reception.busy == 1)
    await stage.edge.close()
    assert await stage.store.inbox.find("M1") is not None
