"""Serves one file as a turn left it: whole or in part, by path, in isolation."""

import asyncio
import os
import re
from dataclasses import dataclass
from urllib.parse import quote

import structlog
from aiohttp import web

from bot.files import Files, Opened, in_thread
from handlers.viewer.content_types import UNKNOWN, content_type, with_charset
from handlers.viewer.policies import raw_headers

log = structlog.get_logger()

INDEX = "index.html"
PIECE_BYTES = 256 << 10
# A reader who takes nothing for so long is gone.
PIECE_LIMIT_S = 60.0
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of a file that are sent: from ``start`` to before ``end``."""

    start: int
    end: int
    whole: bool


async def serve(
    request: web.Request, files: Files, turn: int, path: str, sources: str
) -> web.StreamResponse:
    """Answer with the file, or with its folder's ``index.html``; 404 when there is neither."""
    try:
        answer = await _serve(request, files, turn, path, sources)
    except web.HTTPException as exc:
        log.info("link.opened", turn=turn, path=path, status=exc.status)
        raise
    log.info("link.opened", turn=turn, path=path, status=answer.status)
    return answer


async def _serve(
    request: web.Request, files: Files, turn: int, path: str, sources: str
) -> web.StreamResponse:
    is_folder = path == "" or path.endswith("/")
    wanted = f"{path}{INDEX}" if is_folder else path
    opened = await files.open(turn, wanted)
    if opened is None:
        if not is_folder:
            await _lead_into_folder(files, turn, path)
        raise web.HTTPNotFound
    try:
        return await _answer(request, opened, wanted, sources)
    finally:
        opened.close()


async def _lead_into_folder(files: Files, turn: int, path: str) -> None:
    """Send the browser to a folder's own address: relative links count from there."""
    page = await files.open(turn, f"{path}/{INDEX}")
    if page is not None:
        page.close()
        name = path.rpartition("/")[2]
        raise web.HTTPFound(f"./{quote(name, safe='')}/")


async def _answer(
    request: web.Request, opened: Opened, path: str, sources: str
) -> web.StreamResponse:
    media_type = content_type(path)
    head = await in_thread(os.pread, opened.descriptor, PIECE_BYTES, 0)
    etag = f'"{opened.etag}"'
    headers = raw_headers(media_type, sources) | {
        "Content-Type": with_charset(media_type, head),
        "Content-Disposition": _disposition(request, media_type, path),
        "ETag": etag,
        "Accept-Ranges": "bytes",
    }
    if etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    part = _part(request, opened.size, etag)
    if part is None:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{opened.size}"})
    if not part.whole:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{opened.size}"
    response = web.StreamResponse(status=200 if part.whole else 206, headers=headers)
    response.content_length = part.end - part.start
    await response.prepare(request)
    if request.method != "HEAD":
        await _stream(request, response, opened, part)
    return response


async def _stream(
    request: web.Request, response: web.StreamResponse, opened: Opened, part: Part
) -> None:
    at = part.start
    while at < part.end:
        size = min(PIECE_BYTES, part.end - at)
        piece = await in_thread(os.pread, opened.descriptor, size, at)
        if not piece:  # a file that is not mirrored shrank meanwhile: cut off, do not make up
            request.protocol.force_close()
            return
        async with asyncio.timeout(PIECE_LIMIT_S):
            await response.write(piece)
        at += len(piece)
    await response.write_eof()


def _part(request: web.Request, size: int, etag: str) -> Part | None:
    """Return what was asked for; all of it when the range is none of ours; None: beyond the end."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or request.headers.get("If-Range", etag) != etag or not any(match.groups()):
        return Part(0, size, whole=True)
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    return Part(start, end, whole=False) if start < end else None


def _disposition(request: web.Request, media_type: str, path: str) -> str:
    """Name the file for a download; every character that is not plain is written in hex."""
    kind = "attachment" if media_type == UNKNOWN or "download" in request.query else "inline"
    return f"{kind}; filename*=UTF-8''{quote(path.rpartition('/')[2], safe='')}"
