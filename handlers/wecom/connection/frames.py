"""The frames of the long connection: what we send, what comes, and what an error code asks for.

https://developer.work.weixin.qq.com/document/path/101463
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import orjson

from bot.errors import BadEnvelope

SUBSCRIBE = "aibot_subscribe"
PING = "ping"
MESSAGE = "aibot_msg_callback"
EVENT = "aibot_event_callback"
RESPOND = "aibot_respond_msg"
WELCOME = "aibot_respond_welcome_msg"
UPDATE = "aibot_respond_update_msg"
SEND = "aibot_send_msg"
UPLOAD_INIT = "aibot_upload_media_init"
UPLOAD_CHUNK = "aibot_upload_media_chunk"
UPLOAD_FINISH = "aibot_upload_media_finish"
DISCONNECTED = "disconnected_event"
REQ_ID_CHARS = 256
SINGLE, GROUP = 1, 2  # chat_type of a push

Json = Mapping[str, object]
Reaction = Literal[
    "done",
    "again",  # transient: the same may be tried again
    "wait",  # too often: not before a while
    "expired",  # this stream's time is over: another one, or a push
    "elsewhere",  # nothing can be said in answer any more: a push
    "subscribe",  # WeCom does not know this connection any more
    "stop",  # fatal: the bot is not let in
    "barred",  # fatal: it will never be taken in this conversation, or in this form
    "unclear",  # a code that nobody has described
]
REACTIONS: Mapping[int, Reaction] = {
    0: "done",
    -1: "again",  # the system is busy
    45009: "wait",  # called too often
    45033: "wait",  # too many calls at once
    846607: "wait",  # too much was sent to this conversation
    846605: "elsewhere",  # the request id is not known, or dead
    846608: "expired",  # the stream's time is over
    846609: "subscribe",  # not subscribed
    853000: "stop",  # the bot's id or its secret is wrong
    40001: "stop",  # a credential is wrong
    40008: "barred",  # this type of message is not taken
    40058: "barred",  # a parameter is wrong
    44004: "barred",  # the text is empty
    45002: "barred",  # the text is too long
    48002: "barred",  # the bot may not make this call
    93004: "barred",  # the bot is disabled
    93006: "barred",  # no such conversation
    93008: "barred",  # the bot is not in the group (any more)
}


@dataclass(frozen=True, slots=True)
class Request:
    """A frame of ours; WeCom answers it with its ``req_id``.

    ``point``: of the drill, passed once the frame has left and before its answer is read.
    """

    cmd: str
    req_id: str
    body: Json | None = None
    point: str = field(default="", compare=False)

    def encode(self) -> bytes:
        """Return it as it goes over the wire."""
        frame: dict[str, object] = {"cmd": self.cmd, "headers": {"req_id": self.req_id}}
        if self.body is not None:
            frame["body"] = self.body
        return orjson.dumps(frame)


@dataclass(frozen=True, slots=True)
class Ack:
    """WeCom's answer to a frame of ours."""

    req_id: str
    code: int
    message: str = ""
    body: Json = field(default_factory=dict)

    @property
    def reaction(self) -> Reaction:
        """What this answer asks us to do."""
        return reaction(self.code)


@dataclass(frozen=True, slots=True)
class Told:
    """A message or an event that WeCom brings; ``req_id`` is what an answer must name."""

    cmd: str
    req_id: str
    body: Json

    @property
    def event(self) -> str:
        """Which event it is; empty for a message."""
        event = self.body.get("event")
        name = event.get("eventtype") if isinstance(event, dict) else ""
        return name if isinstance(name, str) and self.cmd == EVENT else ""


def reaction(code: int) -> Reaction:
    """Return what an error code asks for: the only place that knows what codes mean."""
    return REACTIONS.get(code, "unclear")


def new_id(cmd: str, now: int) -> str:
    """Return a request id of our own: SDKs tell answers apart by the command in front."""
    return f"{cmd}_{now}_{secrets.token_hex(4)}"


def parse(raw: bytes | str) -> Ack | Told:
    """Read a frame. Raises BadEnvelope for what cannot be one."""
    try:
        frame: object = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise BadEnvelope("frame json") from exc
    if not isinstance(frame, dict):
        raise BadEnvelope("frame shape")
    req_id = _req_id(frame)
    body = frame.get("body", {})
    if not isinstance(body, dict):
        raise BadEnvelope("frame body")
    cmd = frame.get("cmd", "")
    if cmd:
        if not isinstance(cmd, str):
            raise BadEnvelope("frame cmd")
        return Told(cmd, req_id, body)
    code, message = frame.get("errcode"), frame.get("errmsg", "")
    if not isinstance(code, int):
        raise BadEnvelope("frame errcode")
    return Ack(req_id, code, message if isinstance(message, str) else "", body)


def subscribe(bot_id: str, secret: str, now: int) -> Request:
    """Return the first frame of a connection."""
    return Request(SUBSCRIBE, new_id(SUBSCRIBE, now), {"bot_id": bot_id, "secret": secret})


def ping(now: int) -> Request:
    """Return a heartbeat."""
    return Request(PING, new_id(PING, now))


def respond(req_id: str, body: Json) -> Request:
    """Return an answer to a message: a stream, a card, Markdown, a file."""
    return Request(RESPOND, req_id, body)


def stream(req_id: str, stream: str, content: str, *, finished: bool) -> Request:
    """Return the frame that shows ``content``, whole, in a bubble."""
    shown = {"id": stream, "finish": finished, "content": content}
    point = "C19s" if finished else ""
    return Request(RESPOND, req_id, {"msgtype": "stream", "stream": shown}, point)


def welcome(req_id: str, content: str) -> Request:
    """Return the greeting of who opened the chat; WeCom takes it within 5 s."""
    return Request(WELCOME, req_id, {"msgtype": "text", "text": {"content": content}})


def update_card(req_id: str, card: Json, members: tuple[str, ...] = ()) -> Request:
    """Return the card that takes the place of the clicked one; WeCom takes it within 5 s."""
    body: dict[str, object] = {"response_type": "update_template_card", "template_card": card}
    if members:
        body["userids"] = list(members)
    return Request(UPDATE, req_id, body)


def send(chat_id: str, *, group: bool, body: Json, now: int) -> Request:
    """Return a message that nobody asked for; ``body`` is its type and content."""
    chat_type = GROUP if group else SINGLE
    about = {"chatid": chat_id, "chat_type": chat_type, **body}
    return Request(SEND, new_id(SEND, now), about, "C19")


def markdown(content: str) -> Json:
    """Return the body of a Markdown message."""
    return {"msgtype": "markdown", "markdown": {"content": content}}


def _req_id(frame: Json) -> str:
    headers = frame.get("headers")
    req_id = headers.get("req_id", "") if isinstance(headers, dict) else ""
    if not isinstance(req_id, str) or not 0 < len(req_id) <= REQ_ID_CHARS:
        raise BadEnvelope("frame req_id")
    if not req_id.isprintable():
        raise BadEnvelope("frame req_id")
    return req_id
