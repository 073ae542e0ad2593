"""What the idle service weighs, and what a running turn adds."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web

from bot.sandbox.standin import StandIn
from bot.sandbox.timing import Timing
from tests.fakes.opencode import FakeOpenCode
from tests.fakes.opencode_turns import hang, say
from tests.service_fixtures import environment, free_port
from tests.wecom_fixtures import AES_KEY, BOT_ID, BOT_NAME, TOKEN

TURNS = 100
ANSWER_BYTES = 20_000
START_S = 30
MB = 1024 * 1024


async def bench():
    """Return the figures as lines: resident memory of the service's process."""
    with tempfile.TemporaryDirectory() as folder:
        async with FakeOpenCode() as opencode, _standin() as standin:
            port = free_port()
            people = ",".join(f"p{n}" for n in range(TURNS))
            environ = environment(
                Path(folder), standin, port=port, opencode=opencode, BOT_MEMBERS=people
            )
            environ |= {"PATH": os.environ["PATH"], "HOME": folder}
            service = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", env=environ, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                return await _weigh(service.pid, port, standin, opencode)
            finally:
                service.terminate()
                await service.wait()


async def _weigh(pid, port, standin, opencode):
    await _ready(port)
    bare = _rss(pid)
    standin.callback_url = f"http://127.0.0.1:{port}/wecom/bot"
    for _ in range(TURNS):
        opencode.script(say("字" * (ANSWER_BYTES // 3)), hang())
    talks = [await standin.say(f"p{n}", "hello") for n in range(TURNS)]
    async with asyncio.timeout(START_S * 2):
        while sum("字" * 100 in talk.text for talk in talks) < TURNS:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    full = _rss(pid)
    each = (full - bare) * 1024 / TURNS
    return [
        f"idle service                          {bare:6.1f} MB   (target: at most 75 MB)",
        f"with {TURNS} running turns of 20 KB        {full:6.1f} MB",
        f"each running turn                     {each:6.1f} KB   (target: at most 100 KB)",
    ]


def _standin():
    return _Served()


class _Served:
    """The stand-in with its routes on a port of their own."""

    async def __aenter__(self):
        self.standin = StandIn(
            "", TOKEN, AES_KEY, bot_id=BOT_ID, bot_name=BOT_NAME, timing=Timing(poll_every_s=0.5)
        )
        await self.standin.__aenter__()
        app = web.Application()
        app.add_routes(self.standin.routes)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.standin.base_url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        return self.standin

    async def __aexit__(self, *_):
        await self.standin.__aexit__(None, None, None)
        await self.runner.cleanup()


async def _ready(port):
    async with asyncio.timeout(START_S), aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    parts = (await answer.json())["parts"]
                    if parts["opencode"] == "ok":
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)


def _rss(pid):
    return psutil.Process(pid).memory_info().rss / MB
