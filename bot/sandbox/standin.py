"""A strict stand-in for WeCom: it meets the service by one of its channels, as WeCom does.

It refuses what WeCom refuses and keeps each refusal as a violation.
https://developer.work.weixin.qq.com/document/path/100719
"""

import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Self

from aiohttp import web

from bot.background import Background
from bot.clock import Clock, now_ms
from bot.sandbox import clicks, payloads, shelf, way_out, webhook
from bot.sandbox.book import PATIENCE_S, Book, Item, Violation
from bot.sandbox.caller import Caller, NotAnswered, RawAnswer
from bot.sandbox.cipher import Cipher, Refused
from bot.sandbox.conversation import Conversation
from bot.sandbox.corp import Corp, CorpCarrier
from bot.sandbox.gateway import PATH as GATEWAY
from bot.sandbox.gateway import Gateway
from bot.sandbox.payloads import MediaKind, Origin, Payload
from bot.sandbox.rules import CLICK, Reply, read_reply
from bot.sandbox.talk import Talk
from bot.sandbox.timing import Timing

OPEN_AT_ONCE = 3
THUMBS_DOWN = 2
WRONG = 3
"""WeCom's reason number for an answer that is wrong."""


class StandIn:
    """WeCom, as one AI bot's callback URL meets it. Use it as an async context manager.

    ``routes`` must be served under ``base_url``.
    """

    def __init__(  # noqa: PLR0913 - whom it calls, as whom, by which way and at whose pace
        self,
        callback_url: str,
        token: str,
        aes_key: str,
        bot_id: str = "aibSANDBOX",
        bot_name: str = "OpenCode",
        base_url: str = "",
        timing: Timing | None = None,
        *,
        channel: str = "callback",
        secret: str = "",
        corp_id: str = "",
        agent_id: int = 1000002,
        clock: Clock = now_ms,
    ) -> None:
        self.channel = channel
        self.bot_id = bot_id
        self.bot_name = bot_name
        self.base_url = base_url
        self.timing = timing or Timing()
        self.cipher = Cipher(token, aes_key)
        self.book = Book(clock)
        self.ways_out = way_out.WaysOut(self.timing.response_url_life_s, clock, self.book)
        self.shelf = shelf.Shelf(self.cipher, self.timing.media_life_s, clock)
        self.webhook = webhook.Webhook(self.book, clock)
        self._clock = clock
        self._talks: dict[str, Talk] = {}
        self._open: defaultdict[str, list[Talk]] = defaultdict(list)
        self._entered: dict[str, date] = {}
        receiver = corp_id if channel == "app" else ""
        self._caller = Caller(callback_url, self.cipher, clock, receiver)
        self._conversation = Conversation(self._caller, self.timing)
        self.corp = Corp(corp_id, agent_id, secret, self.cipher, clock, self.book)
        self._corp = self.corp.carrier(self._caller, self.timing)
        self.gateway = Gateway(bot_id, secret, self.timing, clock, self.book)
        self._background = Background()

    async def __aenter__(self) -> Self:
        await self._caller.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.gateway.cut()
        await self._background.close()
        await self._caller.__aexit__(kind, exc, trace)

    @property
    def callback_url(self) -> str:
        """Where the service takes callbacks."""
        return self._caller.url

    @callback_url.setter
    def callback_url(self, url: str) -> None:
        self._caller.url = url

    @property
    def routes(self) -> list[web.RouteDef]:
        """What WeCom's API and its storage answer to."""
        return [
            web.post(way_out.PATH, self.ways_out.serve),
            web.get(shelf.PATH, self.shelf.serve),
            web.get(GATEWAY, self.gateway.serve),
            web.post(webhook.PATH, self.webhook.serve),
            *self.corp.routes,
        ]

    @property
    def gateway_url(self) -> str:
        """Where the long connection goes."""
        return self.base_url.replace("http", "ws", 1) + GATEWAY

    async def hang_up(self, _: web.Application) -> None:
        """End every connection, as the application that serves us goes down."""
        self.gateway.cut()

    @property
    def _carrier(self) -> Conversation | Gateway | CorpCarrier:
        if self.channel == "app":
            return self._corp
        return self.gateway if self.channel == "connection" else self._conversation

    @property
    def violations(self) -> list[Violation]:
        """Everything that WeCom would have refused so far."""
        return self.book.violations

    @property
    def polling(self) -> bool:
        """Whether streams are asked for; off, as when everybody has left the chat."""
        return self._conversation.polling

    @polling.setter
    def polling(self, on: bool) -> None:
        self._conversation.polling = on

    async def say(
        self,
        member: str,
        words: str,
        *,
        group: str | None = None,
        msgid: str | None = None,
        quote: str | Talk | None = None,
        at: bool = True,
        copies: int = 1,
    ) -> Talk:
        """Send a text; return once the service answered it, or WeCom gave up.

        A ``msgid`` that was used before is WeCom's repeat of that message. ``copies`` go at once.
        """
        talk = self._talks.get(msgid or "")
        if talk is None:
            quoted = quote.text if isinstance(quote, Talk) else quote
            talk = self.begin(
                member,
                payloads.text(words),
                group=group,
                msgid=msgid,
                quote=payloads.text(quoted) if quoted else None,
                at=at,
                copies=copies,
            )
        elif talk.over:
            self._start(talk, copies)
        else:
            await self._carrier.hand_over(talk, copies)
        await self.answered(talk)
        return talk

    async def upload(
        self, member: str, kind: MediaKind, name: str, content: bytes, *, group: str | None = None
    ) -> Talk:
        """Send an image, a file or a video; return once the service answered it."""
        talk = self.begin(member, self.keep_medium(kind, name, content), group=group, name=name)
        await self.answered(talk)
        return talk

    def keep_medium(self, kind: MediaKind, name: str, content: bytes) -> Payload:
        """Put a file where the service may fetch it, and return what a message says about it."""
        if self.channel == "app":
            return self.corp.keep_medium(kind, name, content)
        if self.channel == "connection":
            path, key = self.shelf.put_with_key(name, content)
            return payloads.medium(kind, self.base_url + path, key)
        return payloads.medium(kind, self.base_url + self.shelf.put(name, content))

    def begin(
        self,
        member: str,
        content: Payload,
        *,
        group: str | None = None,
        msgid: str | None = None,
        quote: Payload | None = None,
        at: bool = True,
        copies: int = 1,
        name: str = "",
    ) -> Talk:
        """Send a message and return at once; the talk tells what becomes of it."""
        if group is not None and at:
            content = payloads.with_mention(content, self.bot_name)
        talk = Talk(
            self.book,
            Origin(self.bot_id, member, group),
            msgid or (self.corp.new_id() if self.channel == "app" else secrets.token_hex(16)),
            self.book.add(group or member, "said", member, payloads.words_of(content)),
            quote=quote,
            content=content,
        )
        talk.said.medium = name or payloads.medium_of(content)
        talk.said.quote = payloads.words_of(quote) if quote else ""
        talk.response_url = self.base_url + self.ways_out.issue(talk)
        self._talks[talk.msgid] = talk
        talk.said.reason = self._held_back(talk)
        if talk.said.reason:
            talk.said.state, talk.over = "undelivered", True
            self.book.touch(talk.said)
        else:
            self._start(talk, copies)
        return talk

    async def answered(self, talk: Talk, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the service answered a message, or WeCom gave up."""
        await self.book.until(lambda: talk.answered or talk.over, timeout_s)

    async def poll(self, talk: Talk) -> None:
        """Ask once how a stream goes on, whatever its state."""
        await self._conversation.poll(talk)

    async def enter(self, member: str) -> str | None:
        """Open the direct chat; the first time a day the service hears of it and may greet."""
        today = datetime.fromtimestamp(self._clock() / 1000, UTC).date()
        if self._entered.get(member) == today:
            return None
        self._entered[member] = today
        reply = await self.event(member, "enter_chat")
        if reply is None:
            return None
        item = self.book.add(member, "welcome", "", reply.content)
        item.card = reply.card
        return reply.content

    async def feedback(self, member: str, item: Item, thumbs: int, *, words: str = "") -> bool:
        """Judge an answer (1 good, 2 bad, 3 withdrawn); False when it has no feedback id."""
        if not item.feedback:
            return False
        item.thumbs = thumbs
        self.book.touch(item)
        facts: Payload = {"id": item.feedback, "type": thumbs}
        if thumbs == THUMBS_DOWN:
            facts |= {"content": words, "inaccurate_reason_list": [WRONG]}
        group = item.chat if item.chat != member else None
        await self.event(member, "feedback_event", facts, group=group)
        return True

    async def click(
        self, member: str, item: Item, key: str, *, ticked: Sequence[str] = ()
    ) -> Reply | None:
        """Press a button of a card, once; the service says how the card looks then."""
        facts = clicks.pressed(item, member, key, ticked)
        group = item.chat if item.chat != member else None
        of = (talk for talk in self._talks.values() if item is talk.bubble or item in talk.late)
        talk = next(of, None)
        url = self.base_url + self.ways_out.issue(talk) if talk else ""
        if self.channel == "app":  # which puts another card in its place by a call of its own
            facts["response_code"] = self.corp.api.code_for(item)
        reply = await self.event(member, CLICK, facts, group=group, response_url=url)
        if reply is not None and self.channel != "app":
            try:
                clicks.replaced(self.book, item, facts["task_id"], reply)
            except Refused as exc:
                self.book.refuse(exc, item.chat)
        return reply

    async def event(
        self,
        member: str,
        kind: str,
        facts: Payload | None = None,
        *,
        group: str | None = None,
        response_url: str = "",
    ) -> Reply | None:
        """Tell the service of an event, once; return what it answers."""
        origin, msgid = Origin(self.bot_id, member, group), secrets.token_hex(16)
        if self.channel == "connection":
            return await self.gateway.event(origin, msgid, kind, facts)
        payload = origin.event(msgid, kind, facts, at_s=self._clock() // 1000)
        payload |= {"response_url": response_url} if response_url else {}
        try:
            if self.channel == "app":
                return await self._corp.event(member, kind, facts)
            plain = await self._caller.post(payload, limit_s=self.timing.answer_s)
            return read_reply(plain, kind)
        except NotAnswered as exc:
            self.book.refuse(Refused("event_unanswered", str(exc)), group or member, msgid)
        except Refused as exc:
            self.book.refuse(exc, group or member, msgid)
        return None

    async def verify_url(self) -> bool:
        """Check the callback URL as WeCom does when an administrator saves it."""
        try:
            await self._caller.verify(limit_s=self.timing.verify_s)
        except Refused as exc:
            self.book.refuse(exc)
            return False
        return True

    async def send_raw(
        self,
        plain: bytes = b"{}",
        *,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> RawAnswer:
        """Send anything: ``plain`` sealed as it should be, with ``body`` or ``query`` in its stead."""
        sealed = self._caller.seal(plain)
        if body is None and method == "POST":
            body = sealed.body
        query = sealed.query if query is None else query
        return await self._caller.raw(method, query, body, limit_s=self.timing.answer_s)

    def transcript(self, chat: str) -> list[Item]:
        """Return what stands in a chat: a member's id, or a group's."""
        return self.book.of(chat)

    def _start(self, talk: Talk, copies: int) -> None:
        talk.said.state, talk.answered, talk.over = "sending", False, False
        self._open[talk.origin.member].append(talk)
        self._background.start(self._carry(talk, copies), name="sandbox.talk")

    async def _carry(self, talk: Talk, copies: int) -> None:
        try:
            await self._carrier.carry(talk, copies)
        finally:
            self._open[talk.origin.member].remove(talk)
            talk.over = True
            self.book.changed()

    def _held_back(self, talk: Talk) -> str:
        """Say why WeCom does not give a message to the bot, or nothing."""
        if talk.origin.group is not None and not payloads.fits_group(talk.content):
            return "not_in_groups"
        if talk.origin.group is not None and not payloads.mentions(talk.content, self.bot_name):
            return "not_mentioned"
        if sum(not one.over for one in self._open[talk.origin.member]) >= OPEN_AT_ONCE:
            return "too_many_open"
        return ""
