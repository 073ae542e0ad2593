"""Whole stories with the real OpenCode and a scripted model, in real encrypted bytes."""

import re

import aiohttp
import orjson
import pytest

from bot.sandbox.script import empty, finish, hang, hold, http_error, say, think, tool
from store.edges import history

pytestmark = pytest.mark.opencode


async def test_a_message_becomes_a_streamed_answer(bot, opencode):
    opencode.model.script("你好", say("你好，有什么可以帮你？", chunks=4, delay_s=0.1))
    talk = await bot.wecom.say("zhangsan", "你好")
    text = await talk.done()
    assert "你好，有什么可以帮你？" in text
    assert "#1" in text
    assert talk.finished
    assert bot.wecom.violations == []


async def test_words_before_and_after_a_tool_are_both_answered(bot, opencode):
    opencode.model.script(
        "count",
        say("Let me look.") + tool("bash", {"command": "echo 42", "description": "echo"}),
        say("It is 42."),
    )
    text = await (await bot.wecom.say("zhangsan", "count the files")).done()
    assert "Let me look." in text
    assert "It is 42." in text


async def test_a_turn_of_tools_alone_tells_which_files_changed(bot, opencode):
    opencode.model.script(
        "quietly", tool("write", {"filePath": "note.txt", "content": "hello\n"}), empty()
    )
    text = await (await bot.wecom.say("zhangsan", "quietly write a note")).done()
    assert "note.txt" in text


async def test_an_empty_answer_says_honestly_that_nothing_came(bot, opencode):
    opencode.model.script("nothing", empty())
    talk = await bot.wecom.say("zhangsan", "say nothing")
    text = await talk.done()
    assert "⚠️" in text
    assert (await bot.store.turns.get(1)).outcome == "empty"


async def test_a_sub_agent_ends_before_the_turn_does(bot, opencode):
    opencode.model.script(
        "delegate",
        tool(
            "task",
            {"description": "look", "prompt": "subtask: look around", "subagent_type": "general"},
        ),
        say("The sub-agent found it."),
    )
    opencode.model.script("subtask", say("Found in a.py"))
    text = await (await bot.wecom.say("zhangsan", "delegate this")).done()
    assert "The sub-agent found it." in text


async def test_a_429_is_waited_out(bot, opencode):
    opencode.model.script("busy day", http_error(429, {"retry-after": "1"}), say("Here I am."))
    text = await (await bot.wecom.say("zhangsan", "busy day")).done()
    assert "Here I am." in text


async def test_a_provider_error_ends_the_turn_with_its_reason(bot, opencode):
    opencode.model.script("broken", http_error(401))
    text = await (await bot.wecom.say("zhangsan", "broken key")).done()
    assert "❌" in text
    assert (await bot.store.turns.get(1)).state == "failed"
    edges = await history(bot.store.database, 1)
    told = next(orjson.loads(one.facts) for one in edges if one.edge == "answered")
    assert (told["error"], told["reason"]) == ("APIError", "auth")


async def test_a_repeated_message_id_is_one_turn_and_one_stream(bot, opencode):
    opencode.model.script("once", say("Just once."))
    talk = await bot.wecom.say("zhangsan", "once", copies=4)
    await talk.done()
    again = await bot.wecom.say("zhangsan", "once", msgid=talk.msgid)
    assert len(set(again.streams)) == 1
    assert len(opencode.model.asked("once")) == 1
    assert await bot.store.turns.get(2) is None


async def test_a_second_message_waits_in_line_and_is_answered_in_order(bot, opencode):
    opencode.model.script("first", hold("first") + say("First done."))
    opencode.model.script("second", say("Second done."))
    first = await bot.wecom.say("zhangsan", "first")
    await opencode.model.wait_asked("first")
    second = await bot.wecom.say("zhangsan", "second")
    assert "#2" in await second.done()
    opencode.model.release("first")
    assert "First done." in await first.done()
    assert "Second done." in await second.late_reply()
    assert bot.wecom.violations == []


async def test_stop_ends_the_turn_and_says_who_did(bot, opencode):
    opencode.model.script("long", say("Working on it", chunks=3), hang("mid"))
    opencode.model.script("long", hang("mid"))
    talk = await bot.wecom.say("zhangsan", "long work")
    await opencode.model.wait_asked("long")
    stop = await bot.wecom.say("zhangsan", "/stop")
    await stop.done()
    text = await talk.done()
    assert "⛔" in text
    assert (await bot.store.turns.get(1)).state == "stopped"


async def test_force_goes_first(bot, opencode):
    opencode.model.script("slow", hang("before"))
    opencode.model.script("urgent", say("Urgent done."))
    slow = await bot.wecom.say("zhangsan", "slow")
    await opencode.model.wait_asked("slow")
    urgent = await bot.wecom.say("zhangsan", "/force urgent")
    assert "Urgent done." in await urgent.done()
    assert "⛔" in await slow.done()


async def test_a_hanging_model_ends_at_the_time_limit(make_bot, opencode):
    bot = await make_bot(opencode, BOT_TURN_TIMEOUT="3s")
    await bot.ready()
    opencode.model.script("forever", hang("before"))
    text = await (await bot.wecom.say("zhangsan", "forever")).done()
    assert "⏰" in text
    assert (await bot.store.turns.get(1)).outcome == "timeout"


async def test_a_model_that_loops_ends_at_the_step_limit(make_bot, opencode):
    bot = await make_bot(opencode, BOT_TURN_MAX_STEPS="3")
    await bot.ready()
    opencode.model.script("loop", *[say("again") + finish(None) for _ in range(60)])
    text = await (await bot.wecom.say("zhangsan", "loop")).done()
    assert "🔁" in text


async def test_a_permission_is_asked_in_the_chat_and_allowed_by_its_code(bot, opencode):
    opencode.model.script(
        "outside",
        tool("bash", {"command": "cat /etc/hostname", "description": "read"}),
        say("Read it."),
    )
    talk = await bot.wecom.say("zhangsan", "outside please")
    await talk.shows("/allow")
    (ask,) = await bot.store.asks.open("wecom:direct:zhangsan")
    answer = await bot.wecom.say("zhangsan", f"/allow {ask.code}")
    await answer.done()
    assert "Read it." in await talk.done()


async def test_a_denied_permission_lets_the_model_go_on(bot, opencode):
    opencode.model.script(
        "outside",
        tool("bash", {"command": "cat /etc/hostname", "description": "read"}),
        say("Then not."),
    )
    talk = await bot.wecom.say("zhangsan", "outside please")
    await talk.shows("/deny")
    (ask,) = await bot.store.asks.open("wecom:direct:zhangsan")
    await (await bot.wecom.say("zhangsan", f"/deny {ask.code} not this file")).done()
    assert "Then not." in await talk.done()
    assert "not this file" in str(opencode.model.asked("outside")[-1].results)


async def test_a_question_is_answered_by_its_code(bot, opencode):
    question = {
        "questions": [
            {
                "question": "Which colour?",
                "header": "Colour",
                "options": [
                    {"label": "Red", "description": "warm"},
                    {"label": "Blue", "description": "cold"},
                ],
            }
        ]
    }
    opencode.model.script("colour", tool("question", question), say("Painted."))
    talk = await bot.wecom.say("zhangsan", "colour it")
    await talk.shows("/answer")
    (ask,) = await bot.store.asks.open("wecom:direct:zhangsan")
    await (await bot.wecom.say("zhangsan", f"/answer {ask.code} 2")).done()
    assert "Painted." in await talk.done()
    assert "Blue" in str(opencode.model.asked("colour")[-1].results)


async def test_polling_reaches_the_same_verdict(make_bot, opencode):
    bot = await make_bot(opencode, OPENCODE_FOLLOW="poll")
    await bot.ready()
    opencode.model.script(
        "count",
        say("Let me look.") + tool("bash", {"command": "echo 42", "description": "echo"}),
        say("It is 42."),
    )
    text = await (await bot.wecom.say("zhangsan", "count the files")).done()
    assert "Let me look." in text
    assert "It is 42." in text


async def test_reasoning_never_reaches_a_group(bot, opencode):
    opencode.model.script("riddle", think("secret thoughts", chunks=3, delay_s=0.2) + say("42."))
    talk = await bot.wecom.say("zhangsan", "riddle", group="wrTEAM")
    text = await talk.done()
    assert "42." in text
    assert all("secret thoughts" not in shown for shown in talk.bubble.history)


async def test_a_page_that_the_agent_wrote_opens_with_its_own_assets(bot, opencode):
    opencode.model.script(
        "page",
        tool(
            "write",
            {
                "filePath": "index.html",
                "content": "<link rel=stylesheet href=./style.css><h1>Hi</h1>",
            },
        ),
        tool("write", {"filePath": "style.css", "content": "h1 { color: red }\n"}),
        say("已生成 index.html"),
    )
    text = await (await bot.wecom.say("zhangsan", "make a page")).done()
    assert "index.html" in text
    links = re.findall(r"\((http[^)]+/t/1/[^)]+)\)", text)
    page = next(link for link in links if link.endswith("/"))
    assert f"{page}raw/index.html" in links
    async with aiohttp.ClientSession() as http:
        async with http.get(page) as shown:
            assert shown.status == 200
        async with http.get(f"{page}raw/style.css") as css:
            assert css.status == 200
            assert css.content_type == "text/css"


async def test_a_claimed_file_that_is_missing_is_said_to_be(bot, opencode):
    opencode.model.script("report", say("已生成 report.html，请查看。"))
    text = await (await bot.wecom.say("zhangsan", "write a report")).done()
    assert "report.html" in text
    assert "⚠️" in text


async def test_an_opencode_command_of_its_own_becomes_a_turn(bot, opencode):
    opencode.model.script("", say("Initialised."))
    talk = await bot.wecom.say("zhangsan", "/init")
    assert "Initialised." in await talk.done()
    assert (await bot.store.turns.get(1)).kind == "command"


async def test_a_stranger_is_told_once(bot):
    first = await bot.wecom.say("stranger", "hello")
    assert "stranger" in await first.done()
    second = await bot.wecom.say("stranger", "hello?")
    assert second.text == ""
    assert await bot.store.turns.get(1) is None
