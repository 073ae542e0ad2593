"""An answer as messages of an application: each within its limits, nothing lost, numbered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages import Answer
from bot.sandbox.corp_rules import read_post
from handlers.wecom.app.parts import (
    CONTENT_BYTES,
    MOST,
    compact,
    first_part,
    markdown,
    messages_of,
    plain,
)
from handlers.wecom.app.twins import COPIES_S, Twins
from tests.app.edge import AGENT_ID
from tests.fakes.edge import Clock

MORE = "……（全文：[打开](https://bot.example/t/7/abc/)）"


def contents(answer):
    return [body["markdown"]["content"] for body in messages_of(answer) if "markdown" in body]


def taken(body):
    """What WeCom takes of a message; it raises for what WeCom would refuse."""
    return read_post({"touser": "z", "agentid": AGENT_ID, **body}, AGENT_ID)


def test_a_short_answer_is_one_message_without_a_number():
    assert contents(Answer("the answer", "✅ done", MORE)) == ["the answer\n\n✅ done"]


def test_a_longer_one_has_numbers_and_nothing_is_lost():
    lines = [f"line {number} " + "x" * 40 for number in range(150)]
    parts = contents(Answer("\n".join(lines), "✅ done", MORE))
    assert [part.split("\n")[0] for part in parts] == [
        f"({n}/{len(parts)})" for n in range(1, len(parts) + 1)
    ]
    assert "\n".join(part.partition("\n")[2] for part in parts).count("line ") == 150
    assert parts[-1].endswith("✅ done")


def test_what_is_longer_than_all_messages_is_cut_and_a_card_opens_it():
    *parts, card = messages_of(Answer("字" * 20_000, "✅ done · #7", MORE))
    assert len(parts) == MOST - 1
    assert card["msgtype"] == "textcard"
    assert card["textcard"]["url"] == "https://bot.example/t/7/abc/"
    assert card["textcard"]["description"] == "✅ done · #7"
    assert taken(card).kind == "textcard"


def test_without_a_page_the_last_message_says_how_to_read_on():
    parts = contents(Answer("字" * 20_000, "✅ done", "……（/result 7 2 看后续）"))
    assert len(parts) <= MOST
    assert "/result 7 2" in parts[-1]
    assert parts[-1].endswith("✅ done")


def test_nothing_at_all_is_still_said():
    assert contents(Answer("  \n")) == ["（没有内容）"]


ANSWERS = st.builds(
    Answer,
    st.lists(
        st.sampled_from(["字" * 300, "a" * 900, "```py\nx = 1", "```", "", "- b", "👩‍👩‍👧" * 40])
    ).map("\n".join),
    st.sampled_from(["", "✅ done", "长" * 900]),
    st.sampled_from(["", MORE, "/result 7 2"]),
)


@given(ANSWERS)
def test_whatever_the_answer_wecom_takes_every_message_of_it(answer):
    bodies = messages_of(answer)
    assert 1 <= len(bodies) <= MOST
    numbered = Twins(Clock())
    for delivery in (1, 2):
        for body in numbered.apart("z", delivery, bodies):
            taken(body)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=5000))
def test_a_first_part_fits_and_the_rest_follows(text):
    first, rest = first_part(text)
    assert len(first.encode()) <= CONTENT_BYTES
    assert bool(rest) <= (len(text.encode()) > CONTENT_BYTES - 64)


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        ("**a** b", "a b"),
        ("## Head\ntext", "Head\ntext"),
        ("[a](https://b/c)", "a: https://b/c"),
        ("2 ** 3 ** 4", "2 ** 3 ** 4"),
        ("#hash `code` *it*", "#hash `code` *it*"),
        ("a[0](x)", "a[0](x)"),
    ],
)
def test_markdown_as_plain_text(marked, said):
    assert plain(marked) == said


def test_news_are_short():
    assert len(compact("字" * 5000).encode()) <= 1200


# Twins: WeCom drops a message that is equal to one of the last half hour.


def test_two_deliveries_of_one_text_are_told_apart_and_a_repeat_is_not():
    twins = Twins(Clock())
    done = [markdown("done")]
    assert twins.apart("z", 1, done) == done
    assert twins.apart("z", 1, done) == done
    assert twins.apart("z", 2, done) == [markdown("done\n(2)")]
    assert twins.apart("z", 2, done) == [markdown("done\n(2)")]
    assert twins.apart("z", 3, done) == [markdown("done\n(3)")]
    assert twins.apart("lisi", 3, done) == done


def test_what_was_said_long_ago_is_forgotten():
    clock = Clock()
    twins = Twins(clock)
    for delivery in range(50):
        twins.apart("z", delivery, [markdown(f"text {delivery}")])
    clock.now += COPIES_S * 1000 + 60_000
    assert twins.apart("z", 99, [markdown("text 1")]) == [markdown("text 1")]
    assert len(twins) == 1
