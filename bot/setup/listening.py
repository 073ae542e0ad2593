"""Hear from WeCom while the service does not run: its verification request, and the first message."""

import asyncio
import contextlib
import errno
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from aiohttp import web

from bot.background import Background
from bot.cards import Update
from bot.clock import now_ms
from bot.doctor.asking import FAILURES, asking, why
from bot.doctor.wecom_codes import mend_in
from bot.errors import system_words
from bot.messages import InboundMessage, PlatformEvent
from bot.setup.live import Live
from bot.setup.seen import CONNECTION, PROVED, Seen
from bot.texts import language_of
from bot.texts import setup as texts
from config.settings import Settings
from handlers import wecom
from handlers.intake import Opening
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
    "corp id": "it is another corp's: the corp's id that was given here is not the one of that corp",
    "agent id": "it is another application's: the AgentId that was given here is another one",
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
    proved: set[str] = field(default_factory=set)
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
            ("WeCom's request", bool(self.proved - {CONNECTION})),
            ("the long connection", CONNECTION in self.proved),
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
            channel=message.channel,
            handle=message.handle,
        )
        await self._store.inbox.accept(inbound, None, None)
        self._heard.hear(Visitor(message.sender, message.chat.is_group))
        return Opening(text, finished=True)

    async def event(self, event: PlatformEvent) -> str | None:
        """Greet who opens the chat."""
        return texts.WELCOME.say("zh") if event.kind == "enter_chat" else None

    async def click(self, _: PlatformEvent) -> Update | None:
        """Leave a card of the service as it is: it does not run."""
        return None


class Door:
    """The channels as the service will have them, open while the wizard waits."""

    def __init__(self, edge: wecom.WeCom, url: str) -> None:
        self._edge = edge
        self.url = url
        self._mark = secrets.token_hex(8)

    async def look(self) -> Seen:
        """Return what has come by now."""
        return Seen.of(
            {
                wecom.CHANNELS[one.name]: one.facts | {"callbacks": one.counts}
                for one in self._edge.channels
            }
        )

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
    """Be what the service will be to WeCom; raises ``PortTaken``. Nothing that comes is kept."""
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="setup-"))
        store = await stack.enter_async_context(await open_store(f"{SQLITE}{folder}/setup.db"))
        background = Background()
        edge = wecom.build(settings, Doorkeeper(store, heard), store, background, now_ms)
        assert edge is not None, "a channel was chosen"
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
        await edge.recover()  # now it may connect
        yield door


async def wait_verified(
    door: Door | Live, before: Seen, heard: Heard, say: Say, limit_s: float
) -> None:
    """Wait until each channel has shown that it works, and tell of what fails.

    What was so ``before`` does not count. Raises ``TimeoutError``.
    """
    told: set[str] = set()
    async with asyncio.timeout(limit_s):
        while True:
            seen = await door.look()
            for words in _failures(seen, before):
                if words not in told:
                    told.add(words)
                    say(f"  {words}.")
            proved = seen.proved_since(before)
            for name in sorted(proved - heard.proved):
                say(f"  {PROVED[name]}")
            heard.proved |= proved
            if seen.proofs and heard.proved >= seen.proofs.keys():
                heard.verified = True
                return
            await asyncio.sleep(LOOK_S)


def _failures(seen: Seen, before: Seen) -> Iterator[str]:
    for reason, words in REASONS.items():
        name = f"refused {reason}"
        if seen.counts.get(name, 0) > before.counts.get(name, 0):
            yield f"A request has come, but {words}"
    for trouble in seen.troubles.values():
        yield "; ".join(
            filter(None, [f"The long connection is not up: {trouble}", mend_in(trouble)])
        )
