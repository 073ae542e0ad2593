"""The bot's mention leaves the text, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.wecom.mention import Mentions

NAMED = [
    ("RobotA", "@RobotA hello", "hello"),
    ("RobotA", "＠RobotA hello", "hello"),
    ("RobotA", "@RobotA\u2005hello", "hello"),
    ("RobotA", "@RobotA你好", "你好"),
    ("RobotA", "@RobotA，帮我看看", "帮我看看"),
    ("RobotA", "@RobotA: /list", "/list"),
    ("RobotA", "@RobotA/stop", "/stop"),
    ("RobotA", "@RobotA", ""),
    ("RobotA", "  @RobotA  ", ""),
    ("RobotA", "@RobotA @RobotA hello", "hello"),
    ("RobotA", "@RobotA\n第一行\n第二行", "第一行\n第二行"),
    ("Claude Code", "@Claude Code /list", "/list"),
    ("Claude Code", "@Claude\u2005Code 修一下登录", "修一下登录"),
    ("@Claude Code", "@Claude Code hi", "hi"),
    ("小助手", "@小助手 停止", "停止"),
    ("RobotA", "@张三 @RobotA /list", "/list"),
    ("RobotA", "@Zhang San @RobotA /list all", "/list all"),
    ("RobotA", "@RobotA @张三 /list", "/list"),
    ("RobotA", "@张三 @RobotA 看看他的代码", "@张三 看看他的代码"),
    ("RobotA", "@RobotA @张三 看看他的代码", "@张三 看看他的代码"),
    ("RobotA", "/stop@RobotA", "/stop"),
    ("RobotA", "／stop＠RobotA", "／stop"),
    ("RobotA", "/stop@RobotA all", "/stop all"),
    ("Claude Code", "/stop @Claude Code", "/stop"),
    ("Claude Code", "/stop@Claude Code", "/stop"),
    ("RobotA", "帮我看看 @RobotA", "帮我看看"),
]
KEPT = [
    ("RobotA", "@RobotAlpha hello"),
    ("小助", "@小助手 你好"),
    ("RobotA", "@RobotA.py is a file"),
    ("RobotA", "@RobotA-2 hello"),
    ("RobotA", "write to joe@RobotA"),
    ("RobotA", "write to joe@example.com about @RobotA and more"),
    ("RobotA", "use @decorator here"),
    ("RobotA", "@dataclass\nclass A: ..."),
    ("RobotA", " /etc is a folder"),
    ("RobotA", "/stop@Other"),
    ("RobotA", ""),
]


@pytest.mark.parametrize(("name", "text", "expected"), NAMED)
def test_the_configured_name_leaves_the_text(name, text, expected):
    assert Mentions(name).off(text, group=True) == expected


@pytest.mark.parametrize(("name", "text"), KEPT)
def test_ordinary_text_stays(name, text):
    assert Mentions(name).off(text, group=True) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@RobotA hello", "hello"),
        ("/stop@RobotA", "/stop"),
        ("@张三 @RobotA /list", "@张三 @RobotA /list"),
        (" /stop", " /stop"),
    ],
)
def test_in_a_direct_chat_only_the_bots_own_name_counts(text, expected):
    assert Mentions("RobotA").off(text, group=False) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@RobotA /list", "/list"),
        ("＠RobotA ／列表", "／列表"),
        ("@Claude Code /list", "/list"),
        ("@My Claude Code /list all", "/list all"),
        ("@张三 @Claude Code /list", "/list"),
        ("@助手 停止", "停止"),
        ("@助手 允许 a7k", "允许 a7k"),
        ("@张三 @助手 看看 /etc/hosts", "看看 /etc/hosts"),
        ("@助手", ""),
        (" @张三 @助手 ", ""),
        ("/stop@Bot", "/stop"),
        ("／停止＠助手", "／停止"),
        ("@Claude Code fix the login", "@Claude Code fix the login"),
        ("@Bot look at /etc/hosts", "@Bot look at /etc/hosts"),
        ("@Bot please kindly run the /list", "@Bot please kindly run the /list"),
        ("joe@example.com wrote /help", "joe@example.com wrote /help"),
        ("@dataclass(frozen=True)\nclass A: ...", "@dataclass(frozen=True)\nclass A: ..."),
    ],
)
def test_without_a_configured_name_a_mention_is_guessed_where_it_is_safe(text, expected):
    assert Mentions().off(text, group=True) == expected


def test_without_a_configured_name_a_direct_chat_is_left_alone():
    assert Mentions("  ").off("@RobotA /list", group=False) == "@RobotA /list"


ordinary = st.text(max_size=200).filter(lambda text: "@" not in text and "＠" not in text)


@given(ordinary, st.booleans(), st.sampled_from(["", "RobotA", "Claude Code", "小助手"]))
def test_a_text_without_a_mention_is_never_touched(text, group, name):
    assert Mentions(name).off(text, group=group) == text


@given(st.text(alphabet="@＠/／ab张 .\u2005\n", max_size=60), st.booleans())
def test_nothing_is_ever_added_and_the_end_stays_or_was_a_mention(text, group):
    for name in ("", "ab", "张 a"):
        left = Mentions(name).off(text, group=group)
        assert len(left) <= len(text)
        kept = iter(text)
        assert all(char in kept for char in left)


@given(st.text(alphabet="abc 你好/.\n", max_size=60), st.sampled_from(["RobotA", "Claude Code"]))
def test_what_stands_behind_the_mention_stays_whole(rest, name):
    text = f"@{name} {rest}"
    assert Mentions(name).off(text, group=True).strip() == rest.strip().lstrip(",，:：、 \n")
