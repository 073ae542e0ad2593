"""Cards on the sandbox's page in a real browser: pressed, ticked, and shown as they are then."""

import base64
import hashlib
import os
import struct
import zlib
from pathlib import Path

import pytest
from aiohttp import web

from bot.sandbox.view import Cast, Group, Member
from bot.sandbox.web import Page
from tests.fakes.opencode_turns import ask, question, say
from tests.fakes.responder import stream
from tests.standin import codes, responding, script

pytestmark = pytest.mark.browser

MEMBERS = (Member("zhangsan", "张三"), Member("lisi", "李四"), Member("lead", "王工"))
CAST = Cast(MEMBERS, (Group("wrTEAM", "项目群"),), demo_model=True)
SECRET = "the-token-of-the-printed-address"
PATIENCE_MS = 30_000
WIDTH = 240
PHONE = {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark", "locale": "en-GB"}


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png():
    """A picture of one colour."""
    rows = (b"\0" + b"\x0a\x7d\x5a" * WIDTH) * 80
    head = struct.pack(">IIBBBBB", WIDTH, 80, 8, 2, 0, 0, 0)
    pieces = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*piece) for piece in pieces)


class Screen:
    """The chat page in one tab, and its pictures."""

    def __init__(self, tab, folder):
        self.tab = tab
        self.folder = folder
        self.errors = []
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.on(
            "console", lambda message: message.type == "error" and self.errors.append(message.text)
        )

    async def picture(self, name):
        self.folder.mkdir(parents=True, exist_ok=True)
        await self.tab.screenshot(path=self.folder / f"{name}.png")

    async def choose(self, name):
        await self.tab.locator("#chats button", has_text=name).click()

    async def say(self, words):
        await self.tab.fill("#words", words)
        await self.tab.press("#words", "Enter")

    async def card(self, words):
        card = self.tab.locator(".card", has_text=words).last
        await card.wait_for(timeout=PATIENCE_MS)
        return card

    async def press(self, card, name):
        await card.get_by_role("button", name=name).click()

    async def answer(self, words):
        bubble = self.tab.locator(".item.bubble.finished", has_text=words).last
        await bubble.wait_for(timeout=PATIENCE_MS)


@pytest.fixture
async def open_page(chromium, aiohttp_server, tmp_path):
    """Open the page of a stand-in: ``await open_page(wecom, **options of the browser)``."""
    contexts = []

    async def open_(wecom, **options):
        app = web.Application()
        Page(wecom, CAST, SECRET).attach(app)
        server = await aiohttp_server(app)
        size = {"width": 1100, "height": 900}
        context = await chromium.new_context(**({"locale": "zh-CN", "viewport": size} | options))
        contexts.append(context)
        folder = Path(os.environ.get("SCREENSHOTS", tmp_path / "screenshots"))
        screen = Screen(await context.new_page(), folder)
        await screen.tab.goto(f"{server.make_url('/sandbox/')}?token={SECRET}")
        return screen

    yield open_
    for context in contexts:
        await context.close()


async def test_a_permission_and_a_question_are_decided_by_clicks(faked, fake, open_page):
    fake.script(ask("bash", ["npm run db:migrate"]), say("数据库已迁移。"))
    fake.script(
        question("用哪种颜色？", "红色", "蓝色", "一种很长很长很长很长的颜色"),
        say("好的，用蓝色。"),
    )
    screen = await open_page(faked.wecom)
    await screen.choose("张三")
    await screen.say("迁移一下数据库")
    card = await screen.card("需要批准")
    assert "npm run db:migrate" in await card.inner_text()
    await screen.picture("cards-1-approval")
    await screen.press(card, "仅这一次")
    await screen.card("已允许")
    await screen.answer("数据库已迁移")
    await screen.picture("cards-2-allowed")
    await screen.say("选一个颜色")
    card = await screen.card("用哪种颜色")
    await card.get_by_label("2. 蓝色").check()
    await screen.picture("cards-3-question")
    await screen.press(card, "提交")
    card = await screen.card("已回答")
    assert await card.get_by_label("2. 蓝色").is_checked()
    assert await card.get_by_label("2. 蓝色").is_disabled()
    await screen.answer("用蓝色")
    await screen.picture("cards-4-answered")
    assert codes(faked.wecom) == []
    assert screen.errors == []


async def test_in_a_group_each_sees_the_card_that_is_theirs(faked, fake, open_page):
    fake.script(ask("bash", ["rm -rf build"]), say("没有删除。"))
    screen = await open_page(faked.wecom)
    await screen.choose("项目群")
    await screen.say("清理构建目录")
    await screen.card("需要批准")
    await screen.tab.select_option("#speaker", label="李四")
    await screen.press(await screen.card("需要批准"), "仅这一次")
    await screen.card("E-ROLE")
    await screen.picture("cards-5-not-yours")
    await screen.tab.select_option("#speaker", label="王工")
    card = await screen.card("需要批准")
    assert "E-ROLE" not in await card.inner_text()
    await screen.press(card, "拒绝")
    await screen.card("已拒绝")
    await screen.answer("没有删除")
    await screen.picture("cards-6-denied")
    assert codes(faked.wecom) == []
    assert screen.errors == []


async def test_what_is_ticked_stays_while_the_bubble_is_drawn_anew(faked, fake, open_page):
    fake.script(question("Which ones?", "Red", "Green", "Blue", multiple=True), say("Painted."))
    screen = await open_page(faked.wecom, **PHONE)
    await screen.choose("张三")
    await screen.say("ask me")
    card = await screen.card("Which ones?")
    await card.get_by_label("Red").check()
    await card.get_by_label("Blue").check()
    item = faked.wecom.transcript("zhangsan")[-1]
    item.quote = "and on"  # nothing that the next answer to a poll would take back
    faked.wecom.book.touch(item)
    await screen.tab.get_by_text("and on").wait_for()
    assert await card.get_by_label("Blue").is_checked()
    await screen.picture("cards-7-phone")
    await screen.press(card, "Submit")
    await screen.answer("Painted.")
    assert [answers for _, answers in fake.replies] == [[["Red", "Blue"]]]
    assert screen.errors == []


async def test_pictures_and_files_of_the_bot_are_shown(make_standin, aiohttp_server, open_page):
    bot = await responding(aiohttp_server)
    wecom = await make_standin(bot.url)
    drawn = png()
    image = {"base64": base64.b64encode(drawn).decode(), "md5": hashlib.md5(drawn).hexdigest()}
    items = [{"msgtype": "image", "image": image}]
    script(bot, None, stream("# 图表", finish=True, msg_item=items))
    screen = await open_page(wecom)
    await screen.choose("张三")
    await screen.say("画一张图")
    picture = screen.tab.locator(".item.bubble img")
    await picture.wait_for(timeout=PATIENCE_MS)
    assert await picture.evaluate("it => it.naturalWidth") == WIDTH
    file = wecom.book.add("zhangsan", "late", "", "")
    file.medium = "report.pdf"
    wecom.book.touch(file)
    await screen.tab.locator(".item.late", has_text="report.pdf").wait_for(timeout=PATIENCE_MS)
    await screen.picture("cards-8-media")
    assert screen.errors == []
