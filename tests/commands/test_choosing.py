"""/agent, /model, /detail, /lang."""

import pytest

from tests.commands.room import DIRECT, GROUP


async def chosen(room, chat=GROUP):
    return await room.store.chats.get(chat.key)


async def test_agent_shows_the_one_in_force_why_and_the_others(room):
    assert (await room.say("/agent")).splitlines() == [
        "🤖 智能体 build（OpenCode 的默认智能体）",
        "可选：build、plan",
        "/agent 名称 改选 · /agent default 恢复默认",
    ]


async def test_agent_chooses_for_this_chat_and_says_what_that_means_for_the_model(room, opencode):
    opencode.agents[1] = {**opencode.agents[1], "model": {"providerID": "fake", "modelID": "two"}}
    said = await room.say("/agent plan", language="en")
    assert "Agent plan (/agent in this chat)" in said
    assert "Model fake/two (the own model of agent plan)" in said
    assert (await chosen(room)).agent == "plan"
    assert (await chosen(room, DIRECT)).agent == ""


@pytest.mark.parametrize("name", ["nope", "general", "title", "plan now"])
async def test_agent_refuses_what_is_not_for_people_and_names_what_is(room, name):
    said = await room.say(f"/agent {name}")
    assert "E-AGENT" in said
    assert "build, plan" in said
    assert (await chosen(room)).agent == ""


async def test_agent_default_goes_back_even_when_opencode_is_away(room, opencode):
    await room.say("/agent plan")
    opencode.fault("/agent", "refuse")
    assert "恢复默认" in await room.say("/智能体 默认")
    assert (await chosen(room)).agent == ""


async def test_nothing_can_be_chosen_while_the_server_cannot_be_asked(room, opencode):
    for words in ("/agent plan", "/model fake/two", "/agent", "/model"):
        opencode.fault("/agent", "refuse")
        assert "E-OC-DOWN" in await room.say(words)
    assert (await chosen(room)).agent == (await chosen(room)).model == ""


async def test_model_shows_the_one_in_force_and_why(make_room):
    room = await make_room(OPENCODE_MODEL="fake/two")
    assert (await room.say("/model")).splitlines() == [
        "🧠 模型 fake/two（设置 OPENCODE_MODEL）",
        "可选：",
        "- fake/one",
        "- fake/two",
        "",
        "/model provider/model 改选 · /model default 恢复默认",
    ]


async def test_of_many_models_a_few_are_shown(room, opencode):
    opencode.models = {"fake": ["one", *(f"m{n}" for n in range(40))]}
    said = await room.say("/model")
    assert "另有 29 个" in said
    assert len(said.splitlines()) < 18


async def test_model_chooses_for_this_chat(room):
    said = await room.say("/model fake/two")
    assert "模型 fake/two（本聊天用 /model 选的）" in said
    assert (await chosen(room)).model == "fake/two"
    assert "恢复默认" in await room.say("/model default")
    assert (await chosen(room)).model == ""


async def test_an_unknown_model_gets_the_nearest_and_changes_nothing(room):
    said = await room.say("/模型 two")
    assert "要用它：/model fake/two" in said
    assert "E-MODEL" in said
    assert (await chosen(room)).model == ""


async def test_a_model_that_nothing_comes_near_gets_some_of_those_there_are(room):
    said = await room.say("/model zzzz")
    assert "可选的有：fake/one, fake/two…，/model 查看全部" in said
    assert "相近" not in said


@pytest.mark.parametrize(("chat", "level"), [(GROUP, "quiet"), (DIRECT, "normal")])
async def test_detail_is_quiet_in_groups_and_normal_in_direct_messages(room, chat, level):
    assert level in (await room.say("/detail", chat=chat)).split("。")[0]


async def test_detail_of_the_settings_beats_the_kind_of_chat(make_room):
    room = await make_room(BOT_CHAT_DETAIL="full")
    assert "full（全部）" in await room.say("/详略")


@pytest.mark.parametrize(
    ("word", "kept"), [("full", "full"), ("Quiet", "quiet"), ("适中", "normal"), ("default", "")]
)
async def test_detail_is_kept_for_the_chat(room, word, kept):
    assert "从下一个任务起" in await room.say(f"/detail {word}")
    assert (await chosen(room)).detail == kept


async def test_detail_knows_its_words_only(room):
    assert "E-USAGE" in await room.say("/detail loud")
    assert (await chosen(room)).detail == ""


async def test_lang_answers_in_the_new_language_at_once(room):
    assert await room.say("/lang en") == "🌐 The language is English now."
    assert (await chosen(room)).language == "en"
    assert await room.say("/lang 中文", language="en") == "🌐 语言改为中文。"
    assert (await chosen(room)).language == "zh"


async def test_lang_auto_follows_the_messages(room):
    assert "自动" in await room.say("/lang auto")
    assert (await chosen(room)).language == "auto"
    assert "自动" in await room.say("/语言")


async def test_lang_shows_what_the_settings_say(make_room):
    room = await make_room(BOT_CHAT_LANGUAGE="en")
    assert "英文" in await room.say("/lang")


async def test_lang_knows_its_words_only(room):
    assert "E-USAGE" in await room.say("/lang fr")
