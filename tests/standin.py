"""A bot on a socket for the stand-in to talk to, and what both of them say."""

import aiohttp
from aiohttp import web

from tests.fakes.responder import Responder
from tests.wecom_fixtures import AES_KEY, TOKEN

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


async def responding(aiohttp_server):
    """Return a responder on a socket; its ``url`` is its callback URL."""
    responder = Responder(TOKEN, AES_KEY)
    app = web.Application()
    app.add_routes(responder.routes)
    server = await aiohttp_server(app)
    responder.url = str(server.make_url("/bot"))
    return responder


def script(bot, *answers):
    """Answer each call with the next answer, and the last one for ever."""
    left = list(answers)
    bot.answer = lambda _: left.pop(0) if len(left) > 1 else left[0]


def codes(wecom):
    return [violation.code for violation in wecom.violations]


async def post(url, body, **more):
    async with aiohttp.ClientSession() as http, http.post(url, json=body, **more) as response:
        return (await response.json())["errcode"]


def markdown(content):
    return {"msgtype": "markdown", "markdown": {"content": content}}


CARD = {
    "msgtype": "template_card",
    "template_card": {
        "card_type": "text_notice",
        "main_title": {"title": "done"},
        "card_action": {"type": 1, "url": "https://example.com"},
    },
}
