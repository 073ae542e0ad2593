"""The gateway and a client of it."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.sandbox.client import SECRET, connected


class Hands:
    """A clock that a test moves by hand, in Unix milliseconds."""

    def __init__(self):
        self.now = 1_800_000_000_000

    def __call__(self):
        return self.now

    def after(self, seconds):
        self.now += int(seconds * 1000)


@pytest.fixture
def hands():
    return Hands()


@pytest.fixture
async def wecom(make_standin, hands):
    return await make_standin(channel="connection", secret=SECRET, clock=hands)


@pytest.fixture
async def connect(wecom):
    """Make clients: ``await connect()``, not subscribed yet."""
    async with AsyncExitStack() as stack:

        async def make():
            return await stack.enter_async_context(connected(wecom.gateway_url))

        yield make


@pytest.fixture
async def client(connect):
    """A client that has subscribed."""
    client = await connect()
    assert await client.subscribe() == 0
    return client


@pytest.fixture
async def heard(wecom, client):
    """A message that the client was told of: its talk and the id that replies must name."""
    talk = wecom.begin("zhangsan", {"msgtype": "text", "text": {"content": "hello"}})
    return talk, (await client.told())["headers"]["req_id"]


@pytest.fixture
async def bg():
    """Let something go on meanwhile: ``later = bg(coroutine)``, then ``await later``."""
    async with asyncio.TaskGroup() as group:
        yield group.create_task
