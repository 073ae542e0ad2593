"""O3: the event stream breaks, ends, falls silent or is refused, and the answer stays whole.

A shim stands between the service and the real server.
"""

import asyncio
import random

import pytest

from bot.opencode.feed import Gap, Patience
from bot.sandbox.script import hold, say
from tests.fakes.events import BEAT, HEAD, HELLO, Script, chunk
from tests.fakes.shim import EVENTS, Shim
from tests.opencode_talk import running, taken

pytestmark = pytest.mark.opencode

WORDS = " ".join(f"word{n}" for n in range(120))
CUT_AT = (1, 3_000)  # bytes of an event stream, its header and greeting included


@pytest.fixture
async def line(opencode):
    async with Shim(opencode) as shim:
        yield shim


@pytest.fixture
async def bot(make_bot, line):
    bot = await make_bot(line)
    await bot.ready()
    async with asyncio.timeout(20):
        await bot.service.services.feed.wait_connected()
    return bot


async def begun(bot, opencode):
    """Begin a turn that stands still in the middle of its answer."""
    opencode.model.script("long", say("The beginning,") + hold("rest") + say(" the end."))
    talk = await bot.wecom.say("zhangsan", "a long one")
    await talk.shows("The beginning,")
    return talk


async def whole(bot, opencode, talk):
    """Let the turn end: its answer is whole, and it was asked for once."""
    opencode.model.release("rest")
    assert "The beginning, the end." in await talk.done()
    assert len(opencode.model.asked("long")) == 1
    begun = next(i for i, shown in enumerate(talk.bubble.history) if "The beginning" in shown)
    assert all("The beginning" in shown for shown in talk.bubble.history[begun:])


@pytest.mark.parametrize("how", ["reset", "finish"])
async def test_o3_a_stream_that_breaks_is_made_anew_and_the_answer_is_whole(
    bot, opencode, line, how
):
    talk = await begun(bot, opencode)
    feed = bot.service.services.feed
    (stream,) = line.events()
    getattr(stream, how)()
    async with asyncio.timeout(20):
        while feed.reconnects < 1:  # noqa: ASYNC110 - a feed tells its followers alone
            await asyncio.sleep(0.02)
    await whole(bot, opencode, talk)


async def test_o3_what_was_said_while_the_stream_was_down_is_fetched(bot, opencode, line):
    talk = await begun(bot, opencode)
    line.bad_gateway = EVENTS
    (stream,) = line.events()
    stream.reset()
    await whole(bot, opencode, talk)
    assert line.refused > 0
    assert not bot.service.services.feed.connected


async def test_o3_a_stream_that_falls_silent_half_open_is_given_up(bot, opencode, line):
    talk = await begun(bot, opencode)
    feed = bot.service.services.feed
    # The server beats each 10 s; here the first silence is judged, before any beat.
    feed._patience = Patience(quiet_s=1.0)
    (stream,) = line.events()
    stream.reset()
    async with asyncio.timeout(20):
        while feed.reconnects < 1:  # noqa: ASYNC110 - a feed tells its followers alone
            await asyncio.sleep(0.02)
    (frozen,) = line.events()
    frozen.freeze()
    await whole(bot, opencode, talk)
    async with asyncio.timeout(20):
        while frozen in line.links:  # noqa: ASYNC110 - the shim tells nobody
            await asyncio.sleep(0.02)


async def test_o3_three_beats_without_a_byte_are_the_death_of_a_connection():
    first = [HEAD, chunk(HELLO + BEAT), "stay"]
    async with Script(first) as server, running(server.url, beat_s=0.02, quiet_s=60) as feed:
        with feed.follow("s") as following:
            assert await taken(following, 2) == [Gap("reconnected")] * 2
        assert feed.reconnects >= 1


@pytest.mark.parametrize("seed", range(2))
async def test_o3_a_stream_that_is_cut_at_any_byte_loses_nothing(make_bot, opencode, line, seed):
    chance = random.Random(seed)
    line.budgets = iter(lambda: chance.randint(*CUT_AT), None)
    bot = await make_bot(line)
    await bot.ready()
    opencode.model.script("many", say(WORDS, chunks=120, delay_s=0.02) + hold("more") + say(" end"))
    talk = await bot.wecom.say("zhangsan", "many words")
    async with asyncio.timeout(60):
        while line.cuts < 5:  # noqa: ASYNC110 - the shim tells nobody
            await asyncio.sleep(0.02)
    opencode.model.release("more")
    await talk.done(60)
    turn = await bot.store.turns.get(1)
    assert turn.answer == f"{WORDS} end"
    assert len(opencode.model.asked("many")) == 1
