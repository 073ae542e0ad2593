"""A service that runs already, where the one that is being set up will listen."""

import contextlib
from collections.abc import Mapping

import httpx
import orjson

from bot.doctor.scene import admin_token, url_of
from bot.setup.seen import Seen
from bot.tls import trusted
from config.settings import Settings

PATIENCE_S = 5.0


class Live:
    """Asks a running service for what it knows of itself."""

    def __init__(self, url: str, token: str, truth: Mapping[str, object]) -> None:
        self.url = url
        self.truth = truth
        self._token = token

    @property
    def before(self) -> Seen:
        """What had come when it was found."""
        return Seen.of(self.truth.get("platforms")).callbacks

    async def look(self) -> Seen:
        """Return what has come from WeCom by now; nothing while the service is away."""
        return Seen.of((await _truth(self.url, self._token)).get("platforms"))


async def find_live(settings: Settings) -> Live | None:
    """Return the service that runs there, if it is ours: if it knows our admin token."""
    url, token = url_of(settings), admin_token(settings)
    truth = await _truth(url, token) if token else {}
    return Live(url, token, truth) if "platforms" in truth else None


async def _truth(url: str, token: str) -> Mapping[str, object]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL, ValueError):
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False, verify=trusted()) as http:
            answer = await http.get(f"{url}/admin/health", headers=headers)
        value = orjson.loads(answer.content) if answer.is_success else None
        return value if isinstance(value, dict) else {}
    return {}
