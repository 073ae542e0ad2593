import asyncio
import base64
import hashlib
import json
from itertools import count

import aiohttp
import pytest
from aiohttp import web

from bot.clock import now_ms
from bot.sandbox import payloads
from bot.sandbox.timing import Timing
from bot.sandbox.way_out import EXPIRED, NOT_ACCEPTABLE, UNKNOWN_CODE, USED
from tests.fakes.responder import Responder, stream
from tests.wecom_fixtures import AES_KEY, BOT_ID, BOT_NAME, FAST, TOKEN

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture
async def bot(aiohttp_server):
    """A responder on a socket; ``bot.url`` is its callback URL."""
    responder = Responder(TOKEN, AES_KEY)
    app = web.Application()
    app.add_routes(responder.routes)
    server = await aiohttp_server(app)
    responder.url = str(server.make_url("/bot"))
    return responder


@pytest.fixture
async def wecom(make_standin, bot):
    return await make_standin(bot.url)


def script(bot, *answers):
    """Answer each call with the next answer, and the last one for ever."""
    left = list(answers)
    bot.answer = lambda _: left.pop(0) if len(left) > 1 else left[0]


def codes(wecom):
    return [violation.code for violation in wecom.violations]


async def post(url, body, **more):
    async with aiohttp.ClientSession() as http, http.post(url, json=body, **more) as response:
        return (await response.json())["errcode"]


def markdown(content):
    return {"msgtype": "markdown", "markdown": {"content": content}}


CARD = {"msgtype": "template_card", "template_card": {"card_type": "text_notice"}}


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


# What WeCom refuses


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"msgtype": "text", "text": {"content": "hello"}}, "msgtype"),
        (markdown("hello"), "msgtype"),
        ({"msgtype": "stream", "stream": {"content": "hello"}}, "stream_id"),
        (stream("hello", stream=7), "stream_id"),
        ({"msgtype": "stream"}, "shape"),
        (stream(["hello"]), "shape"),
        (stream("hello", finish="yes"), "finish"),
        (stream("\ud800"), "content_not_utf8"),
        (stream("好" * 6827), "content_too_long"),
        (stream("hello", feedback={"id": "好" * 86}), "feedback_too_long"),
        (stream("hello", feedback={"id": 1}), "shape"),
        (stream("hello", feedback="id"), "shape"),
        (stream("hello", msg_item=[{"msgtype": "image"}]), "items_before_finish"),
        (stream("hello", finish=True, msg_item={}), "shape"),
        (stream("hello", finish=True, msg_item=[1] * 11), "too_many_items"),
        ({"msgtype": "template_card", "template_card": {"card_type": "poem"}}, "card"),
        (
            {"msgtype": "template_card", "template_card": {"card_type": "vote_interaction"}},
            "card",
        ),
        ("[]", "answer_not_json"),
        ("nonsense", "answer_not_json"),
    ],
)
async def test_an_answer_that_wecom_does_not_take_is_a_violation(bot, wecom, answer, code):
    script(bot, answer)
    talk = await wecom.say("zhangsan", "hello")
    await talk.done()
    assert codes(wecom) == [code]
    assert (talk.said.state, talk.bubble) == ("unanswered", None)
    violation = wecom.violations[0]
    assert (violation.chat, violation.msgid) == ("zhangsan", talk.msgid)
    assert wecom.transcript("zhangsan")[-1].kind == "violation"


def image(raw, **more):
    facts = {"base64": base64.b64encode(raw).decode(), "md5": hashlib.md5(raw).hexdigest()}
    return {"msgtype": "image", "image": facts | more}


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (image(b"GIF89a"), "item_kind"),
        ({"msgtype": "text"}, "item_kind"),
        (image(PNG, md5="0"), "item_md5"),
        (image(PNG, base64="?"), "item_base64"),
        (image(b"\xff\xd8\xff" + b"0" * 10 * 1024 * 1024), "item_too_large"),
    ],
)
async def test_an_image_that_wecom_does_not_take_is_a_violation(bot, wecom, item, code):
    script(bot, stream("look", finish=True, msg_item=[item]))
    await (await wecom.say("zhangsan", "hello")).done()
    assert codes(wecom) == [code]


async def test_an_image_comes_with_the_last_answer(bot, wecom):
    script(bot, stream("look", finish=True, msg_item=[image(PNG)]))
    talk = await wecom.say("zhangsan", "hello")
    await talk.done()
    assert talk.bubble.images[0].startswith("data:image/png;base64,")


@pytest.mark.parametrize("blank", ["", " \n\t", "<think>hm</think> ", "<think></think>"])
async def test_a_blank_last_answer_is_a_violation_and_the_end(bot, wecom, blank):
    script(bot, stream("working"), stream(blank, finish=True))
    talk = await wecom.say("zhangsan", "hello")
    await talk.done()
    assert talk.finished
    assert codes(wecom) == ["blank_final"]


async def test_a_poll_keeps_its_stream_or_names_none(bot, wecom):
    nameless = {"msgtype": "stream", "stream": {"content": "2"}}
    script(bot, stream("1"), nameless, stream("x", stream="S2"), stream("3", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    assert await talk.done() == "3"
    assert talk.bubble.history == ["1", "2", "3"]
    assert codes(wecom) == ["stream_id_changed"]


async def test_a_poll_takes_nothing_but_streams(bot, wecom):
    script(bot, stream("1"), CARD, stream("2", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    assert await talk.done() == "2"
    assert codes(wecom) == ["msgtype"]


async def test_a_message_has_one_card(bot, wecom):
    both = stream("1") | CARD | {"msgtype": "stream_with_template_card"}
    script(bot, both, both, stream("", finish=True))
    talk = await wecom.say("zhangsan", "hello")
    await talk.done()
    assert talk.bubble.card == {"card_type": "text_notice"}
    assert codes(wecom) == ["second_card"]


async def test_a_card_alone_answers_a_message(bot, wecom):
    script(bot, CARD)
    talk = await wecom.say("zhangsan", "hello")
    await talk.done()
    assert talk.finished
    assert codes(wecom) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [({"nonce": "x"}, "reply_nonce"), ({"msgsignature": "0" * 40}, "reply_signature")],
)
async def test_an_answer_that_is_not_the_services_is_a_violation(bot, wecom, change, code):
    script(bot, stream("hello"))
    bot.spoil = lambda reply: reply | change
    await (await wecom.say("zhangsan", "hello")).done()
    assert codes(wecom) == [code]


# The callback URL


async def test_the_url_is_verified_by_an_exact_echo(bot, wecom):
    assert await wecom.verify_url()
    bot.spoil = lambda echo: f'"{echo}"'
    assert not await wecom.verify_url()
    bot.spoil = lambda echo: f"{echo}\n"
    assert not await wecom.verify_url()
    assert codes(wecom) == ["verify", "verify"]


async def test_a_url_that_nobody_serves_is_not_verified(bot, wecom):
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


# Late replies


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
