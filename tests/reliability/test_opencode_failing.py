"""O7: OpenCode fails at everything, or its disk is full: people are told, and it is not stormed."""

import pytest
from structlog.testing import capture_logs

from bot.sandbox.script import say
from tests.fakes.opencode_turns import ask, hang
from tests.fakes.opencode_turns import say as fake_say
from tests.fault_fixtures import LOOK, brought, called, prompted
from tests.small_disk import small_disk

pytest_plugins = ["tests.reliability.opencode_managed"]

EVERYTHING = ""  # each path ends so
FOR_EVER = 100_000
PEOPLE = ("zhangsan", "lisi", "wangwu")
PROBE = "GET /global/health"


def others(fake):
    """Return the calls that are no probe and no subscription."""
    return [call for call in fake.calls if call not in (PROBE, "GET /global/event")]


def healed(fake):
    fake._faults.clear()


@pytest.mark.parametrize("kind", ["error", "proxy"])
async def test_o7_while_everything_fails_the_health_is_asked_for_and_nothing_else(
    faked, fake, kind
):
    fake.script(fake_say("So far"), hang())
    fake.script(fake_say("So far"), hang())
    running = [await faked.wecom.say(who, "hello") for who in PEOPLE[:2]]
    for talk in running:
        await talk.shows("So far")
    fake.fault(EVERYTHING, kind, times=FOR_EVER)
    fake.cut_events()
    waiting = await faked.wecom.say(PEOPLE[2], "hello")
    await waiting.shows("E-OC-DOWN")
    for talk in running:
        await talk.shows("#")
    await called(fake, PROBE, fake.calls.count_of(PROBE) + 3)
    before = len(others(fake))
    await called(fake, PROBE, fake.calls.count_of(PROBE) + 20)
    assert len(others(fake)) == before
    assert not faked.service.services.server.may_call()
    healed(fake)
    assert "OK" in await waiting.done()
    assert len(fake.prompts) == 3


async def test_o7_while_all_but_the_health_fails_one_turn_asks_for_all(faked, fake):
    groups = [f"g{n}" for n in range(8)]
    for _ in groups:
        fake.script(fake_say("So far"), hang())
    people = [who for who in (*PEOPLE, "lead") for _ in range(2)]  # each may have two bubbles
    talks = [
        await faked.wecom.say(who, "hello", group=group)
        for who, group in zip(people, groups, strict=True)
    ]
    await prompted(fake, len(groups))
    fake.fault("/session/status", "error", times=FOR_EVER)
    fake.fault("/global/event", "error", times=FOR_EVER)
    fake.cut_events()
    await called(fake, LOOK, fake.calls.count_of(LOOK) + len(groups))
    first = len(fake.calls)
    await called(fake, LOOK, fake.calls.count_of(LOOK) + 6)
    between = "".join("?" if call.endswith(LOOK) else "." for call in fake.calls[first:])
    assert "??" not in between  # after each that failed the server's health was looked at
    healed(fake)
    for prompt in fake.prompts:
        await fake.abort(prompt.session)
    for talk in talks:
        assert "So far" in await talk.done()


async def test_o7_prompts_that_fail_are_told_after_three_tries_and_the_session_is_kept(faked, fake):
    fake.fault("/prompt_async", "error", times=FOR_EVER)
    text = await (await faked.wecom.say("zhangsan", "hello")).done()
    assert "❌" in text
    assert "/retry 1" in text
    assert fake.calls.count_of("/prompt_async") == 3
    healed(fake)
    await brought(faked, 1)
    assert "OK" in await (await faked.wecom.say("zhangsan", "/retry 1")).done()


async def test_what_a_failing_server_says_is_in_no_log(faked, fake):
    fake.failure = "the word is pineapple"
    fake.script(ask("bash", ("cat a",), output="a"), hang())
    with capture_logs() as logs:
        talk = await faked.wecom.say("zhangsan", "hello")
        await talk.shows("/allow")
        (asked,) = await faked.store.asks.open("wecom:direct:zhangsan")
        fake.fault(EVERYTHING, "error", times=FOR_EVER)
        fake.cut_events()
        await (await faked.wecom.say("zhangsan", f"/allow {asked.code}")).done()
        other = await faked.wecom.say("lisi", "hello")
        await other.shows("E-OC-DOWN")
        await faked.wecom.say("zhangsan", "/stop")
        await called(fake, "/abort", 1)
        healed(fake)
        assert "⛔" in await talk.done()
    events = {entry["event"] for entry in logs}
    assert {"ask.undelivered", "opencode.unreachable", "abort.failed"} <= events
    assert [entry for entry in logs if "pineapple" in str(entry)] == []


async def test_o7_a_turn_at_work_outlives_a_while_in_which_everything_fails(faked, fake, clock):
    fake.script(fake_say("Before"), hang())
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("Before")
    fake.fault(EVERYTHING, "error", times=FOR_EVER)
    fake.cut_events()
    await called(fake, PROBE, fake.calls.count_of(PROBE) + 3)
    healed(fake)
    await prompted(fake, 1)
    await called(fake, "/session/status", fake.calls.count_of("/session/status") + 1)
    clock.leap(2_000)
    await faked.wecom.say("zhangsan", "/stop")
    text = await talk.done()
    assert "⛔" in text
    assert "Before" in text


@pytest.mark.opencode
async def test_o7_a_full_disk_of_opencode_is_told_and_over_when_there_is_space(
    disk, make_bot, home_model
):
    bot = await make_bot()
    assert await bot.service.services.server.wait_ready(60)
    home_model.script("before", say("There is space."))
    assert "There is space." in await (await bot.wecom.say("zhangsan", "before")).done(60)
    await brought(bot, 1)
    filler = disk / "filler"
    fill(filler)
    home_model.script("while", say("No space."))
    text = await (await bot.wecom.say("zhangsan", "while it is full")).done(120)
    assert "/retry 2" in text
    filler.unlink()
    await brought(bot, 2)
    home_model.script("after", say("There is space again."))
    text = await (await bot.wecom.say("zhangsan", "after that")).done(120)
    assert "There is space again." in text
    await bot.stop()


@pytest.fixture
def disk(tmp_path):
    """A disk of its own for the server's data."""
    with small_disk(tmp_path / "data/opencode", "size=96m,mode=700") as folder:
        yield folder


def fill(file):
    """Use up all the space that there is."""
    with file.open("wb", buffering=0) as sink:
        try:
            while sink.write(b"\0" * 65_536):
                pass
        except OSError:
            return
