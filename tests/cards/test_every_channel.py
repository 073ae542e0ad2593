"""The same card, and the same press, by every channel of WeCom."""

import pytest

from bot.texts import cards as texts
from tests.fakes.opencode_turns import ask, question, say

PATIENCE_S = 30
CHANNELS = ("callback", "connection", "app")


async def card_in(wecom, chat):
    """Wait until a card stands in a chat; returns the item that shows it."""

    def shown():
        return [item for item in wecom.transcript(chat) if item.card is not None]

    await wecom.book.until(lambda: bool(shown()), PATIENCE_S)
    return shown()[-1]


async def said(wecom, chat, words):
    await wecom.book.until(
        lambda: any(words in item.content for item in wecom.transcript(chat) if not item.who),
        PATIENCE_S,
    )


def title(card):
    return card["main_title"]["title"]


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_permission_is_decided_by_a_press(make_faked, fake, channel):
    faked = await make_faked(channel=channel)
    wecom = faked.wecom
    fake.script(ask(), say("Allowed."))
    await wecom.say("zhangsan", "hello")
    item = await card_in(wecom, "zhangsan")
    await wecom.click("zhangsan", item, "always")
    await said(wecom, "zhangsan", "Allowed.")
    (record,) = await faked.store.asks.of_turn(1)
    assert (record.decision, record.decided_by) == ("always", "zhangsan")
    over = texts.ALLOWED_FOR_TASK.say("en", code=record.code)
    await wecom.book.until(lambda: title(item.card_of("zhangsan")) == over, PATIENCE_S)
    assert [decision for _, decision in fake.replies] == [{"reply": "once"}]
    assert wecom.violations == []


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_question_is_answered_by_ticking(make_faked, fake, channel):
    faked = await make_faked(channel=channel)
    wecom = faked.wecom
    fake.script(question("Which?", "Red", "Green", "Blue", multiple=True), say("Painted."))
    await wecom.say("zhangsan", "hello")
    item = await card_in(wecom, "zhangsan")
    await wecom.click("zhangsan", item, "answer", ticked=["1", "3"])
    await said(wecom, "zhangsan", "Painted.")
    assert [answers for _, answers in fake.replies] == [[["Red", "Blue"]]]

    def closed():
        return item.card_of("zhangsan")["checkbox"].get("disable") is True

    await wecom.book.until(closed, PATIENCE_S)
    assert wecom.violations == []


@pytest.mark.parametrize("channel", ["callback", "connection"])
async def test_in_a_group_only_who_may_decides(make_faked, fake, channel):
    faked = await make_faked(channel=channel)
    wecom = faked.wecom
    fake.script(ask(), say("Then not."))
    await wecom.say("zhangsan", "hello", group="wrTEAM")
    item = await card_in(wecom, "wrTEAM")
    refused = await wecom.click("lisi", item, "allow")
    assert refused.only == ("lisi",)
    assert item.card_of("zhangsan") is not refused.card
    assert fake.replies == []
    await wecom.click("lead", item, "deny")
    await said(wecom, "wrTEAM", "Then not.")
    assert title(item.card_of("lisi")).startswith("🚫")
    assert wecom.violations == []
