"""The signed page of a turn, its files, and the same for programs, over a real socket."""

import hashlib
import json
import os
import re

import pytest
import structlog
from aiohttp import ClientPayloadError, web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bot.links import Links
from bot.snapshot import Limits
from bot.texts import files as texts
from handlers import viewer
from handlers.viewer import changes, markdown
from handlers.viewer.content_types import content_type, with_charset

pytest_plugins = ["tests.desk_fixtures"]

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


async def test_the_page_shows_question_answer_files_and_diff(desk, browser):
    desk.write("app.py", "a = 1\n")
    n = await desk.begin("改一下 <b>app.py</b>")
    desk.write("app.py", "a = 2\n")
    desk.write("图.png", b"\x89PNG\0")
    await desk.end(n, "**改好了**，见 [app.py](app.py:1)\n\n```python\na = 2\n```")
    answer = await browser.get(browser.page(n))
    page = await answer.text()
    assert answer.status == 200
    assert f"任务 #{n}" in page
    assert "改一下 &lt;b&gt;app.py&lt;/b&gt;" in page
    assert "<strong>改好了</strong>" in page
    assert '<a href="raw/app.py"' in page
    assert '<span class="n">a</span>' in page
    assert '<span class="del">-a = 1' in page
    assert '<span class="add">+a = 2' in page
    assert 'src="raw/%E5%9B%BE.png"' in page
    assert "<script" not in page


async def test_the_page_speaks_the_language_of_its_turn(desk, browser):
    n = await desk.begin("make a page", language="en")
    await desk.end(n, "")
    page = await (await browser.get(browser.page(n))).text()
    assert texts.NO_ANSWER.en in page
    assert texts.NO_FILES.en in page
    assert 'lang="en"' in page


async def test_a_failed_turn_shows_the_reason(desk, browser):
    n = await desk.begin()
    desk.now = desk.clock() + 75_000
    await desk.end(n, "", state="failed", reason="<quota> exceeded")
    page = await (await browser.get(browser.page(n))).text()
    assert texts.FAILED.zh in page
    assert "&lt;quota&gt; exceeded" in page
    assert "1m15s" in page


async def test_the_page_is_live_while_the_turn_runs(desk, browser):
    n = await desk.begin()
    browser.words[n] = "🖥 `pytest -q`"
    desk.write("a.txt")
    page = await (await browser.get(browser.page(n))).text()
    assert "<code>pytest -q</code>" in page
    assert 'fetch("live"' in page
    assert 'href="raw/a.txt"' in page
    browser.words[n] = "more"
    news = await (await browser.get(f"{browser.page(n)}live")).json()
    assert news["over"] is False
    assert "<p>more</p>" in news["html"]
    await desk.end(n, "done")
    assert (await (await browser.get(f"{browser.page(n)}live")).json())["over"] is True


async def test_a_waiting_turn_has_a_page(desk, browser):
    n = await desk.queue()
    page = await (await browser.get(browser.page(n))).text()
    assert texts.QUEUED.zh in page


async def test_withheld_files_are_listed_with_the_reason_and_without_a_link(desk, browser):
    n = await desk.begin()
    desk.write(".env", "PASSWORD=1")
    await desk.end(n)
    page = await (await browser.get(browser.page(n))).text()
    assert ".env" in page
    assert texts.WITHHELD_SECRET.zh in page
    assert "raw/.env" not in page
    assert "PASSWORD" not in page
    assert (await browser.raw(n, ".env")).status == 404


@pytest.mark.parametrize("desk", [Limits(max_bytes=100, look_bytes=60)], indirect=True)
async def test_large_and_unkept_files_say_so(desk, browser):
    n = await desk.begin()
    desk.write("a.txt", "x" * 50)
    desk.write("b.txt", "x" * 51)
    desk.write("c.txt", "x" * 101)
    await desk.end(n)
    page = await (await browser.get(browser.page(n))).text()
    assert texts.WITHHELD_LARGE.zh.format(limit="100 B") in page
    assert texts.WITHHELD_UNKEPT.zh in page
    assert "raw/b.txt" in page
    assert "raw/c.txt" not in page


async def test_a_page_with_too_much_to_show_stays_light(desk, browser, monkeypatch):
    monkeypatch.setattr(changes, "SHOWN_LINES", 5)
    monkeypatch.setattr(changes, "SHOWN_FILES", 3)
    n = await desk.begin()
    desk.write("a.txt", "1\n2\n3\n4\n")
    desk.write("b.txt", "x\n")
    desk.write("c.txt", "".join(f"{i}\n" for i in range(9)))
    desk.write("d.txt", "x\n")
    await desk.end(n)
    page = await (await browser.get(browser.page(n))).text()
    assert "diff/a.txt" not in page
    assert "diff/b.txt" in page
    assert "diff/c.txt" in page
    assert "d.txt" not in page
    assert texts.MORE_FILES.zh.format(n=1) in page
    apart = await browser.get(f"{browser.page(n)}diff/c.txt")
    assert apart.content_type == "text/plain"
    assert "+8\n" in await apart.text()


async def test_an_answer_cannot_run_anything_nor_fetch_from_elsewhere(desk, browser):
    n = await desk.begin()
    desk.write("图.png", b"\x89PNG\0")
    hostile = (
        "<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://evil.example/p.png)"
        " [d](data:text/html,x) ![](//evil.example/q.png) <img src=x onerror=alert(1)>"
        f" ![ok](./图.png) [up](../../etc/passwd) [abs]({desk.workspace}/图.png)"
        " [web](https://example.com/a?b#c) [here](#top) [frag](a.html#x)"
        " [mail](mailto:a@b.c)"
    )
    await desk.end(n, hostile)
    answer = await browser.get(browser.page(n))
    page = await answer.text()
    article = page.partition("<article>")[2].partition("</article>")[0]
    assert "<script" not in article
    assert set(re.findall(r'src="([^"]*)"', article)) == {"raw/%E5%9B%BE.png"}
    targets = re.findall(r'href="([^"]*)"', article)
    assert targets == [
        "https://evil.example/p.png",
        "#",
        "#",
        "raw/%E5%9B%BE.png",
        "https://example.com/a?b#c",
        "#top",
        "raw/a.html#x",
        "mailto:a@b.c",
    ]
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    assert "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"


@given(st.text())
def test_a_link_of_an_answer_leads_to_the_web_or_to_a_file_of_the_turn(address):
    target = markdown._target(address, "/w")
    assert re.match(r"(?:https?|mailto):|#|raw/(?!\.\./)", target, re.IGNORECASE)


def test_an_address_that_is_none_leads_nowhere():
    assert markdown._target("http://[", "/w") == "#"


def test_code_is_coloured_only_where_the_language_is_known():
    assert '<span class="k">def</span>' in markdown.to_html("```python\ndef f(): ...\n```", "/w")
    assert "&lt;b&gt;" in markdown.to_html("```nonsense\n<b>\n```", "/w")
    assert "<span" not in markdown.to_html("```python\n" + "x = 1\n" * 20_000 + "```", "/w")
    assert "<td>1</td>" in markdown.to_html("|a|\n|-|\n|1|\n", "/w")


async def test_a_file_is_served_by_its_path_and_cannot_be_guessed_at(desk, browser):
    n = await desk.begin()
    desk.write("out/报告.html", "<h1>好</h1>")
    await desk.end(n)
    answer = await browser.raw(n, "out/%E6%8A%A5%E5%91%8A.html")
    assert (answer.status, await answer.text()) == (200, "<h1>好</h1>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Content-Disposition"].startswith("inline; ")
    policy = answer.headers["Content-Security-Policy"]
    prefix = f"{PUBLIC}{browser.page(n)}raw/"
    here = f"{browser.client.make_url(browser.page(n))}raw/"
    assert policy.startswith("sandbox allow-scripts; default-src 'none';")
    assert f"connect-src {prefix} {here};" in policy


async def test_a_host_that_is_no_host_stays_out_of_the_policy(desk, browser):
    n = await desk.begin()
    desk.write("a.html")
    await desk.end(n)
    answer = await browser.raw(n, "a.html", Host="x; script-src *")
    assert "script-src *" not in answer.headers["Content-Security-Policy"]


async def test_a_folder_opens_its_index_and_nothing_else(desk, browser):
    n = await desk.begin()
    desk.write("index.html", "top")
    desk.write("站 点/index.html", "sub")
    desk.write("bare/a.txt")
    await desk.end(n)
    assert await (await browser.raw(n, "")).text() == "top"
    assert await (await browser.raw(n, "%E7%AB%99%20%E7%82%B9/")).text() == "sub"
    led = await browser.raw(n, "%E7%AB%99%20%E7%82%B9")
    assert (led.status, led.headers["Location"]) == (302, "./%E7%AB%99%20%E7%82%B9/")
    for path in ("bare", "bare/", "none/"):
        assert (await browser.raw(n, path)).status == 404


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, "0123", "bytes 0-3/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=5-99", 206, "56789", "bytes 5-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
        ("bytes=-0", 416, "", "bytes */10"),
        ("bytes=3-1", 416, "", "bytes */10"),
        ("bytes=-", 200, "0123456789", None),
        ("bytes=0-1,3-4", 200, "0123456789", None),
        ("lines=1-2", 200, "0123456789", None),
    ],
)
async def test_a_part_of_a_file_can_be_asked_for(desk, browser, asked, status, body, content_range):
    n = await desk.begin()
    desk.write("a.txt", "0123456789")
    await desk.end(n)
    answer = await browser.raw(n, "a.txt", Range=asked)
    assert (answer.status, await answer.text()) == (status, body)
    assert answer.headers.get("Content-Range") == content_range


async def test_a_known_file_is_not_sent_again(desk, browser):
    n = await desk.begin()
    desk.write("a.txt", "0123456789")
    await desk.end(n)
    etag = (await browser.raw(n, "a.txt")).headers["ETag"]
    assert etag.strip('"') in hashlib.sha256(b"0123456789").hexdigest()
    known = await browser.raw(n, "a.txt", If_None_Match=etag)
    assert (known.status, await known.read()) == (304, b"")
    other = await browser.raw(n, "a.txt", Range="bytes=0-1", If_Range='"other"')
    assert other.status == 200
    same = await browser.raw(n, "a.txt", Range="bytes=0-1", If_Range=etag)
    assert same.status == 206


async def test_head_tells_all_but_the_content(desk, browser):
    n = await desk.begin()
    desk.write("a.txt", "0123456789")
    await desk.end(n)
    answer = await browser.raw(n, "a.txt", method="HEAD")
    assert (answer.status, await answer.read()) == (200, b"")
    assert answer.headers["Content-Length"] == "10"


async def test_a_large_file_comes_whole(desk, browser):
    n = await desk.begin()
    content = bytes(range(256)) * 5000
    desk.write("big.bin", content)
    await desk.end(n)
    answer = await browser.raw(n, "big.bin")
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''big.bin"
    assert await answer.read() == content


async def test_a_file_that_shrinks_while_it_is_sent_is_cut_off_not_made_up(desk, browser):
    n = await desk.begin()
    file = desk.write("live.bin", b"x" * 40_000_000)
    async with browser.client.get(f"{browser.page(n)}raw/live.bin") as answer:
        file.write_bytes(b"")
        with pytest.raises(ClientPayloadError):
            await answer.read()


async def test_a_download_keeps_its_name_whatever_is_in_it(desk, browser):
    n = await desk.begin()
    name = 'a"; filename=evil.exe\tX: y é.txt'
    desk.write(name, "x")
    await desk.end(n)
    quoted = "a%22%3B%20filename%3Devil.exe%09X%3A%20y%20%C3%A9.txt"
    answer = await browser.raw(n, f"{quoted}?download")
    assert answer.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{quoted}"


@pytest.mark.parametrize(
    "path",
    [
        "../a.txt",
        "..%2fa.txt",
        "%2e%2e/a.txt",
        "%2e%2e%2f%2e%2e%2fdata/link.key",
        "sub/../../a.txt",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "etc/passwd",
        "..%5ca.txt",
        "a.txt%00",
        "a.txt%00.html",
        "%ff",
        "a" * 3000,
        ".git/config",
        ".GIT/config",
        "link.txt",
        "hard.txt",
        "fifo",
        "/proc/self/environ",
        "A.TXT",
    ],
)
@pytest.mark.parametrize("over", [False, True])
async def test_nothing_outside_is_served(desk, browser, tmp_path, path, over):
    (tmp_path / "a.txt").write_text("outside")
    (tmp_path / "workspaces" / "a.txt").write_text("outside")
    desk.write("a.txt", "inside")
    desk.write(".git/config", "inside")
    (desk.workspace / "link.txt").symlink_to(tmp_path / "a.txt")
    (desk.workspace / "etc").symlink_to("/etc")
    os.link(tmp_path / "a.txt", desk.workspace / "hard.txt")
    os.mkfifo(desk.workspace / "fifo")
    n = await desk.begin()
    if over:
        await desk.end(n, claimed=["link.txt", "hard.txt", "fifo", "etc/passwd"])
    answer = await browser.raw(n, path)
    assert answer.status == 404
    assert "outside" not in await answer.text()


async def test_a_forged_link_says_the_same_whether_the_turn_exists_or_not(desk, browser):
    n = await desk.begin()
    forged = browser.links.token(n + 1)
    there = await browser.get(f"/t/{n}/{forged}/")
    nowhere = await browser.get(f"/t/{n + 5}/{forged}/")
    assert there.status == nowhere.status == 404
    strip = re.compile(r"nonce[-=\"A-Za-z0-9_]+")
    assert strip.sub("", await there.text()) == strip.sub("", await nowhere.text())
    for path in ("live", "raw/a.txt", "diff/a.txt"):
        assert (await browser.get(f"/t/{n}/{forged}/{path}")).status == 404


async def test_an_expired_link_tells_how_to_get_a_new_one(desk, browser):
    n = await desk.begin()
    page = browser.page(n)
    desk.now = desk.clock() + 8 * 24 * 3600 * 1000
    answer = await browser.get(page)
    assert answer.status == 410
    assert f"/result {n}" in await answer.text()
    assert (await browser.get(f"{page}raw/a.txt")).status == 410
    english = await browser.get(page, Accept_Language="en-GB")
    assert texts.EXPIRED_TITLE.en in await english.text()


async def test_a_turn_that_is_no_longer_kept_is_gone(browser):
    answer = await browser.get(browser.page(4711))
    assert answer.status == 410
    assert texts.PURGED_TITLE.zh.format(n=4711) in await answer.text()


async def test_an_opened_link_is_logged_without_its_token(desk, browser):
    n = await desk.begin()
    desk.write("a.txt", "x")
    await desk.end(n)
    with structlog.testing.capture_logs() as entries:
        for path in ("", "raw/a.txt", "raw/none.txt", "diff/a.txt"):
            await browser.get(browser.page(n) + path)
    opened = [entry for entry in entries if entry["event"] == "link.opened"]
    assert [(entry["turn"], entry["path"], entry["status"]) for entry in opened] == [
        (n, "", 200),
        (n, "a.txt", 200),
        (n, "none.txt", 404),
        (n, "a.txt", 200),
    ]
    assert browser.links.token(n) not in json.dumps(entries)


async def test_programs_read_the_same_with_the_admin_token_or_a_signed_one(desk, browser):
    n = await desk.begin("问题")
    desk.write("a.txt", "x\n")
    desk.write(".env", "x")
    await desk.end(n, "答案")
    signed = f"?token={browser.links.token(n)}"
    for query, headers in ((signed, {}), ("", {"Authorization": ADMIN})):
        task = await (await browser.get(f"/api/task/{n}{query}", **headers)).json()
        assert (task["turn"], task["state"], task["question"]) == (n, "done", "问题")
        assert task["answer"] == "答案"
        assert task["page"].startswith(PUBLIC)
        files = await (await browser.get(f"/api/task/{n}/files{query}", **headers)).json()
        assert [(each["path"], each["served"], each["withheld"]) for each in files["files"]] == [
            (".env", False, "secret"),
            ("a.txt", True, ""),
        ]
        file = await browser.get(f"/api/task/{n}/raw/a.txt{query}", **headers)
        assert await file.text() == "x\n"


async def test_programs_without_a_right_learn_nothing(desk, browser):
    n = await desk.begin()
    for path in (f"/api/task/{n}", f"/api/task/{n}/files", f"/api/task/{n}/raw/a", "/api/task/99"):
        answer = await browser.get(path, Authorization="Bearer wrong")
        assert (answer.status, await answer.json()) == (401, {"error": "unauthorized"})
    old = browser.links.token(n)
    assert (await browser.get("/api/task/99", Authorization=ADMIN)).status == 410
    missing = await browser.get(f"/api/task/{n}/raw/none", Authorization=ADMIN)
    assert (missing.status, await missing.json()) == (404, {"error": "not_found"})
    desk.now = desk.clock() + 8 * 24 * 3600 * 1000
    expired = await browser.get(f"/api/task/{n}?token={old}")
    assert (expired.status, await expired.json()) == (410, {"error": "expired"})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.HTML", "text/html"),
        ("x.mjs", "text/javascript"),
        ("x.svg", "image/svg+xml"),
        ("x.py", "text/plain"),
        ("Makefile", "text/plain"),
        (".gitignore", "text/plain"),
        ("noending", "application/octet-stream"),
        ("x.exe", "application/octet-stream"),
        ("html", "application/octet-stream"),
        ("a.tar.gz", "application/octet-stream"),
    ],
)
def test_the_type_of_a_file_is_told_by_its_name(path, expected):
    assert content_type(path) == expected


def test_the_charset_is_told_by_the_bytes():
    assert with_charset("text/plain", "中".encode()[:2]) == "text/plain; charset=utf-8"
    assert with_charset("text/plain", "中文".encode("gbk")) == "text/plain; charset=gb18030"
    assert with_charset("text/html", "中文".encode("gbk")) == "text/html"
    assert with_charset("image/png", b"\xff") == "image/png"


async def test_a_pdf_is_not_kept_from_the_browsers_own_reader(desk, browser):
    n = await desk.begin()
    desk.write("a.pdf", b"%PDF-1.4")
    await desk.end(n)
    policy = (await browser.raw(n, "a.pdf")).headers["Content-Security-Policy"]
    assert "sandbox" not in policy
    assert "default-src 'none'" in policy


def test_sizes_read_as_people_write_them():
    assert [changes.size_of(size) for size in (0, 1023, 1536, 5 << 20)] == [
        "0 B",
        "1023 B",
        "1.5 KB",
        "5.0 MB",
    ]
