"""The sandbox's page over a real socket: who gets in, what it gets, what a person does."""

import asyncio
import contextlib
import io
import json
import re

import aiohttp
import pytest
from aiohttp import web

from bot.sandbox.view import Cast, Group, Member
from bot.sandbox.web import PAGE, Page
from tests.fakes.responder import Responder, stream
from tests.wecom_fixtures import AES_KEY, TOKEN

CAST = Cast((Member("zhangsan", "张三"), Member("lisi", "李四")), (Group("wrX", "项目群"),), True)
FILES = sorted(file.name for file in PAGE.iterdir())
SECRET = "the-token-of-the-printed-address"


@pytest.fixture
async def bot():
    responder = Responder(TOKEN, AES_KEY)
    responder.answer = lambda _: stream("# Done", finish=True, feedback={"id": "F1"})
    return responder


@pytest.fixture
async def wecom(make_standin):
    return await make_standin()


@pytest.fixture
async def url(aiohttp_server, bot, wecom):
    """The page on a socket, next to the bot."""
    app = web.Application()
    app.add_routes(bot.routes)
    Page(wecom, CAST, SECRET).attach(app)
    server = await aiohttp_server(app)
    wecom.callback_url = str(server.make_url("/bot"))
    return str(server.make_url("/sandbox/"))


@pytest.fixture
async def browser(url):
    """A browser that has opened the printed address, and names its origin as browsers do."""
    origin = {"Origin": url.removesuffix("/sandbox/")}
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(headers=origin, cookie_jar=jar) as http:
        async with http.get(url, params={"token": SECRET}) as response:
            assert response.status == 200
        yield http


@pytest.fixture
async def stranger():
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


class Events:
    """What the page is told."""

    def __init__(self, response):
        self._response = response
        self.mark = ""

    async def next(self):
        async with asyncio.timeout(10):
            while True:
                name, _, value = (await self._response.content.readline()).decode().partition(": ")
                if name == "id":
                    self.mark = value.strip()
                if name == "data":
                    return json.loads(value)

    async def until(self, true):
        while True:
            news = await self.next()
            for item in news["items"]:
                if true(item):
                    return item


async def say(browser, url, **body):
    body = {"member": "zhangsan", "group": None, "text": "hello"} | body
    async with browser.post(url + "say", json=body) as response:
        return response.status


# Who gets in


async def test_the_printed_address_becomes_a_cookie_and_leaves_the_address(url, stranger):
    async with stranger.get(url, params={"token": SECRET}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/sandbox/")
        cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/sandbox/" in cookie


@pytest.mark.parametrize("path", ["", "scene", "events", "app.js", "nothing", "say", "a/b"])
async def test_without_the_cookie_nothing_is_there(url, stranger, path):
    async with stranger.get(url + path) as response:
        assert response.status == 403
    async with stranger.post(url + path) as response:
        assert response.status == 403


@pytest.mark.parametrize("token", ["", "wrong", SECRET + "x", "错"])
async def test_a_wrong_token_is_refused(url, stranger, token):
    async with stranger.get(url, params={"token": token}) as response:
        assert response.status == 403
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "sandbox.example.com"},
        {"Host": "localhost"},
        {"Host": "localhost:1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
    ],
)
async def test_a_request_that_was_led_here_is_refused(url, browser, headers):
    for path in ("", "scene", "app.js"):
        async with browser.get(url + path, headers=headers) as response:
            assert response.status == 403
    async with browser.get(url, params={"token": SECRET}, headers=headers) as response:
        assert response.status == 403


async def test_a_change_must_name_its_origin(url, browser):
    jar = browser.cookie_jar
    async with aiohttp.ClientSession(cookie_jar=jar) as nameless:
        assert await say(nameless, url) == 403
        async with nameless.get(url + "scene") as response:
            assert response.status == 200
    assert await say(browser, url) == 200


async def test_localhost_is_a_name_of_this_machine(url, browser):
    port = re.search(r":(\d+)/", url)[1]
    for host in (f"localhost:{port}", f"[::1]:{port}"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        async with browser.get(url + "scene", headers=headers) as response:
            assert response.status == 200


# What the page gets


async def test_the_page_brings_nothing_from_elsewhere(url, browser):
    async with browser.get(url) as response:
        policy = response.headers["Content-Security-Policy"]
        html = await response.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<style|style=|\son\w+=|https?://", html)
    for name in re.findall(r'(?:src|href)="\./([^"]+)"', html):
        async with browser.get(url + name) as response:
            assert response.status == 200
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_every_file_of_the_page_is_served_and_no_other(url, browser):
    for name in FILES:
        async with browser.get(url + name) as response:
            assert response.status == 200
    for name in ("web.py", "..%2fweb.py", "%2e%2e/web.py", "style.css/"):
        async with browser.get(url + name) as response:
            assert response.status == 404


async def test_the_scene_names_everybody(url, browser):
    async with browser.get(url + "scene") as response:
        assert await response.json() == {
            "bot": "Open Code",
            "demo": True,
            "members": [{"id": "zhangsan", "name": "张三"}, {"id": "lisi", "name": "李四"}],
            "groups": [{"id": "wrX", "name": "项目群"}],
        }


async def test_a_message_and_its_answer_come_as_events(url, browser):
    async with browser.get(url + "events") as response:
        events = Events(response)
        assert await events.next() == {"fresh": True, "items": []}
        assert await say(browser, url) == 200
        answer = await events.until(lambda item: item["state"] == "finished")
    assert answer["html"] == "<h1>Done</h1>\n"
    assert (answer["chat"], answer["kind"], answer["feedback"]) == ("zhangsan", "bubble", True)


async def test_a_browser_that_comes_back_gets_what_it_missed(url, browser, wecom):
    await wecom.say("zhangsan", "one")
    async with browser.get(url + "events") as response:
        first = Events(response)
        assert len((await first.next())["items"]) == 2
    await wecom.say("lisi", "two")
    for mark, fresh, count in ((first.mark, False, 2), ("0.7", True, 4), ("x", True, 4)):
        headers = {"Last-Event-ID": mark}
        async with browser.get(url + "events", headers=headers) as response:
            news = await Events(response).next()
            assert (news["fresh"], len(news["items"])) == (fresh, count)


async def test_open_events_do_not_hold_up_the_end(aiohttp_server, wecom):
    app = web.Application()
    page = Page(wecom, CAST, SECRET)
    page.attach(app)
    server = await aiohttp_server(app)
    headers = {"Cookie": f"sandbox-{server.port}={SECRET}"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(server.make_url("/sandbox/events"), headers=headers) as response,
    ):
        await Events(response).next()
        async with asyncio.timeout(10):
            await server.close()
            assert (await response.content.read()).strip() == b""


async def test_a_quiet_line_is_kept_open(aiohttp_server, wecom):
    app = web.Application()
    Page(wecom, CAST, SECRET, beat_s=0.01).attach(app)
    server = await aiohttp_server(app)
    headers = {"Cookie": f"sandbox-{server.port}={SECRET}"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(server.make_url("/sandbox/events"), headers=headers) as response,
    ):
        await Events(response).next()
        assert b": beat" in await response.content.readuntil(b"beat")


# What a person does


async def test_a_group_has_members_to_choose_from(url, browser, bot):
    assert await say(browser, url, member="lisi", group="wrX", quote="before") == 200
    assert await say(browser, url, member="lisi", group="wrX", at=False) == 200
    async with browser.get(url + "events") as response:
        held_back = await Events(response).until(lambda item: item["reason"] == "not_mentioned")
    assert held_back["state"] == "undelivered"
    assert len(bot.asked("text")) == 1
    assert bot.calls[0]["from"] == {"userid": "lisi"}
    assert bot.calls[0]["quote"]["text"]["content"] == "before"


@pytest.mark.parametrize(
    "body",
    [
        {"text": " "},
        {"text": None},
        {"text": "好" * 30_000},
        {"member": "nobody"},
        {"member": None},
        {"group": "wrOther"},
        {"group": 1},
    ],
)
async def test_a_message_that_cannot_be_is_refused(url, browser, bot, body):
    assert await say(browser, url, **body) == 400
    assert bot.calls == []


async def test_only_json_objects_are_read(url, browser):
    for body, status in ((b"[]", 400), (b"{", 400)):
        headers = {"Content-Type": "application/json"}
        async with browser.post(url + "say", data=body, headers=headers) as response:
            assert response.status == status
    async with browser.post(url + "say", data={"text": "form"}) as response:
        assert response.status == 415


async def upload(browser, url, content, content_type, **query):
    content = io.BytesIO(content) if isinstance(content, bytes) else content
    query = {"member": "zhangsan", "name": "a.bin"} | query
    headers = {"Content-Type": content_type}
    async with browser.post(url + "upload", params=query, data=content, headers=headers) as got:
        return got.status


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [("image/png", "image"), ("video/mp4", "video"), ("image/svg+xml", "file"), ("a/b", "file")],
)
async def test_a_file_is_uploaded_as_what_it_is(url, browser, bot, wecom, content_type, kind):
    content = b"x" * 2_000_000
    assert await upload(browser, url, content, content_type) == 200
    await wecom.book.until(lambda: len(bot.calls) == 1 and bot.calls, 10)
    async with browser.get(bot.calls[0][kind]["url"]) as response:
        assert wecom.cipher.decrypt(await response.read()) == content


async def test_an_image_with_words_is_mixed(url, browser, bot, wecom):
    query = {"text": "look", "group": "wrX"}
    assert await upload(browser, url, b"x", "image/png", **query) == 200
    await wecom.book.until(lambda: any(i.state == "finished" for i in wecom.book.items), 10)
    assert bot.calls[0]["msgtype"] == "mixed"


async def test_an_upload_has_a_limit(url, browser, bot):
    async def endless():
        for _ in range(101):
            yield b"x" * 1024 * 1024

    with contextlib.suppress(aiohttp.ClientError):  # the answer may be lost with the rest of it
        assert await upload(browser, url, endless(), "a/b") == 413
    assert bot.calls == []


async def test_opening_a_direct_chat_greets(url, browser, bot, wecom):
    bot.answer = lambda _: {"msgtype": "text", "text": {"content": "**welcome**"}}
    for _ in range(2):
        async with browser.post(url + "open", json={"member": "zhangsan"}) as response:
            assert response.status == 200
    (greeting,) = wecom.transcript("zhangsan")
    assert (greeting.kind, greeting.content, len(bot.calls)) == ("welcome", "**welcome**", 1)


async def test_thumbs_reach_the_bot(url, browser, bot, wecom):
    talk = await wecom.say("zhangsan", "hello")
    bot.answer = lambda _: None
    good = {"member": "zhangsan", "item": talk.bubble.id, "thumbs": 1}
    async with browser.post(url + "feedback", json=good) as response:
        assert await response.json() == {"sent": True}
    for bad in ({"thumbs": 9}, {"item": 99}, {"member": "nobody"}, {"thumbs": None}):
        async with browser.post(url + "feedback", json=good | bad) as response:
            assert response.status == 400
    assert bot.asked("event")[0]["event"]["feedback_event"] == {"id": "F1", "type": 1}
