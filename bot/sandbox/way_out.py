"""The ``response_url``: one call within the hour, in plain JSON.

WeCom does not say which ``errcode`` it gives for a used or an expired address. The codes here
are the stand-in's own. https://developer.work.weixin.qq.com/document/path/101138
"""

import re
import secrets
from collections import deque
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from bot.clock import Clock
from bot.sandbox.book import Book
from bot.sandbox.cipher import Refused
from bot.sandbox.rules import Reply, read_reply
from bot.sandbox.talk import Talk

PATH = "/cgi-bin/aibot/response"
OK = 0
UNKNOWN_CODE = 860001
USED = 860002
EXPIRED = 860003
NOT_ACCEPTABLE = 860004
RUN = re.compile(r"([0-9a-f]{8})\.[\w-]+$")

Fault = Literal["lose_answer", "refuse_503"]


@dataclass(slots=True)
class Way:
    """One address and what became of it."""

    talk: Talk
    until: int
    used: bool = False
    lost: bool = False


class WaysOut:
    """Hands out addresses for late replies and takes the replies.

    ``faults`` are spent one a call: ``lose_answer`` takes the reply and cuts the connection,
    ``refuse_503`` answers 503 and takes nothing.
    """

    def __init__(self, life_s: float, clock: Clock, book: Book) -> None:
        self.faults: deque[Fault] = deque()
        self.calls = 0
        self._life_ms = int(life_s * 1000)
        self._clock = clock
        self._book = book
        self._ways: dict[str, Way] = {}
        self._run = secrets.token_hex(4)  # every code says which run of ours gave it out

    def issue(self, talk: Talk) -> str:
        """Return the path and query of a new address for late replies to a message."""
        code = f"{self._run}.{secrets.token_urlsafe(24)}"
        self._ways[code] = Way(talk, self._clock() + self._life_ms)
        return f"{PATH}?response_code={code}"

    async def serve(self, request: web.Request) -> web.Response:
        """Take a late reply, or say why not."""
        self.calls += 1
        fault = self.faults.popleft() if self.faults else None
        if fault == "refuse_503":
            raise web.HTTPServiceUnavailable
        response_code = request.query.get("response_code", "")
        way = self._ways.get(response_code)
        body = await request.read()
        if way is None and self._is_of_another_run(response_code):
            return web.json_response({"errcode": EXPIRED, "errmsg": "given out before the start"})
        code, message = self._call(way, request, body)
        if fault == "lose_answer" and way is not None and request.transport is not None:
            way.lost = True
            request.transport.abort()
        return web.json_response({"errcode": code, "errmsg": message})

    def _is_of_another_run(self, code: str) -> bool:
        """Tell whether a code is from before our start: we forgot it, the service did nothing wrong."""
        run = RUN.match(code)
        return run is not None and run[1] != self._run

    def _call(self, way: Way | None, request: web.Request, body: bytes) -> tuple[int, str]:
        if way is None:
            self._book.refuse(Refused("late_unknown", "no such response_code"))
            return UNKNOWN_CODE, "invalid response_code"
        if way.used:
            if not way.lost:  # who never read the first answer may ask again
                way.talk.refuse(Refused("late_used", "a response_url is for one call"))
            return USED, "response_code has been used"
        if self._clock() >= way.until:
            way.talk.refuse(Refused("late_expired", "a response_url lives for an hour"))
            return EXPIRED, "response_code has expired"
        way.used = True
        try:
            _take(way.talk, _late(request, body, way.talk))
        except Refused as exc:
            way.talk.refuse(exc)
            return NOT_ACCEPTABLE, f"{exc.code}: {exc.detail}"
        return OK, "ok"


def _late(request: web.Request, body: bytes, talk: Talk) -> Reply:
    if request.content_type != "application/json":
        raise Refused("late_content_type", request.content_type)
    reply = read_reply(body, "late_group" if talk.origin.group else "late")
    if reply is None:
        raise Refused("blank", "nothing to show")
    return reply


def _take(talk: Talk, reply: Reply) -> None:
    """Show a late reply; in a group it quotes what it answers."""
    item = talk.book.add(talk.chat, "late", "", reply.content)
    item.card, item.feedback = reply.card, reply.feedback
    item.quote = talk.said.content if talk.origin.group is not None else ""
    talk.late.append(item)
    talk.book.touch(item)
