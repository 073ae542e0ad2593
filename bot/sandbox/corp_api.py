"""WeCom's API as one self-built application meets it: as strict, and as moody when told so.

It refuses what WeCom refuses and keeps each refusal as a violation.
https://developer.work.weixin.qq.com/document/path/90664
"""

import asyncio
import hmac
import secrets
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from bot.clock import Clock
from bot.sandbox.book import Book, Item
from bot.sandbox.card_rules import check_card
from bot.sandbox.cipher import Refused, json_object
from bot.sandbox.corp_media import CorpMedia
from bot.sandbox.corp_rules import Post, Wrong, read_post
from bot.sandbox.gateway_quota import Quota

MINUTE_MS = 60_000
TOKEN_S = 7200
TOKENS_A_MINUTE = 10  # more of them, and WeCom locks the caller out for a while
WRONG_SECRETS = 3
CODE_LIFE_MS = 72 * 60 * MINUTE_MS

Fault = int | Literal["lose_answer", "refuse_503", "hang", "no_json"]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Outdated(Wrong):
    """A token that was good once, or that nobody knows."""


@dataclass(slots=True)
class Faults:
    """How the API misbehaves, one fault a call: those of ``gettoken`` and those of all others.

    A number is the ``errcode`` that is answered, nothing being taken; ``lose_answer`` takes the call
    and cuts the connection, ``refuse_503`` takes nothing, ``hang`` waits until ``going_on`` is set.
    """

    calls: deque[Fault] = field(default_factory=deque)
    tokens: deque[Fault] = field(default_factory=deque)
    going_on: asyncio.Event = field(default_factory=asyncio.Event)


class CorpApi:
    """The API. ``seen`` is told of each message, ``token`` is the one that is good now.

    ``absent`` are members who are not there, ``unlicensed`` those who are and get nothing.
    """

    def __init__(self, corp_id: str, agent_id: int, secret: str, clock: Clock, book: Book) -> None:
        self.faults = Faults()
        self.media = CorpMedia(clock)
        self.absent: set[str] = set()
        self.unlicensed: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.seen: Callable[[Item], None] | None = None
        self.token_s = TOKEN_S
        self._corp_id, self._agent_id, self._secret = corp_id, agent_id, secret
        self._clock = clock
        self._book = book
        self.token, self._until = "", 0
        self._old: set[str] = set()
        self._fetched: deque[int] = deque(maxlen=TOKENS_A_MINUTE)
        self._wrong = 0
        self.quota = Quota(clock, "dropped")
        self._copies: dict[tuple[str, str], int] = {}
        self._codes: dict[str, tuple[Item, int]] = {}

    @property
    def routes(self) -> list[web.RouteDef]:
        """What there is to call."""
        return [
            web.get("/cgi-bin/gettoken", self._served(self._gettoken, self.faults.tokens)),
            web.post("/cgi-bin/message/send", self._called(self._send)),
            web.post("/cgi-bin/message/update_template_card", self._called(self._update)),
            web.post("/cgi-bin/media/upload", self._called(self._upload)),
            web.get("/cgi-bin/media/get", self._called(self._get)),
        ]

    def expire(self) -> None:
        """Let the token be of no use from now on; WeCom may do so at any time."""
        self._old.add(self.token)
        self.token, self._until = "", 0

    def _called(self, handler: Handler) -> Handler:
        """Check a call's token before it is made."""

        async def handle(request: web.Request) -> web.StreamResponse:
            self._check_token(request)
            return await handler(request)

        return self._served(handle, self.faults.calls)

    def _served(self, handler: Handler, faults: deque[Fault]) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            self.calls[request.path.rpartition("/cgi-bin/")[2]] += 1
            fault = faults.popleft() if faults else None
            if fault == "refuse_503":
                raise web.HTTPServiceUnavailable
            if fault == "no_json":
                return web.Response(text="<html>")
            if fault == "hang":
                await self.faults.going_on.wait()
            if isinstance(fault, int):
                return _answer(fault, "as told")
            response = await self._judged(handler, request)
            if fault == "lose_answer" and request.transport is not None:
                request.transport.abort()
            return response

        return serve

    async def _judged(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        """Let a call be made, or answer what is wrong with it and keep that."""
        try:
            return await handler(request)
        except Outdated as exc:  # nobody's fault: a token may end before its time
            return _answer(exc.errcode, str(exc))
        except Wrong as exc:
            self._book.refuse(exc)
            return _answer(exc.errcode, f"{exc.code}: {exc.detail}")
        except Refused as exc:
            self._book.refuse(exc)
            return _answer(40008, f"{exc.code}: {exc.detail}")

    async def _gettoken(self, request: web.Request) -> web.Response:
        secret = request.query.get("corpsecret", "")
        if not secret:
            raise Wrong(41004, "corpsecret", "is missing")
        if request.query.get("corpid") != self._corp_id:
            raise Wrong(40013, "corpid", "no such corp")
        if not hmac.compare_digest(secret.encode(), self._secret.encode()):
            return self._wrong_secret()
        now = self._clock()
        self._fetched.append(now)
        if len(self._fetched) == TOKENS_A_MINUTE and now - self._fetched[0] < MINUTE_MS:
            self._book.refuse(Refused("token_too_often", f"{TOKENS_A_MINUTE} in a minute"))
        if self._until <= now:
            self.token, self._until = secrets.token_urlsafe(64), now + self.token_s * 1000
        expires_in = (self._until - now) // 1000
        return _answer(0, "ok", access_token=self.token, expires_in=expires_in)

    def _wrong_secret(self) -> web.Response:
        """Answer a wrong secret. A mistake is no violation; going on with it is."""
        self._wrong += 1
        if self._wrong > WRONG_SECRETS:
            self._book.refuse(Refused("secret_loop", "WeCom would lock this address out"))
        return _answer(40001, "invalid credential")

    def _check_token(self, request: web.Request) -> None:
        token = request.query.get("access_token", "")
        if not token:
            raise Wrong(41001, "access_token", "belongs into the query")
        known = hmac.compare_digest(token.encode(), self.token.encode())
        old = any(hmac.compare_digest(token.encode(), one.encode()) for one in self._old)
        if old or (known and self._until <= self._clock()):
            raise Outdated(42001, "access_token")
        if not known:
            raise Outdated(40014, "access_token")

    async def _send(self, request: web.Request) -> web.Response:
        post = read_post(json_object(await request.read(), "not_json"), self._agent_id)
        if post.media_id:
            self.media.of(post.media_id, post.kind)
        missed = [one for one in post.to if one in self.absent]
        if len(missed) == len(post.to):
            return _answer(81013, "user & party & tag all invalid")
        unlicensed = [one for one in post.to if one in self.unlicensed]
        reached = [one for one in post.to if one not in {*missed, *unlicensed}]
        codes = [self._brought(one, post) for one in reached]
        return _answer(
            0,
            "ok",
            invaliduser="|".join(missed).lower(),
            unlicenseduser="|".join(unlicensed),
            msgid=secrets.token_hex(16),
            response_code=next(filter(None, codes), ""),
        )

    def _brought(self, member: str, post: Post) -> str:
        """Bring a message to one member, unless it is a copy or too much, which WeCom keeps quiet."""
        now, key = self._clock(), (member, post.sameness)
        if (
            post.copies_s
            and now - self._copies.get(key, -post.copies_s * 1000) < post.copies_s * 1000
        ):
            self.calls["copies"] += 1
            return ""
        self._copies[key] = now
        try:
            self.quota.check(member)
        except Refused as exc:
            self._book.refuse(exc, member)
            return ""
        self.quota.count(member)
        item = self._book.add(member, "late", "", post.content)
        item.card = post.card
        if post.media_id:
            item.medium = self.media.of(post.media_id).name
        self._book.touch(item)
        if self.seen is not None:
            self.seen(item)
        if post.kind != "template_card":
            return ""
        code = secrets.token_urlsafe(32)
        self._codes[code] = (item, now + CODE_LIFE_MS)
        return code

    def code_for(self, item: Item) -> str:
        """Return a code by which a clicked card may be updated, once."""
        code = secrets.token_urlsafe(32)
        self._codes[code] = (item, self._clock() + CODE_LIFE_MS)
        return code

    async def _update(self, request: web.Request) -> web.Response:
        body = json_object(await request.read(), "not_json")
        if body.get("agentid") != self._agent_id:
            raise Wrong(301002, "agentid", str(body.get("agentid"))[:40])
        item, until = self._codes.pop(str(body.get("response_code", "")), (None, 0))
        if item is None or until <= self._clock():
            raise Wrong(40008, "response_code", "is used up, or none")
        card, button, userids = body.get("template_card"), body.get("button"), body.get("userids")
        if not isinstance(userids, list) or not userids:
            raise Wrong(40003, "userids", "nobody is named")
        if isinstance(card, dict):
            check_card(card, updates=True)
        elif isinstance(button, dict) and button.get("replace_name") and item.card is not None:
            card = item.card | {"button_list": [{"text": button["replace_name"], "key": "-"}]}
        else:
            raise Wrong(40008, "update", "a card or a button")
        for member in userids:
            item.cards[str(member)] = card
        self._book.touch(item)
        return _answer(0, "ok", invaliduser=[])

    async def _upload(self, request: web.Request) -> web.Response:
        return _answer(0, "ok", **await self.media.upload(request))

    async def _get(self, request: web.Request) -> web.Response:
        return self.media.download(request)


def _answer(errcode: int, errmsg: str, **more: object) -> web.Response:
    return web.json_response({"errcode": errcode, "errmsg": errmsg, **more})
