"""The access token of an application: fetched when it is needed, by one at a time, kept in memory.

https://developer.work.weixin.qq.com/document/path/91039
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.clock import Clock
from handlers.wecom.app.said import Said
from store.crashpoints import crashpoint

EARLY_MS = 60_000  # before it expires
TOKEN_CHARS = 512


class NoToken(Exception):
    """There is none to be had; ``said`` is why."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.cause)
        self.said = said


@dataclass(frozen=True, slots=True)
class Token:
    """A token; ``number`` tells it from the one before, whose words may be the same."""

    number: int
    value: str
    until: int


class Tokens:
    """Hands out a token that is good for a moment at least."""

    def __init__(self, fetch: Callable[[], Awaitable[Said]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token = Token(0, "", 0)
        self._alone = asyncio.Lock()
        self._failures = 0
        self._failure: Said | None = None

    @property
    def until(self) -> int:
        """When the token expires that we have; 0 without one."""
        return self._token.until

    async def get(self, *, after: int = 0) -> Token:
        """Return a token, a newer one than number ``after``, which was refused. Raises NoToken.

        Whoever waited while another fetched one gets that, or the reason why there is none.
        """
        if self._good(after):
            return self._token
        failures = self._failures
        async with self._alone:
            if self._good(after):
                return self._token
            if self._failure is not None and self._failures != failures:
                raise NoToken(self._failure)
            await self._renew()
            return self._token

    def _good(self, after: int) -> bool:
        return self._token.number > after and self._clock() < self._token.until - EARLY_MS

    async def _renew(self) -> None:
        """Fetch one. Cancelled in between it leaves nothing behind: the next who waits fetches it."""
        said = await self._fetch()
        crashpoint("C22")
        value, life_s = said.body.get("access_token"), said.body.get("expires_in")
        if not isinstance(value, str) or not 0 < len(value) <= TOKEN_CHARS:
            self._failures += 1
            self._failure = said
            raise NoToken(said)
        self._failure = None
        life_ms = life_s * 1000 if isinstance(life_s, int) else 2 * EARLY_MS
        # A life shorter than our margin must not have us fetch one for each call.
        until = self._clock() + max(life_ms, 2 * EARLY_MS)
        self._token = Token(self._token.number + 1, value, until)
