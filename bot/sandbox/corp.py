"""A self-built application in the stand-in's corp: what people say to it, and what it says back."""

import asyncio
import secrets
from collections.abc import Iterator

from aiohttp import web

from bot.clock import Clock
from bot.sandbox import corp_xml
from bot.sandbox.book import Book, Item
from bot.sandbox.caller import HTTP_OK, Caller, NotAnswered
from bot.sandbox.cipher import Cipher, Refused
from bot.sandbox.corp_api import CorpApi
from bot.sandbox.payloads import MediaKind, Payload
from bot.sandbox.rules import Reply
from bot.sandbox.talk import Talk
from bot.sandbox.timing import Timing


class Corp:
    """Carries messages to the application's callback, and takes what it sends by the API."""

    def __init__(
        self, corp_id: str, agent_id: int, secret: str, cipher: Cipher, clock: Clock, book: Book
    ) -> None:
        self.corp_id, self.agent_id = corp_id, agent_id
        self.api = CorpApi(corp_id, agent_id, secret, clock, book)
        self.api.seen = self._seen
        self._cipher = cipher
        self._clock = clock
        self._book = book
        self._talks: dict[str, Talk] = {}  # of each member, the last one
        self._numbers = self._count()

    @property
    def routes(self) -> list[web.RouteDef]:
        """What the API answers to."""
        return self.api.routes

    def keep_medium(self, kind: MediaKind, name: str, content: bytes) -> Payload:
        """Put a file where the service may fetch it, and return what a message says about it."""
        piece = {"media_id": self.api.media.keep(kind, name, content)}
        return {"msgtype": kind, kind: piece | {"name": name} if kind == "file" else piece}

    def carrier(self, caller: Caller, timing: Timing) -> "CorpCarrier":
        """Return who brings messages to a callback."""
        return CorpCarrier(self, caller, timing)

    async def post(
        self, caller: Caller, member: str, elements: Payload, *, limit_s: float
    ) -> str | None:
        """Send a callback; return the words of its answer, None for an empty one."""
        plain = corp_xml.xml(
            {"ToUserName": self.corp_id, "FromUserName": member, "AgentID": self.agent_id}
            | elements
        )
        now_s, nonce = self._clock() // 1000, secrets.token_hex(8)
        sealed = self._cipher.seal(
            plain, timestamp=now_s, nonce=nonce, receive_id=self.corp_id.encode()
        )
        body = corp_xml.shell(sealed, self.corp_id, self.agent_id)
        answer = await caller.raw("POST", sealed.query, body, limit_s=limit_s)
        if answer.status != HTTP_OK:
            raise NotAnswered(f"http_{answer.status}")
        if not answer.body:
            return None
        plain = self._cipher.open_xml_reply(
            corp_xml.read(answer.body), now_s=now_s, receive_id=self.corp_id.encode()
        )
        return corp_xml.read_text(plain, to=member, corp_id=self.corp_id)

    def message(self, talk: Talk) -> Payload:
        """Return a message's elements, the same for each repeat."""
        self._talks[talk.origin.member] = talk
        created = talk.said.at // 1000
        return {"CreateTime": created, "MsgId": talk.msgid} | corp_xml.message(talk.content)

    def event(self, kind: str, facts: Payload | None) -> Payload:
        """Return an event's elements."""
        return {"CreateTime": self._clock() // 1000} | corp_xml.event(kind, facts or {})

    def new_id(self) -> str:
        """Return the id of a message, a number as WeCom gives them."""
        return str(next(self._numbers))

    def _seen(self, item: Item) -> None:
        """Put a message of the application beside what its member said last."""
        talk = self._talks.get(item.chat)
        if talk is not None:
            talk.late.append(item)
            self._book.touch(item)

    def _count(self) -> Iterator[int]:
        number = self._clock() * 1000
        while True:
            number += 1
            yield number


class CorpCarrier:
    """Hands messages over: again when nobody answers, three times at most; there is no stream."""

    def __init__(self, corp: Corp, caller: Caller, timing: Timing) -> None:
        self._corp = corp
        self._caller = caller
        self._timing = timing

    async def carry(self, talk: Talk, copies: int) -> None:
        """Hand a message over; its answer is all that belongs to it."""
        await self.hand_over(talk, copies)

    async def hand_over(self, talk: Talk, copies: int) -> None:
        """Send so many copies of a message at once, each as often as it takes."""
        async with asyncio.TaskGroup() as group:
            for _ in range(copies):
                group.create_task(self._attempts(talk))
        if talk.said.state == "sending":
            talk.said.state = "unanswered"
            talk.said.reason = talk.attempts[-1]
        talk.answered = True
        talk.book.touch(talk.said)

    async def event(self, member: str, kind: str, facts: Payload | None) -> Reply | None:
        """Tell the service of an event, once; return the words that it answers."""
        elements = self._corp.event(kind, facts)
        words = await self._corp.post(self._caller, member, elements, limit_s=self._timing.answer_s)
        return None if words is None else Reply("text", content=words)

    async def _attempts(self, talk: Talk) -> None:
        loop = asyncio.get_running_loop()
        left = self._timing.retries
        while True:
            began = loop.time()
            outcome = await self._attempt(talk)
            talk.attempts.append(outcome)
            if outcome in {"ok", "refused"} or left == 0:
                return
            left -= 1
            await asyncio.sleep(max(0.0, began + self._timing.retry_after_s - loop.time()))

    async def _attempt(self, talk: Talk) -> str:
        elements = self._corp.message(talk)
        try:
            words = await self._corp.post(
                self._caller, talk.origin.member, elements, limit_s=self._timing.answer_s
            )
        except NotAnswered as exc:
            return str(exc)
        except Refused as exc:
            talk.refuse(exc)
            return "refused"
        talk.said.state, talk.said.reason = "delivered", ""
        if words is not None:
            self._show(talk, words)
        talk.book.touch(talk.said)
        return "ok"

    def _show(self, talk: Talk, words: str) -> None:
        """Show an answer; WeCom takes the first one, and a repeat must say the same."""
        if talk.bubble is None:
            talk.bubble = talk.book.add(talk.chat, "bubble", "", words)
        elif talk.bubble.content != words:
            talk.refuse(Refused("repeat_other_answer", "a repeated message is answered alike"))
