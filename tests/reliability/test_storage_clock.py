"""S8: the clock of the machine leaps; nothing is lost, nothing runs twice, nothing waits for ever."""

import asyncio
import re

import pytest

from bot.clock import now_ms
from bot.sandbox.script import say as answer
from bot.sandbox.timing import Timing
from tests.fakes.edge import until
from tests.fakes.opencode_turns import ask, say
from tests.fault_fixtures import CHAT, LOOK, answer_of, called, prompted

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
LEAPS = {"an hour ahead": HOUR_MS, "an hour back": -HOUR_MS, "ten minutes back": -10 * MINUTE_MS}

every_leap = pytest.mark.parametrize("leap", LEAPS.values(), ids=LEAPS)


def share_the_clock(wecom, clock):
    """Let WeCom sign with the same time: it is the right one, and was wrong before."""
    wecom._caller._clock = clock


@every_leap
async def test_s8_a_repeat_after_a_leap_is_still_a_repeat(faked, fake, clock, leap):
    first = await faked.wecom.say("zhangsan", "run me")
    assert "OK" in await first.done()
    clock.leap(leap)
    share_the_clock(faked.wecom, clock)
    again = await faked.wecom.say("zhangsan", "run me", msgid=first.msgid)
    assert again.streams == [first.bubble.stream] * 2
    assert again.attempts == ["ok", "ok"]
    assert [prompt.text for prompt in fake.prompts] == ["run me"]


@pytest.mark.parametrize("leap", [HOUR_MS, -HOUR_MS])
async def test_s8_while_the_clock_is_wrong_nothing_new_is_believed_and_then_all_is(
    make_faked, fake, clock, leap
):
    bot = await make_faked(timing=Timing(retry_after_s=0.05, poll_every_s=0.05))
    clock.leap(leap)
    talk = await bot.wecom.say("zhangsan", "run me")
    assert set(talk.attempts) == {"http_403"}, "what is so old may be somebody's replay"
    assert await bot.store.inbox.find(talk.msgid) is None
    clock.leap(-leap)
    again = await bot.wecom.say("zhangsan", "", msgid=talk.msgid)
    assert "OK" in await again.done()
    assert [prompt.text for prompt in fake.prompts] == ["run me"]


@every_leap
async def test_s8_a_message_after_the_clock_was_put_right_is_answered(faked, fake, clock, leap):
    assert "OK" in await (await faked.wecom.say("zhangsan", "before")).done()
    await until(lambda: not faked.turns.busy(CHAT))
    clock.leap(leap)
    share_the_clock(faked.wecom, clock)
    assert "OK" in await (await faked.wecom.say("zhangsan", "after")).done()
    first, second = fake.prompts
    assert first.message < second.message, "ids go on from the last"
    assert faked.wecom.violations == []


@pytest.mark.parametrize("leap", [-HOUR_MS, -10 * MINUTE_MS, 10 * MINUTE_MS])
async def test_s8_a_turn_that_runs_through_a_leap_ends_once(faked, fake, clock, leap):
    go = asyncio.Event()
    fake.script(say("begun", go, " and done"))
    talk = await faked.wecom.say("zhangsan", "run me")
    await prompted(fake, 1)
    await until(lambda: "begun" in talk.text)
    clock.leap(leap)
    share_the_clock(faked.wecom, clock)
    go.set()
    # After a leap ahead the bubble's time may be over: then it comes as a message of its own.
    await until(lambda: "begun and done" in talk.text + "".join(i.content for i in talk.late))
    await until(lambda: faked.turns.ended["answered"] == 1)
    assert len(fake.prompts) == 1
    assert len(talk.late) <= 1
    await until(lambda: not faked.turns.busy(CHAT))
    assert "OK" in await (await faked.wecom.say("zhangsan", "next")).done()


@pytest.mark.parametrize("leap", [-HOUR_MS, -10 * MINUTE_MS])
async def test_s8_an_approval_can_be_given_after_a_leap_back(faked, fake, clock, leap):
    fake.script(ask("bash", ["rm -rf build"]), say("removed"))
    talk = await faked.wecom.say("boss", "clean up")
    await until(lambda: "rm -rf build" in talk.text)
    clock.leap(leap)
    share_the_clock(faked.wecom, clock)
    code = re.search(r"/allow (\w+)", talk.text)[1]
    await faked.wecom.say("boss", f"/allow {code}")
    assert "removed" in await answer_of(talk)
    assert len(fake.prompts) == 1


@every_leap
async def test_s8_a_restart_after_a_leap_takes_up_what_ran(faked, fake, clock, leap):
    go = asyncio.Event()
    fake.script(say("begun", go, " and done"))
    await faked.wecom.say("zhangsan", "run me")
    await prompted(fake, 1)
    await faked.stop()
    clock.leap(leap)
    share_the_clock(faked.wecom, clock)
    go.set()
    await faked.start()
    await faked.ready()
    await until(lambda: faked.turns.ended["answered"] == 1)
    shown = await (await faked.wecom.say("zhangsan", "/result 1")).done()
    assert "begun and done" in shown
    assert len(fake.prompts) == 1


def ahead_of_it():
    return now_ms() + 10 * MINUTE_MS


@pytest.mark.opencode
async def test_s8_prompts_whose_ids_are_ahead_of_the_servers_clock_run_once(make_bot, opencode):
    opencode.model.script("please run!", answer("done"))
    bot = await make_bot(opencode, options={"clock": ahead_of_it})
    await bot.ready()
    share_the_clock(bot.wecom, ahead_of_it)
    talk = await bot.wecom.say("zhangsan", "please run!")
    assert "done" in await answer_of(talk)
    assert len(opencode.model.asked("please run!")) == 1


@pytest.mark.parametrize("leap", [-HOUR_MS, -10 * MINUTE_MS])
async def test_s8_without_events_a_turn_is_followed_on_through_a_leap_back(
    make_faked, fake, clock, leap
):
    bot = await make_faked(OPENCODE_FOLLOW="poll")
    go = asyncio.Event()
    fake.script(say("begun", go, " and done"))
    talk = await bot.wecom.say("zhangsan", "run me")
    await called(fake, LOOK, 2)
    clock.leap(leap)
    share_the_clock(bot.wecom, clock)
    go.set()
    assert "begun and done" in await answer_of(talk)
