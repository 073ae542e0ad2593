"""What a newcomer sees: the sandbox's page in a real browser, up to the page that the agent wrote."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.opencode]

ROOT = Path(__file__).parent.parent
KEPT = ("PATH", "LANG", "TMPDIR", "COVERAGE_FILE", "COVERAGE_PROCESS_CONFIG")
PATIENCE_S = 90
PATIENCE_MS = PATIENCE_S * 1000
GROUP = "项目群"


@pytest.fixture
async def sandbox(tmp_path):
    """Run ``python -m bot sandbox`` with no configuration; returns the address that it prints."""
    environ = {name: os.environ[name] for name in KEPT if name in os.environ}
    environ |= {"HOME": str(tmp_path / "home"), "BOT_DATA_DIR": str(tmp_path / "data")}
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "sandbox"),
            cwd=ROOT,
            env=environ | {"BOT_PORT": "0"},
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := re.search(rb"http://\S+", line := await process.stdout.readline())):
                assert line, (tmp_path / "log").read_text()
        yield found[0].decode()
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()


class Screen:
    """The chat page in one browser tab, and its pictures."""

    def __init__(self, page, folder):
        self.page = page
        self.folder = folder
        self.errors = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console", lambda message: message.type == "error" and self.errors.append(message.text)
        )

    async def picture(self, name):
        self.folder.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=self.folder / f"{name}.png")

    async def say(self, words):
        await self.page.fill("#words", words)
        await self.page.press("#words", "Enter")

    async def answer(self, words, *, number=0):
        """Wait for a finished bubble of the bot that holds these words."""
        bubble = self.page.locator(".item.bubble.finished", has_text=words).nth(number)
        await bubble.wait_for(timeout=PATIENCE_MS)
        return bubble

    async def choose(self, name):
        await self.page.locator("#chats button", has_text=name).click()


@pytest.fixture
async def screen(chromium, tmp_path, request):
    """A tab; ``@pytest.mark.parametrize("screen", [{...}], indirect=True)`` dresses it."""
    options = {"locale": "zh-CN", "viewport": {"width": 1100, "height": 800}}
    context = await chromium.new_context(**options | getattr(request, "param", {}))
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path / "screenshots"))
    yield Screen(await context.new_page(), folder)
    await context.close()


async def open_link(screen, bubble, name):
    """Follow the link called ``name``; returns the page that opens."""
    async with screen.page.context.expect_page(timeout=PATIENCE_MS) as opening:
        await bubble.get_by_role("link", name=name).first.click()
    opened = await opening.value
    await opened.wait_for_load_state()
    return opened


async def test_a_page_is_asked_for_and_opens_with_its_style_and_script_at_work(sandbox, screen):
    await screen.page.goto(sandbox)
    await screen.page.locator(".welcome", has_text="OpenCode").wait_for(timeout=PATIENCE_MS)
    await screen.picture("1-welcome")
    await screen.page.get_by_role("button", name="做一个带按钮的小网页").click()
    bubble = await screen.answer("index.html")
    await screen.picture("2-answer")
    made = await open_link(screen, bubble, "index.html")
    assert await made.evaluate("document.documentElement.dataset.script") == "ran"
    assert (
        await made.locator("h1").evaluate("it => getComputedStyle(it).color") == "rgb(10, 125, 90)"
    )
    await made.locator("#button").click()
    await made.locator("#button").click()
    assert await made.locator("#count").text_content() == "点了 2 次"
    await made.screenshot(path=screen.folder / "3-page.png")
    await made.goto(made.url.partition("raw/")[0])
    await made.get_by_text("app.js").first.wait_for()
    await made.screenshot(path=screen.folder / "4-viewer.png", full_page=True)
    assert screen.errors == []


async def test_in_a_group_two_members_talk_and_status_tells_how_it_is(sandbox, screen):
    await screen.page.goto(sandbox)
    await screen.choose(GROUP)
    await screen.say("列一个三步计划")
    await screen.page.locator(".item.bubble.open").first.wait_for(timeout=PATIENCE_MS)
    await screen.answer("三步都完成了")
    await screen.page.select_option("#speaker", label="李四")
    await screen.say("运行 ls")
    await screen.answer("命令的输出")
    await screen.say("/status")
    await screen.answer("会话")
    await screen.picture("5-group")
    await screen.page.uncheck("#mention")
    await screen.say("这句话没有提到它")
    await screen.page.get_by_text("没有 @机器人").wait_for()
    await screen.picture("6-not-mentioned")
    assert await screen.page.locator("#alarm").is_hidden()
    assert screen.errors == []


async def test_words_that_could_not_be_sent_are_back_where_they_were_typed(sandbox, screen):
    page = screen.page
    await page.goto(sandbox)
    await screen.choose("张三")
    await screen.say("长回答")
    await screen.answer("全文")
    await page.evaluate("document.querySelector('#talk').scrollTop = 0")
    await page.route("**/sandbox/say", lambda route: route.abort())
    await screen.say("一句要紧的话")
    await page.get_by_text("文字已放回输入框").wait_for(timeout=PATIENCE_MS)
    assert await page.input_value("#words") == "一句要紧的话"
    await page.unroute("**/sandbox/say")
    await page.press("#words", "Enter")
    await page.locator(".item.said", has_text="一句要紧的话").wait_for(timeout=PATIENCE_MS)
    await page.wait_for_function(
        "(it => it.scrollHeight - it.scrollTop - it.clientHeight < 80)(document.querySelector('#talk'))"
    )
    assert await page.input_value("#words") == ""
    screen.errors.clear()  # the browser's own word about the request that was cut


async def test_a_page_from_before_a_start_says_so_and_a_stranger_is_refused(sandbox, screen):
    await screen.page.goto(sandbox)
    await screen.choose("赵六")
    await screen.say("你好")
    await screen.answer("zhaoliu")
    notice = screen.page.get_by_text("更早的聊天不再显示在这里")
    assert await notice.is_hidden()
    await screen.page.evaluate("localStorage.setItem('first-run', 'an-earlier-one')")
    await screen.page.reload()
    await notice.wait_for(timeout=PATIENCE_MS)
    assert screen.errors == []


PHONE = {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark", "locale": "en-GB"}


@pytest.mark.parametrize("screen", [PHONE], indirect=True)
async def test_on_a_phone_a_question_and_a_permission_are_answered(sandbox, screen):
    await screen.page.goto(sandbox)
    await screen.page.locator("#chats button", has_text="张三").click()
    await screen.say("ask me a question")
    waiting = screen.page.locator(".item.bubble.open", has_text="/answer")
    await waiting.wait_for(timeout=PATIENCE_MS)
    await screen.picture("7-question")
    code = re.search(r"/answer (\w+)", await waiting.inner_text())[1]
    await screen.say(f"/answer {code} 2")
    await screen.answer("Blue")
    await screen.say("permission")
    waiting = screen.page.locator(".item.bubble.open", has_text="/allow")
    await waiting.wait_for(timeout=PATIENCE_MS)
    await screen.picture("8-permission")
    asked = await waiting.inner_text()
    assert "(tool read): /etc/hostname" in asked
    await waiting.get_by_role("button", name="Allow once").click()
    await screen.answer("What came of it")
    await screen.page.locator(".card", has_text="Allowed").wait_for(timeout=PATIENCE_MS)
    await screen.say("fail")
    await screen.answer("❌")
    await screen.say("/help")
    await screen.answer("/status")
    await screen.picture("9-phone")
    assert screen.errors == []
