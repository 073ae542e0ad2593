"""Our end of the long connection in a process of its own, told what to do as WeCom's SDK is.

``client``: frames in, frames out; ``service``: all that a message goes through until its
turn could begin, on a real store.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import orjson
import structlog
import uvloop

from bot.background import Background
from bot.clock import now_ms
from config.settings import load_settings
from handlers.wecom.budget import Limits
from handlers.wecom.connection import frames
from handlers.wecom.connection.channel import build_connection
from handlers.wecom.connection.connection import Connection
from handlers.wecom.connection.pace import Pace
from handlers.wecom.connection.uploads import Uploads
from handlers.wecom.files import nothing
from handlers.wecom.timing import Timing
from store import open_store
from tests.connection.stage import Desk

ENDLESS = Limits(per_minute=10**9, per_hour=10**9)
PACE = Pace(limits=ENDLESS)


class BenchDesk(Desk):
    """Keeps messages as the service does, and forgets that it saw them."""

    async def accept(self, message, stream, *, may_stay_open):
        opening = await super().accept(message, stream, may_stay_open=may_stay_open)
        self.accepted.clear()
        return opening


class Client:
    """The connection alone; ``echo`` answers each message at once."""

    def __init__(self, background):
        self._background = background
        self._echo = ""

    async def connect(self, url, bot, secret):
        self._link = Connection(url, bot, secret, self._told, now_ms, PACE)
        self._background.start(self._link.run(), name="connection")
        await _up(self._link)

    async def echo(self, content):
        self._echo = content

    async def burst(self, frame, stream, content, times):
        req_id, began = frame["headers"]["req_id"], time.perf_counter()
        for n in range(1, times + 1):
            request = frames.stream(req_id, stream, f"{content}{n}", finished=n == times)
            await self._link.call(request)
        return (time.perf_counter() - began) * 1000

    async def upload(self, type, name, size):  # noqa: A002 - the SDK's word
        began = time.perf_counter()
        await Uploads(self._link, now_ms, PACE).upload(type, name, b"\7" * size)
        return {"ms": (time.perf_counter() - began) * 1000}

    async def _told(self, told):
        if self._echo:
            self._background.start(self._answer(told), name="echo")
        else:
            say(
                {
                    "event": "message",
                    "frame": {"headers": {"req_id": told.req_id}, "body": told.body},
                }
            )

    async def _answer(self, told):
        request = frames.stream(told.req_id, told.body["msgid"], self._echo, finished=True)
        await self._link.call(request)


class Service:
    """The whole channel on a store."""

    def __init__(self, background, folder):
        self._background = background
        self._folder = folder

    async def connect(self, url, bot, secret):
        environ = {
            "BOT_DATA_DIR": self._folder,
            "WECOM_BOT_ID": bot,
            "WECOM_BOT_SECRET": secret,
            "WECOM_WS_URL": url,
        }
        store = await open_store(f"sqlite:///{Path(self._folder) / 'bot.db'}")
        settings = load_settings(None, environ)
        desk, timing = BenchDesk(store), Timing(pace=PACE)
        channel = build_connection(settings, desk, store, self._background, now_ms, timing, nothing)
        await channel.recover()
        await _up(channel.parts.connection)

    async def echo(self, content):
        """Nothing to do: an opening is its answer."""


async def _up(connection):
    async with asyncio.timeout(20):
        while not connection.up:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def say(value):
    sys.stdout.buffer.write(orjson.dumps(value) + b"\n")
    sys.stdout.buffer.flush()


async def _do(actor, line):
    request = orjson.loads(line)
    number, what = request.pop("id"), request.pop("do")
    say({"id": number, "ok": await getattr(actor, what)(**request)})


async def main(kind):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder:
        async with Background() as background:
            actor = Client(background) if kind == "client" else Service(background, folder)
            while line := await asyncio.to_thread(sys.stdin.buffer.readline):
                await _do(actor, line)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
