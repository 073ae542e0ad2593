"""Lanes: what they tell of themselves, and how they go on when something of ours fails."""

import asyncio

import pytest

from bot.errors import StoreFull
from bot.texts import engine as texts
from bot.turns import ending, lanes
from bot.upkeep import DAY_MS, Upkeep
from store.records import OPEN_STATES
from tests.fakes.opencode_turns import ask, hang, say, stubborn, swallow
from tests.fault_fixtures import CHAT, brought, called, prompted, quiet
from tests.store.samples import end

NO_SPACE = StoreFull("no space left")


class Failing:
    """Fails the first times that it is called, then does what it stands for."""

    def __init__(self, job, failure, times=1):
        self.job, self.failure, self.left = job, failure, times
        self.calls = 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.failure
        return self.job(*args, **kwargs)


@pytest.fixture
def fail(monkeypatch):
    """Let something fail: ``fail(store.turns, "end", StoreFull(), times=3)``."""

    def fail(of, name, failure, times=1):
        failing = Failing(getattr(of, name), failure, times)
        monkeypatch.setattr(of, name, failing)
        return failing

    return fail


@pytest.fixture
def pauses(monkeypatch):
    """The pauses after failures, counted and not waited for."""
    taken = []

    def without_waiting():
        while True:
            taken.append(1)
            yield 0.0

    monkeypatch.setattr(lanes, "restart_delays", without_waiting)
    return taken


# What they tell


async def test_a_running_turn_shows_how_far_it_is(faked, fake):
    fake.script(say("So far"), hang())
    assert faked.turns.live(1) is None
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    assert "So far" in faked.turns.live(1)
    assert faked.turns.live(2) is None
    assert [running.record.n for running in faked.turns.all_running()] == [1]
    assert faked.turns.bringing(CHAT) is None
    await faked.turns.stop(CHAT, by="zhangsan")
    await brought(faked, 1)
    assert dict(faked.turns.ended) == {"stop": 1}


async def test_nothing_to_stop_is_said_and_a_second_stop_does_no_harm(faked, fake):
    assert "⛔" not in await (await faked.wecom.say("zhangsan", "/stop")).done()
    fake.script(stubborn(), hang())
    await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    for _ in range(2):
        stopped = await faked.turns.stop(CHAT, by="zhangsan")
        assert (stopped.n, stopped.over) == (1, False)


async def test_a_waiting_turn_with_an_open_bubble_closes_it_when_it_is_dropped(faked, fake):
    fake.script(stubborn(), hang())
    await faked.wecom.say("zhangsan", "first")
    await prompted(fake, 1)
    forced = await faked.wecom.say("zhangsan", "/force second")
    await (await faked.wecom.say("zhangsan", "/drop 2")).done()
    assert await forced.done() == texts.DROPPED.say("en", n=2)
    dropped = await faked.store.turns.get(2)
    assert not await faked.turns.drop(dropped, by="zhangsan")


# Failures of ours


async def test_a_full_disk_holds_a_turn_up_and_no_more(faked, fake, fail, pauses):
    fail(faked.store.turns, "set_session", NO_SPACE, times=2)
    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "OK" in text
    assert texts.RESUMED.say("en", n=1) not in text
    assert len(fake.prompts) == 1
    assert len(pauses) == 2


async def test_an_end_that_cannot_be_kept_is_tried_again_with_pauses(faked, fake, fail, pauses):
    ends = fail(faked.store.turns, "end", NO_SPACE, times=2)
    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "OK" in text
    assert len(fake.prompts) == 1
    assert ends.calls == 3
    assert len(pauses) == 2


async def test_messages_behind_a_lane_that_failed_wait_for_it(faked, fake, fail, monkeypatch):
    monkeypatch.setattr(lanes, "restart_delays", lambda: iter([0.5]))
    fail(faked.store.turns, "set_session", NO_SPACE)
    first = await faked.wecom.say("zhangsan", "first")
    await called(fake, "/config", 2)
    second = await faked.wecom.say("zhangsan", "second")
    assert "#2" in await second.done()
    await first.done()
    await second.late_reply()
    assert [prompt.text for prompt in fake.prompts] == ["first", "second"]


async def test_a_mistake_of_ours_ends_the_turn_with_what_there_was(faked, fake, fail, pauses):
    gate = asyncio.Event()
    fake.script(say("Worth having.", gate))
    fail(ending, "final", ValueError("a mistake of ours"))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("Worth having.")
    await faked.turns.flush_once()
    gate.set()
    text = await talk.done()
    assert "Worth having." in text
    assert texts.INTERNAL.say("en", n=1) in text
    await brought(faked, 1)
    assert pauses
    assert "OK" in await (await faked.wecom.say("zhangsan", "next")).done()


async def test_a_mistake_before_the_first_word_is_told_as_well(faked, fail):
    fail(faked.service.services.files, "before", ValueError("a mistake of ours"))
    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert text == texts.INTERNAL.say("en", n=1)


async def test_what_cannot_be_mirrored_does_not_cost_the_answer(faked, fake, fail):
    fail(faked.service.services.files, "after", OSError(28, "no space left"))
    fake.script(say("All the same."))
    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "All the same." in text
    assert texts.FILES_UNSEEN.say("en") in text


@pytest.mark.parametrize("breaks", [False, True])
async def test_a_turn_that_has_ended_otherwise_is_not_answered_again(faked, fake, fail, breaks):
    gate = asyncio.Event()
    fake.script(say("Too late.", gate))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("Too late.")
    if breaks:
        fail(ending, "final", ValueError("a mistake of ours"))
    await end(faked.store, 1)
    gate.set()
    await brought(faked, 1)
    assert await faked.store.deliveries.of_turn(1) is None


async def test_text_that_could_not_be_kept_is_kept_with_the_next_flush(faked, fake, fail):
    fake.script(say("So far"), hang())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    running = faked.turns.running(CHAT)
    running.kept = ""
    fail(faked.store.turns, "save_answers", NO_SPACE)
    with pytest.raises(StoreFull):
        await faked.turns.flush_once()
    await faked.turns.flush_once()
    assert (await faked.store.turns.get(1)).answer == "So far"


async def test_a_prompt_that_was_stored_by_a_call_that_failed_is_not_sent_again(
    faked, fake, monkeypatch
):
    take = fake.take_prompt

    def take_and_fail(*args):
        take(*args)
        raise RuntimeError("scripted failure")

    monkeypatch.setattr(fake, "take_prompt", take_and_fail)
    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "OK" in text
    assert len(fake.prompts) == 1


async def test_a_stop_while_a_swallowed_prompt_is_sent_again_ends_the_turn(faked, fake, clock):
    fake.script(swallow())
    talk = await faked.wecom.say("zhangsan", "hello")
    await prompted(fake, 1)
    fake.calls.on(
        fake.prompts[0].message,
        lambda: faked.service.background.start(stop_it(), name="stop"),
    )

    async def stop_it():
        await faked.turns.stop(CHAT, by="zhangsan")

    await quiet(fake, clock)
    assert "⛔" in await talk.done()
    assert len(fake.prompts) == 1


async def test_a_turn_of_too_many_steps_is_ended(make_faked, fake):
    faked = await make_faked(BOT_TURN_MAX_STEPS="2", OPENCODE_FOLLOW="poll")
    fake.script(*[step() for _ in range(5)], hang())
    assert "🔁" in await (await faked.wecom.say("zhangsan", "hello")).done()
    assert (await faked.store.turns.get(1)).outcome == "steps"


async def test_asks_that_are_decided_meanwhile_are_not_told(faked, fake):
    fake.script(ask(), say("Going on."), hang())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("/allow")
    (record,) = await faked.store.asks.open(CHAT)
    await faked.wecom.say("zhangsan", f"/allow {record.code}")
    await talk.shows("Going on.")
    running = faked.turns.running(CHAT)
    await faked.turns._runner._progress.asked(running, [record])
    assert talk.late == []


# Ends and starts


async def test_on_its_way_down_the_service_begins_nothing(faked, fake):
    await faked.turns.close(grace_s=0.1, interrupt=False)
    talk = await faked.wecom.say("zhangsan", "hello")
    await faked.restart()
    assert "OK" in await talk.done()
    assert len(fake.prompts) == 1


async def test_a_turn_that_has_no_prompt_yet_is_left_for_the_next_start(make_faked, fake):
    await fake.stop()
    faked = await make_faked(ready=False)
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("E-OC-DOWN")
    await faked.turns.close(grace_s=5, interrupt=True)
    assert (await faked.store.turns.get(1)).state == "running"
    await faked.stop()
    await fake.start()
    await faked.start()
    assert "OK" in await talk.done()


async def test_the_turns_of_a_platform_that_is_off_wait_for_it(faked, fake):
    fake.script(say("So far"), hang())
    await (await faked.wecom.say("zhangsan", "hello")).shows("So far")
    await faked.stop()
    for name in [name for name in faked.environ if name.startswith("WECOM_BOT_")]:
        del faked.environ[name]
    await faked.start()
    assert (await faked.store.turns.get(1)).state in OPEN_STATES
    assert len(faked.turns) == 0


async def test_what_is_older_than_the_retention_is_forgotten(faked, clock):
    await (await faked.wecom.say("zhangsan", "hello")).done()
    await brought(faked, 1)
    upkeep = Upkeep(faked.service.services)
    await upkeep.retain_once()
    assert await faked.store.turns.get(1) is not None
    clock.leap(15 * DAY_MS)
    await upkeep.retain_once()
    assert await faked.store.turns.get(1) is None


async def test_a_quoted_message_stands_before_the_words(faked, fake):
    await (await faked.wecom.say("zhangsan", "why", quote="one\ntwo")).done()
    assert fake.prompts[0].text == f"{texts.QUOTED.say('en')}\n> one\n> two\n\nwhy"


def step():
    """Write a step of its own."""

    async def act(run):
        await say("again")(run)
        run.end("unknown")

    return act
