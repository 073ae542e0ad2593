"""Media as WeCom keeps them: encrypted, behind an address that dies after five minutes."""

import base64
import os
import secrets
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from bot.clock import Clock
from bot.sandbox.cipher import KEY_BYTES, Cipher

MEDIUM_BYTES = 100 * 1024 * 1024
PATH = "/cgi-bin/aibot/media/{medium}"


@dataclass(frozen=True, slots=True)
class Medium:
    """An uploaded file, encrypted."""

    name: str
    sealed: bytes
    until: int


class Shelf:
    """Keeps what people upload for as long as its address lives."""

    def __init__(self, cipher: Cipher, life_s: float, clock: Clock) -> None:
        self._cipher = cipher
        self._life_ms = int(life_s * 1000)
        self._clock = clock
        self._media: dict[str, Medium] = {}

    def put(self, name: str, content: bytes) -> str:
        """Keep a file; return the path of its address."""
        return self._keep(name, self._cipher.encrypt(content))

    def put_with_key(self, name: str, content: bytes) -> tuple[str, str]:
        """Keep a file under a key of its own; return the path of its address, and that key."""
        key = base64.b64encode(os.urandom(KEY_BYTES)).decode().rstrip("=")
        return self._keep(name, Cipher("", key).encrypt(content)), key

    def _keep(self, name: str, sealed: bytes) -> str:
        now = self._clock()
        self._media = {key: kept for key, kept in self._media.items() if kept.until > now}
        key = secrets.token_urlsafe(24)
        self._media[key] = Medium(name, sealed, now + self._life_ms)
        return PATH.format(medium=key)

    async def serve(self, request: web.Request) -> web.Response:
        """Hand out the ciphertext, as WeCom's storage does."""
        medium = self._media.get(request.match_info["medium"])
        if medium is None or medium.until <= self._clock():
            raise web.HTTPForbidden(text="AccessDenied: Request has expired")
        return web.Response(
            body=medium.sealed,
            content_type="application/octet-stream",
            headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(medium.name)}"},
        )
