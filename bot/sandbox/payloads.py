"""What WeCom writes into a callback: messages, polls and events, as JSON objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Payload = dict[str, object]
MediaKind = Literal["image", "file", "video"]

IN_GROUPS = ("text", "mixed")


def text(content: str) -> Payload:
    """Return a text message."""
    return {"msgtype": "text", "text": {"content": content}}


def voice(transcript: str) -> Payload:
    """Return a voice message: WeCom sends what was said, never the sound."""
    return {"msgtype": "voice", "voice": {"content": transcript}}


def medium(kind: MediaKind, url: str, aeskey: str = "") -> Payload:
    """Return an image, a file or a video behind an address of its own, and its own key if it has one."""
    piece: Payload = {"url": url}
    return {"msgtype": kind, kind: piece | {"aeskey": aeskey} if aeskey else piece}


def mixed(items: Sequence[Payload]) -> Payload:
    """Return texts and images in one message."""
    return {"msgtype": "mixed", "mixed": {"msg_item": list(items)}}


def kind_of(content: Mapping[str, object]) -> str:
    """Return the msgtype."""
    return str(content["msgtype"])


def words_of(content: Mapping[str, object]) -> str:
    """Return what a person reads of a message, one line a piece."""
    kind = kind_of(content)
    piece = content[kind]
    assert isinstance(piece, dict), "made above"
    if kind == "mixed":
        return "\n".join(filter(None, (words_of(item) for item in piece["msg_item"])))
    return str(piece.get("content", ""))


def mentions(content: Mapping[str, object], bot_name: str) -> bool:
    """Tell whether the bot is @-ed."""
    words = words_of(content)
    return any(f"{sign}{bot_name}" in words for sign in "@＠")


def fits_group(content: Mapping[str, object]) -> bool:
    """Tell whether a message of this kind reaches a bot in a group."""
    return kind_of(content) in IN_GROUPS


def medium_of(content: Mapping[str, object]) -> str:
    """Return what kind of medium a message is, empty for words alone."""
    return "" if kind_of(content) == "text" else kind_of(content)


def with_mention(content: Payload, bot_name: str) -> Payload:
    """Put ``@Name `` in front, as the client does when a person picks the bot."""
    mention = f"@{bot_name}"
    if mentions(content, bot_name) or not fits_group(content):
        return content
    if kind_of(content) == "text":
        return text(f"{mention} {words_of(content)}".rstrip())
    piece = content.get("mixed")
    items = list(piece["msg_item"]) if isinstance(piece, dict) else []
    if items and kind_of(items[0]) == "text":
        return mixed([text(f"{mention} {words_of(items[0])}"), *items[1:]])
    return mixed([text(mention), *items])


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a callback comes from."""

    bot_id: str
    member: str
    group: str | None = None

    def _head(self, msgid: str) -> Payload:
        head: Payload = {"msgid": msgid, "aibotid": self.bot_id}
        if self.group is not None:
            head["chatid"] = self.group
        head["chattype"] = "single" if self.group is None else "group"
        head["from"] = {"userid": self.member}
        return head

    def message(
        self, msgid: str, content: Payload, *, response_url: str, quote: Payload | None = None
    ) -> Payload:
        """Return what a person sent."""
        payload = self._head(msgid) | {"response_url": response_url} | content
        return payload if quote is None else payload | {"quote": quote}

    def poll(self, msgid: str, stream: str) -> Payload:
        """Return the question how a stream goes on."""
        return self._head(msgid) | {"msgtype": "stream", "stream": {"id": stream}}

    def event(self, msgid: str, kind: str, facts: Payload | None, *, at_s: int) -> Payload:
        """Return something that a person did and that is no message."""
        event: Payload = {"eventtype": kind}
        if facts is not None:
            event[kind] = facts
        return self._head(msgid) | {"create_time": at_s, "msgtype": "event", "event": event}
