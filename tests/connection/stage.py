"""The connection's edge on a real store and a real socket, WeCom's gateway before it, a desk behind it."""

import asyncio
import itertools
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from bot.background import Background
from bot.clock import now_ms
from bot.messages import Answer
from config.settings import load_settings
from handlers.wecom.connection.channel import build_connection
from handlers.wecom.connection.pace import Pace
from handlers.wecom.timing import Timing
from store import open_store
from store.records import NewChat, NewDelivery, NewInbound, NewTurn
from tests.media.cupboard import Cupboard, file_of
from tests.wecom_fixtures import BOT_ID, BOT_NAME

SECRET = "q7Rk2vB9xT4m"
ANSWER = Answer("the answer", "✅ done", "/result")
SHOWN = "the answer\n\n✅ done"
MINUTE = 60_000
BRISK = Pace(
    ack_s=0.4,
    ping_every_s=0.2,
    back_off_s=0.02,
    longest_s=0.05,
    slow_s=0.2,
    slowest_s=0.4,
    update_every_s=0.02,
    rest_s=0.2,
    patience_s=0.3,
    accept_again_s=(0.01, 0.01),
)
FAST = Timing(flush_every_s=0.02, pace=BRISK)


@dataclass(frozen=True)
class Opening:
    markdown: str
    finished: bool
    prefix: str = ""
    images: tuple = ()


class Clock:
    """The time of the machine, which a test can set forward."""

    def __init__(self):
        self.ahead = 0

    def __call__(self):
        return now_ms() + self.ahead

    def after(self, ms):
        self.ahead += ms


@dataclass
class Desk:
    """Takes messages in as the service does: one write, then an opening."""

    store: object
    accepted: list = field(default_factory=list)
    events: list = field(default_factory=list)
    clicks: list = field(default_factory=list)
    prefix: str = ""
    welcome: str | None = None
    update: object = None
    failures: list = field(default_factory=list)

    async def accept(self, message, stream, *, may_stay_open):
        self.accepted.append((message, may_stay_open))
        if self.failures:
            raise self.failures.pop(0)
        command = message.text.startswith("/")
        refused = message.text.startswith("refused") or not message.text
        waits = message.text.startswith("later") or not may_stay_open
        turn = None if command or refused else new_turn(message, bubble=not waits)
        kept = await self.store.inbox.accept(
            new_inbound(message, stream, turn), chat_of(message), turn
        )
        if message.text == "refused silently":
            return None
        if kept.inbound.shown:
            return Opening(kept.inbound.shown, finished=kept.inbound.finished)
        if command:
            return Opening(f"done {message.text}", finished=True, prefix=self.prefix)
        if refused:
            return Opening("no", finished=True)
        text = f"已排队 #{kept.turn.n}" if waits else f"开始 #{kept.turn.n}"
        return Opening(text, finished=waits, prefix=self.prefix)

    async def event(self, event):
        self.events.append(event)
        return self.welcome

    async def click(self, event):
        self.clicks.append(event)
        return self.update


def new_inbound(message, stream, turn):
    kind = "prompt" if turn else "command" if message.text.startswith("/") else "refused"
    return NewInbound(
        message=message.id,
        chat=message.chat.key,
        sender=message.sender,
        kind=kind,
        name="",
        body=message.text if kind == "command" else "",
        stream=stream,
        shown="",
        finished=False,
        reply_url=message.reply_url,
        received_at=message.received_at,
        channel=message.channel,
        handle=message.handle,
    )


def chat_of(message):
    chat = message.chat
    at = message.received_at
    return NewChat(chat.key, chat.platform, chat.kind, chat.id, chat.member, "zh", at)


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


async def until(true, timeout_s=20):
    """Wait for something that nobody announces."""
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 - counters and memory ring no bell
            await asyncio.sleep(0.005)


class Stage:
    """The edge under test, and WeCom talking to it over the long connection."""

    def __init__(self, path, wecom, clock, timing=FAST, **environ):
        self.path, self.wecom, self.clock, self.timing = path, wecom, clock, timing
        self.environ = environ
        self.numbers = itertools.count(1)
        self.cupboard = Cupboard()
        self.stack = AsyncExitStack()

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *exc):
        await self.stop()

    async def start(self, *, connected=True):
        environ = {
            "BOT_DATA_DIR": str(self.path),
            "WECOM_BOT_ID": BOT_ID,
            "WECOM_BOT_SECRET": SECRET,
            "WECOM_BOT_NAME": BOT_NAME,
            "WECOM_API_URL": self.wecom.base_url,
            "WECOM_WS_URL": self.wecom.gateway_url,
        }
        settings = load_settings(None, environ | self.environ)
        self.stack = AsyncExitStack()
        self.store = await self.stack.enter_async_context(
            await open_store(f"sqlite:///{self.path}/bot.db")
        )
        self.background = await self.stack.enter_async_context(Background())
        self.desk = Desk(self.store)
        self.edge = build_connection(
            settings,
            self.desk,
            self.store,
            self.background,
            self.clock,
            self.timing,
            self.cupboard.take,
        )
        self.stack.push_async_callback(self.edge.close)
        await self.edge.recover()
        if connected:
            await self.up()

    async def stop(self):
        await self.stack.aclose()

    async def restart(self):
        await self.stop()
        await self.start()

    async def crash(self):
        """Go down without a last word, as `kill -9` would, and come up again."""
        self.edge.parts.bubbles._bubbles.clear()
        await self.background.close()
        self.wecom.gateway.cut()
        await self.restart()

    @property
    def connection(self):
        return self.edge.parts.connection

    @property
    def gateway(self):
        return self.wecom.gateway

    async def up(self):
        await until(lambda: self.connection.up and self.gateway.connected)

    async def cut(self):
        """Break the connection, and wait until it is noticed."""
        opened = self.connection.counts["opened"]
        self.gateway.cut()
        await until(lambda: self.connection.counts["opened"] > opened)
        await self.up()

    async def say(self, text, msgid=None, *, sender="zhangsan", group=None, **facts):
        """Say something; return the talk once it was answered."""
        msgid = msgid or f"auto{next(self.numbers)}"
        return await self.wecom.say(sender, text, msgid=msgid, group=group, **facts)

    async def turn(self, msgid):
        return await self.store.turns.by_message(msgid)

    async def reply(self, msgid):
        """The reply stream that the engine holds for a message's turn."""
        turn = await self.turn(msgid)
        return self.edge.replies.reply_to(
            turn.n,
            msgid,
            turn.chat,
            bubble=turn.bubble,
            received_at=turn.created_at,
            language="zh",
        )

    async def end(self, msgid, body="the answer", *, footer="✅ done", more="/result", files=()):
        """End a message's turn as the engine does; the delivery is due."""
        turn = await self.turn(msgid)
        at = self.clock()
        await self.store.turns.end(
            turn,
            state="done",
            outcome="answered",
            reason="",
            stopped_by="",
            answer=body,
            footer=footer,
            at=at,
            delivery=NewDelivery(turn.chat, turn.n, msgid, body, footer, more, at),
            files=[file_of(turn, path, at) for path in files],
        )

    async def delivery(self, msgid):
        return await self.store.deliveries.of_turn((await self.turn(msgid)).n)

    async def delivered(self, msgid, state="sent"):
        """Wait until a final answer is so; return it."""
        async with asyncio.timeout(20):
            while (delivery := await self.delivery(msgid)).state != state:  # noqa: ASYNC110 - the store rings no bell
                await asyncio.sleep(0.01)
        return delivery

    async def put_off(self, delivery, attempts=1):
        """Wait until a delivery (its id) was tried so often and waits for its next try; return it."""
        kept = await self.store.deliveries.get(delivery)
        async with asyncio.timeout(20):
            while kept.attempts < attempts or not (
                kept.state == "due" or kept.next_at > self.clock()
            ):
                await asyncio.sleep(0.01)
                kept = await self.store.deliveries.get(delivery)
        await until(lambda: not self.edge.posting)
        return kept

    async def tried(self, msgid, attempts, *, after=2 * MINUTE):
        """Wait until a final answer was tried so often; let the time of its next try come."""
        await self.put_off((await self.delivery(msgid)).id, attempts)
        self.clock.after(after)
        self.edge.parts.pushes.wake()

    async def finished(self, talk):
        """Wait until a bubble is finished; return what it shows."""
        await until(lambda: talk.bubble is not None and talk.bubble.finished)
        return talk.bubble.content

    def bubbles(self, talk):
        return list(talk.bubbles.values())

    @property
    def codes(self):
        return [one.code for one in self.wecom.violations]
