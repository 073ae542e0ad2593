"""Whole stories of turns that are ended before their time, with an OpenCode that may be away."""

import asyncio

import pytest

from bot import upkeep
from bot.texts import engine as texts
from tests.fakes.opencode_turns import ask, hang, question, say, stubborn, subagent
from tests.fault_fixtures import CHAT, answer_of, called, prompted, quiet

# OpenCode away


async def test_a_turn_that_still_waits_for_the_server_is_stopped_at_once(make_faked, fake):
    await fake.stop()
    faked = await make_faked(ready=False)
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("E-OC-DOWN")
    await faked.wecom.say("zhangsan", "/stop")
    assert "⛔" in await answer_of(talk)
    assert (await faked.store.turns.get(1)).state == "stopped"


async def test_a_turn_whose_time_passes_while_it_waits_says_that_it_was_not_run(
    make_faked, fake, clock
):
    await fake.stop()
    faked = await make_faked(ready=False, BOT_TURN_TIMEOUT="60s")
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("E-OC-DOWN")
    clock.leap(61_000)
    assert texts.OUT_OF_TIME_WAITING.say("en", n=1) in await answer_of(talk)
    turn = await faked.store.turns.get(1)
    assert (turn.state, turn.outcome) == ("failed", "timeout")


async def test_a_stop_ends_a_turn_at_once_whose_server_has_gone(faked, fake):
    fake.script(say("So far"), hang())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    await fake.stop()
    await faked.wecom.say("zhangsan", "/stop")
    text = await answer_of(talk)
    assert "⛔" in text
    assert "So far" in text
    assert texts.STOP_UNHEARD.say("en") in text


async def test_a_stop_is_heard_while_a_turn_is_taken_up_again(faked, fake):
    fake.script(say("So far"), hang())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    await faked.stop()
    await fake.stop()
    await faked.start()
    await talk.shows("E-OC-DOWN")
    await faked.wecom.say("zhangsan", "/stop")
    text = await answer_of(talk)
    assert "⛔" in text
    assert "So far" in text


async def test_a_turn_that_cannot_be_begun_is_stopped_at_once(faked, fake):
    fake.fault("/path", "proxy", times=9_999)
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("E-OC-DOWN")
    await faked.wecom.say("zhangsan", "/stop")
    assert "⛔" in await answer_of(talk)
    assert fake.prompts == []


# A stop before the prompt


@pytest.mark.parametrize("moment", ["/path", "/session", "/config/providers"])
async def test_a_turn_that_is_stopped_before_its_prompt_leaves_never_asks(faked, fake, moment):
    stop = faked.turns.stop
    fake.calls.on(moment, lambda: faked.service.background.start(stop_it(), name="stop"))

    async def stop_it():
        await stop(CHAT, by="zhangsan")

    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "⛔" in text
    assert fake.prompts == []


async def test_a_turn_that_is_stopped_while_its_prompt_is_in_doubt_is_not_prompted_again(
    faked, fake
):
    fake.fault("/prompt_async", "refuse")
    fake.calls.on("/message", lambda: faked.service.background.start(stop_it(), name="stop"))

    async def stop_it():
        await faked.turns.stop(CHAT, by="zhangsan")

    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "⛔" in text
    assert fake.prompts == []


# Bounds


async def test_a_server_that_will_not_stop_is_reported_and_then_given_up(make_faked, fake, clock):
    faked = await make_faked(BOT_TURN_TIMEOUT="60s")
    fake.script(stubborn(), say("So far"), hang())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    clock.leap(50_000)
    await talk.shows(texts.NEARLY_OUT_OF_TIME.say("en", limit="1m00s"))
    clock.leap(11_000)
    await talk.shows(texts.STOPPING.say("en"))
    clock.leap(21_000)
    await talk.shows("E-STOP")
    clock.leap(40_000)
    text = await answer_of(talk)
    assert "⏰" in text
    assert "So far" in text
    assert texts.STOP_UNHEARD.say("en") in text
    assert texts.NEARLY_OUT_OF_TIME.say("en", limit="1m00s") not in text
    assert len(fake.aborts) == 1


async def test_the_next_message_first_stops_what_could_not_be_stopped(faked, fake, clock):
    fake.script(stubborn(), say("So far"), hang())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    await faked.wecom.say("zhangsan", "/stop")
    clock.leap(61_000)
    await answer_of(talk)
    (run, task) = fake._runs[fake.prompts[0].session]
    run.stubborn = False
    text = await (await faked.wecom.say("zhangsan", "again")).done()
    assert "OK" in text
    assert task.done()
    assert len(fake.aborts) == 2


async def test_an_abort_that_fails_is_tried_again(faked, fake, clock):
    fake.script(say("So far"), hang())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    fake.fault("/abort", "proxy")
    await faked.wecom.say("zhangsan", "/stop")
    clock.leap(2_000)
    assert "⛔" in await answer_of(talk)
    assert len(fake.aborts) == 1


async def test_the_warning_before_the_limit_is_said_once(make_faked, fake, clock):
    faked = await make_faked(BOT_TURN_TIMEOUT="100s")
    gate = asyncio.Event()
    fake.script(say("So far", gate))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    clock.leap(85_000)
    shown = await talk.shows("⏰")
    gate.set()
    assert shown.count("⏰") == 1
    assert "⏰" not in await answer_of(talk)


# Asks


async def test_an_ask_that_waits_at_a_restart_is_found_again(faked, fake):
    fake.script(ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("/allow")
    (before,) = await faked.store.asks.open(CHAT)
    await faked.restart()
    await talk.shows(texts.RESUMED.say("en", n=1))
    await faked.wecom.say("zhangsan", f"/allow {before.code}")
    assert "Allowed." in await answer_of(talk)
    assert [decision for _, decision in fake.replies] == [{"reply": "once"}]


async def test_an_ask_that_no_event_told_of_is_found_by_looking(faked, fake, clock):
    fake.losing = True
    fake.script(ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    await quiet(fake, clock)
    await talk.shows("/allow")


async def test_an_ask_of_a_sub_agent_that_no_event_told_of_is_found(faked, fake, clock):
    fake.losing = True
    fake.script(subagent(ask()), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    await quiet(fake, clock)
    await talk.shows("/allow")


async def test_the_asks_of_a_stopped_turn_are_cleared_on_the_server(faked, fake):
    fake.script(ask())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("/allow")
    await faked.wecom.say("zhangsan", "/stop")
    assert "⛔" in await answer_of(talk)
    assert await faked.store.asks.open(CHAT) == []
    assert fake.waiting == {}


async def test_a_permission_that_nobody_decides_is_refused_with_words(
    make_faked, fake, clock, monkeypatch
):
    monkeypatch.setattr(upkeep, "EXPIRE_S", 0.05)
    faked = await make_faked(BOT_APPROVALS_EXPIRE_AFTER="30s")
    fake.script(ask(), say("Then not."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("/allow")
    clock.leap(31_000)
    assert "Then not." in await answer_of(talk)
    ((_, decision),) = fake.replies
    assert decision["reply"] == "reject"
    assert decision["message"]


async def test_a_question_is_answered_for_people_shortly_before_the_limit(make_faked, fake, clock):
    faked = await make_faked(BOT_TURN_TIMEOUT="120s")
    fake.script(question(), say("Went on."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("/answer")
    clock.leap(70_000)
    assert "Went on." in await answer_of(talk)


async def test_an_ask_that_is_settled_elsewhere_is_no_longer_shown(faked, fake):
    gate = asyncio.Event()
    fake.script(ask(), say("Going", gate, " on."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("/allow")
    (record,) = await faked.store.asks.open(CHAT)
    client = faked.service.services.opencode
    await client.reply_permission(record.directory, record.id, "once")
    assert "/allow" not in await talk.shows("Going")
    gate.set()
    await answer_of(talk)
    await called(fake, "/reply", 1)
