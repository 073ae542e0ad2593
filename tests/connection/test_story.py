"""The whole service by its long connection: no address, no callback."""

import orjson
import pytest
from aiohttp import encode_basic_auth

from tests.connection.stage import until
from tests.fakes.opencode_turns import say
from tests.fault_fixtures import brought
from tests.service_fixtures import ADMIN_TOKEN

TOKEN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
RECONNECT = "/admin/wecom/connection/reconnect"


@pytest.fixture
async def bot(make_faked):
    return await make_faked(channel="connection")


def codes(bot):
    return [violation.code for violation in bot.wecom.violations]


async def asked(http, bot, path, method="GET", **facts):
    async with http.request(method, f"{bot.url}{path}", headers=TOKEN, **facts) as answer:
        return answer.status, await answer.text()


async def test_a_person_asks_in_a_group_and_is_answered_there(bot, fake):
    fake.script(say("It is done."))
    talk = await bot.wecom.say("zhangsan", "do it", group="wrGROUP")
    assert "It is done." in await talk.done()
    assert bot.wecom.transcript("wrGROUP")[-1] is talk.bubble
    assert codes(bot) == []


async def test_people_of_a_group_with_sessions_of_their_own_share_its_budget(make_faked, fake):
    bot = await make_faked(channel="connection", BOT_CHAT_GROUP_SESSION="per_user")
    for member in ("zhangsan", "lisi"):
        fake.script(say(f"Hello {member}."))
        talk = await bot.wecom.say(member, "hello", group="wrGROUP")
        assert f"Hello {member}." in await talk.done()
    speaker = bot.service.edge.channels[0].replies._speaker
    assert len(speaker._budget) == 1
    assert codes(bot) == []


async def test_a_restart_in_between_loses_nothing_and_says_nothing_twice(bot, fake):
    fake.script(say("One."))
    talk = await bot.wecom.say("zhangsan", "first")
    await brought(bot, 1)
    await bot.restart()
    again = await bot.wecom.say("zhangsan", "/result 1")
    assert "One." in await again.done()
    assert "One." in talk.bubble.content
    assert (await bot.store.deliveries.of_turn(1)).state == "sent"
    assert len([item for item in bot.wecom.transcript("zhangsan") if item.kind == "late"]) == 0


async def test_what_waited_while_it_was_down_leaves_when_it_is_up(bot, fake):
    fake.script(say("One."))
    gateway = bot.wecom.gateway
    talk = await bot.wecom.say("zhangsan", "first")
    gateway.faults.away = True
    gateway.cut()
    await until(lambda: not bot.service.edge.channels[0].parts.connection.up)
    gateway.faults.away = False
    assert "One." in await talk.done()
    assert codes(bot) == []


async def test_administrators_see_how_it_stands(bot, http):
    _, told = await asked(http, bot, "/admin/health")
    for word in ('"wecom.connection"', '"state": "up"', '"kicks_24h": 0', '"last_group_at": 0'):
        assert word in told
    _, metrics = await asked(http, bot, "/metrics")
    assert 'bot_channel_up{channel="wecom.connection"} 1.0' in metrics
    assert "bot_connection_opened_total 1.0" in metrics
    assert "bot_connection_kicks_total 0.0" in metrics


async def test_a_kick_is_told_and_an_administrator_lets_it_try_again(bot, http):
    bot.wecom.gateway.kick()
    connection = bot.service.edge.channels[0].parts.connection
    await until(lambda: connection.state == "kicked")
    _, ready = await asked(http, bot, "/readyz")
    assert '"wecom.connection": "degraded: kicked"' in ready
    _, told = await asked(http, bot, "/admin/health")
    assert "wecom.connection: another connection of this bot took its place" in told
    assert bot.service.edge.troubles().keys() == {"wecom.connection"}
    status, answer = await asked(http, bot, RECONNECT, "POST")
    assert (status, orjson.loads(answer)) == (200, {"state": "kicked"})
    await bot.wecom.gateway.until_connected()
    await until(lambda: connection.up)
    _, metrics = await asked(http, bot, "/metrics")
    assert "bot_connection_kicks_total 1.0" in metrics


async def test_only_an_administrator_may_reconnect(bot, http):
    async with http.post(f"{bot.url}{RECONNECT}") as answer:
        assert answer.status == 401
    password = {"Authorization": encode_basic_auth("admin", ADMIN_TOKEN)}
    async with http.post(f"{bot.url}{RECONNECT}", headers=password) as answer:
        assert answer.status == 403  # a page made the browser do it


async def test_without_a_connection_there_is_nothing_to_reconnect(make_faked, http):
    bot = await make_faked()
    status, _ = await asked(http, bot, RECONNECT, "POST")
    assert status == 404


async def test_the_secret_is_never_logged(bot, fake, capfd):
    bot.wecom.gateway.faults.next("aibot_subscribe", 853000)
    bot.wecom.gateway.cut()
    await until(lambda: bot.service.edge.channels[0].parts.connection.state == "refused")
    assert bot.environ["WECOM_BOT_SECRET"] not in capfd.readouterr().err
