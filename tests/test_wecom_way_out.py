"""A final answer leaves once: by the open bubble, else by one late answer, else it waits."""

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web

from bot.errors import StoreError
from bot.messages import Answer
from handlers.wecom.late import ANSWER_BYTES, LateAnswers
from handlers.wecom.wire import STREAM_BYTES
from store.records import NewDelivery
from tests.fakes.edge import FAST, MINUTE, Edge

ANSWER = Answer("the answer", "✅ done", "/result")
SHOWN = "the answer\n\n✅ done"


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        yield edge


async def asked(edge, msgid="M1", text="hello", **facts):
    """A message whose turn has just ended; its bubble's id and its reply stream."""
    shown = await edge.say(text, msgid, **facts)
    reply = await edge.reply(msgid, bubble=not shown["finish"])
    return shown["id"], reply


async def finished(edge, reply, msgid="M1", body="the answer"):
    await edge.end(msgid, body)
    await reply.finish(Answer(body, "✅ done", "/result"))
    return await edge.delivery(msgid)


# By the bubble


async def test_the_final_leaves_with_the_next_poll(edge):
    stream, reply = await asked(edge)
    await edge.end("M1")
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(ANSWER))
        shown = await edge.poll_to_the_end(stream)
    assert shown["content"] == SHOWN
    delivery = await edge.delivery("M1")
    assert (delivery.state, delivery.via) == ("sent", "bubble")
    assert edge.late.posts == []


async def test_the_final_is_marked_as_sent_before_its_bytes_go(edge):
    stream, reply = await asked(edge)
    await edge.end("M1")
    states = []
    works = edge.store.inbox.show

    async def show(rows):
        if any(finished for _, _, finished in rows):
            states.append((await edge.delivery("M1")).state)
        await works(rows)

    edge.store.inbox.show = show
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(ANSWER))
        await edge.poll_to_the_end(stream)
    assert set(states) == {"sent"}


async def test_two_polls_at_once_show_the_same_final(edge):
    stream, reply = await asked(edge)
    await edge.end("M1")
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(ANSWER))
        polls = [group.create_task(edge.poll_to_the_end(stream)) for _ in range(3)]
    assert {poll.result()["content"] for poll in polls} == {SHOWN}


async def test_an_over_long_final_is_cut_and_says_how_to_read_on(edge):
    stream, reply = await asked(edge)
    await edge.end("M1", "字" * 20_000)
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(ANSWER))
        shown = await edge.poll_to_the_end(stream)
    assert len(shown["content"].encode()) <= STREAM_BYTES
    assert shown["content"].endswith("/result\n\n✅ done")


async def test_a_final_that_the_store_cannot_mark_waits_for_a_better_poll(edge):
    stream, reply = await asked(edge, url=False)
    await finished(edge, reply)
    works = edge.store.deliveries.claim

    async def busy(*args, **facts):
        raise StoreError("busy")

    edge.store.deliveries.claim = busy
    assert (await edge.poll(stream))["finish"] is False
    edge.store.deliveries.claim = works
    assert (await edge.poll(stream))["content"] == SHOWN


async def test_a_store_that_hangs_holds_no_poll_for_long(tmp_path):
    async with Edge(tmp_path, timing=replace(FAST, store_s=0.05)) as edge:
        stream, reply = await asked(edge, url=False)
        await finished(edge, reply)

        async def hangs(*args, **facts):
            await asyncio.Event().wait()

        edge.store.deliveries.claim = hangs
        body = {"msgid": "P", "msgtype": "stream", "stream": {"id": stream}}
        assert await edge.post(body) == (503, None)


async def test_a_turn_without_a_kept_delivery_still_closes_its_bubble(edge):
    stream, reply = await asked(edge)
    await reply.finish(ANSWER)
    assert (await edge.poll(stream))["content"] == SHOWN
    closed = await edge.reply("M1", bubble=False)
    await closed.finish(ANSWER)
    assert edge.late.posts == []


# By the late answer


async def test_when_nobody_polls_the_final_leaves_by_its_own_address_once(edge):
    stream, reply = await asked(edge)
    delivery = await finished(edge, reply)
    assert (delivery.state, delivery.via) == ("sent", "url")
    assert edge.late.codes == ["M1"]
    assert edge.late.texts == [SHOWN]
    assert edge.edge.open_bubbles == 0
    late = await edge.poll(stream)
    assert late["finish"] is True
    assert "the answer" not in late["content"]
    assert "/result 1" in late["content"]


async def test_a_late_answer_is_plain_markdown_within_the_limit(edge):
    _, reply = await asked(edge)
    await finished(edge, reply, body="字" * 20_000)
    _, body = edge.late.posts[0]
    assert body["msgtype"] == "markdown"
    assert set(body) == {"msgtype", "markdown"}
    assert len(edge.late.texts[0].encode()) <= STREAM_BYTES
    assert edge.late.texts[0].endswith("/result\n\n✅ done")


async def test_a_queued_messages_answer_leaves_by_its_own_address_at_once(edge):
    stream, reply = await asked(edge, text="later please")
    reply.update("no bubble shows this")
    delivery = await finished(edge, reply)
    assert (delivery.state, edge.late.codes) == ("sent", ["M1"])
    assert "#1" in (await edge.poll(stream))["content"]


async def test_after_the_hand_over_nothing_is_pushed_but_the_final(edge):
    _, reply = await asked(edge)
    edge.clock.now += 5 * MINUTE
    for text in ("one", "two", "three"):
        reply.update(text)
    await finished(edge, reply)
    assert edge.late.texts == [SHOWN]


@pytest.fixture
async def patient_edge(tmp_path):
    """Waits for a poll longer than a test may take."""
    async with asyncio.timeout(30), Edge(tmp_path, timing=replace(FAST, patience_s=100)) as edge:
        yield edge


async def test_when_the_polls_stopped_long_ago_nobody_waits_for_one(patient_edge):
    _, reply = await asked(patient_edge)
    patient_edge.clock.now += 101_000
    await finished(patient_edge, reply)
    assert patient_edge.late.texts == [SHOWN]


async def test_beyond_wecoms_six_minutes_no_poll_is_waited_for(patient_edge):
    await asked(patient_edge)
    delivery = await patient_edge.end("M1")
    await patient_edge.crash()
    patient_edge.clock.now += 7 * MINUTE
    await patient_edge.edge.replies.deliver(delivery.id)
    assert patient_edge.late.texts == [SHOWN]


async def test_without_an_address_the_final_stays_in_the_bubble_for_a_late_poll(edge):
    stream, reply = await asked(edge, url=False)
    assert (await finished(edge, reply)).state == "due"
    assert (await edge.poll(stream))["content"] == SHOWN
    assert (await edge.delivery("M1")).via == "bubble"


async def test_a_final_that_waits_comes_before_the_hand_over(edge):
    stream, reply = await asked(edge, url=False)
    await finished(edge, reply)
    edge.clock.now += 5 * MINUTE + 30_000
    assert (await edge.poll(stream))["content"] == SHOWN


async def test_a_notice_that_nobody_polled_for_ends_its_bubble_too(edge):
    stream, _ = await asked(edge, url=False)
    notice = await edge.store.deliveries.add(
        NewDelivery("wecom:direct:zhangsan", None, "M1", "news", "", "", edge.clock.now)
    )
    await edge.edge.replies.deliver(notice.id)
    edge.clock.now += 6 * MINUTE
    shown = await edge.poll(stream)
    assert (shown["finish"], "#" in shown["content"]) == (True, False)


async def test_without_an_address_and_without_a_poll_the_final_waits_for_result(edge):
    stream, reply = await asked(edge, url=False)
    await finished(edge, reply)
    edge.clock.now += 6 * MINUTE
    shown = await edge.poll(stream)
    assert shown["finish"] is True
    assert "/result 1" in shown["content"]
    assert (await edge.delivery("M1")).state == "due"


async def test_what_the_next_contact_showed_is_not_shown_again_by_a_late_poll(edge):
    stream, reply = await asked(edge, url=False)
    delivery = await finished(edge, reply)
    await edge.store.deliveries.claim(delivery.id, via="contact", to="sent")
    shown = await edge.poll(stream)
    assert shown["finish"] is True
    assert "the answer" not in shown["content"]


async def test_what_was_brought_already_is_not_brought_again(edge):
    _, reply = await asked(edge)
    delivery = await edge.end("M1")
    await edge.store.deliveries.claim(delivery.id, via="result", to="sent")
    await reply.finish(ANSWER)
    await edge.edge.replies.deliver(delivery.id)
    assert edge.late.posts == []


async def test_an_address_is_good_for_fifty_five_minutes(edge):
    _, reply = await asked(edge, text="later")
    edge.clock.now += 55 * MINUTE
    assert (await finished(edge, reply)).state == "due"
    assert edge.late.posts == []


async def test_a_later_command_of_the_chat_lends_its_address(edge):
    await edge.say("/status", "before")
    _, reply = await asked(edge, text="later", url=False)
    edge.clock.now += 56 * MINUTE
    await edge.say("/status", "others", sender="lisi")
    await edge.say("/status", "C1")
    edge.clock.now += 1
    await edge.say("/status", "C2")
    assert (await finished(edge, reply)).state == "sent"
    assert edge.late.codes == ["C2"]


async def test_an_earlier_command_lends_nothing(edge):
    await edge.say("/status", "C1")
    edge.clock.now += 1
    _, reply = await asked(edge, text="later", url=False)
    assert (await finished(edge, reply)).state == "due"


async def test_another_queued_message_keeps_its_own_address(edge):
    _, reply = await asked(edge, text="later", url=False)
    await edge.say("later, too", "M2")
    assert (await finished(edge, reply)).state == "due"


async def test_a_refusal_leaves_the_answer_for_the_next_contact(edge):
    edge.late.script = [40058]
    _, reply = await asked(edge, text="later")
    delivery = await finished(edge, reply)
    assert (delivery.state, delivery.cause) == ("due", "errcode 40058")
    assert edge.late.codes == ["M1"]


async def test_after_a_refusal_another_address_is_tried(edge):
    edge.late.script = [40058]
    _, reply = await asked(edge, text="later")
    await edge.say("/status", "C1")
    assert (await finished(edge, reply)).state == "sent"
    assert edge.late.codes == ["M1", "C1"]


async def server_error(request):
    return web.Response(status=502)


async def cut_off(request):
    request.transport.abort()
    return web.Response()


async def web_page(request):
    return web.Response(text="<html>gateway</html>")


async def no_code(request):
    return web.json_response({"hello": "world"})


async def a_list(request):
    return web.json_response([0])


async def endless(request):
    return web.Response(body=b'{"errcode": 0, "pad": "' + b"x" * 2 * ANSWER_BYTES + b'"}')


DOUBTS = [server_error, cut_off, web_page, no_code, a_list, endless, -1]


@pytest.mark.parametrize("doubt", DOUBTS)
async def test_a_doubt_is_cleared_by_one_repeat_to_the_same_address(edge, doubt):
    edge.late.script = [doubt, 0]
    _, reply = await asked(edge, text="later")
    assert (await finished(edge, reply)).state == "sent"
    assert edge.late.codes == ["M1", "M1"]


@pytest.mark.parametrize("second", [40058, server_error])
async def test_a_doubt_that_a_repeat_does_not_clear_stays_one(edge, second):
    edge.late.script = [server_error, second]
    _, reply = await asked(edge, text="later")
    await edge.say("/status", "C1")
    delivery = await finished(edge, reply)
    assert (delivery.state, delivery.via) == ("unknown", "url")
    assert edge.late.codes == ["M1", "M1"]
    await edge.edge.replies.deliver(delivery.id)
    assert edge.late.codes == ["M1", "M1"]


async def test_what_never_left_us_is_no_doubt(edge):
    _, reply = await asked(edge, text="later")
    await edge.api.close()
    delivery = await finished(edge, reply)
    assert (delivery.state, delivery.cause) == ("due", "ConnectError")


async def test_a_silent_peer_is_a_doubt(edge, monkeypatch):
    monkeypatch.setattr("handlers.wecom.late.TIMEOUT_S", 0.05)
    stop = asyncio.Event()

    async def silent(request):
        await stop.wait()
        return web.Response()

    edge.late.script = [silent, silent]
    _, reply = await asked(edge, text="later")
    assert (await finished(edge, reply)).state == "unknown"
    stop.set()


async def test_a_redirect_is_a_refusal_and_is_not_followed(edge):
    async def redirect(request):
        raise web.HTTPTemporaryRedirect(str(edge.api.make_url("/response?response_code=evil")))

    edge.late.script = [redirect]
    _, reply = await asked(edge, text="later")
    assert (await finished(edge, reply)).cause == "status 307"
    assert edge.late.codes == ["M1"]


async def test_an_address_that_is_not_wecoms_is_never_called(edge):
    body = edge.message("later", "M1") | {"response_url": "https://evil.example/x"}
    await edge.post(body)
    reply = await edge.reply("M1", bubble=False)
    assert (await finished(edge, reply)).state == "due"


async def test_an_address_that_another_took_meanwhile_is_not_used_twice(edge):
    _, reply = await asked(edge, text="later")

    async def taken(message):
        return None

    edge.store.inbox.take_url = taken
    delivery = await finished(edge, reply)
    assert (delivery.state, delivery.cause, edge.late.posts) == ("due", "no address left", [])


async def test_a_store_in_trouble_leaves_the_answer_due(edge):
    _, reply = await asked(edge, text="later")
    works = edge.store.deliveries.claim

    async def busy(*args, **facts):
        raise StoreError("busy")

    edge.store.deliveries.claim = busy
    assert (await finished(edge, reply)).state == "due"
    await reply.notify("🔐 a7k")
    edge.store.deliveries.claim = works
    assert edge.late.posts == []


# What must not wait for the end


async def test_while_the_bubble_is_open_an_ask_is_shown_there(edge):
    _, reply = await asked(edge)
    await reply.notify("🔐 a7k")
    assert edge.late.posts == []
    assert await edge.store.deliveries.all_waiting() == []


async def test_after_the_hand_over_an_ask_takes_the_address_and_the_final_that_of_the_reply(edge):
    _, reply = await asked(edge)
    edge.clock.now += 5 * MINUTE
    reply.update("half of it")
    await reply.notify("🔐 a7k")
    await edge.say("/allow a7k", "C1")
    await finished(edge, reply)
    assert edge.late.codes == ["M1", "C1"]
    assert edge.late.texts == ["🔐 a7k", SHOWN]


async def test_an_ask_without_a_way_waits_for_the_next_contact(edge):
    _, reply = await asked(edge, text="later", url=False)
    await reply.notify("🔐 a7k")
    waiting = await edge.store.deliveries.all_waiting()
    assert [(one.body, one.turn) for one in waiting] == [("🔐 a7k", None)]


async def test_before_the_address_expires_the_person_is_told_where_the_answer_will_wait(edge):
    _, reply = await asked(edge)
    edge.clock.now += 54 * MINUTE - 1
    reply.update("still at it")
    assert edge.late.posts == []
    edge.clock.now += 1
    reply.update("still at it")
    reply.update("and on")
    await edge.late.came.wait()
    assert len(edge.late.posts) == 1
    assert "/result 1" in edge.late.texts[0]
    edge.clock.now += MINUTE
    assert (await finished(edge, reply)).state == "due"


async def test_there_are_no_last_words_without_a_fresh_address(edge):
    _, reply = await asked(edge, text="later", url=False)
    await reply._replies.way_out.last_words(1, "M1", "zh")
    await reply._replies.way_out.last_words(1, "never said", "zh")
    _, reply = await asked(edge, "M2", text="later")

    async def taken(message):
        return None

    edge.store.inbox.take_url = taken
    await reply._replies.way_out.last_words(2, "M2", "zh")
    assert edge.late.posts == []


# After a restart


async def test_a_final_that_was_claimed_and_not_shown_is_shown_at_the_next_poll(edge):
    stream, _ = await asked(edge)
    delivery = await edge.end("M1")
    await edge.store.deliveries.claim(delivery.id, via="bubble", to="sent")
    await edge.crash()
    shown = await edge.poll(stream)
    assert (shown["content"], shown["finish"]) == (SHOWN, True)


async def test_a_final_that_was_kept_and_not_brought_leaves_with_the_next_poll(edge):
    stream, _ = await asked(edge)
    await edge.end("M1")
    await edge.crash()
    assert (await edge.poll(stream))["content"] == SHOWN
    assert (await edge.delivery("M1")).via == "bubble"


async def test_a_kept_delivery_is_brought_by_the_bubble_that_is_still_open(edge):
    stream, _ = await asked(edge)
    delivery = await edge.end("M1")
    await edge.crash()
    async with asyncio.TaskGroup() as group:
        group.create_task(edge.edge.replies.deliver(delivery.id))
        shown = await edge.poll_to_the_end(stream)
    assert shown["content"] == SHOWN
    assert edge.late.posts == []


async def test_a_kept_delivery_is_brought_by_the_address_when_nobody_polls(edge):
    await asked(edge)
    delivery = await edge.end("M1")
    await edge.crash()
    await edge.edge.replies.deliver(delivery.id)
    assert edge.late.texts == [SHOWN]
    await edge.edge.replies.deliver(delivery.id)
    await edge.edge.replies.deliver(10_000)
    assert len(edge.late.posts) == 1


async def test_a_delivery_on_its_way_by_address_is_not_shown_in_the_bubble_as_well(edge):
    stream, _ = await asked(edge)
    delivery = await edge.end("M1")
    await edge.store.deliveries.claim(delivery.id, via="url", to="sending")
    await edge.crash()
    shown = await edge.poll(stream)
    assert shown["finish"] is True
    assert "the answer" not in shown["content"]


async def test_a_turn_that_ended_without_an_answer_ends_its_bubble(edge):
    stream, _ = await asked(edge)
    turn = await edge.turn("M1")
    await edge.store.turns.drop(turn.n, by="zhangsan", at=edge.clock.now)
    await edge.crash()
    shown = await edge.poll(stream)
    assert shown["finish"] is True
    assert "#1" in shown["content"]


async def test_two_polls_of_a_forgotten_bubble_make_one(edge):
    stream, _ = await asked(edge)
    await edge.restart()
    async with asyncio.TaskGroup() as group:
        polls = [group.create_task(edge.poll(stream)) for _ in range(4)]
    assert len({str(poll.result()) for poll in polls}) == 1
    assert edge.edge.open_bubbles == 1


async def test_a_notice_of_a_purged_message_still_finds_a_way(edge):
    await edge.say("/status", "C1")
    notice = await edge.store.deliveries.add(
        NewDelivery("wecom:direct:zhangsan", None, "purged", "late news", "", "", edge.clock.now)
    )
    await edge.edge.replies.deliver(notice.id)
    assert (edge.late.codes, edge.late.texts) == (["C1"], ["late news"])


async def test_a_commands_late_outcome_is_brought_by_its_own_address(edge):
    await edge.say("/slow", "C1")
    notice = await edge.store.deliveries.add(
        NewDelivery("wecom:direct:zhangsan", None, "C1", "done after all", "", "", edge.clock.now)
    )
    await edge.edge.replies.deliver(notice.id)
    assert (edge.late.codes, edge.late.texts) == (["C1"], ["done after all"])


async def test_a_notice_in_an_open_bubble_is_closed_without_a_turns_number(edge):
    for taken, way in ((False, "url"), (True, "contact")):
        msgid = f"M-{way}"
        stream, _ = await asked(edge, msgid)
        notice = await edge.store.deliveries.add(
            NewDelivery("wecom:direct:zhangsan", None, msgid, "news", "", "", edge.clock.now)
        )
        async with asyncio.TaskGroup() as group:
            job = group.create_task(edge.edge.replies.deliver(notice.id))
            if taken:
                await edge.store.deliveries.claim(notice.id, via="contact", to="sent")
                shown = await edge.poll_to_the_end(stream)
            else:
                await job
                shown = await edge.poll(stream)
        assert shown["finish"] is True
        assert "#" not in shown["content"]


async def test_a_delivery_that_was_purged_under_a_poll_ends_the_bubble(edge):
    stream, reply = await asked(edge, url=False)
    await finished(edge, reply)

    async def gone(delivery):
        return None

    edge.store.deliveries.get = gone
    shown = await edge.poll(stream)
    assert (shown["finish"], "/result 1" in shown["content"]) == (True, True)


# Where an answer may go


ALLOWED = [
    "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=C",
    "https://QYAPI.weixin.qq.com:443/x",
    "http://127.0.0.1:8000/response",
]
FORBIDDEN = [
    "",
    "not a url",
    "http://qyapi.weixin.qq.com/x",
    "https://qyapi.weixin.qq.com:8443/x",
    "https://qyapi.weixin.qq.com@evil.example/x",
    "https://user@qyapi.weixin.qq.com/x",
    "https://qyapi.weixin.qq.com.evil.example/x",
    "https://evil.example/qyapi.weixin.qq.com",
    "https://evil.example\\@qyapi.weixin.qq.com/x",
    "https://bucket.myqcloud.com/x",
    "https://*.myqcloud.com/x",
    "https://127.0.0.1/x",
    "http://127.0.0.1:8001/response",
    "https://127.0.0.1:8000/response",
    "http://2130706433:8000/x",
    "http://[::1]:8000/x",
    "http://169.254.169.254/latest",
    "file:///etc/passwd",
    "//qyapi.weixin.qq.com/x",
    "https://[bad/x",
    "https://qyapi.weixin.qq.com:99999/x",
    "https://qyapi.weixin.qq.com:port/x",
    "https://qyapi.weixin.qq.com\n/x",
]


@pytest.fixture
async def late():
    hosts = ("qyapi.weixin.qq.com", "*.myqcloud.com")
    late = LateAnswers(hosts, "http://127.0.0.1:8000", again_after_s=0)
    yield late
    await late.close()


@pytest.mark.parametrize("address", ALLOWED)
async def test_answers_may_go_to_wecom(late, address):
    assert late.allows(address)


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_answers_may_go_nowhere_else(late, address):
    assert not late.allows(address)
