"""How media of an application are had: by the id that stands where others have an address."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from bot.errors import MediaError, WeComError
from bot.media import Download
from handlers.wecom.app.api import CorpApi
from handlers.wecom.app.codes import OK, rule_of
from handlers.wecom.app.media import TOO_LARGE, fetch
from store.records import AttachmentRecord

TOO_OLD = 40007
AT_ONCE = 2  # each is in memory whole, for a moment twice
PASSING = frozenset({"again", "renew", "rest"})


class AppMedia:
    """Fetches media of an application. They are not encrypted, and live for three days."""

    def __init__(self, api: CorpApi) -> None:
        self._api = api
        self._at_once = asyncio.Semaphore(AT_ONCE)

    @contextlib.asynccontextmanager
    async def fetch(self, medium: AttachmentRecord, limit: int) -> AsyncIterator[Download]:
        """Fetch a medium of at most ``limit`` bytes. Raises ``MediaError``."""
        async with self._at_once:
            try:
                fetched = await fetch(self._api, medium.url, limit)
            except WeComError as exc:
                raise _failure(exc.code) from exc
            yield Download(fetched.name, _pieces(fetched.content))


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _failure(code: int) -> MediaError:
    if code in {TOO_OLD, TOO_LARGE}:
        return MediaError("gone" if code == TOO_OLD else "large")
    return MediaError("busy", again=code == OK or rule_of(code).reaction in PASSING)
