"""One late answer to a single-use address: refused, in doubt, or never sent; and to WeCom alone."""

import asyncio

import pytest
from aiohttp import web

from handlers.wecom.late import ANSWER_BYTES, LateAnswers
from tests.fakes.edge import Edge, asked, finished


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        yield edge


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


async def test_what_never_left_us_is_no_doubt_and_its_address_stays_good(edge):
    _, reply = await asked(edge, text="later")
    await edge.api.close()
    delivery = await finished(edge, reply)
    assert (delivery.state, delivery.cause) == ("due", "ConnectError")
    assert (await edge.store.inbox.find("M1")).reply_url_state == "fresh"


async def test_a_refusal_of_the_content_fails_at_once_and_spends_no_other_address(edge):
    edge.late.script = [45002]
    _, reply = await asked(edge, text="later")
    await edge.say("/status", "C1")
    delivery = await finished(edge, reply)
    assert (delivery.state, delivery.cause) == ("failed", "errcode 45002")
    assert edge.late.codes == ["M1"]


async def test_three_refusals_by_as_many_addresses_are_a_dead_letter(edge):
    edge.late.script = [40058, 40058, 40059]
    _, reply = await asked(edge, text="later")
    for command in ("C1", "C2", "C3"):
        await edge.say("/status", command)
    delivery = await finished(edge, reply)
    assert (delivery.state, delivery.cause, delivery.refusals) == ("failed", "errcode 40059", 3)
    assert len(edge.late.posts) == 3
    edge.clock.now += 600_000
    await edge.retry()
    assert len(edge.late.posts) == 3


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


async def test_x5_a_redirect_is_a_refusal_and_is_not_followed(edge):
    async def redirect(request):
        raise web.HTTPTemporaryRedirect(str(edge.api.make_url("/response?response_code=evil")))

    edge.late.script = [redirect]
    _, reply = await asked(edge, text="later")
    assert (await finished(edge, reply)).cause == "status 307"
    assert edge.late.codes == ["M1"]


async def test_x5_an_address_that_is_not_wecoms_is_never_called(edge):
    body = edge.message("later", "M1") | {"response_url": "https://evil.example/x"}
    await edge.post(body)
    reply = await edge.reply("M1", bubble=False)
    assert (await finished(edge, reply)).state == "due"


async def test_an_address_that_another_took_meanwhile_is_not_used_twice(edge):
    _, reply = await asked(edge, text="later")
    works = edge.store.deliveries.post

    async def too_late(delivery, source):
        await edge.store.inbox.take_url(source)
        return await works(delivery, source)

    edge.store.deliveries.post = too_late
    delivery = await finished(edge, reply)
    assert (delivery.state, delivery.attempts, edge.late.posts) == ("due", 0, [])


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
    late = LateAnswers(hosts, "http://127.0.0.1:8000")
    yield late
    await late.close()


@pytest.mark.parametrize("address", ALLOWED)
async def test_x5_answers_may_go_to_wecom(late, address):
    assert late.allows(address)


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_x5_answers_may_go_nowhere_else(late, address):
    assert not late.allows(address)
