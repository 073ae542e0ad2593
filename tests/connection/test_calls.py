"""Requests and their answers: in order, each its own, and no answer is taken for another's."""

import asyncio

import orjson
import pytest

from handlers.wecom.connection.calls import Calls, Unanswered, Unsent
from handlers.wecom.connection.frames import Ack, Request

ACK_S = 0.05


class Wire:
    """What was sent, and a bell."""

    def __init__(self):
        self.sent = []
        self.rung = asyncio.Condition()
        self.failure = None

    async def send(self, raw):
        if self.failure:
            raise self.failure
        async with self.rung:
            self.sent.append(orjson.loads(raw)["body"])
            self.rung.notify_all()

    async def until(self, count):
        async with asyncio.timeout(10), self.rung:
            await self.rung.wait_for(lambda: len(self.sent) >= count)


@pytest.fixture
async def wire():
    return Wire()


@pytest.fixture
async def calls(wire):
    return Calls(wire.send, 10.0)


def asks(n, req_id="R"):
    return Request("cmd", req_id, {"n": n})


async def test_an_answer_reaches_who_asked(calls, wire):
    async with asyncio.TaskGroup() as group:
        one = group.create_task(calls.call(asks(1, "A")))
        two = group.create_task(calls.call(asks(2, "B")))
        await wire.until(2)
        assert calls.answered(Ack("B", 7))
        assert calls.answered(Ack("A", 0))
    assert (one.result().code, two.result().code) == (0, 7)


async def test_a_second_frame_with_an_id_waits_for_the_first_answer(calls, wire):
    async with asyncio.TaskGroup() as group:
        one = group.create_task(calls.call(asks(1)))
        two = group.create_task(calls.call(asks(2)))
        await wire.until(1)
        await asyncio.sleep(0)
        assert wire.sent == [{"n": 1}]
        calls.answered(Ack("R", 1))
        await wire.until(2)
        calls.answered(Ack("R", 2))
    assert (one.result().code, two.result().code) == (1, 2)


async def test_nobody_waits_for_a_strange_answer(calls):
    assert not calls.answered(Ack("unknown", 0))


async def test_an_answer_that_does_not_come_is_missed(wire):
    calls = Calls(wire.send, ACK_S)
    with pytest.raises(Unanswered):
        await calls.call(asks(1))


async def test_a_late_answer_is_not_taken_for_the_next_ones(wire):
    calls = Calls(wire.send, ACK_S)
    with pytest.raises(Unanswered):
        await calls.call(asks(1))
    async with asyncio.TaskGroup() as group:
        second = group.create_task(calls.call(asks(2)))
        await asyncio.sleep(0)
        assert calls.answered(Ack("R", 846608))  # of the first
        await wire.until(2)
        calls.answered(Ack("R", 0))
    assert second.result().code == 0


async def test_after_a_lost_answer_the_next_frame_leaves_all_the_same(wire):
    calls = Calls(wire.send, ACK_S)
    with pytest.raises(Unanswered):
        await calls.call(asks(1))
    async with asyncio.TaskGroup() as group:
        second = group.create_task(calls.call(asks(2)))
        await wire.until(2)
        calls.answered(Ack("R", 0))
    assert second.result().code == 0


async def test_the_end_of_the_socket_is_told_to_all(calls, wire):
    async def fails():
        with pytest.raises(Unanswered):
            await calls.call(asks(1))

    async with asyncio.TaskGroup() as group:
        group.create_task(fails())
        await wire.until(1)
        calls.end()
    with pytest.raises(Unsent):
        await calls.call(asks(2))
    assert wire.sent == [{"n": 1}]


async def test_what_the_socket_refuses_is_told_as_it_is(calls, wire):
    wire.failure = Unsent("closed")
    with pytest.raises(Unsent):
        await calls.call(asks(1))
    wire.failure = None
    async with asyncio.TaskGroup() as group:
        again = group.create_task(calls.call(asks(1)))
        await wire.until(1)
        calls.answered(Ack("R", 0))
    assert again.result().code == 0


async def test_a_frame_that_does_not_get_out_is_missed():
    async def stuck(_):
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        with pytest.raises(Unanswered):
            await Calls(stuck, 10.0, send_s=ACK_S).call(asks(1))
