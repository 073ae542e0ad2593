"""What an application's callback says: messages and events of one person.

https://developer.work.weixin.qq.com/document/path/90239 (messages), 90240 (events)
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

import orjson

from bot.errors import BadEnvelope
from bot.messages import Attachment, AttachmentKind, Chat, InboundMessage, PlatformEvent
from handlers.wecom.app import markup
from handlers.wecom.cards import click_of
from handlers.wecom.wire import ID_CHARS, PLATFORM, SYSTEM, UNSUPPORTED, Ignored

APP = "app"
CARD_CLICKED = "template_card_event"
GREETED = frozenset({"enter_agent", "subscribe"})  # what the bot calls `enter_chat`
# A position comes every few seconds where the application asked for it: nobody reads it.
UNHEARD = frozenset({"location"})
MEDIA: Mapping[str, AttachmentKind] = {
    "image": "image",
    "file": "file",
    "video": "video",
    "shortvideo": "video",
    "voice": "voice",
}
CHINA_S = 8 * 3600
DAY_S = 24 * 3600

Elements = Mapping[str, object]


class AppWire:
    """Reads plaintexts for one application. Raises BadEnvelope for what cannot be WeCom's."""

    def __init__(self, *, corp_id: str, agent_id: int) -> None:
        self._corp_id = corp_id
        self._agent_id = str(agent_id)

    def parse(self, plaintext: bytes, at: int) -> InboundMessage | PlatformEvent | Ignored:
        """Return what WeCom says; ``at`` is when it came, in Unix milliseconds."""
        found = markup.fields(plaintext)
        if _text(found, "ToUserName") != self._corp_id:
            raise BadEnvelope("corp id")
        if _text(found, "AgentID") not in {"", self._agent_id}:
            raise BadEnvelope("agent id")
        sender = _text(found, "FromUserName")
        if not sender.isprintable() or len(sender) > ID_CHARS:
            raise BadEnvelope("sender")
        if sender in {"", SYSTEM}:
            return Ignored()
        kind = _text(found, "MsgType").lower()
        if kind == "event":
            return _event(found, sender, at)
        return _message(found, sender, kind, at)


def _message(found: Elements, sender: str, kind: str, at: int) -> InboundMessage | PlatformEvent:
    number = _text(found, "MsgId")
    if not (number.isascii() and number.isalnum() and len(number) <= ID_CHARS):
        raise BadEnvelope("MsgId")
    message = f"{APP}-{number}"
    chat = Chat(PLATFORM, "direct", sender)
    words, media = _words(found, kind), tuple(_media(found, kind))
    if not words and not media and kind != "text":
        body = orjson.dumps({"msgid": number, "msgtype": kind[:ID_CHARS]}).decode()
        return _platform_event(message, f"{UNSUPPORTED}{kind[:ID_CHARS]}", chat, body, at)
    return InboundMessage(
        id=message,
        chat=chat,
        sender=sender,
        text=words,
        received_at=at,
        attachments=media,
        channel=APP,
    )


def _words(found: Elements, kind: str) -> str:
    """Return what a message says. The blank in front of what nobody typed keeps it no command."""
    if kind == "text":
        return _text(found, "Content")
    if kind == "voice":  # WeCom hears it for those applications alone that asked for that
        heard = _text(found, "Recognition")
        return f" {heard}" if heard else ""
    if kind == "location":
        place = (_text(found, "Label"), _text(found, "Location_X"), _text(found, "Location_Y"))
        return " 📍 {} ({}, {})".format(*place) if all(place) else ""
    if kind == "link":
        names = ("Title", "Url", "Description")
        lines = [line for line in (_text(found, name) for name in names) if line]
        return " " + "\n".join(lines) if lines else ""
    return ""


def _media(found: Elements, kind: str) -> Iterator[Attachment]:
    medium = _text(found, "MediaId")
    if kind in MEDIA and medium and not (kind == "voice" and _text(found, "Recognition")):
        yield Attachment(MEDIA[kind], medium[:ID_CHARS], _text(found, "FileName")[:ID_CHARS])


def _event(found: Elements, sender: str, at: int) -> PlatformEvent | Ignored:
    name = _text(found, "Event")
    if not name or len(name) > ID_CHARS or not name.isprintable():
        raise BadEnvelope("Event")
    if name.lower() in UNHEARD:
        return Ignored()
    event = _event_id(found, sender, name)
    facts: dict[str, object] = {"eventtype": name}
    if key := _text(found, "EventKey"):
        facts["event_key"] = key
    if name == CARD_CLICKED:
        facts[name] = _click(found)
    body = {"msgid": event, "from": {"userid": sender}, "msgtype": "event", "event": facts}
    kind = "enter_chat" if name in GREETED else name
    chat = Chat(PLATFORM, "direct", sender)
    said = _platform_event(event, kind, chat, orjson.dumps(body).decode(), at)
    return replace(said, click=click_of(facts))


def _platform_event(event: str, kind: str, chat: Chat, body: str, at: int) -> PlatformEvent:
    return PlatformEvent(
        id=event, kind=kind, chat=chat, sender=chat.id, body=body, received_at=at, channel=APP
    )


def response_code_of(event: PlatformEvent) -> str:
    """Return the code by which a card that was clicked may be updated; it is good for once."""
    body: object = orjson.loads(event.body)
    facts = body.get("event") if isinstance(body, dict) else None
    click = facts.get(CARD_CLICKED) if isinstance(facts, dict) else None
    return _text(click, "response_code") if isinstance(click, dict) else ""


def _event_id(found: Elements, sender: str, name: str) -> str:
    """Return one id for all copies of an event, which WeCom gives none.

    Two events of one person within a second are told apart. Who opens the application is
    greeted once a day: all such events of a day are one.
    """
    created = _text(found, "CreateTime")
    if not created.isdigit() or len(created) > len("1700000000000"):
        raise BadEnvelope("CreateTime")
    if name == "enter_agent":
        created = f"day {(int(created) + CHINA_S) // DAY_S}"
    parts = (sender, created, name, _text(found, "EventKey"), _text(found, "TaskId"))
    return f"{APP}-{hashlib.sha256(orjson.dumps(parts)).hexdigest()[:40]}"


def _click(found: Elements) -> dict[str, object]:
    """Return what was clicked in a card, in the shape that the bot's events have."""
    answers = [
        {
            "question_key": _text(item, "QuestionKey"),
            "option_ids": {"option_id": _texts(item.get("OptionIds"), "OptionId")},
        }
        for item in _items(found.get("SelectedItems"), "SelectedItem")
    ]
    return {
        "card_type": _text(found, "CardType"),
        "event_key": _text(found, "EventKey"),
        "task_id": _text(found, "TaskId"),
        "response_code": _text(found, "ResponseCode"),
        "selected_items": {"selected_item": answers},
    }


def _items(parent: object, name: str) -> list[Elements]:
    """Return the elements of one name: XML does not tell one of them from a list of one."""
    found = parent.get(name) if isinstance(parent, dict) else None
    every = found if isinstance(found, list) else [found]
    return [one for one in every if isinstance(one, dict)]


def _texts(parent: object, name: str) -> list[str]:
    found = parent.get(name) if isinstance(parent, dict) else None
    every = found if isinstance(found, list) else [found]
    return [one.replace("\0", "") for one in every if isinstance(one, str)]


def _text(found: Elements, name: str) -> str:
    value = found.get(name)
    return value.replace("\0", "") if isinstance(value, str) else ""
