"""Whole stories over the long connection: the service, the real OpenCode, the gateway."""

import pytest

from bot import leaving
from bot.sandbox.script import hold, say, tool

pytestmark = pytest.mark.opencode


@pytest.fixture
async def bot(make_bot, opencode):
    bot = await make_bot(opencode, channel="connection")
    await bot.ready()
    return bot


async def test_a_message_becomes_a_streamed_answer(bot, opencode):
    opencode.model.script("你好", say("你好，有什么可以帮你？", chunks=4, delay_s=0.1))
    talk = await bot.wecom.say("zhangsan", "你好")
    text = await talk.done()
    assert "你好，有什么可以帮你？" in text
    assert "#1" in text
    assert talk.finished
    assert len(talk.bubbles) == 1
    assert bot.wecom.violations == []


async def test_a_group_is_answered_in_the_group(bot, opencode):
    opencode.model.script("count", tool("bash", {"command": "echo 42"}), say("It is 42."))
    talk = await bot.wecom.say("zhangsan", "count the files", group="wrTeam")
    assert "It is 42." in await talk.done()
    assert bot.wecom.transcript("wrTeam")[-1] is talk.bubble
    assert bot.wecom.violations == []


async def test_a_command_is_answered_at_once(bot, opencode):
    talk = await bot.wecom.say("zhangsan", "/help")
    assert "/new" in await talk.done()
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


async def test_a_second_message_waits_in_line_and_is_answered_in_order(bot, opencode):
    opencode.model.script("first", hold("first") + say("First done."))
    opencode.model.script("second", say("Second done."))
    first = await bot.wecom.say("zhangsan", "first")
    await opencode.model.wait_asked("first")
    second = await bot.wecom.say("zhangsan", "second")
    assert "#2" in await second.done()
    opencode.model.release("first")
    assert "First done." in await first.done()
    assert "Second done." in await second.late_reply()
    assert bot.wecom.violations == []


async def test_what_was_asked_is_answered_after_a_restart(make_bot, opencode, monkeypatch):
    monkeypatch.setattr(leaving, "LINGER_S", 0.3)
    bot = await make_bot(opencode, channel="connection", BOT_TURN_GRACE="0.2s")
    await bot.ready()
    opencode.model.script("first", hold("first") + say("First done."))
    opencode.model.script("second", say("Second done."))
    first = await bot.wecom.say("zhangsan", "first")
    await opencode.model.wait_asked("first")
    await bot.wecom.say("zhangsan", "second")
    await bot.restart()
    opencode.model.release("first")
    one = await bot.wecom.book.shows("zhangsan", "First done.")
    two = await bot.wecom.book.shows("zhangsan", "Second done.")
    await bot.wecom.book.until(lambda: two.finished, 30)
    said = [item.content for item in bot.wecom.transcript("zhangsan")]
    assert (one.id < two.id, first.finished, bot.wecom.gateway.subscribed) == (True, True, 2)
    assert sum("First done." in words for words in said) == 1
    assert bot.wecom.violations == []
