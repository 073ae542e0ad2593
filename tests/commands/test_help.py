"""/help: what the asker may say."""

import pytest

from bot.texts.about import TOPICS
from commands import COMMANDS
from tests.commands.room import DIRECT
from tests.commands.test_approvals import PERMISSION, ask
from tests.store.samples import in_doubt


async def test_help_names_every_command_and_fits_a_phone(room):
    said = await room.say("/help", chat=DIRECT)
    assert said.startswith("直接说需求即可。\n")
    for one in COMMANDS:
        assert (f"/{one.name}" in said) is one.open_to("member")
    assert len(said.splitlines()) <= 10
    assert len(said) < 500


async def test_help_in_a_group_tells_to_mention_the_bot(room):
    assert "群里请 @我" in await room.say("帮助")


async def test_help_in_english_has_no_chinese_in_it(room):
    said = await room.say("/help", language="en")
    assert not any("\u3400" <= char <= "\u9fff" for char in said)


async def test_help_begins_with_how_things_stand(room):
    running = await room.running("修复登录")
    await room.queued()
    room.now += 252_000
    room.decisions.waiting = [ask("a7k", PERMISSION)]
    lines = (await room.say("/help")).splitlines()
    assert lines[1] == f"▸ 正在跑：#{running.record.n} 修复登录 4m12s（排队 1）"
    assert lines[2] == "▸ 等你决定：a7k"


async def test_help_names_answers_that_may_be_lost(room):
    turn = await room.ended()
    assert "不确定是否送达" not in await room.say("/help")
    await in_doubt(room.store, (await room.store.deliveries.of_turn(turn.n)).id)
    assert f"▸ 不确定是否送达：#{turn.n}" in await room.say("/help")


async def test_help_says_a_few_words_about_each_command_in_either_language(room):
    assert "/retry 重试 · /result 领取" in await room.say("/help")
    said = await room.say("/help", language="en")
    assert "/stop end the task · /force run now" in said


@pytest.mark.parametrize("word", ["会话", "sessions", "session"])
async def test_a_topic_has_usage_and_examples(room, word):
    said = await room.say(f"/help {word}")
    assert "/switch 编号" in said
    assert "例：" in said
    assert "/force" not in said


async def test_every_topic_that_is_offered_exists(room):
    offered = (await room.say("/help")).splitlines()[-1]
    for topic in TOPICS:
        assert topic.title.zh in offered
        assert "例" in await room.say(f"/help {topic.title.zh}") or topic.title.zh == "权限"


@pytest.mark.parametrize("word", ["force", "/force", "／force", "FORCE", "插队"])
async def test_a_command_has_one_paragraph(room, word):
    lines = (await room.say(f"/help {word}")).splitlines()
    assert lines[0] == "/force 文字 或 /force n"
    assert lines[2] == "也可写作：/插队"
    assert len(lines) == 3


async def test_an_unknown_topic_gets_a_suggestion(room):
    assert "/help approvals" in await room.say("/help aprovals", language="en")
    assert "是不是 /help status" in await room.say("/help stauts")
    said = await room.say("/help xyzzyq")
    assert "E-HELP" in said
    assert "是不是" not in said


async def test_help_offers_only_what_the_asker_may_use(room):
    room.with_parts(access=Nobody())
    said = await room.say("/help whoami")
    assert "E-ROLE" in said


class Nobody:
    def role(self, _):
        return None


async def test_every_command_of_an_example_exists(room):
    for topic in TOPICS:
        for said in (topic.examples.zh, topic.examples.en):
            for line in said.splitlines()[1:]:
                assert COMMANDS.find(COMMANDS.parse(line).name) is not None
