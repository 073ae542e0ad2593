"""WeCom's edge on a real socket and a real store, with a desk behind it that says what it is told."""

import asyncio
import itertools
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import orjson
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from bot.background import Background
from bot.messages import Answer
from config.settings import load_settings
from handlers.wecom.callback_channel import build_callback
from handlers.wecom.timing import Timing
from store import open_store
from store.records import NewChat, NewDelivery, NewInbound, NewTurn
from tests.fakes.envelope import AES_KEY, TOKEN, Sealer

START = 1_760_000_000_000
MINUTE = 60_000
FAST = Timing(patience_s=0.2, again_after_s=0.0, flush_every_s=0.02, store_s=2.0)


@dataclass(frozen=True)
class Opening:
    markdown: str
    finished: bool
    prefix: str = ""
    images: tuple = ()


@dataclass
class Clock:
    now: int = START

    def __call__(self):
        return self.now


@dataclass
class Desk:
    """Takes messages in as the service does: one write, then an opening."""

    store: object
    accepted: list = field(default_factory=list)
    events: list = field(default_factory=list)
    clicks: list = field(default_factory=list)
    update: object = None
    prefix: str = ""
    welcome: str | None = None
    failure: Exception | None = None
    doors: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self):
        self.doors.set()

    async def accept(self, message, stream, *, may_stay_open):
        self.accepted.append((message, may_stay_open))
        await self.doors.wait()
        if self.failure:
            raise self.failure
        if message.text == "nothing to say":
            return None
        command = message.text.startswith("/")
        waits = message.text.startswith("later") or not may_stay_open
        kept = await self.store.inbox.accept(
            NewInbound(
                message=message.id,
                chat=message.chat.key,
                sender=message.sender,
                kind="command" if command else "prompt",
                name="",
                body="",
                stream=stream,
                shown="",
                finished=False,
                reply_url=message.reply_url,
                received_at=message.received_at,
                channel=message.channel,
                handle=message.handle,
            ),
            new_chat(message),
            None if command else new_turn(message, bubble=not waits),
        )
        if kept.repeated:
            shown = kept.inbound.shown or "again"
            return Opening(shown, finished=kept.inbound.finished)
        if command:
            return Opening("done", finished=True, prefix=self.prefix)
        text = f"已排队 #{kept.turn.n}" if waits else f"开始 #{kept.turn.n}"
        return Opening(text, finished=waits, prefix=self.prefix)

    async def event(self, event):
        self.events.append(event)
        if self.failure:
            raise self.failure
        await self.keep(event)
        return self.welcome

    async def click(self, event):
        self.clicks.append(event)
        await self.keep(event)
        return self.update

    async def keep(self, event):
        await self.store.inbox.accept(
            NewInbound(
                message=event.id,
                chat=event.chat.key if event.click else "",
                sender=event.sender,
                kind="event",
                name=event.kind,
                body=event.body,
                stream=None,
                shown="",
                finished=True,
                reply_url=event.reply_url,
                received_at=event.received_at,
                channel=event.channel,
            ),
            None,
            None,
        )


async def until(true):
    """Wait for something that nobody announces."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - counters and memory ring no bell
            await asyncio.sleep(0.005)


def new_chat(message):
    chat = message.chat
    return NewChat(chat.key, chat.platform, chat.kind, chat.id, chat.member, "zh", START)


def new_turn(message, *, bubble):
    return NewTurn(
        message=message.id,
        chat=message.chat.key,
        sender=message.sender,
        kind="prompt",
        text=message.text,
        quote="",
        attachments="[]",
        language="zh",
        forced=False,
        bubble=bubble,
        retry_of=None,
        created_at=message.received_at,
        channel=message.channel,
    )


class LateAnswers:
    """WeCom's end of `response_url`: what was posted, and the answers that it gives in turn."""

    def __init__(self):
        self.posts = []
        self.script = []
        self.came = asyncio.Event()

    async def receive(self, request):
        self.posts.append((request.query["response_code"], orjson.loads(await request.read())))
        self.came.set()
        step = self.script.pop(0) if self.script else 0
        if callable(step):
            return await step(request)
        return web.json_response({"errcode": step, "errmsg": "as told"})

    @property
    def texts(self):
        return [body["markdown"]["content"] for _, body in self.posts]

    @property
    def codes(self):
        return [code for code, _ in self.posts]


class Edge:
    """The edge under test, and WeCom talking to it."""

    def __init__(self, path, *, timing=FAST, clock=None, **environ):
        self.path, self.timing, self.environ = path, timing, environ
        self.clock = clock or Clock()
        self.wecom = Sealer()
        self.late = LateAnswers()
        self.stack = AsyncExitStack()
        self.numbers = itertools.count(1)

    async def __aenter__(self):
        await self.open_api()
        await self.start()
        return self

    async def __aexit__(self, *exc):
        await self.stop()
        await self.api.close()

    async def open_api(self, port=None):
        """Let WeCom's own end be there, or be there again."""
        app = web.Application()
        app.router.add_post("/response", self.late.receive)
        self.api = TestServer(app, port=port)
        await self.api.start_server()

    async def start(self):
        environ = {
            "BOT_DATA_DIR": str(self.path),
            "WECOM_BOT_TOKEN": TOKEN,
            "WECOM_BOT_AES_KEY": AES_KEY,
            "WECOM_API_URL": str(self.api.make_url("")).rstrip("/"),
        }
        settings = load_settings(None, environ | self.environ)
        self.stack = AsyncExitStack()
        self.store = await self.stack.enter_async_context(
            await open_store(f"sqlite:///{self.path}/bot.db")
        )
        self.stack.push_async_callback(self.let_go)
        self.background = await self.stack.enter_async_context(Background())
        self.desk = Desk(self.store)
        self.edge = build_callback(
            settings, self.desk, self.store, self.background, self.clock, self.timing
        )
        self.stack.push_async_callback(self.edge.close)
        app = web.Application()
        app.add_routes(self.edge.routes)
        # Not a TestServer: that one cancels handlers whose client hangs up, the service does not.
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.address = runner.addresses[0]
        self.session = await self.stack.enter_async_context(ClientSession())
        self.url = f"http://{self.address[0]}:{self.address[1]}/wecom/bot"

    async def stop(self):
        await self.stack.aclose()

    async def let_go(self):
        await self.edge.let_go()

    async def crash(self):
        """Go down without a last flush, as `kill -9` would, and come up again."""
        self.edge._bubbles._dirty.clear()
        await self.restart()

    async def restart(self):
        await self.stop()
        await self.start()

    @property
    def now_s(self):
        return self.clock.now // 1000

    async def post(self, body, *, sealed=None, **query):
        """Send one callback; return status and the opened answer (None when it is empty)."""
        encrypted = sealed or self.wecom.encrypt(
            body if isinstance(body, bytes) else orjson.dumps(body)
        )
        query = self.wecom.query(encrypted, **({"timestamp": self.now_s} | query))
        async with self.session.post(
            f"{self.url}?{query}", data=orjson.dumps({"encrypt": encrypted})
        ) as answer:
            raw = await answer.read()
            return answer.status, self.wecom.open_answer(raw) if raw else None

    def message(self, text, msgid=None, *, sender="zhangsan", group="", url=True):
        """The plaintext of a message; its `response_url` is named after it."""
        msgid = msgid or f"auto{next(self.numbers)}"
        body = {"msgid": msgid, "aibotid": "aibX", "from": {"userid": sender}}
        body |= {"chattype": "group", "chatid": group} if group else {"chattype": "single"}
        if url:
            body["response_url"] = str(self.api.make_url(f"/response?response_code={msgid}"))
        return body | {"msgtype": "text", "text": {"content": text}}

    async def say(self, text, msgid=None, **facts):
        """Say something; return what the bubble shows."""
        status, answer = await self.post(self.message(text, msgid, **facts))
        assert status == 200
        return answer["stream"]

    async def poll(self, stream):
        """Ask how the bubble stands."""
        body = {"msgid": f"P{next(self.numbers)}", "aibotid": "aibX", "chattype": "single"}
        body |= {"from": {"userid": "zhangsan"}, "msgtype": "stream", "stream": {"id": stream}}
        status, answer = await self.post(body)
        assert status == 200
        assert answer["msgtype"] == "stream"
        assert answer["stream"]["id"] == stream
        assert answer["stream"]["content"].strip()
        return answer["stream"]

    async def poll_to_the_end(self, stream):
        async with asyncio.timeout(5):
            while True:
                shown = await self.poll(stream)
                if shown["finish"]:
                    return shown
                await asyncio.sleep(0.01)

    @property
    def way_out(self):
        return self.edge._replies.way_out

    async def settled(self):
        """Wait until what was begun to be posted is over."""
        await until(lambda: not self.edge.posting)

    async def retry(self):
        """Let the retry look once, and wait until it is done."""
        await self.way_out.retry_once()
        await until(lambda: not self.way_out._busy)

    async def turn(self, msgid):
        return await self.store.turns.by_message(msgid)

    async def reply(self, msgid, *, bubble=True):
        """The reply stream that the engine holds for a message's turn."""
        turn = await self.turn(msgid)
        return self.edge.replies.reply_to(
            turn.n,
            msgid,
            turn.chat,
            bubble=bubble,
            received_at=turn.created_at,
            language="zh",
        )

    async def end(self, msgid, body="the answer", *, footer="✅ done", more="/result"):
        """End a message's turn as the engine does; the delivery is due."""
        turn = await self.turn(msgid)
        delivery = NewDelivery(turn.chat, turn.n, msgid, body, footer, more, self.clock.now)
        await self.store.turns.end(
            turn,
            state="done",
            outcome="answered",
            reason="",
            stopped_by="",
            answer=body,
            footer=footer,
            at=self.clock.now,
            delivery=delivery,
        )
        return await self.delivery(msgid)

    async def delivery(self, msgid):
        turn = await self.turn(msgid)
        return await self.store.deliveries.of_turn(turn.n)


ANSWER = Answer("the answer", "✅ done", "/result")
SHOWN = "the answer\n\n✅ done"


async def asked(edge, msgid="M1", text="hello", **facts):
    """A message whose turn has just ended; its bubble's id and its reply stream."""
    shown = await edge.say(text, msgid, **facts)
    reply = await edge.reply(msgid, bubble=not shown["finish"])
    return shown["id"], reply


async def finished(edge, reply, msgid="M1", body="the answer"):
    await edge.end(msgid, body)
    await reply.finish(Answer(body, "✅ done", "/result"))
    await edge.settled()
    return await edge.delivery(msgid)
