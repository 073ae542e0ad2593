"""The JSON inside the envelope: what WeCom says, and the bodies of our answers.

https://developer.work.weixin.qq.com/document/path/100719 (messages), 101027 (events),
101031 (answers in the callback), 101138 (the late answer)
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson
import pybase64

from bot.errors import BadEnvelope
from bot.messages import (
    Attachment,
    AttachmentKind,
    Chat,
    InboundMessage,
    Medium,
    PlatformEvent,
)
from handlers.wecom.cards import click_of
from handlers.wecom.mention import Mentions

PLATFORM = "wecom"
ID_CHARS = 256
URL_CHARS = 4096
STREAM_BYTES = 20_480  # of one bubble and of one late answer
UNSUPPORTED = "message."  # in front of a message type that we do not know
SYSTEM = "sys"  # a sender that is no person
MEDIA: Mapping[str, AttachmentKind] = {"image": "image", "file": "file", "video": "video"}

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Poll:
    """WeCom asks how a bubble stands."""

    stream: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing that anybody waits for."""


Inbound = InboundMessage | PlatformEvent | Poll | Ignored


@dataclass(frozen=True, slots=True)
class _Content:
    """A message's text and media, or those of what it quotes."""

    text: str = ""
    attachments: tuple[Attachment, ...] = ()


class Wire:
    """Reads plaintexts for one bot. Raises BadEnvelope for what cannot be WeCom's."""

    def __init__(self, *, bot_id: str, name: str, per_user: bool) -> None:
        self._bot_id = bot_id
        self._mentions = Mentions(name)
        self._per_user = per_user

    def parse(self, plaintext: bytes, at: int) -> Inbound:
        """Return what WeCom says; ``at`` is when it came, in Unix milliseconds."""
        body = load(plaintext)
        if self._bot_id and body.get("aibotid") != self._bot_id:
            raise BadEnvelope("bot id")
        kind = _text(body, "msgtype")
        sender = _id(_object(body, "from"), "userid", required=False)
        if sender == SYSTEM:
            return Ignored()
        if kind == "stream":
            return Poll(_id(_object(body, "stream"), "id"))
        if kind == "event":
            name = _id(_object(body, "event"), "eventtype")
            return self._event(body, plaintext, sender, name, at)
        content = _content(body, kind)
        if content is None:
            return self._event(body, plaintext, sender, f"{UNSUPPORTED}{kind[:ID_CHARS]}", at)
        return self._message(body, sender, content, at)

    def _event(self, body: Json, plaintext: bytes, sender: str, name: str, at: int) -> Inbound:
        return PlatformEvent(
            id=_id(body, "msgid"),
            kind=name,
            chat=self._chat(body, sender) if sender else None,
            sender=sender,
            body=plaintext.decode().replace("\0", ""),
            received_at=at,
            reply_url=_text(body, "response_url")[:URL_CHARS],
            click=click_of(_object(body, "event")),
        )

    def _message(self, body: Json, sender: str, content: _Content, at: int) -> Inbound:
        if not sender:
            raise BadEnvelope("sender")
        chat = self._chat(body, sender)
        quoted = _object(body, "quote")
        quote = _content(quoted, _text(quoted, "msgtype")) or _Content()
        message = InboundMessage(
            id=_id(body, "msgid"),
            chat=chat,
            sender=sender,
            text=self._mentions.off(content.text, group=chat.is_group),
            received_at=at,
            attachments=content.attachments + quote.attachments,
            quote=quote.text,
            reply_url=_text(body, "response_url")[:URL_CHARS],
        )
        return _quote_as_prompt(message)

    def _chat(self, body: Json, sender: str) -> Chat:
        group = _id(body, "chatid", required=False)
        kind = _text(body, "chattype") or ("group" if group else "single")
        if kind == "single":
            return Chat(PLATFORM, "direct", sender)
        if kind != "group" or not group:
            raise BadEnvelope("chat")
        return Chat(PLATFORM, "group", group, member=sender if self._per_user else "")


def load(raw: bytes) -> Json:
    """Return the JSON object in ``raw``; too deep, NaN, another type: BadEnvelope."""
    try:
        value: object = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise BadEnvelope("json") from exc
    if not isinstance(value, dict):
        raise BadEnvelope("json shape")
    return value


def ciphertext(body: bytes) -> bytes:
    """Return what a callback's body seals; the member's case differs between scenes."""
    sealed = load(body)
    encrypted = sealed.get("encrypt", sealed.get("Encrypt"))
    if not isinstance(encrypted, str):
        raise BadEnvelope("shape")
    return encrypted.encode()


def stream_body(
    stream: str, content: str, *, finished: bool, images: Sequence[Medium] = ()
) -> bytes:
    """Return the answer that shows ``content``, whole, in a bubble; images with its last word only."""
    shown: dict[str, object] = {"id": stream, "finish": finished, "content": content}
    if images:
        shown["msg_item"] = [_image(image.content) for image in images]
    return orjson.dumps({"msgtype": "stream", "stream": shown})


def _image(content: bytes) -> dict[str, object]:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return {
        "msgtype": "image",
        "image": {"base64": pybase64.b64encode_as_string(content), "md5": md5},
    }


def text_body(content: str) -> bytes:
    """Return a plain text, which WeCom takes as the answer to ``enter_chat`` only."""
    return orjson.dumps({"msgtype": "text", "text": {"content": content}})


def markdown_body(content: str) -> bytes:
    """Return the late answer that is posted, unsealed, to a ``response_url``."""
    return orjson.dumps({"msgtype": "markdown", "markdown": {"content": content}})


def _quote_as_prompt(message: InboundMessage) -> InboundMessage:
    """Take the quoted text for the prompt when the message itself is a mention and no more.

    The blank in front keeps it ordinary text: what somebody else wrote must never
    become a command of the person who quotes it.
    """
    if message.text.strip() or not message.quote.strip():
        return message
    return replace(message, text=f" {message.quote}", quote="")


def _content(body: Json, kind: str) -> _Content | None:
    """Return text and media of a message or quote; None when its type is unknown."""
    if kind in {"text", "voice"}:
        return _Content(_text(_object(body, kind), "content"))
    if kind in MEDIA:
        return _Content(attachments=tuple(_media(body, kind)))
    if kind == "mixed":
        return _mixed(body)
    return None


def _mixed(body: Json) -> _Content:
    items = _object(body, "mixed").get("msg_item")
    parts = [
        content
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict)
        and (kind := _text(item, "msgtype")) != "mixed"
        and (content := _content(item, kind)) is not None
    ]
    return _Content(
        "\n".join(part.text for part in parts if part.text),
        tuple(attachment for part in parts for attachment in part.attachments),
    )


def _media(body: Json, kind: str) -> Iterator[Attachment]:
    medium = _object(body, kind)
    # `pic_url`, `filename` and `name` are not in the documentation, but come.
    url = _text(medium, "url") or _text(medium, "pic_url")
    name = _text(medium, "filename") or _text(medium, "name")
    if url:
        key = _text(medium, "aeskey")[:ID_CHARS]  # on the long connection: each URL has its own
        yield Attachment(MEDIA[kind], url[:URL_CHARS], name[:ID_CHARS], key)


def _object(body: Json, key: str) -> Json:
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def _text(body: Json, key: str) -> str:
    value = body.get(key)
    return value.replace("\0", "") if isinstance(value, str) else ""


def _id(body: Json, key: str, *, required: bool = True) -> str:
    value = body.get(key, "")
    if not isinstance(value, str) or len(value) > ID_CHARS or not (value or not required):
        raise BadEnvelope(key)
    if value and not value.isprintable():
        raise BadEnvelope(key)
    return value
