"""A file that a person sends, from the encrypted message to the prompt of the scripted OpenCode."""

import asyncio
import base64

import pytest

from bot.sandbox import payloads
from tests.fakes.edge import until
from tests.fakes.opencode_turns import fail, hang, say
from tests.media.pictures import PDF, PNG, ZIP
from tests.media.test_fetching import Channel

CHAT = "wecom:direct:zhangsan"


@pytest.fixture
async def bot(fake, make_bot, monkeypatch):
    monkeypatch.setattr("handlers.dispatch.HOLD_MS", 300)
    bot = await make_bot(fake)
    await bot.ready()
    return bot


def mixed(bot, words, *files):
    """A message of words and images."""
    items = [bot.wecom.keep_medium("image", name, content) for name, content in files]
    return payloads.mixed([payloads.text(words), *items])


def files_of(prompt):
    return [part for part in prompt.parts if part["type"] == "file"]


def content_of(part):
    return base64.b64decode(part["url"].partition(";base64,")[2])


def slowly(bot):
    """Let media come when the returned event is set, and no sooner."""
    channel, gate = Channel(), asyncio.Event()
    channel.script = [gate]
    bot.service.services.media._fetching._sources.put("callback", channel)
    return channel, gate


async def workspace(bot):
    chat = await bot.store.chats.get(CHAT)
    return await bot.service.services.sessions.directory(chat)


async def test_words_and_an_image_reach_the_prompt_together(bot, fake):
    talk = bot.wecom.begin("zhangsan", mixed(bot, "what is this?", ("cat.png", PNG)))
    assert "OK" in await talk.done()
    (prompt,) = fake.prompts
    (part,) = files_of(prompt)
    assert (part["mime"], content_of(part)) == ("image/png", PNG)
    assert prompt.text.startswith("what is this?")
    assert "inbox/cat.png" in prompt.text
    assert ((await workspace(bot)) / "inbox" / "cat.png").read_bytes() == PNG
    assert bot.wecom.violations == []


async def test_a_file_sent_alone_is_looked_at_after_a_moment(bot, fake):
    talk = await bot.wecom.upload("zhangsan", "file", "月报.pdf", PDF)
    assert "文件" in talk.text
    assert "OK" in await talk.done()
    (prompt,) = fake.prompts
    (part,) = files_of(prompt)
    assert (part["mime"], part["filename"]) == ("application/pdf", "inbox/月报.pdf")
    assert "没有写说明" in prompt.text


async def test_the_sentence_that_follows_takes_the_files_over(bot, fake, monkeypatch):
    monkeypatch.setattr("handlers.dispatch.HOLD_MS", 60_000)
    first = await bot.wecom.upload("zhangsan", "image", "a.png", PNG)
    second = await bot.wecom.upload("zhangsan", "file", "b.zip", ZIP)
    asked = await bot.wecom.say("zhangsan", "compare them")
    assert "OK" in await asked.done()
    assert "#3" in await second.done()
    assert "#2" in await first.done()
    (prompt,) = fake.prompts
    assert prompt.text.startswith("compare them")
    assert prompt.text.index("inbox/a.png") < prompt.text.index("inbox/b.zip")
    assert [part["filename"] for part in files_of(prompt)] == ["inbox/a.png"]
    states = [(await bot.store.turns.get(n)).state for n in (1, 2, 3)]
    assert states == ["dropped", "dropped", "done"]


async def test_another_persons_sentence_leaves_the_file_alone(bot, fake, monkeypatch):
    monkeypatch.setattr("handlers.dispatch.HOLD_MS", 1_000)
    image = bot.wecom.keep_medium("image", "a.png", PNG)
    quoting = bot.wecom.begin("zhangsan", payloads.text(""), group="wrTEAM", quote=image)
    await bot.wecom.answered(quoting)
    other = await bot.wecom.say("lisi", "hello", group="wrTEAM")
    assert "OK" in await other.done()
    assert "OK" in await quoting.done()
    assert [len(files_of(prompt)) for prompt in fake.prompts] == [0, 1]


async def test_a_quoted_file_goes_with_the_mention(bot, fake):
    image = bot.wecom.keep_medium("image", "a.png", PNG)
    words = payloads.text("what is it?")
    talk = bot.wecom.begin("zhangsan", words, group="wrTEAM", quote=image)
    assert "OK" in await talk.done()
    (prompt,) = fake.prompts
    assert prompt.text.startswith("what is it?")
    assert content_of(files_of(prompt)[0]) == PNG


async def test_a_voice_message_is_text(bot, fake):
    talk = bot.wecom.begin("zhangsan", payloads.voice("列出文件"))
    assert "OK" in await talk.done()
    assert [prompt.text for prompt in fake.prompts] == ["列出文件"]


async def test_a_file_that_cannot_be_had_is_named_and_the_turn_goes_on(bot, fake):
    gone = payloads.medium("image", f"{bot.wecom.base_url}/cgi-bin/aibot/media/none")
    content = payloads.mixed([payloads.text("what is this?"), gone])
    talk = bot.wecom.begin("zhangsan", content)
    text = await talk.done()
    assert "OK" in text
    assert "E-MEDIA" in text
    assert "the image (attachment 1)" in text
    assert "did not arrive" in fake.prompts[0].text


async def test_when_nothing_came_nothing_is_asked(bot, fake):
    gone = payloads.medium("file", f"{bot.wecom.base_url}/cgi-bin/aibot/media/none")
    talk = bot.wecom.begin("zhangsan", gone)
    assert "没有执行" in await talk.done()
    assert fake.prompts == []
    assert "OK" in await (await bot.wecom.say("zhangsan", "never mind")).done()


async def test_a_file_for_a_busy_chat_waits_in_line_and_is_forced_at_once(bot, fake, monkeypatch):
    monkeypatch.setattr("handlers.dispatch.HOLD_MS", 60_000)
    go_on = asyncio.Event()
    fake.script(hang(go_on), say("First."))
    await bot.wecom.say("zhangsan", "first")
    await until(lambda: fake.prompts)
    await bot.wecom.upload("zhangsan", "image", "a.png", PNG)
    await (await bot.wecom.say("zhangsan", "/force 2")).done()
    await until(lambda: len(fake.prompts) == 2)
    assert len(files_of(fake.prompts[1])) == 1
    await until(lambda: bot.turns.ended["answered"])


async def test_words_for_a_busy_chat_take_the_files_place_in_line(bot, fake):
    go_on = asyncio.Event()
    fake.script(hang(go_on), say("First."))
    await bot.wecom.say("zhangsan", "first")
    await until(lambda: fake.prompts)
    await bot.wecom.upload("zhangsan", "image", "a.png", PNG)
    talk = await bot.wecom.say("zhangsan", "what is it?")
    assert "#3 (position 1;" in talk.text
    go_on.set()
    assert "OK" in await talk.late_reply()
    assert [len(files_of(prompt)) for prompt in fake.prompts] == [0, 1]


async def test_a_retry_has_the_files_of_the_first_try(bot, fake):
    talk = bot.wecom.begin("zhangsan", mixed(bot, "look", ("a.png", PNG)))
    await talk.done()
    await (await bot.wecom.say("zhangsan", "/retry 1")).done()
    assert [len(files_of(prompt)) for prompt in fake.prompts] == [1, 1]
    assert fake.prompts[0].text == fake.prompts[1].text


async def test_the_turn_waits_for_its_files_and_says_so(bot, fake):
    slow, gate = slowly(bot)
    talk = bot.wecom.begin("zhangsan", mixed(bot, "look", ("a.png", PNG)))
    assert "📎" in await talk.shows("Fetching")
    assert fake.prompts == []
    gate.set()
    assert "OK" in await talk.done()
    assert len(files_of(fake.prompts[0])) == 1
    assert slow.asked


async def test_a_turn_that_waits_for_its_files_can_be_stopped(bot, fake):
    slowly(bot)
    talk = bot.wecom.begin("zhangsan", mixed(bot, "look", ("a.png", PNG)))
    await talk.shows("Fetching")
    await (await bot.wecom.say("zhangsan", "/stop")).done()
    assert "⛔" in await talk.done()
    assert fake.prompts == []


async def test_what_does_not_come_in_time_is_done_without(bot, fake, monkeypatch):
    monkeypatch.setattr("bot.turns.enclosing.WAIT_MS", 0)
    slowly(bot)
    talk = bot.wecom.begin("zhangsan", mixed(bot, "look", ("a.png", PNG)))
    text = await talk.done()
    assert "took too long" in text
    assert "OK" in text
    assert files_of(fake.prompts[0]) == []


async def test_a_workspace_that_takes_no_file_is_told_and_the_model_sees_it_all_the_same(bot, fake):
    await (await bot.wecom.say("zhangsan", "hello")).done()
    (await workspace(bot) / "inbox").write_text("in the way")
    talk = bot.wecom.begin("zhangsan", mixed(bot, "look", ("a.png", PNG)))
    text = await talk.done()
    assert "a.png" in text
    assert "E-MEDIA" in text
    assert [part["filename"] for part in files_of(fake.prompts[1])] == ["a.png"]


async def test_a_turn_that_failed_for_its_files_is_run_once_more_and_names_them(bot, fake):
    fake.script(fail("Image is broken"))
    talk = bot.wecom.begin("zhangsan", mixed(bot, "look", ("a.png", PNG)))
    text = await talk.done()
    assert "OK" in text
    assert "inbox/" in text
    first, second = fake.prompts
    assert (len(files_of(first)), files_of(second)) == (1, [])
    assert second.text == first.text
    (messages,) = fake.messages.values()
    assert first.message not in [message["info"]["id"] for message in messages]


async def test_a_turn_that_failed_otherwise_or_cannot_be_mended_ends_so(bot, fake):
    fake.script(fail("something else went wrong", status=500))
    talk = bot.wecom.begin("zhangsan", mixed(bot, "look", ("a.png", PNG)))
    assert "❌" in await talk.done()
    await until(lambda: not bot.turns.busy(CHAT))
    go_on = asyncio.Event()
    fake.script(hang(go_on), fail("Image is broken"))
    talk = bot.wecom.begin("zhangsan", mixed(bot, "look again", ("a.png", PNG)))
    await until(lambda: len(fake.prompts) == 2)
    fake.fault(fake.prompts[1].message, "error")
    go_on.set()
    assert "❌" in await talk.done()
    assert len(fake.prompts) == 2


async def test_a_file_that_lies_there_before_the_turn_is_none_of_its_changes(bot, fake):
    talk = bot.wecom.begin("zhangsan", mixed(bot, "look", ("a.png", PNG)))
    text = await talk.done()
    assert "a.png" not in text
    assert await bot.service.services.files.changes(1) == ()


async def test_a_sentence_after_a_restart_takes_the_file_over(bot, fake, monkeypatch):
    monkeypatch.setattr("handlers.dispatch.HOLD_MS", 60_000)
    await bot.wecom.upload("zhangsan", "image", "a.png", PNG)
    await bot.restart()
    await bot.ready()
    assert "OK" in await (await bot.wecom.say("zhangsan", "what is it?")).done()
    assert len(files_of(fake.prompts[0])) == 1


async def test_a_waiting_file_is_taken_up_after_a_restart(bot, fake, monkeypatch):
    monkeypatch.setattr("handlers.dispatch.HOLD_MS", 1_500)
    talk = await bot.wecom.upload("zhangsan", "image", "a.png", PNG)
    await bot.restart()
    await bot.ready()
    assert "OK" in await talk.done()
    assert len(files_of(fake.prompts[0])) == 1
