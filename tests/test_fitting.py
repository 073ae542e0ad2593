import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.fitting import CUT, PART_BYTES, closed, fit, head, open_fence, split, tail
from bot.fitting import size as bytes_of

LINES = st.sampled_from(
    [
        "",
        "一段中文，里面有标点。",
        "plain words " * 6,
        "```python",
        "```",
        "~~~",
        "print('héllo 🎉')",
        "    ```",
        "x" * 200,
        "家👨‍👩‍👧族🇨🇳" * 20,
        "- item",
    ]
)
TEXTS = st.lists(LINES, max_size=40).map("\n".join)
LIMITS = st.integers(120, 600)


def unfenced(markdown):
    """What is left when the fences that a cut adds, and all white space, are taken out."""
    return re.sub(r"\s", "", re.sub(r"(?m)^[ \t]*(```|~~~)[^\n]*$", "", markdown))


@given(TEXTS, LIMITS)
def test_no_part_is_over_the_limit_or_empty_and_nothing_is_lost(text, limit):
    parts = split(text, limit)
    assert all(bytes_of(part) <= limit for part in parts)
    assert all(part.strip() for part in parts) or not text.strip()
    assert unfenced("\n".join(parts)) == unfenced(text)


@given(TEXTS, LIMITS)
def test_every_part_closes_the_fence_that_a_cut_went_through(text, limit):
    *cut, last = split(text, limit)
    assert all(open_fence(part) is None for part in cut)
    assert (open_fence(last) is None) or open_fence(text) is not None


@given(st.text(max_size=300), LIMITS)
def test_any_text_is_cut_between_characters(text, limit):
    joined = re.sub(r"\s", "", "".join(split(text, limit)))
    assert unfenced(joined) == unfenced(re.sub(r"\s", "", text.strip("\n")))


@given(TEXTS, st.integers(0, 400))
def test_fitting_never_exceeds_the_limit(text, limit):
    fitted = fit(text, limit)
    assert bytes_of(fitted) <= limit or fitted == text
    assert fitted == text if bytes_of(text) <= limit else fitted != text


@given(st.text(max_size=60), st.integers(-1, 80))
def test_a_head_is_the_beginning_and_within_the_limit(text, limit):
    cut = head(text, limit)
    assert text.startswith(cut)
    assert bytes_of(cut) <= max(limit, 0)


def test_a_short_text_is_one_part():
    assert split("hello", PART_BYTES) == ["hello"]
    assert split("", PART_BYTES) == [""]
    assert fit("hello", 64) == "hello"


def test_a_cut_prefers_the_end_of_a_paragraph():
    first, second = "a" * 70 + "\n" + "b" * 20, "c" * 80
    assert split(f"{first}\n\n{second}", 130) == [first, second]


def test_a_cut_prefers_the_end_of_a_code_block_to_its_middle():
    block = "```py\n" + "\n".join(["x = 1"] * 10) + "\n```"
    text = f"{block}\n{'word ' * 20}"
    assert split(text, 120) == [block, ("word " * 20)]


def test_a_block_that_is_cut_is_begun_again_with_its_language():
    code = "\n".join(f"line_{n} = {n}" for n in range(20))
    first, *rest = split(f"```python\n{code}\n```", 150)
    assert first.endswith("\n```")
    assert all(part.startswith("```python\n") and part.endswith("\n```") for part in rest)


def test_a_block_is_not_begun_again_only_to_end():
    parts = split("```\n" + "x" * 100 + "\n" + "y" * 30 + "\n```\nafter", 140)
    assert parts == ["```\n" + "x" * 100 + "\n" + "y" * 30 + "\n```", "after"]
    parts = split("```\n" + "x" * 120 + "\n```\n" + "z" * 100, 130)
    assert parts == ["```\n" + "x" * 120 + "\n```", "z" * 100]
    parts = split("```\n" + "x" * 120 + "\n``````\n\n" + "z" * 100, 130)
    assert parts == ["```\n" + "x" * 120 + "\n```", "z" * 100]


def test_a_long_line_is_cut_at_a_space_near_the_end():
    assert split("word " * 60, 128)[0] == ("word " * 25)
    assert split("x" * 100 + " " + "y" * 300, 128)[0] == "x" * 100 + " "
    assert split("x" * 20 + " " + "y" * 300, 128)[0] == "x" * 20 + " " + "y" * 107


@pytest.mark.parametrize("whole", ["é", "👍🏽", "👨‍👩‍👧", "🇨🇳"])
def test_what_is_seen_as_one_character_is_not_cut(whole):
    text = "x" + whole
    for limit in range(1, bytes_of(text)):
        assert head(text, limit) == "x"
    assert head(whole, 4) in {whole, whole[:1], whole[:2]}


def test_a_fence_without_room_is_given_up():
    indent, mark = " " * 16, "`" * 16
    text = f"{indent}{mark}{'a' * 30}\n" + "x" * 300
    parts = split(text, 100)
    assert all(bytes_of(part) <= 100 for part in parts)
    assert unfenced("\n".join(parts)).count("x") == 300


def test_inline_code_opens_no_block_and_a_longer_fence_holds_a_shorter_one():
    assert open_fence("```a`b```") is None
    assert open_fence("````\n```\n") is not None
    assert open_fence("````\n```\n````") is None
    assert open_fence("~~~\n```\n~~~") is None


def test_an_open_block_is_closed_before_what_follows():
    assert closed("text") == "text"
    assert closed("```py\nx = 1\n") == "```py\nx = 1\n```"
    assert closed("- a\n  ```\n  x") == "- a\n  ```\n  x\n  ```"


def test_a_cut_text_says_so():
    assert fit("a\n\n" + "b" * 200, 100).endswith(CUT)
    assert fit("b" * 50, 20) == "b" * 20


def test_a_growing_text_shows_its_end():
    text = "\n".join(f"line {n}" for n in range(100))
    shown = tail(text, 60, left_out="…")
    assert shown.startswith("…\n\n")
    assert shown.endswith("line 99")
    assert bytes_of(shown) < 80
    assert tail("short", 60, left_out="…") == "short"


def test_the_end_of_a_code_block_is_code_and_of_a_long_line_its_last_words():
    shown = tail("```py\n" + "\n".join(["x = 1"] * 50), 40, left_out="…")
    assert shown.startswith("…\n\n```py\nx = 1")
    assert tail("é" * 100, 33, left_out="…") == "…\n\n" + "é" * 16
