"""Answers as people type them, and the codes that they type."""

from dataclasses import replace

import pytest

from bot.asks.answers import answers
from bot.asks.codes import DIGITS, LETTERS, new_code
from bot.errors import UserError
from bot.opencode.model import Option, Question, QuestionRequest
from bot.texts import asks as texts

COLOUR = Question("Which?", options=(Option("Red"), Option("Dark blue"), Option("3D")))
SIZES = replace(COLOUR, multiple=True, custom=False)


@pytest.mark.parametrize(
    ("questions", "text", "expected"),
    [
        ((COLOUR,), "2", [["Dark blue"]]),
        ((COLOUR,), "２", [["Dark blue"]]),
        ((COLOUR,), " dark BLUE ", [["Dark blue"]]),
        ((COLOUR,), "3d", [["3D"]]),
        ((COLOUR,), "something else, 2 of them", [["something else, 2 of them"]]),
        ((SIZES,), "1,3", [["Red", "3D"]]),
        ((SIZES,), "1、3、1", [["Red", "3D"]]),
        ((SIZES,), "1 2", [["Red", "Dark blue"]]),
        ((SIZES,), "red，3d", [["Red", "3D"]]),
        ((Question("Name?"),), "7", [["7"]]),
        ((), "anything", [["anything"]]),
        ((COLOUR, Question("Name?")), "1 | Anna | ", [["Red"], ["Anna"]]),
        ((COLOUR, SIZES), "1\n2,3", [["Red"], ["Dark blue", "3D"]]),
        ((COLOUR, COLOUR), "1｜2", [["Red"], ["Dark blue"]]),
        ((Question("Name?"),), "a | b\nc", [["a | b\nc"]]),
    ],
)
def test_numbers_labels_and_own_words_are_answers(questions, text, expected):
    assert answers(QuestionRequest("q", "s", questions), "c3m", text) == expected


@pytest.mark.parametrize(
    ("questions", "text", "expected"),
    [
        ((COLOUR,), "  ", texts.NO_ANSWER_GIVEN),
        ((Question("Name?"),), "", texts.NO_ANSWER_GIVEN),
        ((COLOUR, COLOUR), "", texts.NO_ANSWER_GIVEN),
        ((COLOUR,), "4", texts.NO_SUCH_OPTION),
        ((COLOUR,), "0", texts.NO_SUCH_OPTION),
        ((COLOUR,), "1,2", texts.ONLY_ONE_OPTION),
        ((SIZES,), "green", texts.ONLY_OPTIONS),
        ((COLOUR, COLOUR), "1", texts.WRONG_COUNT),
        ((COLOUR, COLOUR), "1|2|3", texts.WRONG_COUNT),
    ],
)
def test_an_answer_that_does_not_fit_is_explained(questions, text, expected):
    with pytest.raises(UserError) as told:
        answers(QuestionRequest("q", "s", questions), "c3m", text)
    assert told.value.text == expected
    for language in ("zh", "en"):
        assert told.value.text.say(language, **told.value.facts)


def test_codes_are_three_characters_that_cannot_be_mixed_up():
    seen = {new_code(()) for _ in range(300)}
    assert all(len(code) == 3 and code[1] in DIGITS for code in seen)
    assert not set("0o1il5s8b2zuvgq") & set("".join(seen))
    taken = {a + d + b for a in LETTERS for d in DIGITS for b in LETTERS} - {"a7k"}
    assert new_code(taken) == "a7k"
