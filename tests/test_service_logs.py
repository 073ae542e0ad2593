"""The log of a whole conversation: a story that can be read, and not a word of what was said in it."""

import io
import json
import logging

import pytest
import structlog

from config.logs import set_up
from tests.fakes.opencode import FakeOpenCode
from tests.fakes.opencode_turns import ask, fail, question, say, think, tool, write
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


@pytest.fixture
async def fake():
    async with FakeOpenCode() as server:
        yield server


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


async def test_a_conversation_reads_as_a_story_and_tells_no_word_of_itself(
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
        if one["event"] in STORY[1:]:
            assert one["turn"] == 1, one
    link = bot.service.services.links.token(1)
    keys = ((tmp_path / "data/admin.token").read_text(), TOKEN, AES_KEY, fake.password, link)
    for word in (*WORDS, *keys, talk.response_url, link):
        assert word not in written, word
        assert json.dumps(word)[1:-1] not in written, word
    assert link in answer
    assert [one for one in told if one["level"] in {"error", "critical"}] == []
