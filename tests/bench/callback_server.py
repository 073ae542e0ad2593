"""The servers that the callback benchmark loads: ours on a real store, and a bare handler."""

import asyncio
import itertools
import sys
from pathlib import Path

import orjson
import structlog
import uvloop
from aiohttp import web

from bot.background import Background
from bot.clock import now_ms
from config.settings import load_settings
from handlers.intake import Opening
from handlers.wecom.callback_channel import build_callback
from handlers.wecom.timing import Timing
from store import open_store
from tests.fakes.edge import Desk
from tests.fakes.envelope import AES_KEY, TOKEN


class BenchDesk(Desk):
    """Keeps messages as the service does; a text that is a number opens a bubble of that size."""

    async def accept(self, message, stream, *, may_stay_open):
        if message.text.isdigit():
            return Opening("字" * (int(message.text) // 3), finished=False)
        opening = await super().accept(message, stream, may_stay_open=True)
        self.accepted.clear()
        return opening


async def ours(folder, *, changing):
    """Our callback; ``changing``: every poll finds another text."""
    environ = {"BOT_DATA_DIR": folder, "WECOM_BOT_TOKEN": TOKEN, "WECOM_BOT_AES_KEY": AES_KEY}
    store = await open_store(f"sqlite:///{Path(folder) / 'bot.db'}")
    settings = load_settings(None, environ)
    edge = build_callback(settings, BenchDesk(store), store, Background(), now_ms, Timing())
    if changing:
        bubbles, polls = edge._bubbles, edge._callback._polls
        answer, letters = polls.at_once, itertools.cycle("天地")

        def at_once(stream):
            bubble = bubbles.find(stream)
            bubbles.show(bubble, next(letters) + bubble.text[1:])
            return answer(stream)

        polls.at_once = at_once
    return edge.routes


def bare(size):
    """A handler that reads the body and answers with constant bytes."""
    constant = b"x" * size

    async def answer(request):
        await request.read()
        return web.Response(body=constant, content_type="application/json")

    return [web.post("/wecom/bot", answer)]


async def main(kind, argument):
    """Serve until the parent closes our input."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    routes = (
        bare(int(argument)) if kind == "bare" else await ours(argument, changing=kind == "changing")
    )
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(orjson.dumps(runner.addresses[0]).decode() + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
