"""What the sandbox's page may ask for: a press of a card that is there, by somebody who is there."""

import aiohttp
import pytest
from aiohttp import web

from bot.sandbox.view import Cast, Group, Member, news
from bot.sandbox.web import Page
from tests.fakes.responder import Responder, stream
from tests.wecom_fixtures import AES_KEY, TOKEN

CAST = Cast((Member("zhangsan", "张三"), Member("lisi", "李四")), (Group("wrX", "项目群"),), True)
SECRET = "the-token-of-the-printed-address"
CARD = {
    "card_type": "button_interaction",
    "main_title": {"title": "May it?"},
    "button_list": [{"text": "Yes", "key": "y"}],
    "task_id": "t1",
}


@pytest.fixture
async def wecom(make_standin):
    return await make_standin()


@pytest.fixture
async def press(aiohttp_server, wecom):
    """Press as the page does; returns the status and what it is told."""
    bot = Responder(TOKEN, AES_KEY)
    both = stream("1", finish=True) | {"msgtype": "stream_with_template_card"}
    update = {"response_type": "update_template_card", "template_card": CARD}
    answers = {"text": both | {"template_card": CARD}, "event": update}
    bot.answer = lambda payload: answers[payload["msgtype"]]
    app = web.Application()
    app.add_routes(bot.routes)
    Page(wecom, CAST, SECRET).attach(app)
    server = await aiohttp_server(app)
    wecom.callback_url = str(server.make_url("/bot"))
    url = str(server.make_url("/sandbox/"))
    origin = {"Origin": url.removesuffix("/sandbox/")}
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(headers=origin, cookie_jar=jar) as http:
        async with http.get(url, params={"token": SECRET}):
            pass

        async def send(body):
            async with http.post(url + "click", json=body) as response:
                return response.status, await response.text()

        yield send


@pytest.fixture
async def item(wecom, press):
    talk = await wecom.say("zhangsan", "hello", group="wrX")
    await talk.done()
    return talk.bubble


async def test_a_press_is_handed_on(press, item, wecom):
    body = {"member": "lisi", "item": item.id, "key": "y", "ticked": []}
    assert await press(body) == (200, '{"updated":true}')
    shown = [one for one in news(wecom, 0)["items"] if one["card"]]
    assert [(one["card"], one["cards"]) for one in shown] == [(CARD, {})]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"member": "mallory"}, "member or group"),
        ({"member": 7}, "member"),
        ({"item": 999}, "item"),
        ({"key": "n"}, "no button n"),
        ({"key": None}, "key"),
        ({"ticked": "1"}, "ticked"),
        ({"ticked": [1]}, "ticked"),
        ({"ticked": ["1"]}, "no such answer"),
    ],
)
async def test_a_press_that_cannot_be_is_refused(press, item, change, why):
    body = {"member": "lisi", "item": item.id, "key": "y", "ticked": []}
    assert await press(body | change) == (400, why)


async def test_what_has_no_card_cannot_be_pressed(press, item, wecom):
    said = wecom.transcript("wrX")[0]
    body = {"member": "lisi", "item": said.id, "key": "y"}
    assert await press(body) == (400, "no button y")
