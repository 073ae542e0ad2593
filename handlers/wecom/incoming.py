"""One callback request: its body and its query, read within limits; and what a refusal answers."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.clock import Clock
from bot.errors import BadEnvelope, Error

log = structlog.get_logger()

BODY_BYTES = 1024 * 1024
READ_S = 10.0
ACCEPT_S = 3.8  # WeCom gives up after 5 s, counted from its own sending
STALE_S = 600  # WeCom's own repeats end within seconds
ECHO_BYTES = 256
TELL_EVERY_MS = 1000  # between two log entries about refusals of one kind
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


class Refusals:
    """Answers what is refused, and tells the log of it: not more often than it can be read."""

    def __init__(self, channel: str, counts: Counter[str], clock: Clock) -> None:
        self._channel = channel
        self._counts = counts
        self._clock = clock
        self._told: dict[str, int] = {}

    def answer(self, status: int, reason: str) -> web.Response:
        """Answer with a bare status: the same for every envelope that we do not believe."""
        self._counts[f"refused {reason}"] += 1
        now = self._clock()
        if now - self._told.get(reason, 0) >= TELL_EVERY_MS:
            self._told[reason] = now
            log.warning(
                "callback.refused",
                channel=self._channel,
                status=status,
                reason=reason,
                total=self._counts[f"refused {reason}"],
            )
        response = web.Response(status=status)
        if status in {CROWDED, LATE, BROKEN}:
            response.force_close()
        return response


async def read(request: web.Request) -> bytes:
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


def seal_of(raw_path: str) -> Seal:
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


def echo(plaintext: bytes) -> bytes:
    """Return an echo. A message's signature holds here too: who kept one must not get it read."""
    if plaintext[:1] in {b"{", b"<", b""} or len(plaintext) > ECHO_BYTES:
        raise BadEnvelope("echo")
    return plaintext
