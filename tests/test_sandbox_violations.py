"""What WeCom refuses of a bot's answers, as the stand-in refuses it."""

import base64
import hashlib

import pytest

from tests.fakes.responder import stream
from tests.standin import CARD, PNG, codes, markdown, responding, script


@pytest.fixture
async def bot(aiohttp_server):
    return await responding(aiohttp_server)


@pytest.fixture
async def wecom(make_standin, bot):
    return await make_standin(bot.url)


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
    assert talk.bubble.card == CARD["template_card"]
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
