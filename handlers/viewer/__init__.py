"""The signed pages of turns, their files, and the same for programs."""

from collections.abc import Callable

from aiohttp import web

from bot.files import Files
from bot.links import Links
from handlers.viewer.api import Api
from handlers.viewer.pages import Pages
from store import Store


def routes(
    files: Files,
    links: Links,
    store: Store,
    live: Callable[[int], str | None],
    admin: Callable[[web.Request], bool],
) -> list[web.RouteDef]:
    """Return the routes below ``/t/`` and ``/api/task/``.

    ``live`` gives a running turn's progress as Markdown; ``admin`` tells whether a request shows
    the admin token, compared in constant time.
    """
    return [*Pages(files, links, store, live).routes, *Api(files, links, store, admin).routes]
