"""Decisions as the real server takes them."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from bot.asks import pending_of
from bot.opencode.client import OpenCode
from bot.opencode.ids import MessageIds
from bot.sandbox import script
from bot.texts import asks as texts
from store import open_store
from tests.asking import WAIT_S, Desk, accepted


@asynccontextmanager
async def real_desk(opencode, tmp_path):
    async with (
        OpenCode(opencode.url, opencode.username, opencode.password) as client,
        await open_store(f"sqlite:///{tmp_path}/bot.db") as store,
    ):
        desk = Desk(opencode, client, store, opencode.directory())
        desk.session = (await client.create_session(desk.directory, title="T", metadata={})).id
        desk.turn = await accepted(store)
        yield desk


async def prompted(desk, text):
    await desk.client.prompt(
        desk.session,
        message=MessageIds().next(),
        parts=[{"type": "text", "text": text}],
        agent="build",
        model="demo/demo",
    )
    async with asyncio.timeout(WAIT_S):
        while True:
            if found := await desk.look({desk.session}):
                return found
            await asyncio.sleep(0.05)


async def idle(desk):
    async with asyncio.timeout(WAIT_S):
        while True:
            if desk.session not in await desk.client.status(desk.directory):
                return str(await desk.client.messages(desk.session))
            await asyncio.sleep(0.05)


OUTSIDE = script.tool("bash", {"command": "cat /etc/hostname", "description": "read"})


@pytest.mark.opencode
async def test_the_server_goes_on_after_a_refusal_with_words(opencode, tmp_path):
    opencode.model.script("outside", OUTSIDE, script.say("Then not."))
    async with real_desk(opencode, tmp_path) as desk:
        (one,) = await prompted(desk, "outside")
        assert pending_of(one).request.permission == "external_directory"
        await desk.asks.expire(one.expires_at)
        told = await idle(desk)
    assert "Then not." in told
    assert texts.EXPIRED_TO_MODEL in told


@pytest.mark.opencode
async def test_the_server_takes_our_answer_to_a_question(opencode, tmp_path):
    given = {"questions": [{"question": "Which?", "header": "C", "options": []}]}
    opencode.model.script("colour", script.tool("question", given), script.say("Painted."))
    async with real_desk(opencode, tmp_path) as desk:
        await prompted(desk, "colour")
        assert len(await desk.asks.unanswered(desk.turn)) == 1
        told = await idle(desk)
    assert "Painted." in told
    assert texts.UNANSWERED_TO_MODEL in told


@pytest.mark.opencode
async def test_an_abort_leaves_no_ghost_behind(opencode, tmp_path):
    opencode.model.script("outside", OUTSIDE)
    async with real_desk(opencode, tmp_path) as desk:
        await prompted(desk, "outside")
        await desk.client.abort(desk.session)
        await desk.asks.clear(desk.turn)
        assert await desk.client.permissions(desk.directory) == []
