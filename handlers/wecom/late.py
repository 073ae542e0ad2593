"""Posts one late answer to a ``response_url``: a single-use address that came with a message.

https://developer.work.weixin.qq.com/document/path/101138
"""

import asyncio
from collections.abc import Iterable
from typing import Literal

import httpx
import orjson

from bot.cards import Card
from bot.tls import trusted
from handlers.wecom.cards import message_body
from handlers.wecom.outcome import Outcome
from handlers.wecom.wire import markdown_body
from store.crashpoints import on_sent

HTTPS_PORT = 443
TIMEOUT_S = 10.0
ANSWER_BYTES = 64 * 1024
BUSY = -1  # WeCom: "system busy, try again"
# WeCom has no list of its own for these addresses: what its API says elsewhere is taken.
LIMITED = frozenset(
    {
        45009,  # called too often
        45033,  # too many calls at once
        846607,  # the bot has sent too much
    }
)
PERMANENT = frozenset(  # no other address would change it
    {
        40008,  # this type of message is not taken
        44004,  # the text is empty
        45002,  # the text is too long
        48002,  # the bot may not make this call
        50003,  # the application is disabled
        60020,  # this machine's address is not trusted
        93004,  # the bot is disabled
        93008,  # the bot is not in the group (any more)
    }
)
REDIRECT = 300
SERVER_ERROR = 500


class LateAnswers:
    """Brings Markdown to a ``response_url``, to WeCom's hosts only."""

    def __init__(self, hosts: Iterable[str], api_url: str) -> None:
        # A pattern such as `*.myqcloud.com` names stores that anybody can rent: good
        # enough to fetch a medium from, never to post an answer to.
        self._hosts = frozenset(host.lower() for host in hosts if "*" not in host)
        self._api = _origin(httpx.URL(api_url))
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
            verify=trusted(),
            http2=False,
        )

    def allows(self, address: str) -> bool:
        """Tell whether ``address`` is WeCom's: https on an exact host, or the origin of its API."""
        try:
            url = httpx.URL(address)
            if url.userinfo or not url.host:
                return False
            scheme, host, port = _origin(url)
        except (httpx.InvalidURL, ValueError):
            return False
        own = scheme == "https" and port == HTTPS_PORT and host in self._hosts
        return own or (scheme, host, port) == self._api

    async def post(self, address: str, markdown: str) -> Outcome:
        """Post once. After a doubt the same address may be tried again: it takes one answer only."""
        return await self._post(address, markdown_body(markdown))

    async def post_card(self, address: str, card: Card) -> Outcome:
        """Post a card in the stead of words; WeCom takes one in direct chats only."""
        return await self._post(address, message_body(card))

    async def _post(self, address: str, body: bytes) -> Outcome:
        assert self.allows(address), "only addresses that were checked"
        request = self._http.build_request(
            "POST",
            address,
            content=body,
            headers={"Content-Type": "application/json"},
            extensions=on_sent("C19"),
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
            return Outcome("unsent", type(exc).__name__)
        except (httpx.RequestError, TimeoutError) as exc:  # also what cannot be unpacked
            return Outcome("doubtful", type(exc).__name__)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._http.aclose()

    async def _send(self, request: httpx.Request) -> Outcome:
        response = await self._http.send(request, stream=True)
        try:
            if response.status_code >= SERVER_ERROR:
                return Outcome("doubtful", f"status {response.status_code}")
            if response.status_code >= REDIRECT:
                return Outcome("refused", f"status {response.status_code}")
            return _judge(await _read(response))
        finally:
            await response.aclose()


async def _read(response: httpx.Response) -> bytes:
    """Return the body, or as much as an answer of WeCom can have."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > ANSWER_BYTES:
            break
    return bytes(body)


def _judge(body: bytes) -> Outcome:
    try:
        answer: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Outcome("doubtful", "no JSON")
    code = answer.get("errcode") if isinstance(answer, dict) else None
    if code == 0:
        return Outcome("sent")
    if not isinstance(code, int) or code == BUSY:
        return Outcome("doubtful", f"errcode {code if code == BUSY else 'missing'}")
    return Outcome(_refusal(code), f"errcode {code}")


def _refusal(code: int) -> Literal["limited", "barred", "refused"]:
    if code in LIMITED:
        return "limited"
    return "barred" if code in PERMANENT else "refused"


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    default = HTTPS_PORT if url.scheme == "https" else 80
    return url.scheme, url.host.lower(), default if url.port is None else url.port
