"""Events, media and quotes, as the stand-in sends them."""

import aiohttp
import pytest
from aiohttp import web

from bot.clock import now_ms
from bot.sandbox import payloads
from tests.fakes.responder import stream
from tests.standin import PNG, codes, responding, script
from tests.wecom_fixtures import BOT_NAME


@pytest.fixture
async def bot(aiohttp_server):
    return await responding(aiohttp_server)


@pytest.fixture
async def wecom(make_standin, bot):
    return await make_standin(bot.url)


# Events


async def test_the_first_visit_of_a_day_is_greeted(bot, make_standin):
    shift_ms = 0
    wecom = await make_standin(bot.url, clock=lambda: now_ms() + shift_ms)
    script(bot, {"msgtype": "text", "text": {"content": "welcome"}})
    assert await wecom.enter("zhangsan") == "welcome"
    assert await wecom.enter("zhangsan") is None
    shift_ms = 86_400_000
    wecom.book.add("zhangsan", "said", "zhangsan", "")
    bot.answer = lambda _: None
    assert await wecom.enter("zhangsan") is None
    assert [call["event"] for call in bot.calls] == [{"eventtype": "enter_chat"}] * 2
    assert "response_url" not in bot.calls[0]
    assert codes(wecom) == []


async def test_a_greeting_is_no_stream(bot, wecom):
    script(bot, stream("welcome", finish=True))
    assert await wecom.enter("zhangsan") is None
    assert codes(wecom) == ["msgtype"]


async def test_an_event_is_not_sent_again(bot, wecom):
    script(bot, web.Response(status=500))
    assert await wecom.enter("zhangsan") is None
    assert len(bot.calls) == 1
    assert codes(wecom) == ["event_unanswered"]


async def test_an_answer_can_be_judged_where_it_has_a_feedback_id(bot, wecom):
    script(bot, stream("ok", finish=True, feedback={"id": "F1"}))
    talk = await wecom.say("zhangsan", "hello", group="wrX")
    await talk.done()
    bot.answer = lambda _: None
    assert await wecom.feedback("zhangsan", talk.bubble, 2, words="no")
    assert await wecom.feedback("zhangsan", talk.bubble, 1)
    assert not await wecom.feedback("zhangsan", talk.said, 1)
    bad, good = (call["event"]["feedback_event"] for call in bot.asked("event"))
    assert bad == {"id": "F1", "type": 2, "content": "no", "inaccurate_reason_list": [3]}
    assert good == {"id": "F1", "type": 1}
    assert (talk.bubble.thumbs, codes(wecom)) == (1, [])


@pytest.mark.parametrize("kind", ["feedback_event", "enter_check_update"])
async def test_other_events_take_no_words(bot, wecom, kind):
    script(bot, {"msgtype": "text", "text": {"content": "thanks"}})
    assert await wecom.event("zhangsan", kind, {"id": "F1"}) is None
    assert codes(wecom) == ["msgtype"]


# Media


async def test_a_file_reaches_the_bot_encrypted_in_a_direct_chat_only(bot, wecom):
    script(bot, stream("got it", finish=True))
    await wecom.upload("zhangsan", "file", "报告.pdf", b"%PDF" * 100)
    unheard = await wecom.upload("zhangsan", "file", "报告.pdf", b"%PDF", group="wrX")
    assert (unheard.delivered, unheard.why) == (False, "not_in_groups")
    async with aiohttp.ClientSession() as http, http.get(bot.calls[0]["file"]["url"]) as response:
        assert response.headers["Content-Disposition"].endswith("%E6%8A%A5%E5%91%8A.pdf")
        assert wecom.cipher.decrypt(await response.read()) == b"%PDF" * 100


async def test_a_medium_is_gone_after_five_minutes(bot, make_standin):
    shift_ms = 0
    wecom = await make_standin(bot.url, clock=lambda: now_ms() + shift_ms)
    script(bot, stream("ok", finish=True))
    talk = await wecom.upload("zhangsan", "image", "a.png", PNG)
    shift_ms = 300_000
    async with (
        aiohttp.ClientSession() as http,
        http.get(talk.content["image"]["url"]) as response,
    ):
        assert response.status == 403


async def test_text_and_image_may_be_mixed_in_a_group(bot, wecom):
    script(bot, stream("ok", finish=True))
    picture = payloads.medium("image", "http://127.0.0.1/a")
    for items in ([payloads.text("look"), picture], [picture]):
        talk = wecom.begin("zhangsan", payloads.mixed(items), group="wrX")
        await talk.done()
    worded, bare = (call["mixed"]["msg_item"] for call in bot.calls)
    assert worded == [payloads.text(f"@{BOT_NAME} look"), picture]
    assert bare == [payloads.text(f"@{BOT_NAME}"), picture]


async def test_a_voice_message_is_its_transcript(bot, wecom):
    script(bot, stream("ok", finish=True))
    talk = wecom.begin("zhangsan", payloads.voice("hello"))
    await talk.done()
    assert bot.calls[0]["voice"] == {"content": "hello"}


async def test_an_answer_can_be_quoted(bot, wecom):
    script(bot, stream("the answer", finish=True))
    first = await wecom.say("zhangsan", "hello")
    await wecom.say("zhangsan", "why?", quote=first)
    assert bot.calls[1]["quote"]["text"] == {"content": "the answer"}
