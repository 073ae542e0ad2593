"""The application's callback: what WeCom is answered, once and whatever happens in between."""

import asyncio
import io

import aiohttp
import pytest

from bot.errors import StoreError
from bot.outbox import SEAM
from bot.sandbox import corp_xml
from handlers.wecom.incoming import BODY_BYTES
from tests.app.edge import AGENT_ID, CORP_ID
from tests.fakes.edge import until
from tests.fakes.envelope import AES_KEY, TOKEN, Sealer

HEAD = {"ToUserName": CORP_ID, "FromUserName": "zhangsan", "AgentID": AGENT_ID}


async def post(edge, body, *, sealer=None, timestamp=None, spoil=""):
    """Send one callback by hand; return the status and the raw answer."""
    sealer = sealer or Sealer(receive_id=CORP_ID)
    encrypted = sealer.encrypt(body)
    query = sealer.query(encrypted, timestamp=timestamp or edge.clock() // 1000)
    shell = f"<xml><Encrypt><![CDATA[{encrypted}{spoil}]]></Encrypt></xml>".encode()
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{edge.url}?{query}", data=shell) as answer,
    ):
        return answer.status, await answer.read()


def text(words="hello", number=7, **elements):
    head = HEAD | {"CreateTime": 1_700_000_000, "MsgType": "text", "Content": words}
    return corp_xml.xml(head | {"MsgId": number} | elements)


async def test_wecom_verifies_the_url(edge):
    assert await edge.wecom.verify_url()
    assert edge.channel.counts["verified"] == 1
    edge.wecom._caller._receive_id = b"another corp"
    assert not await edge.wecom.verify_url()


async def test_a_command_is_answered_in_the_reply(edge):
    talk = await edge.wecom.say("zhangsan", "/status")
    assert talk.text == "done"
    assert edge.said() == []
    assert edge.violations == []


async def test_markdown_is_plain_in_the_reply(edge):
    edge.desk.prefix = "# 标题\n**粗** [打开](https://a.example/x)"
    talk = await edge.wecom.say("zhangsan", "/help")
    assert talk.text == f"标题\n粗 打开: https://a.example/x{SEAM}done"


async def test_nothing_to_say_is_an_empty_answer(edge):
    assert await post(edge, text("nothing to say")) == (200, b"")


async def test_a_message_that_waits_for_nothing_has_no_bubble(edge):
    await edge.wecom.say("zhangsan", "hello")
    assert edge.desk.accepted[0][1] is False  # may_stay_open


async def test_copies_that_come_at_once_are_one_message_with_one_answer(edge):
    edge.desk.doors.clear()
    talk = edge.wecom.begin("zhangsan", {"msgtype": "text", "text": {"content": "hello"}}, copies=4)
    await until(lambda: edge.desk.accepted)
    edge.desk.doors.set()
    await edge.wecom.answered(talk)
    assert talk.attempts == ["ok"] * 4
    assert len(edge.desk.accepted) == 1
    assert (edge.channel.counts["message"], edge.channel.counts["repeat"]) == (1, 3)
    assert edge.violations == []


async def test_a_copy_that_comes_later_is_answered_alike_and_starts_nothing(edge):
    await edge.wecom.say("zhangsan", "/status", msgid="77")
    talk = await edge.wecom.say("zhangsan", "/status", msgid="77")
    assert len(edge.desk.accepted) == 1
    assert talk.text == "done"
    assert edge.violations == []


async def test_a_copy_after_a_restart_is_answered_as_before(edge):
    await edge.wecom.say("zhangsan", "/status", msgid="77")
    shown = (await edge.store.inbox.find("app-77")).shown
    assert shown == "done"
    await edge.restart()
    talk = await edge.wecom.say("zhangsan", "/status", msgid="77")
    assert talk.text == "done"
    assert edge.violations == []


async def test_when_the_first_copy_fails_wecom_sends_it_again_and_it_is_taken(edge):
    edge.desk.failure = StoreError("full")
    talk = edge.wecom.begin(
        "zhangsan", {"msgtype": "text", "text": {"content": "hello"}}, msgid="8"
    )
    await until(lambda: talk.attempts)
    edge.desk.failure = None
    await edge.wecom.answered(talk)
    assert talk.attempts[0] == "http_503"
    assert talk.attempts[-1] == "ok"
    assert talk.text.startswith("已排队")


async def test_who_waits_for_a_first_copy_that_fails_is_told_to_come_again(edge):
    edge.desk.doors.clear()
    edge.desk.failure = StoreError("full")
    async with asyncio.TaskGroup() as group:
        posts = [group.create_task(post(edge, text())) for _ in range(3)]
        await until(lambda: edge.desk.accepted)
        edge.desk.doors.set()
    assert [one.result()[0] for one in posts] == [503, 503, 503]
    assert not await edge.store.inbox.find("app-7")


async def test_an_opening_too_long_for_the_reply_is_a_message_of_its_own(edge):
    edge.desk.prefix = "长" * 900
    talk = await edge.wecom.say("zhangsan", "/status", msgid="77")
    assert talk.bubble is None
    await edge.settled()
    (one, two) = edge.said()
    assert one.startswith("(1/2)\n长长")
    assert two.endswith("done")
    await edge.wecom.say("zhangsan", "/status", msgid="77")  # WeCom's copy
    await edge.restart()
    await edge.wecom.say("zhangsan", "/status", msgid="77")
    await edge.settled()
    assert len(edge.said()) == 2
    assert edge.violations == []


async def test_while_the_api_is_gone_a_long_opening_comes_in_pieces_with_each_contact(edge):
    edge.corp_api.faults.tokens.append(50003)
    edge.desk.prefix = "字" * 900
    await edge.api.prove()
    assert not edge.pushes._outlet.up
    talk = await edge.wecom.say("zhangsan", "/status", msgid="77")
    assert talk.text.startswith("字字")
    (rest,) = await edge.store.deliveries.notices_of("app-77")
    assert rest.state == "due"
    whole = talk.text + rest.body
    assert whole.count("字") == 900
    assert whole.endswith("done")


async def test_who_enters_is_greeted_once_a_day(edge):
    edge.desk.welcome = "你好"
    assert await edge.wecom.enter("zhangsan") == "你好"
    again = await edge.wecom.event("zhangsan", "enter_chat")
    assert again.content == "你好"  # a copy, for all that WeCom tells us
    edge.clock.now += 120_000
    assert await edge.wecom.event("zhangsan", "enter_chat") is None
    edge.clock.now += 24 * 3600 * 1000
    edge.wecom._entered.clear()
    assert await edge.wecom.enter("zhangsan") == "你好"


async def test_an_event_is_recorded_once_and_answered_empty(edge):
    assert await edge.wecom.event("zhangsan", "click", {"event_key": "k"}) is None
    (event,) = edge.desk.events
    assert (event.kind, event.sender) == ("click", "zhangsan")
    assert await edge.store.inbox.find(event.id) is not None


async def test_a_kind_that_cannot_be_read_is_answered_with_words(edge):
    talk = edge.wecom.begin("zhangsan", {"msgtype": "hologram", "hologram": {}})
    await edge.wecom.answered(talk)
    assert "E-MESSAGE-TYPE" in talk.text


async def test_what_is_not_wecoms_gets_a_bare_403(edge):
    wrong = [
        {"sealer": Sealer(token="another", receive_id=CORP_ID)},
        {"sealer": Sealer(receive_id="ww-another")},
        {"sealer": Sealer()},
        {"spoil": "A"},
        {"body": b"<xml><MsgType>text</MsgType></xml>"},
        {"body": b'<!DOCTYPE x [<!ENTITY a "b">]><xml><MsgType>&a;</MsgType></xml>'},
        {"body": b'{"msgtype":"text"}'},
        {"body": text(ToUserName="ww-another")},
        {"body": text(AgentID=7)},
    ]
    for one in wrong:
        assert await post(edge, one.pop("body", text()), **one) == (403, b"")
    assert edge.desk.accepted == []
    assert edge.channel.counts["refused corp id"] == 2
    assert edge.channel.counts["refused xml declaration"] == 1


async def test_x6_an_old_request_is_refused_unless_its_message_is_known(edge):
    old = edge.clock() // 1000 - 601
    assert (await post(edge, text(), timestamp=old))[0] == 403
    assert (await post(edge, text()))[0] == 200
    status, answer = await post(edge, text(), timestamp=old)
    assert (status, answer[:13]) == (200, b"<xml><Encrypt")
    assert len(edge.desk.accepted) == 1


async def test_x6_an_old_press_of_a_card_is_refused_also_when_it_is_known(edge):
    event = {"MsgType": "event", "Event": "template_card_event", "EventKey": "allow"}
    press = corp_xml.xml(HEAD | {"CreateTime": 1_700_000_000} | event | {"TaskId": "per_1@1"})
    assert (await post(edge, press))[0] == 200
    assert (await post(edge, press, timestamp=edge.clock() // 1000 - 601))[0] == 403
    assert len(edge.desk.clicks) == 1


async def test_x2_what_is_too_large_is_cut_off(edge):
    async with (
        aiohttp.ClientSession() as http,
        http.post(edge.url, data=io.BytesIO(b"x" * (BODY_BYTES + 1))) as answer,
    ):
        assert answer.status == 413


async def test_a_store_that_does_not_answer_is_not_waited_for_for_ever(edge, monkeypatch):
    monkeypatch.setattr("handlers.wecom.app.app_callback.ACCEPT_S", 0.05)
    edge.desk.doors.clear()
    assert (await post(edge, text()))[0] == 503
    edge.desk.doors.set()


async def test_x3_hostile_xml_around_the_ciphertext_is_refused(edge):
    body = b'<!DOCTYPE x [<!ENTITY l "ha">]><xml><Encrypt>QUJD</Encrypt></xml>'
    query = Sealer(TOKEN, AES_KEY).query("QUJD", timestamp=edge.clock() // 1000)
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{edge.url}?{query}", data=body) as answer,
    ):
        assert (answer.status, await answer.read()) == (403, b"")


@pytest.mark.parametrize("method", ["PUT", "HEAD", "DELETE"])
async def test_other_methods_are_not_there(edge, method):
    async with aiohttp.ClientSession() as http, http.request(method, edge.url) as answer:
        assert answer.status == 405


async def test_what_no_person_said_is_answered_empty(edge):
    assert await post(edge, text(FromUserName="sys")) == (200, b"")
    assert edge.channel.counts["ignored"] == 1
    assert await edge.channel.close_leaked() == 0
