"""Watchdogs see what no error tells of: it is told once when it begins, once when it is over."""

import asyncio
import subprocess
import time
from types import SimpleNamespace

import psutil
import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from bot import watchdogs
from bot.background import Background
from bot.errors import StoreError
from bot.metrics import Metrics
from bot.opencode import process
from bot.watchdogs import (
    FAILED_MS,
    LANE_IDLE_MS,
    LANE_MISSING_MS,
    OUTBOX_MS,
    SERVER_MS,
    Ages,
    Lag,
    Watchdogs,
)
from store.database import Statement
from store.records import NewDelivery
from tests.fakes.opencode_turns import ask, hang
from tests.fault_fixtures import CHAT, brought, prompted


@pytest.fixture
async def dogs(faked):
    """The watchdogs of a service, which look when a test says so."""
    return Watchdogs(faked.service.services, faked.service.edge.close_leaked)


async def looked(dogs):
    """Look once; return what was told."""
    with capture_logs() as told:
        await dogs.look()
    return [(entry["event"], entry["watchdog"]) for entry in told if "watchdog" in entry["event"]]


async def test_a_service_that_is_well_trips_nothing(dogs):
    assert await looked(dogs) == []
    assert all(state["ok"] for state in dogs.report().values())
    assert set(dogs.report()) == {
        *("turns", "lanes", "bubbles", "outbox", "loop", "opencode", "hold"),
        *("server", "failures", "channels", "disk"),
    }


async def test_prometheus_is_told_how_they_stand_and_what_they_measured(dogs):
    metrics = Metrics(dict, dict)
    dogs.all["loop"].well, dogs.all["opencode"].measure = False, 4096
    dogs.gauge(metrics)
    told = generate_latest(metrics.registry).decode()
    assert 'bot_watchdog_tripped{watchdog="loop"} 1.0' in told
    assert 'bot_watchdog_tripped{watchdog="turns"} 0.0' in told
    assert "bot_opencode_memory_bytes 4096.0" in told
    assert 'bot_loop_lag_seconds{of="max"} 0.0' in told
    assert "bot_bubbles_leaked_total 0.0" in told


async def test_a_turn_that_gives_no_sign_is_told_once_and_again_when_it_is_over(
    dogs, faked, fake, clock
):
    fake.script(hang())
    await faked.wecom.say("zhangsan", "work")
    await prompted(fake, 1)
    await looked(dogs)
    running = faked.turns.running(CHAT)
    limit_ms = round(faked.service.settings.turn.stall_after * 1000)
    fake.losing = True
    dogs._services = SimpleNamespace(
        clock=lambda: running.alive_at + limit_ms,
        settings=faked.service.settings,
        turns=faked.turns,
        store=faked.store,
        server=faked.service.services.server,
    )
    assert await looked(dogs) == [("watchdog.tripped", "turns")]
    assert dogs.report()["turns"]["stalled"] == [1]
    assert await looked(dogs) == []
    await faked.turns.stop(CHAT, by="zhangsan")
    await brought(faked, 1)
    assert await looked(dogs) == [("watchdog.cleared", "turns")]


async def test_a_turn_that_waits_for_a_person_does_not_stand_still(dogs, faked, fake, clock):
    fake.script(ask())
    talk = await faked.wecom.say("zhangsan", "work")
    await talk.shows("/allow")
    clock.leap(10 * 60_000)
    assert ("watchdog.tripped", "turns") not in await looked(dogs)


async def test_a_turn_that_is_in_no_lane_is_woken_and_runs(dogs, faked, fake, clock):
    await faked.wecom.say("zhangsan", "/status")
    await faked.store.database.write(Statement(FORGOTTEN, CHAT, clock()))
    assert await looked(dogs) == []
    clock.leap(LANE_MISSING_MS)
    assert await looked(dogs) == [("watchdog.tripped", "lanes")]
    await prompted(fake, 1)
    await brought(faked, 1)
    assert await looked(dogs) == [("watchdog.cleared", "lanes")]


FORGOTTEN = """
    INSERT INTO turns (message, chat, epoch, sender, kind, text, language, state, created_at)
    VALUES ('lost', $1, 0, 'zhangsan', 'prompt', 'lost', 'en', 'queued', $2)
"""


async def test_on_the_way_down_no_lane_is_woken(dogs, faked, fake, clock):
    await faked.wecom.say("zhangsan", "/status")
    await faked.turns.close(grace_s=0, interrupt=False)
    await faked.store.database.write(Statement(FORGOTTEN, CHAT, clock()))
    await looked(dogs)
    clock.leap(LANE_MISSING_MS)
    assert await looked(dogs) == []


async def test_a_lane_with_nothing_in_it_is_told(dogs, faked, clock):
    faked.turns._lanes["wecom:direct:nobody"] = False
    assert await looked(dogs) == []
    clock.leap(LANE_IDLE_MS)
    assert await looked(dogs) == [("watchdog.tripped", "lanes")]
    assert dogs.report()["lanes"]["empty"] == ["wecom:direct:nobody"]
    del faked.turns._lanes["wecom:direct:nobody"]
    assert await looked(dogs) == [("watchdog.cleared", "lanes")]


async def test_a_bubble_that_nobody_would_close_is_closed_and_told(dogs, faked, fake, clock):
    faked.wecom.polling = False
    faked.service.edge.channels[0]._bubbles.expect("lost", clock(), "en")
    clock.leap(6 * 60_000)
    assert ("watchdog.tripped", "bubbles") in await looked(dogs)
    assert faked.service.edge.channels[0].open_bubbles == 0
    assert ("watchdog.cleared", "bubbles") in await looked(dogs)


async def test_an_answer_that_is_on_its_way_for_long_is_told(dogs, faked, clock):
    await faked.wecom.say("zhangsan", "/status")
    new = NewDelivery(CHAT, None, "gone", "late", "", "", clock())
    delivery = await faked.store.deliveries.add(new)
    sending = "UPDATE deliveries SET state = 'sending' WHERE id = $1"
    await faked.store.database.write(Statement(sending, delivery.id))
    assert await looked(dogs) == []
    clock.leap(OUTBOX_MS)
    assert await looked(dogs) == [("watchdog.tripped", "outbox")]
    assert dogs.report()["outbox"]["oldest_sending_s"] >= OUTBOX_MS // 1000


async def test_an_answer_that_waits_for_a_contact_is_no_trouble(dogs, faked, clock):
    await faked.wecom.say("zhangsan", "/status")
    await faked.store.database.write(Statement("UPDATE inbound SET reply_url_state = 'used'"))
    await faked.store.deliveries.add(NewDelivery(CHAT, None, "gone", "kept", "", "", clock()))
    await looked(dogs)
    clock.leap(OUTBOX_MS)
    assert await looked(dogs) == []
    assert dogs.report()["outbox"]["oldest_due_s"] >= OUTBOX_MS // 1000


async def test_what_waits_behind_an_older_answer_that_is_tried_again_later_is_not_held_up(
    dogs, faked, clock
):
    await faked.wecom.say("zhangsan", "/status")
    older, younger = [
        await faked.store.deliveries.add(NewDelivery(CHAT, None, "gone", text, "", "", clock()))
        for text in ("older", "younger")
    ]
    later = "UPDATE deliveries SET next_at = $2 WHERE id = $1"
    await faked.store.database.write(Statement(later, older.id, clock() + 5 * OUTBOX_MS))
    assert await looked(dogs) == []
    clock.leap(OUTBOX_MS)
    assert await looked(dogs) == []
    assert dogs.report()["outbox"]["held_up"] == []
    assert (await faked.store.deliveries.get(younger.id)).state == "due"


FAILURES = [OSError("no /proc"), subprocess.TimeoutExpired("ps", 5), ValueError("no number")]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda one: type(one).__name__)
async def test_a_look_that_fails_is_told_once_and_keeps_no_other_from_looking(dogs, failure):
    async def failing():
        raise failure

    seen, works, last = [], dogs.all["turns"].look, dogs.all["opencode"].look

    async def seeing():
        seen.append("opencode")
        return await last()

    dogs.all["turns"].look, dogs.all["opencode"].look = failing, seeing
    assert await looked(dogs) == [("watchdog.failed", "turns")]
    assert await looked(dogs) == []
    assert len(seen) == 2
    assert dogs.report()["turns"]["failed"] == repr(failure)
    dogs.all["turns"].look = works
    assert await looked(dogs) == []
    assert "failed" not in dogs.report()["turns"]


async def test_a_mistake_in_a_watchdog_ends_neither_the_service_nor_its_looks(monkeypatch):
    monkeypatch.setattr("bot.background.RESTART_DELAYS_S", (0.0,))
    faults, again = [], asyncio.Event()
    looks = 0

    async def looking():
        nonlocal looks
        looks += 1
        if looks == 2:
            again.set()
        raise KeyError("a mistake")

    async with asyncio.timeout(10), Background(fatal=faults.append) as background:
        background.keep(looking, name="watchdogs", vital=False)
        await again.wait()
    assert faults == []


async def test_a_loop_that_is_kept_busy_is_told_until_a_minute_has_passed(dogs, monkeypatch):
    monkeypatch.setattr(watchdogs, "LAG_MAX_S", 0.05)
    loop = asyncio.get_running_loop()
    loop.call_later(watchdogs.LAG_TICK_S / 2, lambda: time.sleep(watchdogs.LAG_TICK_S))
    await dogs.lag.tick()
    assert await looked(dogs) == [("watchdog.tripped", "loop")]
    dogs.lag = Lag()
    assert await looked(dogs) == [("watchdog.cleared", "loop")]


async def test_an_opencode_that_grows_is_told_and_anothers_is_not_known(dogs, faked, monkeypatch):
    assert await looked(dogs) == []
    assert dogs.report()["opencode"]["known"] is False
    server = faked.service.services.server
    monkeypatch.setattr(type(server), "pid", psutil.Process().pid)
    monkeypatch.setattr(watchdogs, "MEMORY_BYTES", 1)
    assert await looked(dogs) == [("watchdog.tripped", "opencode")]


async def test_an_opencode_that_is_away_for_long_is_seen_and_one_that_is_held_is_not(dogs, clock):
    gate = SimpleNamespace(hold=None)
    server = SimpleNamespace(state="down", refused=None, gate=gate)
    dogs._services = SimpleNamespace(clock=clock, server=server)
    look = dogs.all["server"].look
    assert (await look()).well
    clock.leap(SERVER_MS)
    sight = await look()
    assert (sight.well, sight.facts["state"]) == (False, "down")
    gate.hold = object()
    assert (await look()).well
    gate.hold, server.state = None, "ready"
    assert (await look()).well


async def test_an_answer_that_is_given_up_is_news_for_a_while_and_old_ones_are_none(
    dogs, faked, clock
):
    await faked.wecom.say("zhangsan", "/status")
    fail = "UPDATE deliveries SET state = 'failed', cause = 'errcode 93008' WHERE id = $1"

    async def one_fails():
        one = await faked.store.deliveries.add(NewDelivery(CHAT, None, "m", "x", "", "", clock()))
        await faked.store.database.write(Statement(fail, one.id))

    await one_fails()
    assert await looked(dogs) == []
    await one_fails()
    assert await looked(dogs) == [("watchdog.tripped", "failures")]
    assert dogs.report()["failures"]["cause"] == "errcode 93008"
    clock.leap(FAILED_MS)
    assert await looked(dogs) == [("watchdog.cleared", "failures")]


async def test_a_channel_that_is_down_is_told_with_its_reason_to_whoever_listens(faked):
    troubles, heard = {"wecom.connection": "kicked"}, []
    dogs = Watchdogs(
        faked.service.services,
        None,
        tell=lambda one: heard.append((one.name, one.well, dict(one.facts))),
        troubles=lambda: troubles,
    )
    assert await looked(dogs) == [("watchdog.tripped", "channels")]
    troubles = {}
    assert await looked(dogs) == [("watchdog.cleared", "channels")]
    assert heard == [
        ("channels", False, {"wecom.connection": "kicked"}),
        ("channels", True, {}),
    ]


async def test_a_disk_that_is_almost_full_is_told(dogs, monkeypatch):
    monkeypatch.setattr(watchdogs, "DISK_LOW_BYTES", 2**80)
    assert await looked(dogs) == [("watchdog.tripped", "disk")]


def test_what_a_process_holds_is_counted_with_its_children(monkeypatch):
    mine = psutil.Process()
    held = process.resident(mine.pid)
    assert held >= mine.memory_info().rss // 2
    assert process.resident(2**22 + 1) == 0
    monkeypatch.setattr(process, "_has_proc", lambda: False)
    assert process.resident(mine.pid) > 0


async def test_what_the_store_cannot_tell_now_stays_as_it_was(dogs, faked, monkeypatch):
    async def busy(*_):
        raise StoreError("busy")

    monkeypatch.setattr(faked.store.turns, "unfinished", busy)
    assert await looked(dogs) == []
    assert dogs.report()["lanes"]["ok"] is True


async def test_they_look_for_as_long_as_the_service_lives(dogs, monkeypatch):
    monkeypatch.setattr(watchdogs, "LOOK_S", watchdogs.LAG_TICK_S)
    async with asyncio.timeout(30), Background() as background:
        background.keep(dogs.run, name="watchdogs")
        while not dogs.report()["outbox"].keys() - {"ok", "since"}:  # noqa: ASYNC110 - it rings no bell
            await asyncio.sleep(0.01)


def test_what_is_seen_again_and_again_has_an_age():
    ages = Ages()
    assert ages.older({"a"}, 0, 10) == []
    assert ages.older({"a", "b"}, 10, 10) == ["a"]
    assert ages.older({"b"}, 20, 10) == ["b"]
    assert ages.older({"a"}, 30, 10) == []
