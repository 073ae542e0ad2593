"""The stand-in for WeCom as tests use it: on a server of its own, with short times."""

from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.sandbox.standin import StandIn
from bot.sandbox.timing import Timing

TOKEN = "QDG6eK"
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
BOT_ID = "aibSANDBOX"
BOT_NAME = "Open Code"
CORP_ID = "ww5823bf96d3bd56c7"
SECRET = "q7Rk2vB9xT4m-of-the-connection"
STANDINS = pytest.StashKey()  # of a test: those that it made
FAST = Timing(retry_after_s=0.2, poll_every_s=0.05)


@asynccontextmanager
async def standing_in(callback_url, *, timing, **facts):
    """Have a stand-in call ``callback_url``, its addresses on a server of its own."""
    facts = {"bot_id": BOT_ID, "bot_name": BOT_NAME, "secret": SECRET, "corp_id": CORP_ID} | facts
    async with StandIn(callback_url, TOKEN, AES_KEY, timing=timing, **facts) as standin:
        app = web.Application()
        app.add_routes(standin.routes)
        app.on_shutdown.append(standin.hang_up)
        async with TestServer(app) as server:
            standin.base_url = str(server.make_url("")).rstrip("/")
            yield standin


@pytest.fixture
async def make_standin(request):
    """Make stand-ins: ``await make_standin(callback_url, timing=…)``.

    ``callback_url`` may be set later, when the service that must know ``base_url`` is up.
    """
    async with AsyncExitStack() as stack:

        async def make(callback_url="", *, timing=FAST, **facts):
            beside = standing_in(callback_url, timing=timing, **facts)
            standin = await stack.enter_async_context(beside)
            request.node.stash.setdefault(STANDINS, []).append(standin)
            return standin

        yield make
