"""Events over the callback: what is no message is recorded, and seldom answered."""

import asyncio

import pytest

from bot.errors import StoreFull
from tests.fakes.edge import Edge


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        yield edge


async def test_who_opens_the_chat_is_welcomed_with_a_text(edge):
    edge.desk.welcome = "你好"
    body = {"msgid": "E1", "from": {"userid": "zhangsan"}, "msgtype": "event"}
    status, answer = await edge.post(body | {"event": {"eventtype": "enter_chat"}})
    assert (status, answer) == (200, {"msgtype": "text", "text": {"content": "你好"}})


@pytest.mark.parametrize("kind", ["enter_chat", "feedback_event", "template_card_event", "new_one"])
async def test_other_events_are_recorded_and_answered_with_nothing(edge, kind):
    body = {"msgid": "E1", "from": {"userid": "zhangsan"}, "msgtype": "event"}
    assert await edge.post(body | {"event": {"eventtype": kind}}) == (200, None)
    assert [event.kind for event in edge.desk.events] == [kind]


async def test_only_entering_a_chat_may_be_answered_with_a_text(edge):
    edge.desk.welcome = "你好"
    body = {"msgid": "E1", "msgtype": "event", "event": {"eventtype": "feedback_event"}}
    assert await edge.post(body) == (200, None)


async def test_an_event_that_cannot_be_kept_is_not_acknowledged(edge):
    edge.desk.failure = StoreFull("no space")
    body = {"msgid": "E1", "msgtype": "event", "event": {"eventtype": "x"}}
    assert await edge.post(body) == (503, None)


async def test_a_message_of_an_unknown_type_is_told_to_the_person(edge):
    body = edge.message("x") | {"msgtype": "location", "location": {}}
    status, answer = await edge.post(body)
    assert status == 200
    assert answer["stream"]["finish"] is True
    assert "E-MESSAGE-TYPE" in answer["stream"]["content"]
    assert edge.desk.events[0].kind == "message.location"


async def test_what_the_system_writes_is_passed_over(edge):
    body = edge.message("x", sender="sys")
    assert await edge.post(body) == (200, None)
    assert (edge.desk.accepted, edge.desk.events) == ([], [])
