"""The application's edge on a real socket and a real store, and the stand-in's corp around it."""

import asyncio
import itertools
from contextlib import AsyncExitStack

from aiohttp import web

from bot.background import Background
from bot.sandbox.timing import Timing as Pace
from config.settings import load_settings
from handlers.wecom.app.channel import build_app
from handlers.wecom.timing import Timing
from store import open_store
from store.records import NewDelivery
from tests.fakes.edge import Clock, Desk, until
from tests.media.cupboard import Cupboard, file_of
from tests.wecom_fixtures import AES_KEY, TOKEN, standing_in

CORP_ID = "ww5823bf96d3bd56c7"
AGENT_ID = 1000002
SECRET = "the-secret-of-the-application"
FAST = Timing(again_after_s=0.0)
PACE = Pace(answer_s=20, verify_s=20, retry_after_s=0.05)


class AppEdge:
    """The application under test, and WeCom around it."""

    def __init__(self, path, *, clock=None, **environ):
        self.path, self.environ = path, environ
        self.clock = clock or Clock()
        self.numbers = itertools.count(1)
        self.cupboard = Cupboard()
        self.around = AsyncExitStack()
        self.stack = AsyncExitStack()

    async def __aenter__(self):
        self.wecom = await self.around.enter_async_context(
            standing_in(
                "",
                timing=PACE,
                channel="app",
                corp_id=CORP_ID,
                agent_id=AGENT_ID,
                secret=SECRET,
                clock=self.clock,
            )
        )
        self.corp = self.wecom.corp
        self.corp_api = self.wecom.corp.api
        await self.start()
        return self

    async def __aexit__(self, *exc):
        await self.stop()
        self.corp_api.faults.going_on.set()
        await self.around.aclose()

    async def start(self):
        environ = {
            "BOT_DATA_DIR": str(self.path),
            "WECOM_CORP_ID": CORP_ID,
            "WECOM_AGENT_ID": str(AGENT_ID),
            "WECOM_SECRET": SECRET,
            "WECOM_TOKEN": TOKEN,
            "WECOM_AES_KEY": AES_KEY,
            "WECOM_API_URL": self.wecom.base_url,
        }
        settings = load_settings(None, environ | self.environ)
        self.stack = AsyncExitStack()
        self.store = await self.stack.enter_async_context(
            await open_store(f"sqlite:///{self.path}/bot.db")
        )
        self.stack.push_async_callback(self.let_go)
        self.background = await self.stack.enter_async_context(Background())
        self.desk = Desk(self.store)
        self.channel = build_app(
            settings,
            self.desk,
            self.store,
            self.background,
            self.clock,
            FAST,
            self.cupboard.take,
        )
        self.pushes = self.channel.replies.pushes
        app = web.Application()
        app.add_routes(self.channel.routes)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        self.url = self.wecom.callback_url = f"http://{host}:{port}/wecom/app"

    async def stop(self):
        await self.stack.aclose()

    async def let_go(self):
        await self.channel.let_go()

    async def restart(self):
        await self.stop()
        await self.start()

    @property
    def api(self):
        return self.channel.api

    @property
    def violations(self):
        return [violation.code for violation in self.wecom.violations]

    def said(self, member="zhangsan"):
        """What the application sent to a member by itself."""
        return [item.content for item in self.wecom.transcript(member) if item.kind == "late"]

    async def settled(self):
        """Wait until nothing is being pushed."""
        await until(lambda: not self.channel.posting)

    async def retry(self):
        """Let the retry look once, and wait until it is done."""
        await self.pushes.retry_once()
        await self.settled()

    async def asked(self, text="hello", member="zhangsan"):
        """A message whose turn runs: its talk, its turn, and the engine's reply stream."""
        talk = await self.wecom.say(member, text)
        turn = await self.store.turns.by_message(f"app-{talk.msgid}")
        reply = self.channel.replies.reply_to(
            turn.n,
            turn.message,
            turn.chat,
            bubble=turn.bubble,
            received_at=turn.created_at,
            language="zh",
        )
        return talk, turn, reply

    async def end(self, turn, body="the answer", *, footer="✅ done", more="/result", files=()):
        """End a turn as the engine does; the delivery is due."""
        await self.store.turns.end(
            turn,
            state="done",
            outcome="answered",
            reason="",
            stopped_by="",
            answer=body,
            footer=footer,
            at=self.clock(),
            delivery=NewDelivery(turn.chat, turn.n, turn.message, body, footer, more, self.clock()),
            files=[file_of(turn, path, self.clock()) for path in files],
        )

    async def delivery(self, turn):
        return await self.store.deliveries.of_turn(turn.n)

    async def until_sent(self, turn, state="sent"):
        async with asyncio.timeout(20):
            while (await self.delivery(turn)).state != state:  # noqa: ASYNC110 - it rings no bell
                await asyncio.sleep(0.01)


async def within(awaitable, seconds=20):
    async with asyncio.timeout(seconds):
        return await awaitable
