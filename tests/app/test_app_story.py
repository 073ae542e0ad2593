"""Whole conversations with the service by its self-built application."""

import pytest

from tests.fakes.opencode_turns import ask, say, write
from tests.fault_fixtures import brought
from tests.wecom_fixtures import AES_KEY, BOT_ID, BOT_NAME, TOKEN

CHAT = "wecom:direct:zhangsan"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture
async def bot(make_faked):
    return await make_faked(channel="app")


def codes(bot):
    return [violation.code for violation in bot.wecom.violations]


async def test_a_person_asks_and_is_answered(bot, fake):
    fake.script(write("a.txt", "hello"), say("It is written."))
    talk = await bot.wecom.say("zhangsan", "write a file")
    assert "#1" in talk.text
    answer = await talk.late_reply()
    assert "It is written." in answer
    assert "#1" in answer
    await brought(bot, 1)
    again = await bot.wecom.say("zhangsan", "/result 1")
    assert "It is written." in again.text
    assert codes(bot) == []


async def test_who_enters_is_greeted_and_a_stranger_is_told_what_to_do(bot):
    assert "/help" in await bot.wecom.enter("zhangsan")
    talk = await bot.wecom.say("mallory", "hello")
    assert "mallory" in talk.text
    assert codes(bot) == []


async def test_help_is_answered_in_plain_text_or_as_messages(bot):
    talk = await bot.wecom.say("zhangsan", "/help")
    text = talk.text or await talk.late_reply()
    assert "/status" in text
    assert codes(bot) == []


async def test_a_long_answer_comes_whole(bot, fake):
    fake.script(say("\n\n".join(f"Paragraph {n}. " + "word " * 60 for n in range(20))))
    talk = await bot.wecom.say("zhangsan", "tell a story")
    await brought(bot, 1)
    text = "\n".join(item.content for item in talk.late)
    assert all(f"Paragraph {n}." in text for n in range(20))
    assert codes(bot) == []


async def test_a_permission_is_asked_by_a_card_and_given_by_a_click(bot, fake):
    fake.script(ask("bash", ("ls",), output="a.txt"), say("There is a.txt."))
    talk = await bot.wecom.say("zhangsan", "look around")
    await talk.late_reply()
    card = talk.late[0]
    assert card.card["card_type"] == "button_interaction"
    await bot.wecom.click("zhangsan", card, card.card["button_list"][0]["key"])
    assert "There is a.txt." in await talk.late_reply(number=2)
    await bot.wecom.book.until(lambda: "zhangsan" in card.cards, 20)
    assert "zhangsan" in str(card.cards["zhangsan"])
    assert codes(bot) == []


async def test_what_a_stranger_clicks_decides_nothing(bot, fake):
    fake.script(ask("bash", ("ls",)), say("Done."))
    talk = await bot.wecom.say("zhangsan", "look around")
    await talk.late_reply()
    card = talk.late[0]
    await bot.wecom.click("mallory", card, card.card["button_list"][0]["key"])
    await bot.wecom.book.until(lambda: "mallory" in card.cards, 20)
    assert "zhangsan" not in card.cards
    assert len(await bot.store.asks.open(CHAT)) == 1


async def test_a_picture_that_a_person_sends_reaches_the_turn(bot, fake):
    fake.script(say("A picture."))
    await bot.wecom.upload("zhangsan", "image", "", PNG)
    talk = await bot.wecom.say("zhangsan", "what is this?")
    assert "A picture." in await talk.late_reply()
    kept = await bot.store.attachments.of(f"app-{talk.msgid}")
    assert [(one.state, one.channel) for one in kept] == [("kept", "app")]
    assert codes(bot) == []


async def test_a_restart_in_between_loses_nothing_and_says_nothing_twice(bot, fake):
    fake.script(say("One."))
    bot.wecom.corp.api.faults.calls.append("lose_answer")
    talk = await bot.wecom.say("zhangsan", "first")
    await talk.late_reply()
    await bot.restart()
    await brought(bot, 1)
    assert len(talk.late) == 1
    assert (await bot.store.deliveries.of_turn(1)).state == "sent"


async def test_the_bots_direct_chat_and_the_applications_are_one_chat(make_faked, fake):
    both = {
        "WECOM_BOT_TOKEN": TOKEN,
        "WECOM_BOT_AES_KEY": AES_KEY,
        "WECOM_BOT_ID": BOT_ID,
        "WECOM_BOT_NAME": BOT_NAME,
    }
    bot = await make_faked(channel="app", **both)
    fake.script(say("One."))
    talk = await bot.wecom.say("zhangsan", "first")
    await talk.late_reply()
    await brought(bot, 1)
    bot.wecom.channel = "callback"
    bot.wecom.callback_url = f"{bot.service.url}/wecom/bot"
    bot.wecom._caller._receive_id = b""
    fake.script(say("Two."))
    other = await bot.wecom.say("zhangsan", "second")
    assert "Two." in await other.done()
    first, second = [await bot.store.turns.get(n) for n in (1, 2)]
    assert (first.chat, first.session) == (second.chat, second.session)
    assert (first.channel, second.channel) == ("app", "callback")
    assert codes(bot) == []
