"""O5: OpenCode is slow, or never says that it is idle: people are answered, and `/stop` works."""

import pytest

from bot.sandbox.script import hang, http_error, say
from bot.texts import engine as texts
from bot.turns.following import RETRY_MS
from tests.fakes import opencode_turns as fake_turns
from tests.fakes.shim import Shim
from tests.fault_fixtures import answer_of, brought, called, prompted, quiet
from tests.opencode_fixtures import until

CHAT = "wecom:direct:zhangsan"
SLOW_S = 1.0  # each POST, where the client waits for 30


@pytest.fixture
async def line(fake):
    async with Shim(fake) as shim:
        shim.slow_posts_s = SLOW_S
        yield shim


@pytest.fixture
async def slow(make_bot, make_faked, line, clock):
    """A service in front of a server that takes its time with each POST."""
    bot = await make_bot(line, options={"clock": clock})
    await bot.ready()
    return bot


async def test_o5_callbacks_are_answered_while_every_post_is_held_up(slow, fake, line):
    line.slow_posts_s = 30.0
    talk = await slow.wecom.say("zhangsan", "hello")
    await called(fake, "/path", 1)
    said = await (await slow.wecom.say("zhangsan", "/status")).done()
    assert "#1" in said
    second = await slow.wecom.say("zhangsan", "second")
    assert "#2" in await second.done()
    assert not talk.finished
    assert fake.prompts == []


async def test_o5_a_slow_server_still_answers_once(slow, fake):
    assert "OK" in await (await slow.wecom.say("zhangsan", "hello")).done()
    assert len(fake.prompts) == 1


async def test_o5_a_stop_works_on_a_slow_server(slow, fake):
    fake.script(fake_turns.say("So far"), fake_turns.hang())
    talk = await slow.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    await (await slow.wecom.say("zhangsan", "/stop")).done()
    text = await talk.done()
    assert "⛔" in text
    assert texts.STOP_UNHEARD.say("en") not in text


async def test_o5_a_stop_holds_for_no_read_that_hangs(faked, fake):
    fake.script(fake_turns.say("So far"), fake_turns.hang())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    fake.fault("/session/status", "hang", times=100)
    fake.fault("/global/event", "error", times=100_000)
    looks = fake.calls.count_of("/session/status")
    fake.cut_events()
    await called(fake, "/session/status", looks + 1)
    read = []
    fake.calls.on("/abort", lambda: read.append(fake.calls.count_of("/session/status")))
    await faked.wecom.say("zhangsan", "/stop")
    await called(fake, "/abort", 1)
    assert read == [looks + 1]  # which was not over by then
    fake._faults.clear()
    assert "⛔" in await talk.done()


async def test_o5_a_stop_that_found_nobody_becomes_the_restart_that_an_administrator_asks_for(
    faked, fake, clock
):
    fake.script(fake_turns.say("So far"), fake_turns.hang())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    fake.fault("/abort", "hang")
    await faked.wecom.say("zhangsan", "/stop")
    await called(fake, "/abort", 1)
    faked.turns.interrupt(by="boss")
    await fake.stop()
    server = faked.service.services.server
    await until(lambda: server.state == "down")
    clock.leap(RETRY_MS)
    await talk.shows(texts.OPENCODE_LOST.say("en", n=1))
    await fake.start()
    text = await answer_of(talk)
    assert texts.ENDS["recycle"].say("en", n=1, by="boss") in text
    assert texts.STOP_UNHEARD.say("en") not in text
    assert "So far" in text
    await brought(faked, 1)
    assert not await faked.store.sessions.doubted(fake.prompts[0].session)


async def test_o5_a_turn_that_is_never_idle_is_ended_by_its_watchdog(make_faked, fake, clock):
    faked = await make_faked(BOT_TURN_TIMEOUT="60s")
    fake.script(fake_turns.say("All said."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    session = fake.prompts[0].session
    fake.frozen_status = {session: {"type": "busy"}}
    await fake.settled(session)
    await quiet(fake, clock)
    assert not talk.finished
    clock.leap(61_000)
    await called(fake, "/abort", 1)
    clock.leap(61_000)
    text = await answer_of(talk)
    assert "⏰" in text
    assert "All said." in text
    await brought(faked, 1)
    assert await faked.store.sessions.doubted(session)


async def test_o5_a_turn_that_is_never_idle_may_be_stopped_and_the_next_one_waits(
    faked, fake, clock
):
    fake.script(fake_turns.say("All said."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    fake.frozen_status = {fake.prompts[0].session: {"type": "busy"}}
    await faked.wecom.say("zhangsan", "/stop")
    await called(fake, "/abort", 1)
    clock.leap(61_000)
    assert "All said." in await answer_of(talk)
    await brought(faked, 1)
    after = await faked.wecom.say("zhangsan", "after")
    await after.shows(texts.STILL_BUSY.say("en", n=2))
    fake.frozen_status = None
    assert "OK" in await answer_of(after, 2)


# The model's provider, with the real server


@pytest.mark.opencode
async def test_o5_a_provider_that_hangs_holds_no_stop_up(bot, opencode):
    opencode.model.script("stuck", hang())
    opencode.model.script("after", say("Fine."))
    talk = await bot.wecom.say("zhangsan", "stuck")
    await opencode.model.wait_asked("stuck")
    await bot.wecom.say("zhangsan", "/stop")
    assert "⛔" in await talk.done()
    await brought(bot, 1)
    assert "Fine." in await (await bot.wecom.say("zhangsan", "after")).done()


@pytest.mark.opencode
async def test_o5_a_provider_that_refuses_again_and_again_is_shown_and_stopped(bot, opencode):
    opencode.model.script("storm", http_error(429, {"retry-after": "600"}))
    opencode.model.script("after", say("Fine."))
    talk = await bot.wecom.say("zhangsan", "storm")
    assert "/stop" in await talk.shows("🔁")
    assert len(opencode.model.asked("storm")) == 1
    await bot.wecom.say("zhangsan", "/stop")
    text = await talk.done()
    assert "⛔" in text
    assert texts.STOP_UNHEARD.say("en") not in text
    await brought(bot, 1)
    assert "Fine." in await (await bot.wecom.say("zhangsan", "after")).done()
