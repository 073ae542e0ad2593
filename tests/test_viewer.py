"""The signed page of a turn, over a real socket."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.snapshot import Limits
from bot.texts import files as texts
from handlers.viewer import changes, markdown

pytest_plugins = ["tests.desk_fixtures"]


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


async def test_x9_an_answer_cannot_run_anything_nor_fetch_from_elsewhere(desk, browser):
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


def test_sizes_read_as_people_write_them():
    assert [changes.size_of(size) for size in (0, 1023, 1536, 5 << 20)] == [
        "0 B",
        "1023 B",
        "1.5 KB",
        "5.0 MB",
    ]
