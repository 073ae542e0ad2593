"""O1 and O2: OpenCode is away at the start, or is killed in the middle of a turn and comes back."""

import os
import shutil
import signal
from contextlib import asynccontextmanager

import pytest

from bot.background import Background
from bot.opencode.server import ManagedServer
from bot.sandbox.script import hold, say
from bot.texts import sessions as session_texts
from tests.fakes.shim import Shim
from tests.fault_fixtures import brought
from tests.opencode_fixtures import READY_S, environ_for, settings_in, until

opencode = pytest.mark.opencode


async def test_o1_what_is_said_while_the_server_is_down_waits_and_runs_in_order(make_faked, fake):
    await fake.stop()
    faked = await make_faked(ready=False)
    first = await faked.wecom.say("zhangsan", "first")
    await first.shows("E-OC-DOWN")
    second = await faked.wecom.say("zhangsan", "second")
    assert "#2" in await second.done()
    await fake.start()
    assert "OK" in await first.done()
    assert "OK" in await second.late_reply()
    assert [prompt.text for prompt in fake.prompts] == ["first", "second"]


async def test_o1_chats_that_wait_for_the_server_all_run_once_it_is_there(make_faked, fake):
    await fake.stop()
    faked = await make_faked(ready=False)
    talks = [await faked.wecom.say(who, f"from {who}") for who in ("zhangsan", "lisi", "wangwu")]
    for talk in talks:
        await talk.shows("E-OC-DOWN")
    await fake.start()
    for talk in talks:
        assert "OK" in await talk.done()
    assert len(fake.prompts) == 3


async def half_done(make_bot, server):
    """Let a turn be in the middle of its answer."""
    bot = await make_bot(server)
    await bot.ready()
    server.model.script("work", say("Half of it") + hold("never"))
    talk = await bot.wecom.say("zhangsan", "do the work")
    await talk.shows("Half of it")
    return bot, talk


@opencode
async def test_o2_a_killed_server_ends_the_turn_honestly_and_retry_runs_it_again(
    make_bot, own_opencode
):
    bot, talk = await half_done(make_bot, own_opencode)
    model = own_opencode.model
    await own_opencode.kill()
    await own_opencode.ready()
    text = await talk.done(60)
    assert "🔌" in text
    assert "Half of it" in text
    assert "/retry 1" in text
    assert len(model.asked("work")) == 1
    await brought(bot, 1)
    model.script("next", say("Next done."))
    assert "Next done." in await (await bot.wecom.say("zhangsan", "next one")).done()
    await brought(bot, 2)
    model.script("work", say("All of it."))
    retry = await bot.wecom.say("zhangsan", "/retry 1")
    assert "All of it." in await retry.done()


@opencode
async def test_o2_a_read_that_met_the_opening_port_holds_up_no_turn(make_bot, opencode):
    """A request in the moment the port opens is taken and never answered."""
    async with Shim(opencode) as line:
        line.model = opencode.model
        bot, talk = await half_done(make_bot, line)
        for link in line.links:
            link.reset()
        line.mute = "/session/status"
        await until(lambda: not line.mute)
        opencode.model.release("never")
        assert "Half of it" in await talk.done()
        assert len(opencode.model.asked("work")) == 1
        assert (await bot.store.turns.get(1)).outcome == "answered"


@opencode
async def test_o2_a_server_that_lost_its_data_is_told_what_was_said_before(
    make_bot, own_opencode, tmp_path
):
    bot, talk = await half_done(make_bot, own_opencode)
    async with without_its_data(own_opencode, tmp_path / "opencode"):
        text = await talk.done(60)
        assert "🔌" in text
        assert "Half of it" in text
        await brought(bot, 1)
        own_opencode.model.script("go on", say("Going on."))
        text = await (await bot.wecom.say("zhangsan", "go on")).done(60)
        assert session_texts.LOST_RECAPPED.say("en") in text
        assert "Going on." in text
        (request,) = own_opencode.model.asked("go on")
        assert "Half of it" in str(request.messages)


@asynccontextmanager
async def without_its_data(own, folder):
    """Kill the server, take its data away, and start it at the same address."""
    managed = own.server.managed
    await own.server.run(_stop_watching, managed)
    os.kill(managed.pid, signal.SIGKILL)
    await own.server.run(managed.stop)
    shutil.rmtree(folder / "data/opencode/data")
    async with Background() as background:
        environ = environ_for(folder, own.server.model_port)
        again = ManagedServer(settings_in(folder / "data"), background, environ=environ)
        await again.start()
        try:
            assert await again.wait_ready(READY_S)
            assert again.address == managed.address
            yield
        finally:
            await again.stop()


async def _stop_watching(managed):
    managed._stopping.set()
