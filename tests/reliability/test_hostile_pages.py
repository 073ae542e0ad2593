"""X9: what an agent, a person or a file name writes runs no script in the viewer, and names no other file.

More of it: tests/test_viewer.py, tests/test_viewer_files.py and, in a browser, tests/test_viewer_browser.py.
"""

import re
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

pytest_plugins = ["tests.desk_fixtures"]

HIT = "window.hit=1;document.title='hit'"
SCRIPTS = (
    f"<script>{HIT}</script>",
    f"<ScRiPt src=data:text/javascript,{HIT}></sCrIpT>",
    f"<img src=x onerror={HIT}>",
    f"<svg onload={HIT}><animate onbegin={HIT} attributeName=x dur=1s>",
    f"<svg><script>{HIT}</script></svg>",
    f"<iframe srcdoc='<script>parent.{HIT}</script>'></iframe>",
    f"<details open ontoggle={HIT}>x</details>",
    f"<math><mtext></form><form><mglyph><style></math><img src onerror={HIT}>",
    f"<a href='javascript:{HIT}'>x</a>",
    f"[x](javascript:{HIT})",
    f"[x](JaVaScRiPt&colon;{HIT})",
    f"[x](&#106;avascript:{HIT})",
    f"[x](\x01javascript:{HIT})",
    f"[x](java\tscript:{HIT})",
    f"[x](vbscript:{HIT})",
    f"[x](data:text/html;base64,PHNjcmlwdD4)<script>{HIT}</script>",
    f"![x](javascript:{HIT})",
    f'![x](x.png "onerror={HIT}")',
    f'[x](x.html "\\" onmouseover={HIT} x=\\"")',
    f"<javascript:{HIT}>",
    f"```html\n</code></pre><script>{HIT}</script>\n```",
    f'```"><script>{HIT}</script>\nx\n```',
    f"|a|\n|-|\n|<script>{HIT}</script>|\n",
    f"</article></body><script>{HIT}</script>",
    "<style>@import 'data:text/css,x'</style><base href=//evil.example>{{7*7}}",
    f"<meta http-equiv=refresh content='0;url=javascript:{HIT}'>",
)
NAMES = (
    'a"; filename="evil.exe',
    "a'; filename*=UTF-8''evil.exe",
    "报告\u202egpj.exe",
    "<img src=x onerror=document.title='hit'>.txt",
    "a;b,c=d%0d%0aX: y.txt",
    "%22%3e.txt",
)
TAG = re.compile(r"<\s*/?\s*([a-z]+)", re.IGNORECASE)


async def told(desk, words):
    n = await desk.begin(words)
    desk.write("x.html", "<p>")
    await desk.end(n, words)
    return n


@pytest.mark.parametrize("words", SCRIPTS)
async def test_x9_no_tag_and_no_attribute_of_a_text_reaches_the_page(desk, browser, words):
    page = await (await browser.get(browser.page(await told(desk, words)))).text()
    body = page.partition("<body>")[2]
    tags = {tag.lower() for tag in TAG.findall(body)}
    assert tags.isdisjoint({"script", "iframe", "svg", "math", "style", "base", "meta", "form"})
    for element in re.findall(r"<[^>]*>", body):
        assert not re.search(r"\son\w+\s*=", re.sub(r'"[^"]*"', "", element)), element
    for address in re.findall(r'(?:href|src)="([^"]*)"', body):
        assert re.match(r"raw/|diff/|https?:|mailto:|#|\./", address), address
    assert "49" not in page.partition("<article>")[2].partition("</article>")[0]


@pytest.mark.parametrize("name", NAMES)
async def test_x9_a_files_name_stays_in_its_header(desk, browser, name):
    n = await desk.begin()
    desk.write(name)
    await desk.end(n)
    answer = await browser.raw(n, f"{quote(name, safe='')}?download")
    assert answer.status == 200
    shown = answer.headers["Content-Disposition"]
    assert shown == f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_x9_a_name_with_a_line_break_makes_no_header(desk, browser):
    n = await desk.begin()
    name = "a\r\nSet-Cookie: x=1\r\n\r\n<script>x"
    desk.write(name)
    await desk.end(n)
    answer = await browser.raw(n, f"{quote(name, safe='')}?download")
    assert answer.status == 404
    assert "Set-Cookie" not in answer.headers
    assert "<script" not in await (await browser.get(browser.page(n))).text()


@pytest.mark.browser
async def test_x9_in_a_browser_no_script_of_a_text_runs(desk, browser, chromium):
    n = await told(desk, "\n\n".join(SCRIPTS))
    page = await chromium.new_page()
    asked, dialogs = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await page.goto(str(browser.client.make_url(browser.page(n))))
    for link in await page.query_selector_all("article a"):
        await link.dispatch_event("mouseover")
        address = await link.get_attribute("href")
        assert not address.lower().strip().startswith(("javascript", "data", "vbscript"))
    assert await page.evaluate("window.hit") is None
    assert await page.title() == f"任务 #{n}"
    assert dialogs == []
    origin = str(browser.client.make_url("/"))
    assert [url for url in asked if not url.startswith((origin, "data:"))] == []


@pytest.mark.browser
@pytest.mark.parametrize("name", ['a"; filename=evil.exe', "a'; filename*=UTF-8''evil.exe"])
async def test_x9_in_a_browser_a_download_is_called_by_its_own_name(desk, browser, chromium, name):
    n = await desk.begin()
    desk.write(name)
    await desk.end(n)
    page = await chromium.new_page()
    link = f"{browser.client.make_url(browser.page(n))}raw/{quote(name, safe='')}?download"
    async with page.expect_download() as coming:
        await page.evaluate("address => { location.href = address }", link)
    download = await coming.value
    assert download.suggested_filename.startswith("a")
    assert download.suggested_filename != "evil.exe"


@pytest.mark.browser
async def test_x9_in_a_browser_a_picture_with_a_script_in_it_runs_none(desk, browser, chromium):
    """As a picture it runs nothing; opened as a page it runs apart, without the viewer's origin."""
    visits = []

    async def visit(request):
        visits.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path:.*}", visit)
    async with TestServer(app) as host:
        n = await desk.begin()
        script = f"fetch('{host.make_url('/gone')}');document.cookie='a=b'"
        desk.write(
            "x.svg",
            f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>{script}</script>'
            f'<image href="{host.make_url("/image")}"/></svg>',
        )
        await desk.end(n, "![x](x.svg)")
        context = await chromium.new_context()
        page = await context.new_page()
        await page.goto(str(browser.client.make_url(browser.page(n))))
        await page.evaluate("document.querySelector('article img').decode().catch(() => null)")
        await page.goto(str(browser.client.make_url(f"{browser.page(n)}raw/x.svg")))
        assert await context.cookies() == []
    assert visits == []
