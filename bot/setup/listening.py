"""Hear from WeCom while the service does not run: its verification request, and the first message."""

import asyncio
import contextlib
import errno
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from bot.background import Background
from bot.clock import now_ms
from bot.doctor.asking import FAILURES, asking, why
from bot.errors import system_words
from bot.messages import InboundMessage, PlatformEvent
from bot.setup.live import Live
from bot.texts import language_of
from bot.texts import setup as texts
from config.settings import Settings
from handlers.intake import Opening
from handlers.wecom.callback_channel import CallbackChannel, build_callback
from handlers.wecom.timing import Timing
from store import SQLITE, Store, open_store
from store.records import NewInbound

LOOK_S = 0.2
MAX_BODY_BYTES = 1024 * 1024
MARK = "X-Setup"
HEALTH = "/healthz"
REASONS = {
    "signature": "its signature does not fit: the Token in WeCom's page differs from the one here",
    "padding": "it cannot be opened: the EncodingAESKey in WeCom's page differs from the one here",
    "length": "it cannot be opened: the EncodingAESKey in WeCom's page differs from the one here",
    "receiver": "it cannot be opened: the EncodingAESKey in WeCom's page differs from the one here",
    "query": "its address lacks WeCom's parameters: a browser, or a proxy that cuts them off",
    "bot id": "it is another bot's: the bot id that was given here is not the one of that bot",
    "stale": "it is more than ten minutes old: this machine's clock is wrong",
}
Say = Callable[[str], None]


class PortTaken(Exception):
    """Nobody can listen there; the message says why."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who wrote to the bot."""

    sender: str
    in_group: bool


@dataclass(slots=True)
class Heard:
    """What has come so far; kept when the waiting is cut short."""

    verified: bool = False
    visitor: Visitor | None = None
    visited: asyncio.Event = field(default_factory=asyncio.Event)
    direct: asyncio.Event = field(default_factory=asyncio.Event)
    group: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, visitor: Visitor) -> None:
        """Note who wrote, the first one counts, and that such a chat reaches us."""
        self.visitor = self.visitor or visitor
        (self.group if visitor.in_group else self.direct).set()
        self.visited.set()

    @property
    def words(self) -> str:
        """Name what has come."""
        come = (
            ("WeCom's request", self.verified),
            ("a direct message", self.direct.is_set()),
            ("a group message", self.group.is_set()),
        )
        return ", ".join(name for name, has_come in come if has_come)


class Doorkeeper:
    """Takes messages in while there is no service: notes who wrote, and says so."""

    def __init__(self, store: Store, heard: Heard) -> None:
        self._store = store
        self._heard = heard

    async def accept(
        self, message: InboundMessage, stream: str, *, may_stay_open: bool
    ) -> Opening | None:
        """Note the sender; the message starts nothing."""
        del may_stay_open  # the answer is complete
        text = texts.HEARD.say(language_of(message.text) or "zh", sender=message.sender)
        inbound = NewInbound(
            message=message.id,
            chat=message.chat.key,
            sender=message.sender,
            kind="refused",
            name="",
            body="",
            stream=stream,
            shown=text,
            finished=False,
            reply_url="",
            received_at=message.received_at,
        )
        await self._store.inbox.accept(inbound, None, None)
        self._heard.hear(Visitor(message.sender, message.chat.is_group))
        return Opening(text, finished=True)

    async def event(self, event: PlatformEvent) -> str | None:
        """Greet who opens the chat."""
        return texts.WELCOME.say("zh") if event.kind == "enter_chat" else None


class Door:
    """The callback as the service will serve it, open while the wizard waits."""

    def __init__(self, edge: CallbackChannel, url: str) -> None:
        self._edge = edge
        self.url = url
        self._mark = secrets.token_hex(8)

    async def counts(self) -> Mapping[str, int]:
        """Return what came, by what became of it."""
        return self._edge.counts

    async def answer(self, _: web.Request) -> web.Response:
        """Show that it is this very program that an address leads to."""
        return web.Response(text="ok\n", headers={MARK: self._mark})

    async def reached_by(self, public_url: str) -> str:
        """Say what is wrong with the way to us; empty when it leads here."""
        try:
            async with asking(public_url) as http:
                answer = await http.get(f"{public_url}{HEALTH}")
        except FAILURES as exc:
            return f"there is no answer from here ({why(exc)})"
        if answer.headers.get(MARK) == self._mark:
            return ""
        return f"something else answers there (status {answer.status_code}), not {self.url}"


@contextlib.asynccontextmanager
async def opened_door(settings: Settings, heard: Heard) -> AsyncIterator[Door]:
    """Listen where the service will; raises ``PortTaken``. Nothing that comes is kept."""
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="setup-"))
        store = await stack.enter_async_context(await open_store(f"{SQLITE}{folder}/setup.db"))
        background = Background()
        edge = build_callback(
            settings, Doorkeeper(store, heard), store, background, now_ms, Timing()
        )
        stack.push_async_callback(edge.let_go)
        stack.push_async_callback(background.close)
        stack.push_async_callback(edge.close)
        host, port = settings.server.host, settings.server.port
        door = Door(edge, f"http://{host}:{port}")
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.add_routes(edge.routes)
        app.router.add_get(HEALTH, door.answer)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as exc:
            taken = exc.errno == errno.EADDRINUSE
            why = "something else listens there" if taken else system_words(exc)
            raise PortTaken(f"cannot listen on {host}:{port}: {why}") from exc
        yield door


async def wait_verified(
    door: Door | Live, first: Mapping[str, int], heard: Heard, say: Say, limit_s: float
) -> None:
    """Wait for one more of WeCom's requests than at ``first``, and tell of those that fail.

    Raises ``TimeoutError``.
    """
    told: set[str] = set()
    async with asyncio.timeout(limit_s):
        while True:
            counts = await door.counts()
            for reason, words in REASONS.items():
                name = f"refused {reason}"
                if counts.get(name, 0) > first.get(name, 0) and words not in told:
                    told.add(words)
                    say(f"  A request has come, but {words}.")
            if counts.get("verified", 0) > first.get("verified", 0):
                heard.verified = True
                return
            await asyncio.sleep(LOOK_S)
