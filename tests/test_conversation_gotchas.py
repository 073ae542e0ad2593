"""What OpenCode's server does that nobody would expect, met in whole conversations with the real one."""

import pytest

from bot.sandbox.script import http_error, say, tokens, tool

pytestmark = pytest.mark.opencode
CHAT = "wecom:direct:zhangsan"


async def test_a_prompt_behind_a_failed_one_in_a_git_folder_is_not_swallowed(bot, opencode):
    opencode.model.script("broken", http_error(401))
    opencode.model.script("after", say("Answered all the same."))
    first = await bot.wecom.say("zhangsan", "broken key")
    second = await bot.wecom.say("zhangsan", "after that")
    assert "❌" in await first.done()
    late = second.text if "Answered" in second.text else await second.late_reply()
    assert "Answered all the same." in late
    assert (await bot.store.turns.get(2)).prompts == 1


async def test_a_session_that_is_summed_up_in_mid_turn_still_answers_the_question(
    make_bot, opencode
):
    bot = await make_bot(opencode, OPENCODE_MODEL="demo/tiny")
    await bot.ready()
    opencode.model.script(
        "long story",
        tool("bash", {"command": "echo one", "description": "echo"}) + tokens(100_000),
    )
    opencode.model.script("Continue if you have next steps", say("The end of the story."))
    text = await (await bot.wecom.say("zhangsan", "tell a long story")).done(60)
    assert "The end of the story." in text
    assert "Here is the conversation so far" not in text


async def test_a_sub_agents_permission_is_asked_in_the_chat(bot, opencode):
    opencode.model.script(
        "delegate",
        tool(
            "task",
            {
                "description": "look",
                "prompt": "subtask: read the host name",
                "subagent_type": "general",
            },
        ),
        say("The sub-agent has read it."),
    )
    opencode.model.script(
        "subtask",
        tool("bash", {"command": "cat /etc/hostname", "description": "read"}),
        say("It was read."),
    )
    talk = await bot.wecom.say("zhangsan", "delegate this")
    await talk.shows("/allow", 40)
    (ask,) = await bot.store.asks.open(CHAT)
    await (await bot.wecom.say("zhangsan", f"/allow {ask.code}")).done()
    assert "The sub-agent has read it." in await talk.done()


async def test_files_in_a_repository_inside_the_workspace_are_seen(bot, opencode):
    opencode.model.script(
        "nested",
        tool(
            "bash",
            {
                "command": "git init -q inner && echo hi > inner/note.txt && echo top > top.txt",
                "description": "nest",
            },
        ),
        say("Two files written."),
    )
    text = await (await bot.wecom.say("zhangsan", "nested please")).done()
    assert "inner/note.txt" in text
    assert "top.txt" in text


async def test_a_command_that_outlives_its_shell_does_not_hold_the_turn(bot, opencode):
    opencode.model.script(
        "background",
        tool(
            "bash", {"command": "(sleep 30 >/dev/null 2>&1 &) ; echo started", "description": "x"}
        ),
        say("Left it running."),
    )
    assert "Left it running." in await (await bot.wecom.say("zhangsan", "background job")).done()
