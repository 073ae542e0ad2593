"""Whole stories with an OpenCode that loses, swallows, delays and garbles: one prompt, one answer."""

import asyncio
import os

import pytest

from bot.texts import engine as texts
from bot.texts import sessions as session_texts
from tests.fakes.opencode_turns import ask, hang, lose_events, say, swallow, write
from tests.fault_fixtures import CHAT, answer_of, brought, called, prompted, quiet

# A prompt that is sent


async def test_a_prompt_whose_answer_was_lost_is_not_sent_again(faked, fake):
    fake.fault("/prompt_async", "drop")
    talk = await faked.wecom.say("zhangsan", "hello")
    assert "OK" in await answer_of(talk)
    assert len(fake.prompts) == 1


async def test_a_prompt_that_never_arrived_is_sent_again_with_the_same_id(faked, fake):
    fake.fault("/prompt_async", "refuse")
    talk = await faked.wecom.say("zhangsan", "hello")
    assert "OK" in await answer_of(talk)
    turn = await faked.store.turns.get(1)
    assert [prompt.message for prompt in fake.prompts] == [turn.prompt]
    assert turn.prompts == 1


async def test_a_prompt_that_failed_inside_the_server_is_sent_again(faked, fake):
    fake.fault("/prompt_async", "error")
    talk = await faked.wecom.say("zhangsan", "hello")
    assert "OK" in await answer_of(talk)
    assert len(fake.prompts) == 1


async def test_a_server_that_always_fails_ends_the_turn_without_its_own_words(faked, fake):
    fake.fault("/prompt_async", "error", times=9)
    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "❌" in text
    assert "/retry 1" in text
    assert "Unexpected server error" not in text
    turn = await faked.store.turns.get(1)
    assert (turn.state, turn.outcome) == ("failed", "failed")
    assert turn.reason == "Unexpected server error."


async def test_a_swallowed_prompt_is_deleted_and_sent_once_more(faked, fake, clock):
    fake.script(swallow())
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    await quiet(fake, clock)
    text = await answer_of(talk)
    assert "OK" in text
    assert texts.SWALLOWED.say("en", n=1) in text
    first, second = fake.prompts
    assert first.message != second.message
    assert fake.messages[first.session][0]["info"]["id"] == second.message
    assert (await faked.store.turns.get(1)).prompts == 2
    (forgotten,) = [e for e in await faked.store.turns.history(1) if e.edge == "forgotten"]
    assert '"swallowed"' in forgotten.facts


async def test_a_prompt_that_is_swallowed_twice_ends_honestly(faked, fake, clock):
    fake.script(swallow())
    fake.script(swallow())
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    await quiet(fake, clock)
    await prompted(fake, 2)
    await quiet(fake, clock)
    assert "⚠️" in await answer_of(talk)
    assert len(fake.prompts) == 2
    assert (await faked.store.turns.get(1)).outcome == "empty"


async def test_a_prompt_that_is_at_work_after_all_is_not_sent_once_more(faked, fake, clock):
    gate = asyncio.Event()
    fake.script(late(gate))
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    (session,) = fake.sessions

    def begin():
        fake.busy[session] = {"type": "busy"}
        fake.calls.on("/status", gate.set)

    fake.calls.on(fake.prompts[0].message, begin)
    await quiet(fake, clock)
    assert "It took a while." in await answer_of(talk)
    assert len(fake.prompts) == 1


async def test_an_unreachable_delete_of_a_swallowed_prompt_is_tried_again(faked, fake, clock):
    fake.script(swallow())
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    fake.fault(fake.prompts[0].message, "error")
    await quiet(fake, clock)
    assert "OK" in await answer_of(talk)
    assert len(fake.prompts) == 2


# Events


async def test_an_end_that_no_event_tells_is_seen_by_looking(faked, fake, clock):
    fake.script(lose_events(), say("Nobody heard it."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    await fake.settled(fake.prompts[0].session)
    await quiet(fake, clock)
    assert "Nobody heard it." in await answer_of(talk)


async def test_idle_events_that_come_early_and_twice_end_nothing(faked, fake):
    gate = asyncio.Event()
    fake.script(early_idle(), say("First", gate, " and last."), early_idle(), early_idle())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("First")
    gate.set()
    assert "First and last." in await answer_of(talk)


async def test_text_never_shrinks_when_the_events_break_off_in_its_middle(faked, fake, clock):
    gate, more = asyncio.Event(), asyncio.Event()
    fake.script(say("The beginning", gate, ", unheard,", more, " and the end."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("The beginning")
    fake.subscribed.clear()
    fake.cut_events()
    gate.set()
    async with asyncio.timeout(10):
        await fake.subscribed.wait()
    clock.leap(1_000)
    more.set()
    assert "The beginning, unheard, and the end." in await answer_of(talk)
    history = talk.bubble.history
    begun = next(i for i, shown in enumerate(history) if "The beginning" in shown)
    assert all("The beginning" in shown for shown in history[begun:])


async def test_a_flood_of_events_is_taken_in_whole(faked, fake):
    fake.script(flood(1_000))
    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "".join(f"{number} " for number in range(1_000)).strip() in text


async def test_an_ask_that_is_told_of_twice_is_shown_once(faked, fake):
    fake.script(ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("/allow")
    ((_, directory, request, _),) = fake.waiting.values()
    fake.emit(directory, "permission.asked", request)
    (record,) = await faked.store.asks.open(CHAT)
    await faked.wecom.say("zhangsan", f"/allow {record.code}")
    assert "Allowed." in await answer_of(talk)


async def test_files_that_changed_are_named_and_linked(faked, fake):
    fake.script(write("notes.txt", "new"), write("gone.txt", "new"))
    await (await faked.wecom.say("zhangsan", "write")).done()
    directory = next(iter(fake.sessions.values()))["directory"]
    fake.script(write("notes.txt", "newer"), remove(f"{directory}/gone.txt"), say("Done."))
    text = await (await faked.wecom.say("zhangsan", "again")).done()
    assert "raw/notes.txt" in text
    assert "gone.txt" in text
    assert "raw/gone.txt" not in text


async def test_garbage_among_the_events_is_passed_over(faked, fake):
    gate = asyncio.Event()
    fake.script(say("Before", gate, " and after."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("Before")
    fake.send(b"data: {not json\n\n: a comment\r\n\r\ndata: \xff\xfe\n\nnonsense\n\n")
    gate.set()
    assert "Before and after." in await answer_of(talk)


async def test_without_any_events_the_turn_is_followed_by_reading(make_faked, fake):
    fake.refusing_events = 502
    faked = await make_faked()
    fake.script(say("All by reading."))
    talk = await faked.wecom.say("zhangsan", "hello")
    assert "All by reading." in await answer_of(talk)
    assert not faked.service.services.feed.connected


# Reading


@pytest.mark.parametrize("kind", ["error", "html", "proxy", "refuse"])
@pytest.mark.parametrize("path", ["/session/status", "/message", "/children"])
async def test_a_failing_read_ends_no_turn(faked, fake, clock, path, kind):
    gate = asyncio.Event()
    fake.script(say("Still", gate, " here."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("Still")
    fake.fault(path, kind)
    await quiet(fake, clock)
    await talk.shows(texts.OPENCODE_LOST.say("en", n=1))
    clock.leap(2_000)
    gate.set()
    assert "Still here." in await answer_of(talk)
    assert len(fake.prompts) == 1


async def test_a_long_way_back_to_the_prompt_is_read_in_larger_pages(faked, fake, clock):
    fake.script(lose_events(), *[step(n) for n in range(50)], say("Far."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    await fake.settled(fake.prompts[0].session)
    await quiet(fake, clock)
    assert "Far." in await answer_of(talk)


# The session


async def test_a_session_deleted_between_turns_is_replaced_with_a_recap(faked, fake):
    fake.script(say("The answer is 42."))
    await (await faked.wecom.say("zhangsan", "what is it")).done()
    fake.sessions.clear()
    text = await (await faked.wecom.say("zhangsan", "and now")).done()
    assert session_texts.LOST_RECAPPED.say("en") in text
    recap = fake.prompts[1].parts[0]
    assert recap["synthetic"]
    assert "The answer is 42." in recap["text"]


async def test_a_session_deleted_before_its_prompt_is_replaced(faked, fake):
    fake.calls.on("/prompt_async", fake.sessions.clear)
    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "OK" in text
    (prompt,) = fake.prompts
    assert prompt.session in fake.sessions
    assert (await faked.store.turns.get(1)).session == prompt.session


async def test_a_session_lost_in_mid_turn_ends_it_and_the_next_knows_what_was(faked, fake, clock):
    fake.script(say("Half of"), hang())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("Half of")
    forget(fake)
    await quiet(fake, clock)
    text = await answer_of(talk)
    assert "🔌" in text
    assert "Half of" in text
    await brought(faked, 1)
    after = await (await faked.wecom.say("zhangsan", "go on")).done()
    assert "OK" in after
    assert "Half of" in fake.prompts[1].parts[0]["text"]


async def test_a_missing_model_is_said_clearly_and_nothing_is_asked(make_faked, fake):
    faked = await make_faked(OPENCODE_MODEL="fake/three")
    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "E-MODEL" in text
    assert fake.prompts == []


async def test_an_agent_that_the_server_does_not_know_is_said_clearly(faked, fake):
    fake.calls.on("/prompt_async", fake.agents.clear)
    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "/agent" in text
    assert (await faked.store.turns.get(1)).state == "failed"


# OpenCode's own commands


@pytest.mark.parametrize("kind", ["drop", None])
async def test_a_command_is_run_once_whatever_its_call_answers(faked, fake, kind):
    if kind:
        fake.calls.on("/path", lambda: fake.fault("/command", kind))
    fake.script(say("Initialised."))
    talk = await faked.wecom.say("zhangsan", "/init now")
    assert "Initialised." in await answer_of(talk)
    assert [prompt.text for prompt in fake.prompts] == ["init now"]


async def test_a_command_that_the_server_refuses_is_over_at_once(faked, fake):
    fake.calls.on("/path", lambda: fake.fault("/command", "error"))
    text = await (await faked.wecom.say("zhangsan", "/init now")).done()
    assert "❌" in text
    assert "/retry 1" in text


async def test_a_command_may_take_its_time_before_it_asks_the_model(faked, fake, clock):
    fake.calls.on("/path", lambda: fake.fault("/command", "hang"))
    talk = await faked.wecom.say("zhangsan", "/init now")
    await called(fake, "/command", 2)
    await quiet(fake, clock)
    await called(fake, "/session/status", 2)
    assert not talk.finished
    await faked.wecom.say("zhangsan", "/stop")
    assert "⛔" in await answer_of(talk)


def forget(fake):
    """Lose every session, as a server does whose data were removed."""
    fake.sessions.clear()
    fake.busy.clear()


def late(gate):
    """Begin only when the gate is open: until then the prompt looks swallowed."""

    async def act(run):
        await gate.wait()
        await say("It took a while.")(run)

    return act


def flood(count):
    """Write so many pieces at once."""

    async def act(run):
        run.begin()
        part = run.put(run.part("text", text="", time={"start": 0}))
        pieces = [f"{number} " for number in range(count)]
        for piece in pieces:
            run.emit(
                "message.part.delta",
                messageID=part["messageID"],
                partID=part["id"],
                field="text",
                delta=piece,
            )
        run.so_far[part["id"]] = "".join(pieces)
        run.close_part(part)

    return act


def remove(path):
    """Delete a file."""

    async def act(run):
        del run
        await asyncio.to_thread(os.remove, path)

    return act


def early_idle():
    """Say that the session is idle while it is not."""

    async def act(run):
        run.emit("session.status", status={"type": "idle"})
        run.emit("session.idle")

    return act


def step(number):
    """Write a step of its own."""

    async def act(run):
        await say(f"Step {number}.")(run)
        run.end("unknown")

    return act
