"""What will not stop, with the real server: endless loops, ghosts, frozen processes, and `/stop!`."""

import os
import signal

import pytest

from bot.opencode.ids import MessageIds
from bot.sandbox.script import finish, hold, say, tool
from bot.texts import commands as command_texts
from bot.texts import engine as texts
from tests.fault_fixtures import brought
from tests.opencode_talk import read_until

pytest_plugins = ["tests.reliability.opencode_managed"]
pytestmark = pytest.mark.opencode

CHAT = "wecom:direct:zhangsan"
RESTARTED = command_texts.RECYCLED.zh.partition("，")[0]
OUTSIDE = tool("bash", {"command": "cat /etc/hostname", "description": "read"})


# Endless loops


@pytest.mark.parametrize(
    ("limit", "sign"), [({"BOT_TURN_MAX_STEPS": "4"}, "🔁"), ({"BOT_TURN_TIMEOUT": "10s"}, "⏰")]
)
async def test_a_model_that_never_finishes_is_ended_and_the_next_message_works(
    make_bot, opencode, limit, sign
):
    bot = await make_bot(opencode, **limit)
    await bot.ready()
    opencode.model.script("loop", say("again ") + finish(None))
    opencode.model.script("after", say("Fine."))
    text = await (await bot.wecom.say("zhangsan", "loop please")).done(60)
    assert sign in text
    assert "again" in text
    assert len(opencode.model.asked("loop")) > 1
    await brought(bot, 1)
    asked = len(opencode.model.asked("loop"))
    assert "Fine." in await (await bot.wecom.say("zhangsan", "after that")).done()
    assert len(opencode.model.asked("loop")) == asked


# Ghosts


@pytest.mark.parametrize("inside", [False, True])
async def test_a_stopped_turn_leaves_no_ghost_on_the_server(bot, opencode, inside):
    opencode.model.script("outside", OUTSIDE)
    task = {"description": "look", "prompt": "outside", "subagent_type": "general"}
    opencode.model.script("delegate", tool("task", task))
    talk = await bot.wecom.say("zhangsan", "delegate" if inside else "outside")
    await talk.shows("/allow", 40)
    await bot.wecom.say("zhangsan", "/stop")
    assert "⛔" in await talk.done()
    await brought(bot, 1)
    turn = await bot.store.turns.get(1)
    assert await bot.service.services.opencode.permissions(turn.directory) == []
    assert await bot.store.asks.open(CHAT) == []


async def test_a_ghost_of_a_lost_client_is_never_shown_as_the_next_turns_ask(bot, opencode):
    opencode.model.script("outside", OUTSIDE)
    opencode.model.script("after", say("No ghosts.") + hold("end"))
    await (await bot.wecom.say("zhangsan", "hello")).done()
    await brought(bot, 1)
    turn = await bot.store.turns.get(1)
    client = bot.service.services.opencode
    part = {"type": "text", "text": "outside"}
    await client.prompt(
        turn.session, message=MessageIds().next(), parts=[part], agent="build", model="demo/demo"
    )
    await read_until(lambda: client.permissions(turn.directory), bool)
    await client.abort(turn.session)
    assert len(await client.permissions(turn.directory)) == 1
    talk = await bot.wecom.say("zhangsan", "after that")
    await talk.shows("No ghosts.")
    assert await client.permissions(turn.directory) == []
    opencode.model.release("end")
    await talk.done()
    assert not any("/allow" in shown for shown in talk.bubble.history)


# An abort


async def test_a_stop_is_confirmed_by_the_servers_own_record(bot, opencode):
    opencode.model.script("work", say("Half of it") + hold("never"))
    talk = await bot.wecom.say("zhangsan", "do the work")
    await talk.shows("Half of it")
    await bot.wecom.say("zhangsan", "/stop")
    text = await talk.done()
    assert "⛔" in text
    assert texts.STOP_UNHEARD.say("en") not in text
    turn = await bot.store.turns.get(1)
    client = bot.service.services.opencode
    assert turn.session not in await client.status(turn.directory)
    assert all(m.completed_at for m in await client.messages(turn.session) if m.role == "assistant")
    assert not await bot.store.sessions.doubted(turn.session)


# /stop!


async def at_work(bot, model, people):
    """Let each of them have a turn at work."""
    model.script("work", say("Half of it") + hold("never"))
    talks = [await bot.wecom.say(person, "do the work") for person in people]
    for talk in talks:
        await talk.shows("Half of it", 40)
    return talks


async def forced(bot):
    """Have an administrator restart the server from a chat of their own."""
    asked = await (await bot.wecom.say("boss", "/stop!")).done()
    talk = await bot.wecom.say("boss", "/stop! yes")
    said = await talk.done()
    if RESTARTED not in said:
        said = await talk.late_reply(90)
    return asked, said


async def test_stop_with_a_mark_restarts_the_server_and_every_chat_goes_on(managed, home_model):
    talks = await at_work(managed, home_model, ["zhangsan", "lisi"])
    home_model.script("wait", say("Waited."))
    waits = await managed.wecom.say("zhangsan", "wait for it")
    server = managed.service.services.server
    pid = server.pid
    asked, said = await forced(managed)
    assert "2 个任务：#1 zhangsan" in asked
    assert "/stop! yes" in asked
    assert RESTARTED in said
    for n, talk in enumerate(talks, start=1):
        text = await talk.done(60)
        assert texts.ENDS["recycle"].say("en", n=n, by="boss") in text
        assert "Half of it" in text
    assert "Waited." in await waits.late_reply(60)
    assert server.pid != pid
    assert server.state == "ready"
    await brought(managed, 3)
    home_model.script("work", say("All of it."))
    assert "All of it." in await (await managed.wecom.say("lisi", "/retry 2")).done(60)


async def test_stop_with_a_mark_ends_a_server_that_answers_nothing_any_more(managed, home_model):
    (talk,) = await at_work(managed, home_model, ["zhangsan"])
    server = managed.service.services.server
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    await (await managed.wecom.say("zhangsan", "/stop")).done()
    assert not talk.finished
    assert RESTARTED in (await forced(managed))[1]
    text = await talk.done(60)
    assert "Half of it" in text
    assert texts.STOP_UNHEARD.say("en") not in text
    assert server.pid != pid
    await brought(managed, 1)
    home_model.script("next", say("Next done."))
    assert "Next done." in await (await managed.wecom.say("zhangsan", "next one")).done(60)
