"""The form of an answer to administrators: JSON, a page for a browser, an error."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import orjson
from aiohttp import web

from bot.clock import Clock
from bot.errors import StoreError
from bot.render import age
from handlers.admin import legend
from handlers.templating import environment

FOLDER = Path(__file__).parent / "templates"
PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
ABOVE = 2  # slashes in the path of what lies in /admin/ itself


class Pages:
    """Renders the pages: no script, nothing from elsewhere, everything escaped."""

    def __init__(self, form_key: str, clock: Clock) -> None:
        self._form_key = form_key
        self._clock = clock
        self._templates = environment(FOLDER)
        self._templates.filters |= {"moment": moment, "age": age, "pretty": pretty}
        self._templates.tests["moment"] = names_a_moment
        self._templates.globals["legend"] = legend

    def page(
        self, request: web.Request, template: str, told: Mapping[str, object], *, status: int = 200
    ) -> web.Response:
        """Return the page that a request gets."""
        nonce = secrets.token_urlsafe(16)
        text = self._templates.get_template(template).render(
            told=told,
            now=self._clock(),
            root="../" * (request.path.count("/") - ABOVE),
            form_key=self._form_key,
            nonce=nonce,
        )
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none';"
            " form-action 'self'; frame-ancestors 'none'"
        )
        headers = PRIVATE | {"Content-Security-Policy": policy}
        return web.Response(text=text, status=status, content_type="text/html", headers=headers)

    def error(self, request: web.Request, exc: web.HTTPError) -> web.Response:
        """Return the page of what was refused."""
        told = {"error": "", "status": f"{exc.status} {exc.reason}"}
        if exc.content_type == "application/json":  # ours
            told |= orjson.loads(exc.text or "{}")
        return self.page(request, "error.html", told, status=exc.status)


def wants_page(request: web.Request) -> bool:
    """Tell whether a browser asks."""
    return "text/html" in request.headers.get("Accept", "")


def json(told: Mapping[str, object]) -> web.Response:
    """Return facts for programs."""
    body = orjson.dumps(told, option=orjson.OPT_INDENT_2)
    return web.Response(body=body, content_type="application/json", headers=PRIVATE)


def refused(kind: type[web.HTTPError], error: str, **more: object) -> web.HTTPError:
    """Return an error for programs; ``Pages.error`` makes a page of it."""
    text = orjson.dumps({"error": error} | more).decode()
    return kind(text=text, content_type="application/json", headers=PRIVATE)


@contextlib.contextmanager
def stored() -> Iterator[None]:
    """Say it plainly when the store cannot answer."""
    try:
        yield
    except StoreError as exc:
        raise refused(web.HTTPServiceUnavailable, "store", why=type(exc).__name__) from exc


def moment(at: int) -> str:
    """Return Unix milliseconds as people read them; a page cannot know the reader's time zone."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def names_a_moment(name: str) -> bool:
    """Tell whether what is called so is a time in Unix milliseconds."""
    return name == "since" or name.endswith("_at")


def pretty(words: object) -> str:
    """Return text as it is, and anything else as JSON that people read."""
    if isinstance(words, str):
        return words
    return orjson.dumps(words, option=orjson.OPT_INDENT_2).decode()
