"""Guards that cannot stick: a stop that is not confirmed, what is left behind, what nobody hears."""

import asyncio

import pytest
import structlog

from bot.texts import commands as command_texts
from bot.texts import engine as texts
from bot.turns import following
from bot.turns.following import MOVED_MS
from tests.fakes.opencode_turns import ask, hang, lose_events, say, stubborn, subagent, tool
from tests.fault_fixtures import CHAT, answer_of, brought, called, prompted, quiet

BOSS = "wecom:direct:boss"


def the_run(fake, place=0):
    """Return the run of a prompt, and its task."""
    return fake._runs[fake.prompts[place].session]


def let_go(fake, place=0):
    """Let a run that would not stop end after all."""
    run, task = the_run(fake, place)
    run.stubborn = False
    task.cancel()


async def will_not_stop(bot, fake, sender="zhangsan"):
    """Begin a turn that an abort does not end."""
    fake.script(stubborn(), say("So far"), hang())
    talk = await bot.wecom.say(sender, "hello")
    await talk.shows("So far")
    return talk


async def left_in_doubt(bot, fake, clock):
    """Leave a session at work whose turn was given up."""
    talk = await will_not_stop(bot, fake)
    await bot.wecom.say("zhangsan", "/stop")
    await called(fake, "/abort", 1)
    clock.leap(61_000)
    await answer_of(talk)
    await brought(bot, 1)


# A stop


async def test_neither_the_reply_to_an_abort_nor_an_idle_event_ends_a_turn(faked, fake, clock):
    talk = await will_not_stop(faked, fake)
    await faked.wecom.say("zhangsan", "/stop")
    await called(fake, "/abort", 1)
    run, _ = the_run(fake)
    looks = fake.calls.count_of("/session/status")
    run.emit("session.status", status={"type": "idle"})
    run.emit("session.idle")
    await called(fake, "/session/status", looks + 2)
    assert not talk.finished
    assert faked.turns.running(CHAT) is not None
    let_go(fake)
    clock.leap(1_000)
    assert "⛔" in await answer_of(talk)
    assert not await faked.store.sessions.doubted(fake.prompts[0].session)


async def test_a_stop_that_is_not_confirmed_in_20_s_is_logged_counted_and_said(faked, fake, clock):
    talk = await will_not_stop(faked, fake)
    assert faked.turns.stuck == 0
    with structlog.testing.capture_logs() as logs:
        await faked.wecom.say("zhangsan", "/stop")
        await called(fake, "/abort", 1)
        clock.leap(21_000)
        await talk.shows("/stop!")
    (entry,) = [entry for entry in logs if entry["event"] == "abort.unconfirmed"]
    assert (entry["log_level"], entry["why"], entry["taken"]) == ("warning", "stop", True)
    assert faked.turns.stuck == 1
    let_go(fake)
    assert "⛔" in await answer_of(talk)
    assert faked.turns.stuck == 0


async def test_an_abort_that_is_never_answered_does_not_hold_the_report_back(
    faked, fake, clock, monkeypatch
):
    monkeypatch.setattr(following, "STOP_LIMIT_MS", 200)
    talk = await will_not_stop(faked, fake)
    fake.fault("/abort", "hang")
    await faked.wecom.say("zhangsan", "/stop")
    await talk.shows("E-STOP")
    let_go(fake)
    clock.leap(3_000)
    assert "⛔" in await answer_of(talk)


async def test_a_server_that_answers_nothing_at_all_is_given_up_all_the_same(
    faked, fake, clock, monkeypatch
):
    monkeypatch.setattr(following, "STOP_LIMIT_MS", 200)
    monkeypatch.setattr(following, "GIVE_UP_MS", 400)
    monkeypatch.setattr(following, "LEAST_MS", 50)
    talk = await will_not_stop(faked, fake)
    fake.fault("", "hang", times=100_000)
    await faked.wecom.say("zhangsan", "/stop")
    text = await talk.done()
    assert "So far" in text
    assert texts.STOP_UNHEARD.say("en") in text
    await brought(faked, 1)
    assert await faked.store.sessions.doubted(fake.prompts[0].session)


# What is left behind


async def test_a_doubt_is_kept_over_a_restart(faked, fake, clock):
    await left_in_doubt(faked, fake, clock)
    await faked.restart()
    assert await faked.store.sessions.doubted(fake.prompts[0].session)


async def test_a_prompt_is_not_merged_into_what_an_older_turn_left_at_work(faked, fake, clock):
    await left_in_doubt(faked, fake, clock)
    talk = await faked.wecom.say("zhangsan", "again")
    await talk.shows(texts.STILL_BUSY.say("en", n=2))
    await called(fake, "/abort", 4)
    assert len(fake.prompts) == 1
    let_go(fake)
    assert "OK" in await answer_of(talk, 2)
    assert len(fake.prompts) == 2
    assert not await faked.store.sessions.doubted(fake.prompts[0].session)


async def test_a_turn_that_waits_for_such_a_session_is_stopped_at_once(faked, fake, clock):
    await left_in_doubt(faked, fake, clock)
    talk = await faked.wecom.say("zhangsan", "again")
    await talk.shows(texts.STILL_BUSY.say("en", n=2))
    await faked.wecom.say("zhangsan", "/stop")
    assert "⛔" in await answer_of(talk, 2)
    assert len(fake.prompts) == 1
    assert await faked.store.sessions.doubted(fake.prompts[0].session)


async def test_a_turn_that_waits_for_such_a_session_ends_at_its_time_limit(make_faked, fake, clock):
    faked = await make_faked(BOT_TURN_TIMEOUT="120s")
    await left_in_doubt(faked, fake, clock)
    talk = await faked.wecom.say("zhangsan", "again")
    await talk.shows(texts.STILL_BUSY.say("en", n=2))
    clock.leap(121_000)
    assert "#2" in await answer_of(talk, 2)
    assert (await faked.store.turns.get(2)).outcome == "timeout"


# /stop! with a server that is not ours


async def test_a_forced_stop_gives_the_lane_free_and_keeps_the_doubt(faked, fake):
    talk = await will_not_stop(faked, fake, "boss")
    said = await (await faked.wecom.say("boss", "/stop!")).done()
    assert command_texts.NOT_OURS.say("en") in said
    text = await answer_of(talk)
    assert "So far" in text
    assert texts.STOP_UNHEARD.say("en") in text
    await brought(faked, 1)
    assert len(fake.aborts) == 1
    assert await faked.store.sessions.doubted(fake.prompts[0].session)
    assert faked.turns.running(BOSS) is None


async def test_a_forced_stop_aborts_once_more_what_was_asked_to_stop_before(faked, fake):
    talk = await will_not_stop(faked, fake, "boss")
    await faked.wecom.say("boss", "/stop")
    await called(fake, "/abort", 1)
    run, _ = the_run(fake)
    run.stubborn = False
    await faked.wecom.say("boss", "/stop！")
    text = await answer_of(talk)
    assert texts.STOP_UNHEARD.say("en") not in text
    assert len(fake.aborts) == 2
    await brought(faked, 1)
    assert not await faked.store.sessions.doubted(fake.prompts[0].session)


# Ghosts


@pytest.mark.parametrize("inside", [False, True])
async def test_what_a_broken_turn_still_asks_is_refused_and_shown_to_nobody(
    faked, fake, clock, inside
):
    fake.script(lose_events(), subagent(ask()) if inside else ask())
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    async with asyncio.timeout(10):
        while not fake.waiting:  # noqa: ASYNC110 - a fake tells nobody
            await asyncio.sleep(0.01)
    await fake.abort(fake.prompts[0].session)
    assert fake.waiting
    await quiet(fake, clock)
    await answer_of(talk)
    assert fake.waiting == {}
    assert await faked.store.asks.open(CHAT) == []


async def test_a_ghost_from_before_is_cleared_when_the_next_turn_begins(faked, fake):
    await (await faked.wecom.say("zhangsan", "hello")).done()
    await brought(faked, 1)
    haunt(fake, fake.prompts[0].session)
    fake.script(say("No ghosts."), hang())
    talk = await faked.wecom.say("zhangsan", "again")
    await talk.shows("No ghosts.")
    assert fake.waiting == {}
    assert not any("/allow" in shown for shown in talk.bubble.history)


async def test_what_a_session_of_somebody_else_asks_is_left_alone(faked, fake):
    await (await faked.wecom.say("zhangsan", "hello")).done()
    await brought(faked, 1)
    directory = fake.sessions[fake.prompts[0].session]["directory"]
    haunt(fake, fake.open_session(directory, "the terminal's"))
    haunt(fake, "ses_deleted", directory)
    assert "OK" in await (await faked.wecom.say("zhangsan", "again")).done()
    assert len(fake.waiting) == 2


async def test_what_a_session_at_work_asks_is_no_ghost(faked, fake):
    await (await faked.wecom.say("zhangsan", "hello")).done()
    await brought(faked, 1)
    session = fake.prompts[0].session
    haunt(fake, session)
    fake.busy[session] = {"type": "busy"}
    await faked.service.services.asks.sweep(session, fake.sessions[session]["directory"])
    assert len(fake.waiting) == 1


def haunt(fake, session, directory=""):
    """Leave a request that nobody waits for, as an aborted turn does."""
    directory = directory or fake.sessions[session]["directory"]
    request = {
        "id": f"per_ghost_{session}",
        "sessionID": session,
        "permission": "bash",
        "patterns": ["rm -rf /"],
        "always": [],
        "metadata": {},
    }
    future = asyncio.get_running_loop().create_future()
    fake.waiting[request["id"]] = ("permission", directory, request, future)


# What nobody hears


async def test_a_turn_goes_on_after_a_decision_that_no_event_tells_of(faked, fake, clock):
    fake.script(ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("/allow")
    (record,) = await faked.store.asks.open(CHAT)
    fake.losing = True
    await faked.wecom.say("zhangsan", f"/allow {record.code}")
    await fake.settled(fake.prompts[0].session)
    looks = fake.calls.count_of("/session/status")
    clock.leap(MOVED_MS)
    await called(fake, "/session/status", looks + 1)
    clock.leap(2_000)
    assert "Allowed." in await answer_of(talk)


async def test_the_time_that_is_left_for_a_decision_counts_down_in_the_bubble(
    make_faked, fake, clock
):
    faked = await make_faked(BOT_APPROVALS_EXPIRE_AFTER="15m")
    fake.script(ask())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("14m59s")
    clock.leap(120_000)
    await talk.shows("12m5")
    assert talk.late == []


async def test_after_90_s_without_an_event_the_bubble_names_what_runs(faked, fake, clock):
    fake.script(tool("bash", {"command": "npm test"}, until=asyncio.Event()))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("step 1")
    looks = fake.calls.count_of("/session/status")
    clock.leap(91_000)
    assert "npm test" in (await talk.shows("E-STALL")).partition("E-STALL")[0]
    await called(fake, "/session/status", looks + 1)
    await called(fake, "/permission", 1)
    await called(fake, "/question", 1)
