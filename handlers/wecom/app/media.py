"""Media of an application: fetched by their ids, and brought to WeCom before they are sent.

https://developer.work.weixin.qq.com/document/path/90253 (upload), 90254 (get)
"""

from dataclasses import dataclass
from typing import Literal

from bot.errors import WeComError
from bot.messages import Medium
from handlers.wecom.app.api import MEDIUM_TIMEOUT_S, Call, CorpApi
from handlers.wecom.app.codes import OK
from handlers.wecom.app.parts import Body
from handlers.wecom.app.said import Said
from handlers.wecom.outcome import Outcome

MIB = 1024 * 1024
LEAST_BYTES = 6
# WeCom's pages contradict each other about images and sound: the smaller number is always taken.
MOST_BYTES = {"image": 5 * MIB, "voice": 2 * MIB, "video": 10 * MIB, "file": 20 * MIB}
PIECE_BYTES = 16 * MIB  # of a medium too large to be had at once
RANGE_NEEDED = 830002
TOO_LARGE = 40006
NAME_CHARS = 200
IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")

MediumKind = Literal["image", "voice", "video", "file"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A medium as it was sent; ``name`` is empty where WeCom does not tell it."""

    name: str
    content: bytes


def kind_for(kind: MediumKind, content: bytes) -> MediumKind:
    """Return as what a file can be sent: an image of another format or size goes as a file."""
    if kind == "image" and not content.startswith(IMAGES):
        return "file"
    return kind if len(content) <= MOST_BYTES[kind] else "file"


async def uploaded(api: CorpApi, medium: Medium) -> Body | Outcome:
    """Upload a file; return the message that shows it, or why there can be none."""
    kind = kind_for(medium.kind, medium.content)
    said = await upload(api, kind, medium.name, medium.content)
    media_id = said.body.get("media_id")
    if not said.taken:
        return said.outcome
    if not isinstance(media_id, str):
        return Outcome("barred", "no media_id")
    return {"msgtype": kind, kind: {"media_id": media_id}}


async def upload(api: CorpApi, kind: MediumKind, name: str, content: bytes) -> Said:
    """Bring a file to WeCom; its answer holds the ``media_id``, which lives for three days."""
    if not LEAST_BYTES <= len(content) <= MOST_BYTES[kind]:
        return Said("answered", TOO_LARGE, f"{len(content)} bytes")
    call = Call(
        "/cgi-bin/media/upload",
        {"type": kind},
        upload=(name[-NAME_CHARS:] or "file", content),
        wants="media_id",
        timeout_s=MEDIUM_TIMEOUT_S,
    )
    return await api.call(call)


async def fetch(api: CorpApi, media_id: str, limit: int) -> Fetched:
    """Return a medium of at most ``limit`` bytes; raises WeComError for whatever else there is."""
    said = await _piece(api, media_id, limit)
    if said.how == "answered" and said.code == RANGE_NEEDED:
        return await _in_pieces(api, media_id, limit)
    return Fetched(said.name, _whole(said))


async def _in_pieces(api: CorpApi, media_id: str, limit: int) -> Fetched:
    content, name, more = bytearray(), "", True
    while more:
        start = len(content)
        said = await _piece(api, media_id, limit, f"bytes={start}-{start + PIECE_BYTES - 1}")
        if not said.taken or not said.content or start + len(said.content) > limit:
            _whole(said)
            raise WeComError(TOO_LARGE, "medium too large")
        content += said.content
        name, more = name or said.name, not said.whole
    return Fetched(name, bytes(content))


async def _piece(api: CorpApi, media_id: str, limit: int, part: str = "") -> Said:
    headers = {"Range": part} if part else {}
    query = {"media_id": media_id}
    return await api.call(
        Call("/cgi-bin/media/get", query, headers=headers, limit=limit, timeout_s=MEDIUM_TIMEOUT_S)
    )


def _whole(said: Said) -> bytes:
    """Return what came; a part of it, or a JSON object, is no medium."""
    if not said.taken:
        raise WeComError(said.code, said.cause)
    if said.body or not said.content:
        raise WeComError(OK, "no medium")
    if not said.whole:
        raise WeComError(TOO_LARGE, "medium too large")
    return said.content
