"""Messages, their streams and the callback URL, as the stand-in for WeCom treats them."""

import asyncio
import json
from dataclasses import replace
from itertools import count

import pytest
from aiohttp import web

from bot.sandbox.timing import Timing
from tests.fakes.responder import stream
from tests.standin import codes, responding, script
from tests.wecom_fixtures import BOT_ID, BOT_NAME, FAST


@pytest.fixture
async def bot(aiohttp_server):
    return await responding(aiohttp_server)


@pytest.fixture
async def wecom(make_standin, bot):
    return await make_standin(bot.url)


# Messages and their streams


async def test_a_message_streams_until_it_is_finished(bot, wecom):
    script(bot, stream("1"), stream("12"), stream("12"), stream("123", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    assert await talk.done() == "123"
    assert talk.finished
    assert talk.stream == "S1"
    assert talk.bubble.history == ["1", "12", "123"]
    assert talk.polls == 3
    assert codes(wecom) == []


async def test_a_message_says_everything_that_wecom_says(bot, wecom):
    script(bot, stream("ok", finish=True))
    talk = await wecom.say("zhangsan", "hello", quote="before")
    assert bot.calls[0] == {
        "msgid": talk.msgid,
        "aibotid": BOT_ID,
        "chattype": "single",
        "from": {"userid": "zhangsan"},
        "response_url": talk.response_url,
        "msgtype": "text",
        "text": {"content": "hello"},
        "quote": {"msgtype": "text", "text": {"content": "before"}},
    }


async def test_a_poll_has_an_id_of_its_own_and_no_way_out(bot, wecom):
    script(bot, stream("1"), stream("1"), stream("2", finish=True))
    talk = await wecom.say("zhangsan", "hello", group="wrX")
    await talk.done()
    one, two = bot.asked("stream")
    assert one["msgid"] != two["msgid"]
    assert {**one, "msgid": ""} == {
        "msgid": "",
        "aibotid": BOT_ID,
        "chatid": "wrX",
        "chattype": "group",
        "from": {"userid": "zhangsan"},
        "msgtype": "stream",
        "stream": {"id": "S1"},
    }


async def test_a_member_is_heard_in_a_group_only_with_a_mention(bot, wecom):
    script(bot, stream("ok", finish=True))
    unheard = await wecom.say("zhangsan", "lunch?", group="wrX", at=False)
    heard = await wecom.say("zhangsan", "hello", group="wrX")
    typed = await wecom.say("zhangsan", f"hello ＠{BOT_NAME}", group="wrX", at=False)
    assert (unheard.delivered, unheard.why) == (False, "not_mentioned")
    assert heard.delivered
    assert typed.delivered
    assert [call["text"]["content"] for call in bot.calls] == [
        f"@{BOT_NAME} hello",
        f"hello ＠{BOT_NAME}",
    ]


async def test_wecoms_repeat_is_the_same_message_again(bot, wecom):
    script(bot, stream("1"), stream("1"), stream("2", finish=True))
    first = await wecom.say("zhangsan", "hello", msgid="m1")
    again = await wecom.say("zhangsan", "hello", msgid="m1")
    await first.done()
    assert again is first
    assert bot.asked("text")[0] == bot.asked("text")[1]
    assert codes(wecom) == []


async def test_copies_go_at_once_and_must_name_one_stream(bot, wecom):
    numbers = count()
    bot.answer = lambda _: stream("ok", finish=True, stream=f"S{next(numbers)}")
    talk = await wecom.say("zhangsan", "hello", copies=4)
    await talk.done()
    assert len(talk.streams) == 4
    assert codes(wecom) == ["repeat_other_stream"] * 3


async def test_a_message_is_sent_again_until_it_is_answered(bot, wecom):
    script(bot, web.Response(status=503), web.Response(status=204), stream("ok", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    assert await talk.done() == "ok"
    assert talk.attempts == ["http_503", "http_204", "ok"]
    assert len({call["msgid"] for call in bot.calls}) == 1


async def test_a_service_that_is_too_slow_is_given_up_after_three_retries(bot, make_standin):
    wecom = await make_standin(bot.url, timing=Timing(answer_s=0.05, retry_after_s=0.05))
    never = asyncio.Event()
    bot.answer = lambda _: never.wait()
    talk = await wecom.say("zhangsan", "hello")
    never.set()
    await talk.done()
    assert talk.attempts == ["timeout"] * 4
    assert (talk.said.state, talk.why, talk.bubble) == ("unanswered", "timeout", None)


async def test_a_service_that_is_away_is_given_up_and_may_be_asked_again(bot, wecom):
    here, wecom.callback_url = wecom.callback_url, "http://127.0.0.1:9/bot"
    talk = await wecom.say("zhangsan", "hello", msgid="m1")
    assert talk.attempts == ["connection"] * 4
    await talk.done()
    wecom.callback_url = here
    script(bot, stream("1"), stream("2", finish=True))
    again = await wecom.say("zhangsan", "hello", msgid="m1")
    assert await again.done() == "2"
    assert again.said.state == "delivered"


@pytest.mark.parametrize("nothing", [None, {}, ""])
async def test_an_empty_answer_is_an_answer(bot, wecom, nothing):
    script(bot, nothing)
    talk = await wecom.say("zhangsan", "hello")
    assert await talk.done() == ""
    assert (talk.said.state, talk.bubble, codes(wecom)) == ("delivered", None, [])


async def test_a_stream_that_is_not_finished_in_time_expires(bot, make_standin):
    life = Timing(poll_every_s=0.02, stream_life_s=0.1)
    wecom = await make_standin(bot.url, timing=life)
    script(bot, stream("still"))
    talk = await wecom.say("zhangsan", "hello")
    assert await talk.done() == "still"
    assert (talk.bubble.state, talk.finished) == ("expired", False)


async def test_a_fourth_message_waits_outside_while_three_are_open(bot, wecom):
    script(bot, stream("working"))
    for words in ("one", "two"):
        await wecom.say("zhangsan", words)
    await wecom.say("zhangsan", "three", group="wrX")
    fourth = await wecom.say("zhangsan", "four")
    other = await wecom.say("lisi", "mine")
    assert (fourth.delivered, fourth.why) == (False, "too_many_open")
    assert other.delivered
    assert len(bot.asked("text")) == 4


async def test_a_closed_bubble_makes_room(bot, wecom):
    script(bot, stream("ok", finish=True))
    for words in ("one", "two", "three", "four"):
        talk = await wecom.say("zhangsan", words)
        await talk.done()
        assert talk.delivered


async def test_a_poll_that_fails_is_no_end(bot, wecom):
    script(bot, stream("1"), web.Response(status=500), None, stream("2", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    assert await talk.done() == "2"
    assert (talk.missed_polls, talk.polls, codes(wecom)) == (1, 2, [])


async def test_nobody_asks_while_everybody_is_away(bot, wecom):
    wecom.polling = False
    script(bot, stream("1"), stream("2", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    assert talk.text == "1"
    assert bot.asked("stream") == []
    assert not wecom.polling
    wecom.polling = True
    assert await talk.shows("2") == "2"


async def test_a_stream_expires_also_when_nobody_asks(bot, make_standin):
    wecom = await make_standin(bot.url, timing=Timing(poll_every_s=0.02, stream_life_s=0.1))
    wecom.polling = False
    script(bot, stream("still"))
    talk = await wecom.say("zhangsan", "hello")
    await talk.done()
    assert (talk.bubble.state, talk.polls) == ("expired", 0)


async def test_a_finished_stream_may_be_asked_for_once_more(bot, wecom):
    script(bot, stream("1", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    await talk.done()
    await wecom.poll(talk)
    assert (talk.text, talk.finished, talk.polls) == ("1", True, 1)


async def test_every_change_is_told(bot, wecom):
    changes = []
    wecom.book.on_change = lambda: changes.append(wecom.book.revision)
    script(bot, stream("1"), stream("2", finish=True))
    await (await wecom.say("zhangsan", "hello")).done()
    assert len(changes) >= 4
    assert changes == sorted(changes)


async def test_its_times_are_wecoms_unless_a_test_shortens_them():
    assert Timing() == Timing(5, 1, 5, 3, 1, 360, 3600, 300)
    assert FAST.stream_life_s == Timing().stream_life_s


# The callback URL


async def test_the_url_is_verified_by_an_exact_echo(bot, wecom):
    assert await wecom.verify_url()
    bot.spoil = lambda echo: f'"{echo}"'
    assert not await wecom.verify_url()
    bot.spoil = lambda echo: f"{echo}\n"
    assert not await wecom.verify_url()
    assert codes(wecom) == ["verify", "verify"]


async def test_a_url_that_nobody_serves_is_not_verified(bot, wecom):
    wecom.timing = replace(
        wecom.timing, verify_s=30
    )  # the answer counts here, not how soon it comes
    wecom.callback_url += "/nothing"
    assert not await wecom.verify_url()
    wecom.callback_url = "http://127.0.0.1:9/"
    assert not await wecom.verify_url()
    assert [violation.detail for violation in wecom.violations] == ["http_404", "connection"]


async def test_anything_can_be_sent_by_hand(bot, wecom):
    script(bot, {"msgtype": "x"})
    sealed = await wecom.send_raw(b'{"msgtype": "text"}')
    rubbish = await wecom.send_raw(body=b"{}", query={})
    got = await wecom.send_raw(method="GET", query={})
    assert (sealed.status, rubbish.status, got.status) == (200, 500, 500)
    assert json.loads(sealed.body)["nonce"]
