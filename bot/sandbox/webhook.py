"""A group's webhook as WeCom has it: what is not taken is answered with its code, and kept as a violation.

https://developer.work.weixin.qq.com/document/path/91770
"""

from collections import deque

import orjson
from aiohttp import web

from bot.clock import Clock
from bot.sandbox.book import Book, Item
from bot.sandbox.cipher import Refused

PATH = "/cgi-bin/webhook/send"
CHAT = "webhook"
KEY = "sandbox-webhook-key"
PER_MINUTE = 20
MINUTE_MS = 60_000
LIMITS = {"text": 2048, "markdown": 4096, "markdown_v2": 4096}  # bytes of the content
OK, BAD_TYPE, EMPTY, TOO_LONG, TOO_OFTEN, BAD_KEY = 0, 40008, 44004, 45002, 45009, 93000


class Webhook:
    """Takes what is pushed into its group. ``answers`` are codes that are given first, one a call.

    A code of 0 cuts the connection once the notice is shown: its answer is lost.
    """

    def __init__(self, book: Book, clock: Clock, key: str = KEY) -> None:
        self.answers: deque[int] = deque()
        self.calls = 0
        self._key = key
        self._book = book
        self._clock = clock
        self._taken: deque[int] = deque()

    @property
    def said(self) -> list[Item]:
        """Return what stands in the group."""
        return [item for item in self._book.of(CHAT) if item.kind == "late"]

    async def serve(self, request: web.Request) -> web.Response:
        """Take a notice, or say why not; WeCom does so with status 200."""
        self.calls += 1
        code = self.answers.popleft() if self.answers else None
        if code:
            return _answer(code, "as it was told")
        if request.query.get("key") != self._key:
            return self._refuse(BAD_KEY, "webhook_key", "invalid webhook url")
        try:
            content = _content(request, await request.read())
        except _NotTakenError as exc:
            return self._refuse(exc.code, "webhook_body", str(exc))
        if not self._may():
            return self._refuse(TOO_OFTEN, "webhook_often", "more than 20 a minute")
        self._book.add(CHAT, "late", "", content)
        if code == OK and request.transport is not None:
            request.transport.abort()
        return _answer(OK, "ok")

    def _may(self) -> bool:
        now = self._clock()
        while self._taken and self._taken[0] <= now - MINUTE_MS:
            self._taken.popleft()
        if len(self._taken) >= PER_MINUTE:
            return False
        self._taken.append(now)
        return True

    def _refuse(self, code: int, name: str, detail: str) -> web.Response:
        self._book.refuse(Refused(name, detail), CHAT)
        return _answer(code, detail)


class _NotTakenError(Exception):
    """A body that is not taken, with WeCom's code."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def _answer(code: int, detail: str) -> web.Response:
    return web.json_response({"errcode": code, "errmsg": detail})


def _content(request: web.Request, body: bytes) -> str:
    """Return what is to be shown, of the three kinds that have words."""
    if request.content_type != "application/json":
        raise _NotTakenError(BAD_TYPE, request.content_type)
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _NotTakenError(BAD_TYPE, "no JSON") from None
    kind = message.get("msgtype") if isinstance(message, dict) else None
    if kind not in LIMITS:
        raise _NotTakenError(BAD_TYPE, f"msgtype {kind}")
    held = message.get(kind)
    content = held.get("content") if isinstance(held, dict) else None
    if not isinstance(content, str) or not content.strip():
        raise _NotTakenError(EMPTY, "content is empty")
    if len(content.encode()) > LIMITS[kind]:
        raise _NotTakenError(TOO_LONG, f"content has {len(content.encode())} bytes")
    return content
