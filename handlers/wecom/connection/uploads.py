"""Uploads over the connection: announced, brought in pieces, put together; it outlives a lost line.

https://developer.work.weixin.qq.com/document/path/101463
"""

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Literal

import pybase64
import structlog

from bot.clock import Clock
from bot.errors import WeComError
from bot.fitting import head
from handlers.wecom.budget import Budget, Limits
from handlers.wecom.connection import frames
from handlers.wecom.connection.calls import Unanswered, Unsent
from handlers.wecom.connection.connection import Caller
from handlers.wecom.connection.frames import Ack, Json, Request
from handlers.wecom.connection.pace import Pace

log = structlog.get_logger()

UploadKind = Literal["file", "image", "voice", "video"]

CHUNK_BYTES = 512 * 1024  # before base64
CHUNKS = 100
LEAST_BYTES = 5
NAME_BYTES = 256
MIB = 1024 * 1024
MOST_BYTES: dict[UploadKind, int] = {
    "image": 2 * MIB,
    "voice": 2 * MIB,
    "video": 10 * MIB,
    "file": 20 * MIB,
}
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")
FEW, SOME = 4, 10  # chunks: up to so many all at once, then three, then two side by side
TRIES = 3  # of each frame; a lost connection does not count
LOOK_S = 0.2  # between two looks whether the connection is back
NO_ANSWER = -1
TOO_LARGE = 40009
EVERYTHING = "uploads"  # the limit is the bot's, whatever the conversation


class Uploads:
    """Brings files to WeCom, to be sent by their ids for three days."""

    def __init__(self, caller: Caller, clock: Clock, pace: Pace) -> None:
        self._caller = caller
        self._clock = clock
        self._pace = pace
        self._budget = Budget(Limits(minute_reserve=0, hour_reserve=0))

    async def upload(self, kind: UploadKind, name: str, content: bytes) -> str:
        """Upload a file; return its ``media_id``. Raises WeComError."""
        if not LEAST_BYTES <= len(content) <= MOST_BYTES[kind]:
            raise WeComError(TOO_LARGE, f"{len(content)} bytes in a {kind}")
        chunks = list(_chunks(content))
        digest = await asyncio.to_thread(_md5, content)
        try:
            async with asyncio.timeout(self._pace.upload_s):
                await self._room()
                begun = await self._call(
                    frames.UPLOAD_INIT,
                    {
                        "type": kind,
                        "filename": head(name, NAME_BYTES) or kind,
                        "total_size": len(content),
                        "total_chunks": len(chunks),
                        "md5": digest,
                    },
                )
                upload = _word(begun, "upload_id")
                await self._bring(upload, chunks)
                done = await self._call(frames.UPLOAD_FINISH, {"upload_id": upload})
        except TimeoutError as exc:
            raise WeComError(NO_ANSWER, "the upload took too long") from exc
        log.info("medium.uploaded", kind=kind, bytes=len(content), chunks=len(chunks))
        return _word(done, "media_id")

    async def _bring(self, upload: str, chunks: list[memoryview]) -> None:
        """Bring the pieces, several side by side: many at once make WeCom stumble."""
        slots = asyncio.Semaphore(_side_by_side(len(chunks)))

        async def bring(number: int, chunk: memoryview) -> None:
            async with slots:
                body = {
                    "upload_id": upload,
                    "chunk_index": number,
                    "base64_data": pybase64.b64encode(chunk).decode(),
                }
                await self._call(frames.UPLOAD_CHUNK, body)

        try:
            async with asyncio.TaskGroup() as group:
                for number, chunk in enumerate(chunks):
                    group.create_task(bring(number, chunk))
        except* WeComError as failures:
            raise failures.exceptions[0] from None

    async def _call(self, cmd: str, body: Json) -> Ack:
        """Send a frame until it is taken: each may be repeated, a piece that came twice is one."""
        tries = 0
        while True:
            await self._connected()
            try:
                ack = await self._caller.call(Request(cmd, frames.new_id(cmd, self._clock()), body))
            except Unsent:
                await asyncio.sleep(LOOK_S)
                continue
            except Unanswered as exc:
                tries += 1 if self._caller.up else 0
                if tries >= TRIES:
                    raise WeComError(NO_ANSWER, str(exc)) from exc
                continue
            if ack.reaction == "done":
                return ack
            if ack.reaction == "subscribe":
                self._caller.renew(f"errcode {ack.code}")
            tries += 1
            if tries >= TRIES or ack.reaction in {"barred", "stop"}:
                raise WeComError(ack.code, cmd)
            await asyncio.sleep(self._pace.rest_s if ack.reaction == "wait" else LOOK_S)

    async def _connected(self) -> None:
        while not self._caller.up:  # noqa: ASYNC110 - a wait of minutes, at most every now and then
            await asyncio.sleep(LOOK_S)

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        while wait_ms := self._budget.wait_ms(EVERYTHING, round(loop.time() * 1000)):  # noqa: ASYNC110 - it knows how long
            await asyncio.sleep(wait_ms / 1000)
        self._budget.spend(EVERYTHING, round(loop.time() * 1000))


def kind_of(kind: Literal["image", "file"], content: bytes) -> UploadKind:
    """Return as what a file can be sent: a picture that WeCom does not take as one is a file."""
    fits = len(content) <= MOST_BYTES["image"] and content.startswith(PICTURES)
    return "image" if kind == "image" and fits else "file"


def _chunks(content: bytes) -> Iterator[memoryview]:
    whole = memoryview(content)
    for start in range(0, len(content), CHUNK_BYTES):
        yield whole[start : start + CHUNK_BYTES]


def _side_by_side(chunks: int) -> int:
    if chunks <= FEW:
        return FEW
    return 3 if chunks <= SOME else 2


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _word(ack: Ack, key: str) -> str:
    value = ack.body.get(key)
    if not isinstance(value, str) or not value:
        raise WeComError(NO_ANSWER, f"an answer without {key}")
    return value
