"""While OpenCode is upgraded messages are kept and told of; afterwards all of them are answered."""

import asyncio
import fcntl
import os

import aiohttp
import pytest

from bot.background import Background
from bot.opencode import hold
from bot.opencode.environment import Folders
from bot.opencode.hold import Gate, Hold, Owner, lift_hold, owner_here, put_hold, read_hold
from bot.texts import engine as texts
from bot.watchdogs import HOLD_MS, LANE_MISSING_MS, Watchdogs
from store.errors import StoreError
from tests.fakes.opencode_turns import hang, say
from tests.fault_fixtures import brought, prompted
from tests.opencode_fixtures import until
from tests.service_fixtures import ADMIN_TOKEN

SINCE = 1_790_000_000_000


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(hold, "LOOK_S", 0.02)


def file_of(bot):
    return Folders.under(bot.service.settings.server.data_dir).hold


async def held_back(bot, state="frozen", *, owner=None, since=SINCE):
    """Set a hold, and wait until the service has seen it."""
    owner = owner or owner_here(os.getpid())
    put_hold(file_of(bot), Hold(state, "upgrade of OpenCode 1 to 2", since, owner))
    gate = bot.service.services.server.gate
    await until(lambda: gate.hold is not None and gate.hold.state == state)


async def get(bot, path):
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with aiohttp.ClientSession() as http, http.get(bot.url + path, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_message_is_kept_and_told_so_and_answered_once_the_hold_is_over(faked, fake):
    await held_back(faked)
    first = await faked.wecom.say("zhangsan", "hello")
    second = await faked.wecom.say("zhangsan", "and more")
    assert await first.done() == texts.UPGRADING.say("en", n=1)
    assert await second.done() == texts.UPGRADING.say("en", n=2)
    assert fake.prompts == []
    fake.script(say("The first answer."))
    fake.script(say("The second answer."))
    lift_hold(file_of(faked))
    assert "The first answer." in await first.late_reply()
    assert "The second answer." in await second.late_reply()
    assert len(fake.prompts) == 2


async def test_what_runs_goes_on_while_new_turns_are_held_back(faked, fake):
    gate = asyncio.Event()
    fake.script(hang(until=gate), say("Done all the same."))
    talk = await faked.wecom.say("zhangsan", "long work")
    await prompted(fake, 1)
    await held_back(faked)
    later = await faked.wecom.say("zhangsan", "next")
    assert await later.done() == texts.UPGRADING.say("en", n=2)
    gate.set()
    assert "Done all the same." in await talk.done()
    await brought_but_held(faked, 1)
    assert len(fake.prompts) == 1
    lift_hold(file_of(faked))
    await prompted(fake, 2)


async def brought_but_held(bot, n):
    await until(lambda: not len(bot.turns))
    assert (await bot.store.turns.get(n)).state == "done"


async def test_a_server_that_is_about_to_end_is_made_way_for_and_people_are_told(faked, fake):
    fake.script(say("So far"), hang())
    talk = await faked.wecom.say("zhangsan", "long work")
    await talk.shows("So far")
    await held_back(faked, "held")
    assert texts.ENDS["upgrade"].say("en", n=1) in await talk.done()
    assert not len(faked.turns)
    assert (await faked.store.turns.get(1)).outcome == "upgrade"


async def test_who_waits_is_told_of_the_end_of_a_hold_again_when_the_store_failed(tmp_path):
    file, told = tmp_path / "hold.json", []
    put_hold(file, Hold("frozen", "why", SINCE, owner_here(os.getpid())))
    gate, done = Gate(file), asyncio.Event()
    gate.read()

    async def nothing():
        """Nobody makes way."""

    async def lifted():
        told.append(gate.shut)
        if len(told) == 1:
            raise StoreError
        done.set()

    lift_hold(file)
    async with Background() as background, asyncio.timeout(5):
        background.keep(lambda: gate.follow(nothing, lifted), name="hold")
        await done.wait()
    assert told == [False, False]


async def test_a_file_that_cannot_be_read_for_a_while_lifts_no_hold(faked, fake):
    await held_back(faked)
    file = file_of(faked)
    content = file.read_bytes()
    file.write_bytes(b"{")
    await (await faked.wecom.say("zhangsan", "hello")).done()
    put_hold(file, Hold("held", "why", SINCE, owner_here(os.getpid())))
    gate = faked.service.services.server.gate
    await until(lambda: gate.held)
    file.write_bytes(content)
    await until(lambda: not gate.held)
    assert gate.shut
    assert fake.prompts == []
    lift_hold(file)
    await prompted(fake, 1)


async def test_forced_and_repeated_turns_wait_like_all_others(faked, fake):
    await held_back(faked)
    forced = await faked.wecom.say("zhangsan", "/force now please")
    assert await forced.done() == texts.UPGRADING.say("zh", n=1)
    again = await faked.wecom.say("zhangsan", "/force now please", msgid=forced.msgid)
    assert await again.done() == texts.UPGRADING.say("zh", n=1)
    assert fake.prompts == []
    lift_hold(file_of(faked))
    await prompted(fake, 1)


async def test_the_queue_has_its_limit_and_a_busy_chat_refuses_nobody_meanwhile(make_faked, fake):
    bot = await make_faked(BOT_CHAT_BUSY="reject", BOT_CHAT_QUEUE_LIMIT="2")
    await held_back(bot)
    talks = [await bot.wecom.say("zhangsan", f"message {n}") for n in (1, 2, 3)]
    shown = [await talk.done() for talk in talks]
    assert shown[:2] == [texts.UPGRADING.say("en", n=n) for n in (1, 2)]
    assert shown[2] == texts.QUEUE_FULL.say("en", limit=2)


async def test_a_hold_outlives_a_restart_of_the_service(faked, fake):
    await held_back(faked)
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.done()
    await faked.restart()
    assert faked.service.services.server.gate.shut
    assert fake.prompts == []
    lift_hold(file_of(faked))
    await prompted(fake, 1)
    await brought(faked, 1)


async def test_administrators_see_a_hold_and_messages_are_taken_in_all_the_same(faked):
    await held_back(faked)
    status, ready = await get(faked, "/readyz")
    assert (status, ready["ready"], ready["parts"]["hold"]) == (200, True, "degraded: frozen")
    _, health = await get(faked, "/admin/health")
    seen = health["opencode"]["hold"]
    assert (seen["state"], seen["owner"], seen["owned"]) == ("frozen", os.getpid(), True)
    assert seen["why"] == "upgrade of OpenCode 1 to 2"
    assert any("new turns are held back" in warning for warning in health["warnings"])
    lift_hold(file_of(faked))
    await until(lambda: not faked.service.services.server.gate.shut)
    _, ready = await get(faked, "/readyz")
    assert "hold" not in ready["parts"]
    _, health = await get(faked, "/admin/health")
    assert health["opencode"]["hold"] is None


async def test_the_hold_of_a_command_that_is_over_trips_a_watchdog(faked, clock):
    dogs = Watchdogs(faked.service.services, faked.service.edge.close_leaked)
    await held_back(faked, since=clock())
    await dogs.look()
    assert dogs.all["hold"].well
    clock.leap(HOLD_MS)
    await dogs.look()
    assert not dogs.all["hold"].well
    await held_back(faked, "held", owner=Owner(2**22 + 1, "long ago"), since=clock())
    await dogs.look()
    assert dogs.all["hold"].facts["owned"] is False
    assert not dogs.all["hold"].well
    _, health = await get(faked, "/admin/health")
    assert any("rollback" in warning for warning in health["warnings"])
    lift_hold(file_of(faked))
    await until(lambda: not faked.service.services.server.gate.shut)
    await dogs.look()
    assert dogs.all["hold"].well


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"state": "melted"}'])
def test_what_is_no_hold_holds_nothing_back(tmp_path, content):
    file = tmp_path / "hold.json"
    file.write_text(content)
    assert read_hold(file) is None


def test_a_hold_is_read_as_it_was_set(tmp_path):
    file = tmp_path / "opencode/hold.json"
    held = Hold("held", "why", SINCE, owner_here(os.getpid()))
    put_hold(file, held)
    assert read_hold(file) == held
    assert held.owned
    lift_hold(file)
    lift_hold(file)
    assert read_hold(file) is None


def test_an_owner_lives_as_long_as_it_has_its_lock_whoever_may_see_its_process(tmp_path):
    file = tmp_path / "upgrade.lock"
    owner = Owner(2**22 + 1, "unseen", str(file))
    assert not owner.alive
    with file.open("ab") as lock:
        assert not owner.alive
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert owner.alive
    assert not owner.alive


async def test_a_chat_whose_turn_is_held_back_is_not_taken_for_a_forgotten_one(faked, clock):
    dogs = Watchdogs(faked.service.services, faked.service.edge.close_leaked)
    await held_back(faked, since=clock())
    await (await faked.wecom.say("zhangsan", "hello")).done()
    await dogs.look()
    clock.leap(2 * LANE_MISSING_MS)
    await dogs.look()
    assert dogs.all["lanes"].well
    assert dogs.all["lanes"].facts["woken"] == []
