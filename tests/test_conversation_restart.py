"""Whole stories across restarts, of the service and of the real OpenCode behind it."""

import asyncio
import json

import pytest

from bot import leaving
from bot.sandbox.model import ScriptedModel, provider_config
from bot.sandbox.script import hold, say
from bot.texts import engine as texts
from store.database import Statement
from tests.fault_fixtures import brought

pytestmark = pytest.mark.opencode

GRACE = {"BOT_TURN_GRACE": "0.2s"}


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch):
    monkeypatch.setattr(leaving, "LINGER_S", 0.3)


@pytest.fixture
async def hasty(make_bot, opencode):
    """A service that does not wait for its turns when it goes down."""
    bot = await make_bot(opencode, **GRACE)
    await bot.ready()
    return bot


async def test_a_turn_in_front_of_an_external_server_is_taken_up_and_answered_once(hasty, opencode):
    opencode.model.script("long", say("The beginning,") + hold("rest") + say(" the end."))
    talk = await hasty.wecom.say("zhangsan", "a long one")
    await talk.shows("The beginning,")
    await hasty.turns.flush_once()
    await hasty.restart()
    await talk.shows(texts.RESUMED.say("en", n=1))
    opencode.model.release("rest")
    assert "The beginning, the end." in await talk.done()
    assert len(opencode.model.asked("long")) == 1
    begun = next(i for i, shown in enumerate(talk.bubble.history) if "The beginning" in shown)
    assert all("The beginning" in shown for shown in talk.bubble.history[begun:])


async def test_what_waited_in_line_runs_in_order_after_a_restart(hasty, opencode):
    opencode.model.script("first", hold("first") + say("First done."))
    opencode.model.script("second", say("Second done."))
    opencode.model.script("third", say("Third done."))
    first = await hasty.wecom.say("zhangsan", "first")
    await opencode.model.wait_asked("first")
    second = await hasty.wecom.say("zhangsan", "second")
    third = await hasty.wecom.say("zhangsan", "third")
    await hasty.restart()
    opencode.model.release("first")
    assert "First done." in await first.done()
    assert "Second done." in await second.late_reply()
    assert "Third done." in await third.late_reply()
    asked = [request.user for request in opencode.model.asked()]
    assert asked == ["first", "second", "third"]


async def test_a_command_runs_on_through_a_restart(hasty, opencode):
    opencode.model.script("", hold("init") + say("Initialised."))
    talk = await hasty.wecom.say("zhangsan", "/init")
    await opencode.model.wait_asked("")
    await hasty.restart()
    await talk.shows(texts.RESUMED.say("zh", n=1))
    opencode.model.release("init")
    assert "Initialised." in await talk.done()
    assert len(opencode.model.asked("")) == 1


async def test_an_answer_that_was_kept_and_not_shown_is_shown_once(hasty, opencode):
    opencode.model.script("quick", say("Kept."))
    hasty.wecom.polling = False
    talk = await hasty.wecom.say("zhangsan", "quick")
    async with asyncio.timeout(20):
        while await hasty.store.deliveries.of_turn(1) is None:  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.02)
    await hasty.restart()
    hasty.wecom.polling = True
    assert "Kept." in await talk.done()
    assert talk.late == []
    again = await hasty.wecom.say("zhangsan", "/queue")
    assert "Kept." not in await again.done()


async def test_an_answer_on_its_way_at_a_crash_is_told_to_be_uncertain(hasty, opencode):
    opencode.model.script("quick", say("Perhaps."))
    await (await hasty.wecom.say("zhangsan", "quick")).done()
    await brought(hasty, 1)
    delivery = await hasty.store.deliveries.of_turn(1)
    await crash_while_posting(hasty, delivery.id)
    async with asyncio.timeout(20):
        while (await hasty.store.deliveries.of_turn(1)).state != "unknown":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    told = texts.UNKNOWN_DELIVERY.say("en", n=1)
    assert told in await (await hasty.wecom.say("zhangsan", "/queue")).done()
    shown = await (await hasty.wecom.say("zhangsan", "/result 1")).done()
    assert "Perhaps." in shown
    assert told not in shown


async def crash_while_posting(bot, delivery):
    """Leave a delivery as a crash does that comes between its claim and its end."""
    database = bot.store.deliveries._database
    await database.write(
        Statement("UPDATE deliveries SET state = 'sending' WHERE id = $1", delivery)
    )
    await bot.restart()


async def test_a_graceful_end_with_its_own_server_interrupts_with_what_there_was(
    make_bot, tmp_path, monkeypatch
):
    model = ScriptedModel()
    url = await model.start()
    config = tmp_path / "home/.config/opencode"
    config.mkdir(parents=True)
    (config / "opencode.json").write_text(json.dumps(provider_config(url)))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    try:
        await interrupted(make_bot, model)
    finally:
        await model.stop()


async def interrupted(make_bot, model):
    bot = await make_bot(**GRACE)
    await bot.ready()
    async with asyncio.timeout(20):
        await bot.service.services.feed.wait_connected()
    model.script("work", say("Half of it") + hold("never"))
    model.script("wait", say("Waited."))
    talk = await bot.wecom.say("zhangsan", "do the work")
    await talk.shows("Half of it")
    waits = await bot.wecom.say("zhangsan", "wait for it")
    await bot.stop()
    text = await talk.done()
    assert texts.ENDS["restart"].say("en", n=1) in text
    assert "Half of it" in text
    await bot.start()
    await bot.ready()
    assert "Waited." in await waits.late_reply()
    await brought(bot, 2)
    model.script("work", say("All of it."))
    assert "All of it." in await (await bot.wecom.say("zhangsan", "/retry 1")).done()
