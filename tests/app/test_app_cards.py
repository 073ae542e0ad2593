"""Cards by the application: asked as a message, updated by the code that a click brings."""

import pytest

from bot.cards import Update
from bot.opencode.model import PermissionRequest
from bot.render import Pending
from bot.render.cards import Place, ask_card
from handlers.wecom.app.outlet import AppOutlet
from handlers.wecom.budget import Budget
from tests.fakes.edge import Clock, until

WORDS = "🔐 a7k in words"


def card_of(command="ls", task="per_1@1"):
    request = PermissionRequest("per_1", "ses_1", "bash", ("ls",), (), {"command": command})
    return ask_card(Pending("a7k", request, 0), Place(task, 1, "zh"))


@pytest.fixture
async def asked(edge):
    talk, _, reply = await edge.asked()
    return talk, reply


async def test_a_card_that_says_all_comes_in_the_stead_of_words(edge, asked):
    talk, reply = asked
    await reply.ask(WORDS, [card_of()])
    await talk.late_reply()
    await edge.settled()
    (item,) = talk.late
    assert item.card["task_id"] == "per_1@1"
    assert edge.violations == []


async def test_a_card_that_cannot_say_all_comes_behind_the_words(edge, asked):
    talk, reply = asked
    await reply.ask(WORDS, [card_of("x" * 200), card_of(task="per_2@1")])
    await talk.late_reply(number=3)
    words, *cards = talk.late
    assert words.content == WORDS
    assert [item.card["task_id"] for item in cards] == ["per_1@1", "per_2@1"]


@pytest.mark.parametrize("command", ["ls", "x" * 200])
async def test_where_wecom_takes_no_card_there_are_words(edge, asked, command):
    talk, reply = asked
    edge.corp_api.faults.going_on.set()
    faults = [40008] if command == "ls" else ["hang", 40008]
    edge.corp_api.faults.calls.extend(faults)
    await reply.ask(WORDS, [card_of(command)])
    assert await talk.late_reply() == WORDS
    await edge.settled()
    assert [item.card for item in talk.late] == [None]


async def test_a_card_that_has_to_wait_is_still_a_card_but_for_a_restart(edge, asked):
    talk, reply = asked
    edge.corp_api.faults.calls.append(45009)
    await reply.ask(WORDS, [card_of()])
    await edge.settled()
    edge.clock.now += 120_000
    await edge.retry()
    assert talk.late[0].card is not None
    edge.corp_api.faults.calls.append(45009)
    await reply.ask(f"{WORDS} again", [card_of(task="per_2@1")])
    await edge.settled()
    edge.clock.now += 120_000
    await edge.restart()
    await edge.retry()
    assert talk.late[1].content == f"{WORDS} again"


async def clicked(edge, talk, reply, *faults):
    """Ask by a card, and have it pressed; ``faults`` meet what WeCom is told then."""
    await reply.ask(WORDS, [card_of()])
    await talk.late_reply()
    await edge.settled()
    item = talk.late[0]
    edge.corp_api.faults.calls.extend(faults)
    edge.desk.update = Update(card_of("decided", task=item.card["task_id"]))
    await edge.wecom.click("zhangsan", item, item.card["button_list"][0]["key"])
    return item


async def test_a_click_is_decided_once_and_the_card_shows_it(edge, asked):
    item = await clicked(edge, *asked)
    await until(lambda: item.cards)
    (event,) = edge.desk.clicks
    assert (event.click.task, event.channel) == ("per_1@1", "app")
    assert "decided" in str(item.cards["zhangsan"])
    assert edge.channel.counts["click"] == 1
    assert edge.violations == []


async def test_where_the_card_cannot_be_changed_its_words_are_said(edge, asked):
    talk = asked[0]
    item = await clicked(edge, *asked, 40008)
    assert (await talk.late_reply(number=2)).startswith("**")
    assert not item.cards


async def test_a_click_that_says_nothing_changes_nothing(edge, asked):
    talk, reply = asked
    await reply.ask(WORDS, [card_of()])
    await talk.late_reply()
    item = talk.late[0]
    await edge.wecom.click("zhangsan", item, item.card["button_list"][0]["key"])
    assert len(edge.desk.clicks) == 1
    assert edge.corp_api.calls["message/update_template_card"] == 0


def test_no_more_cards_are_remembered_than_can_be_needed():
    outlet = AppOutlet(None, 1, Budget(), Clock(), 0, None)
    for delivery in range(300):
        outlet.draw(delivery, [card_of()])
    assert len(outlet._cards) == 200
    assert 299 in outlet._cards
