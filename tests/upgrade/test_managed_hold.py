"""A managed server under a hold: ended, not started, and started as the release of then."""

import os
from contextlib import asynccontextmanager

import pytest

from bot.background import Background
from bot.errors import StartError
from bot.opencode import hold, process
from bot.opencode.binaries import look
from bot.opencode.hold import Hold, lift_hold, owner_here, put_hold
from bot.opencode.releases import Release, chosen_program
from bot.opencode.server import ManagedServer
from tests.opencode_fixtures import READY_S, until
from tests.upgrade.house import NEW, OLD


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(hold, "LOOK_S", 0.02)


async def nothing():
    """Nobody is told."""


@asynccontextmanager
async def serving(house):
    async with Background() as background:
        server = ManagedServer(house.settings, background, environ=house.environ)
        await server.start()
        background.start(server.gate.follow(nothing, nothing), name="hold")
        try:
            yield server
        finally:
            await server.stop()


def hold_back(house, state):
    put_hold(house.folders.hold, Hold(state, "why", 1, owner_here(os.getpid())))


async def test_it_is_ended_and_comes_back_as_the_release_that_was_chosen_meanwhile(house):
    async with serving(house) as server:
        assert await server.wait_ready(READY_S)
        assert server.version == OLD
        pid = server.pid
        hold_back(house, "held")
        await until(lambda: server.state == "held")
        assert not process.started_at(pid)
        assert not house.folders.record.exists()
        assert not await server.recycle()
        house.choose(NEW)
        hold_back(house, "frozen")
        assert await server.wait_ready(READY_S)
        assert server.version == NEW
        lift_hold(house.folders.hold)
        await until(lambda: not server.gate.shut)
        assert server.state == "ready"


async def test_a_service_that_starts_under_a_hold_ends_what_was_left_and_starts_nothing(house):
    async with Background() as background:
        left = ManagedServer(house.settings, background, environ=house.environ)
        await left.start()
        assert await left.wait_ready(READY_S)
        pid = left.pid
        os.close(left._held)  # as the system does for a service that is killed
    hold_back(house, "held")
    async with serving(house) as server:
        await until(lambda: server.state == "held")
        assert not process.started_at(pid)
        assert house.left_running() == []
        lift_hold(house.folders.hold)
        assert await server.wait_ready(READY_S)


async def test_a_chosen_release_that_is_gone_is_named_with_the_mend(house):
    house.choose("1.17.18")
    async with Background() as background:
        server = ManagedServer(house.settings, background, environ=house.environ)
        with pytest.raises(StartError, match=r"1\.17\.18.*opencode upgrade"):
            await server.start()


def test_a_chosen_release_wins_over_the_path(house, tmp_path):
    chosen = chosen_program(house.folders.release)
    found = look(house.environ, tmp_path / "none", chosen)
    assert found.choose(tmp_path).opencode == chosen
    assert OLD in str(chosen)


def test_without_a_choice_nothing_is_chosen_and_a_broken_one_is_named(tmp_path):
    file = tmp_path / "release.json"
    assert chosen_program(file) is None
    Release("").keep(file)
    assert chosen_program(file) is None
    file.write_text('{"unknown": 1}')
    with pytest.raises(StartError, match="cannot be read"):
        Release.load(file)
