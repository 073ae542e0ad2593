"""What the long connection takes as a reply, a push, a welcome and an updated card."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.sandbox.cipher import Refused
from bot.sandbox.gateway_frames import SUBSCRIBE, Frame
from bot.sandbox.payloads import Payload
from bot.sandbox.rules import CLICK, Reply, read_body

MEDIA = ("file", "image", "voice", "video")
TITLE_BYTES = 64  # of a video; other pages say 128
DESCRIPTION_BYTES = 512
GUESSED, DIRECT, GROUP = 0, 1, 2


@dataclass(frozen=True, slots=True)
class SentMedium:
    """A reply or a push that is an uploaded file."""

    kind: str
    media_id: str


def credentials(frame: Frame) -> tuple[str, str]:
    """Return bot id and secret of a subscription."""
    if frame.cmd != SUBSCRIBE:
        raise Refused("not_subscribed", f"{frame.cmd[:40]} before a subscription")
    return _word(frame.body, "bot_id"), _word(frame.body, "secret")


def read_response(body: Payload) -> Reply | SentMedium:
    """Read what answers a message."""
    reply = _content(body, "respond")
    if isinstance(reply, Reply) and reply.kind == "stream":
        if not reply.stream:
            raise Refused("stream_id", "each frame of a stream names it")
        if reply.images:
            raise Refused("items_on_connection", "msg_item is not supported here")
    return reply


def push_target(body: Payload) -> tuple[str, int]:
    """Return where a push goes, and whether that is said to be a member or a group; 0: a guess."""
    kind = body.get("chat_type", GUESSED)
    if type(kind) is not int or kind not in {GUESSED, DIRECT, GROUP}:
        raise Refused("chat_type", "1 for a member, 2 for a group, 0 for a guess")
    return _word(body, "chatid"), kind


def read_push(body: Payload, kind: int) -> Reply | SentMedium:
    """Read what comes to a member or a group without having been asked for."""
    return _content(body, "push" if kind == DIRECT else "push_group")


def read_welcome(body: Payload) -> Reply:
    """Read what greets whoever opened the chat."""
    return read_body(body, "enter_chat")


def read_card_update(body: Payload, task_id: str) -> Reply:
    """Read the card that takes the place of the one that was clicked."""
    reply = read_body(body, CLICK)
    if reply.card is None or reply.card.get("task_id") != task_id:
        raise Refused("task_id", "must be that of the click")
    return reply


def _content(body: Payload, situation: str) -> Reply | SentMedium:
    kind = body.get("msgtype")
    if kind not in MEDIA:
        return read_body(body, situation)
    piece = body.get(str(kind))
    if not isinstance(piece, dict):
        raise Refused("shape", f"{kind} must be an object")
    if kind == "video":
        _within(piece, "title", TITLE_BYTES)
        _within(piece, "description", DESCRIPTION_BYTES)
    return SentMedium(str(kind), _word(piece, "media_id"))


def _word(body: Mapping[str, object], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise Refused("shape", f"{key} must be a word")
    return value


def _within(piece: Mapping[str, object], key: str, limit: int) -> None:
    value = piece.get(key, "")
    if not isinstance(value, str) or len(value.encode(errors="replace")) > limit:
        raise Refused("shape", f"{key}: a string of at most {limit} bytes")
