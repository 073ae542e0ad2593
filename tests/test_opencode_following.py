"""What a follower hears: its session, its sub-agents, its folder, and that it missed something."""

import asyncio

import orjson
import pytest

from bot.opencode.client import OpenCode
from bot.opencode.events import (
    MessageUpdated,
    PartDelta,
    SessionCreated,
    SessionIdle,
)
from bot.opencode.feed import Gap
from tests.fakes.events import idle
from tests.fakes.opencode_turns import hang, say, subagent
from tests.opencode_talk import Talk, heard_until, running, taken, until


@pytest.fixture
async def talk(fake, tmp_path):
    async with OpenCode(fake.url, fake.username, fake.password) as client:
        yield Talk(client, tmp_path, "fake/one")


@pytest.fixture
async def feed(fake):
    async with running(fake.url, fake.username, fake.password) as subscription:
        await subscription.wait_connected()
        yield subscription


async def test_a_turn_is_heard_from_its_prompt_to_its_idle(fake, feed, talk):
    session = await talk.session()
    fake.script(say("Hello ", "there"))
    with feed.follow(session.id) as following:
        message = await talk.prompt(session, "hi")
        events = await heard_until(following, lambda e: e == SessionIdle(session.id))
    assert "".join(e.delta for e in events if isinstance(e, PartDelta)) == "Hello there"
    users = [
        e.message for e in events if isinstance(e, MessageUpdated) and e.message.role == "user"
    ]
    assert [user.id for user in users] == [message]
    assert {event.session for event in events} == {session.id}


async def test_a_sub_agents_events_reach_the_follower_of_its_parent(fake, feed, talk):
    session = await talk.session()
    fake.script(subagent(say("inner"), subagent(say("innermost"))), say("outer"))
    with feed.follow(session.id) as following:
        await talk.prompt(session, "hi")
        events = await heard_until(following, lambda e: e == SessionIdle(session.id))
        created = [e.info for e in events if isinstance(e, SessionCreated) and e.info.parent]
        assert [info.parent for info in created] == [session.id, created[0].id]
        assert following.sessions == {session.id, *(info.id for info in created)}
    heard = [(e.session, e.delta) for e in events if isinstance(e, PartDelta)]
    assert heard == [
        (created[0].id, "inner"),
        (created[1].id, "innermost"),
        (session.id, "outer"),
    ]


async def test_a_sub_agent_that_was_missed_is_found_by_the_tool_that_runs_it(feed):
    state = {"status": "running", "input": {}, "metadata": {"sessionId": "child"}}
    tool = {"id": "p", "sessionID": "s", "messageID": "m", "type": "tool", "tool": "task"}
    payload = {"type": "message.part.updated", "properties": {"part": {**tool, "state": state}}}
    with feed.follow("s") as following:
        feed._take(orjson.dumps({"payload": payload}))
        feed._take(idle("child")[6:])
        _, event = await taken(following, 2)
    assert event == SessionIdle("child")


async def test_a_sub_agent_can_be_adopted_by_reading(feed):
    with feed.follow("s") as following:
        following.adopt("child")
        following.adopt("child")
        feed._take(idle("child")[6:])
        assert await taken(following, 1) == [SessionIdle("child")]
        assert await following.next(0) is None


async def test_a_disposed_folder_is_a_gap_for_those_who_work_there(feed):
    disposed = {"type": "server.instance.disposed", "properties": {"directory": "/w"}}
    everything = {"type": "global.disposed", "properties": {}}
    with feed.follow("s", "/w") as here, feed.follow("t", "/x") as there:
        feed._take(orjson.dumps({"payload": disposed}))
        assert await taken(here, 1) == [Gap("disposed")]
        assert await there.next(0) is None
        feed._take(orjson.dumps({"payload": everything}))
        assert await taken(there, 1) == [Gap("disposed")]


async def test_what_was_missed_while_down_is_a_gap_and_reading_shows_it(fake, feed, talk):
    session = await talk.session()
    gate = asyncio.Event()
    fake.script(say("first ", gate, "second"))
    with feed.follow(session.id) as following:
        await talk.prompt(session, "hi")
        while not isinstance(await following.next(10), PartDelta):
            pass
        fake.refusing_events = 500
        fake.cut_events()
        await until(lambda: not feed.connected)
        gate.set()
        await fake.settled(session.id)
        fake.refusing_events = 0
        assert await taken(following, 1) == [Gap("reconnected")]
    (text,) = [p for p in (await talk.client.messages(session.id))[-1].parts if hasattr(p, "text")]
    assert text.text == "first second"


async def test_a_server_that_was_killed_and_came_back_is_followed_again(fake, feed, talk):
    session = await talk.session()
    fake.script(hang())
    with feed.follow(session.id) as following:
        await talk.prompt(session, "hi")
        await fake.stop()
        await fake.start()
        while not isinstance(await following.next(10), Gap):
            pass
        assert (await talk.client.messages(session.id))[-1].completed_at is None
        assert await talk.client.status(talk.directory) == {}
