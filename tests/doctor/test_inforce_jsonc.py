"""OpenCode's JSON with comments: read as it does, and a mistake named by its place alone."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.doctor.inforce.jsonc import Mistake, parse

LEAVES = st.none() | st.booleans() | st.integers(-(2**50), 2**50)
LEAVES |= st.text().filter(lambda text: "{env:" not in text and "{file:" not in text)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def test_comments_and_trailing_commas_are_no_mistake():
    text = '// first\n{"a": [1, 2, /* two */], // "b"\n "url": "http://x/*y*/", }\n'
    assert parse(text) == {"a": [1, 2], "url": "http://x/*y*/"}


@given(VALUES.filter(lambda value: "{env:" not in repr(value) and "{file:" not in repr(value)))
def test_whatever_is_json_says_the_same(value):
    try:
        text = orjson.dumps(value).decode()
    except TypeError:  # half a character
        return
    assert parse(f"// before\n{text}\n/* after */") == value


def test_a_mistake_is_named_by_line_and_column_and_never_quoted():
    with pytest.raises(Mistake, match=r"^line 3, column 2: ") as caught:
        parse('{\n  "apiKey": "sk-secret" // no comma\n "b": 1}')
    assert "sk-secret" not in str(caught.value)


def test_references_may_stand_where_a_number_would():
    assert isinstance(parse('{"port": {env:PORT}, "key": "{file:~/key}"}'), dict)


@pytest.mark.parametrize("text", ["", "  \n", "// nothing\n"])
def test_an_empty_file_says_nothing(text):
    assert parse(text) == {}


def test_a_string_or_a_comment_that_never_ends_is_a_mistake_of_its_place():
    for text in ('{"a": "b\n}', '{"a": 1 /* }', '{"a": 1,,}'):
        with pytest.raises(Mistake, match=r"^line "):
            parse(text)
