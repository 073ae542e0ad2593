"""Media of the stand-in's corp: brought by applications or by people, had by their ids.

https://developer.work.weixin.qq.com/document/path/90253 (upload), 90254 (get)
"""

import re
import secrets
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web
from aiohttp.multipart import BodyPartReader

from bot.clock import Clock
from bot.sandbox.corp_rules import MEDIA, Wrong

MIB = 1024 * 1024
LEAST_BYTES = 6
MOST_BYTES = {"image": 10 * MIB, "voice": 2 * MIB, "video": 10 * MIB, "file": 20 * MIB}
AT_ONCE_BYTES = 20 * MIB
LIFE_S = 3 * 24 * 3600
IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
RANGE = re.compile(r"bytes=(\d+)-(\d+)$")


@dataclass(frozen=True, slots=True)
class Kept:
    """A medium."""

    kind: str
    name: str
    content: bytes
    until: int


class CorpMedia:
    """Keeps media for three days."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, Kept] = {}

    def keep(self, kind: str, name: str, content: bytes) -> str:
        """Keep a medium, whatever its size, as of a person; return its id."""
        media_id = secrets.token_urlsafe(48)
        self._kept[media_id] = Kept(kind, name, content, self._clock() + LIFE_S * 1000)
        return media_id

    def of(self, media_id: str, kind: str = "") -> Kept:
        """Return a medium; ``Wrong`` when there is none of that kind."""
        found = self._kept.get(media_id)
        if found is None or found.until <= self._clock() or kind not in {"", found.kind}:
            raise Wrong(40007, "media_id", "no such medium")
        return found

    async def upload(self, request: web.Request) -> dict[str, object]:
        """Take a medium from an application."""
        kind = request.query.get("type", "")
        if kind not in MEDIA:
            raise Wrong(40004, "media_type", kind[:40])
        if request.content_type != "multipart/form-data":
            raise Wrong(44001, "upload", "is no multipart form")
        part = await (await request.multipart()).next()
        if not isinstance(part, BodyPartReader) or part.name != "media" or not part.filename:
            raise Wrong(44001, "upload", "the form's part is `media`, with a filename")
        content = await _read(part)
        if not LEAST_BYTES <= len(content) <= MOST_BYTES[kind]:
            raise Wrong(40006, "media_size", f"{len(content)} bytes")
        if kind == "image" and not content.startswith(IMAGES):
            raise Wrong(40004, "media_type", "neither JPG nor PNG")
        media_id = self.keep(kind, part.filename, content)
        created = str(self._clock() // 1000)
        return {"type": kind, "media_id": media_id, "created_at": created}

    def download(self, request: web.Request) -> web.Response:
        """Hand out a medium, by pieces where it is large."""
        kept = self.of(request.query.get("media_id", ""))
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(kept.name)}"}
        wanted = RANGE.match(request.headers.get("Range", ""))
        if wanted is None:
            if len(kept.content) > AT_ONCE_BYTES:
                raise Wrong(830002, "range", "a large medium is had by pieces")
            return _file(kept.content, 200, headers)
        start, end, size = int(wanted[1]), int(wanted[2]), len(kept.content)
        piece = kept.content[start : end + 1]
        headers["Content-Range"] = f"bytes {start}-{start + len(piece) - 1}/{size}"
        return _file(piece, 206, headers)


async def _read(part: BodyPartReader) -> bytes:
    """Return an upload, or as much of it as is too much of any."""
    content = bytearray()
    while chunk := await part.read_chunk():
        content += chunk
        if len(content) > max(MOST_BYTES.values()):
            break
    return bytes(content)


def _file(content: bytes, status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(
        body=content, status=status, content_type="application/octet-stream", headers=headers
    )
