"""The AI bot's callback: verify the URL, receive, answer polls.

https://developer.work.weixin.qq.com/document/path/101039
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.clock import Clock
from bot.errors import BadEnvelope, Error, StoreError
from bot.messages import InboundMessage, PlatformEvent
from bot.texts import Language
from bot.texts import delivery as texts
from handlers.platform import Acceptor
from handlers.wecom import wire
from handlers.wecom.bubbles import Bubble, Bubbles
from handlers.wecom.envelope import Envelope
from handlers.wecom.polls import Polls
from handlers.wecom.wire import Inbound, Poll, Wire
from store import Store
from store.crashpoints import crashpoint

log = structlog.get_logger()

PATH = "/wecom/bot"
BODY_BYTES = 1024 * 1024
READ_S = 10.0
ACCEPT_S = 3.8  # WeCom gives up after 5 s, counted from its own sending
STALE_S = 600  # its own repeats end within seconds
ECHO_BYTES = 256
TELL_EVERY_MS = 1000  # between two log entries about refusals of one kind
MAX_OPEN = 2  # WeCom holds a person's fourth message back while three are open
CROWDED = web.HTTPRequestEntityTooLarge.status_code
LATE = web.HTTPRequestTimeout.status_code
BROKEN = web.HTTPBadRequest.status_code
REFUSED = web.HTTPForbidden.status_code
UNABLE = web.HTTPServiceUnavailable.status_code


class Refused(Error):
    """This request gets a bare status; ``reason`` is a word for the log and the counters."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Seal:
    """The query of a callback: what its signature covers, beside the ciphertext."""

    signature: bytes
    timestamp: bytes
    nonce: bytes
    echo: bytes


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
        self._wire = reader
        self._dispatch = dispatch
        self._store = store
        self._bubbles = bubbles
        self._polls = polls
        self._clock = clock
        self._language = language
        self._arriving: dict[str, Arrival] = {}
        self._arriving_of: Counter[str] = Counter()
        self._told: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self.last_at = 0

    @property
    def routes(self) -> list[web.RouteDef]:
        """What the web application serves for it."""
        return [
            web.get(PATH, self.verify, allow_head=False),
            web.post(PATH, self.receive),
        ]

    async def verify(self, request: web.Request) -> web.Response:
        """Prove to WeCom that this URL holds the key: answer its echo, byte for byte."""
        try:
            seal = _seal(request.raw_path)
            plaintext = _echo(
                self._envelope.open(seal.signature, seal.timestamp, seal.nonce, seal.echo)
            )
        except BadEnvelope as exc:
            return self._refuse(REFUSED, str(exc))
        self.counts["verified"] += 1
        log.info("callback.verified")
        return web.Response(body=plaintext, content_type="text/plain")

    async def receive(self, request: web.Request) -> web.Response:
        """Take in one callback; the answer is sealed with the nonce of the request."""
        try:
            body = await _read(request)
            crashpoint("C01")
            seal = _seal(request.raw_path)
            plaintext = self._envelope.open(
                seal.signature, seal.timestamp, seal.nonce, wire.ciphertext(body)
            )
            now = self._clock()
            inbound = self._wire.parse(plaintext, now)
            if abs(now // 1000 - int(seal.timestamp)) > STALE_S:
                await self._only_known(inbound)
            self.last_at = now
            crashpoint("C02")
            encrypted_answer = await self._answer(inbound)
        except BadEnvelope as exc:
            return self._refuse(REFUSED, str(exc))
        except Refused as exc:
            return self._refuse(exc.status, exc.reason)
        except (StoreError, TimeoutError) as exc:
            return self._refuse(UNABLE, type(exc).__name__)
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
        if bubble.sealed is None or bubble.sealed[0] is not finished:
            body = wire.stream_body(bubble.stream, bubble.content, finished=finished)
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

    async def _only_known(self, inbound: Inbound) -> None:
        """Let an old request pass only if we took its message in when it was fresh."""
        if isinstance(inbound, InboundMessage | PlatformEvent):
            async with asyncio.timeout(ACCEPT_S):
                if await self._store.inbox.find(inbound.id) is not None:
                    return
        raise Refused(REFUSED, "stale")

    def _refuse(self, status: int, reason: str) -> web.Response:
        """Answer with a bare status: the same for every envelope that we do not believe."""
        self.counts[f"refused {reason}"] += 1
        now = self._clock()
        if now - self._told.get(reason, 0) >= TELL_EVERY_MS:
            self._told[reason] = now
            total = self.counts[f"refused {reason}"]
            log.warning("callback.refused", status=status, reason=reason, total=total)
        response = web.Response(status=status)
        if status in {CROWDED, LATE, BROKEN}:
            response.force_close()
        return response


async def _read(request: web.Request) -> bytes:
    """Return the body. Its size and its slowness have limits of their own here."""
    if (request.content_length or 0) > BODY_BYTES:
        raise Refused(CROWDED, "size")
    try:
        if request.content.is_eof():  # it came with the headers, as WeCom's small ones do
            return request.content.read_nowait()
        async with asyncio.timeout(READ_S):
            return await _read_on(request)
    except TimeoutError as exc:
        raise Refused(LATE, "slow") from exc
    except (HttpProcessingError, OSError) as exc:
        raise Refused(BROKEN, "cut off") from exc


async def _read_on(request: web.Request) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_BYTES:
            raise Refused(CROWDED, "size")
    return bytes(body)


def _seal(raw_path: str) -> Seal:
    """Read the query: each key once, percent-decoded once, a plus sign is a plus sign."""
    found: dict[str, bytes] = {}
    for pair in raw_path.partition("?")[2].split("&"):
        key, _, value = pair.partition("=")
        if key in found:
            raise BadEnvelope("query")
        found[key] = unquote_to_bytes(value) if "%" in value else value.encode()
    try:
        return Seal(
            found["msg_signature"],
            found["timestamp"],
            found["nonce"],
            found.get("echostr", b""),
        )
    except KeyError as exc:
        raise BadEnvelope("query") from exc


def _echo(plaintext: bytes) -> bytes:
    """Return an echo. A message's signature holds here too: who kept one must not get it read."""
    if plaintext[:1] in {b"{", b"<", b""} or len(plaintext) > ECHO_BYTES:
        raise BadEnvelope("echo")
    return plaintext
