"""Takes in what the connection brings: WeCom says it once, so whatever fails here is told or kept."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace

import orjson
import structlog

from bot.background import Background
from bot.clock import Clock
from bot.errors import BadEnvelope, StoreBroken, StoreError
from bot.messages import InboundMessage, PlatformEvent
from bot.texts import Language
from bot.texts import delivery as texts
from handlers.platform import Acceptor, Opening
from handlers.wecom import cards, wire
from handlers.wecom.connection import frames
from handlers.wecom.connection.bubbles import Bubbles
from handlers.wecom.connection.frames import Json, Request, Told
from handlers.wecom.connection.hearing import Hearing
from handlers.wecom.connection.speaker import Conversation, Speaker
from handlers.wecom.wire import Inbound, Wire
from store import Store
from store.crashpoints import crashpoint

log = structlog.get_logger()

CONNECTION = "connection"  # what messages, turns and deliveries call this channel
MAX_OPEN = 2  # WeCom holds a person's fourth message back while three are open
AT_ONCE = 256  # messages that are being accepted; others wait in the socket
ENTER_CHAT = "enter_chat"


class Reception:
    """Of one conversation, messages are accepted in the order in which they came."""

    def __init__(
        self,
        reader: Wire,
        accept: Acceptor,
        store: Store,
        bubbles: Bubbles,
        speaker: Speaker,
        background: Background,
        clock: Clock,
        language: Language,
    ) -> None:
        self._wire = reader
        self._accept = accept
        self._store = store
        self._bubbles = bubbles
        self._speaker = speaker
        self._background = background
        self._clock = clock
        self._pace = speaker.pace
        self._language = language
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._turnstiles: dict[str, asyncio.Event] = {}
        self._arriving: set[str] = set()
        self._arriving_of: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.hearing = Hearing()
        self._taking = 0
        self.last_at = 0

    @property
    def busy(self) -> int:
        """How many messages and events are being taken in."""
        return self._taking

    async def told(self, told: Told) -> None:
        """Begin to take in what WeCom brings; waits only while too much is being taken in."""
        now = self.last_at = self._clock()
        try:
            inbound = self._wire.parse(_encoded(told.body), now)
        except BadEnvelope as exc:
            self.counts[f"refused {exc}"] += 1
            log.warning("connection.malformed", reason=str(exc))
            return
        await self._slots.acquire()
        self._taking += 1
        self._background.start(self._take(inbound, told.req_id), name=f"frame {told.cmd}")

    async def again(self, message: InboundMessage, stream: str) -> None:
        """Take in a message of the last run that was kept, and not answered."""
        await self._answer(message, stream)

    async def _take(self, inbound: Inbound, req_id: str) -> None:
        try:
            if isinstance(inbound, InboundMessage):
                message = replace(inbound, channel=CONNECTION, handle=req_id, reply_url="")
                self.hearing.hear(group=message.chat.is_group, at=message.received_at)
                await self._in_order(message)
            elif isinstance(inbound, PlatformEvent):
                await self._event(replace(inbound, channel=CONNECTION), req_id)
            else:
                self.counts["ignored"] += 1
        except StoreBroken:  # the process ends for it
            log.warning("event.unkept", error="StoreBroken")
        finally:
            self._taking -= 1
            self._slots.release()

    async def _in_order(self, message: InboundMessage) -> None:
        """Let the message before this one be accepted first, unless that takes long."""
        chat = message.chat.key
        before = self._turnstiles.get(chat)
        mine = self._turnstiles[chat] = asyncio.Event()
        try:
            if before is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pace.turnstile_s):
                        await before.wait()
            await self._message(message)
        finally:
            mine.set()
            if self._turnstiles.get(chat) is mine:
                del self._turnstiles[chat]

    async def _message(self, message: InboundMessage) -> None:
        if message.id in self._arriving or self._bubbles.find(message.id) is not None:
            self._repeated(message)
            return
        self._arriving.add(message.id)
        crashpoint("C02")
        try:
            if await self._known(message.id):
                self._repeated(message)
                return
            await self._answer(message, self._bubbles.stream_of(message.id))
        finally:
            self._arriving.discard(message.id)

    async def _answer(self, message: InboundMessage, stream: str) -> None:
        try:
            opening = await self._accepted(message, stream)
        except StoreError as exc:
            self.counts["unkept"] += 1
            log.warning("message.unkept", message=message.id, error=type(exc).__name__)
            self._bubbles.say(message, stream, texts.NOT_KEPT.say(self._language))
            return
        crashpoint("C04")
        self.counts["message"] += 1
        if opening is None:
            with contextlib.suppress(StoreError):  # so that a start does not look at it again
                await self._store.inbox.show([(stream, "", True)])
        else:
            self._bubbles.open(message, stream, opening)

    async def _accepted(self, message: InboundMessage, stream: str) -> Opening | None:
        """Have a message accepted; several times, as WeCom does not bring it again."""
        sender = message.sender
        others = self._bubbles.open_of(sender) + self._arriving_of[sender]
        self._arriving_of[sender] += 1
        try:
            for pause_s in self._pace.accept_again_s:
                try:
                    return await self._accept.accept(
                        message, stream, may_stay_open=others < MAX_OPEN
                    )
                except StoreBroken:
                    raise
                except StoreError:
                    await asyncio.sleep(pause_s)
            return await self._accept.accept(message, stream, may_stay_open=others < MAX_OPEN)
        finally:
            self._arriving_of[sender] -= 1
            if not self._arriving_of[sender]:
                del self._arriving_of[sender]

    async def _known(self, message: str) -> bool:
        """Tell whether a message was taken in before, and somebody was told so or works on it."""
        try:
            row = await self._store.inbox.find(message)
            if row is None:
                return False
            return row.finished or bool(row.shown) or await self._has_turn(message)
        except StoreError:
            return False

    async def _has_turn(self, message: str) -> bool:
        return await self._store.turns.by_message(message) is not None

    def _repeated(self, message: InboundMessage) -> None:
        log.info("message.repeated", message=message.id, chat=message.chat.key)
        self.counts["repeat"] += 1

    async def _event(self, event: PlatformEvent, req_id: str) -> None:
        if event.click is not None:
            await self._click(event, req_id)
            return
        try:
            welcome = await self._accept.event(event)
        except StoreError as exc:
            log.warning("event.unkept", kind=event.kind, error=type(exc).__name__)
            return
        self.counts["event"] += 1
        if event.kind.startswith(wire.UNSUPPORTED):
            stream = self._bubbles.stream_of(event.id)
            text = texts.UNSUPPORTED.say(self._language)
            await self._reply(event, frames.stream(req_id, stream, text, finished=True))
        elif welcome is not None and event.kind == ENTER_CHAT:
            await self._reply(event, frames.welcome(req_id, welcome))

    async def _click(self, event: PlatformEvent, req_id: str) -> None:
        """Answer a press of a card with the card as it is then; WeCom takes that once, within 5 s."""
        try:
            update = await self._accept.click(event)
        except StoreError as exc:
            log.warning("event.unkept", kind=event.kind, error=type(exc).__name__)
            return
        self.counts["click"] += 1
        if update is not None:
            await self._reply(event, Request(frames.UPDATE, req_id, cards.update_body(update)))

    async def _reply(self, event: PlatformEvent, request: Request) -> None:
        """Answer an event while WeCom still takes it."""
        chat = event.chat
        if chat is None:
            return
        left_s = self._pace.reply_s - (self._clock() - event.received_at) / 1000
        if left_s > 0:
            conversation = Conversation(chat.id, group=chat.is_group)
            await self._speaker.say(conversation, request, within_s=left_s)


def _encoded(body: Json) -> bytes:
    """Return a body as the callback would have brought it."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as exc:  # deeper than anything of WeCom's
        raise BadEnvelope("json") from exc
