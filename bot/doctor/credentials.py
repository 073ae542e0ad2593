"""Whether WeCom takes what was given: the long connection's id and secret, the application's secret.

https://developer.work.weixin.qq.com/document/path/101463
https://developer.work.weixin.qq.com/document/path/91039
"""

import asyncio
import secrets
from collections.abc import Mapping

import aiohttp
import httpx
import orjson

from bot.clock import now_ms
from bot.doctor.asking import FAILURES, HEADERS, asking_directly, why

SUBSCRIBE = "aibot_subscribe"
ANSWER_S = 5.0
NO_API = "it answers {}, and not as WeCom's API does"
FRAME_BYTES = 1024 * 1024


class NotReached(Exception):
    """The address does not lead to WeCom; the message says why."""


async def reached(url: str) -> None:
    """Open a connection and close it, which disturbs nobody. Raises ``NotReached``."""
    await _asked(url, None)


async def subscribed(url: str, bot_id: str, secret: str) -> int:
    """Subscribe; return WeCom's ``errcode``, 0 when it lets the bot in. Raises ``NotReached``.

    WeCom knows one connection of a bot: whoever holds it is cut off.
    """
    return await _asked(url, {"bot_id": bot_id, "secret": secret})


async def token_code(api_url: str, corp_id: str, secret: str) -> int:
    """Ask for an application's token; return WeCom's ``errcode``, 0 when it gives one.

    Raises ``NotReached``. It must not be done again and again with a wrong secret.
    """
    query = {"corpid": corp_id, "corpsecret": secret}
    try:
        async with asking_directly() as http:
            answer = await http.get(f"{api_url}/cgi-bin/gettoken", params=query)
    except FAILURES as exc:
        raise NotReached(why(exc)) from exc
    return code_of(answer)


def code_of(answer: httpx.Response) -> int:
    """Return the ``errcode`` of an answer. Raises ``NotReached`` for what is no answer of WeCom's API."""
    told = _json(answer.content)
    if isinstance(told, dict) and ("errcode" in told or "access_token" in told):
        code = told.get("errcode", 0)
        if isinstance(code, int):
            return code
    raise NotReached(NO_API.format(answer.status_code))


async def _asked(url: str, body: Mapping[str, str] | None) -> int:
    timeout = aiohttp.ClientWSTimeout(ws_close=1.0)
    try:
        async with (
            asyncio.timeout(ANSWER_S),
            aiohttp.ClientSession(headers=HEADERS) as http,
            http.ws_connect(url, timeout=timeout, max_msg_size=FRAME_BYTES) as socket,
        ):
            return 0 if body is None else await _subscribe(socket, body)
    except aiohttp.WSServerHandshakeError as exc:
        raise NotReached(f"it answers {exc.status}, and speaks no WebSocket") from exc
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise NotReached(why(exc)) from exc


async def _subscribe(socket: aiohttp.ClientWebSocketResponse, body: Mapping[str, str]) -> int:
    req_id = f"{SUBSCRIBE}_{now_ms()}_{secrets.token_hex(4)}"
    frame = {"cmd": SUBSCRIBE, "headers": {"req_id": req_id}, "body": body}
    await socket.send_str(orjson.dumps(frame).decode())
    async for message in socket:
        answer: object = _json(message.data)
        headers = answer.get("headers") if isinstance(answer, dict) else None
        if isinstance(answer, dict) and isinstance(headers, dict) and "cmd" not in answer:
            code = answer.get("errcode", 0)
            if headers.get("req_id") == req_id and isinstance(code, int):
                return code
    raise NotReached("it was closed before the bot was let in")


def _json(data: object) -> object:
    try:
        return orjson.loads(data) if isinstance(data, str | bytes) else None
    except orjson.JSONDecodeError:
        return None
