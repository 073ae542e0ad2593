"""Whole stories over the long connection: the service, the real OpenCode, the gateway."""

import pytest

from bot.sandbox.script import hold, say, tool

pytestmark = pytest.mark.opencode


@pytest.fixture
async def bot(make_bot, opencode):
    bot = await make_bot(opencode, channel="connection")
    await bot.ready()
    return bot


async def test_a_group_is_answered_in_the_group(bot, opencode):
    opencode.model.script("count", tool("bash", {"command": "echo 42"}), say("It is 42."))
    talk = await bot.wecom.say("zhangsan", "count the files", group="wrTeam")
    assert "It is 42." in await talk.done()
    assert bot.wecom.transcript("wrTeam")[-1] is talk.bubble
    assert bot.wecom.violations == []


async def test_who_opens_the_chat_is_welcomed(bot, opencode):
    assert "OpenCode" in await bot.wecom.enter("zhangsan")
    assert bot.wecom.violations == []


async def test_an_answer_whose_stream_is_dead_comes_as_a_push(bot, opencode):
    gate = hold("wait")
    opencode.model.script("work", gate + say("It is done."))
    talk = await bot.wecom.say("zhangsan", "work")
    bot.wecom.gateway.expire(talk.bubble)
    opencode.model.release("wait")
    assert "It is done." in await talk.late_reply()
    assert bot.wecom.violations == []
