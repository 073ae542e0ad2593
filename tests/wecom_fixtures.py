"""The stand-in for WeCom as tests use it: on a server of its own, with short times."""

from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.sandbox.standin import StandIn
from bot.sandbox.timing import Timing

TOKEN = "QDG6eK"
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
BOT_ID = "aibSANDBOX"
BOT_NAME = "Open Code"
STANDINS = pytest.StashKey()  # of a test: those that it made
FAST = Timing(retry_after_s=0.2, poll_every_s=0.05)


@pytest.fixture
async def make_standin(request):
    """Make stand-ins: ``await make_standin(callback_url, timing=…)``.

    ``callback_url`` may be set later, when the service that must know ``base_url`` is up.
    """
    async with AsyncExitStack() as stack:

        async def make(callback_url="", *, timing=FAST, **facts):
            facts = {"bot_id": BOT_ID, "bot_name": BOT_NAME} | facts
            standin = StandIn(callback_url, TOKEN, AES_KEY, timing=timing, **facts)
            await stack.enter_async_context(standin)
            request.node.stash.setdefault(STANDINS, []).append(standin)
            app = web.Application()
            app.add_routes(standin.routes)
            server = TestServer(app)
            await server.start_server()
            stack.push_async_callback(server.close)
            standin.base_url = str(server.make_url("")).rstrip("/")
            return standin

        yield make
