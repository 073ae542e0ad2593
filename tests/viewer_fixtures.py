"""The viewer on a real socket, and a browser for its pages; it needs the desk."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from bot.links import Links
from handlers import viewer

PUBLIC = "https://bot.example.com/agent"
ADMIN = "Bearer secret"


class Browser:
    """Opens pages of the service; ``words`` is what running turns say."""

    def __init__(self, client: TestClient, links: Links, words: dict[int, str]) -> None:
        self.client = client
        self.links = links
        self.words = words

    def page(self, n: int) -> str:
        return f"/t/{n}/{self.links.token(n)}/"

    async def get(self, path: str, method: str = "GET", **headers: str):
        """Send the path as it is written, nothing tidied up on the way; read the answer whole."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(str(self.client.make_url("/"))[:-1] + path, encoded=True)
        session = self.client.session
        answer = await session.request(method, url, headers=named, allow_redirects=False)
        await answer.read()
        return answer

    async def raw(self, n: int, path: str, method: str = "GET", **headers: str):
        return await self.get(f"{self.page(n)}raw/{path}", method, **headers)


@pytest.fixture
async def browser(desk):
    words: dict[int, str] = {}
    links = Links(bytes(32), PUBLIC, 7 * 24 * 3600, desk.clock)
    app = web.Application()
    app.add_routes(
        viewer.routes(
            desk.files,
            links,
            desk.store,
            words.get,
            lambda request: request.headers.get("Authorization") == ADMIN,
        )
    )
    async with TestClient(TestServer(app)) as client:
        yield Browser(client, links, words)
