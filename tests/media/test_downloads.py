"""Fetching by an address: what WeCom's storage says, and what anybody else could say in its place."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.errors import MediaError
from bot.sandbox.cipher import Cipher
from config.wecom import WeComSettings
from handlers.wecom.media import Downloads
from store.records import AttachmentRecord
from tests.media.test_addresses import STORE, Names
from tests.wecom_fixtures import AES_KEY

LIMIT = 1000
SEALED = Cipher("", AES_KEY)


class Storage:
    """A server in the place of WeCom's storage, which answers as it is told."""

    def __init__(self):
        self.answer = None
        self.paths = []

    async def serve(self, request):
        self.paths.append(request.path)
        answer = self.answer
        return await answer(request) if callable(answer) else answer

    def holds(self, content, **headers):
        self.answer = web.Response(body=SEALED.encrypt(content), headers=headers)


@pytest.fixture
async def storage():
    storage = Storage()
    app = web.Application()
    app.router.add_get("/{path:.*}", storage.serve)
    async with TestServer(app) as server:
        storage.url = str(server.make_url("")).rstrip("/")
        yield storage


@pytest.fixture
async def downloads(storage):
    downloads = Downloads(WeComSettings(api_url=storage.url), {"callback": AES_KEY})
    yield downloads
    await downloads.close()


def medium(url, *, key="", channel="callback"):
    return AttachmentRecord(
        1, "m", "m", 0, channel, "file", url, key, "", "", 0, "", "", "due", "", 1
    )


async def fetched(downloads, one, limit=LIMIT):
    async with downloads.fetch(one, limit) as download:
        return download.name, b"".join([piece async for piece in download.pieces])


async def failure(downloads, one, limit=LIMIT):
    with pytest.raises(MediaError) as caught:
        await fetched(downloads, one, limit)
    return caught.value.cause, caught.value.again


async def test_a_medium_comes_decrypted_with_its_name(storage, downloads):
    storage.holds(b"content", **{"Content-Disposition": "attachment; filename*=UTF-8''%E6%9C%88"})
    assert await fetched(downloads, medium(f"{storage.url}/x")) == ("月", b"content")


async def test_a_key_of_its_own_goes_before_that_of_the_channel(storage, downloads):
    key = "k" * 42 + "0"
    storage.answer = web.Response(body=Cipher("", key).encrypt(b"content"))
    one = medium(f"{storage.url}/x", key=key, channel="connection")
    assert (await fetched(downloads, one))[1] == b"content"


async def test_without_a_key_or_with_another_one_nothing_is_handed_on(storage, downloads):
    storage.holds(b"content")
    url = f"{storage.url}/x"
    assert await failure(downloads, medium(url, channel="connection")) == ("sealed", False)
    assert storage.paths == []
    assert await failure(downloads, medium(url, key="A" * 43)) == ("sealed", False)
    storage.answer = web.Response(body=b"a page of a proxy, not a medium")
    assert await failure(downloads, medium(url)) == ("sealed", False)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (403, ("gone", False)),
        (404, ("gone", False)),
        (206, ("gone", False)),
        (429, ("busy", True)),
        (408, ("busy", True)),
        (500, ("busy", True)),
        (503, ("busy", True)),
    ],
)
async def test_what_the_storage_says_decides_whether_to_ask_again(
    storage, downloads, status, outcome
):
    storage.answer = web.Response(status=status, body=SEALED.encrypt(b"an error"))
    assert await failure(downloads, medium(f"{storage.url}/x")) == outcome


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(storage, downloads, status):
    storage.answer = web.Response(status=status, headers={"Location": f"{storage.url}/elsewhere"})
    assert await failure(downloads, medium(f"{storage.url}/x")) == ("refused", False)
    assert storage.paths == ["/x"]


async def test_what_says_that_it_is_too_large_is_not_read(storage, downloads):
    storage.holds(b"x" * LIMIT)
    assert len((await fetched(downloads, medium(f"{storage.url}/x")))[1]) == LIMIT
    storage.answer = web.Response(body=b"x" * (LIMIT + 100))
    assert await failure(downloads, medium(f"{storage.url}/x")) == ("large", False)


async def test_a_connection_that_breaks_or_a_body_that_lies_is_tried_again(storage, downloads):
    async def cut(request):
        response = web.StreamResponse(headers={"Content-Length": "96"})
        await response.prepare(request)
        await response.write(b"x" * 40)
        request.transport.abort()
        return response

    storage.answer = cut
    assert await failure(downloads, medium(f"{storage.url}/x")) == ("busy", True)


async def test_a_host_that_nobody_answers_for_is_tried_again(storage, downloads):
    nobody = Downloads(WeComSettings(api_url="http://127.0.0.1:9"), {"callback": AES_KEY})
    assert await failure(nobody, medium("http://127.0.0.1:9/x")) == ("busy", True)
    await nobody.close()


async def test_a_compressed_body_is_not_blown_up(storage, downloads):
    storage.holds(b"content", **{"Content-Encoding": "gzip"})
    assert (await fetched(downloads, medium(f"{storage.url}/x")))[1] == b"content"


async def test_a_name_is_looked_up_once_and_an_inner_address_is_not_connected_to(storage):
    names = Names(["127.0.0.1"], ["1.1.1.1"])
    settings = WeComSettings(api_url=storage.url)
    downloads = Downloads(settings, {"callback": AES_KEY}, resolver=names)
    async with asyncio.timeout(10):
        assert await failure(downloads, medium(f"https://{STORE}/x")) == ("refused", False)
    assert names.asked == [STORE]
    assert storage.paths == []
    await downloads.close()


async def test_cookies_and_proxies_are_nobodys_business(storage, downloads, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    seen = []

    async def remember(request):
        seen.append(dict(request.headers))
        return web.Response(body=SEALED.encrypt(b"x"), headers={"Set-Cookie": "a=b"})

    storage.answer = remember
    for _ in range(2):
        await fetched(downloads, medium(f"{storage.url}/x"))
    assert not any("Cookie" in headers for headers in seen)
    assert all(headers["Accept-Encoding"] == "identity" for headers in seen)
