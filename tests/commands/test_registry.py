"""What is a command, which one, and who may use it."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.asks.codes import new_code
from bot.errors import OpenCodeError, OpenCodeUnavailable, UserError
from bot.texts import about
from commands import COMMANDS
from commands.registry import Commands, Parsed, command


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("/status", "status", ""),
        ("／status", "status", ""),
        ("/STATUS", "status", ""),
        ("/状态", "状态", ""),
        ("／新会话 修复登录", "新会话", "修复登录"),
        ("/force fix it\nand test it", "force", "fix it\nand test it"),
        ("/force\nfix it", "force", "fix it"),
        ("/force　全角空格", "force", "全角空格"),
        ("/result  31   2 ", "result", "31   2"),
        ("/nonsense a/b", "nonsense", "a/b"),
        ("/help ", "help", ""),
        ("/ｈｅｌｐ", "help", ""),
    ],
)
def test_a_slash_in_front_makes_a_command(text, name, rest):
    assert COMMANDS.parse(text) == Parsed(name, rest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "／",
        " /status",
        "　/status",
        "\n/status",
        "/ status",
        "//",
        "/etc/nginx.conf",
        "/etc/nginx.conf please read",
        "/etc／nginx.conf",
        "//status",
        "run /status",
        "status",
        "help",
        "停止一下",
        "停止 它",
        " 停止",
        "请停止",
        "新会话 修复登录",
    ],
)
def test_everything_else_is_ordinary_text(text):
    assert COMMANDS.parse(text) is None


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("停止", Parsed("停止", "")),
        ("停止 \n", Parsed("停止", "")),
        ("允许", Parsed("允许", "")),
        ("允许 a7k", Parsed("允许", "a7k")),
        ("允许 A7K", Parsed("允许", "A7K")),
        ("允许　a7k", Parsed("允许", "a7k")),
        ("拒绝 a7k", Parsed("拒绝", "a7k")),
        ("回答 e9d 2", Parsed("回答", "e9d 2")),
        ("回答 a7k 红色", Parsed("回答", "a7k 红色")),
        ("回答 a7k", Parsed("回答", "a7k")),
        ("允许 c44", Parsed("允许", "c44")),
        ("拒绝 cc4 太危险", Parsed("拒绝", "cc4 太危险")),
        ("回答 44c 1 | 2", Parsed("回答", "44c 1 | 2")),
        ("允许 the", Parsed("允许", "the")),
        ("拒绝 a7k 不要动数据库 谢谢", Parsed("拒绝", "a7k 不要动数据库 谢谢")),
    ],
)
def test_a_bare_alias_counts_alone_or_with_a_code(text, parsed):
    assert COMMANDS.parse(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "允许 所有人访问",
        "允许 a7kx",
        "允许 404",
        "允许 404 错误时重试",
        "允许 the request",
        "拒绝 404",
        "拒绝 404 错误",
        "回答 100 个问题",
        "拒绝 他的要求",
        "停止 a7k",
        "allow a7k",
    ],
)
def test_a_bare_alias_before_other_words_is_ordinary_text(text):
    assert COMMANDS.parse(text) is None


def test_every_code_that_is_ever_given_out_is_known_as_one():
    for _ in range(200):
        assert COMMANDS.parse(f"拒绝 {new_code(())} 理由") is not None


@given(st.text())
def test_ordinary_text_never_becomes_a_command_by_what_follows_a_leading_space(text):
    assert COMMANDS.parse(" " + text) is None


@given(st.text(alphabet=string.ascii_letters + string.digits + "./_-"), st.text())
def test_a_second_slash_in_the_first_word_makes_ordinary_text(word, rest):
    assert COMMANDS.parse(f"/{word}/ {rest}") is None


@given(st.text(st.characters(categories=["L", "N"]), min_size=1), st.text())
def test_the_rest_of_a_command_is_the_text_behind_its_word(word, rest):
    parsed = COMMANDS.parse(f"/{word} {rest}")
    assert parsed is not None
    assert parsed.rest == rest.strip()


@pytest.mark.parametrize(
    "alias",
    [
        "帮助",
        "新会话",
        "停止",
        "插队",
        "状态",
        "队列",
        "取消",
        "会话",
        "切换",
        "结果",
        "文件",
        "差异",
        "模型",
        "智能体",
        "我是谁",
        "待批准",
        "允许",
        "拒绝",
        "重试",
        "改名",
        "详略",
        "语言",
        "回答",
    ],
)
def test_every_chinese_alias_names_a_command(alias):
    assert COMMANDS.find(alias) is not None


def test_the_list_is_the_one_of_the_product():
    listed = (
        "help new stop force status queue drop retry result sessions switch rename"
        " agent model detail lang files diff send pending allow always deny answer whoami why doctor stop!"
    )
    assert [one.name for one in COMMANDS] == listed.split()


def test_no_word_names_two_commands():
    words = [word for one in COMMANDS for word in (one.name, *one.alias)]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stauts", "status"),
        ("stat", "status"),
        ("nwe", "new"),
        ("切换3", "切换"),
        ("新对话", "新会话"),
        ("modle", "model"),
        ("xyzzyq", None),
    ],
)
def test_an_unknown_word_gets_the_nearest_one(typed, meant):
    assert COMMANDS.nearest(typed) == meant


def test_only_whoami_is_open_to_people_who_are_not_admitted():
    assert [one.name for one in COMMANDS if one.open_to(None)] == ["whoami"]
    assert [one.name for one in COMMANDS if not one.open_to("member")] == ["why", "doctor", "stop!"]


def failing(exc):
    @command("fail", alias=(), topic=about.TALKING, about=about.NEW, role="admin")
    async def fail(_):
        raise exc

    return Commands(fail)


class Invoked:
    def __init__(self, role):
        self.name, self.role = "fail", role


async def test_a_command_is_refused_to_a_lesser_role():
    with pytest.raises(UserError) as refused:
        await failing(UserError(about.NEW.label)).run(Invoked("maintainer"))
    assert "E-ROLE" in refused.value.text.en
    assert refused.value.facts == {"command": "fail"}


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (OpenCodeUnavailable("no answer"), "E-OC-DOWN"),
        (OpenCodeError(500, "/agent"), "E-OC-REFUSED"),
    ],
)
async def test_a_command_that_opencode_fails_says_so_in_words(exc, code):
    with pytest.raises(UserError) as said:
        await failing(exc).run(Invoked("admin"))
    assert code in said.value.text.zh
    assert said.value.__cause__ is exc
