"""The form of an answer to administrators: JSON, a page for a browser, an error."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import orjson
from aiohttp import web

from bot.errors import StoreError

FOLDER = Path(__file__).parent / "templates"
PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


class Pages:
    """Renders the pages: no script, nothing from elsewhere, everything escaped."""

    def __init__(self) -> None:
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.filters["moment"] = moment

    def page(
        self, template: str, told: Mapping[str, object], *, root: str, form_key: str
    ) -> web.Response:
        """Return a page; ``root`` leads from it to ``/admin/``."""
        nonce = secrets.token_urlsafe(16)
        text = self._templates.get_template(template).render(
            told=told, root=root, form_key=form_key, nonce=nonce
        )
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none';"
            " form-action 'self'; frame-ancestors 'none'"
        )
        headers = PRIVATE | {"Content-Security-Policy": policy}
        return web.Response(text=text, content_type="text/html", headers=headers)


def wants_page(request: web.Request) -> bool:
    """Tell whether a browser asks."""
    return "text/html" in request.headers.get("Accept", "")


def json(told: Mapping[str, object]) -> web.Response:
    """Return facts for programs."""
    body = orjson.dumps(told, option=orjson.OPT_INDENT_2)
    return web.Response(body=body, content_type="application/json", headers=PRIVATE)


def refused(kind: type[web.HTTPException], error: str, **more: object) -> web.HTTPException:
    """Return an error for programs and for people."""
    text = orjson.dumps({"error": error} | more).decode()
    return kind(text=text, content_type="application/json", headers=PRIVATE)


@contextlib.contextmanager
def stored() -> Iterator[None]:
    """Say it plainly when the store cannot answer."""
    try:
        yield
    except StoreError as exc:
        raise refused(web.HTTPServiceUnavailable, "store", why=type(exc).__name__) from exc


def moment(at: int | None) -> str:
    """Return Unix milliseconds as people read them."""
    if not at:
        return ""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().isoformat(" ", "milliseconds")
