"""Whole stories: OpenCode asks, a card shows it, somebody presses, everybody sees who decided."""

import asyncio
import itertools

import pytest

from bot import upkeep
from bot.texts import asks as ask_texts
from bot.texts import cards as texts
from handlers import clicks
from handlers.wecom.timing import Timing
from tests.fakes import opencode_turns
from tests.fakes.opencode_turns import ask, question, say
from tests.fakes.shim import Shim
from tests.fault_fixtures import CHAT, answer_of

GROUP = "wrTEAM"
PATIENCE_S = 30


async def carded(talk):
    """Wait until the bubble has a card; returns the item that shows it."""
    await talk.book.until(
        lambda: talk.bubble is not None and talk.bubble.card is not None, PATIENCE_S
    )
    return talk.bubble


async def late_card(talk, number=1):
    await talk.late_reply(number=number)
    return talk.late[number - 1]


def title(card):
    return card["main_title"]["title"]


def about(card):
    return card["main_title"]["desc"]


def keys(card):
    return [button["key"] for button in card["button_list"]]


async def asked(bot, n=1):
    """What the turn asked, as the store has it."""
    return await bot.store.asks.of_turn(n)


# Approvals


async def test_a_permission_is_granted_by_pressing_its_button(faked, fake):
    fake.script(ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    assert "/allow" in await talk.shows("/allow")
    assert item.card["sub_title_text"] == "ls"
    assert keys(item.card) == ["allow", "always", "deny"]
    update = await faked.wecom.click("zhangsan", item, "allow")
    (record,) = await asked(faked)
    assert (record.decision, record.decided_by) == ("allow", "zhangsan")
    assert title(update.card) == texts.ALLOWED.say("en", code=record.code)
    assert texts.DECIDED_BY.say("en", by="zhangsan") in about(update.card)
    assert update.only == ()
    assert "Allowed." in await answer_of(talk)
    assert [decision for _, decision in fake.replies] == [{"reply": "once"}]
    assert faked.wecom.violations == []


async def test_a_permission_is_denied_by_pressing_its_button_and_the_turn_goes_on(faked, fake):
    fake.script(ask(), say("Then not."))
    talk = await faked.wecom.say("zhangsan", "hello")
    update = await faked.wecom.click("zhangsan", await carded(talk), "deny")
    (record,) = await asked(faked)
    assert title(update.card) == texts.DENIED.say("en", code=record.code)
    assert "Then not." in await answer_of(talk)
    ((_, decision),) = fake.replies
    assert decision == {"reply": "reject", "message": "The person denied this request."}


async def test_what_is_allowed_for_the_task_is_not_asked_again_and_not_for_the_next(faked, fake):
    fake.script(ask("bash", ["ls -a"]), ask("bash", ["ls -b"]), ask("bash", ["rm x"]), say("Done."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await faked.wecom.click("zhangsan", await carded(talk), "always")
    await talk.shows("rm x")
    decided = [(one.decision, one.decided_by, one.state) for one in await asked(faked)]
    assert decided == [
        ("always", "zhangsan", "answered"),
        ("allow", "zhangsan", "answered"),
        ("", "", "open"),
    ]
    waiting = (await faked.store.asks.open(CHAT))[0]
    await faked.wecom.say("zhangsan", f"/always {waiting.code}")
    assert "Done." in await answer_of(talk)
    assert [decision for _, decision in fake.replies] == [{"reply": "once"}] * 3
    fake.script(ask("bash", ["ls -c"]), say("Done."))
    again = await faked.wecom.say("zhangsan", "again")
    assert keys((await carded(again)).card) == ["allow", "always", "deny"]


# Questions


async def test_a_question_is_answered_by_ticking_and_shows_what_was_ticked(faked, fake):
    fake.script(question("Which colour?", "Red", "Blue"), say("Painted."))
    talk = await faked.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    assert [one["text"] for one in item.card["checkbox"]["option_list"]] == ["Red", "Blue"]
    update = await faked.wecom.click("zhangsan", item, "answer", ticked=["2"])
    assert texts.ANSWERED.say("en", code=(await asked(faked))[0].code) in about(update.card)
    ticked = [one["id"] for one in update.card["checkbox"]["option_list"] if "is_checked" in one]
    assert ticked == ["2"]
    assert "Painted." in await answer_of(talk)
    assert [answers for _, answers in fake.replies] == [[["Blue"]]]
    assert faked.wecom.violations == []


async def test_a_question_that_takes_several_answers_takes_them_by_one_press(faked, fake):
    fake.script(question("Which?", "Red", "Green", "Blue", multiple=True), say("Painted."))
    talk = await faked.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    assert item.card["checkbox"]["mode"] == 1
    await faked.wecom.click("zhangsan", item, "answer", ticked=["3", "1"])
    assert "Painted." in await answer_of(talk)
    assert [answers for _, answers in fake.replies] == [[["Red", "Blue"]]]


async def test_nothing_ticked_is_no_answer_and_only_who_pressed_is_told(faked, fake):
    fake.script(question("Which?", "Red", "Blue"), say("Painted."))
    talk = await faked.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    update = await faked.wecom.click("zhangsan", item, "answer")
    assert update.only == ("zhangsan",)
    assert about(update.card) == texts.TICK_ONE.say("en")
    assert fake.replies == []
    await faked.wecom.click("zhangsan", item, "answer", ticked=["1"])
    assert "Painted." in await answer_of(talk)


async def test_a_question_without_answers_to_tick_has_no_card(faked, fake):
    fake.script(question("Which?", *[f"answer {n}" for n in range(21)]), say("Painted."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("/answer")
    (record,) = await faked.store.asks.open(CHAT)
    await faked.wecom.say("zhangsan", f"/answer {record.code} 1")
    assert "Painted." in await answer_of(talk)
    assert talk.bubble.card is None


async def test_a_request_whose_name_no_card_can_bear_is_in_words(faked, fake, monkeypatch):
    monkeypatch.setattr(opencode_turns, "new_id", lambda kind: f"{kind}.{next(numbers)}")
    numbers = itertools.count()
    fake.script(ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("/allow")
    (record,) = await faked.store.asks.open(CHAT)
    assert record.id.startswith("per.")
    await faked.wecom.say("zhangsan", f"/allow {record.code}")
    assert "Allowed." in await answer_of(talk)
    assert talk.bubble.card is None


# Who may, and who was first


async def test_in_a_group_only_who_may_decides_and_the_others_see_whose_it_is(faked, fake):
    fake.script(ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello", group=GROUP)
    item = await carded(talk)
    refused = await faked.wecom.click("lisi", item, "allow")
    assert refused.only == ("lisi",)
    assert "E-ROLE" in refused.card["quote_area"]["quote_text"]
    stranger = await faked.wecom.click("mallory", item, "allow")
    assert stranger.card["quote_area"]["quote_text"] == texts.NOT_ADMITTED.say("en")
    assert item.card_of("zhangsan") is item.card
    assert fake.replies == []
    await faked.wecom.click("lead", item, "allow")
    assert "Allowed." in await answer_of(talk)
    (record,) = await asked(faked)
    assert record.decided_by == "lead"
    assert item.card_of("lisi") is item.card
    assert faked.wecom.violations == []


async def test_where_each_member_has_a_session_the_others_press_in_vain(make_faked, fake):
    faked = await make_faked(BOT_CHAT_GROUP_SESSION="per_user")
    fake.script(ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello", group=GROUP)
    item = await carded(talk)
    refused = await faked.wecom.click("lisi", item, "allow")
    assert "E-ROLE" in refused.card["quote_area"]["quote_text"]
    await faked.wecom.click("lead", item, "allow")
    assert "Allowed." in await answer_of(talk)


async def test_of_many_who_press_at_once_one_decides_and_all_see_who(faked, fake):
    fake.script(ask(), say("Done."))
    talk = await faked.wecom.say("zhangsan", "hello", group=GROUP)
    item = await carded(talk)
    updates = []

    async def press(member, key):
        updates.append(await faked.wecom.click(member, item, key))

    async with asyncio.TaskGroup() as group:
        for member, key in (("zhangsan", "allow"), ("lead", "deny"), ("boss", "allow")):
            group.create_task(press(member, key))
    (record,) = await asked(faked)
    by = texts.DECIDED_BY.say("en", by=record.decided_by)
    assert [by in about(update.card) for update in updates] == [True] * 3
    assert len({title(update.card) for update in updates}) == 1
    assert len(fake.replies) == 1
    assert "Done." in await answer_of(talk)


async def test_a_press_after_a_typed_decision_shows_that_one(faked, fake):
    fake.script(ask(), say("Then not."))
    talk = await faked.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    (record,) = await asked(faked)
    await faked.wecom.say("zhangsan", f"/deny {record.code}")
    assert "Then not." in await answer_of(talk)
    update = await faked.wecom.click("zhangsan", item, "allow")
    assert title(update.card) == texts.DENIED.say("en", code=record.code)
    assert [decision["reply"] for _, decision in fake.replies] == ["reject"]


async def test_an_expired_card_says_so_when_it_is_pressed(make_faked, fake, clock, monkeypatch):
    monkeypatch.setattr(upkeep, "EXPIRE_S", 0.05)
    faked = await make_faked(BOT_APPROVALS_EXPIRE_AFTER="30s")
    fake.script(ask(), say("Then not."))
    talk = await faked.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    clock.leap(31_000)
    assert "Then not." in await answer_of(talk)
    update = await faked.wecom.click("zhangsan", item, "allow")
    assert title(update.card) == texts.EXPIRED.say("en", code=(await asked(faked))[0].code)
    assert [decision["reply"] for _, decision in fake.replies] == ["reject"]


async def test_an_old_card_decides_nothing_else_that_has_its_code_by_now(faked, fake, monkeypatch):
    monkeypatch.setattr("bot.asks.new_code", lambda _: "a3a")
    fake.script(ask("bash", ["ls"]), say("One."))
    first = await faked.wecom.say("zhangsan", "hello")
    old = await carded(first)
    await faked.wecom.click("zhangsan", old, "allow")
    await answer_of(first)
    old.card["button_list"] = [{"text": "x", "key": "allow"}]  # a client that kept the former
    fake.script(ask("bash", ["rm"]), say("Two."))
    second = await faked.wecom.say("zhangsan", "again")
    await carded(second)
    update = await faked.wecom.click("zhangsan", old, "allow")
    assert title(update.card) == texts.ALLOWED.say("en", code="a3a")
    assert len(fake.replies) == 1
    await faked.wecom.click("zhangsan", second.bubble, "deny")
    assert "Two." in await answer_of(second, 2)


@pytest.mark.parametrize("task", ["per_unknown@01234567", "somebody-elses"])
async def test_a_card_that_nobody_knows_any_more_says_so(faked, fake, task):
    fake.script(ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    known = item.card
    item.card = known | {"task_id": task}
    update = await faked.wecom.click("zhangsan", item, "allow")
    assert title(update.card) == texts.LOST.say("zh")
    assert update.card["task_id"] == task
    item.card, item.cards = known, {}
    await faked.wecom.click("zhangsan", item, "allow")
    assert "Allowed." in await answer_of(talk)


async def test_a_card_of_another_chat_decides_nothing(faked, fake):
    fake.script(ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    item.chat = GROUP
    update = await faked.wecom.click("lead", item, "allow")
    assert (title(update.card), update.only) == (texts.LOST.say("zh"), ("lead",))
    assert fake.replies == []


# Channels that can show one card a message, restarts, peers that are slow or away


async def test_a_message_has_one_card_and_the_next_request_is_in_words(faked, fake):
    fake.script(ask("bash", ["ls"]), ask("bash", ["rm"]), say("Done."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await faked.wecom.click("zhangsan", await carded(talk), "allow")
    await talk.shows("`rm`")
    (record,) = await faked.store.asks.open(CHAT)
    await faked.wecom.say("zhangsan", f"/allow {record.code}")
    assert "Done." in await answer_of(talk)
    assert faked.wecom.violations == []


async def test_a_card_from_before_a_restart_still_decides_and_gets_no_second_beside_it(faked, fake):
    fake.script(ask("bash", ["ls"]), ask("bash", ["rm"]), say("Done."))
    talk = await faked.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    await faked.restart()
    await talk.shows("restarted")
    await faked.wecom.click("zhangsan", item, "allow")
    await talk.shows("`rm`")
    (record,) = await faked.store.asks.open(CHAT)
    await faked.wecom.say("zhangsan", f"/allow {record.code}")
    assert "Done." in await answer_of(talk)
    assert faked.wecom.violations == []


async def test_after_the_hand_over_a_card_leaves_by_itself_and_its_press_brings_a_way_out(
    make_faked, fake
):
    faked = await make_faked(options={"timing": Timing(hand_over_ms=0)})
    gate = asyncio.Event()
    fake.script(say("First", gate), ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.done()
    gate.set()
    item = await late_card(talk)
    assert (item.content, keys(item.card)) == ("", ["allow", "always", "deny"])
    await faked.wecom.click("zhangsan", item, "allow")
    assert "Allowed." in await talk.late_reply(number=2)
    assert faked.wecom.violations == []


@pytest.mark.parametrize(("group", "command"), [(GROUP, "ls"), (None, "x" * 113)])
async def test_after_the_hand_over_a_request_leaves_in_words_where_a_card_cannot(
    make_faked, fake, group, command
):
    faked = await make_faked(options={"timing": Timing(hand_over_ms=0)})
    gate = asyncio.Event()
    fake.script(say("First", gate), ask("bash", [command]), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello", group=group)
    await talk.done()
    gate.set()
    item = await late_card(talk)
    assert item.card is None
    assert command in item.content
    assert faked.wecom.violations == []


async def test_a_decision_that_did_not_get_through_leaves_the_card_as_it_was(faked, fake):
    fake.script(ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    fake.fault("/reply", "refuse")
    update = await faked.wecom.click("zhangsan", item, "allow")
    assert "E-OC-DOWN" in update.card["quote_area"]["quote_text"]
    assert update.only == ("zhangsan",)
    await faked.wecom.click("zhangsan", item, "allow")
    assert "Allowed." in await answer_of(talk)
    assert title(item.card_of("zhangsan")) == texts.ALLOWED.say(
        "en", code=(await asked(faked))[0].code
    )


@pytest.fixture
async def slow(fake, make_bot, monkeypatch):
    """A service whose OpenCode takes longer for a decision than WeCom waits for a card."""
    monkeypatch.setattr(clicks, "DECIDE_S", 0.05)
    async with Shim(fake) as line:
        bot = await make_bot(line)
        await bot.ready()
        bot.line = line
        yield bot


async def test_a_decision_that_takes_long_is_shown_as_on_its_way(slow, fake):
    fake.script(ask(), say("Allowed."))
    talk = await slow.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    slow.line.slow_posts_s = 0.5
    update = await slow.wecom.click("zhangsan", item, "allow")
    (record,) = await asked(slow)
    assert title(update.card) == texts.WORKING.say("en", code=record.code)
    assert "Allowed." in await answer_of(talk)
    again = await slow.wecom.click("zhangsan", item, "done")
    assert title(again.card) == texts.ALLOWED.say("en", code=record.code)


async def test_a_decision_that_fails_after_all_is_told_by_a_message(slow, fake):
    fake.script(ask(), say("Allowed."))
    talk = await slow.wecom.say("zhangsan", "hello")
    item = await carded(talk)
    slow.line.slow_posts_s = 0.5
    fake.fault("/reply", "refuse")
    update = await slow.wecom.click("zhangsan", item, "allow")
    assert keys(update.card) == ["done"]
    (record,) = await asked(slow)
    told = await talk.late_reply()
    assert told == ask_texts.NOT_REACHED.say("en", code=record.code)
    slow.line.slow_posts_s = 0
    await slow.wecom.say("zhangsan", f"/allow {record.code}")
    assert "Allowed." in await answer_of(talk)
