"""Files that people send, in front of the real OpenCode with a scripted model."""

import pytest

from bot.sandbox import payloads
from bot.sandbox.script import http_error, say, tool
from tests.fakes.edge import until
from tests.media.pictures import PNG, ZIP

pytestmark = pytest.mark.opencode
CHAT = "wecom:direct:zhangsan"
BROKEN = PNG[:40] + b"\0" * 20 + PNG[60:]


@pytest.fixture
async def seeing(make_bot, opencode, monkeypatch):
    """A service whose model sees images."""
    monkeypatch.setattr("handlers.dispatch.HOLD_MS", 300)
    bot = await make_bot(opencode, OPENCODE_MODEL="demo/eyes")
    await bot.ready()
    return bot


async def test_an_image_reaches_the_model_and_a_text_its_words(seeing, opencode):
    opencode.model.script(lambda r: "look at both" in str(r.messages), say("Seen both."))
    image = seeing.wecom.keep_medium("image", "a.png", PNG)
    words = payloads.text("look at both")
    talk = seeing.wecom.begin("zhangsan", payloads.mixed([words, image]))
    assert "Seen both." in await talk.done()
    asked = str(opencode.model.requests[-1].messages)
    assert "image_url" in asked
    assert "inbox/a.png" in asked
    opencode.model.script(lambda r: "inbox/notes.txt" in str(r.messages), say("Read it."))
    await until(lambda: not seeing.turns.busy(CHAT))
    note = await seeing.wecom.upload("zhangsan", "file", "notes.txt", "第一行\n".encode("gb18030"))
    assert "Read it." in await note.done()
    assert "第一行" in str(opencode.model.requests[-1].messages)
    assert seeing.wecom.violations == []


async def test_what_no_model_takes_lies_in_the_workspace_and_spoils_nothing(seeing, opencode):
    opencode.model.script(
        lambda r: "unpack" in str(r.messages),
        tool("bash", {"command": "ls inbox", "description": "look"}),
        say("It is there."),
    )
    await seeing.wecom.upload("zhangsan", "file", "data.zip", ZIP)
    talk = await seeing.wecom.say("zhangsan", "unpack it")
    assert "It is there." in await talk.done()
    assert "data.zip" in str(opencode.model.requests[-1].messages)
    assert "data.zip" not in talk.text
    await until(lambda: not seeing.turns.busy(CHAT))
    opencode.model.script("still there", say("Yes."))
    assert "Yes." in await (await seeing.wecom.say("zhangsan", "still there?")).done()


async def test_an_image_that_cannot_be_decoded_is_named_in_its_place(seeing, opencode):
    opencode.model.script("look", say("Here."))
    image = seeing.wecom.keep_medium("image", "a.png", BROKEN)
    words = payloads.text("look")
    talk = seeing.wecom.begin("zhangsan", payloads.mixed([words, image]))
    text = await talk.done()
    assert "Here." in text
    assert "inbox/" in text
    (request,) = opencode.model.asked("look")
    assert "inbox/a.png" in str(request.messages)


async def test_a_file_that_the_provider_refuses_does_not_spoil_the_session(seeing, opencode):
    opencode.model.script(lambda r: "image_url" in str(r.messages), http_error(400))
    opencode.model.script(lambda r: "image_url" not in str(r.messages), say("Better."))
    image = seeing.wecom.keep_medium("image", "a.png", PNG)
    words = payloads.text("look")
    talk = seeing.wecom.begin("zhangsan", payloads.mixed([words, image]))
    assert "Better." in await talk.done()
    await until(lambda: not seeing.turns.busy(CHAT))
    assert "Better." in await (await seeing.wecom.say("zhangsan", "and now?")).done()
