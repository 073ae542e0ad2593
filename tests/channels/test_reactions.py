"""What each of WeCom's error codes brings about: of the long connection, and of the API."""

import asyncio

import pytest
from structlog.testing import capture_logs

from bot.messages import Answer, Medium
from handlers.wecom.app.codes import RULES
from handlers.wecom.app.media import fetch
from handlers.wecom.app.parts import markdown
from handlers.wecom.connection import frames
from tests.connection.stage import ANSWER, MINUTE, SHOWN, Stage, until
from tests.fakes.edge import until as until_so

DIRECT = "wecom:direct:zhangsan"
# What the codes of the long connection ask for, and those of the API: of each, once more, by hand.
OF_CONNECTION = {
    "again": {-1},
    "wait": {45009, 45033, 846607},
    "elsewhere": {846605},
    "expired": {846608},
    "subscribe": {846609},
    "stop": {40001, 853000},
    "barred": {40008, 40058, 44004, 45002, 48002, 93004, 93006, 93008},
}
OF_API = {
    "again": {-1},
    "renew": {40014, 42001},
    "rest": {45009, 45033},
    "stop": {
        *(40001, 40013, 40056, 41001, 41004, 48002, 50003),
        *(60011, 60020, 80001, 85005, 301002),
    },
    "give up": {
        *(40003, 40004, 40006, 40007, 40008, 40009, 40011, 44001, 44004, 45002),
        *(81013, 93000, 93004, 93008, 830002),
    },
}
GIVEN_UP = sorted(OF_API["give up"])
STOPPED = sorted(OF_API["stop"])
BARRED = sorted(OF_CONNECTION["barred"])


def grouped(reactions):
    """Turn codes and their reactions around."""
    return {
        reaction: {code for code, each in reactions.items() if each == reaction}
        for reaction in set(reactions.values())
    }


def test_each_code_of_the_long_connection_asks_for_what_is_written_here():
    assert grouped(frames.REACTIONS) == OF_CONNECTION | {"done": {0}}


def test_each_code_of_the_api_asks_for_what_is_written_here():
    assert grouped({code: rule.reaction for code, rule in RULES.items()}) == OF_API


def test_whoever_was_too_fast_rests_for_a_minute_and_a_wrong_secret_for_an_hour():
    assert min(RULES[code].pause_s for code in OF_API["rest"]) >= 60
    assert RULES[40001].pause_s >= 3600


# The long connection: what becomes of an answer


async def finished(stage, talk):
    """End the turn of a message, whose answer begins to leave."""
    reply = await stage.reply(talk.msgid)
    await stage.end(talk.msgid)
    await reply.finish(ANSWER)


def sent(tape, cmd):
    return [frame for who, frame in tape if who == "client" and frame["cmd"] == cmd]


@pytest.mark.parametrize("code", [846605, 846608])
async def test_a_bubble_that_takes_no_more_is_followed_by_one_push(stage, wecom, code):
    talk = await stage.say("hello", "M1")
    wecom.gateway.faults.next("aibot_respond_msg", code)
    await finished(stage, talk)
    assert (await stage.delivered("M1")).attempts == 1
    assert [item.content for item in talk.late] == [SHOWN]
    assert stage.codes == []


@pytest.mark.parametrize("cmd", ["aibot_respond_msg", "aibot_send_msg"])
@pytest.mark.parametrize("code", [846607, 45009, 45033])
async def test_what_is_too_much_waits_and_comes_once(stage, wecom, cmd, code):
    talk = await stage.say("hello", "M1")
    if cmd == "aibot_send_msg":
        wecom.gateway.expire(talk.bubble)
    wecom.gateway.faults.next(cmd, code)
    await finished(stage, talk)
    await stage.tried("M1", 1)
    await stage.delivered("M1")
    said = [item.content for item in wecom.transcript("zhangsan") if item.kind != "said"]
    assert said.count(SHOWN) == 1
    assert stage.codes == []


@pytest.mark.parametrize("cmd", ["aibot_respond_msg", "aibot_send_msg"])
async def test_a_connection_that_wecom_forgot_is_made_anew_and_the_answer_comes(stage, wecom, cmd):
    talk = await stage.say("hello", "M1")
    if cmd == "aibot_send_msg":
        wecom.gateway.expire(talk.bubble)
    wecom.gateway.faults.next(cmd, 846609)
    await finished(stage, talk)
    await until(lambda: wecom.gateway.subscribed == 2)
    await stage.up()
    await stage.tried("M1", 1)
    await stage.delivered("M1")
    assert stage.codes == []


@pytest.mark.parametrize("code", BARRED)
async def test_what_will_never_be_taken_is_given_up_at_once_and_holds_nothing_up(
    stage, wecom, code
):
    talk = await stage.say("hello", "M1")
    wecom.gateway.expire(talk.bubble)
    wecom.gateway.faults.next("aibot_send_msg", code)
    await finished(stage, talk)
    failed = await stage.delivered("M1", "failed")
    assert (failed.cause, failed.attempts) == (f"errcode {code}", 1)
    await stage.edge.replies.pushes.notice(DIRECT, "M1", "next")
    await until(lambda: wecom.transcript("zhangsan")[-1].content == "next")
    assert stage.connection.up


@pytest.mark.parametrize("code", [853000, 40001])
async def test_a_bot_that_is_not_let_in_stops_and_says_so(tmp_path, wecom, hands, code):
    stage = Stage(tmp_path, wecom, hands)
    wecom.gateway.faults.next("aibot_subscribe", code)
    async with asyncio.timeout(60):
        with capture_logs() as logs:
            await stage.start(connected=False)
            try:
                await until(lambda: stage.edge.facts["state"] == "refused")
                assert stage.edge.facts["trouble"]
                assert wecom.gateway.subscribed == 0
                await stage.up()  # by itself, after the long pause, once it is mended
            finally:
                await stage.stop()
    told = [entry for entry in logs if entry["log_level"] == "error"]
    assert any(str(code) in str(entry) for entry in told)


@pytest.mark.parametrize("code", [-1, 45009, 846607])
async def test_a_greeting_that_is_refused_is_not_repeated(stage, wecom, code):
    stage.desk.welcome = "welcome!"
    wecom.gateway.faults.next("aibot_respond_welcome_msg", code)
    tape = wecom.gateway.record()
    async with asyncio.TaskGroup() as group:
        entered = group.create_task(wecom.event("zhangsan", "enter_chat"))
        await until(lambda: any("errcode" in frame and frame["errcode"] for _, frame in tape))
        entered.cancel()
    talk = await stage.say("/hello", "C1")
    await stage.finished(talk)
    assert len(sent(tape, "aibot_respond_welcome_msg")) == 1


@pytest.mark.parametrize("code", [853000, 846605])
async def test_a_file_whose_upload_is_refused_is_said_not_to_be_sent(stage, wecom, code):
    await stage.say("/hello", "C1")
    wecom.gateway.faults.next("aibot_upload_media_init", code, code, code)
    medium = Medium("a.txt", "file", b"content")
    assert await stage.edge.replies.send_medium(DIRECT, medium) == "refused"


async def test_a_file_of_an_answer_whose_upload_is_refused_comes_in_another_try(stage, wecom):
    stage.cupboard.put("a.txt")
    await stage.say("hello", "M1")
    reply = await stage.reply("M1")
    wecom.gateway.faults.next("aibot_upload_media_init", 846605, 846605, 846605)
    await stage.end("M1", files=["a.txt"])
    await reply.finish(ANSWER)
    (file,) = [one for one in await stage.store.deliveries.unsent() if one.file]
    await stage.put_off(file.id)
    stage.clock.after(MINUTE)
    stage.edge.parts.pushes.wake()
    await until(lambda: wecom.transcript("zhangsan")[-1].medium == "a.txt")
    assert stage.codes == []


# The application's API: each row of its table


async def push(edge, words="hello", member="zhangsan"):
    return await edge.channel.replies.outlet.send(member, markdown(words))


@pytest.mark.parametrize("code", GIVEN_UP)
async def test_what_no_repeat_would_change_fails_at_once_and_holds_nothing_up(edge, code):
    _, turn, reply = await edge.asked()
    await edge.end(turn)
    edge.corp_api.faults.calls.append(code)
    await reply.finish(Answer("the answer"))
    await edge.settled()
    delivery = await edge.delivery(turn)
    assert (delivery.state, delivery.cause) == ("failed", f"errcode {code}")
    assert edge.corp_api.calls["message/send"] == 1
    assert (await push(edge)).taken


@pytest.mark.parametrize("code", [*STOPPED, 45009, 45033])
async def test_a_token_that_is_refused_is_not_asked_for_again_until_its_pause_is_over(edge, code):
    await until_so(lambda: edge.api.token_until)
    asked = edge.corp_api.calls["gettoken"]
    edge.corp_api.expire()
    edge.corp_api.faults.tokens.append(code)
    said = [await push(edge, f"{n}") for n in range(5)]
    assert {one.how for one in said} == {"unsent"}
    assert edge.corp_api.calls["gettoken"] == asked + 1
    edge.clock.now += RULES[code].pause_s * 1000
    assert (await push(edge)).taken
    assert edge.corp_api.calls["gettoken"] == asked + 2
    assert edge.violations == []


@pytest.mark.parametrize("code", [-1, 40014, 42001])
async def test_a_token_that_cannot_be_had_now_loses_no_answer(edge, code):
    await until_so(lambda: edge.api.token_until)
    edge.corp_api.expire()
    edge.corp_api.faults.tokens.append(code)
    _, turn, reply = await edge.asked()
    await edge.end(turn)
    await reply.finish(Answer("the answer"))
    await edge.settled()
    assert (await edge.delivery(turn)).state == "due"
    edge.clock.now += 2 * MINUTE
    await edge.retry()
    await edge.until_sent(turn)
    assert len(edge.said()) == 1


@pytest.mark.parametrize("code", [*STOPPED, 45009, 45033])
async def test_an_answer_waits_for_whoever_mends_it_and_comes_once(edge, code):
    _, turn, reply = await edge.asked()
    await edge.end(turn)
    edge.corp_api.faults.calls.extend([code] * (2 if code == 40001 else 1))
    await reply.finish(Answer("the answer"))
    await edge.settled()
    assert (await edge.delivery(turn)).state == "due"
    edge.clock.now += RULES[code].pause_s * 1000 + MINUTE
    await edge.retry()
    await edge.until_sent(turn)
    assert len(edge.said()) == 1
    assert edge.violations == []


async def test_a_medium_that_needs_a_range_is_had_by_pieces(edge):
    medium = edge.corp_api.media.keep("file", "a.txt", b"content")
    edge.corp_api.faults.calls.append(830002)
    assert (await fetch(edge.api, medium, 1024)).content == b"content"
