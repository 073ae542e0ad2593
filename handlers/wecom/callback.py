"""The AI bot's callback: verify the URL, receive, answer polls.

https://developer.work.weixin.qq.com/document/path/101039
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import orjson
import structlog
from aiohttp import web

from bot.clock import Clock
from bot.messages import CALLBACK, InboundMessage, PlatformEvent
from bot.texts import Language
from bot.texts import delivery as texts
from handlers.platform import Acceptor
from handlers.wecom import cards, wire
from handlers.wecom.bubbles import Bubble, Bubbles
from handlers.wecom.door import Door
from handlers.wecom.envelope import Envelope
from handlers.wecom.incoming import ACCEPT_S, UNABLE, Refused, Seal
from handlers.wecom.polls import Polls
from handlers.wecom.wire import Inbound, Poll, Wire
from store import Store
from store.crashpoints import crashpoint

log = structlog.get_logger()

PATH = "/wecom/bot"
MAX_OPEN = 2  # WeCom holds a person's fourth message back while three are open


@dataclass(slots=True)
class Arrival:
    """The first copy of a message on its way into the store; other copies wait for it."""

    bubble: Bubble | None = None
    kept: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Callback:
    """Answers WeCom within its five seconds, and only with what is on the disk."""

    def __init__(
        self,
        envelope: Envelope,
        reader: Wire,
        dispatch: Acceptor,
        store: Store,
        bubbles: Bubbles,
        polls: Polls,
        clock: Clock,
        language: Language,
    ) -> None:
        self._envelope = envelope
        self._dispatch = dispatch
        self._bubbles = bubbles
        self._polls = polls
        self._language = language
        self._arriving: dict[str, Arrival] = {}
        self._arriving_of: Counter[str] = Counter()
        self.door: Door[Inbound] = Door(
            *(CALLBACK, PATH, envelope),
            unwrap=wire.ciphertext,
            parse=reader.parse,
            answer=self._sealed,
            store=store,
            clock=clock,
        )
        self.counts = self.door.counts

    async def _sealed(self, inbound: Inbound, seal: Seal, now: int) -> web.Response:
        """Answer; what is said is sealed with the nonce of the request."""
        encrypted_answer = await self._answer(inbound)
        if encrypted_answer is None:
            return web.Response()
        timestamp = b"%d" % (now // 1000)
        return web.Response(
            body=self._envelope.resign(encrypted_answer, timestamp, seal.nonce),
            content_type="application/json",
        )

    async def _answer(self, inbound: Inbound) -> bytes | None:
        """Return the ciphertext of the answer; None for an empty one."""
        if isinstance(inbound, Poll):
            return await self._poll(inbound.stream)
        if isinstance(inbound, InboundMessage):
            return await self._message(inbound)
        if isinstance(inbound, PlatformEvent):
            return await self._event(inbound)
        self.counts["ignored"] += 1
        return None

    async def _poll(self, stream: str) -> bytes:
        bubble = self._polls.at_once(stream)
        if bubble is None:
            bubble = await self._polls.settled(stream)
        if bubble is None:
            log.info("bubble.unknown")
            self.counts["poll_unknown"] += 1
            text = texts.UNKNOWN_BUBBLE.say(self._language)
            return self._envelope.encrypt(wire.stream_body(stream, text, finished=True))
        self.counts["poll"] += 1
        # Its end is told only once it is on the disk: what was seen stays seen.
        ended = bubble.finished and bubble.kept
        if ended:
            crashpoint("C17")
        return self._shown(bubble, finished=ended)

    def _shown(self, bubble: Bubble, *, finished: bool) -> bytes:
        """Seal what a bubble shows, or return the ciphertext while nothing has changed."""
        if bubble.card is not None and not finished:
            card, bubble.card = bubble.card, None
            body = cards.stream_body(bubble.stream, bubble.content, card)
            return self._envelope.encrypt(body)
        if bubble.sealed is None or bubble.sealed[0] is not finished:
            images = bubble.images if finished else ()
            body = wire.stream_body(bubble.stream, bubble.content, finished=finished, images=images)
            bubble.sealed = (finished, self._envelope.encrypt(body))
        return bubble.sealed[1]

    async def _message(self, message: InboundMessage) -> bytes | None:
        stream = self._bubbles.stream_of(message.id)
        bubble = self._bubbles.find(stream)
        async with asyncio.timeout(ACCEPT_S):
            if bubble is not None and bubble.loaded:
                return await self._repeated(message, bubble)
            bubble = await self._accepted(message, stream)
            return None if bubble is None else await self._kept(bubble)

    async def _repeated(self, message: InboundMessage, bubble: Bubble) -> bytes:
        """Answer a later copy with what its bubble shows; a final waits for a poll."""
        log.info("message.repeated", message=message.id, chat=message.chat.key)
        self.counts["repeat"] += 1
        return await self._kept(bubble)

    async def _kept(self, bubble: Bubble) -> bytes:
        """Show a bubble as it is; its last word only once it is on the disk."""
        if bubble.finished and not bubble.kept:
            await self._bubbles.save(bubble)
        return self._shown(bubble, finished=bubble.finished and bubble.kept)

    async def _accepted(self, message: InboundMessage, stream: str) -> Bubble | None:
        """Have the message accepted once, however many copies of it come at the same moment."""
        first = self._arriving.get(stream)
        if first is not None:
            self.counts["repeat"] += 1
            await first.done.wait()
            if not first.kept:
                raise Refused(UNABLE, "first copy failed")
            return first.bubble
        arrival = self._arriving[stream] = Arrival()
        sender = message.sender
        others = self._bubbles.open_of(sender) + self._arriving_of[sender]
        self._arriving_of[sender] += 1
        try:
            opening = await self._dispatch.accept(message, stream, may_stay_open=others < MAX_OPEN)
            crashpoint("C04")
            if opening is not None:
                arrival.bubble = self._bubbles.open(message, opening)
            arrival.kept = True
        finally:
            del self._arriving[stream]
            self._arriving_of[sender] -= 1
            if not self._arriving_of[sender]:
                del self._arriving_of[sender]
            arrival.done.set()
        self.counts["message"] += 1
        return arrival.bubble

    async def _event(self, event: PlatformEvent) -> bytes | None:
        if event.click is not None:
            return await self._click(event)
        async with asyncio.timeout(ACCEPT_S):
            welcome = await self._dispatch.event(event)
        self.counts["event"] += 1
        if event.kind.startswith(wire.UNSUPPORTED):
            stream = self._bubbles.stream_of(event.id)
            text = texts.UNSUPPORTED.say(self._language)
            return self._envelope.encrypt(wire.stream_body(stream, text, finished=True))
        if welcome is None or event.kind != "enter_chat":
            return None
        return self._envelope.encrypt(wire.text_body(welcome))

    async def _click(self, event: PlatformEvent) -> bytes | None:
        """Answer a press of a card with the card as it is then; WeCom asks once only."""
        async with asyncio.timeout(ACCEPT_S):
            update = await self._dispatch.click(event)
        self.counts["click"] += 1
        if update is None:
            return None
        return self._envelope.encrypt(orjson.dumps(cards.update_body(update)))
