"""A room with a scripted OpenCode behind it."""

import pytest

from bot.opencode.client import OpenCode
from config.settings import load_settings
from store import open_store
from tests.commands.room import DIRECT, GROUP, OTHER, Room
from tests.fakes.opencode import FakeOpenCode

PEOPLE = {"BOT_ADMINS": "boss", "BOT_MAINTAINERS": "lead", "BOT_MEMBERS": "zhang,li"}


@pytest.fixture
async def opencode():
    async with FakeOpenCode() as fake:
        yield fake


@pytest.fixture
async def store(tmp_path):
    async with await open_store(f"sqlite:///{tmp_path}/bot.db") as store:
        yield store


@pytest.fixture
async def make_room(opencode, store, tmp_path):
    """Make the room under settings: ``await make_room(OPENCODE_MODEL="fake/two")``."""
    async with OpenCode(opencode.url, "opencode", "secret", timeout_s=5) as client:

        async def make(*, public_url=None, **environ):
            settings = load_settings(None, {**PEOPLE, "BOT_DATA_DIR": str(tmp_path), **environ})
            room = Room(store, client, settings, tmp_path, public_url=public_url)
            await room.meet(GROUP, OTHER, DIRECT)
            return room

        yield make


@pytest.fixture
async def room(make_room):
    return await make_room()
