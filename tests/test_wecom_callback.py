"""The callback as WeCom meets it: over a socket, in sealed bytes."""

import asyncio
import io
import zlib

import pytest

from bot.errors import StoreFull
from bot.messages import Answer
from handlers.wecom.incoming import BODY_BYTES
from tests.fakes.edge import Edge, until
from tests.fakes.envelope import Sealer

HEAD = b"POST /wecom/bot HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        yield edge


async def get(edge, query):
    async with edge.session.get(f"{edge.url}?{query}") as answer:
        return answer.status, await answer.read()


async def post_raw(edge, query, body, **kwargs):
    async with edge.session.post(f"{edge.url}?{query}", data=body, **kwargs) as answer:
        return answer.status, await answer.read()


# Verifying the URL


async def test_the_url_is_verified_with_the_exact_plaintext(edge):
    echo = edge.wecom.encrypt(b"7203045811234567890")
    status, body = await get(edge, edge.wecom.query(echo, echostr=echo))
    assert (status, body) == (200, b"7203045811234567890")


async def test_a_plus_sign_that_nobody_encoded_is_still_a_plus_sign(edge):
    echo = next(e for e in iter(lambda: edge.wecom.encrypt(b"720304"), None) if "+" in e)
    query = edge.wecom.query(echo)
    assert await get(edge, f"{query}&echostr={echo}") == (200, b"720304")


async def test_the_vendors_own_sample_is_verified(tmp_path):
    async with Edge(tmp_path) as edge:
        # The sample belongs to a corp's app, so its receiver is not ours.
        query = (
            "msg_signature=5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3&timestamp=1409659589"
            "&nonce=263014780&echostr=P9nAzCzyDtyTWESHep1vC5X9xho%2FqYX3Zpb4yKa9SKld1DsH3Iyt"
            "3tP3zNdtp%2B4RPcs8TgAE7OaBO%2BFZXvnaqQ%3D%3D"
        )
        assert await get(edge, query) == (403, b"")


async def test_a_kept_message_cannot_be_read_through_the_verification(edge):
    sealed = edge.wecom.encrypt(b'{"msgid": "M1", "secret": true}')
    assert await get(edge, edge.wecom.query(sealed, echostr=sealed)) == (403, b"")


@pytest.mark.parametrize("echo", [b"", b"x" * 300])
async def test_what_is_no_echo_is_not_echoed(edge, echo):
    sealed = edge.wecom.encrypt(echo)
    assert await get(edge, edge.wecom.query(sealed, echostr=sealed)) == (403, b"")


# What we do not believe


@pytest.mark.parametrize(
    "spoil",
    [
        lambda query: query.replace("msg_signature=", "msg_signature=0"),
        lambda query: query.replace("msg_signature", "signature"),
        lambda query: query.replace("timestamp", "time"),
        lambda query: query.replace("nonce", "n"),
        lambda query: f"{query}&nonce=1372623149",
        lambda query: f"{query}&msg_signature=x",
        lambda query: "",
        lambda query: query.replace("timestamp=", "timestamp=x"),
        lambda query: query.replace("nonce=", "nonce=%ff%fe"),
    ],
)
async def test_x1_a_spoilt_query_is_refused(edge, spoil):
    event = b'{"msgid":"E","msgtype":"event","event":{"eventtype":"x"}}'
    sealed, echo = edge.wecom.encrypt(event), edge.wecom.encrypt(b"720304")
    body = b'{"encrypt": "%b"}' % sealed.encode()
    query = edge.wecom.query(sealed, timestamp=edge.now_s)
    asking = edge.wecom.query(echo, timestamp=edge.now_s, echostr=echo)
    assert await post_raw(edge, query, body) == (200, b"")
    assert await get(edge, asking) == (200, b"720304")
    assert await post_raw(edge, spoil(query), body) == (403, b"")
    assert await get(edge, spoil(asking)) == (403, b"")


async def test_x1_every_bad_envelope_gets_the_same_bare_answer(edge):
    wecom = edge.wecom
    blocks = {
        "bad padding": wecom.encrypt_blocks(b"x" * 31 + b"\x21"),
        "bad length": wecom.encrypt_raw(b"r" * 16 + b"\xff" * 4),
        "receiver": Sealer(receive_id="other").encrypt(b"{}"),
        "base64": "????",
        "no json": wecom.encrypt(b"\xff"),
        "no object": wecom.encrypt(b"[]"),
        "deep json": wecom.encrypt(b'{"a":' * 50_000),
        "nan": wecom.encrypt(b'{"a": NaN}'),
        "nothing in it": wecom.encrypt(b"{}"),
        "no chat": wecom.encrypt(b'{"msgid":"M","msgtype":"text","chattype":"group"}'),
    }
    answers = {
        name: await post_raw(
            edge,
            wecom.query(sealed, timestamp=edge.now_s),
            b'{"encrypt": "%b"}' % sealed.encode(),
        )
        for name, sealed in blocks.items()
    }
    assert answers == dict.fromkeys(blocks, (403, b""))
    assert edge.desk.accepted == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"[" * 100_000, b'{"encrypt": 7}', b'{"e": 1}', b"\xff", b"<xml/>"]
)
async def test_x1_a_body_that_is_no_shell_is_refused(edge, body):
    query = edge.wecom.query("x", timestamp=edge.now_s)
    assert await post_raw(edge, query, body) == (403, b"")


async def test_the_shells_member_may_be_capitalised(edge):
    sealed = edge.wecom.encrypt(b'{"msgid":"E","msgtype":"event","event":{"eventtype":"x"}}')
    query = edge.wecom.query(sealed, timestamp=edge.now_s)
    assert await post_raw(edge, query, b'{"Encrypt": "%b"}' % sealed.encode()) == (200, b"")


async def test_another_bots_callback_is_refused(tmp_path):
    async with Edge(tmp_path, WECOM_BOT_ID="aibOTHER") as edge:
        status, answer = await edge.post(edge.message("hello"))
        assert (status, answer, edge.desk.accepted) == (403, None, [])


async def test_x2_a_body_of_a_stated_size_above_the_limit_is_cut_off(edge):
    status, body = await post_raw(edge, "", io.BytesIO(b"x" * (BODY_BYTES + 1)))
    assert (status, body) == (413, b"")


async def test_x2_a_stated_size_above_the_limit_is_refused_before_the_body_comes(edge):
    reader, writer = await asyncio.open_connection(*edge.address)
    writer.write(HEAD + b"Content-Length: 100000000\r\n\r\n")
    assert b"413" in await reader.readline()
    writer.close()


async def test_x2_a_body_without_a_stated_size_is_cut_off_at_the_limit(edge):
    async def endless():
        for _ in range(BODY_BYTES // 65_536 + 2):
            yield b"x" * 65_536

    status, body = await post_raw(edge, "", endless())
    assert (status, body) == (413, b"")


async def test_x2_a_compressed_bomb_is_cut_off_at_the_limit(edge):
    bomb = zlib.compress(b"x" * (40 * BODY_BYTES))
    status, _ = await post_raw(edge, "", bomb, headers={"Content-Encoding": "deflate"})
    assert status in {400, 413}


async def test_x2_a_slow_body_is_given_up(edge, monkeypatch):
    monkeypatch.setattr("handlers.wecom.incoming.READ_S", 0.05)
    reader, writer = await asyncio.open_connection(*edge.address)
    writer.write(b"POST /wecom/bot HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
    assert b"408" in await reader.readline()
    writer.close()


async def test_x1_a_broken_body_is_refused_without_a_traceback(edge):
    reader, writer = await asyncio.open_connection(*edge.address)
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nnot a chunk\r\n")
    answer = await reader.read()
    assert b"400" in answer.split(b"\r\n")[0]
    assert b"Traceback" not in answer
    writer.close()


async def test_who_hangs_up_in_the_middle_of_a_body_harms_nobody(edge):
    _, writer = await asyncio.open_connection(*edge.address)
    writer.write(HEAD + b"Content-Length: 50\r\n\r\n{")
    await writer.drain()
    writer.close()
    await until(lambda: edge.edge.counts["refused cut off"])
    assert (await edge.say("hello"))["content"] == "开始 #1"


# Messages


async def test_a_message_begins_a_bubble(edge):
    shown = await edge.say("hello")
    assert shown["content"] == "开始 #1"
    assert shown["finish"] is False
    message, may_stay_open = edge.desk.accepted[0]
    assert (message.text, message.sender, may_stay_open) == ("hello", "zhangsan", True)
    assert message.received_at == edge.clock.now


async def test_a_command_is_answered_in_the_reply_itself(edge):
    shown = await edge.say("/help")
    assert (shown["content"], shown["finish"]) == ("done", True)


async def test_when_there_is_nothing_to_say_the_answer_is_empty(edge):
    assert await edge.post(edge.message("nothing to say")) == (200, None)


async def test_a_repeat_gets_the_same_bubble_and_starts_nothing(edge):
    first = await edge.say("hello", "M1")
    second = await edge.say("hello", "M1")
    assert second == first
    assert len(edge.desk.accepted) == 1


async def test_a_repeat_shows_what_the_bubble_shows_by_now(edge):
    await edge.say("hello", "M1")
    (await edge.reply("M1")).update("half of it")
    assert (await edge.say("hello", "M1"))["content"] == "half of it"


async def test_a_repeat_of_a_finished_message_is_finished(edge):
    await edge.say("/help", "M1")
    again = await edge.say("/help", "M1")
    assert (again["content"], again["finish"]) == ("done", True)
    assert len(edge.desk.accepted) == 1


async def test_copies_that_come_at_once_all_get_the_same_answer(edge):
    edge.desk.doors.clear()
    async with asyncio.TaskGroup() as group:
        copies = [group.create_task(edge.say("hello", "M1")) for _ in range(4)]
        await until(lambda: edge.edge.counts["repeat"] >= 3)
        edge.desk.doors.set()
    assert len({str(copy.result()) for copy in copies}) == 1
    assert len(edge.desk.accepted) == 1


async def test_when_the_first_copy_fails_the_others_are_to_be_sent_again(edge):
    edge.desk.doors.clear()
    edge.desk.failure = StoreFull("no space")
    async with asyncio.TaskGroup() as group:
        copies = [group.create_task(edge.post(edge.message("x", "M1"))) for _ in range(3)]
        await until(lambda: edge.edge.counts["repeat"] >= 2)
        edge.desk.doors.set()
    assert [copy.result() for copy in copies] == [(503, None)] * 3
    edge.desk.failure = None
    assert (await edge.say("x", "M1"))["content"] == "开始 #1"


async def test_a_repeat_after_a_restart_gets_the_same_bubble(edge):
    first = await edge.say("hello", "M1")
    (await edge.reply("M1")).update("half of it")
    await edge.restart()
    again = await edge.say("hello", "M1")
    assert again["id"] == first["id"]
    assert again["content"] == "half of it"
    assert len(edge.desk.accepted) == 1


async def test_what_the_store_cannot_keep_is_not_acknowledged(edge):
    edge.desk.failure = StoreFull("no space")
    assert await edge.post(edge.message("hello")) == (503, None)


async def test_what_is_not_kept_in_time_is_not_acknowledged(edge, monkeypatch):
    monkeypatch.setattr("handlers.wecom.callback.ACCEPT_S", 0.05)
    edge.desk.doors.clear()
    assert await edge.post(edge.message("hello")) == (503, None)


async def test_a_person_has_two_open_bubbles_at_the_most(edge):
    for text in ("one", "two", "three"):
        await edge.say(text)
    await edge.say("mine", sender="lisi")
    assert [may for _, may in edge.desk.accepted] == [True, True, False, True]


async def test_bubbles_that_are_about_to_open_count_as_open(edge):
    edge.desk.doors.clear()
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(edge.say(f"text {number}"))
        await until(lambda: len(edge.desk.accepted) >= 3)
        edge.desk.doors.set()
    assert sorted(may for _, may in edge.desk.accepted) == [False, True, True]


async def test_a_finished_bubble_makes_room_for_the_next(edge):
    await edge.say("one")
    await edge.say("two", "M2")
    await edge.end("M2")
    shown = await edge.say("/status")
    assert shown["finish"]
    reply = await edge.reply("M2")
    stream = edge.edge._bubbles.stream_of("M2")
    async with asyncio.TaskGroup() as group:
        group.create_task(edge.poll_to_the_end(stream))
        group.create_task(reply.finish(Answer("")))
    await edge.say("three")
    assert edge.desk.accepted[-1][1] is True


# Replays


async def test_x6_an_old_request_for_an_unknown_message_is_refused(edge):
    for timestamp in (edge.now_s - 601, edge.now_s + 601):
        status, answer = await edge.post(edge.message("hello"), timestamp=timestamp)
        assert (status, answer) == (403, None)
    assert edge.desk.accepted == []
    assert edge.edge.counts["refused stale"] == 2


async def test_x6_an_old_request_for_a_known_message_has_the_same_answer_and_no_effect(edge):
    first = await edge.say("hello", "M1")
    status, answer = await edge.post(edge.message("hello", "M1"), timestamp=edge.now_s - 601)
    assert (status, answer["stream"]) == (200, first)
    assert len(edge.desk.accepted) == 1


async def test_x6_an_old_poll_is_refused(edge):
    stream = (await edge.say("hello"))["id"]
    body = {"msgid": "P", "msgtype": "stream", "stream": {"id": stream}}
    assert await edge.post(body, timestamp=edge.now_s - 601) == (403, None)


async def test_x6_an_old_event_is_refused_unless_it_is_known(edge):
    body = {"msgid": "E", "msgtype": "event", "event": {"eventtype": "x"}}
    assert await edge.post(body, timestamp=edge.now_s - 601) == (403, None)
    assert await edge.post(body) == (200, None)
    assert await edge.post(body, timestamp=edge.now_s - 601) == (200, None)


async def test_x6_an_old_press_of_a_card_is_refused_also_when_it_is_known(edge):
    press = {"task_id": "per_1@1", "event_key": "allow"}
    facts = {"eventtype": "template_card_event", "template_card_event": press}
    body = {"msgid": "E", "from": {"userid": "zhangsan"}, "msgtype": "event", "event": facts}
    await edge.post(body)
    assert await edge.post(body, timestamp=edge.now_s - 601) == (403, None)
    assert len(edge.desk.clicks) == 1


# Events and what else comes


async def test_the_edge_counts_what_comes(edge):
    await edge.post(b"rubbish")
    stream = (await edge.say("hello"))["id"]
    await edge.poll(stream)
    assert edge.edge.counts["message"] == 1
    assert edge.edge.counts["poll"] == 1
    assert edge.edge.counts["refused json"] == 1
    assert edge.edge.last_at == edge.clock.now
    assert edge.edge.open_bubbles == 1
