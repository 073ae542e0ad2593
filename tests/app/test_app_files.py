"""Files that go with an answer of the application: behind it, each once, or told of."""

import asyncio

from bot.messages import Answer
from handlers.wecom.app.outlet import RESTARTED_MS
from tests.fakes.edge import until

ANSWER = Answer("the answer")
MINUTE = 60_000


async def answered(edge, *files):
    """An answer with files; returns its talk."""
    talk, turn, reply = await edge.asked()
    await edge.end(turn, files=files)
    await reply.finish(ANSWER)
    return talk


def brought(talk):
    return [item.medium or item.content for item in talk.late]


async def files_of(edge):
    rows = await edge.store.database.fetch_all(
        "SELECT file, state FROM deliveries WHERE file <> '' ORDER BY id"
    )
    return [tuple(row) for row in rows]


async def until_so(edge, *states):
    async with asyncio.timeout(20):
        while [state for _, state in await files_of(edge)] != list(states):  # noqa: ASYNC110 - the store rings no bell
            await asyncio.sleep(0.01)


async def comes_in_a_while(edge, talk):
    """See that a file is not even read by now, and comes when the time has come."""
    await edge.settled()
    assert edge.cupboard.taken == []
    edge.clock.now += 2 * MINUTE
    await edge.retry()
    await talk.late_reply(number=2)
    assert brought(talk)[1:] == ["a.txt"]


async def test_the_files_of_an_answer_come_behind_it(edge):
    edge.cupboard.put("outbox/a.txt", "outbox/b.txt")
    talk = await answered(edge, "outbox/a.txt", "outbox/b.txt")
    await talk.late_reply(number=3)
    assert brought(talk)[1:] == ["a.txt", "b.txt"]
    await until_so(edge, "sent", "sent")
    assert edge.violations == []


async def test_a_file_that_did_not_arrive_is_told(edge):
    edge.cupboard.put("out/a_1.txt", "b.txt")
    edge.corp_api.faults.calls.extend([None, 40006])
    talk = await answered(edge, "out/a_1.txt", "b.txt", "c.txt")
    await talk.late_reply(number=4)
    _, refused, sent, gone = brought(talk)
    assert "没有接受 `out/a_1.txt`。/files 1" in refused
    assert sent == "b.txt"
    assert "`c.txt` 没有发送" in gone
    await until_so(edge, "failed", "sent", "sent")


async def test_files_come_behind_an_answer_that_must_wait(edge):
    edge.cupboard.put("a.txt")
    edge.corp_api.faults.calls.append(45009)
    talk = await answered(edge, "a.txt")
    await until(lambda: edge.corp_api.calls["message/send"] == 1)
    await comes_in_a_while(edge, talk)


async def test_a_file_waits_for_room(edge):
    edge.cupboard.put("a.txt")
    for _ in range(29):
        edge.channel.replies.outlet._budget.spend("zhangsan", edge.clock())
    talk = await answered(edge, "a.txt")
    await talk.late_reply()
    await comes_in_a_while(edge, talk)
    assert edge.violations == []


async def test_a_file_in_doubt_is_said_again_as_the_copy_that_wecom_does_not_show(edge):
    edge.cupboard.put("a.txt")
    edge.corp_api.faults.calls.extend([None, None, "lose_answer", 60020])
    talk = await answered(edge, "a.txt")
    await talk.late_reply(number=2)
    await edge.settled()
    await until_so(edge, "sending")
    edge.clock.now += 2 * MINUTE
    await edge.retry()
    await until_so(edge, "sent")
    assert brought(talk)[1:] == ["a.txt"]
    assert edge.corp_api.calls["media/upload"] == 1


async def test_a_file_in_doubt_for_too_long_is_told(edge):
    edge.cupboard.put("a.txt")
    edge.corp_api.faults.calls.extend([None, None, "lose_answer", 60020])
    talk = await answered(edge, "a.txt")
    await talk.late_reply(number=2)
    await edge.settled()
    edge.clock.now += RESTARTED_MS
    await edge.retry()
    await talk.late_reply(number=3)
    assert "不确定 `a.txt` 是否已送达" in brought(talk)[-1]
    await until_so(edge, "unknown")


async def test_a_file_whose_upload_never_succeeds_is_given_up_and_told(edge):
    edge.cupboard.put("a.txt")
    edge.corp_api.faults.calls.append(None)
    edge.corp_api.faults.calls.extend(["lose_answer"] * 3)
    talk = await answered(edge, "a.txt")
    for uploads in (1, 2):
        await until(lambda uploads=uploads: edge.corp_api.calls["media/upload"] == uploads)
        await edge.settled()
        edge.clock.now += MINUTE
        await edge.retry()
    await talk.late_reply(number=2)
    assert "没有接受 `a.txt`" in brought(talk)[-1]
    await until_so(edge, "failed")
    assert edge.corp_api.calls["media/upload"] == 3


async def test_files_that_an_end_of_the_service_cut_off_come_after_its_next_start(edge):
    edge.cupboard.put("a.txt")
    talk, turn, _ = await edge.asked()
    await edge.end(turn, files=["a.txt"])
    await edge.restart()
    await edge.channel.recover()
    await talk.late_reply(number=2)
    assert brought(talk)[1:] == ["a.txt"]


async def test_a_file_that_was_on_its_way_at_the_end_of_the_service_is_told_and_not_sent_again(
    edge,
):
    edge.cupboard.put("a.txt")
    talk, turn, _ = await edge.asked()
    await edge.end(turn, files=["a.txt"])
    answer, file = await edge.store.deliveries.due(turn.chat, "app")
    assert await edge.store.deliveries.push(answer.id, "app")
    assert await edge.store.deliveries.settle(answer.id, "sent", via="app")
    assert await edge.store.deliveries.push(file.id, "app")
    await edge.restart()
    await edge.channel.recover()
    assert "不确定 `a.txt` 是否已送达" in await talk.late_reply()
    await until_so(edge, "unknown")
    assert edge.cupboard.taken == []
