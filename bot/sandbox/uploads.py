"""Files that a bot uploads over the long connection: announced, brought in pieces, put together.

https://developer.work.weixin.qq.com/document/path/101463
"""

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass, field

from bot.clock import Clock
from bot.sandbox.cipher import Refused
from bot.sandbox.gateway_quota import Quota
from bot.sandbox.payloads import Payload
from bot.sandbox.timing import Timing

CHUNK_BYTES = 512 * 1024
CHUNKS = 100
SMALLEST_BYTES = 5
NAME_BYTES = 256
MIB = 1024 * 1024
LIMITS = {"image": 2 * MIB, "voice": 2 * MIB, "video": 10 * MIB, "file": 20 * MIB}
STARTS = {
    "image": (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8"),
    "voice": (b"#!AMR",),
}
MP4_MARK = slice(4, 8)
MD5 = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that may be sent until its time is over."""

    kind: str
    name: str
    content: bytes
    until: int


@dataclass(slots=True)
class Session:
    """An upload that has begun; ``pieces`` by the number that they came with."""

    kind: str
    name: str
    size: int
    chunks: int
    md5: str
    until: int
    pieces: dict[int, bytes] = field(default_factory=dict)


class Uploads:
    """What one bot uploads. It outlives the connection that it came by."""

    def __init__(self, timing: Timing, clock: Clock) -> None:
        self.quota = Quota(clock, "upload_frequency")
        self.done: dict[str, Uploaded] = {}
        self._timing = timing
        self._clock = clock
        self._open: dict[str, Session] = {}

    def begin(self, body: Payload) -> Payload:
        """Take an announcement; return the id that the pieces must name."""
        self.quota.check("bot")
        kind, name = str(body.get("type")), body.get("filename")
        if kind not in LIMITS:
            raise Refused("upload_type", f"no such type: {kind[:40]}")
        if not isinstance(name, str) or not 0 < len(name.encode(errors="replace")) <= NAME_BYTES:
            raise Refused("upload_name", f"1 to {NAME_BYTES} bytes")
        size = _number(body, "total_size", SMALLEST_BYTES, LIMITS[kind])
        chunks = _number(body, "total_chunks", 1, CHUNKS)
        if not chunks <= size <= chunks * CHUNK_BYTES:
            raise Refused("upload_chunks", f"{size} bytes in {chunks} pieces")
        md5 = body.get("md5", "")
        if not isinstance(md5, str) or (md5 and not MD5.fullmatch(md5)):
            raise Refused("upload_md5", "32 hex digits")
        self.quota.count("bot")
        now = self._clock()
        self._open = {key: each for key, each in self._open.items() if each.until > now}
        upload = secrets.token_urlsafe(16)
        until = now + int(self._timing.upload_life_s * 1000)
        self._open[upload] = Session(kind, name, size, chunks, md5, until)
        return {"upload_id": upload}

    def take(self, body: Payload) -> None:
        """Take a piece, in any order; one that came before changes nothing."""
        session = self._session(body)
        # WeCom's page counts from 1, its own client from 0.
        number = _number(body, "chunk_index", 0, session.chunks)
        try:
            piece = base64.b64decode(str(body.get("base64_data", "")), validate=True)
        except (binascii.Error, ValueError) as exc:
            raise Refused("upload_base64", str(exc)) from exc
        if not 0 < len(piece) <= CHUNK_BYTES:
            raise Refused("upload_piece", f"{len(piece)} bytes, {CHUNK_BYTES} allowed")
        session.pieces.setdefault(number, piece)

    def finish(self, body: Payload) -> Payload:
        """Put a file together; return the id that it can be sent by."""
        session = self._session(body)
        content = _whole(session)
        if session.md5 and hashlib.md5(content, usedforsecurity=False).hexdigest() != session.md5:
            raise Refused("upload_md5", "is not that of the bytes")
        if not _is_of_kind(session.kind, content):
            raise Refused("upload_format", f"these bytes are no {session.kind}")
        del self._open[str(body["upload_id"])]
        now = self._clock()
        self.done = {key: kept for key, kept in self.done.items() if kept.until > now}
        media = secrets.token_urlsafe(24)
        until = now + int(self._timing.uploaded_life_s * 1000)
        self.done[media] = Uploaded(session.kind, session.name, content, until)
        return {"type": session.kind, "media_id": media, "created_at": str(now // 1000)}

    def find(self, kind: str, media: str) -> Uploaded:
        """Return what was uploaded; ``Refused`` when there is no such thing any more."""
        found = self.done.get(media)
        if found is None or found.until <= self._clock():
            raise Refused("media_id", "no such medium")
        if found.kind != kind:
            raise Refused("media_id", f"a {found.kind}, not a {kind}")
        return found

    def _session(self, body: Payload) -> Session:
        session = self._open.get(str(body.get("upload_id")))
        if session is None or session.until <= self._clock():
            raise Refused("upload_id", "no such upload; each has half an hour")
        return session


def _whole(session: Session) -> bytes:
    numbers = sorted(session.pieces)
    if numbers not in (list(range(session.chunks)), list(range(1, session.chunks + 1))):
        raise Refused("upload_incomplete", f"{len(numbers)} of {session.chunks} pieces")
    content = b"".join(session.pieces[number] for number in numbers)
    if len(content) != session.size:
        raise Refused("upload_size", f"{len(content)} bytes, {session.size} announced")
    return content


def _is_of_kind(kind: str, content: bytes) -> bool:
    if kind == "video":
        return content[MP4_MARK] == b"ftyp"
    return kind not in STARTS or content.startswith(STARTS[kind])


def _number(body: Payload, key: str, least: int, most: int) -> int:
    value = body.get(key)
    if type(value) is not int or not least <= value <= most:
        raise Refused(f"upload_{key}", f"a number from {least} to {most}")
    return value
