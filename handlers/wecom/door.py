"""The way in of a callback: what is WeCom's, whole and fresh gets through, all else a bare status.

https://developer.work.weixin.qq.com/document/path/90930
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog
from aiohttp import web

from bot.clock import Clock
from bot.errors import BadEnvelope, StoreError
from bot.messages import InboundMessage, PlatformEvent
from handlers.wecom.envelope import Envelope
from handlers.wecom.incoming import (
    ACCEPT_S,
    REFUSED,
    STALE_S,
    UNABLE,
    Refusals,
    Refused,
    Seal,
    echo,
    read,
    seal_of,
)
from store import Store
from store.crashpoints import crashpoint

log = structlog.get_logger()

T = TypeVar("T")


class Door(Generic[T]):
    """One callback URL. ``unwrap`` finds the ciphertext in a body, ``parse`` reads the plaintext.

    ``answer`` is given what came, the request's seal and the time in Unix milliseconds; it may
    raise ``Refused``, ``StoreError`` or ``TimeoutError``.
    """

    def __init__(
        self,
        channel: str,
        path: str,
        envelope: Envelope,
        *,
        unwrap: Callable[[bytes], bytes],
        parse: Callable[[bytes, int], T],
        answer: Callable[[T, Seal, int], Awaitable[web.Response]],
        store: Store,
        clock: Clock,
    ) -> None:
        self._channel = channel
        self._path = path
        self._envelope = envelope
        self._unwrap = unwrap
        self._parse = parse
        self._answer = answer
        self._store = store
        self._clock = clock
        self.counts: Counter[str] = Counter()
        self._refusals = Refusals(channel, self.counts, clock)
        self.last_at = 0

    @property
    def routes(self) -> list[web.RouteDef]:
        """What the web application serves for it."""
        return [
            web.get(self._path, self.verify, allow_head=False),
            web.post(self._path, self.receive),
        ]

    async def verify(self, request: web.Request) -> web.Response:
        """Prove to WeCom that this URL holds the key: answer its echo, byte for byte."""
        try:
            seal = seal_of(request.raw_path)
            opened = self._envelope.open(seal.signature, seal.timestamp, seal.nonce, seal.echo)
            plaintext = echo(opened)
        except BadEnvelope as exc:
            return self._refusals.answer(REFUSED, str(exc))
        self.counts["verified"] += 1
        log.info("callback.verified", channel=self._channel)
        return web.Response(body=plaintext, content_type="text/plain")

    async def receive(self, request: web.Request) -> web.Response:
        """Take in one callback, and answer it."""
        try:
            body = await read(request)
            crashpoint("C01")
            seal = seal_of(request.raw_path)
            plaintext = self._envelope.open(
                seal.signature, seal.timestamp, seal.nonce, self._unwrap(body)
            )
            now = self._clock()
            inbound = self._parse(plaintext, now)
            if abs(now // 1000 - int(seal.timestamp)) > STALE_S:
                await self._only_known(inbound)
            self.last_at = now
            crashpoint("C02")
            return await self._answer(inbound, seal, now)
        except BadEnvelope as exc:
            return self._refusals.answer(REFUSED, str(exc))
        except Refused as exc:
            return self._refusals.answer(exc.status, exc.reason)
        except (StoreError, TimeoutError) as exc:
            return self._refusals.answer(UNABLE, type(exc).__name__)

    async def _only_known(self, inbound: T) -> None:
        """Let an old request pass only if we took its message in when it was fresh.

        A press of a card is never repeated so late, and taken in again it would decide again.
        """
        pressed = isinstance(inbound, PlatformEvent) and inbound.click is not None
        if isinstance(inbound, InboundMessage | PlatformEvent) and not pressed:
            async with asyncio.timeout(ACCEPT_S):
                if await self._store.inbox.find(inbound.id) is not None:
                    return
        raise Refused(REFUSED, "stale")
