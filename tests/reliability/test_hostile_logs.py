"""X11: the log of a whole conversation is a story that can be read, and holds not a word of what was said.

What every other test of a running service logs is looked through as well: tests/secrecy.py.
"""

import asyncio
import io
import json
import logging

import aiohttp
import pytest
import structlog

from commands import COMMANDS
from config.logs import set_up
from handlers.wecom.timing import Timing
from tests.fakes.edge import until
from tests.fakes.opencode_turns import ask, fail, hang, question, say, think, tool, write
from tests.reliability.callbacks import sealed
from tests.secrecy import leaks
from tests.wecom_fixtures import AES_KEY, TOKEN

CHAT = "wecom:direct:zhangsan"
# Words of the conversation: none of them may be found in the log.
SAID = ("pineapple", "菠萝")
ANSWERED = ("mandarin", "橘子")
THOUGHT, COMMANDED, ASKED, NAMED = "kumquat", "durian", "rambutan", "papaya"
WORDS = (*SAID, *ANSWERED, THOUGHT, COMMANDED, ASKED, NAMED)
STORY = (
    "message.accepted",
    "turn.started",
    "session.opened",
    "prompt.accepted",
    "turn.ended",
    "delivery.sent",
)
# What is to be found by a turn's number alone, in this order.
BY_TURN = (
    "message.accepted",
    "turn.started",
    "session.opened",
    "prompt.accepted",
    "ask.opened",
    "ask.decided",
    "turn.ended",
    "delivery.sent",
)


@pytest.fixture
def log(monkeypatch):
    """Everything that the process logs, at the finest level, as it is written."""
    out = io.StringIO()
    root = logging.getLogger()
    before = root.handlers, root.level
    monkeypatch.setattr("sys.stderr", out)
    set_up(json=True, level="debug")  # knows no secret: what is not logged need not be hidden
    root.setLevel(logging.DEBUG)
    yield out
    root.handlers, root.level = before
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


async def converse(bot, fake):
    """Have a conversation in which everything happens that carries words."""
    fake.script(
        think(THOUGHT),
        write(f"{NAMED}.html", f"<p>{ANSWERED[0]}"),
        ask("bash", (f"cat {COMMANDED}",), output=ANSWERED[0]),
        question(f"{ASKED}?", "Red", "Blue"),
        say(f"{ANSWERED[0]} ", f"{ANSWERED[1]}。"),
    )
    talk = await bot.wecom.say("zhangsan", f"{SAID[0]} {SAID[1]}", quote=f"quoted {SAID[0]}")
    await talk.shows("允许")
    (permission,) = await bot.store.asks.open(CHAT)
    await (await bot.wecom.say("zhangsan", f"/deny {permission.code} {SAID[0]}")).done()
    await talk.shows("回答")
    (asked,) = [one for one in await bot.store.asks.open(CHAT) if one.code != permission.code]
    await (await bot.wecom.say("zhangsan", f"/answer {asked.code} {SAID[1]}")).done()
    answer = await talk.done()
    assert ANSWERED[1] in answer
    for command in (f"/new {SAID[0]}", f"/{SAID[0]}", f"/rename {SAID[1]}", "/result", "/diff"):
        await (await bot.wecom.say("zhangsan", command)).done()
    fake.script(tool("bash", {"command": COMMANDED}, ANSWERED[0]), fail(f"bad {ANSWERED[0]}"))
    await (await bot.wecom.say("zhangsan", SAID[0])).done()
    await (await bot.wecom.say("stranger", SAID[0])).done()
    return talk, answer


async def command(bot, fake):
    """Use every command, as it is meant and with words that mean nothing to it."""
    for verb in COMMANDS:
        for rest in ("", " 1", f" {SAID[0]}", f" k7m {SAID[1]}"):
            fake.script(say(ANSWERED[0]))
            await (await bot.wecom.say("boss", f"/{verb.name}{rest}")).done()


async def answer_late(bot, fake):
    """Answer somebody who has left the chat, and one whose address is taken back."""
    bot.wecom.polling = False
    fake.script(say(f"late {ANSWERED[0]}"))
    talk = await bot.wecom.say("lisi", SAID[1])
    assert ANSWERED[0] in await talk.late_reply()
    bot.wecom.polling = True
    return talk


async def knock(bot):
    """Come with what is not believed: a callback, a link, an admin token."""
    query, body = sealed(SAID[0].encode())
    await bot.wecom.send_raw(query=query, body=body)
    await bot.wecom.send_raw(query=query | {"msg_signature": THOUGHT}, body=body)
    page = bot.service.services.links.page(1)
    async with aiohttp.ClientSession() as http:
        for url in (page, f"{page}raw/{NAMED}.html", page.replace("/t/1/", "/t/2/")):
            async with http.get(url) as answer:
                await answer.read()
        for token in (bot.service.admin_token, THOUGHT):
            headers = {"Authorization": f"Bearer {token}"}
            async with http.get(f"{bot.url}/admin/health", headers=headers) as answer:
                await answer.read()


async def test_x11_a_conversation_reads_as_a_story_and_tells_no_word_of_itself(
    make_bot, fake, log, tmp_path
):
    bot = await make_bot(fake, BOT_ADMIN_TOKEN="")
    await bot.ready()
    talk, answer = await converse(bot, fake)
    await bot.stop()
    written = log.getvalue()
    told = [json.loads(line) for line in written.splitlines()]
    mine = [one for one in told if one.get("message") == talk.msgid or one.get("turn") == 1]
    story = [one["event"] for one in mine if one["event"] in STORY]
    assert tuple(dict.fromkeys(story)) == STORY
    for one in mine:
        if one["event"] in STORY[:-1]:
            assert (one["chat"], one["message"]) == (CHAT, talk.msgid), one
        if one["event"] in STORY:
            assert one["turn"] == 1, one
    by_turn = [one["event"] for one in told if one.get("turn") == 1 and one["event"] in BY_TURN]
    assert tuple(dict.fromkeys(by_turn)) == BY_TURN
    taken = [one for one in told if one["event"] == "message.accepted"]
    assert {one["sender"] for one in taken} == {"zhangsan", "stranger"}
    assert {one.get("name") for one in taken if one["kind"] == "command"} >= {"deny", "unknown"}
    link = bot.service.services.links.token(1)
    keys = ((tmp_path / "data/admin.token").read_text(), TOKEN, AES_KEY, fake.password, link)
    for word in (*WORDS, *keys, talk.response_url, link):
        assert word not in written, word
        assert json.dumps(word)[1:-1] not in written, word
    assert link in answer
    assert [one for one in told if one["level"] in {"error", "critical"}] == []


async def test_x11_a_prompt_that_was_accepted_before_a_restart_is_not_told_as_a_second_one(
    make_bot, fake, log
):
    bot = await make_bot(fake)
    await bot.ready()
    go_on = asyncio.Event()
    fake.script(hang(go_on), say(ANSWERED[0]))
    await bot.wecom.say("zhangsan", SAID[0])
    await until(lambda: "prompt.accepted" in log.getvalue())
    await bot.restart()
    await until(lambda: "prompt.found" in log.getvalue())
    go_on.set()
    await until(lambda: bot.turns.ended["answered"])
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    mine = [one for one in told if one["event"] in {"prompt.accepted", "prompt.found"}]
    assert [(one["event"], one["turn"]) for one in mine] == [
        ("prompt.accepted", 1),
        ("prompt.found", 1),
    ]
    assert mine[0]["prompt"] == mine[1]["prompt"]


async def test_x11_no_command_no_late_answer_and_no_stranger_puts_a_secret_into_the_log(
    make_bot, fake, log
):
    hasty = Timing(patience_s=0.2, again_after_s=0.0)
    bot = await make_bot(fake, options={"timing": hasty}, BOT_CHAT_QUEUE_LIMIT="50")
    await bot.ready()
    await converse(bot, fake)
    late = await answer_late(bot, fake)
    await command(bot, fake)
    await knock(bot)
    keys = (bot.service.admin_token, TOKEN, AES_KEY, fake.password, late.response_url)
    tokens = [bot.service.services.links.token(n) for n in (1, 2)]
    await bot.stop()
    written = log.getvalue()
    # A file's name may stand there: whoever opened it is on record.
    words = [word for word in WORDS if word != NAMED]
    for word in (*words, *keys, *tokens, late.response_url.partition("=")[2]):
        assert word not in written, word
        assert json.dumps(word)[1:-1] not in written, word
    assert leaks(written, [bot.wecom]) == []
    assert {"delivery.sent", "link.opened", "callback.refused"} <= {
        json.loads(line)["event"] for line in written.splitlines()
    }


def test_x11_what_must_not_be_logged_is_found_where_it_is():
    medium = "/cgi-bin/aibot/media/"
    assert leaks(f"x {TOKEN} y /t/1/{'A' * 32}/ response_code=abc {medium}m1", []) == [
        TOKEN,
        f"/t/1/{'A' * 32}",
        "response_code=a",
        f"{medium}m",
    ]
    assert leaks(f"/t/1/***/ response_code=*** {medium}*** nothing", []) == []
