"""The service under test: real, on a socket, with WeCom's stand-in on one side and OpenCode on the other."""

import contextlib
import itertools
import os
import random
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp
import pytest

from bot.app import Service, opened
from bot.sandbox.standin import StandIn
from config.settings import load_settings
from tests.wecom_fixtures import AES_KEY, BOT_ID, BOT_NAME, SECRET, TOKEN

WORKERS, PORTS = 8, 1_000
ADMIN_TOKEN = "an-admin-token-of-tests"


def own_ports():
    """Yield ports for ever: no other worker's, none of a managed server's, none that the system gives out."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    first = 11_000 + worker * PORTS  # a browser goes to no 10080
    begin = random.randrange(PORTS)  # another run may be at work on this machine
    for n in itertools.count(begin):
        yield first + n % PORTS


OWN_PORTS = own_ports()


def free_port():
    """Return a port that nobody has, and that nobody gets by chance before it is used."""
    for port in OWN_PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("there is always a next one")


def environment(tmp_path, standin, *, port, opencode=None, **overrides):
    """Return the environment of a service that speaks with the given peers."""
    environ = {
        "BOT_DATA_DIR": str(tmp_path / "data"),
        "BOT_HOST": "127.0.0.1",
        "BOT_PORT": str(port),
        "BOT_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "BOT_ADMIN_TOKEN": ADMIN_TOKEN,
        "BOT_ADMINS": "boss",
        "BOT_MAINTAINERS": "lead",
        "BOT_MEMBERS": "zhangsan,lisi,wangwu",
        "WECOM_BOT_ID": BOT_ID,
        "WECOM_BOT_NAME": BOT_NAME,
        "WECOM_API_URL": standin.base_url,
    }
    if standin.channel == "connection":
        environ |= {"WECOM_BOT_SECRET": SECRET, "WECOM_WS_URL": standin.gateway_url}
    elif standin.channel == "app":
        environ |= {
            "WECOM_CORP_ID": standin.corp.corp_id,
            "WECOM_AGENT_ID": str(standin.corp.agent_id),
            "WECOM_SECRET": SECRET,
            "WECOM_TOKEN": TOKEN,
            "WECOM_AES_KEY": AES_KEY,
        }
    else:
        environ |= {"WECOM_BOT_TOKEN": TOKEN, "WECOM_BOT_AES_KEY": AES_KEY}
    if opencode is not None:
        environ |= {
            "OPENCODE_URL": opencode.url,
            "OPENCODE_SERVER_USERNAME": opencode.username,
            "OPENCODE_SERVER_PASSWORD": opencode.password,
        }
    return environ | overrides


@dataclass
class Bot:
    """A running service and its people."""

    wecom: StandIn
    environ: dict
    options: dict = field(default_factory=dict)
    service: Service | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def url(self):
        return self.service.url

    @property
    def store(self):
        return self.service.services.store

    @property
    def turns(self):
        return self.service.services.turns

    async def start(self):
        settings = load_settings(None, self.environ)
        self.stack = AsyncExitStack()
        self.service = await self.stack.enter_async_context(opened(settings, **self.options))
        path = "app" if self.wecom.channel == "app" else "bot"
        self.wecom.callback_url = f"{self.service.url}/wecom/{path}"
        if self.wecom.channel == "connection":
            await self.wecom.gateway.until_connected()

    async def stop(self):
        await self.stack.aclose()

    async def restart(self):
        await self.stop()
        await self.start()

    async def ready(self):
        """Wait until OpenCode is there."""
        assert await self.service.services.server.wait_ready(90)


@pytest.fixture
async def make_bot(make_standin, tmp_path):
    """Make services: ``await make_bot(opencode, BOT_CHAT_BUSY="reject")``.

    ``timing`` is WeCom's, ``channel`` the way by which people reach the service;
    ``options`` are those of ``bot.app.opened``.
    """
    async with AsyncExitStack() as stack:

        async def make(
            opencode=None, *, timing=None, channel="callback", options=None, **overrides
        ):
            facts = {"channel": channel} | ({"timing": timing} if timing else {})
            standin = await make_standin(**facts)
            environ = environment(
                tmp_path, standin, port=free_port(), opencode=opencode, **overrides
            )
            bot = Bot(standin, environ, options or {})
            stack.push_async_callback(bot.stop)
            await bot.start()
            return bot

        yield make


@pytest.fixture
async def bot(make_bot, opencode):
    """A service in front of the real OpenCode with a scripted model."""
    bot = await make_bot(opencode)
    await bot.ready()
    return bot


@pytest.fixture
async def http():
    """Whoever asks the service over HTTP: a browser, a program, an administrator."""
    async with aiohttp.ClientSession() as session:
        yield session
