"""What WeCom takes as an answer and what it refuses.

https://developer.work.weixin.qq.com/document/path/101031 and 101138
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from bot.sandbox.card_rules import check_card
from bot.sandbox.cipher import Refused, json_object

CONTENT_BYTES = 20_480
FEEDBACK_BYTES = 256
ITEMS = 10
ITEM_BYTES = 10 * 1024 * 1024
IMAGE_STARTS = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png"}

CLICK = "template_card_event"
THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)

ALLOWED: dict[str, tuple[str, ...]] = {
    "message": ("stream", "template_card", "stream_with_template_card"),
    "poll": ("stream", "stream_with_template_card"),
    "enter_chat": ("text", "template_card"),
    "late": ("markdown", "template_card"),
    "late_group": ("markdown",),
    "respond": ("stream", "template_card", "markdown"),
    "push": ("markdown", "template_card"),
    "push_group": ("markdown",),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that WeCom takes. ``content`` is the whole text so far.

    ``only`` are the members for whom a card takes another's place; empty: everybody.
    """

    kind: str
    content: str = ""
    stream: str = ""
    finish: bool = True
    feedback: str = ""
    images: tuple[str, ...] = ()
    card: dict[str, object] | None = None
    only: tuple[str, ...] = ()

    @property
    def blank(self) -> bool:
        """Whether a person would see nothing but the thinking animation."""
        return not THINKING.sub("", self.content).strip() and self.card is None


def read_reply(plain: bytes, situation: str) -> Reply | None:
    """Read an answer to what happened; None is the empty one. ``Refused`` says which rule it broke.

    ``situation`` is a key of ``ALLOWED``, or an event that takes no answer but the empty one.
    """
    if not plain:
        return None
    body = json_object(plain, "answer_not_json")
    return read_body(body, situation) if body else None


def read_body(body: dict[str, object], situation: str) -> Reply:
    """Read an answer that is an object already; the long connection has its own situations."""
    if situation == CLICK:
        return _update(body)
    kind = body.get("msgtype")
    if kind not in ALLOWED.get(situation, ()):
        raise Refused("msgtype", f"{str(kind)[:40]} is no answer to {situation}")
    card = _card(body) if kind in {"template_card", "stream_with_template_card"} else None
    if kind == "template_card":
        return Reply(kind, card=card)
    if kind in {"text", "markdown"}:
        return _words(body, str(kind))
    return _stream(_member(body, "stream"), str(kind), situation, card)


def _update(body: dict[str, object]) -> Reply:
    """Read the card that takes the place of one that was clicked."""
    kind = body.get("response_type")
    if kind != "update_template_card":
        raise Refused("response_type", "a click is answered by update_template_card")
    only = body.get("userids", [])
    if not isinstance(only, list) or not all(isinstance(one, str) and one for one in only):
        raise Refused("userids", "must be a list of ids")
    card = _card(body, updates=True)
    if not card.get("task_id"):
        raise Refused("card", "an updated card names the task_id of the click")
    return Reply(str(kind), card=card, only=tuple(only))


def _words(body: dict[str, object], kind: str) -> Reply:
    piece = _member(body, kind)
    reply = Reply(kind, content=_content(piece), feedback=_feedback(piece))
    if reply.blank:
        raise Refused("blank", "nothing to show")
    return reply


def _stream(
    stream: dict[str, object], kind: str, situation: str, card: dict[str, object] | None
) -> Reply:
    finish = stream.get("finish", False)
    if not isinstance(finish, bool):
        raise Refused("finish", "must be true or false")
    identity = stream.get("id", "")
    if not isinstance(identity, str) or (situation == "message" and not identity):
        raise Refused("stream_id", "the first answer must name its stream")
    return Reply(
        kind,
        content=_content(stream),
        stream=identity,
        finish=finish,
        feedback=_feedback(stream),
        images=_images(stream, finish=finish),
        card=card,
    )


def _member(body: dict[str, object], key: str) -> dict[str, object]:
    value = body.get(key)
    if not isinstance(value, dict):
        raise Refused("shape", f"{key} must be an object")
    return value


def _content(piece: dict[str, object]) -> str:
    content = piece.get("content", "")
    if not isinstance(content, str):
        raise Refused("shape", "content must be a string")
    try:
        size = len(content.encode())
    except UnicodeEncodeError as exc:
        raise Refused("content_not_utf8", "half a character") from exc
    if size > CONTENT_BYTES:
        raise Refused("content_too_long", f"{size} bytes, {CONTENT_BYTES} allowed")
    return content


def _feedback(piece: dict[str, object]) -> str:
    if "feedback" not in piece:
        return ""
    identity = _member(piece, "feedback").get("id", "")
    if not isinstance(identity, str):
        raise Refused("shape", "feedback.id must be a string")
    if len(identity.encode(errors="replace")) > FEEDBACK_BYTES:
        raise Refused("feedback_too_long", f"{FEEDBACK_BYTES} bytes allowed")
    return identity


def _images(stream: dict[str, object], *, finish: bool) -> tuple[str, ...]:
    items = stream.get("msg_item", [])
    if not isinstance(items, list):
        raise Refused("shape", "msg_item must be a list")
    if items and not finish:
        raise Refused("items_before_finish", "msg_item is for the last answer")
    if len(items) > ITEMS:
        raise Refused("too_many_items", f"{len(items)}, {ITEMS} allowed")
    return tuple(_image(item) for item in items)


def _image(item: object) -> str:
    """Return one image of a last answer as a data URL."""
    if not isinstance(item, dict) or item.get("msgtype") != "image":
        raise Refused("item_kind", "only images")
    image = _member(item, "image")
    try:
        raw = base64.b64decode(str(image.get("base64", "")), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Refused("item_base64", str(exc)) from exc
    if len(raw) > ITEM_BYTES:
        raise Refused("item_too_large", f"{len(raw)} bytes, {ITEM_BYTES} allowed")
    if image.get("md5") != hashlib.md5(raw, usedforsecurity=False).hexdigest():
        raise Refused("item_md5", "is not that of the bytes")
    for start, kind in IMAGE_STARTS.items():
        if raw.startswith(start):
            return f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"
    raise Refused("item_kind", "only JPG and PNG")


def _card(body: dict[str, object], *, updates: bool = False) -> dict[str, object]:
    card = _member(body, "template_card")
    check_card(card, updates=updates)
    _feedback(card)
    return card
