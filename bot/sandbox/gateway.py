"""The stand-in's end of the long connection: as strict as WeCom, and as moody when told so.

It refuses what WeCom refuses and keeps each refusal as a violation.
https://developer.work.weixin.qq.com/document/path/101463
"""

import asyncio
import contextlib
import hmac
import secrets
from collections import deque
from collections.abc import Callable
from typing import Literal

import orjson
from aiohttp import WSMessage, WSMsgType, web

from bot.clock import Clock
from bot.sandbox.book import Book, Item
from bot.sandbox.cipher import Refused
from bot.sandbox.gateway_bodies import credentials
from bot.sandbox.gateway_faults import Fault, Faults
from bot.sandbox.gateway_frames import (
    EVENT,
    FRAME_BYTES,
    MESSAGE,
    PING,
    PUSH,
    UPLOAD_CHUNK,
    UPLOAD_FINISH,
    UPLOAD_INIT,
    Excused,
    Frame,
    acknowledgement,
    callback,
    errcode_of,
    read_frame,
    refusal,
)
from bot.sandbox.gateway_handles import ANSWERED, Handles
from bot.sandbox.gateway_line import Line
from bot.sandbox.gateway_replies import GatewayReplies
from bot.sandbox.payloads import Origin, Payload
from bot.sandbox.rules import Reply
from bot.sandbox.talk import Talk
from bot.sandbox.timing import Timing
from bot.sandbox.uploads import Uploads

PATH = "/gateway"
TAPE = 10_000  # frames
CLOSE_S = 1.0
OWN = (PING, PUSH, UPLOAD_INIT, UPLOAD_CHUNK, UPLOAD_FINISH)  # requests with an id of their own

Recorded = tuple[Literal["client", "server"], Payload]
Taker = Callable[[Frame], Payload | None]


class Gateway:
    """Where one bot's client connects. ``tape``: every frame of both sides, if it is a list.

    ``subscribed``, ``pings``, ``lost``: how often a client came, asked, and was told nothing
    because there was none.
    """

    def __init__(self, bot_id: str, secret: str, timing: Timing, clock: Clock, book: Book) -> None:
        self.faults = Faults()
        self.tape: deque[Recorded] | None = None
        self.subscribed = 0
        self.pings = 0
        self.lost = 0
        self.uploads = Uploads(timing, clock)
        self._bot_id = bot_id
        self.secret = secret
        self._timing = timing
        self._clock = clock
        self._book = book
        self._handles = Handles(timing, clock)
        self.replies = GatewayReplies(book, self._handles, self.uploads, timing, clock)
        self._lines: set[Line] = set()
        self._line: Line | None = None
        self._takers: dict[str, Taker] = {
            PING: self._ping,
            UPLOAD_INIT: lambda frame: self.uploads.begin(frame.body),
            UPLOAD_CHUNK: lambda frame: self.uploads.take(frame.body),
            UPLOAD_FINISH: lambda frame: self.uploads.finish(frame.body),
            **self.replies.takers,
        }

    @property
    def connected(self) -> bool:
        """Whether a client has subscribed."""
        return self._line is not None

    async def until_connected(self, timeout_s: float = 30.0) -> None:
        """Wait until a client has subscribed."""
        await self._book.until(lambda: self.connected, timeout_s)

    def record(self) -> deque[Recorded]:
        """Begin to keep every frame of both sides."""
        self.tape = deque(maxlen=TAPE)
        return self.tape

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Hold a connection until one side ends it."""
        if self.faults.away:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(timeout=CLOSE_S, max_msg_size=FRAME_BYTES, compress=False)
        await socket.prepare(request)
        line = Line(socket, request)
        self._lines.add(line)
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(line.write())
                async for message in socket:
                    self._heard(line, message)
                writer.cancel()
        finally:
            self._lines.discard(line)
            self._gone(line)
        return socket

    # What it can be told to do

    def kick(self) -> None:
        """Do to the client what another one's subscription does."""
        if self._line is not None:
            self._dismiss(self._line)

    def cut(self) -> None:
        """Break the connection without a word."""
        for line in self._lines:
            line.cut()

    def freeze(self) -> None:
        """Let nothing pass any more on the connection that is, and tell nobody."""
        for line in self._lines:
            line.half_open = True

    def expire(self, bubble: Item) -> None:
        """End a stream before its time."""
        self.replies.expire(bubble)

    def forget(self, talk: Talk) -> None:
        """Know nothing any more of a message's request: what comes for it is refused (846605)."""
        self._handles.forget(talk)
        for bubble in talk.bubbles.values():
            self.replies.expire(bubble)

    # What people do

    async def carry(self, talk: Talk, copies: int) -> None:
        """Tell the client of a message and follow what it answers until it is finished or too old."""
        await self.hand_over(talk, copies)
        if talk.said.state != "delivered":
            return
        with contextlib.suppress(TimeoutError):
            await self._book.until(lambda: talk.answered, self._timing.answer_s)
        while _is_open(talk):  # another stream may have been opened meanwhile
            await talk.closed.wait()

    async def hand_over(self, talk: Talk, copies: int) -> None:
        """Send so many copies of a message; it is lost when nobody is there."""
        self.replies.wrote(talk)
        payload = talk.payload
        del payload["response_url"]
        for _ in range(copies):
            why = self._tell(MESSAGE, self._handles.message(talk), payload, talk.origin)
            talk.attempts.append(why or "ok")
            if not why:
                talk.said.state, talk.said.reason = "delivered", ""
            elif talk.said.state == "sending":
                talk.said.state, talk.said.reason = "undelivered", why
        self._book.touch(talk.said)

    async def event(
        self, origin: Origin, msgid: str, kind: str, facts: Payload | None
    ) -> Reply | None:
        """Tell the client of an event; return what it answers in time, if it takes an answer."""
        chat = origin.group or origin.member
        payload = origin.event(msgid, kind, facts, at_s=self._clock() // 1000)
        req_id, handle = self._handles.event(chat, msgid, kind, facts or {})
        if self._tell(EVENT, req_id, payload, origin) or kind not in ANSWERED:
            return None
        with contextlib.suppress(TimeoutError):
            await self._book.until(lambda: handle.reply is not None, self._timing.answer_s)
        return handle.reply

    def _tell(self, cmd: str, req_id: str, body: Payload, origin: Origin) -> str:
        """Send a callback; return why it is lost, or nothing."""
        why = ""
        if self._line is None:
            why = "not_connected"
        elif origin.group is not None and self.faults.mute_groups:
            why = "muted"
        elif self._line.half_open:
            why = "half_open"
        if why or self._line is None:
            self.lost += 1
            return why
        self._say(self._line, callback(cmd, req_id, body))
        return ""

    # What a client does

    def _heard(self, line: Line, message: WSMessage) -> None:
        if message.type is WSMsgType.ERROR:
            self._book.refuse(Refused("frame_too_large", str(message.data)))
        if line.deaf or message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
            return
        try:
            frame = read_frame(message.data)
        except Refused as exc:
            self._book.refuse(exc)
            self._say(line, refusal("", errcode_of(exc), exc.code))
            return
        if self.tape is not None:
            self.tape.append(("client", orjson.loads(message.data)))
        self._answer(line, frame)

    def _answer(self, line: Line, frame: Frame) -> None:
        fault = self.faults.of(frame.cmd)
        if fault == "lose":
            return
        answer = self._outcome(line, frame, fault)
        if fault == "cut":
            line.cut()
        elif fault == "drop":
            line.settled(frame.req_id)
        else:
            after_s = self._timing.ack_s + self.faults.slow_s
            last = not line.subscribed
            self._say(line, answer, after_s=after_s, answers=frame.req_id, last=last)

    def _outcome(self, line: Line, frame: Frame, fault: Fault | None) -> Payload:
        try:
            line.arrived(frame.req_id)
            if isinstance(fault, int):
                raise Excused("told_to", str(fault))
            return acknowledgement(frame.req_id, self._take(line, frame))
        except Refused as exc:
            if not isinstance(exc, Excused):
                self._book.refuse(exc, *self._about(frame))
            code = fault if isinstance(fault, int) else errcode_of(exc)
            return refusal(frame.req_id, code, f"{exc.code}: {exc.detail}")

    def _take(self, line: Line, frame: Frame) -> Payload | None:
        """Do what a frame wants; return what its answer says besides that it is done."""
        if not line.subscribed:
            self._subscribe(line, frame)
            return None
        if frame.cmd not in self._takers:
            raise Refused("cmd", f"no such command, or not now: {frame.cmd[:40]}")
        if frame.cmd in OWN:
            if frame.req_id in self._handles:
                raise Refused("req_id_reused", "that of a callback")
            line.own(frame.req_id)
        return self._takers[frame.cmd](frame)

    def _about(self, frame: Frame) -> tuple[str, str]:
        """Return chat and message that a frame is about."""
        chat = frame.body.get("chatid", "")
        return self._handles.about(frame.req_id) or (chat if isinstance(chat, str) else "", "")

    def _subscribe(self, line: Line, frame: Frame) -> None:
        bot_id, secret = credentials(frame)
        good = hmac.compare_digest(secret.encode(), self.secret.encode())
        if not good or bot_id != self._bot_id:
            raise Refused("bad_secret", "bot id or secret")
        if self._line is not None:
            self._dismiss(self._line)
        self._line = line
        line.own(frame.req_id)
        line.subscribed = True
        self.subscribed += 1
        self._book.changed()

    def _ping(self, _: Frame) -> None:
        self.pings += 1
        self._book.changed()

    def _dismiss(self, line: Line) -> None:
        """Tell a client that another has taken its place, and close."""
        payload: Payload = {
            "msgid": secrets.token_hex(16),
            "create_time": self._clock() // 1000,
            "aibotid": self._bot_id,
            "msgtype": "event",
            "event": {"eventtype": "disconnected_event"},
        }
        self._say(line, callback(EVENT, secrets.token_hex(12), payload), last=True)
        line.dismissed = True
        self._gone(line)

    def _gone(self, line: Line) -> None:
        if self._line is line:
            self._line = None
            self._book.changed()

    def _say(
        self,
        line: Line,
        frame: Payload,
        *,
        after_s: float = 0.0,
        answers: str = "",
        last: bool = False,
    ) -> None:
        if self.tape is not None:
            self.tape.append(("server", frame))
        line.put(frame, after_s=after_s, answers=answers, last=last)


def _is_open(talk: Talk) -> bool:
    return talk.bubble is not None and talk.bubble.state == "open"
