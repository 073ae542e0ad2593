"""How the callback shows a card: below the open bubble, once, or by an address, or not at all."""

import asyncio

import pytest
from aiohttp import web

from bot.opencode.model import Option, PermissionRequest, Question, QuestionRequest
from bot.render import Pending
from bot.render.cards import Place, ask_card
from tests.fakes.edge import MINUTE, SHOWN, Edge, asked, finished, until

WORDS = "🔐 a7k in words"


def card_of(request, task="per_1@1"):
    return ask_card(Pending("a7k", request, 0), Place(task, 1, "zh"))


CARD = card_of(PermissionRequest("per_1", "ses_1", "bash", ("ls",), (), {"command": "ls"}))
LONG = card_of(PermissionRequest("per_1", "ses_1", "bash", (), (), {"command": "x" * 113}))
VOTE = card_of(QuestionRequest("que_1", "ses_1", (Question("Which?", "", (Option("Red"),)),)))


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        yield edge


async def raw_poll(edge, stream):
    body = {"msgid": "P", "aibotid": "aibX", "chattype": "single", "from": {"userid": "zhangsan"}}
    _, answer = await edge.post(body | {"msgtype": "stream", "stream": {"id": stream}})
    return answer


async def test_the_card_comes_with_one_answer_to_a_poll_and_no_other(edge):
    stream, reply = await asked(edge)
    await reply.ask(WORDS, [CARD])
    first, second = await raw_poll(edge, stream), await raw_poll(edge, stream)
    assert first["msgtype"] == "stream_with_template_card"
    assert first["template_card"]["task_id"] == "per_1@1"
    assert (first["stream"]["id"], first["stream"]["finish"]) == (stream, False)
    assert second["msgtype"] == "stream"
    await reply.ask(WORDS, [VOTE])
    assert (await raw_poll(edge, stream))["msgtype"] == "stream"
    assert edge.late.posts == []


async def test_a_card_that_nobody_fetched_goes_with_its_bubble(edge):
    stream, reply = await asked(edge)
    await reply.ask(WORDS, [CARD])
    edge.clock.now += 5 * MINUTE
    reply.update("half of it")
    shown = await raw_poll(edge, stream)
    assert (shown["msgtype"], shown["stream"]["finish"]) == ("stream", True)


async def closed(edge, **facts):
    """A message whose bubble was handed over."""
    _, reply = await asked(edge, **facts)
    edge.clock.now += 5 * MINUTE
    reply.update("half of it")
    return reply


async def test_a_card_leaves_by_the_address_of_a_closed_bubble(edge):
    reply = await closed(edge)
    await reply.ask(WORDS, [VOTE])
    await edge.settled()
    ((code, body),) = edge.late.posts
    assert (code, body["msgtype"]) == ("M1", "template_card")
    (notice,) = [one for one in await sent(edge) if one.turn is None]
    assert (notice.body, notice.state) == (WORDS, "sent")


async def sent(edge):
    return [await edge.store.deliveries.get(number) for number in (1,)]


@pytest.mark.parametrize(
    ("cards", "facts"),
    [([LONG], {}), ([CARD, VOTE], {}), ([CARD], {"group": "wrX"})],
    ids=["does not show all", "two", "a group"],
)
async def test_words_leave_where_one_card_would_not_do(edge, cards, facts):
    reply = await closed(edge, **facts)
    await reply.ask(WORDS, cards)
    await edge.settled()
    assert edge.late.texts == [WORDS]


@pytest.mark.parametrize("code", [40008, 860004], ids=["barred", "refused"])
async def test_where_wecom_does_not_take_the_card_the_words_leave_by_the_same_address(edge, code):
    edge.late.script = [code]
    reply = await closed(edge)
    await reply.ask(WORDS, [CARD])
    await edge.settled()
    kinds = [(place, body["msgtype"]) for place, body in edge.late.posts]
    assert kinds == [("M1", "template_card"), ("M1", "markdown")]
    assert (await sent(edge))[0].state == "sent"


async def test_a_card_whose_fate_nobody_knows_is_followed_by_its_words_once(edge):
    async def lost(request):
        request.transport.abort()
        return web.Response()

    edge.late.script = [lost]
    reply = await closed(edge)
    await reply.ask(WORDS, [CARD])
    await edge.settled()
    kinds = [(place, body["msgtype"]) for place, body in edge.late.posts]
    assert kinds == [("M1", "template_card"), ("M1", "markdown")]


async def test_a_card_that_wecom_does_not_want_yet_leaves_later(edge):
    edge.late.script = [45009]
    reply = await closed(edge)
    await reply.ask(WORDS, [CARD])
    await edge.settled()
    edge.clock.now += 2 * MINUTE
    await edge.retry()
    await edge.settled()
    assert [body["msgtype"] for _, body in edge.late.posts] == ["template_card"] * 2


async def test_after_a_restart_a_card_that_waits_leaves_in_words(edge):
    reply = await closed(edge)
    port = edge.api.port
    await edge.api.close()
    await reply.ask(WORDS, [CARD])
    await edge.settled()
    await edge.open_api(port)
    await edge.restart()
    edge.clock.now += MINUTE
    await edge.edge.recover()
    await until(lambda: edge.late.posts)
    assert edge.late.texts == [WORDS]


async def test_only_so_many_cards_are_remembered(edge, monkeypatch):
    monkeypatch.setattr("handlers.wecom.posts.CARDS", 2)
    reply = await closed(edge, url=False)
    for _ in range(3):
        await reply.ask(WORDS, [CARD])
    await edge.settled()
    assert len(edge.way_out._posts._cards) == 2


async def test_the_final_takes_the_address_that_a_press_brought(edge):
    reply = await closed(edge)
    await reply.ask(WORDS, [CARD])
    await edge.settled()
    body = edge.message("", "E1") | {"msgtype": "event"}
    pressed = {"task_id": "per_1@1", "event_key": "allow", "card_type": "button_interaction"}
    body["event"] = {"eventtype": "template_card_event", "template_card_event": pressed}
    await edge.post(body)
    (event,) = edge.desk.clicks
    assert (event.click.key, event.sender, event.id) == ("allow", "zhangsan", "E1")
    await finished(edge, reply)
    assert edge.late.codes == ["M1", "E1"]
    assert edge.late.posts[1][1]["markdown"]["content"] == SHOWN
