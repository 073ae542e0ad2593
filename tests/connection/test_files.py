"""Files that go with an answer over the connection: behind it, each once, or told of."""

import asyncio

from tests.connection.stage import ANSWER, MINUTE, until


async def asked(stage, *files, msgid="M1"):
    """A message and its answer, with files behind it."""
    talk = await stage.say("hello", msgid)
    reply = await stage.reply(msgid)
    await stage.end(msgid, files=files)
    await reply.finish(ANSWER)
    return talk


def late(wecom):
    return [one.medium or one.content for one in wecom.transcript("zhangsan") if one.kind == "late"]


async def states(stage):
    rows = await stage.store.database.fetch_all(
        "SELECT state FROM deliveries WHERE file <> '' ORDER BY id"
    )
    return [state for (state,) in rows]


async def until_so(stage, *wanted):
    async with asyncio.timeout(20):
        while await states(stage) != list(wanted):  # noqa: ASYNC110 - the store rings no bell
            await asyncio.sleep(0.01)


async def test_the_files_of_an_answer_come_behind_it(stage, wecom):
    stage.cupboard.put("outbox/a.txt", "outbox/b.txt")
    talk = await asked(stage, "outbox/a.txt", "outbox/b.txt")
    await until_so(stage, "sent", "sent")
    assert talk.bubble.finished
    assert late(wecom) == ["a.txt", "b.txt"]
    assert stage.codes == []


async def test_a_file_that_has_gone_is_told_in_its_stead(stage, wecom):
    stage.cupboard.put("b.txt")
    await asked(stage, "a.txt", "b.txt")
    await until_so(stage, "sent", "sent")
    gone, sent = late(wecom)
    assert "`a.txt` 没有发送" in gone
    assert sent == "b.txt"


async def test_a_file_that_wecom_refuses_is_given_up_and_told(stage, wecom):
    stage.cupboard.put("a.txt", content=b"\0" * (20 * 1024 * 1024 + 1))
    await asked(stage, "a.txt")
    for attempts in (1, 2):
        (file,) = [one for one in await stage.store.deliveries.unsent() if one.file]
        await stage.put_off(file.id, attempts)
        stage.clock.after(2 * MINUTE)
        stage.edge.parts.pushes.wake()
    await until(lambda: late(wecom))
    assert "没有接受 `a.txt`。/files 1" in late(wecom)[0]
    await until_so(stage, "failed")


async def made_ready(stage):
    """An answer whose file is just being read; open the cupboard's doors to let it be."""
    stage.cupboard.put("a.txt")
    stage.cupboard.doors.clear()
    await asked(stage, "a.txt")
    await until(lambda: stage.cupboard.taken)


async def test_no_words_wait_for_a_file(stage, wecom):
    await made_ready(stage)
    other = await asked(stage, msgid="M2")
    assert await stage.finished(other)
    assert await states(stage) == ["due"]
    stage.cupboard.doors.set()
    await until_so(stage, "sent")
    assert late(wecom) == ["a.txt"]


async def test_an_end_of_the_service_while_a_file_is_made_ready_costs_nothing(stage, wecom):
    await made_ready(stage)
    await stage.crash()
    assert await states(stage) == ["due"]
    stage.cupboard.doors.set()
    await until_so(stage, "sent")
    assert late(wecom) == ["a.txt"]


async def test_a_file_is_uploaded_once_however_often_it_is_tried(stage, wecom):
    stage.cupboard.put("a.txt")
    wecom.gateway.faults.next("aibot_send_msg", 846607)
    await asked(stage, "a.txt")
    (file,) = [one for one in await stage.store.deliveries.unsent() if one.file]
    await stage.put_off(file.id)
    stage.clock.after(2 * MINUTE)
    stage.edge.parts.pushes.wake()
    await until_so(stage, "sent")
    assert (stage.cupboard.taken, late(wecom)) == (["a.txt"], ["a.txt"])


async def test_files_wait_for_the_connection_also_over_an_end_of_the_service(stage, wecom):
    stage.cupboard.put("a.txt")
    await stage.say("hello", "M1")
    wecom.gateway.faults.away = True
    wecom.gateway.cut()
    await until(lambda: not stage.connection.up)
    await stage.end("M1", files=["a.txt"])
    await stage.stop()
    await stage.start(connected=False)
    assert await states(stage) == ["due"]
    wecom.gateway.faults.away = False
    await until_so(stage, "sent")
    assert late(wecom)[-1] == "a.txt"


async def test_a_file_whose_message_got_no_answer_is_told_and_not_sent_again(stage, wecom):
    stage.cupboard.put("a.txt")
    wecom.gateway.faults.next("aibot_send_msg", "drop")
    await asked(stage, "a.txt")
    await until(lambda: len(late(wecom)) == 2)
    sent, words = late(wecom)
    assert sent == "a.txt"
    assert "不确定 `a.txt` 是否已送达" in words
    await until_so(stage, "unknown")


async def test_a_file_that_was_on_its_way_at_a_crash_is_told_and_not_sent_again(stage, wecom):
    stage.cupboard.put("a.txt")
    await asked(stage)
    await stage.delivered("M1")
    await stage.say("hello", "M2")
    await stage.end("M2", files=["a.txt"])
    answer, file = await stage.store.deliveries.due("wecom:direct:zhangsan", "connection")
    assert await stage.store.deliveries.push(answer.id, "connection")
    assert await stage.store.deliveries.settle(answer.id, "sent", via="connection")
    assert await stage.store.deliveries.push(file.id, "connection")
    await stage.crash()
    await until(lambda: late(wecom))
    assert "不确定 `a.txt` 是否已送达" in late(wecom)[-1]
    await until_so(stage, "unknown")
    assert stage.cupboard.taken == []
