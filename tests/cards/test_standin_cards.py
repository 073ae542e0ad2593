"""What the stand-in refuses of cards, as WeCom does, and what it lets people press."""

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.card_rules import check_card
from bot.sandbox.cipher import Refused
from bot.sandbox.clicks import NotThere
from tests.fakes.responder import stream
from tests.standin import codes, responding, script

LINK = {"type": 1, "url": "https://example.com"}
NOTICE = {"card_type": "text_notice", "main_title": {"title": "done"}, "card_action": LINK}
NEWS = NOTICE | {"card_type": "news_notice", "card_image": {"url": "https://example.com/a.png"}}
BUTTONS = {
    "card_type": "button_interaction",
    "main_title": {"title": "May it?", "desc": "#1"},
    "button_list": [{"text": "Yes", "key": "y"}, {"text": "No", "style": 2, "key": "n"}],
    "task_id": "t_1@a-b",
}
BOX = {
    "question_key": "q",
    "mode": 0,
    "option_list": [{"id": "1", "text": "Red"}, {"id": "2", "text": "Blue"}],
}
VOTE = {
    "card_type": "vote_interaction",
    "main_title": {"title": "Which?"},
    "checkbox": BOX,
    "submit_button": {"text": "Go", "key": "go"},
    "task_id": "t_2",
}
SELECT = {key: value for key, value in BOX.items() if key != "mode"}
MULTIPLE = {key: value for key, value in VOTE.items() if key != "checkbox"} | {
    "card_type": "multiple_interaction",
    "select_list": [SELECT | {"title": "Colour"}, SELECT | {"question_key": "r"}],
}
FULL = BUTTONS | {
    "source": {"desc": "OpenCode", "icon_url": "https://example.com/i.png"},
    "action_menu": {"desc": "more", "action_list": [{"text": "Stop", "key": "stop"}]},
    "quote_area": {"type": 1, "url": "https://example.com", "quote_text": "x"},
    "sub_title_text": "ls",
    "horizontal_content_list": [
        {"keyname": "who", "value": "me"},
        {"keyname": "where", "type": 1, "url": "https://example.com"},
    ],
    "button_selection": SELECT,
    "card_action": LINK,
    "feedback": {"id": "f"},
}
JUMPS = NOTICE | {"jump_list": [{"title": "ask", "type": 3, "question": "what?"}]}


@pytest.mark.parametrize("card", [NOTICE, NEWS, BUTTONS, VOTE, MULTIPLE, FULL, JUMPS])
def test_a_card_with_all_that_it_needs_is_taken(card):
    check_card(card)


def changed(card, path, value):
    """Return the card with one piece replaced, or taken out (None)."""
    card = copy.deepcopy(card)
    *way, last = path.split(".")
    piece = card
    for name in way:
        piece = piece[int(name)] if isinstance(piece, list) else piece[name]
    if value is None:
        del piece[last]
    elif isinstance(piece, list):
        piece[int(last)] = value
    else:
        piece[last] = value
    return card


@pytest.mark.parametrize(
    ("card", "path", "value"),
    [
        (NOTICE, "card_type", "poem"),
        (NOTICE, "card_type", 7),
        (NOTICE, "card_action", None),
        (NOTICE, "card_action.type", 0),
        (NOTICE, "card_action.type", 9),
        (NOTICE, "card_action.url", None),
        (NOTICE, "card_action.url", "javascript:1"),
        (NOTICE, "card_action.url", f"https://example.com/{'x' * 2048}"),
        (NOTICE, "main_title", None),
        (NOTICE, "main_title", "done"),
        (NOTICE, "button_list", BUTTONS["button_list"]),
        (NOTICE, "action_menu", FULL["action_menu"]),
        (NEWS, "card_image", None),
        (BUTTONS, "main_title.title", ""),
        (BUTTONS, "main_title.title", "x" * 27),
        (BUTTONS, "main_title.desc", "x" * 31),
        (BUTTONS, "task_id", None),
        (BUTTONS, "task_id", "two words"),
        (BUTTONS, "task_id", "好"),
        (BUTTONS, "task_id", "x" * 129),
        (BUTTONS, "button_list", []),
        (BUTTONS, "button_list", [{"text": str(n), "key": str(n)} for n in range(7)]),
        (BUTTONS, "button_list.0", "Yes"),
        (BUTTONS, "button_list.0.text", "x" * 11),
        (BUTTONS, "button_list.0.text", " "),
        (BUTTONS, "button_list.0.style", 5),
        (BUTTONS, "button_list.0.key", "n"),
        (BUTTONS, "button_list.0.key", None),
        (BUTTONS, "button_list.0.key", "好" * 342),
        (BUTTONS, "poem", {}),
        (FULL, "sub_title_text", "x" * 113),
        (FULL, "source.desc", "x" * 14),
        (FULL, "action_menu.desc", None),
        (FULL, "action_menu.action_list", []),
        (FULL, "quote_area.url", None),
        (FULL, "horizontal_content_list.0.keyname", "x" * 6),
        (FULL, "horizontal_content_list.0.keyname", None),
        (FULL, "horizontal_content_list.0.value", "x" * 27),
        (FULL, "horizontal_content_list.0.type", 2),
        (FULL, "horizontal_content_list.1.url", None),
        (FULL, "horizontal_content_list", [{"keyname": "x"}] * 7),
        (VOTE, "checkbox", None),
        (VOTE, "checkbox.question_key", None),
        (VOTE, "checkbox.mode", 2),
        (VOTE, "checkbox.disable", True),
        (VOTE, "checkbox.option_list", []),
        (VOTE, "checkbox.option_list.0.text", "x" * 12),
        (VOTE, "checkbox.option_list.0.id", "2"),
        (VOTE, "checkbox.option_list.0.id", "x" * 129),
        (VOTE, "checkbox.option_list", [{"id": str(n), "text": "x"} for n in range(21)]),
        (VOTE, "checkbox.option_list", [{"id": str(n), "text": "x", "is_checked": True} for n in (1, 2)]),
        (VOTE, "submit_button", None),
        (VOTE, "submit_button.text", "x" * 11),
        (VOTE, "sub_title_text", "x"),
        (MULTIPLE, "select_list", [SELECT | {"question_key": str(n)} for n in range(4)]),
        (MULTIPLE, "select_list.1.question_key", "q"),
        (MULTIPLE, "select_list.0.title", "x" * 14),
        (JUMPS, "jump_list.0.question", "好" * 67),
    ],
)  # fmt: skip
def test_a_card_that_breaks_a_rule_is_refused(card, path, value):
    check_card(card)
    with pytest.raises(Refused):
        check_card(changed(card, path, value))


def test_a_card_that_takes_anothers_place_may_be_closed():
    check_card(VOTE | {"checkbox": BOX | {"disable": True}}, updates=True)


# On the wire


@pytest.fixture
async def bot(aiohttp_server):
    return await responding(aiohttp_server)


@pytest.fixture
async def wecom(make_standin, bot):
    return await make_standin(bot.url)


def with_card(card, content="1"):
    return stream(content) | {"msgtype": "stream_with_template_card", "template_card": card}


def update(card, **more):
    return {"response_type": "update_template_card", "template_card": card} | more


async def shown(wecom, bot, card):
    script(bot, with_card(card), stream("2", finish=True))
    talk = await wecom.say("zhangsan", "hello", group="wrTEAM")
    await talk.done()
    return talk.bubble


async def test_a_press_tells_what_was_pressed_and_ticked_and_brings_an_address(wecom, bot):
    item = await shown(wecom, bot, VOTE)
    script(bot, update(VOTE | {"checkbox": BOX | {"disable": True}}))
    reply = await wecom.click("lisi", item, "go", ticked=["2", "9"])
    event = bot.calls[-1]
    assert event["event"]["template_card_event"] == {
        "card_type": "vote_interaction",
        "event_key": "go",
        "selected_items": {
            "selected_item": [{"question_key": "q", "option_ids": {"option_id": ["2"]}}]
        },
        "task_id": "t_2",
    }
    assert (event["from"], event["chatid"]) == ({"userid": "lisi"}, "wrTEAM")
    assert event["response_url"].startswith(wecom.base_url)
    assert item.card is reply.card
    assert codes(wecom) == []


async def test_a_card_that_is_for_one_member_leaves_that_of_the_others(wecom, bot):
    item = await shown(wecom, bot, BUTTONS)
    own = BUTTONS | {"main_title": {"title": "Not yours"}}
    script(bot, update(own, userids=["lisi"]))
    await wecom.click("lisi", item, "y")
    assert item.card_of("lisi")["main_title"]["title"] == "Not yours"
    assert item.card_of("zhangsan") == BUTTONS
    done = BUTTONS | {"main_title": {"title": "Done"}}
    script(bot, update(done))
    await wecom.click("zhangsan", item, "y")
    assert item.card_of("lisi") == done


async def test_a_press_that_is_not_answered_changes_nothing(wecom, bot):
    item = await shown(wecom, bot, BUTTONS)
    script(bot, None)
    assert await wecom.click("lisi", item, "y") is None
    assert item.card == BUTTONS
    assert codes(wecom) == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (update(BUTTONS | {"task_id": "t_9"}), "task_id"),
        (update(NOTICE), "card"),
        (update(BUTTONS, userids="lisi"), "userids"),
        (stream("hello"), "response_type"),
        ({"msgtype": "template_card", "template_card": BUTTONS}, "response_type"),
    ],
)
async def test_an_answer_to_a_press_that_wecom_does_not_take_is_a_violation(
    wecom, bot, answer, code
):
    item = await shown(wecom, bot, BUTTONS)
    script(bot, answer)
    await wecom.click("lisi", item, "y")
    assert codes(wecom) == [code]
    assert item.card == BUTTONS


@pytest.mark.parametrize(
    ("card", "key", "ticked"),
    [(BUTTONS, "maybe", ()), (VOTE, "go", ("9",)), (VOTE, "y", ("1",)), (BUTTONS, "y", ("1",))],
)
async def test_what_is_not_on_the_card_cannot_be_pressed(wecom, bot, card, key, ticked):
    item = await shown(wecom, bot, card)
    with pytest.raises(NotThere):
        await wecom.click("lisi", item, key, ticked=ticked)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = [
    (card, path)
    for card in (NOTICE, NEWS, VOTE, MULTIPLE, FULL, JUMPS)
    for name in card
    for path in (name, *(f"{name}.{inner}" for inner in (card[name] if isinstance(card[name], dict) else ())))
]  # fmt: skip


@given(place=st.sampled_from(PLACES), value=JSON.filter(lambda one: one is not None))
def test_nonsense_in_a_card_is_refused_or_taken_and_nothing_else(place, value):
    with contextlib.suppress(Refused):
        check_card(changed(*place, value))
