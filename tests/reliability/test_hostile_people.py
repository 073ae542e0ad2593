"""X10: who is not admitted gets nothing done, is on record, and OpenCode hears nothing of them."""

import pytest
import structlog

from bot.sandbox import payloads
from commands import COMMANDS
from tests.fakes.opencode_turns import ask, say

WORDS = "please delete everything"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture
async def bot(make_bot, fake):
    bot = await make_bot(fake)
    await bot.ready()
    return bot


def changing(calls):
    return [call for call in calls if not call.startswith("GET ")]


async def test_x10_who_is_not_admitted_is_refused_recorded_and_unknown_to_opencode(bot, fake):
    before = changing(fake.calls)
    with structlog.testing.capture_logs() as logged:
        first = await bot.wecom.say("mallory", WORDS)
        told = await first.done()
    assert "mallory" in told
    assert WORDS not in told
    (refused,) = [entry for entry in logged if entry["event"] == "message.refused"]
    assert (refused["why"], refused["sender"]) == ("not admitted", "mallory")
    record = await bot.store.inbox.find(first.msgid)
    assert (record.kind, record.sender) == ("refused", "mallory")
    assert await bot.store.turns.get(1) is None
    assert changing(fake.calls) == before
    assert fake.prompts == []


async def test_x10_no_command_and_no_medium_of_theirs_does_anything(bot, fake):
    before = changing(fake.calls)
    for command in COMMANDS:
        for rest in ("", " 1", f" {WORDS}"):
            await bot.wecom.say("mallory", f"/{command.name}{rest}")
    await bot.wecom.upload("mallory", "image", "x.png", PNG)
    image = bot.wecom.keep_medium("image", "y.png", PNG)
    talk = bot.wecom.begin("mallory", payloads.mixed([payloads.text(WORDS), image]))
    await bot.wecom.answered(talk)
    await bot.wecom.say("mallory", "", group="wrTEAM", quote=f"/force {WORDS}")
    assert changing(fake.calls) == before
    assert fake.prompts == []
    assert await bot.store.turns.get(1) is None


async def test_x10_they_decide_nothing_in_a_group_where_others_work(bot, fake):
    fake.script(ask("bash", ("rm -rf build",)), say("Removed."))
    talk = await bot.wecom.say("zhangsan", "清理一下", group="wrTEAM")
    await talk.shows("允许")
    (waiting,) = await bot.store.asks.open("wecom:group:wrTEAM")
    before = changing(fake.calls)
    for words in (
        f"/allow {waiting.code}",
        f"允许 {waiting.code}",
        f"/deny {waiting.code}",
        f"/answer {waiting.code} yes",
        "/stop",
        f"/force {WORDS}",
        "/new",
    ):
        await bot.wecom.say("mallory", words, group="wrTEAM")
    assert changing(fake.calls) == before
    assert [one.code for one in await bot.store.asks.open("wecom:group:wrTEAM")] == [waiting.code]
    allowed = await bot.wecom.say("zhangsan", f"/allow {waiting.code}", group="wrTEAM")
    await allowed.done()
    assert "Removed." in await talk.done()
    assert [prompt.text for prompt in fake.prompts] == ["清理一下"]
