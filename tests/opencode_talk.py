"""Talking with an OpenCode, real or scripted, as the engine will: by its client alone."""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bot.background import Background
from bot.opencode.client import OpenCode
from bot.opencode.feed import PATIENCE, Feed, Patience, at_once
from bot.opencode.ids import MessageIds
from bot.opencode.model import Session, TextPart
from bot.opencode.stream import Splitter

WAIT_S = 60


async def read_until(read, good):
    """Read until what comes is good."""
    async with asyncio.timeout(WAIT_S):
        while True:
            value = await read()
            if good(value):
                return value
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def overheard(server, take):
    """Hand over each frame of the event stream as it comes, read by nobody of ours."""
    credentials = aiohttp.encode_basic_auth(server.username, server.password)
    splitter, ready = Splitter(), asyncio.Event()

    async def read(http):
        url, headers = f"{server.url}/global/event", {"authorization": credentials}
        async with http.get(url, headers=headers) as response:
            async for piece in response.content.iter_any():
                for frame in splitter.feed(piece):
                    take(frame)
                ready.set()

    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        reading = group.create_task(read(http))
        await ready.wait()
        yield
        reading.cancel()


def spoken(message):
    """Return the text of a message."""
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))


@dataclass
class Talk:
    """One folder of one server."""

    client: OpenCode
    directory: Path
    model: str

    async def session(self, title="T", **more) -> Session:
        return await self.client.create_session(self.directory, title=title, metadata={}, **more)

    async def prompt(self, session, text, *, message=None, agent="build", model=None):
        message = message or MessageIds().next()
        parts = [{"type": "text", "text": text}]
        given = {"agent": agent, "model": model or self.model}
        await self.client.prompt(session.id, message=message, parts=parts, **given)
        return message

    async def until_over(self, session, prompt=None):
        """Return the messages once all answers to the prompt (or any) are complete."""

        async def look():
            busy = session.id in await self.client.status(self.directory)
            return busy, await self.client.messages(session.id)

        def good(seen):
            busy, messages = seen
            answers = [m for m in messages if m.role == "assistant"]
            mine = [m for m in answers if prompt in (None, m.parent)]
            return not busy and mine and all(m.completed_at for m in answers)

        return (await read_until(look, good))[1]

    async def answer(self, session, text, **more):
        """Prompt, wait, and return the last message."""
        message = await self.prompt(session, text, **more)
        return (await self.until_over(session, message))[-1]

    async def requests(self, read):
        """Return the requests that are waited for, once there are any."""
        return await read_until(lambda: read(self.directory), bool)


@contextlib.asynccontextmanager
async def running(url, username="u", password="p", *, delays=None, ready=at_once, **times):
    """Run a feed, one that tries again fast."""
    patience = Patience(**{"settle_s": 0, **times})
    delays = delays or (lambda: itertools.repeat(0.01))
    feed = Feed(url, username, password, ready=ready, patience=patience, delays=delays)
    async with Background() as background, asyncio.timeout(WAIT_S):
        background.start(feed.run(), name="feed")
        yield feed


@contextlib.asynccontextmanager
async def following(url, username, password, session):
    """Follow a session on a feed of its own, connected."""
    async with running(url, username, password, settle_s=PATIENCE.settle_s) as feed:
        await feed.wait_connected()
        with feed.follow(session.id) as follower:
            yield follower


async def taken(follower, count):
    """Return the next so many items."""
    return [await follower.next(WAIT_S) for _ in range(count)]


async def heard_until(follower, good):
    """Return the events up to the one that is good."""
    events = []
    async with asyncio.timeout(WAIT_S):
        while not events or not good(events[-1]):
            events.append(await follower.next(WAIT_S))
    return events


async def until(holds):
    """Wait for something that nobody announces."""

    async def read():
        return holds()

    await read_until(read, bool)
