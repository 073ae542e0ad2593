"""Requests as cards, and cards as WeCom draws them: whatever is asked, within its limits."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards import Click, Update, subject_of, task_of
from bot.opencode.model import Option, PermissionRequest, Question, QuestionRequest
from bot.render import Pending
from bot.render.cards import Outcome, Place, ask_card, lost_card, over_card, working_card
from bot.sandbox.rules import read_reply
from handlers.wecom import cards

TEXTS = st.text(max_size=200)
LABELS = st.text(max_size=60)
LINKS = st.sampled_from(["", "https://bot.example/t/31/abc/"])
LANGUAGES = st.sampled_from(["zh", "en"])

permissions = st.builds(
    PermissionRequest,
    id=st.just("per_1"),
    session=st.just("ses_1"),
    permission=st.sampled_from(["bash", "edit", "external_directory", "something new"]),
    patterns=st.lists(TEXTS, max_size=3).map(tuple),
    always=st.lists(st.text(min_size=1, max_size=40), max_size=2).map(tuple),
    metadata=st.fixed_dictionaries({"command": TEXTS}),
)
questions = st.builds(
    Question,
    question=LABELS,
    options=st.lists(st.builds(Option, LABELS), min_size=1, max_size=20).map(tuple),
    multiple=st.booleans(),
)
asked = st.builds(
    QuestionRequest, st.just("que_1"), st.just("ses_1"), questions.map(lambda one: (one,))
)


def pending(request, **facts):
    return Pending(code="a7k", request=request, asked_at=0, **({"expires_at": 900_000} | facts))


def place(link="", language="zh"):
    return Place(task_of("per_1"), 31, language, link)


def sent(card):
    return read_reply(cards.message_body(card), "late").card


def updated(card):
    return read_reply(orjson.dumps(cards.update_body(Update(card))), "template_card_event").card


@given(request=permissions | asked, link=LINKS, language=LANGUAGES, note=TEXTS)
def test_whatever_is_asked_wecom_takes_its_card(request, link, language, note):
    card = ask_card(pending(request), place(link, language), note=note)
    assert card is not None
    assert sent(card)["task_id"] == card.task
    assert updated(card)["task_id"] == card.task


@given(
    request=permissions | asked,
    link=LINKS,
    language=LANGUAGES,
    state=st.sampled_from(["answered", "expired", "gone"]),
    decision=st.sampled_from(["allow", "always", "deny", "answer", ""]),
    by=st.text(max_size=64),
)
def test_however_it_ends_wecom_takes_the_card_that_says_so(
    request, link, language, state, decision, by
):
    where = place(link, language)
    card = over_card(pending(request), where, Outcome(state, decision, by), {"1"})
    assert updated(card)["task_id"] == where.task
    assert updated(working_card(pending(request), where))["task_id"] == where.task
    assert updated(lost_card(where.task, language))["task_id"] == where.task


BASH = PermissionRequest(
    "per_1",
    "ses_1",
    "bash",
    ("npm run db:migrate",),
    ("npm *",),
    {"command": "npm run db:migrate --password=hunter2"},
)


def test_an_approval_shows_what_is_asked_for_and_hides_its_secrets():
    body = cards.card_body(ask_card(pending(BASH), place()))
    assert body["card_type"] == "button_interaction"
    assert body["main_title"] == {"title": "🔐 需要批准 · a7k", "desc": "任务 #31：执行命令"}
    assert body["sub_title_text"] == "npm run db:migrate --password=****"
    facts = {one["keyname"]: one["value"] for one in body["horizontal_content_list"]}
    assert facts == {
        "可批准": "发起人、维护者、管理员",
        "或回复": "允许 a7k、拒绝 a7k 理由",
        "同类": "npm *",
        "时限": "15m00s",
    }
    pressed = [(one["text"], one["key"], one["style"]) for one in body["button_list"]]
    assert pressed == [
        ("仅这一次", "allow", 1),
        ("本任务同类放行", "always", 3),
        ("拒绝", "deny", 2),
    ]


def test_nobody_is_offered_to_allow_for_the_task_what_is_not_shown():
    unknown = PermissionRequest("per_1", "ses_1", "bash", ("ls",), (), {"command": "ls"})
    long = PermissionRequest("per_1", "ses_1", "bash", ("ls",), ("x" * 90,), {"command": "ls"})
    for request in (unknown, long):
        body = cards.card_body(ask_card(pending(request), place()))
        assert [one["key"] for one in body["button_list"]] == ["allow", "deny"]


def test_a_request_of_a_sub_agent_says_so_and_one_without_a_limit_shows_none():
    body = cards.card_body(ask_card(pending(BASH, of_child=True, expires_at=None), place()))
    assert body["main_title"]["desc"] == "任务 #31：执行命令（来自子任务）"
    assert "时限" not in [one["keyname"] for one in body["horizontal_content_list"]]


def question(*labels, multiple=False, text="Which colour?"):
    options = tuple(Option(label) for label in labels)
    return QuestionRequest("que_1", "ses_1", (Question(text, "Colour", options, multiple),))


def test_a_question_is_a_vote_and_its_answers_are_numbered_where_they_are_cut():
    short = cards.card_body(ask_card(pending(question("Red", "Blue")), place()))
    assert short["checkbox"] == {
        "question_key": "q",
        "mode": 0,
        "option_list": [{"id": "1", "text": "Red"}, {"id": "2", "text": "Blue"}],
    }
    long = question("A rather long answer", "Blue", multiple=True)
    box = cards.card_body(ask_card(pending(long), place()))["checkbox"]
    assert box["mode"] == 1
    assert [one["text"] for one in box["option_list"]] == ["1. A rathe…", "2. Blue"]


@pytest.mark.parametrize(
    "request_",
    [
        QuestionRequest("que_1", "ses_1", ()),
        QuestionRequest("que_1", "ses_1", (Question("In words?"),)),
        QuestionRequest("que_1", "ses_1", question("a").questions * 2),
        question(*"abcdefghijklmnopqrstu"),
    ],
    ids=["none", "words", "several", "too many"],
)
def test_what_no_card_can_ask_has_none_and_still_an_end(request_):
    assert ask_card(pending(request_), place()) is None
    assert updated(over_card(pending(request_), place(), Outcome("gone")))


def test_a_decided_question_shows_what_was_ticked_and_takes_no_more():
    outcome = Outcome("answered", "answer", "zhangsan")
    body = cards.card_body(
        over_card(pending(question("Red", "Blue")), place(), outcome, ticked=["2"])
    )
    assert body["main_title"]["desc"] == "✅ 已回答 · a7k · zhangsan"
    assert body["checkbox"]["disable"] is True
    assert [one.get("is_checked", False) for one in body["checkbox"]["option_list"]] == [
        False,
        True,
    ]
    assert body["submit_button"] == {"text": "已处理", "key": "done"}


def test_a_decided_approval_says_who_and_leads_to_the_turn_where_that_has_a_page():
    outcome = Outcome("answered", "deny", "lisi")
    plain = cards.card_body(over_card(pending(BASH), place(), outcome))
    assert plain["main_title"] == {
        "title": "🚫 已拒绝 · a7k",
        "desc": "由 lisi 决定 · 任务 #31 继续",
    }
    assert [one["key"] for one in plain["button_list"]] == ["done"]
    linked = cards.card_body(over_card(pending(BASH), place("https://bot.example/t/31/"), outcome))
    assert linked["card_type"] == "text_notice"
    assert linked["card_action"] == {"type": 1, "url": "https://bot.example/t/31/"}


@pytest.mark.parametrize(
    ("card", "whole"),
    [
        (ask_card(pending(BASH), place()), True),
        (ask_card(pending(question("Red", "Blue")), place()), True),
        (ask_card(pending(question("A rather long answer")), place()), False),
        (ask_card(pending(question("Red", text="x" * 27)), place()), False),
        (
            ask_card(
                pending(PermissionRequest("p", "s", "bash", (), (), {"command": "x" * 113})),
                place(),
            ),
            False,
        ),
        (
            ask_card(pending(PermissionRequest("p", "s", "bash", ("x",), ("x" * 27,))), place()),
            False,
        ),
    ],
)
def test_a_card_stands_alone_only_if_it_shows_all_that_is_to_be_decided(card, whole):
    assert cards.whole(card) is whole


def test_each_card_has_a_name_of_its_own_that_leads_back():
    names = {task_of("per_0abc") for _ in range(50)}
    assert len(names) == 50
    assert {subject_of(name) for name in names} == {"per_0abc"}


@pytest.mark.parametrize("subject", ["", "per 1", "per@1", "许可", "x" * 101, "per_1\n"])
def test_what_cannot_be_part_of_a_name_has_no_card(subject):
    assert task_of(subject) == ""


@pytest.mark.parametrize("task", ["", "per_1", "@", "per_1@", "per 1@ab", "x" * 120 + "@12345678"])
def test_a_name_that_is_not_ours_leads_nowhere(task):
    assert subject_of(task) == ""


def clicked(**facts):
    pressed = {"card_type": "button_interaction", "event_key": "allow", "task_id": "per_1@ab"}
    return {"eventtype": "template_card_event", "template_card_event": pressed | facts}


def test_a_press_is_read_with_what_was_ticked():
    items = [
        {"question_key": "q", "option_ids": {"option_id": ["1", "3"]}},
        {"question_key": "r", "option_ids": {"option_id": ["2"]}},
    ]
    event = clicked(event_key="answer", selected_items={"selected_item": items})
    assert cards.click_of(event) == Click("per_1@ab", "answer", ("1", "3", "2"))
    assert cards.click_of(clicked()) == Click("per_1@ab", "allow")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"eventtype": "enter_chat"},
        {"eventtype": "template_card_event"},
        {"eventtype": "template_card_event", "template_card_event": []},
        clicked(task_id=7),
        clicked(task_id=""),
        clicked(event_key=None),
        clicked(event_key="x" * 257),
        clicked(task_id="per\0"),
    ],
)
def test_what_is_no_press_of_a_card_is_none(event):
    assert cards.click_of(event) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(selected=JSON, items=JSON, ids=JSON)
def test_nonsense_that_is_said_to_be_ticked_is_nothing_or_words(selected, items, ids):
    shapes = (
        selected,
        {"selected_item": items},
        {"selected_item": [{"option_ids": ids}]},
        {"selected_item": [{"option_ids": {"option_id": ids}}]},
    )
    for shape in shapes:
        click = cards.click_of(clicked(selected_items=shape))
        assert all(isinstance(one, str) and one for one in click.ticked)
