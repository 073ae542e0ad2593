"""An application's callback: verify the URL, receive messages and events of its members.

https://developer.work.weixin.qq.com/document/path/90238
"""

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from bot.background import Background
from bot.cards import Update
from bot.clock import Clock
from bot.fitting import size
from bot.messages import InboundMessage, PlatformEvent
from bot.outbox import with_prefix
from bot.texts import Language
from bot.texts import delivery as texts
from handlers.platform import Acceptor, Opening
from handlers.wecom.app import markup
from handlers.wecom.app.app_wire import APP, AppWire, response_code_of
from handlers.wecom.app.outlet import AppOutlet
from handlers.wecom.app.parts import CONTENT_BYTES, first_part, plain
from handlers.wecom.bubbles import stream_of
from handlers.wecom.door import Door
from handlers.wecom.envelope import Envelope
from handlers.wecom.incoming import ACCEPT_S, UNABLE, Refused, Seal
from handlers.wecom.pushes import Pushes
from handlers.wecom.wire import UNSUPPORTED, Ignored
from store import Store
from store.crashpoints import crashpoint

log = structlog.get_logger()

PATH = "/wecom/app"
REMEMBER_MS = 60_000  # an answer: WeCom's repeats end within 20 s


Inbound = InboundMessage | PlatformEvent | Ignored


@dataclass(frozen=True, slots=True)
class Ways:
    """What an application answers by: its key, the pushes for what is too long, the store."""

    key: bytes
    pushes: Pushes
    outlet: AppOutlet
    store: Store
    background: Background


@dataclass(slots=True)
class Arrival:
    """The first copy of a message or an event; the others wait for it and get its answer."""

    answer: str | None = None
    kept: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)


class AppCallback:
    """Answers WeCom within its five seconds, and only with what is on the disk."""

    def __init__(
        self,
        envelope: Envelope,
        reader: AppWire,
        accept: Acceptor,
        ways: Ways,
        clock: Clock,
        language: Language,
        corp_id: str,
    ) -> None:
        self._envelope = envelope
        self._accept = accept
        self._ways = ways
        self._clock = clock
        self._language = language
        self._corp_id = corp_id
        self._arrivals: dict[str, Arrival] = {}
        self._forgotten_from: deque[tuple[int, str]] = deque()
        self.door: Door[Inbound] = Door(
            *(APP, PATH, envelope),
            unwrap=markup.ciphertext,
            parse=reader.parse,
            answer=self._answer,
            store=ways.store,
            clock=clock,
        )
        self.counts = self.door.counts

    async def _answer(self, inbound: Inbound, _: Seal, now: int) -> web.Response:
        """Answer; what is said is sealed with a nonce of our own."""
        words = await self._words(inbound)
        if not words or isinstance(inbound, Ignored):
            return web.Response()
        return self._sealed(words, to=inbound.sender, now_s=now // 1000)

    def _sealed(self, words: str, *, to: str, now_s: int) -> web.Response:
        reply = markup.text_reply(words, to=to, corp_id=self._corp_id, at_s=now_s)
        encrypted = self._envelope.encrypt(reply)
        timestamp, nonce = b"%d" % now_s, secrets.token_hex(8).encode()
        signature = self._envelope.sign(timestamp, nonce, encrypted)
        return web.Response(
            body=markup.shell(encrypted, signature, timestamp, nonce), content_type="text/xml"
        )

    async def _words(self, inbound: Inbound) -> str | None:
        """Return what is to be said at once; None or empty: nothing."""
        if isinstance(inbound, Ignored):
            self.counts["ignored"] += 1
            return None
        async with asyncio.timeout(ACCEPT_S):
            return await self._once(inbound)

    async def _once(self, inbound: InboundMessage | PlatformEvent) -> str | None:
        """Have it taken in once, however many copies of it come, and answer each alike."""
        self._forget()
        first = self._arrivals.get(inbound.id)
        if first is not None:
            await first.done.wait()
            if not first.kept:
                raise Refused(UNABLE, "first copy failed")
            self.counts["repeat"] += 1
            log.info("message.repeated", message=inbound.id)
            return first.answer
        arrival = self._arrivals[inbound.id] = Arrival()
        try:
            arrival.answer = await self._taken_in(inbound)
            arrival.kept = True
        finally:
            if arrival.kept:
                self._forgotten_from.append((self._clock() + REMEMBER_MS, inbound.id))
            else:
                del self._arrivals[inbound.id]
            arrival.done.set()
        return arrival.answer

    async def _taken_in(self, inbound: InboundMessage | PlatformEvent) -> str | None:
        if isinstance(inbound, PlatformEvent):
            return await self._event(inbound)
        stream = stream_of(self._ways.key, inbound.id)
        opening = await self._accept.accept(inbound, stream, may_stay_open=False)
        crashpoint("C04")
        self.counts["message"] += 1
        return None if opening is None else await self._opened(inbound, stream, opening)

    async def _opened(self, message: InboundMessage, stream: str, opening: Opening) -> str | None:
        """Say a message's opening at once if it is short, else as a message of its own.

        What is said is kept before: a copy that comes after a restart gets the same.
        """
        whole = with_prefix(opening.prefix, opening.markdown)
        words = plain(whole)
        await self._ways.store.inbox.show([(stream, whole, True)])
        if size(words) <= CONTENT_BYTES:
            return words
        at_once, later = (None, whole) if self._ways.outlet.up else first_part(words)
        if not await self._ways.store.deliveries.notices_of(message.id):
            await self._ways.pushes.notice(message.chat.key, message.id, later)
        return at_once

    async def _event(self, event: PlatformEvent) -> str | None:
        """Record an event; whoever opens the application is greeted once a day."""
        if event.click is not None:
            await self._click(event)
            return None
        known = event.kind == "enter_chat" and await self._ways.store.inbox.find(event.id)
        welcome = None if known else await self._accept.event(event)
        self.counts["event"] += 1
        if event.kind.startswith(UNSUPPORTED):
            return texts.UNSUPPORTED.say(self._language)
        return welcome if event.kind == "enter_chat" else None

    async def _click(self, event: PlatformEvent) -> None:
        """Have a press of a card decided; the card is put into another's place behind our back."""
        update = await self._accept.click(event)
        self.counts["click"] += 1
        if update is not None:
            self._ways.background.start(self._update(event, update), name=f"card of {event.id}")

    async def _update(self, event: PlatformEvent, update: Update) -> None:
        """Update a clicked card; where WeCom does not, say in words what it would show."""
        outlet, code = self._ways.outlet, response_code_of(event)
        outcome = await outlet.update_card(event.sender, code, update)
        if outcome.kind == "sent" or event.chat is None:
            return
        log.warning("card.unchanged", outcome=outcome.kind, cause=outcome.cause)
        words = "\n".join(filter(None, (f"**{update.card.title}**", update.card.about)))
        await self._ways.pushes.notice(event.chat.key, event.id, words)

    def _forget(self) -> None:
        now = self._clock()
        while self._forgotten_from and self._forgotten_from[0][0] <= now:
            self._arrivals.pop(self._forgotten_from.popleft()[1], None)
