"""The same conversations by each way of WeCom, in front of the real OpenCode with a scripted model."""

import base64
import re

import pytest

from bot import leaving
from bot.sandbox.script import hold, say, tool
from tests.media.pictures import PNG

pytestmark = pytest.mark.opencode
CHAT = "wecom:direct:zhangsan"
PATIENCE_S = 60  # OpenCode's first answer in a new folder takes a busy machine its time
DRAW = f"echo {base64.b64encode(PNG).decode()} | base64 -d"
LONG = "\n\n".join(f"Paragraph {n}. " + "word " * 60 for n in range(100))
CUT_BELOW = {"callback": 20_480, "connection": 20_480, "app": 2_048}


@pytest.fixture(params=["callback", "connection", "app"])
async def bot(request, make_bot, opencode, monkeypatch):
    """A service that people reach by one channel alone, with a model that sees images."""
    monkeypatch.setattr(leaving, "LINGER_S", 0.2)
    settings = {"OPENCODE_MODEL": "demo/eyes", "BOT_TURN_GRACE": "0.2s"}
    bot = await make_bot(opencode, channel=request.param, **settings)
    await bot.ready()
    yield bot
    assert bot.wecom.violations == []


def said(bot):
    """Everything that the bot has said to zhangsan, in order."""
    return [item for item in bot.wecom.transcript("zhangsan") if not item.who]


async def heard(bot, true):
    """Wait until something that the bot said is as wanted; returns it."""
    await bot.wecom.book.until(lambda: any(map(true, said(bot))), PATIENCE_S)
    return next(filter(true, said(bot)))


async def told(bot, words):
    """Wait until the bot has said ``words``, and will not change them; returns that message."""
    return await heard(bot, lambda item: words in item.content and item.state == "finished")


async def picture(bot, *, after=()):
    """Wait until the bot has sent another picture; returns its bytes, or its name alone by the API."""
    item = await heard(bot, lambda one: one not in after and (one.images or one.medium))
    if bot.wecom.channel == "app":
        (kept,) = (
            one for one in bot.wecom.corp.api.media._kept.values() if one.name == item.medium
        )
        return item, kept.content
    (shown,) = item.images
    return item, base64.b64decode(shown.partition(",")[2])


async def test_a_question_is_answered_and_a_long_answer_is_cut_and_to_be_read_whole(
    bot, opencode, http
):
    opencode.model.script("你好", say("你好，有什么可以帮你？", chunks=4))
    opencode.model.script("story", say(LONG, chunks=20))
    talk = await bot.wecom.say("zhangsan", "你好")
    assert "#1" in talk.text
    answer = await told(bot, "你好，有什么可以帮你？")
    assert "#1" in answer.content
    delivery = await bot.store.deliveries.of_turn(1)
    assert delivery.channel == bot.wecom.channel
    await bot.wecom.say("zhangsan", "tell a story")
    await told(bot, "Paragraph 0.")
    cut = await heard(bot, lambda one: one.state == "finished" and _page_of(one, 2))
    sizes = [len(one.content.encode()) for one in said(bot)]
    assert max(sizes) <= CUT_BELOW[bot.wecom.channel]
    assert all("Paragraph 99." not in one.content for one in said(bot))
    async with http.get(_page_of(cut, 2)) as page:
        assert "Paragraph 99." in await page.text()


async def test_one_picture_goes_in_and_others_come_out(bot, opencode):
    draw = f"mkdir -p outbox && {DRAW} > outbox/plot.png && {DRAW} > other.png"
    opencode.model.script(
        lambda r: "what is this" in str(r.messages),
        tool("bash", {"command": draw, "description": "draw"}),
        say("One pixel."),
    )
    await bot.wecom.upload("zhangsan", "image", "", PNG)
    await bot.wecom.say("zhangsan", "what is this?")
    await told(bot, "One pixel.")
    asked = next(one for one in opencode.model.requests if not one.is_title)
    assert base64.b64encode(PNG).decode() in str(asked.messages)
    chat = await bot.store.chats.get(CHAT)
    workspace = await bot.service.services.sessions.directory(chat)
    assert [file.read_bytes() for file in (workspace / "inbox").iterdir()] == [PNG]
    first, content = await picture(bot)
    assert content == PNG
    await bot.wecom.say("zhangsan", "/send other.png")
    _, content = await picture(bot, after=[first])
    assert content == PNG
    await told(bot, "other.png")


async def test_a_permission_is_given_by_a_press_on_its_card(bot, opencode):
    outside = tool("bash", {"command": "cat /etc/hostname", "description": "read"})
    opencode.model.script("outside", outside, say("Read it."))
    await bot.wecom.say("zhangsan", "outside please")
    item = await heard(bot, lambda one: one.card is not None)
    await bot.wecom.click("zhangsan", item, "allow")
    await told(bot, "Read it.")
    (ask,) = await bot.store.asks.of_turn(1)
    assert (ask.decision, ask.decided_by) == ("allow", "zhangsan")
    await bot.wecom.book.until(lambda: "zhangsan" in str(item.card_of("zhangsan")), PATIENCE_S)


async def test_a_turn_outlives_a_restart_and_is_answered_once(bot, opencode):
    opencode.model.script("long", say("The beginning,") + hold("rest") + say(" the end."))
    await bot.wecom.say("zhangsan", "a long one")
    await opencode.model.wait_asked("long")
    await bot.restart()
    opencode.model.release("rest")
    await told(bot, "The beginning, the end.")
    assert len(opencode.model.asked("long")) == 1
    answers = [item for item in said(bot) if "the end." in item.content]
    assert len(answers) == 1
    await bot.wecom.book.until(
        lambda: not any(one.state == "open" for one in said(bot)), PATIENCE_S
    )


def _page_of(item, n):
    """Return the address of a turn's page that a message leads to, in its words or on its card."""
    found = re.search(rf"http://127[^\s)]+/t/{n}/[^\s)']+", f"{item.content} {item.card}")
    return found[0] if found else ""
