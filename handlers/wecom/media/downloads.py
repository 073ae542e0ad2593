"""Fetch what an AI bot's message points to: an address that is good for five minutes.

https://developer.work.weixin.qq.com/document/path/100719
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from http import HTTPStatus
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from bot.errors import MediaError
from bot.media import Download
from config.settings import Settings
from config.wecom import WeComSettings
from handlers.wecom.media.addresses import PublicOnly, checked
from handlers.wecom.media.disposition import name_of
from handlers.wecom.media.sealed import BLOCK, Unsealing, key_of
from store.records import AttachmentRecord

PIECE_BYTES = 1 << 18
CONNECT_S = 10.0
SILENT_S = 30.0
REDIRECT = 300
SERVER_ERROR = 500
PASSING = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


class Downloads:
    """Fetches media of the AI bot. ``keys`` are those of channels whose media bring none along."""

    def __init__(
        self,
        settings: WeComSettings,
        keys: Mapping[str, str],
        *,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._settings = settings
        self._own = URL(settings.api_url).origin()
        self._keys = keys
        self._resolver = resolver
        self._http: aiohttp.ClientSession | None = None

    @classmethod
    def of(cls, settings: Settings, callback: str) -> Self:
        """Return the downloads of a bot; the channel called ``callback`` has one key for all."""
        key = settings.wecom.bot.aes_key
        return cls(settings.wecom, {callback: key.get_secret_value()} if key else {})

    @contextlib.asynccontextmanager
    async def fetch(self, medium: AttachmentRecord, limit: int) -> AsyncIterator[Download]:
        """Open a medium of at most ``limit`` bytes. It and its pieces raise ``MediaError``."""
        key = key_of(medium.key or self._keys.get(medium.channel, ""))
        url = checked(medium.url, allows=self._settings.allows, own=self._own)
        with _as_our_errors():
            async with self._session().get(url, allow_redirects=False) as response:
                _must_be_good(response, limit)
                name = name_of(response.headers.get("Content-Disposition", ""))
                yield Download(name, _unsealed(response, Unsealing(key)))

    async def close(self) -> None:
        """Let go of every connection."""
        if self._http is not None:
            await self._http.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=PublicOnly(self._own, self._resolver), use_dns_cache=False
                ),
                timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_S, sock_read=SILENT_S),
                headers={"Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._http


def _must_be_good(response: aiohttp.ClientResponse, limit: int) -> None:
    """Refuse an answer that is not the medium, or is too much of it, before it is read."""
    status = response.status
    if status >= SERVER_ERROR or status in PASSING:
        raise MediaError("busy", again=True)
    if status != HTTPStatus.OK:
        raise MediaError("refused" if REDIRECT <= status < HTTPStatus.BAD_REQUEST else "gone")
    if (response.content_length or 0) > limit + BLOCK:
        raise MediaError("large")


async def _unsealed(response: aiohttp.ClientResponse, unsealing: Unsealing) -> AsyncIterator[bytes]:
    with _as_our_errors():
        async for piece in response.content.iter_chunked(PIECE_BYTES):
            if plain := unsealing.add(piece):
                yield plain
        if plain := unsealing.end():
            yield plain


@contextlib.contextmanager
def _as_our_errors() -> Iterator[None]:
    """Translate what the library raises; its words hold the address, which nobody may log."""
    try:
        yield
    except (aiohttp.ClientError, asyncio.IncompleteReadError, TimeoutError) as exc:
        raise MediaError("busy", again=True) from exc
