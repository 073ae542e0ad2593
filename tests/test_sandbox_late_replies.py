"""Replies to a message's own address after its stream, as the stand-in takes them."""

import aiohttp
import pytest

from bot.clock import now_ms
from bot.sandbox.way_out import EXPIRED, NOT_ACCEPTABLE, UNKNOWN_CODE, USED
from tests.fakes.responder import stream
from tests.standin import CARD, codes, markdown, post, responding, script
from tests.wecom_fixtures import BOT_NAME


@pytest.fixture
async def bot(aiohttp_server):
    return await responding(aiohttp_server)


@pytest.fixture
async def wecom(make_standin, bot):
    return await make_standin(bot.url)


async def test_a_late_reply_is_taken_once(bot, wecom):
    script(bot, stream("later", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    assert await post(talk.response_url, markdown("done")) == 0
    assert await talk.late_reply() == "done"
    assert await post(talk.response_url, markdown("done")) == USED
    assert [item.content for item in talk.late] == ["done"]
    assert codes(wecom) == ["late_used"]


async def test_a_late_reply_in_a_group_quotes_what_it_answers(bot, wecom):
    script(bot, stream("later", finish=True))
    talk = await wecom.say("zhangsan", "hello", group="wrX")
    assert await post(talk.response_url, markdown("done")) == 0
    assert wecom.transcript("wrX")[-1].quote == f"@{BOT_NAME} hello"


async def test_a_late_card_is_for_direct_chats(bot, wecom):
    script(bot, stream("later", finish=True))
    direct = await wecom.say("zhangsan", "hello")
    group = await wecom.say("zhangsan", "hello", group="wrX")
    assert await post(direct.response_url, CARD) == 0
    assert await post(group.response_url, CARD) == NOT_ACCEPTABLE
    assert codes(wecom) == ["msgtype"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (stream("hello", finish=True), "msgtype"),
        (markdown("x" * 20_481), "content_too_long"),
        (markdown(" "), "blank"),
        ({}, "blank"),
        ([], "answer_not_json"),
    ],
)
async def test_a_late_reply_that_wecom_does_not_take_is_a_violation(bot, wecom, body, code):
    script(bot, stream("later", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    assert await post(talk.response_url, body) == NOT_ACCEPTABLE
    assert codes(wecom) == [code]


async def test_a_late_reply_is_plain_json(bot, wecom):
    script(bot, stream("later", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    form = {"headers": {"Content-Type": "text/plain"}}
    assert await post(talk.response_url, markdown("done"), **form) == NOT_ACCEPTABLE
    assert codes(wecom) == ["late_content_type"]


async def test_a_late_reply_has_an_hour(bot, make_standin):
    shift_ms = 0
    wecom = await make_standin(bot.url, clock=lambda: now_ms() + shift_ms)
    script(bot, stream("later", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    shift_ms = 3_600_000
    assert await post(talk.response_url, markdown("done")) == EXPIRED
    assert await post(f"{wecom.base_url}/cgi-bin/aibot/response", markdown("x")) == UNKNOWN_CODE
    assert codes(wecom) == ["late_expired", "late_unknown"]


async def test_an_address_from_before_the_start_is_too_old_and_nobodys_mistake(
    bot, wecom, make_standin
):
    script(bot, stream("later", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    code = talk.response_url.partition("?")[2]
    anew = await make_standin(bot.url)
    url = f"{anew.base_url}/cgi-bin/aibot/response?{code}"
    assert await post(url, markdown("done")) == EXPIRED
    assert codes(anew) == []
    assert await post(f"{url[:-5]}", markdown("done")) == EXPIRED
    assert await post(f"{anew.base_url}/cgi-bin/aibot/response?response_code=made-up", {}) == (
        UNKNOWN_CODE
    )
    assert codes(anew) == ["late_unknown"]


async def test_whoever_never_read_the_answer_may_call_again(bot, wecom):
    wecom.ways_out.faults.extend(["refuse_503", "lose_answer"])
    script(bot, stream("later", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    async with aiohttp.ClientSession() as http:
        async with http.post(talk.response_url, json=markdown("done")) as response:
            assert response.status == 503
        with pytest.raises(aiohttp.ClientError):
            await http.post(talk.response_url, json=markdown("done"))
    assert await post(talk.response_url, markdown("done")) == USED
    assert [item.content for item in talk.late] == ["done"]
    assert (codes(wecom), wecom.ways_out.calls) == ([], 3)
