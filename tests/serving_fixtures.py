"""Managed servers of a test's own, with the real OpenCode and a scripted model."""

import asyncio
from contextlib import asynccontextmanager, suppress

import psutil
import pytest

from bot.background import Background
from bot.opencode.client import OpenCode
from bot.opencode.server import ManagedServer
from bot.sandbox.model import ScriptedModel
from tests.opencode_fixtures import (
    READY_S,
    environ_for,
    git_init,
    settings_in,
    skip_without_opencode,
)


@pytest.fixture
async def model():
    model = ScriptedModel()
    await model.start()
    yield model
    await model.stop()


@pytest.fixture
def folder(tmp_path):
    skip_without_opencode(tmp_path / "look")
    return tmp_path


@asynccontextmanager
async def serving(folder, environ, **facts):
    """Run a managed server to its readiness, and end it."""
    async with Background() as background:
        server = ManagedServer(settings_in(folder / "data"), background, environ=environ, **facts)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@asynccontextmanager
async def ready(folder, environ, **facts):
    async with serving(folder, environ, **facts) as server:
        assert await server.wait_ready(READY_S), server.refused
        yield server


def environ_with(folder, model):
    return environ_for(folder, int(model.url.rpartition(":")[2].partition("/")[0]))


def client_of(server):
    address = server.address
    return OpenCode(address.url, address.username, address.password)


async def run_turn(server, folder, text):
    """Have the server answer one prompt, and return the session's messages."""
    async with client_of(server) as client:
        session = await begin_turn(client, folder, text)
        await finished(client, session)
        return await client.messages(session)


async def begin_turn(client, folder, text):
    git_init(folder)
    session = await client.create_session(folder, title="test", metadata={})
    part = {"type": "text", "text": text}
    await client.prompt(session.id, message="msg_1", parts=[part], agent="build", model="demo/demo")
    return session.id


async def finished(client, session):
    """Wait for the end of the turn; its answer is on the server's side, so we ask again and again."""
    async with asyncio.timeout(30):
        while True:
            messages = await client.messages(session)
            if messages and messages[-1].finish == "stop" and messages[-1].completed_at:
                return
            await asyncio.sleep(0.05)


def sleepers(word):
    """Return the processes whose command line is ``sleep <word>``."""
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            if each.cmdline() == ["sleep", word] and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each.pid)
    return found
