"""What WeCom takes as a message of an application and what it refuses.

https://developer.work.weixin.qq.com/document/path/90236
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bot.sandbox.card_rules import check_card
from bot.sandbox.cipher import Refused

CONTENT_BYTES = 2048
TITLE_CHARS, DESCRIPTION_CHARS, BUTTON_CHARS = 128, 512, 4
URL_BYTES = 2048
VIDEO_TITLE_BYTES, VIDEO_ABOUT_BYTES = 128, 512
MEDIA = ("image", "voice", "video", "file")
COPIES_S, MOST_COPIES_S = 1800, 4 * 3600
COMMON = frozenset(
    {
        *("touser", "toparty", "totag", "msgtype", "agentid", "safe", "enable_id_trans"),
        *("enable_duplicate_check", "duplicate_check_interval"),
    }
)

Json = Mapping[str, object]


class Wrong(Refused):
    """A call that WeCom answers with an ``errcode``, and that a good service never makes."""

    def __init__(self, errcode: int, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.errcode = errcode


@dataclass(frozen=True, slots=True)
class Post:
    """A message that WeCom takes. ``copies_s``: for so long an equal one is not shown again."""

    to: tuple[str, ...]
    kind: str
    content: str
    card: dict[str, object] | None
    media_id: str
    copies_s: int
    sameness: str


def read_post(body: Json, agent_id: int) -> Post:
    """Read a message; ``Wrong`` says which rule it broke."""
    kind = str(body.get("msgtype", ""))
    if body.get("agentid") != agent_id or isinstance(body.get("agentid"), bool):
        raise Wrong(301002, "agentid", str(body.get("agentid"))[:40])
    if unknown := set(body) - COMMON - {kind}:
        raise Wrong(40008, "member", ", ".join(sorted(unknown))[:80])
    to = _receivers(body.get("touser"))
    piece = body.get(kind)
    if not isinstance(piece, dict):
        raise Wrong(40008, "shape", f"{kind[:40]} must be an object")
    content, card, media_id = _content(kind, piece)
    return Post(
        to=to,
        kind=kind,
        content=content,
        card=card,
        media_id=media_id,
        copies_s=_copies_s(body),
        sameness=json.dumps([kind, piece], sort_keys=True),
    )


def _receivers(touser: object) -> tuple[str, ...]:
    if not isinstance(touser, str) or not touser:
        raise Wrong(81013, "touser", "must be a text")
    if touser == "@all":
        raise Wrong(81013, "everybody", "this would go to the whole corp")
    return tuple(touser.split("|"))


def _copies_s(body: Json) -> int:
    if body.get("enable_duplicate_check", 0) not in (0, 1):
        raise Wrong(40008, "enable_duplicate_check", "0 or 1")
    interval = body.get("duplicate_check_interval", COPIES_S)
    if not isinstance(interval, int) or not 0 < interval <= MOST_COPIES_S:
        raise Wrong(40008, "duplicate_check_interval", "seconds, four hours at most")
    return interval if body.get("enable_duplicate_check") == 1 else 0


def _content(kind: str, piece: Json) -> tuple[str, dict[str, object] | None, str]:
    """Return a message's words, its card and the id of its medium."""
    if kind in {"text", "markdown"}:
        return _words(piece), None, ""
    if kind == "textcard":
        return _text_card(piece), dict(piece) | {"card_type": "textcard"}, ""
    if kind == "template_card":
        check_card(dict(piece))
        return "", dict(piece), ""
    if kind in MEDIA:
        return _about(piece) if kind == "video" else "", None, _text(piece, "media_id", 40007)
    raise Wrong(40008, "msgtype", f"{kind[:40]} is no message of an application")


def _words(piece: Json) -> str:
    content = _text(piece, "content", 44004)
    if not content.strip():
        raise Wrong(44004, "blank", "nothing to show")
    if len(content.encode()) > CONTENT_BYTES:
        raise Wrong(45002, "content_too_long", f"{len(content.encode())} bytes")
    return content


def _text_card(piece: Json) -> str:
    title, about = _text(piece, "title", 44004), _text(piece, "description", 44004)
    url, button = _text(piece, "url", 40008), piece.get("btntxt", "")
    if (
        len(title) > TITLE_CHARS
        or len(about) > DESCRIPTION_CHARS
        or len(str(button)) > BUTTON_CHARS
    ):
        raise Wrong(45002, "card_too_long", f"{len(title)}, {len(about)}, {len(str(button))}")
    if len(url.encode()) > URL_BYTES or not url.startswith(("http://", "https://")):
        raise Wrong(40008, "card_url", url[:40])
    return f"{title}\n{about}"


def _about(piece: Json) -> str:
    title, about = str(piece.get("title", "")), str(piece.get("description", ""))
    if len(title.encode()) > VIDEO_TITLE_BYTES or len(about.encode()) > VIDEO_ABOUT_BYTES:
        raise Wrong(45002, "video_too_long", "title or description")
    return title


def _text(piece: Json, key: str, errcode: int) -> str:
    value = piece.get(key)
    if not isinstance(value, str) or not value:
        raise Wrong(errcode, "shape", f"{key} must be a text")
    return value
