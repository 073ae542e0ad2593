"""The sandbox's chat page and what it calls, all under ``/sandbox/``."""

import asyncio
import contextlib
import re
import secrets
from collections.abc import Awaitable, Callable
from importlib.resources import files

import orjson
from aiohttp import web

from bot.sandbox import payloads
from bot.sandbox.book import Item
from bot.sandbox.clicks import NotThere
from bot.sandbox.guard import Guard
from bot.sandbox.payloads import MediaKind, Payload
from bot.sandbox.shelf import MEDIUM_BYTES
from bot.sandbox.standin import StandIn
from bot.sandbox.view import Cast, news, scene

PATH = "/sandbox/"
PAGE = files("bot.sandbox") / "page"
TYPES = {
    "index.html": "text/html",
    "style.css": "text/css",
    "app.js": "text/javascript",
    "cards.js": "text/javascript",
    "items.js": "text/javascript",
    "words.js": "text/javascript",
}
TEXT_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024
BREATH_S = 0.05
BEAT_S = 15.0
REVISION = re.compile("[0-9]{1,12}")
THUMBS = (1, 2, 3)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Page:
    """Serves one stand-in to the browser of whoever started it."""

    def __init__(self, standin: StandIn, cast: Cast, token: str, *, beat_s: float = BEAT_S) -> None:
        self._beat_s = beat_s
        self._standin = standin
        self._cast = cast
        self._guard = Guard(token)
        self._boot = secrets.token_hex(4)
        self._closing = False

    def attach(self, app: web.Application) -> None:
        """Serve the page from an application, and end its open streams when that goes down."""
        app.add_routes(self.routes)
        app.on_shutdown.append(self._close)

    async def _close(self, _: web.Application) -> None:
        self._closing = True
        self._standin.book.changed()

    @property
    def routes(self) -> list[web.RouteDef]:
        """Everything under ``/sandbox/``."""
        return [
            web.get(PATH, self._index),
            web.get(PATH + "scene", self._guarded(self._scene)),
            web.get(PATH + "events", self._guarded(self._events)),
            web.post(PATH + "say", self._guarded(self._say)),
            web.post(PATH + "upload", self._guarded(self._upload)),
            web.post(PATH + "open", self._guarded(self._open)),
            web.post(PATH + "feedback", self._guarded(self._feedback)),
            web.post(PATH + "click", self._guarded(self._click)),
            web.get(PATH + "{name:[a-z.]+}", self._guarded(self._file)),
            web.route("*", PATH + "{rest:.*}", self._guarded(_nothing)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self._guard.check(request)
            return await handler(request)

        return handle

    async def _index(self, request: web.Request) -> web.StreamResponse:
        entered = self._guard.enter(request)
        if entered is not None:
            return entered
        self._guard.check(request)
        return _static("index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in TYPES:
            raise web.HTTPNotFound
        return _static(name)

    async def _scene(self, _: web.Request) -> web.StreamResponse:
        return _json(scene(self._cast, self._standin))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send what changes, as it changes; a browser that comes back says what it has."""
        response = web.StreamResponse(headers=HEADERS | {"Content-Type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):  # the browser has left
            await self._tell(response, self._last_seen(request))
        return response

    async def _tell(self, response: web.StreamResponse, seen: int) -> None:
        while not self._closing:
            fresh = orjson.dumps(news(self._standin, seen))
            seen = self._standin.book.revision
            mark = f"{self._boot}.{seen}".encode()
            await response.write(b"id: %b\ndata: %b\n\n" % (mark, fresh))
            await asyncio.sleep(BREATH_S)  # many changes at once make one event
            await self._wait_for_news(response, seen)

    async def _wait_for_news(self, response: web.StreamResponse, seen: int) -> None:
        book = self._standin.book
        while book.revision == seen and not self._closing:
            try:
                await book.until(lambda: book.revision > seen or self._closing, self._beat_s)
            except TimeoutError:
                await response.write(b": beat\n\n")

    def _last_seen(self, request: web.Request) -> int:
        """Return the revision that a browser has; 0, everything, when it is from before a restart."""
        boot, _, revision = request.headers.get("Last-Event-ID", "").partition(".")
        return int(revision) if boot == self._boot and REVISION.fullmatch(revision) else 0

    async def _say(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        words, member, group = body.get("text"), _text(body, "member"), body.get("group")
        if not isinstance(words, str) or not words.strip() or len(words.encode()) > TEXT_BYTES:
            raise web.HTTPBadRequest(text="text")
        quote = body.get("quote")
        talk = self._standin.begin(
            member,
            payloads.text(words),
            group=self._known(member, group),
            quote=payloads.text(quote) if isinstance(quote, str) and quote else None,
            at=body.get("at") is not False,
        )
        return _json({"item": talk.said.id})

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        member, name = query.get("member", ""), query.get("name", "")[:255] or "file"
        group = self._known(member, query.get("group") or None)
        content = await _whole(request)
        kind = _kind(request.content_type)
        words = query.get("text", "").strip()
        said: Payload = self._standin.keep_medium(kind, name, content)
        if words and kind == "image":
            said = payloads.mixed([payloads.text(words), said])
        talk = self._standin.begin(member, said, group=group, name=name)
        return _json({"item": talk.said.id})

    async def _open(self, request: web.Request) -> web.StreamResponse:
        member = _text(await _body(request), "member")
        self._known(member, None)
        await self._standin.enter(member)
        return _json({})

    async def _feedback(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        member, thumbs = _text(body, "member"), body.get("thumbs")
        self._known(member, None)
        if thumbs not in THUMBS:
            raise web.HTTPBadRequest(text="thumbs")
        item = self._item(body.get("item"))
        return _json({"sent": await self._standin.feedback(member, item, int(str(thumbs)))})

    async def _click(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        member, key, ticked = _text(body, "member"), _text(body, "key"), body.get("ticked", [])
        if not isinstance(ticked, list) or not all(isinstance(one, str) for one in ticked):
            raise web.HTTPBadRequest(text="ticked")
        item = self._item(body.get("item"))
        self._known(member, item.chat if item.chat != member else None)
        try:
            reply = await self._standin.click(member, item, key, ticked=ticked)
        except NotThere as exc:
            raise web.HTTPBadRequest(text=str(exc)) from exc
        return _json({"updated": reply is not None})

    def _known(self, member: str, group: object) -> str | None:
        if not (group is None or isinstance(group, str)) or not self._cast.has(member, group):
            raise web.HTTPBadRequest(text="member or group")
        return group

    def _item(self, number: object) -> Item:
        found = next((item for item in self._standin.book.items if item.id == number), None)
        if found is None:
            raise web.HTTPBadRequest(text="item")
        return found


async def _nothing(_: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound


def _static(name: str) -> web.Response:
    body = (PAGE / name).read_bytes()
    return web.Response(body=body, content_type=TYPES[name], charset="utf-8", headers=HEADERS)


def _json(value: Payload) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json", headers=HEADERS)


async def _body(request: web.Request) -> dict[str, object]:
    """Read a JSON object: a type that no foreign form can send."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as exc:
        raise web.HTTPBadRequest(text="body") from exc
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="body")
    return body


def _text(body: dict[str, object], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise web.HTTPBadRequest(text=key)
    return value


async def _whole(request: web.Request) -> bytes:
    """Read an upload in pieces: the service's own limit is for callbacks."""
    content = bytearray()
    async for chunk in request.content.iter_chunked(CHUNK_BYTES):
        content += chunk
        if len(content) > MEDIUM_BYTES:
            raise web.HTTPRequestEntityTooLarge(MEDIUM_BYTES, len(content))
    return bytes(content)


def _kind(content_type: str) -> MediaKind:
    if content_type in {"image/png", "image/jpeg", "image/gif", "image/webp"}:
        return "image"
    return "video" if content_type.startswith("video/") else "file"
