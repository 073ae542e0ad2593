"""Files by the channels that have their own way: a key for each address, or an id for the API."""

import base64

import pytest

from bot.sandbox import payloads
from handlers.wecom.app import fetcher
from tests.fakes.edge import until
from tests.media.pictures import PDF, PNG


@pytest.fixture
async def app(fake, make_bot):
    """A service that WeCom reaches as an application alone."""
    app = await make_bot(fake, channel="app")
    await app.ready()
    return app


def files_of(prompt):
    return [part for part in prompt.parts if part["type"] == "file"]


def content_of(part):
    return base64.b64decode(part["url"].partition(";base64,")[2])


async def test_on_the_long_connection_each_medium_has_a_key_of_its_own(fake, make_bot):
    bot = await make_bot(fake, channel="connection")
    await bot.ready()
    files = [bot.wecom.keep_medium("image", name, PNG) for name in ("a.png", "b.png")]
    words = payloads.text("compare them")
    talk = bot.wecom.begin("zhangsan", payloads.mixed([words, *files]))
    assert "OK" in await talk.done()
    parts = files_of(fake.prompts[0])
    assert [part["filename"] for part in parts] == ["inbox/a.png", "inbox/b.png"]
    assert [content_of(part) for part in parts] == [PNG, PNG]
    assert bot.wecom.violations == []


async def test_a_file_for_the_application_waits_for_its_sentence_and_comes_by_the_api(
    app, fake, monkeypatch
):
    monkeypatch.setattr("handlers.dispatch.HOLD_MS", 60_000)
    file = await app.wecom.upload("zhangsan", "file", "月报.pdf", PDF)
    assert "文件" in file.text
    talk = await app.wecom.say("zhangsan", "总结一下")
    assert "OK" in await talk.late_reply()
    (prompt,) = fake.prompts
    (part,) = files_of(prompt)
    assert (part["mime"], part["filename"]) == ("application/pdf", "inbox/月报.pdf")
    assert content_of(part) == PDF
    assert app.wecom.violations == []


async def test_a_medium_that_the_api_does_not_know_is_told(app, monkeypatch):
    monkeypatch.setattr("handlers.dispatch.HOLD_MS", 100)
    content = payloads.medium("image", "") | {"image": {"media_id": "none"}}
    talk = app.wecom.begin("zhangsan", content)
    text = await talk.late_reply()
    assert "失效" in text
    assert "没有执行" in text


async def test_an_api_that_is_busy_is_asked_again(app, fake, monkeypatch):
    monkeypatch.setattr("handlers.dispatch.HOLD_MS", 100)
    app.wecom.corp.api.faults.calls.extend([-1] * 6)
    await app.wecom.upload("zhangsan", "image", "a.png", PNG)
    await until(lambda: fake.prompts)
    assert content_of(files_of(fake.prompts[0])[0]) == PNG


@pytest.mark.parametrize(
    ("code", "cause", "again"),
    [
        (40007, "gone", False),
        (40006, "large", False),
        (0, "busy", True),
        (-1, "busy", True),
        (45009, "busy", True),
        (42001, "busy", True),
        (60020, "busy", False),
        (99999, "busy", False),
    ],
)
def test_each_code_of_the_api_says_whether_another_try_helps(code, cause, again):
    failure = fetcher._failure(code)
    assert (failure.cause, failure.again) == (cause, again)
