"""How the stand-in calls the service: sealed, over HTTP, with a time limit."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from bot.clock import Clock
from bot.sandbox.cipher import Cipher, Refused, Sealed
from bot.sandbox.payloads import Payload

HTTP_OK = 200


class NotAnswered(Exception):
    """No answer that counts; the message is a code: ``timeout``, ``connection`` or ``http_503``."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as it came."""

    status: int
    body: bytes


class Caller:
    """Calls one callback URL in the name of WeCom."""

    def __init__(self, url: str, cipher: Cipher, clock: Clock, receive_id: str = "") -> None:
        self.url = url
        self._receive_id = receive_id.encode()
        self._cipher = cipher
        self._clock = clock

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.close()

    @property
    def now_s(self) -> int:
        """The time as callbacks carry it."""
        return self._clock() // 1000

    def seal(self, plain: bytes) -> Sealed:
        """Seal something with a new nonce."""
        return self._cipher.seal(
            plain,
            timestamp=self.now_s,
            nonce=secrets.token_hex(8),
            receive_id=self._receive_id,
        )

    async def raw(
        self, method: str, query: Mapping[str, str], body: bytes | None, *, limit_s: float
    ) -> RawAnswer:
        """Send anything at all and return what comes back."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            async with (
                asyncio.timeout(limit_s),
                self._http.request(
                    method,
                    self.url,
                    params=query,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                ) as response,
            ):
                return RawAnswer(response.status, await response.read())
        except TimeoutError as exc:
            raise NotAnswered("timeout") from exc
        except aiohttp.ClientError as exc:
            raise NotAnswered("connection") from exc

    async def post(self, payload: Payload, *, limit_s: float) -> bytes:
        """Send a callback; return the plain text of its answer, empty for none."""
        sealed = self.seal(json.dumps(payload, ensure_ascii=False).encode())
        answer = await self.raw("POST", sealed.query, sealed.body, limit_s=limit_s)
        if answer.status != HTTP_OK:
            raise NotAnswered(f"http_{answer.status}")
        if not answer.body:
            return b""
        return self._cipher.open_reply(answer.body, nonce=sealed.nonce, now_s=self.now_s)

    async def verify(self, *, limit_s: float) -> None:
        """Check the URL as WeCom does when an administrator saves it; ``Refused`` when it fails."""
        echo = str(secrets.randbelow(10**19)).encode()
        sealed = self.seal(echo)
        query = {**sealed.query, "echostr": sealed.encrypt}
        try:
            answer = await self.raw("GET", query, None, limit_s=limit_s)
        except NotAnswered as exc:
            raise Refused("verify", str(exc)) from exc
        if answer.status != HTTP_OK:
            raise Refused("verify", f"http_{answer.status}")
        if answer.body != echo:
            raise Refused("verify", "the answer must be the plain text, byte for byte")
